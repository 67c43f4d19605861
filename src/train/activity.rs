//! [`Activity`]: what the units of a network are doing.

use std::collections::BTreeMap;

use crate::bits;
use crate::data::Split;
use crate::estimators::Probability;
use crate::layers::{Activation, Binary, Function};
use crate::model::weights::{Data, NamedTensor};
use crate::model::{ModelSpec, Network};
use crate::ranks::Ranks;
use crate::tape::{Mode, Units};

/// The most images that are looked at.
pub const IMAGES: usize = 256;

/// `log(0.95 / 0.05)`: where the logistic counts as saturated.
const LOGISTIC_SATURATES: f32 = 2.944_439;

/// What the units of a network are doing, read off a few images after each epoch:
/// how many are saturated, and how many bits the epoch changed.
///
/// A unit is **saturated** where its probability (or value) `p` is nearly that of a
/// certain bit: for the hard sigmoid `|a·x| >= 1`, outside its ramp, where its
/// derivative is 0; for the logistic `p` outside (0.05, 0.95), that is
/// `|a·x| >= log 19`. A saturated unit passes hardly any gradient, and as settling
/// units sharpen, their share rises.
///
/// A **bit** is `[x > 0]`, also of stochastic units: sampled bits would differ from
/// epoch to epoch by their noise alone. The share that changes falls as training
/// settles.
///
/// The images are the first [`IMAGES`] held out for validation (of training images
/// where none are), so an epoch is told apart from the next by its weights only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    bits: Vec<u64>,
}

/// Shares of units, in all and for each layer by its name: `activation1` is the
/// one next to the input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shares {
    /// The share of all units.
    pub all: f64,
    /// The share of each layer's units.
    pub layers: BTreeMap<String, f64>,
}

/// What [`Activity::measure`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Saturated units; absent without units that saturate.
    pub saturated: Option<Shares>,
    /// Bits that have changed since the last call; absent without bits, or on the first call.
    pub changed: Option<Shares>,
    /// Layers of which no unit tells any two of the images apart, ReLUs among them.
    pub dead: Vec<String>,
}

/// A layer of units.
struct Watched {
    name: String,
    /// Its place in the spec.
    layer: usize,
    /// What saturates; a ReLU does not.
    probability: Option<Probability>,
    /// Whether it emits bits.
    binary: bool,
}

/// Whether a layer's units tell images apart.
#[derive(Default)]
struct Telling {
    /// What they emit for the first image.
    first: Vec<f32>,
    images: usize,
    differ: bool,
}

/// The layers of units of a network that saturate, in order.
fn watched(spec: &ModelSpec) -> Vec<Watched> {
    let mut found = Vec::new();
    let mut units = 0;
    for (layer, of) in spec.layers.iter().enumerate() {
        let rule = of.get::<Binary>().and_then(|unit| unit.rule().ok());
        let probability = match (rule, of.get::<Activation>().map(|a| a.function)) {
            (Some(rule), _) => Some(Some(rule.probability())),
            (_, Some(Function::HardSigmoid)) => Some(Some(Probability::HardSigmoid)),
            (_, Some(Function::Sigmoid)) => Some(Some(Probability::Sigmoid)),
            (_, Some(Function::Relu)) => Some(None),
            _ => None,
        };
        let Some(probability) = probability else {
            continue;
        };
        units += usize::from(probability.is_some());
        found.push(Watched {
            name: match probability {
                Some(_) => format!("activation{units}"),
                None => of.label().to_string(),
            },
            layer,
            probability,
            binary: of.is::<Binary>(),
        });
    }
    found
}

/// Counts that become shares.
#[derive(Default)]
struct Count {
    of: usize,
    yes: usize,
}

impl Activity {
    /// Name of the bits in a checkpoint.
    pub const TENSOR: &'static str = "bits";

