//! The data types of a packed network: stages, weights, steps and kinds of values.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::channels::Channels;

/// The numbers that pixels stand for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pixels {
    /// The integers 0 to 255.
    Raw,
    /// The real numbers `(pixel / 255 - mean) / std`.
    Normalised {
        /// Mean of pixel / 255, for all channels or per channel.
        mean: Channels,
        /// Standard deviation of pixel / 255, for all channels or per channel.
        std: Channels,
    },
}

impl Pixels {
    /// Returns the number for each pixel value: one table for all channels, or one per channel.
    pub fn tables(&self) -> Vec<[f32; 256]> {
        let channels = match self {
            Pixels::Raw => 1,
            Pixels::Normalised { mean, std } => mean.numbers().len().max(std.numbers().len()),
        };
        let number = |c: usize, p: usize| match self {
            Pixels::Raw => p as f32,
            Pixels::Normalised { mean, std } => (p as f32 / 255.0 - mean.of(c)) / std.of(c),
        };
        let table = |c: usize| core::array::from_fn(|p| number(c, p));
        (0..channels).map(table).collect()
    }

    /// Returns whether mean and deviation are given for all channels together or for each of
    /// `channels`.
    pub(super) fn fit(&self, channels: usize) -> bool {
        match self {
            Pixels::Raw => true,
            Pixels::Normalised { mean, std } => mean.fits(channels) && std.fits(channels),
        }
    }

    /// Returns whether mean and deviation are given per channel.
    pub(super) fn differ(&self) -> bool {
        matches!(self, Pixels::Normalised { mean, std }
            if [mean, std].iter().any(|of| matches!(of, Channels::Each(_))))
    }
}

/// The source of a stage's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The image.
    Image,
    /// The result of the stage with that index, which must precede the reading stage.
    Stage(usize),
}

/// A stage: a product, which is a layer with weights or a join of several values, and all steps up
/// to the next product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Name of the layer that the product belongs to.
    pub name: String,
    /// Index of the layer in the trained network whose output equals the result of this stage. If
    /// the result is integers, it is the sum before the layer's scale and bias.
    pub layer: usize,
    /// Sources of the inputs. If none is stated, the input is the preceding stage, or the image for
    /// the first stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Source>,
    /// The operation on the inputs.
    pub product: Product,
    /// The weights of the product.
    pub weights: Weights,
    /// The steps that follow the product, in order.
    pub tail: Vec<Step>,
}

/// The operation that a stage applies to its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Product {
    /// A two-dimensional convolution.
    Conv {
        /// Number of output channels.
        out: usize,
        /// Height and width of the kernel.
        kernel: usize,
        /// Distance between neighbouring windows, in pixels.
        stride: usize,
        /// Width of the border around the image, in pixels.
        padding: usize,
        /// Value of the pixels of the border: -1, 0 or 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        border: i8,
        /// Number of groups into which the channels of the input and of the output are cut: each
        /// output reads the channels of its own group. More than 1 only with binary weights over bits.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
    },
    /// A fully connected layer, with inputs in the order (channel, height, width).
    Linear {
        /// Number of outputs.
        out: usize,
    },
    /// The input unchanged.
    Input,
    /// The sum of inputs of one shape. If all inputs are integers (pixels, bits, signs or sums), it
    /// is an integer; else 32-bit floats are added in the order of the inputs.
    Add,
    /// The concatenation of the inputs' channels, in the order of the inputs. Its kind is bits if
    /// all inputs are bits, signs if all are signs, else integers if no input is real, else reals.
    Concat,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_zero(border: &i8) -> bool {
    *border == 0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_one(groups: &usize) -> bool {
    *groups == 1
}

fn one() -> usize {
    1
}

/// The weights of a product, of shape (out, inputs), with the inputs of an output in the order
/// (channel of its group, kernel row, kernel column).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Weights {
    /// No weights; for the products `Input`, `Add` and `Concat`.
    None,
    /// Binary weights: the bit 1 stands for +1 and 0 for -1. The bits of each output start at a
    /// word; bit `i` is bit `i % 64` of word `i / 64`, and unused bits are 0.
    Binary {
        /// Words of 64 bits, in `out` rows.
        #[serde(skip)]
        words: Vec<u64>,
    },
    /// Real weights and a bias.
    Real {
        /// Weights, of shape (out, inputs).
        #[serde(skip)]
        values: Vec<f32>,
        /// Bias, of shape (out).
        #[serde(skip)]
        bias: Vec<f32>,
    },
}

/// Thresholds that turn integer sums into bits: `[sum >= threshold]`, inverted if `inverted` is
/// set. A constant bit has a threshold at or below the smallest sum, or above the largest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Threshold of each channel.
    #[serde(skip)]
    pub threshold: Vec<i32>,
    /// Whether the bit is inverted, for each channel.
    #[serde(skip)]
    pub inverted: Vec<bool>,
}

