//! [`Site`]: a layer's output, and how its units are put in order of excitement.

use std::ops::Range;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::layers::{Activation, Binary, Concat, MaxPool, Sides, Window};
use crate::model::{ModelSpec, Network, Source};
use crate::tensor::Shape;

/// Where one looks at a network: the output of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Site {
    /// What files and tables call it: the layer's name, or `NAME-block`.
    pub name: String,
    /// The same in words.
    pub about: String,
    /// The number of the layer, from 0.
    pub layer: usize,
    /// The shape of its output for one image.
    pub shape: Shape,
    /// Whether its numbers are bits.
    pub bits: bool,
    /// Where the strength of its units is read, and what one ascends from to raise it: a layer
    /// that joins others is its own, with straight-through gradients below its bits.
    #[serde(skip)]
    ranked: Ranked,
    /// The same for each run of channels; those of joined layers are read in their own.
    #[serde(skip)]
    parts: Vec<Part>,
}

/// Consecutive channels whose strength is read in one place.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    /// The channels of the site.
    channels: Range<usize>,
    /// The channel of the ranked layer that is the first of them.
    first: usize,
    /// Where their strength is read.
    ranked: Ranked,
}

/// Where the strength of units is read: at the pre-activations of an activation or a binary
/// unit, since bits and saturated units are all alike; else at the outputs themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ranked {
    /// The layer whose output it is.
    layer: usize,
    /// The window of a max-pool above it, whose greatest strength counts.
    pool: Option<Window>,
}

impl Site {
    /// The output of layer `layer`.
    ///
    /// # Errors
    /// A spec that describes no network, or a layer that is not there or is a loss.
    pub fn of_layer(spec: &ModelSpec, layer: usize) -> Result<Self> {
        let label = spec.layers.get(layer).map(|l| l.label().to_string());
        let label = label.ok_or_else(|| Error::spec("there is no such layer"))?;
        let fail = |what: &str| {
            let of = format!("model {}: layer {label}: {what}", spec.name);
            Err(Error::spec(of))
        };
        if spec.layers[layer].layer().is_loss() {
            return fail("it is a loss, which has no units to look at");
        }
        let shape = spec.layer_shapes()?[layer].output;
        if spec.receptive_field(layer, 0, (0, 0)).is_err() {
            return fail("it depends on no image, so there is nothing to see in it");
        }
        Ok(Self {
            name: match &spec.layers[layer].name {
                Some(name) => name.clone(),
                None => format!("{}-{label}", layer + 1),
            },
            about: format!("layer {} ({label})", layer + 1),
            layer,
            shape,
            bits: spec.makes_bits()[layer],
            ranked: ranked(spec, layer)?,
            parts: parts(spec, layer)?,
        })
    }

    /// The site that `text` names ([`ModelSpec::find_layer`]).
    ///
    /// # Errors
    /// As [`Self::of_layer`], and a layer that is not there.
    pub fn find(spec: &ModelSpec, text: &str) -> Result<Self> {
        Self::of_layer(spec, spec.find_layer(text)?)
    }

    /// What every block hands on ([`ModelSpec::blocks`]).
    ///
    /// # Errors
    /// A spec that describes no network.
    pub fn of_blocks(spec: &ModelSpec) -> Result<Vec<Self>> {
        let mut sites = Vec::new();
        for block in spec.blocks()? {
            let site = Self::of_layer(spec, block.last)?;
            let (label, number) = (spec.layers[block.last].label(), block.last + 1);
            let about = match block.last - block.first {
                0 => format!("layer {number} ({label})"),
                _ => format!(
                    "{} and what follows it up to layer {number} ({label})",
                    block.name
                ),
            };
            sites.push(Self {
                name: match block.last - block.first {
                    0 => block.name,
                    _ => format!("{}-block", block.name),
                },
                about,
                ..site
            });
        }
        Ok(sites)
    }

    /// Whether its units have places on an image.
    pub fn is_image(&self) -> bool {
        self.shape.pixels() > 1
    }

