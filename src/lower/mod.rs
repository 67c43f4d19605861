//! Floor 5: from a trained network to a packed one. The only place that sees both.
//!
//! The layers between one layer with weights and the next become a few steps. Where
//! the weights are binary and the inputs bits or pixels, a sum is an integer, and
//! what follows it up to the binary unit is, for each channel, a function of that
//! integer: scale, bias, batch norm, activation. That very function, with the
//! roundings of the trained graph, is evaluated at *every* sum that can occur:
//!
//! - the unit's bit must change at most once along the sums; where it changes is the
//!   threshold, and whether it falls is the flip (a negative γ). If it never
//!   changes (γ = 0) the bit is a constant;
//! - the function up to each pool must rise or fall all the way. The pool takes the
//!   largest value, so the largest sum if it rises and the smallest if it falls;
//!   and the bit of the largest sum is the OR of the bits if the bit rises with the
//!   sum, else the AND. So batch norm before the pool gives an OR whatever the sign
//!   of γ, and after it an OR for γ > 0, an AND for γ < 0.
//!
//! A channel for which this does not hold is refused: each one is proved by
//! exhaustion, none by algebra.

mod channel;
mod verify;

pub use verify::{Difference, Verification, verify};

use crate::bits;
use crate::error::{Error, Result};
use crate::estimators::{Firing, Link};
use crate::layers::{
    self, Activation, BatchNorm, Binary, Conv, Linear, MaxPool, channel_scale, scale_and_shift,
};
use crate::model::{LayerSpec, ModelSpec, Network, Pixels as Encoding};
use crate::packed::{
    Cut, Function, Kind, PackedNet, Pixels, Product, Stage, Step, Weights, sums_of,
};
use crate::tape::{Entry, Params};
use channel::{Map, Scan};

/// The packed form of a trained network, as it is read in evaluation.
///
/// # Errors
/// One line that names the layer that cannot be packed, and why.
pub fn lower(net: &Network) -> Result<PackedNet> {
    let spec = net.spec();
    let mut lowering = Lowering {
        spec,
        params: net.params(),
        slope: net.pass().slope,
        nodes: spec.noise_keys(),
    };
    lowering.run()
}

struct Lowering<'a> {
    spec: &'a ModelSpec,
    params: &'a Params,
    slope: f32,
    /// The place of each layer in the address of its noise.
    nodes: Vec<usize>,
}

/// A layer with weights on its way.
struct Weighted {
    stage: Stage,
    /// Scale and bias that follow integer sums.
    after: Option<Map>,
    depth: usize,
    channels: usize,
}

