//! The window of a stage, and the rules by which its tail makes bits, as the kernels need them.

use alloc::vec::Vec;

use super::bit_conv::ConvSpec;
use super::epilogue::Channel;
use super::flow::Flow;
use super::layer::{Product, Stage, Step, Thresholds};
use super::window_spec::WindowSpec;

/// Returns the shapes and weights of a convolution; for a linear layer only the shapes are
/// meaningful.
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

/// Returns the window of a stage; for a linear layer it covers the whole image.
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
        groups: stage.product.groups(),
    }
}

/// A tail that consists of thresholds, alone or with one max-pool.
pub(super) struct BitsOfSums<'a> {
    thresholds: &'a Thresholds,
    and: Option<&'a [bool]>,
    /// Kernel and stride of the max-pool, if there is one.
    pub pool: Option<(usize, usize)>,
}

impl BitsOfSums<'_> {
    /// Returns the threshold of a channel's sums.
    pub fn threshold(&self, c: usize) -> i32 {
        self.thresholds.threshold[c]
    }

    /// Returns the thresholds of all channels.
    #[cfg(feature = "std")]
    pub fn thresholds(&self) -> &Thresholds {
        self.thresholds
    }

    /// Returns whether the max-pool takes the smallest bit of a channel's windows.
    pub fn and(&self, c: usize) -> bool {
        self.and.is_some_and(|and| and[c])
    }

    /// Returns the rule of a channel with the given threshold in place of its own.
    pub fn channel(&self, c: usize, threshold: i32) -> Channel {
        Channel::new(threshold, self.thresholds.inverted[c], self.and(c))
    }
}

/// Returns the steps of a tail without those that do not change the stored bits.
fn steps(stage: &Stage) -> Vec<&Step> {
    let tail = stage.tail.iter();
    tail.filter(|step| !matches!(step, Step::Signs)).collect()
}

/// Returns the tail as thresholds, if it consists of thresholds alone or with one max-pool.
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

/// Returns scale and shift of a tail that consists of an affine map, a binary unit and a 2x2
/// max-pool over reals.
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
