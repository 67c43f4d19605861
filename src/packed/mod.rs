//! Inference on bit-packed networks, independent of all code for training (floor 2).
//!
//! A [`PackedNet`] is a trained network in which weights are bits, batch norm and a binary unit are
//! one integer threshold per channel, and max-pooling is OR or AND. Its stages form a graph: each
//! names the stages that it reads. [`crate::pack`] makes one from a trained network; this module
//! does not use tapes or models.
//!
//! ```no_run
//! use bnn_cpu::{kernels, packed::PackedNet};
//!
//! # fn main() -> bnn_cpu::Result<()> {
//! let net = PackedNet::read("net.packed".as_ref())?;
//! let mut runner = net.runner(kernels::select(None)?);
//! let image = vec![0u8; net.input().len()];
//! println!("{:?}", runner.classify(&image));
//! # Ok(())
//! # }
//! ```
//!
//! **Equality with the trained network.** Sums of weights ±1 over bits or bytes are integers below
//! 2^24, which f32 represents exactly in any order of summation, so counting bits gives exactly the
//! sum of the float network. The operations that follow the sum (scale, bias, batch norm, an
//! activation) are one function of it for each channel; packing evaluates this function at every
//! sum that can occur and stores the sum at which its sign changes. With real weights this is
//! impossible: their sums are rounded in another order than in the float network, so agreement is
//! measured ([`crate::model::verify`]) and not guaranteed. Joins and average pooling add integers
//! as integers, and all other numbers by the float operations of the trained network in the same
//! order.
//!
//! **Encoding** of a packed file ([`PackedNet::to_bytes`]): a safetensors file with a seal
//! ([`crate::container`]). The metadata key `bnn-cpu-packed` holds a JSON object with: `format` (2;
//! or 3 if stages name what they read, join values, make integers or have the steps `sum_pool`,
//! `avg_pool`, `divide` or `flatten`; or 4 if there is the step `signs`, a `border` other than 0,
//! or a mean or std per channel; or 5 if the network ends in an embedding, which is compared as
//! `compare` says; or 6 if a convolution has `groups`; 1 had no seal), the origin of the network ([`Lineage`]), its name,
//! input, pixels, and stages without their numbers. A stage's `inputs` are `"image"` and `{"stage":
//! n}`; without `inputs` it reads the preceding stage. The numbers of stage `i` are the tensors
//! `i.weight` (U64 of shape (out, words): 1 is +1, 0 is -1, bit `j % 64` of word `j / 64` is input
//! `j` in the order channel, row, column, unused bits are 0; or F32 of shape (out, inputs) with
//! `i.bias`), and those of step `j` of its tail are `i.j.threshold` (I32), `i.j.flip`, `i.j.and`,
//! `i.j.min` (U8, 0 or 1), `i.j.scale`, `i.j.shift`, `i.j.p` (F32). All numbers are little-endian.
//! [`PackedNet::to_compact_bytes`] makes a smaller form without names, which is read like the other.
//! A bit of an activation is 1 for `x > 0`, else 0; the step `signs` makes -1 and +1 of bits and
//! does not change how they are stored. The pixels of a convolution's border have the value
//! `border`, 0 by default.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

mod bit_conv;
mod bit_stream;
mod compact;
mod compact_kinds;
mod counts;
#[cfg(feature = "std")]
mod disk;
mod epilogue;
mod file;
mod flow;
mod geometry;
mod grouped;
mod join;
mod layer;
mod layout;
mod linear;
mod long_tables;
mod naive;
mod nibbles;
mod op;
mod pixel_conv;
mod places;
mod plan;
mod planner;
mod products;
mod quantum;
mod ranges;
mod real;
mod real_products;
mod row_conv;
mod runner;
mod scratch;
mod short_tables;
#[cfg(feature = "std")]
mod sliced;
mod steps;
mod table;
mod tiled_conv;
mod window_spec;
mod windows;

pub use flow::{Flow, sums_of};
pub use layer::{Function, Kind, Pixels, Product, Source, Stage, Step, Thresholds, Weights};
pub use naive::Values;
pub use op::Reading;
#[cfg(feature = "std")]
pub(crate) use ranges::Ranges;
pub use runner::Runner;

use serde::{Deserialize, Serialize};

#[cfg(feature = "std")]
use crate::bounded::lacking;
use crate::error::{Error, Result};
use crate::seal::Origin;
use crate::similarity::Comparison;
use crate::tensor::Shape;

/// The largest memory for running a network on one thread: 4 GiB.
const MAX_MEMORY: u64 = 4 << 30;

