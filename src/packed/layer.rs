//! What a packed network is made of, and the check that it is sound.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tensor::Shape;

/// More numbers in one value, or bits in one table, than this are refused.
const MOST: usize = 1 << 28;

/// What the first stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pixels {
    /// The integers 0 to 255.
    Raw,
    /// `(pixel / 255 - mean) / std`
    Normalised {
        /// In units of 255.
        mean: f32,
        /// In units of 255.
        std: f32,
    },
}

impl Pixels {
    /// The number that stands for each pixel value.
    pub fn table(self) -> [f32; 256] {
        std::array::from_fn(|p| match self {
            Pixels::Raw => p as f32,
            Pixels::Normalised { mean, std } => (p as f32 / 255.0 - mean) / std,
        })
    }
}

/// A layer with weights and everything up to the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The name of the layer with weights.
    pub name: String,
    /// The layer of the trained network whose output this stage's output is.
    pub layer: usize,
    /// The sum over weights.
    pub product: Product,
    /// Its weights.
    pub weights: Weights,
    /// What follows, in order.
    pub tail: Vec<Step>,
}

/// A sum over weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Product {
    /// Convolution; padding is the number 0, the bit 0.
    Conv {
        /// Output channels.
        out: usize,
        /// Height and width of the window.
        kernel: usize,
        /// Pixels from one window to the next.
        stride: usize,
        /// Zeros around the image.
        padding: usize,
    },
    /// Fully connected, inputs in the order (channel, height, width).
    Linear {
        /// Outputs.
        out: usize,
    },
    /// No sum: the input as it is. Only of pixels, at the beginning.
    Input,
}

/// The weights of a product: (out, inputs), the inputs of one output in the order
/// (channel, kernel row, kernel column).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Weights {
    /// No weights, of [`Product::Input`].
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

/// How integer sums become bits: `[sum >= threshold]`, inverted where `flip` is.
/// A constant is a threshold at or below the least sum, or above the largest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// One for each channel.
    #[serde(skip)]
    pub threshold: Vec<i32>,
    /// One for each channel.
    #[serde(skip)]
    pub flip: Vec<bool>,
}

impl Cut {
    /// The bit of a channel's sum.
    #[inline]
    pub fn bit(&self, channel: usize, sum: i32) -> bool {
        (sum >= self.threshold[channel]) != self.flip[channel]
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
    Cut {
        /// The thresholds.
        cut: Cut,
    },
    /// Integers to random bits, or to those of the cut where thresholds are asked
    /// for.
    Draw {
        /// The place in the noise's address.
        node: usize,
        /// The deterministic reading.
        cut: Cut,
        /// (channel, sum): the probability of a 1 for each sum from the channel's
        /// least one up; see [`sums_of`].
        #[serde(skip)]
        p: Vec<f32>,
    },
    /// The largest bit of a window, or the smallest where `and` is.
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
    /// Reals to bits: `[x > 0]`.
    Fire,
    /// Reals to random bits, or to `[x > 0]` where thresholds are asked for.
    Sample {
        /// The place in the noise's address.
        node: usize,
        /// The probability of a 1: hard sigmoid or sigmoid.
        link: Function,
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
    /// Exact integers.
    Ints,
    /// 32-bit floats.
    Reals,
}

/// The values around and within a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What the product reads.
    pub input: (Shape, Kind),
    /// What the product makes, and what each step of the tail makes.
    pub values: Vec<(Shape, Kind)>,
}

impl Flow {
    /// What the stage makes.
    pub fn output(&self) -> (Shape, Kind) {
        self.values[self.values.len() - 1]
    }
}

impl Product {
    /// Inputs of one output.
    pub fn depth(&self, input: Shape) -> usize {
        match self {
            Product::Conv { kernel, .. } => kernel * kernel * input.channels,
            Product::Linear { .. } => input.len(),
            Product::Input => 0,
        }
    }

