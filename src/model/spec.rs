//! A network as data: read from JSON, stored with every run.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::error::{Error, Result};
use crate::estimators::{self, Firing, Link};
use crate::ops::{Conv, Function, MaxPool, Statistics, Weights, Window};
use crate::tensor::Shape;

use super::pixels::Pixels;

/// A network: its input and its layers, the first next to the input. The last
/// layer's outputs are the logits of the classes.
///
/// A text may leave settings out; what is read has them all ([`Self::settle`]), and what
/// is written states each one, so that a record keeps its meaning if a default changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct ModelSpec {
    /// A name for tables and records.
    pub name: String,
    /// The shape of an image.
    pub input: Shape,
    /// What pixels are to the network; taken from the data set where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
    /// The layers in order.
    pub layers: Vec<LayerSpec>,
}

/// A network as a text says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    input: Shape,
    #[serde(default, alias = "normalise")]
    pixels: Option<Pixels>,
    layers: Vec<LayerSpec>,
}

impl From<Written> for ModelSpec {
    fn from(written: Written) -> Self {
        let Written {
            name,
            input,
            pixels,
            layers,
        } = written;
        let mut spec = Self {
            name,
            input,
            pixels,
            layers,
        };
        spec.settle();
        spec
    }
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerSpec {
    /// Convolution; see [`crate::ops::Conv`].
    Conv {
        /// Prefix of its parameters' names.
        name: String,
        /// Output channels.
        out: usize,
        /// Height and width of the window.
        kernel: usize,
        /// Pixels from one window to the next.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros around the image: the code of a bit or pixel that is 0.
        #[serde(default)]
        padding: usize,
        /// Whether it has a bias.
        #[serde(default = "yes")]
        bias: bool,
        /// Real or binary weights.
        #[serde(default)]
        weights: Weights,
        /// Whether binary weights have a scale for each output channel.
        #[serde(default)]
        scale: bool,
    },
    /// Batch normalisation; see [`crate::ops::BatchNorm`].
    BatchNorm {
        /// Prefix of its parameters' names.
        name: String,
        /// Added to the variance.
        #[serde(default = "eps")]
        eps: f64,
        /// Weight of a batch in the running statistics.
        #[serde(default = "momentum")]
        momentum: f64,
        /// What training normalises by.
        #[serde(default)]
        statistics: Statistics,
    },
    /// Max-pool; see [`crate::ops::MaxPool`].
    MaxPool {
        /// Height and width of the window.
        kernel: usize,
        /// Pixels from one window to the next; `kernel` where absent.
        #[serde(default)]
        stride: Option<usize>,
    },
    /// A real-valued activation; see [`crate::ops::Activation`].
    Activation {
        /// Which one.
        function: Function,
    },
    /// A binary unit; see [`crate::estimators::BinaryUnit`].
    Binary {
        /// How it fires.
        mode: Firing,
        /// The name of its gradient estimator.
        #[serde(default = "straight_through")]
        estimator: String,
        /// Probabilities of bits; the estimator's own where absent.
        #[serde(default)]
        link: Option<Link>,
    },
    /// Fully connected; see [`crate::ops::Linear`].
    Linear {
        /// Prefix of its parameters' names.
        name: String,
        /// Outputs.
        out: usize,
        /// Whether it has a bias.
        #[serde(default = "yes")]
        bias: bool,
        /// Real or binary weights.
        #[serde(default)]
        weights: Weights,
        /// Whether binary weights have a scale for each output channel.
        #[serde(default)]
        scale: bool,
    },
}

fn one() -> usize {
    1
}
fn yes() -> bool {
    true
}
fn eps() -> f64 {
    1e-5
}
fn momentum() -> f64 {
    0.1
}
fn straight_through() -> String {
    "st".into()
}

/// The link of an estimator where nothing else is said.
pub(super) fn own_link(estimator: &str) -> Option<Link> {
    let estimator = estimators::by_name(estimator, None).ok()?;
    Some(estimator.link())
}

/// Which of a network's activations are binary units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// None of them.
    None,
    /// The first.
    First,
    /// The last.
    Last,
    /// All of them; the seed-net has two.
    Both,
}

impl LayerSpec {
    /// The parameters' prefix, or the kind of a layer without parameters.
    pub fn label(&self) -> &str {
        match self {
            Self::Conv { name, .. } | Self::BatchNorm { name, .. } | Self::Linear { name, .. } => {
                name
            }
            Self::MaxPool { .. } => "max_pool",
            Self::Activation { function } => match function {
                Function::Relu => "relu",
                Function::HardSigmoid => "hard_sigmoid",
                Function::Sigmoid => "sigmoid",
            },
            Self::Binary { .. } => "binary",
        }
    }

    /// The shape of the output for that input.
    ///
    /// # Errors
    /// A layer that does not fit its input.
    pub fn output(&self, input: Shape) -> Result<Shape> {
        match self {
            Self::Conv {
                name,
                out,
                kernel,
                stride,
                padding,
                ..
            } => {
                let window = Window {
                    kernel: *kernel,
                    stride: *stride,
                    padding: *padding,
                };
                Conv::output(name, input, *out, window)
            }
            Self::MaxPool { kernel, stride } => {
                MaxPool::output("max_pool", input, *kernel, stride.unwrap_or(*kernel))
            }
            Self::Linear { out, .. } => Ok(Shape::vector(*out)),
            Self::BatchNorm { .. } | Self::Activation { .. } | Self::Binary { .. } => Ok(input),
        }
    }
}