/// A bit-packed network for inference: weights and activations are bits where the trained network
/// is binary, and batch norm with a binary unit is one integer threshold per channel.
/// [`Self::runner`] makes a [`Runner`], which computes logits.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedNet {
    name: String,
    input: Shape,
    pixels: Pixels,
    stages: Vec<Stage>,
    flows: Vec<Flow>,
    lineage: Option<Lineage>,
    comparison: Option<Comparison>,
}

/// The origin of a packed network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The training run, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Origin>,
    /// Fingerprint of the data set that the run was trained on; empty if it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_sha256: String,
    /// Whether the training images are dark on a light background; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub light_ground: Option<bool>,
}

impl PackedNet {
    /// Returns the origin of the network, if it is known.
    pub fn lineage(&self) -> Option<&Lineage> {
        self.lineage.as_ref()
    }

    /// Returns the network with the given origin.
    #[must_use]
    pub fn with_lineage(mut self, lineage: Lineage) -> Self {
        self.lineage = Some(lineage);
        self
    }

    /// Returns how embeddings are compared; `None` if the network ends in logits.
    pub fn comparison(&self) -> Option<Comparison> {
        self.comparison
    }

    /// States that the network ends in an embedding, and how those are compared.
    #[must_use]
    pub fn with_comparison(mut self, by: Option<Comparison>) -> Self {
        self.comparison = by;
        self
    }

    /// Makes a network of stages, for images of shape `input`.
    ///
    /// # Errors
    /// [`Error::Spec`] if the stages do not fit each other, a tensor has the wrong length, a
    /// threshold is outside of the range of its sums, a number that must be finite is not, or
    /// running the network would take more memory than 4 GiB or than is free.
    pub fn new(name: String, input: Shape, pixels: Pixels, stages: Vec<Stage>) -> Result<Self> {
        let net = Self::outline(name, input, pixels, stages)?;
        net.check_tensors()?;
        Ok(net)
    }

    /// Returns the name of the network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the shape of an image, whose bytes are stored as (height, width, channel).
    pub fn input(&self) -> Shape {
        self.input
    }

    /// Returns the numbers that the pixels of an image stand for.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// Returns the number of classes, which is the number of logits; of a network that ends in an
    /// embedding, the number of its elements.
    pub fn classes(&self) -> usize {
        self.flows.last().map_or(0, |f| f.output().0.len())
    }

    /// Returns the stages, in the order in which they are computed.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Returns shapes and kinds of the values of each stage.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// Returns whether any stage draws random bits.
    pub fn is_stochastic(&self) -> bool {
        let mut steps = self.stages.iter().flat_map(|s| &s.tail);
        steps.any(|s| matches!(s, Step::Draw { .. } | Step::Sample { .. }))
    }

    /// Checks everything except the tensors, so that nothing is allocated for an invalid network.
    fn outline(name: String, input: Shape, pixels: Pixels, stages: Vec<Stage>) -> Result<Self> {
        let fail = |what: &str| Err(Error::spec(format!("packed network: {what}")));
        let sides = [input.channels, input.height, input.width];
        if sides.iter().any(|&s| s == 0 || s > 1 << 14) {
            return fail("the input makes no image");
        }
        if !pixels.fit(input.channels) {
            return fail("pixels need one mean and std, or one for each channel of the input");
        }
        let sound = |std: &f32| *std > 0.0 && std.is_finite();
        if let Pixels::Normalised { std, .. } = &pixels
            && !(std.numbers().iter().all(sound)
                && pixels.tables().iter().flatten().all(|x| x.is_finite()))
        {
            return fail("pixels need a mean and a std above 0 that make finite numbers of them");
        }
        let kind = match &pixels {
            Pixels::Raw => Kind::Pixels,
            Pixels::Normalised { .. } => Kind::Reals,
        };
        let flows = flow::flows((input, kind), &stages)?;
        let needed = memory(&stages, &flows);
        let limit = lacking(needed).unwrap_or(u64::MAX).min(MAX_MEMORY);
        if needed > limit {
            return Err(Error::spec(format!(
                "packed network: running it would take up to {} MiB of memory on a thread; the limit is {} MiB",
                needed >> 20,
                limit >> 20
            )));
        }
        let logits = |flow: &Flow| flow.output().1 == Kind::Reals && flow.output().0.pixels() == 1;
        if !flows.last().is_some_and(logits) {
            return fail("it must end in one real number for each class");
        }
        Ok(Self {
            name,
            input,
            pixels,
            stages,
            flows,
            lineage: None,
            comparison: None,
        })
    }