    /// Saturated units, bits that have changed since the last call, and layers that are dead,
    /// on the images `indices` of `split`.
    ///
    /// # Panics
    /// If the split does not fit the network.
    pub fn measure(&mut self, net: &mut Network, split: &Split, indices: &[u32]) -> Seen {
        let layers = watched(net.spec());
        if layers.is_empty() || indices.is_empty() {
            return Seen::default();
        }
        let indices = &indices[..indices.len().min(IMAGES)];
        // All layers' outputs are looked at, which each of several ranks computes for itself.
        let ranks = net.ranks().clone();
        net.set_ranks(Ranks::default());
        let before = (net.pass().mode, net.pass().units);
        (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Threshold);
        let known = std::mem::take(&mut self.bits);
        let mut old = known.iter();
        let zeros = || layers.iter().map(|_| Count::default()).collect::<Vec<_>>();
        let (mut saturated, mut changed) = (zeros(), zeros());
        let mut telling: Vec<_> = layers.iter().map(|_| Telling::default()).collect();
        for chunk in indices.chunks(net.capacity()) {
            net.set_rows(chunk.len());
            for (row, &i) in chunk.iter().enumerate() {
                net.set_row(row, split.image(i as usize), split.label(i as usize));
            }
            net.forward();
            let slope = net.pass().slope;
            for (i, layer) in layers.iter().enumerate() {
                let x = net.layer_input(layer.layer);
                let images = x.chunks_exact(x.len() / chunk.len());
                images.for_each(|x| telling[i].look(x.iter().map(|&x| layer.emits(slope, x))));
                if layer.probability.is_some() {
                    saturated[i].of += x.len();
                    saturated[i].yes += x.iter().filter(|&&x| layer.saturates(slope, x)).count();
                }
                if !layer.binary {
                    continue;
                }
                changed[i].of += x.len();
                for units in x.chunks(64) {
                    let word = word(units);
                    let flips = old.next().map_or(0, |old| (old ^ word).count_ones());
                    changed[i].yes += flips as usize;
                    self.bits.push(word);
                }
            }
        }
        let pass = net.pass_mut();
        (pass.mode, pass.units) = before;
        net.set_ranks(ranks);
        let fits = known.len() == self.bits.len() && !known.is_empty();
        let dead = layers.iter().zip(&telling).filter(|(_, t)| t.is_dead());
        Seen {
            saturated: shares(&layers, &saturated),
            changed: shares(&layers, &changed).filter(|_| fits),
            dead: dead.map(|(layer, _)| layer.name.clone()).collect(),
        }
    }

    /// The bits for a checkpoint; nothing before the first epoch's end.
    pub fn export(&self) -> Option<NamedTensor> {
        (!self.bits.is_empty()).then(|| NamedTensor {
            name: Self::TENSOR.into(),
            shape: vec![self.bits.len()],
            data: Data::I64(self.bits.iter().map(|&w| w as i64).collect()),
        })
    }

    /// Takes the bits of a checkpoint; whether it can hold such. One that has none
    /// (of a first epoch, or written before bits were) makes the next epoch the
    /// first to compare with.
    pub fn import(&mut self, tensor: Option<NamedTensor>) -> bool {
        self.bits = match tensor.map(|t| t.data) {
            Some(Data::I64(words)) => words.iter().map(|&w| w as u64).collect(),
            Some(Data::F32(_)) => return false,
            None => Vec::new(),
        };
        true
    }
}

impl Watched {
    fn saturates(&self, slope: f32, x: f32) -> bool {
        match self.probability {
            Some(Probability::HardSigmoid) => (slope * x).abs() >= 1.0,
            Some(Probability::Sigmoid) => (slope * x).abs() >= LOGISTIC_SATURATES,
            None => false,
        }
    }

    /// What a unit emits, up to a function that is the same for every image and keeps what
    /// differs apart.
    fn emits(&self, slope: f32, x: f32) -> f32 {
        match self.probability {
            _ if self.binary => f32::from(u8::from(bits::bit(x))),
            Some(Probability::HardSigmoid) => (slope * x).clamp(-1.0, 1.0),
            Some(Probability::Sigmoid) => x,
            None => x.max(0.0),
        }
    }
}

impl Telling {
    fn look(&mut self, emitted: impl Iterator<Item = f32>) {
        self.images += 1;
        match self.images {
            1 => self.first.extend(emitted),
            _ => self.differ = self.differ || !emitted.eq(self.first.iter().copied()),
        }
    }

    fn is_dead(&self) -> bool {
        self.images > 1 && !self.differ
    }
}

/// Up to 64 bits, the first in the lowest place.
fn word(units: &[f32]) -> u64 {
    let bits = units.iter().enumerate();
    bits.fold(0, |word, (i, &x)| word | u64::from(bits::bit(x)) << i)
}