    fn output(&self, input: Shape) -> Option<Shape> {
        let side = |n: usize, kernel: usize, stride: usize, padding: usize| {
            Some((n + 2 * padding).checked_sub(kernel)? / stride + 1)
        };
        match *self {
            Product::Conv {
                out,
                kernel,
                stride,
                padding,
            } => {
                let sizes = [out, kernel, stride];
                if sizes.iter().any(|&s| s == 0 || s > 1 << 16) || padding >= kernel {
                    return None;
                }
                let padded = (input.height + 2 * padding) * (input.width + 2 * padding);
                (padded.checked_mul(input.channels)? <= MOST).then_some(())?;
                Some(Shape::image(
                    out,
                    side(input.height, kernel, stride, padding)?,
                    side(input.width, kernel, stride, padding)?,
                ))
            }
            Product::Linear { out } => (out > 0 && out <= 1 << 20).then(|| Shape::vector(out)),
            Product::Input => Some(input),
        }
    }
}

/// The least and the largest sum of one output with that many weights, `positive`
/// of which are +1, over inputs from 0 to `most`.
pub fn sums_of(depth: usize, positive: usize, most: i32) -> (i32, i32) {
    let (positive, negative) = (positive as i32, (depth - positive) as i32);
    (-negative * most, positive * most)
}

impl Stage {
    /// The values of the stage, for its input: checks the order of the steps and
    /// every size, not the tensors.
    ///
    /// # Errors
    /// One line that names the stage and says what does not fit.
    pub(super) fn flow(&self, input: (Shape, Kind), first: bool) -> Result<Flow> {
        let fail = |what: &str| Error::spec(format!("stage {}: {what}", self.name));
        let (shape, kind) = input;
        // The largest input of an integer sum.
        let most_in = if kind == Kind::Pixels { 255 } else { 1 };
        let mut at = match (self.product, &self.weights) {
            (Product::Input, Weights::None) if first => match kind {
                Kind::Pixels => (shape, Kind::Ints),
                _ => (shape, kind),
            },
            (Product::Input, _) => return Err(fail("an input must come first, without weights")),
            (_, Weights::None) => return Err(fail("a sum needs weights")),
            (product, weights) => {
                let out = product.output(shape);
                let out = out.ok_or_else(|| fail("the window does not fit its input"))?;
                let words = product.depth(shape).div_ceil(64);
                let most = match weights {
                    Weights::Binary { .. } => words.checked_mul(out.channels),
                    _ => product.depth(shape).checked_mul(out.channels),
                };
                if most.is_none_or(|m| m > MOST) {
                    return Err(fail("there are too many weights"));
                }
                let made = match (kind, weights) {
                    (Kind::Ints, _) => return Err(fail("a sum cannot read integer sums")),
                    (Kind::Pixels | Kind::Bits, Weights::Binary { .. }) => Kind::Ints,
                    _ => Kind::Reals,
                };
                // Below 2^24 an integer is exact in 32-bit floats.
                if made == Kind::Ints && product.depth(shape) * most_in >= 1 << 24 {
                    return Err(fail("its sums could reach 2^24, where f32 is not exact"));
                }
                (out, made)
            }
        };
        let mut values = vec![at];
        for step in &self.tail {
            // A text can name a number that no 32-bit float is.
            if let Step::Function { slope, .. } | Step::Sample { slope, .. } = step
                && !(slope.is_finite() && *slope > 0.0)
            {
                return Err(fail("a slope must be a number above 0"));
            }
            at = step
                .output(at)
                .ok_or_else(|| fail(&format!("{} cannot follow here", step.name())))?;
            if let (Step::Draw { .. }, (shape, _)) = (step, at) {
                let each = self.product.depth(input.0) * most_in + 1;
                if shape.channels.checked_mul(each).is_none_or(|n| n > MOST) {
                    return Err(fail("the table of probabilities is too large"));
                }
            }
            values.push(at);
        }
        if values.iter().any(|(s, _)| s.is_empty() || s.len() > MOST) {
            return Err(fail("a value is empty or too large"));
        }
        Ok(Flow { input, values })
    }
}

impl Step {
    /// Its kind, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Cut { .. } => "cut",
            Step::Draw { .. } => "draw",
            Step::PoolBits { .. } => "pool_bits",
            Step::PoolInts { .. } => "pool_ints",
            Step::Affine { .. } => "affine",
            Step::Function { .. } => "function",
            Step::MaxPool { .. } => "max_pool",
            Step::Fire => "fire",
            Step::Sample { .. } => "sample",
        }
    }

    fn output(&self, (shape, kind): (Shape, Kind)) -> Option<(Shape, Kind)> {
        use Kind::{Bits, Ints, Reals};
        let made = match (self, kind) {
            (Step::Cut { .. } | Step::Draw { .. }, Ints) => Bits,
            (Step::PoolBits { .. }, Bits) => Bits,
            (Step::PoolInts { .. }, Ints) => Ints,
            (Step::Affine { .. }, Ints | Reals) => Reals,
            (Step::Function { .. } | Step::MaxPool { .. }, Reals) => Reals,
            (Step::Fire, Reals) => Bits,
            (Step::Sample { link, .. }, Reals) if *link != Function::Relu => Bits,
            _ => return None,
        };
        if let Step::PoolBits { kernel, stride, .. }
        | Step::PoolInts { kernel, stride, .. }
        | Step::MaxPool { kernel, stride } = *self
        {
            if !(1..=16).contains(&kernel) || stride == 0 || stride > 1 << 16 {
                return None;
            }
            let side = |n: usize| Some(n.checked_sub(kernel)? / stride + 1);
            let (height, width) = (side(shape.height)?, side(shape.width)?);
            return Some((Shape::image(shape.channels, height, width), made));
        }
        Some((shape, made))
    }
}
