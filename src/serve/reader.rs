//! A network in both its forms, and what they make of a drawing.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::data::Background;
use crate::data::preprocess::{self, MAX_DRAWN};
use crate::error::{Error, Result};
use crate::kernels::Engine;
use crate::layers::log_softmax;
use crate::model::{Network, argmax};
use crate::packed::{PackedNet, Reading, Runner};
use crate::tape::{Mode, Noise, Units};
use crate::tensor::Shape;

/// Passes that a time is the median of, and how long they may take together.
const PASSES: usize = 9;
const PATIENCE: Duration = Duration::from_millis(20);

/// Bytes of the largest drawing as JSON: three digits, a comma and a blank a pixel, and
/// its sides.
pub(super) const MAX_BODY: usize = 5 * MAX_DRAWN * MAX_DRAWN + 256;

/// A drawing: ink on paper, row by row, 0 for none and 255 for most.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The pixels.
    pub ink: Vec<u8>,
}

impl Drawing {
    /// The drawing as an image for a network whose training images have this background, by
    /// [`preprocess::drawn`].
    ///
    /// # Errors
    /// Why there is no such image, in one line.
    pub fn image(
        &self,
        background: Background,
        size: (usize, usize),
    ) -> std::result::Result<Vec<u8>, &'static str> {
        preprocess::drawn(&self.ink, (self.height, self.width), background, size)
    }
}

/// What one form of the network says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Form {
    /// The likeliest class, the first of equals; `None` where a logit is no number.
    pub class: Option<usize>,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// Microseconds of a pass on one thread: the median of several.
    pub us: f64,
}

/// How the two forms agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Whether both name the same class.
    pub class: bool,
    /// The largest difference of a logit.
    pub logit: f32,
    /// The number of bits that differ.
    pub bits: usize,
}

/// What the network makes of a drawing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The image that the network was shown: (height, width), a byte a pixel.
    pub image: Vec<u8>,
    /// What the packed form says.
    pub packed: Form,
    /// What the float form says; `None` of a packed file, which has no such form.
    pub float: Option<Form>,
    /// How the two forms agree, where there are two.
    pub agreement: Option<Agreement>,
    /// The bits of each binary layer, after its pooling: (channel, height, width),
    /// a `0` or `1` each.
    pub bits: Vec<String>,
}

/// A binary layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BitLayer {
    /// The layer with weights before it.
    pub name: String,
    /// Its channels.
    pub channels: usize,
    /// The height of a channel.
    pub height: usize,
    /// The width of a channel.
    pub width: usize,
}

/// What the page says of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// The network in a few words.
    pub title: String,
    /// The run or file.
    pub source: String,
    /// How its units are read, where they are stochastic.
    pub reading: Option<&'static str>,
    /// Instruction set of the kernels.
    pub isa: &'static str,
    /// Classes that it tells apart.
    pub classes: usize,
    /// The height of an image.
    pub height: usize,
    /// The width of an image.
    pub width: usize,
    /// Whether there is a float form beside the packed one.
    pub float: bool,
    /// Its binary layers.
    pub layers: Vec<BitLayer>,
}

/// A network that reads drawings.
pub struct Reader {
    about: About,
    packed: PackedNet,
    runner: Runner,
    float: Option<Network>,
    logits: [Vec<f32>; 2],
    scratch: Vec<f32>,
    /// The background of the training images: drawings are light on dark, and are inverted for a
    /// light one.
    background: Background,
}

/// Makes a network read one image at a time, its units as samples of that noise or, without
/// any, as thresholds.
pub(super) fn read_one(net: &mut Network, noise: Option<Noise>) {
    let pass = net.pass_mut();
    pass.mode = Mode::Eval;
    pass.units = match noise {
        Some(_) => Units::Sample,
        None => Units::Threshold,
    };
    pass.noise = noise.unwrap_or(pass.noise);
    net.set_rows(1);
}

/// The shape of the images of a network that can be served.
///
/// # Errors
/// A network that does not take grey images.
pub(super) fn form_of(packed: &PackedNet, source: &str) -> Result<Shape> {
    let input = packed.input();
    match input.channels {
        1 => Ok(input),
        _ => Err(Error::spec(format!(
            "{source} takes images of {input}, but drawings are grey; serve a network of one channel"
        ))),
    }
}

/// Makes the runner draw stochastic units from that noise, or read them as thresholds; what
/// the page says of it.
pub(super) fn sampled(
    packed: &PackedNet,
    runner: &mut Runner,
    noise: Option<Noise>,
) -> Option<&'static str> {
    if let Some(Noise { seed, step, draw }) = noise {
        let row = 0;
        runner.read_as(Reading::Sample {
            seed,
            step,
            draw,
            row,
        });
    }
    packed.is_stochastic().then_some(match noise {
        Some(_) => "one sample of its stochastic units, the same noise for every drawing",
        None => "stochastic units read as [x > 0]",
    })
}

