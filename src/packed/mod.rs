//! Floor 2: inference on packed bits, apart from everything that trains.
//!
//! A [`PackedNet`] is what remains of a trained network once its deterministic
//! parts are worked out: weights as bits, batch norm and the binary unit as one
//! integer threshold a channel, pooling as OR or AND. Its stages form a graph: each
//! names the stages that it reads. [`crate::pack`] makes one; this module knows nothing
//! of tapes and models.
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
//! **Why the answers are those of the trained graph.** Sums of weights ±1 over
//! bits or bytes are integers below 2^24, which f32 holds exactly in any order of
//! summation, so counting bits gives the very number that the float graph has.
//! What follows it (scale, bias, batch norm, an activation) is one function of
//! that number for each channel; packing evaluated it at every sum that can occur
//! and stored where it changes sign. Real weights have no such form: their sums
//! are rounded in another order than the float graph's, so agreement is measured
//! ([`crate::model::verify`] compares), not promised. Joins and average pools add whole
//! numbers as integers, and all others by the float operations of the trained graph in
//! its order.
//!
//! **Encoding** of a packed file ([`PackedNet::to_bytes`]): safetensors with a seal
//! ([`crate::container`]). The metadata key `bnn-cpu-packed` holds one JSON text:
//! `format` (2, or 3 where stages name what they read, join values, make integers or have
//! the steps `sum_pool`, `avg_pool`, `divide` or `flatten`, or 4 where there is the step
//! `signs`, a `border` that is not 0 or a mean or std a channel, or 5 where it ends in an
//! embedding that is compared as `compare` says; 1 had no seal), what the
//! network was made from ([`Lineage`]), its name, input, pixels and stages without their
//! numbers. A stage's `inputs` are `"image"` and `{"stage": n}`, the stage before it where
//! there are none. The numbers of stage `i`
//! are the tensors `i.weight` (U64 (out, words): 1 is +1, 0 is -1, bit `j % 64` of
//! word `j / 64` is input `j` in the order channel, row, column, bits beyond the
//! last are 0; or F32 (out, inputs) and `i.bias`), and those of step `j` of its
//! tail are `i.j.threshold` (I32), `i.j.flip`, `i.j.and`, `i.j.min` (U8, 0 or 1),
//! `i.j.scale`, `i.j.shift`, `i.j.p` (F32). All little-endian. A bit of an
//! activation is 1 for `x > 0`, else 0; the step `signs` makes -1 and +1 of bits, which are
//! kept as they are. The pixels of a border are the number `border` of the convolution, 0
//! where there is none.

mod bit_conv;
mod counts;
mod epilogue;
mod file;
mod flow;
mod geometry;
mod join;
mod layer;
mod layout;
mod linear;
mod naive;
mod op;
mod pixel_conv;
mod places;
mod plan;
mod planner;
mod products;
mod ranges;
mod real;
mod row_conv;
mod runner;
mod scratch;
mod steps;
mod table;
mod window_spec;
mod windows;

pub use flow::{Flow, sums_of};
pub use layer::{Function, Kind, Pixels, Product, Source, Stage, Step, Thresholds, Weights};
pub use naive::Values;
pub use op::Reading;
pub(crate) use ranges::Ranges;
pub use runner::Runner;

use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::error::{Error, Result};
use crate::seal::Origin;
use crate::similarity::Comparison;
use crate::tensor::Shape;

/// The most memory that running a network may take on one thread: 4 GiB.
const MAX_MEMORY: u64 = 4 << 30;

/// A network on packed bits; see the module's page.
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

/// What a packed network was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Origin>,
    /// Fingerprint of the data set that the run was trained on; empty where it is not
    /// known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_sha256: String,
    /// Whether the training images have dark ink on a light ground; absent where that
    /// is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub light_ground: Option<bool>,
}

impl PackedNet {
    /// What it was made from, where that is known.
    pub fn lineage(&self) -> Option<&Lineage> {
        self.lineage.as_ref()
    }

    /// States what it was made from.
    #[must_use]
    pub fn with_lineage(mut self, lineage: Lineage) -> Self {
        self.lineage = Some(lineage);
        self
    }

    /// How embeddings are compared, where the network ends in one instead of logits.
    pub fn comparison(&self) -> Option<Comparison> {
        self.comparison
    }

    /// States that the network ends in an embedding, and how those are compared.
    #[must_use]
    pub fn with_comparison(mut self, by: Option<Comparison>) -> Self {
        self.comparison = by;
        self
    }

    /// The network of those stages.
    ///
    /// # Errors
    /// Stages that do not fit each other, tensors of the wrong length, thresholds
    /// outside of their sums, or numbers that are not finite where they must be.
    pub fn new(name: String, input: Shape, pixels: Pixels, stages: Vec<Stage>) -> Result<Self> {
        let net = Self::outline(name, input, pixels, stages)?;
        net.check_tensors()?;
        Ok(net)
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape of an image; its bytes are stored (height, width, channel).
    pub fn input(&self) -> Shape {
        self.input
    }

    /// What the first stage reads.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The classes that it tells apart, or the numbers of its embedding.
    pub fn classes(&self) -> usize {
        self.flows.last().map_or(0, |f| f.output().0.len())
    }

    /// Its stages.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The values of each stage.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// Whether any stage draws random bits.
    pub fn is_stochastic(&self) -> bool {
        let mut steps = self.stages.iter().flat_map(|s| &s.tail);
        steps.any(|s| matches!(s, Step::Draw { .. } | Step::Sample { .. }))
    }

    /// Checks everything but the tensors, so that nothing has to be allocated for
    /// a network that cannot be.
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
        let limit = bounded::lacking(needed).unwrap_or(u64::MAX).min(MAX_MEMORY);
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

    /// Checks the tensors of a checked outline.
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
    /// Whether the weights are as many as the sum has.
    fn check_weights(&self, flow: &Flow) -> std::result::Result<(), &'static str> {
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
    /// Whether it has its numbers for that many channels, each of which is one of `sums`
    /// integers.
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

/// Bytes that a runner takes on one thread, at most: weights in the order of the
/// kernels, which round columns up to [`PANEL`] and make tables of four numbers a
/// weight, and the values of every stage, which a run of steps holds several times.
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
        let numbers = [
            weights,
            weights,
            weights,
            weights,
            padded.len(),
            values,
            values,
        ];
        let rest = [values; 4];
        // What is joined lies there as it is read, beside the bits that it is made of.
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