impl ModelSpec {
    /// Fills in what a layer leaves to another of its settings: the link of a binary unit
    /// is its estimator's own, the stride of a pool its window's side. The link of an
    /// estimator that is not known stays open.
    pub fn settle(&mut self) {
        for layer in &mut self.layers {
            match layer {
                LayerSpec::Binary {
                    estimator, link, ..
                } if link.is_none() => *link = own_link(estimator),
                LayerSpec::MaxPool { kernel, stride } => {
                    stride.get_or_insert(*kernel);
                }
                _ => {}
            }
        }
    }

    /// Reads and checks a JSON file.
    ///
    /// # Errors
    /// A file that cannot be read, is not JSON of this form, or describes an
    /// impossible network.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&bounded::text(path)?, path)
    }

    /// Reads and checks the text of the file `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let spec: Self = serde_json::from_str(text)
            .map_err(|e| Error::data(path, format!("not a model file: {e}")))?;
        spec.check().map_err(|e| Error::data(path, e.to_string()))?;
        Ok(spec)
    }

    /// The classes that the network tells apart.
    pub fn classes(&self) -> usize {
        self.shapes()
            .ok()
            .and_then(|s| s.last().map(Shape::len))
            .unwrap_or(0)
    }

    /// The shape before the first layer and after each layer.
    ///
    /// # Errors
    /// A layer that does not fit its input.
    pub fn shapes(&self) -> Result<Vec<Shape>> {
        let mut shapes = vec![self.input];
        let mut shape = self.input;
        for layer in &self.layers {
            shape = layer.output(shape)?;
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// Whether the network can be built.
    ///
    /// # Errors
    /// One line that says which layer is wrong and why.
    pub fn check(&self) -> Result<()> {
        /// More numbers in one layer than this would not fit a machine.
        const MOST: usize = 1 << 31;
        let fail = |what: String| Err(Error::spec(format!("model {}: {what}", self.name)));
        let sides = [self.input.channels, self.input.height, self.input.width];
        if sides.iter().any(|&s| s == 0 || s > 1 << 16) {
            return fail(format!("an input of {} makes no image", self.input));
        }
        let sizes = |layer: &LayerSpec| match *layer {
            LayerSpec::Conv {
                out,
                kernel,
                stride,
                padding,
                ..
            } => vec![out, kernel, stride, padding],
            LayerSpec::MaxPool { kernel, stride } => vec![kernel, stride.unwrap_or(1)],
            LayerSpec::Linear { out, .. } => vec![out],
            _ => vec![],
        };
        let mut shape = self.input;
        let mut names: Vec<&str> = Vec::new();
        for layer in &self.layers {
            if sizes(layer).iter().any(|&s| s > 1 << 20) {
                return fail(format!("layer {} is too large", layer.label()));
            }
            let output = layer.output(shape)?;
            let weights = match *layer {
                LayerSpec::Conv { out, kernel, .. } => [out, kernel, kernel]
                    .into_iter()
                    .fold(shape.channels, usize::saturating_mul),
                LayerSpec::Linear { out, .. } => out.saturating_mul(shape.len()),
                _ => 0,
            };
            if output.len() > MOST || weights > MOST {
                return fail(format!("layer {} is too large", layer.label()));
            }
            if let LayerSpec::Conv {
                name,
                weights,
                scale,
                ..
            }
            | LayerSpec::Linear {
                name,
                weights,
                scale,
                ..
            } = layer
                && *scale
                && weights.is_real()
            {
                return fail(format!("layer {name}: a scale is for binary weights"));
            }
            if let LayerSpec::Conv { name, .. }
            | LayerSpec::BatchNorm { name, .. }
            | LayerSpec::Linear { name, .. } = layer
            {
                if name.is_empty() || names.contains(&name.as_str()) {
                    return fail(format!("the layer name `{name}` is empty or used twice"));
                }
                names.push(name);
            }
            shape = output;
        }
        match self.layers.last() {
            Some(LayerSpec::Linear { .. } | LayerSpec::BatchNorm { .. }) if shape.pixels() == 1 => {
            }
            _ => return fail("the last layer must be linear, one output for each class".into()),
        }
        if shape.is_empty() {
            return fail("there are no classes".into());
        }
        self.check_estimators()?;
        self.check_pixels()
    }

    /// Whether any layer draws random numbers in evaluation.
    pub fn is_stochastic(&self) -> bool {
        self.layers.iter().any(|l| {
            matches!(
                l,
                LayerSpec::Binary {
                    mode: Firing::Stochastic,
                    ..
                }
            )
        })
    }

    /// Whether any layer is a binary unit.
    pub fn is_binary(&self) -> bool {
        self.layers
            .iter()
            .any(|l| matches!(l, LayerSpec::Binary { .. }))
    }
}
