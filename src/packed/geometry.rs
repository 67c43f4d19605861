//! What the kernels need to know of a stage: its window, and how its tail makes bits.

use super::bit_conv::ConvSpec;
use super::epilogue::Channel;
use super::flow::Flow;
use super::layer::{Product, Stage, Step, Thresholds};
use super::window_spec::WindowSpec;

/// A convolution's geometry; of a linear layer the shapes alone count.
pub(super) fn conv<'a>(
    stage: &Stage,
    flow: &Flow,
    positive: &'a dyn Fn(usize, usize) -> bool,
) -> ConvSpec<'a> {
    let w = window(stage, flow);
    ConvSpec {
        input: w.input,
        output: w.output,
        kernel: w.kernel.0,
        stride: w.stride,
        padding: w.padding,
        positive,
    }
}

/// The window of a sum; of a linear layer it is the whole image.
pub(super) fn window(stage: &Stage, flow: &Flow) -> WindowSpec {
    let input = flow.input().0;
    let (kernel, stride, padding, border) = match stage.product {
        Product::Conv {
            kernel,
            stride,
            padding,
            border,
            ..
        } => ((kernel, kernel), stride, padding, border),
        _ => ((input.height, input.width), 1, 0, 0),
    };
    WindowSpec {
        input,
        output: flow.values[0].0,
        kernel,
        stride,
        padding,
        border,
    }
}

/// A tail that is thresholds, alone or with one pool.
pub(super) struct BitsOfSums<'a> {
    thresholds: &'a Thresholds,
    and: Option<&'a [bool]>,
    /// Kernel and stride of the pool.
    pub pool: Option<(usize, usize)>,
}

impl BitsOfSums<'_> {
    /// The threshold of a channel's sums.
    pub fn threshold(&self, c: usize) -> i32 {
        self.thresholds.threshold[c]
    }

    /// The rule of a channel whose sums have that threshold instead of their own.
    pub fn channel(&self, c: usize, threshold: i32) -> Channel {
        let and = self.and.is_some_and(|and| and[c]);
        Channel::new(threshold, self.thresholds.inverted[c], and)
    }
}

/// The steps of a tail but for those that change nothing of how bits are kept.
fn steps(stage: &Stage) -> Vec<&Step> {
    let tail = stage.tail.iter();
    tail.filter(|step| !matches!(step, Step::Signs)).collect()
}

/// How a tail that is thresholds, alone or with one pool, makes bits of sums.
pub(super) fn bits_of_sums(stage: &Stage) -> Option<BitsOfSums<'_>> {
    let (thresholds, and, pool) = match steps(stage)[..] {
        [Step::Threshold { thresholds }] => (thresholds, None, None),
        [
            Step::Threshold { thresholds },
            Step::PoolBits {
                kernel,
                stride,
                and,
            },
        ] => (thresholds, Some(&and[..]), Some((*kernel, *stride))),
        _ => return None,
    };
    Some(BitsOfSums {
        thresholds,
        and,
        pool,
    })
}

/// Scale and shift of a tail that makes pooled bits of reals at once.
pub(super) fn pooled_bits_of_reals(stage: &Stage) -> Option<(&[f32], &[f32])> {
    match steps(stage)[..] {
        [
            Step::Affine { scale, shift },
            Step::MaxPool {
                kernel: 2,
                stride: 2,
            },
            Step::Fire,
        ] => Some((scale, shift)),
        _ => None,
    }
}