impl Thresholds {
    /// Returns the bit for a channel's sum.
    #[inline]
    pub fn bit(&self, channel: usize, sum: i32) -> bool {
        (sum >= self.threshold[channel]) != self.inverted[channel]
    }
}

/// The activation functions of real numbers in a packed network.
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

/// A step that follows a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Turns integers into bits by thresholds.
    #[serde(rename = "cut")]
    Threshold {
        /// The thresholds of all channels.
        #[serde(rename = "cut")]
        thresholds: Thresholds,
    },
    /// Turns integers into random bits, or into bits by thresholds if
    /// [`Reading::Threshold`](super::Reading::Threshold) is chosen.
    Draw {
        /// The index of the binary unit in the key of the noise ([`crate::random::unit_noise`]).
        node: usize,
        /// The thresholds for deterministic bits.
        #[serde(rename = "cut")]
        thresholds: Thresholds,
        /// Probability of a 1 for each channel and sum, of shape (channel, sum), from the smallest
        /// sum of the channel upwards.
        #[serde(skip)]
        p: Vec<f32>,
    },
    /// Takes the largest bit or sign of each window (OR), or the smallest (AND) if `and` is set.
    PoolBits {
        /// Height and width of the window.
        kernel: usize,
        /// Distance between neighbouring windows, in pixels.
        stride: usize,
        /// Whether the channel takes the smallest bit, for each channel.
        #[serde(skip)]
        and: Vec<bool>,
    },
    /// Takes the largest integer of each window, or the smallest if `min` is set.
    PoolInts {
        /// Height and width of the window.
        kernel: usize,
        /// Distance between neighbouring windows, in pixels.
        stride: usize,
        /// Whether the channel takes the smallest integer, for each channel.
        #[serde(skip)]
        min: Vec<bool>,
    },
    /// Computes `x · scale + shift`, rounded after the multiplication and after the addition; turns
    /// integers and reals into reals.
    Affine {
        /// Scale of each channel.
        #[serde(skip)]
        scale: Vec<f32>,
        /// Shift of each channel.
        #[serde(skip)]
        shift: Vec<f32>,
    },
    /// Applies an activation function to reals.
    Function {
        /// The activation function.
        function: Function,
        /// The slope of the activation function.
        slope: f32,
    },
    /// Takes the largest real of each window.
    MaxPool {
        /// Height and width of the window.
        kernel: usize,
        /// Distance between neighbouring windows, in pixels.
        stride: usize,
    },
    /// Adds up the bits, signs or integers of each window to an integer.
    SumPool {
        /// Height of the window.
        height: usize,
        /// Width of the window.
        width: usize,
        /// Distance between neighbouring windows, in pixels.
        stride: usize,
    },
    /// Takes the mean of the reals of each window: their sum, added row by row from 0, divided
    /// once.
    AvgPool {
        /// Height of the window.
        height: usize,
        /// Width of the window.
        width: usize,
        /// Distance between neighbouring windows, in pixels.
        stride: usize,
    },
    /// Computes `x / by`, rounded once; turns integers into reals.
    Divide {
        /// The divisor.
        by: u32,
    },
    /// Reshapes an image to a vector in the order (channel, height, width).
    Flatten,
    /// Turns bits into signs, `2·bit - 1`. A sign is stored as its bit.
    Signs,
    /// Turns reals into bits: `[x > 0]`.
    Fire,
    /// Turns reals into random bits, or into `[x > 0]` if
    /// [`Reading::Threshold`](super::Reading::Threshold) is chosen.
    Sample {
        /// The index of the binary unit in the key of the noise ([`crate::random::unit_noise`]).
        node: usize,
        /// The probability of a 1 as a function of x: hard sigmoid or sigmoid.
        #[serde(alias = "link")]
        probability: Function,
        /// The slope of the probability function.
        slope: f32,
    },
}

/// The kind of numbers that a value consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes from 0 to 255.
    Pixels,
    /// Bits, 0 or 1.
    Bits,
    /// The numbers -1 and +1, stored as the bits 0 and 1.
    Signs,
    /// Exact integers.
    Ints,
    /// 32-bit floats.
    Reals,
}

impl Kind {
    /// Returns whether values of this kind are stored as bits.
    pub fn is_bits(self) -> bool {
        matches!(self, Kind::Bits | Kind::Signs)
    }

    /// Returns the smallest and the largest number of this kind; only for integers that are not
    /// sums.
    pub(crate) fn range(self) -> (i32, i32) {
        match self {
            Kind::Pixels => (0, 255),
            Kind::Signs => (-1, 1),
            _ => (0, 1),
        }
    }
}

impl Product {
    /// Returns the number of groups of a convolution, and 1 for other products.
    pub fn groups(&self) -> usize {
        match self {
            Product::Conv { groups, .. } => *groups,
            _ => 1,
        }
    }

    /// Returns the smallest and the largest number that a weight is multiplied by if the input has
    /// that kind, including the value of the border.
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