impl Lowering<'_> {
    fn run(&mut self) -> Result<PackedNet> {
        self.check_windows()?;
        let layers = &self.spec.layers;
        let pixels = match self.spec.pixel_encoding() {
            Encoding::Integer => Pixels::Raw,
            Encoding::Normalised(n) => Pixels::Normalised {
                mean: n.mean,
                std: n.std,
            },
        };
        let mut kind = match pixels {
            Pixels::Raw => Kind::Pixels,
            Pixels::Normalised { .. } => Kind::Reals,
        };
        let mut stages = Vec::new();
        let mut i = 0;
        while i < layers.len() {
            let weighted = self.weights(i)?;
            let first = if weighted.is_some() { i + 1 } else { i };
            let is_weighted = |l: &LayerSpec| l.is::<Conv>() || l.is::<Linear>();
            let end = (first..layers.len()).find(|&j| is_weighted(&layers[j]));
            let end = end.unwrap_or(layers.len());
            let reads = kind;
            let weighted = weighted.unwrap_or_else(|| Weighted {
                stage: Stage {
                    name: "input".into(),
                    layer: 0,
                    product: Product::Input,
                    weights: Weights::None,
                    tail: Vec::new(),
                },
                after: None,
                depth: 1,
                channels: self.spec.input.channels,
            });
            let (stage, made) = self.tail(weighted, reads, first, end)?;
            stages.push(stage);
            kind = made;
            i = end;
        }
        PackedNet::new(self.spec.name.clone(), self.spec.input, pixels, stages)
    }

    /// Refuses windows that have no packed form yet, by what is new about them.
    fn check_windows(&self) -> Result<()> {
        for (i, layer) in self.spec.layers.iter().enumerate() {
            let mut sides = Vec::new();
            if let Some(conv) = layer.get::<Conv>() {
                if conv.groups != 1 {
                    return Err(self.fail(i, "no packed form is known of groups yet"));
                }
                if !conv.dilation.is_one() {
                    return Err(self.fail(i, "no packed form is known of dilation yet"));
                }
                sides.extend([conv.kernel, conv.stride, conv.padding]);
            }
            let pool = layer.get::<MaxPool>();
            sides.extend(pool.into_iter().flat_map(|pool| [pool.kernel, pool.step()]));
            if sides.iter().any(|sides| sides.equal().is_none()) {
                let what = "no packed form is known of a window that differs by side yet";
                return Err(self.fail(i, what));
            }
        }
        Ok(())
    }

    /// An error about layer `i`.
    fn fail(&self, i: usize, what: impl std::fmt::Display) -> Error {
        Error::spec(format!(
            "layer {} ({}) cannot be packed: {what}",
            i + 1,
            self.spec.layers[i].label()
        ))
    }

    fn find<'e>(&self, entries: &'e [Entry], name: &str) -> Result<&'e Entry> {
        let missing = || Error::spec(format!("the network has no tensor {name}"));
        entries.iter().find(|e| e.name == name).ok_or_else(missing)
    }

    fn param(&self, name: &str) -> Result<&[f32]> {
        let entry = self.find(self.params.entries(), name)?;
        Ok(&self.params.values()[entry.span.clone()])
    }

    fn buffer(&self, name: &str) -> Result<&[f32]> {
        let entry = self.find(self.params.buffer_entries(), name)?;
        Ok(&self.params.buffer_values()[entry.span.clone()])
    }

    /// Layer `i`'s weights, if it has any.
    fn weights(&self, i: usize) -> Result<Option<Weighted>> {
        let layer = &self.spec.layers[i];
        let name = layer.label();
        let (product, out, terms) = if let Some(conv) = layer.get::<Conv>() {
            let product = Product::Conv {
                out: conv.out,
                kernel: conv.kernel.height,
                stride: conv.stride.height,
                padding: conv.padding.height,
            };
            (product, conv.out, conv.terms())
        } else if let Some(linear) = layer.get::<Linear>() {
            let out = linear.out;
            (Product::Linear { out }, out, linear.terms())
        } else {
            return Ok(None);
        };
        let layers::Terms {
            bias,
            scale,
            weights: kind,
        } = terms;
        let values = self.param(&format!("{name}.weight"))?;
        let depth = values.len() / out;
        let has_bias = bias;
        let bias = match has_bias {
            true => self.param(&format!("{name}.bias"))?.to_vec(),
            false => vec![0.0; out],
        };
        if values.iter().chain(&bias).any(|w| !w.is_finite()) {
            return Err(self.fail(i, "a weight is not a finite number"));
        }
        let mut after = None;
        let weights = if kind.is_real() {
            Weights::Real {
                values: values.to_vec(),
                bias,
            }
        } else {
            let scales = values.chunks_exact(depth).map(|v| match scale {
                true => channel_scale(v),
                false => 1.0,
            });
            after = (scale || has_bias).then(|| Map::Affine {
                scale: scales.collect(),
                shift: bias,
            });
            let words = values.chunks_exact(depth).flat_map(bits::pack_signs);
            Weights::Binary {
                words: words.collect(),
            }
        };
        Ok(Some(Weighted {
            stage: Stage {
                name: name.into(),
                layer: i,
                product,
                weights,
                tail: Vec::new(),
            },
            after,
            depth,
            channels: out,
        }))
    }

    /// The layers `first..end` behind a layer with weights.
    fn tail(
        &self,
        weighted: Weighted,
        reads: Kind,
        first: usize,
        end: usize,
    ) -> Result<(Stage, Kind)> {
        let Weighted {
            mut stage,
            after,
            depth,
            channels,
        } = weighted;
        let mut kind = match (&stage.weights, reads) {
            (Weights::None, Kind::Pixels) => Kind::Ints,
            (Weights::Binary { .. }, Kind::Pixels | Kind::Bits) => Kind::Ints,
            _ => Kind::Reals,
        };
        let mut next = first;
        if kind == Kind::Ints {
            let most = if reads == Kind::Pixels { 255 } else { 1 };
            let sums = match stage.weights {
                Weights::Binary { .. } => depth.saturating_mul(most as usize),
                _ => 255,
            };
            Scan::check(sums, channels).map_err(|what| self.fail(stage.layer, what))?;
            let scan = Scan::new(channels, |c| match &stage.weights {
                Weights::Binary { words } => {
                    let row = depth.div_ceil(64);
                    let ones = |w: &u64| w.count_ones() as usize;
                    let positive = words[c * row..][..row].iter().map(ones).sum();
                    sums_of(depth, positive, most)
                }
                _ => (0, 255),
            });
            match (first..end).find(|&j| self.spec.layers[j].is::<Binary>()) {
                Some(unit) => {
                    self.integer_unit(&mut stage, scan, after, first, unit)?;
                    (kind, next) = (Kind::Bits, unit + 1);
                }
                None => {
                    // Pools first, as long as nothing else has come.
                    let pool = |j: usize| self.spec.layers[j..end].first()?.get::<MaxPool>();
                    while let (None, Some(pool)) = (&after, pool(next)) {
                        stage.tail.push(Step::PoolInts {
                            kernel: pool.kernel.height,
                            stride: pool.step().height,
                            min: vec![false; channels],
                        });
                        next += 1;
                    }
                    let same = Map::Affine {
                        scale: vec![1.0; channels],
                        shift: vec![0.0; channels],
                    };
                    let following = self.spec.layers[next..end].first();
                    let starts_affine = following.is_some_and(LayerSpec::is::<BatchNorm>);
                    match after {
                        Some(map) => stage.tail.push(map.step()),
                        None if !starts_affine => stage.tail.push(same.step()),
                        None => {}
                    }
                    kind = Kind::Reals;
                }
            }
        } else if let Some(map) = after {
            stage.tail.push(map.step());
        }
        for j in next..end {
            let (step, made) = self.step(j, kind, channels)?;
            stage.tail.push(step);
            kind = made;
        }
        stage.layer = (end.max(1)) - 1;
        Ok((stage, kind))
    }

    /// The map that layer `j` is, if it acts on each number alone.
    fn map(&self, j: usize) -> Result<Option<Map>> {
        let layer = &self.spec.layers[j];
        if let Some(norm) = layer.get::<BatchNorm>() {
            let name = layer.label();
            let gamma = self.param(&format!("{name}.weight"))?;
            let beta = self.param(&format!("{name}.bias"))?;
            let mean = self.buffer(&format!("{name}.running_mean"))?;
            let var = self.buffer(&format!("{name}.running_var"))?;
            let pairs = (0..gamma.len())
                .map(|c| scale_and_shift(gamma[c], beta[c], mean[c], var[c], norm.eps));
            let (scale, shift): (Vec<f32>, Vec<f32>) = pairs.unzip();
            let finite = |x: &f32| x.is_finite();
            if let Some(c) = (0..scale.len()).find(|&c| !finite(&scale[c]) || !finite(&shift[c])) {
                return Err(self.fail(j, format!("channel {c} has no finite scale and shift")));
            }
            return Ok(Some(Map::Affine { scale, shift }));
        }
        Ok(layer.get::<Activation>().map(|activation| {
            let function = match activation.function {
                layers::Function::Relu => Function::Relu,
                layers::Function::HardSigmoid => Function::HardSigmoid,
                layers::Function::Sigmoid => Function::Sigmoid,
            };
            Map::Function(function, self.slope)
        }))
    }

    /// Layer `j` as a step of its own, on reals or bits.
    fn step(&self, j: usize, kind: Kind, channels: usize) -> Result<(Step, Kind)> {
        if let Some(pool) = self.spec.layers[j].get::<MaxPool>() {
            let (kernel, stride) = (pool.kernel.height, pool.step().height);
            let and = vec![false; channels];
            return Ok(match kind {
                Kind::Bits => (
                    Step::PoolBits {
                        kernel,
                        stride,
                        and,
                    },
                    kind,
                ),
                _ => (Step::MaxPool { kernel, stride }, kind),
            });
        }
        if kind == Kind::Bits {
            let what = "it follows a binary unit, and its input is bits; only pooling may stand between a binary unit and the next weights";
            return Err(self.fail(j, what));
        }
        if let Some(map) = self.map(j)? {
            return Ok((map.step(), Kind::Reals));
        }
        match self.spec.layers[j].get::<Binary>() {
            Some(unit) if unit.mode == Firing::Deterministic => Ok((Step::Fire, Kind::Bits)),
            Some(unit) => {
                let link = link_function(unit)?;
                let (node, slope) = (self.nodes[j], self.slope);
                Ok((Step::Sample { node, link, slope }, Kind::Bits))
            }
            None => Err(self.fail(j, "no packed form is known of it here")),
        }
    }

    /// The layers `first..=unit` behind integer sums, up to their binary unit.
    fn integer_unit(
        &self,
        stage: &mut Stage,
        mut scan: Scan,
        after: Option<Map>,
        first: usize,
        unit: usize,
    ) -> Result<()> {
        let channels = scan.channels();
        if let Some(map) = after {
            scan.apply(&map);
        }
        // Each pool, and for each channel whether its input rises with the sum.
        let mut pools = Vec::new();
        for j in first..unit {
            if let Some(pool) = self.spec.layers[j].get::<MaxPool>() {
                let rises = scan.rises().map_err(|c| {
                    self.fail(
                        j,
                        format!(
                            "what it pools in channel {c} neither rises nor falls with the sum"
                        ),
                    )
                })?;
                pools.push((pool.kernel.height, pool.step().height, rises));
            } else if let Some(map) = self.map(j)? {
                scan.apply(&map);
            } else {
                return Err(self.fail(j, "no packed form is known of it here"));
            }
        }
        let cuts = scan.cuts().map_err(|c| {
            self.fail(
                unit,
                format!("the bit of channel {c} changes more than once along its sums"),
            )
        })?;
        let cut = Cut {
            threshold: cuts.iter().map(|c| c.threshold).collect(),
            flip: cuts.iter().map(|c| c.flip).collect(),
        };
        let Some(binary) = self.spec.layers[unit].get::<Binary>() else {
            return Err(self.fail(unit, "it is no binary unit"));
        };
        if binary.mode == Firing::Deterministic {
            stage.tail.push(Step::Cut { cut });
            // A constant, to the pool or to the unit, pools the same either way.
            let and = |rises: &[Option<bool>]| -> Vec<bool> {
                let pairs = rises.iter().zip(&cuts);
                pairs
                    .map(|(rises, cut)| rises.is_some_and(|r| r == cut.flip) && !cut.constant)
                    .collect()
            };
            stage
                .tail
                .extend(pools.iter().map(|(kernel, stride, rises)| Step::PoolBits {
                    kernel: *kernel,
                    stride: *stride,
                    and: and(rises),
                }));
            return Ok(());
        }
        stage
            .tail
            .extend(pools.iter().map(|(kernel, stride, rises)| Step::PoolInts {
                kernel: *kernel,
                stride: *stride,
                min: rises.iter().map(|r| *r == Some(false)).collect(),
            }));
        let link = binary.rule()?.link();
        let p = |x: f32| link.probability(self.slope, x);
        stage.tail.push(Step::Draw {
            node: self.nodes[unit],
            cut,
            p: (0..channels)
                .flat_map(|c| scan.values(c).iter().map(|&x| p(x)).collect::<Vec<_>>())
                .collect(),
        });
        Ok(())
    }
}

/// The probability of a bit as a function of the pre-activation.
fn link_function(unit: &Binary) -> Result<Function> {
    Ok(match unit.rule()?.link() {
        Link::HardSigmoid => Function::HardSigmoid,
        Link::Sigmoid => Function::Sigmoid,
    })
}
