//! What a packed network is made of.

use serde::{Deserialize, Serialize};

use crate::channels::Channels;

/// What the image is to the stages that read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pixels {
    /// The integers 0 to 255.
    Raw,
    /// `(pixel / 255 - mean) / std`
    Normalised {
        /// In units of 255; for all channels, or one a channel.
        mean: Channels,
        /// In units of 255; for all channels, or one a channel.
        std: Channels,
    },
}

impl Pixels {
    /// The number that stands for each pixel value: one table for all channels, or one for
    /// each.
    pub fn tables(&self) -> Vec<[f32; 256]> {
        let channels = match self {
            Pixels::Raw => 1,
            Pixels::Normalised { mean, std } => mean.numbers().len().max(std.numbers().len()),
        };
        let number = |c: usize, p: usize| match self {
            Pixels::Raw => p as f32,
            Pixels::Normalised { mean, std } => (p as f32 / 255.0 - mean.of(c)) / std.of(c),
        };
        let table = |c: usize| std::array::from_fn(|p| number(c, p));
        (0..channels).map(table).collect()
    }

    /// Whether there is one mean and deviation, or one for each of so many channels.
    pub(super) fn fit(&self, channels: usize) -> bool {
        match self {
            Pixels::Raw => true,
            Pixels::Normalised { mean, std } => mean.fits(channels) && std.fits(channels),
        }
    }

    /// Whether channels have numbers of their own.
    pub(super) fn differ(&self) -> bool {
        matches!(self, Pixels::Normalised { mean, std }
            if [mean, std].iter().any(|of| matches!(of, Channels::Each(_))))
    }
}

/// Where a stage reads a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The image.
    Image,
    /// The output of the stage of that number, which stands before its readers.
    Stage(usize),
}

/// A product, which is a layer with weights or a join of several values, and everything
/// up to the next product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The name of the layer that the product is.
    pub name: String,
    /// The layer of the trained network whose output this stage's output is. An output of
    /// integers is what a layer makes before its scale and bias.
    pub layer: usize,
    /// What the stage reads: where nothing is said, the stage before it, or the image
    /// where it is the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Source>,
    /// What is made of the inputs.
    pub product: Product,
    /// Its weights.
    pub weights: Weights,
    /// What follows, in order.
    pub tail: Vec<Step>,
}

/// What is made of the inputs of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Product {
    /// Convolution.
    Conv {
        /// Output channels.
        out: usize,
        /// Height and width of the window.
        kernel: usize,
        /// Pixels from one window to the next.
        stride: usize,
        /// Pixels of the border around the image.
        padding: usize,
        /// What those pixels are: -1, 0 or 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        border: i8,
    },
    /// Fully connected, inputs in the order (channel, height, width).
    Linear {
        /// Outputs.
        out: usize,
    },
    /// The input as it is.
    Input,
    /// The sum of inputs of one shape. Where all are integers (pixels, bits, signs or sums) it
    /// is an integer; else the numbers are added in 32-bit floats, in the order of the
    /// inputs.
    Add,
    /// The channels of the inputs side by side, in the order of the inputs: bits where
    /// all are bits, signs where all are signs, else integers where none is real.
    Concat,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_zero(border: &i8) -> bool {
    *border == 0
}

/// The weights of a product: (out, inputs), the inputs of one output in the order
/// (channel, kernel row, kernel column).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Weights {
    /// No weights: of an input, a sum of inputs or a concatenation.
    None,
    /// Bits: 1 for +1, 0 for -1. Each output's bits start at a word; bit `i` is
    /// bit `i % 64` of word `i / 64`, and bits beyond the last are 0.
    Binary {
        /// `out` rows of words.
        #[serde(skip)]
        words: Vec<u64>,
    },
    /// Real numbers and a bias.
    Real {
        /// (out, inputs)
        #[serde(skip)]
        values: Vec<f32>,
        /// (out)
        #[serde(skip)]
        bias: Vec<f32>,
    },
}

/// How integer sums become bits: `[sum >= threshold]`, inverted where `inverted` says so.
/// A constant is a threshold at or below the least sum, or above the largest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// One for each channel.
    #[serde(skip)]
    pub threshold: Vec<i32>,
    /// One for each channel.
    #[serde(skip)]
    pub inverted: Vec<bool>,
}