fn shares(layers: &[Watched], counts: &[Count]) -> Option<Shares> {
    let share = |c: &Count| c.yes as f64 / c.of as f64;
    let seen = layers.iter().zip(counts).filter(|(_, c)| c.of > 0);
    let layers: BTreeMap<_, _> = seen.map(|(l, c)| (l.name.clone(), share(c))).collect();
    let all = Count {
        of: counts.iter().map(|c| c.of).sum(),
        yes: counts.iter().map(|c| c.yes).sum(),
    };
    (!layers.is_empty()).then(|| Shares {
        all: share(&all),
        layers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimators::Firing;
    use crate::kernels;
    use crate::layers::LayerSpec;
    use crate::model::Pixels;
    use crate::tensor::Shape;
    use ndarray::Array4;

    /// A network whose units see the pixels themselves, from -1 (0) to 1 (255).
    fn net(probability: Probability) -> Network {
        let mut unit = Binary::new(Firing::Stochastic, "st");
        unit.probability = Some(probability);
        let out: LayerSpec =
            serde_json::from_str(r#"{"type": "linear", "name": "fc", "out": 2}"#).unwrap();
        let spec = ModelSpec {
            name: "watched".into(),
            input: Shape::image(1, 2, 3),
            pixels: Some(Pixels::normalised(0.5, 0.5)),
            layers: vec![unit.into(), out],
        };
        let engine = kernels::select(Some("scalar")).unwrap();
        Network::new(&spec, engine, 2, true).unwrap()
    }

    #[test]
    fn saturated_units_and_changed_bits_are_counted() {
        let pixels = vec![
            [0, 255, 200, 128, 127, 60], // two at the ends, two more beyond a half
            [0, 255, 200, 127, 128, 60], // two other bits
            [255; 6],
        ];
        let pixels = pixels.into_iter().flatten().collect();
        let images = Array4::from_shape_vec((3, 2, 3, 1), pixels).unwrap();
        let split = Split::new(images, vec![0, 1, 0]).unwrap();
        let mut net = net(Probability::HardSigmoid);
        let mut activity = Activity::default();
        let Seen {
            saturated,
            changed: flips,
            dead,
        } = activity.measure(&mut net, &split, &[0, 0, 2]);
        assert!(dead.is_empty(), "{dead:?}");
        let saturated = saturated.unwrap();
        assert_eq!(saturated.all, 10.0 / 18.0);
        assert_eq!(saturated.layers["activation1"], saturated.all);
        assert_eq!(flips, None, "nothing to compare with");
        let mut resumed = Activity::default();
        assert!(resumed.import(activity.export()) && resumed == activity);
        net.pass_mut().slope = 2.0;
        let Seen {
            saturated,
            changed: flips,
            ..
        } = resumed.measure(&mut net, &split, &[1, 0, 2]);
        assert_eq!(saturated.unwrap().all, 14.0 / 18.0);
        assert_eq!(flips.unwrap().all, 2.0 / 18.0);
        // The pass is as it was before.
        assert_eq!(net.pass().units, Units::Sample);
    }

    #[test]
    fn a_layer_that_tells_no_two_images_apart_is_dead() {
        let images = |second: u8| {
            let pixels = [[200, 255, 255, 10, 20, 30], [200, 255, 255, 20, 10, second]];
            let pixels = pixels.into_iter().flatten().collect();
            Array4::from_shape_vec((2, 2, 3, 1), pixels).unwrap()
        };
        let dead = |net: &mut Network, second| {
            let split = Split::new(images(second), vec![0, 1]).unwrap();
            Activity::default().measure(net, &split, &[0, 1]).dead
        };
        // The pixels differ, their bits do not until the last does.
        let mut units = net(Probability::HardSigmoid);
        assert_eq!(dead(&mut units, 40), ["activation1"]);
        assert!(dead(&mut units, 160).is_empty());
        // Where the pixels differ they are below 0, and a ReLU hides it.
        let mut spec = units.spec().clone();
        let relu = Activation {
            function: Function::Relu,
        };
        spec.layers.insert(0, relu.into());
        let engine = kernels::select(Some("scalar")).unwrap();
        let mut net = Network::new(&spec, engine, 2, true).unwrap();
        assert_eq!(dead(&mut net, 40), ["relu", "activation1"]);
    }

    #[test]
    fn a_logistic_unit_saturates_where_it_is_nearly_certain() {
        let unit = &watched(net(Probability::Sigmoid).spec())[0];
        let at = |x: f32| (Probability::Sigmoid.of(1.0, x) - 0.5).abs() < 0.45;
        for x in [-4.0, -2.95, -2.94, 0.0, 2.94, 2.95, 4.0] {
            assert_eq!(unit.saturates(1.0, x), !at(x), "{x}");
        }
        assert!(unit.saturates(2.0, 1.5) && !unit.saturates(1.0, 1.5));
    }
}