/// The binary layers of a network, by name and shape.
fn bit_layers(packed: &PackedNet) -> Vec<BitLayer> {
    let layers = binary(packed).map(|i| {
        let shape = packed.flows()[i].output().0;
        BitLayer {
            name: packed.stages()[i].name.clone(),
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
        }
    });
    layers.collect()
}

impl Reader {
    /// A reader by `packed` and, beside it, by the graph that it was made from.
    /// Stochastic units draw from `noise`, the same for every drawing, so that an
    /// answer depends on the drawing alone; without noise they are thresholds.
    ///
    /// # Errors
    /// A network that does not take grey images, or two that are not one.
    pub fn new(
        title: String,
        source: String,
        packed: PackedNet,
        float: Option<Network>,
        noise: Option<Noise>,
        engine: Engine,
    ) -> Result<Self> {
        let (input, classes) = (form_of(&packed, &source)?, packed.classes());
        let mut runner = packed.runner(engine);
        let reading = sampled(&packed, &mut runner, noise);
        let mut float = float;
        if let Some(net) = &mut float {
            if net.spec().input != input || net.classes() != classes {
                return Err(Error::spec(format!(
                    "{source}: its two forms are of different networks"
                )));
            }
            read_one(net, noise);
        }
        Ok(Self {
            about: About {
                title,
                source,
                reading,
                isa: engine.kernels.isa.name(),
                classes,
                height: input.height,
                width: input.width,
                float: float.is_some(),
                layers: bit_layers(&packed),
            },
            runner,
            float,
            logits: [vec![0.0; classes], vec![0.0; classes]],
            scratch: Vec::new(),
            background: ground_of(&packed),
            packed,
        })
    }

    /// What the page says of the network.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Reads a drawing.
    ///
    /// # Errors
    /// Why it cannot be read, in one line.
    pub fn read(&mut self, drawing: &Drawing) -> std::result::Result<Answer, &'static str> {
        let image = drawing.image(self.background, (self.about.height, self.about.width))?;
        let [bits, reals] = &mut self.logits;
        let us = median_us(|| self.runner.logits(&image, bits));
        let packed = form(bits, us);
        let float = self.float.as_mut().map(|net| {
            net.set_row(0, &image, 0);
            let us = median_us(|| net.forward());
            reals.copy_from_slice(net.logits());
            form(reals, us)
        });
        let gaps = bits.iter().zip(reals.iter()).map(|(a, b)| (a - b).abs());
        let mut agreement = float.as_ref().map(|float| Agreement {
            class: float.class == packed.class,
            logit: gaps.fold(0.0, f32::max),
            bits: 0,
        });
        let mut layers = Vec::new();
        for i in binary(&self.packed) {
            self.runner.output(i, &mut self.scratch);
            if let (Some(agreement), Some(net)) = (&mut agreement, &self.float) {
                let want = net.layer_output(self.packed.stages()[i].layer);
                let pairs = self.scratch.iter().zip(want);
                agreement.bits += pairs.filter(|(a, b)| a != b).count();
            }
            let channels = self.packed.flows()[i].output().0.channels;
            let channel = |c: usize| self.scratch[c..].iter().step_by(channels);
            let all = (0..channels).flat_map(channel);
            layers.push(all.map(|&b| if b > 0.0 { '1' } else { '0' }).collect());
        }
        Ok(Answer {
            image,
            packed,
            float,
            agreement,
            bits: layers,
        })
    }
}

/// The background of the images that a network was trained on; dark where that is not known.
pub(super) fn ground_of(net: &PackedNet) -> Background {
    match net.lineage().and_then(|lineage| lineage.light_ground) {
        Some(true) => Background::Light,
        _ => Background::Dark,
    }
}

/// The stages whose outputs are bits.
fn binary(net: &PackedNet) -> impl Iterator<Item = usize> + '_ {
    let flows = net.flows().iter().enumerate();
    flows
        .filter(|(_, flow)| flow.output().1.is_bits())
        .map(|(i, _)| i)
}

fn form(logits: &[f32], us: f64) -> Form {
    let mut probabilities = vec![0.0; logits.len()];
    log_softmax(logits, &mut probabilities);
    probabilities.iter_mut().for_each(|p| *p = libm::expf(*p));
    Form {
        class: argmax(logits),
        probabilities,
        us,
    }
}

/// Microseconds of a pass: the median of some, at least of one.
pub(super) fn median_us(mut pass: impl FnMut()) -> f64 {
    let (mut us, all) = (Vec::with_capacity(PASSES), Instant::now());
    while us.is_empty() || (us.len() < PASSES && all.elapsed() < PATIENCE) {
        let begun = Instant::now();
        pass();
        us.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    us.sort_by(f64::total_cmp);
    us[us.len() / 2]
}