    /// Checks the tensors of a network whose outline is valid.
    fn check_tensors(&self) -> Result<()> {
        for (stage, flow) in self.stages.iter().zip(&self.flows) {
            let fail = |what: &str| Error::spec(format!("stage {}: {what}", stage.name));
            stage.check_weights(flow).map_err(fail)?;
            for (j, step) in stage.tail.iter().enumerate() {
                if !step.has_numbers_for(flow.values[j].0.channels, flow.sums(j)) {
                    return Err(fail(&format!("{} has the wrong length", step.name())));
                }
            }
        }
        let mut wrong = None;
        self.each_range(|i, j, ranges| {
            let stage = &self.stages[i];
            let Some(Step::Threshold { thresholds } | Step::Draw { thresholds, .. }) = stage.tail.get(j) else {
                return;
            };
            for (c, &t) in thresholds.threshold.iter().enumerate() {
                let (low, high) = ranges.of(c);
                if (t < low || t > high + 1) && wrong.is_none() {
                    wrong = Some(Error::spec(format!(
                        "stage {}: channel {c}: the threshold {t} lies outside of its sums, {low} to {high}",
                        stage.name
                    )));
                }
            }
        });
        wrong.map_or(Ok(()), Err)
    }
}

impl Stage {
    /// Checks that the number of weights is that of the product.
    fn check_weights(&self, flow: &Flow) -> core::result::Result<(), &'static str> {
        let depth = self.product.depth(flow.input().0);
        let out = flow.values[0].0.channels;
        match &self.weights {
            Weights::None => {}
            Weights::Binary { words } => {
                let row = depth.div_ceil(64);
                if words.len() != row * out {
                    return Err("the weights have the wrong length");
                }
                let spare = 64 * row - depth;
                let mut tails = words.chunks_exact(row).map(|w| w[row - 1]);
                if spare > 0 && tails.any(|w| w >> (64 - spare) != 0) {
                    return Err("there are bits beyond the last weight");
                }
            }
            Weights::Real { values, bias } => {
                if values.len() != depth * out || bias.len() != out {
                    return Err("the weights have the wrong length");
                }
            }
        }
        Ok(())
    }
}

impl Step {
    /// Returns whether the step's numbers have the right lengths for `c` channels, each of which
    /// takes one of `sums` integers.
    fn has_numbers_for(&self, c: usize, sums: usize) -> bool {
        let cuts = |thresholds: &Thresholds| {
            thresholds.threshold.len() == c && thresholds.inverted.len() == c
        };
        match self {
            Step::Threshold { thresholds } => cuts(thresholds),
            Step::Draw { thresholds, p, .. } => cuts(thresholds) && p.len() == c * sums,
            Step::PoolBits { and: per, .. } | Step::PoolInts { min: per, .. } => per.len() == c,
            Step::Affine { scale, shift } => scale.len() == c && shift.len() == c,
            _ => true,
        }
    }
}

/// Returns nothing: without an operating system nobody tells what memory is free.
#[cfg(not(feature = "std"))]
fn lacking(_needed: u64) -> Option<u64> {
    None
}

/// Returns an upper bound of the bytes that a runner needs on one thread: weights in the layout of
/// the kernels, with columns rounded up to `PANEL` and with tables of four floats and four 16-bit
/// integers per weight, and the values of every stage, which are stored several times.
fn memory(stages: &[Stage], flows: &[Flow]) -> u64 {
    const PANEL: usize = 32;
    let stage = |(stage, flow): (&Stage, &Flow)| {
        let input = flow.input().0;
        let out = flow.values[0].0.channels.next_multiple_of(PANEL);
        let weights = stage.product.depth(input).saturating_mul(out);
        let padding = match stage.product {
            Product::Conv { padding, .. } => 2 * padding,
            _ => 0,
        };
        let padded = Shape::image(
            input.channels.next_multiple_of(4),
            input.height + padding,
            input.width + padding,
        );
        let values = flow.values.iter().map(|v| v.0.len()).max().unwrap_or(0);
        let numbers = [weights.saturating_mul(6), padded.len(), values, values];
        let rest = [values; 4];
        // A joined value is stored in the form that is joined, beside the bits that it is made of.
        let joined = match stage.weights {
            Weights::None => flow.inputs.iter().map(|v| 2 * v.0.len()).collect(),
            _ => Vec::new(),
        };
        let numbers = numbers.into_iter().chain(rest).chain(joined);
        numbers.fold(0, usize::saturating_add)
    };
    let numbers = stages.iter().zip(flows).map(stage);
    (numbers.fold(0, usize::saturating_add) as u64).saturating_mul(4)
}