    /// The strengths of the units of the live rows, as the output is stored: pre-activations
    /// where the layer is an activation, a binary unit or a max-pool over one, or a channel was
    /// joined from such a layer; else the outputs.
    pub fn strengths(&self, net: &Network, out: &mut Vec<f32>) {
        let (len, all) = (self.shape.len(), self.shape.channels);
        let rows = net.layer_output(self.layer).len() / len;
        out.clear();
        out.resize(rows * len, 0.0);
        for part in &self.parts {
            let below = output_of(net, part.ranked.layer);
            let values = net
                .layer_output(part.ranked.layer)
                .chunks_exact(below.len());
            for (row, out) in values.zip(out.chunks_exact_mut(len)) {
                for (place, out) in out.chunks_exact_mut(all).enumerate() {
                    for (i, out) in out[part.channels.clone()].iter_mut().enumerate() {
                        let channel = part.first + i;
                        *out = row[match part.ranked.pool {
                            None => place * below.channels + channel,
                            Some(window) => {
                                strongest(row, below, (self.shape.width, place), channel, window)
                            }
                        }];
                    }
                }
            }
        }
    }

    /// Where strengths are read: the layer whose output it is.
    pub(super) fn ranked_layer(&self) -> usize {
        self.ranked.layer
    }

    /// The number of a row of the ranked layer's output that decides the strength of `unit`.
    pub(super) fn deciding(&self, net: &Network, row: &[f32], unit: usize) -> usize {
        let (channel, place) = (unit % self.shape.channels, unit / self.shape.channels);
        let below = || output_of(net, self.ranked.layer);
        self.ranked.pool.map_or(unit, |window| {
            strongest(row, below(), (self.shape.width, place), channel, window)
        })
    }
}

/// The shape of the output of a layer.
fn output_of(net: &Network, layer: usize) -> Shape {
    let shapes = net.spec().layer_shapes().unwrap_or_default();
    shapes.get(layer).map_or(Shape::vector(1), |s| s.output)
}

/// The number of the greatest input of that channel under the window of place `place` of an
/// output of that width, the first of equals.
fn strongest(
    row: &[f32],
    below: Shape,
    (width, place): (usize, usize),
    channel: usize,
    window: Window,
) -> usize {
    let (y, x) = (place / width, place % width);
    let (stride, kernel) = (window.stride, window.kernel);
    let at = |i: usize, j: usize| (i * below.width + j) * below.channels + channel;
    let (top, left) = (y * stride.height, x * stride.width);
    let mut best = at(top, left);
    for i in top..top + kernel.height {
        for j in left..left + kernel.width {
            if row[at(i, j)] > row[best] {
                best = at(i, j);
            }
        }
    }
    best
}

/// Where the strengths of the channels of a layer are read: those that a [`Concat`] joins where
/// those of the joined layer are.
fn parts(spec: &ModelSpec, layer: usize) -> Result<Vec<Part>> {
    let shapes = spec.layer_shapes()?;
    let own = |channels: Range<usize>| Part {
        first: channels.start,
        channels,
        ranked: Ranked { layer, pool: None },
    };
    if !spec.layers[layer].is::<Concat>() {
        return Ok(vec![Part {
            ranked: ranked(spec, layer)?,
            ..own(0..shapes[layer].output.channels)
        }]);
    }
    let (mut all, mut start) = (Vec::new(), 0);
    let sources = &spec.topology()?.inputs[layer];
    for (source, shape) in sources.iter().zip(&shapes[layer].inputs) {
        let end = start + shape.channels;
        match source {
            Source::Input => all.push(own(start..end)),
            Source::Layer(j) => all.extend(parts(spec, *j)?.into_iter().map(|part| Part {
                channels: start + part.channels.start..start + part.channels.end,
                ..part
            })),
        }
        start = end;
    }
    Ok(all)
}