impl Thresholds {
    /// The bit of a channel's sum.
    #[inline]
    pub fn bit(&self, channel: usize, sum: i32) -> bool {
        (sum >= self.threshold[channel]) != self.inverted[channel]
    }
}

/// The functions of real numbers that a network may have between its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// `max(x, 0)`
    Relu,
    /// `(clip(slope · x, -1, 1) + 1) / 2`
    HardSigmoid,
    /// `1 / (1 + exp(-slope · x))`
    Sigmoid,
}

/// One thing that follows a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Integers to bits.
    #[serde(rename = "cut")]
    Threshold {
        /// One for each channel.
        #[serde(rename = "cut")]
        thresholds: Thresholds,
    },
    /// Integers to random bits, or to those of the thresholds where those are asked
    /// for.
    Draw {
        /// The place in the noise's address.
        node: usize,
        /// The deterministic reading.
        #[serde(rename = "cut")]
        thresholds: Thresholds,
        /// (channel, sum): the probability of a 1 for each sum from the channel's
        /// least one up.
        #[serde(skip)]
        p: Vec<f32>,
    },
    /// The largest bit or sign of a window, or the smallest where `and` is.
    PoolBits {
        /// Height and width.
        kernel: usize,
        /// Pixels from one window to the next.
        stride: usize,
        /// One for each channel.
        #[serde(skip)]
        and: Vec<bool>,
    },
    /// The largest integer of a window, or the smallest where `min` is.
    PoolInts {
        /// Height and width.
        kernel: usize,
        /// Pixels from one window to the next.
        stride: usize,
        /// One for each channel.
        #[serde(skip)]
        min: Vec<bool>,
    },
    /// `x · scale + shift` with two roundings; integers and reals to reals.
    Affine {
        /// One for each channel.
        #[serde(skip)]
        scale: Vec<f32>,
        /// One for each channel.
        #[serde(skip)]
        shift: Vec<f32>,
    },
    /// A function of reals.
    Function {
        /// Which one.
        function: Function,
        /// Its slope.
        slope: f32,
    },
    /// The largest real of a window.
    MaxPool {
        /// Height and width.
        kernel: usize,
        /// Pixels from one window to the next.
        stride: usize,
    },
    /// The sum of the bits, signs or integers of a window, as an integer.
    SumPool {
        /// Height of the window.
        height: usize,
        /// Width of the window.
        width: usize,
        /// Pixels from one window to the next.
        stride: usize,
    },
    /// The mean of the reals of a window: their sum from 0 up, row by row, divided once.
    AvgPool {
        /// Height of the window.
        height: usize,
        /// Width of the window.
        width: usize,
        /// Pixels from one window to the next.
        stride: usize,
    },
    /// `x / by`, rounded once; integers to reals.
    Divide {
        /// The divisor.
        by: u32,
    },
    /// The numbers as one vector in the order (channel, height, width).
    Flatten,
    /// Bits to signs: `2·bit - 1`. A sign is kept as its bit.
    Signs,
    /// Reals to bits: `[x > 0]`.
    Fire,
    /// Reals to random bits, or to `[x > 0]` where thresholds are asked for.
    Sample {
        /// The place in the noise's address.
        node: usize,
        /// The probability of a 1: hard sigmoid or sigmoid.
        #[serde(alias = "link")]
        probability: Function,
        /// Its slope.
        slope: f32,
    },
}

/// What a value consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes 0 to 255.
    Pixels,
    /// Bits.
    Bits,
    /// The numbers -1 and +1, kept as the bits 0 and 1.
    Signs,
    /// Exact integers.
    Ints,
    /// 32-bit floats.
    Reals,
}

impl Kind {
    /// Whether it is kept as bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Kind::Bits | Kind::Signs)
    }

    /// The least and the largest number where the kind alone says it: of whole numbers
    /// that are no sums.
    pub(crate) fn range(self) -> (i32, i32) {
        match self {
            Kind::Pixels => (0, 255),
            Kind::Signs => (-1, 1),
            _ => (0, 1),
        }
    }
}

impl Product {
    /// The least and the largest number that a weight meets, where the input is of that
    /// kind: a number of it, or one of the border.
    pub(crate) fn meets(&self, kind: Kind) -> (i32, i32) {
        let (low, high) = kind.range();
        match *self {
            Product::Conv {
                padding, border, ..
            } if padding > 0 => {
                let border = i32::from(border);
                (low.min(border), high.max(border))
            }
            _ => (low, high),
        }
    }
}