/// Where the strength of the units of a layer is read.
fn ranked(spec: &ModelSpec, layer: usize) -> Result<Ranked> {
    let inputs = spec.topology()?.inputs;
    let own = Ranked { layer, pool: None };
    let input = |i: usize| match inputs[i][..] {
        [Source::Layer(j)] => Some(j),
        _ => None,
    };
    let before = |i: usize| {
        let rises = spec.layers[i].is::<Binary>() || spec.layers[i].is::<Activation>();
        input(i).filter(|_| rises)
    };
    if let Some(below) = before(layer) {
        return Ok(Ranked {
            layer: below,
            pool: None,
        });
    }
    let Some(pool) = spec.layers[layer].get::<MaxPool>() else {
        return Ok(own);
    };
    let window = Window {
        kernel: pool.kernel,
        stride: pool.step(),
        padding: Sides::both(0),
        border: 0,
        dilation: Sides::ONE,
    };
    let below = input(layer).and_then(before);
    Ok(below.map_or(own, |below| Ranked {
        layer: below,
        pool: Some(window),
    }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::{Split, digits};
    use crate::kernels;
    use crate::model::Init;
    use crate::tape::{Mode, Units};

    /// A real and a binary branch that are joined, for digits.
    pub(crate) const TWO: &str = r#"{"name": "two", "input": {"channels": 1, "height": 28, "width": 28},
        "pixels": {"mean": 0.13, "std": 0.31},
        "layers": [
            {"type": "conv", "name": "a", "out": 3, "kernel": 3, "padding": 1, "stride": 2},
            {"type": "activation", "function": "relu", "name": "real"},
            {"type": "conv", "name": "b", "out": 4, "kernel": 5, "padding": 2, "inputs": ["input"]},
            {"type": "binary", "mode": "stoch", "name": "unit"},
            {"type": "max_pool", "name": "bits", "kernel": 2},
            {"type": "concat", "name": "both", "inputs": ["real", "bits"]},
            {"type": "flatten"},
            {"type": "linear", "name": "hidden", "out": 12},
            {"type": "activation", "function": "hard_sigmoid"},
            {"type": "linear", "name": "fc", "out": 10}]}"#;

    pub(crate) fn two() -> ModelSpec {
        serde_json::from_str(TWO).unwrap()
    }

    /// That network with random weights, and digits.
    pub(crate) fn network(capacity: usize) -> (Network, Split) {
        let engine = kernels::select(Some("scalar")).unwrap();
        let mut net = Network::new(&two(), engine, capacity, false).unwrap();
        net.init(Init::Pytorch, 3);
        (net, digits::generate(2, 1, 40).test.clone())
    }

    #[test]
    fn sites_have_names_and_the_strength_of_their_units() {
        let spec = two();
        let blocks = Site::of_blocks(&spec).unwrap();
        let names: Vec<&str> = blocks.iter().map(|s| &*s.name).collect();
        assert_eq!(names, ["a-block", "b-block", "hidden-block"]);
        assert!(blocks[1].bits && !blocks[0].bits && !blocks[2].is_image());
        assert_eq!(
            Site::find(&spec, "relu")
                .unwrap_err()
                .to_string()
                .lines()
                .count(),
            1
        );
        assert_eq!(Site::find(&spec, "flatten").unwrap().name, "7-flatten");
        let (mut net, split) = network(1);
        (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Threshold);
        net.set_rows(1);
        net.set_image(0, split.image(0));
        net.forward();
        // A pooled bit is 1 exactly where its strength is above 0; so is a ReLU, and so are
        // both where they are joined.
        let joined = Site::find(&spec, "both").unwrap();
        let ranks = joined.parts.iter().map(|p| (p.channels.clone(), p.first));
        assert!(ranks.eq([(0..3, 0), (3..7, 0)]));
        for site in blocks[..2].iter().chain([&joined]) {
            let mut strengths = Vec::new();
            site.strengths(&net, &mut strengths);
            let outputs = net.layer_output(site.layer);
            assert_eq!(strengths.len(), outputs.len());
            let fires = strengths.iter().filter(|s| **s > 0.0).count();
            assert!(fires > 0 && fires < outputs.len(), "{}: {fires}", site.name);
            for (s, y) in strengths.iter().zip(outputs) {
                assert_eq!(*s > 0.0, *y > 0.0);
            }
            // Pre-activations, not bits.
            assert!(strengths.iter().any(|s| *s != 0.0 && *s != 1.0));
            assert!(strengths.iter().any(|s| *s < 0.0), "{}", site.name);
        }
    }
}
