//! What the kernels need to know of a stage: its window, and how its tail makes bits.

use super::bit_conv::ConvSpec;
use super::epilogue::Channel;
use super::flow::Flow;
use super::layer::{Product, Stage, Step, Thresholds};
use super::table::WindowSpec;

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
    let (kernel, stride, padding) = match stage.product {
        Product::Conv {
            kernel,
            stride,
            padding,
            ..
        } => ((kernel, kernel), stride, padding),
        _ => ((input.height, input.width), 1, 0),
    };
    WindowSpec {
        input,
        output: flow.values[0].0,
        kernel,
        stride,
        padding,
    }
}

/// How a tail that is thresholds, alone or with one pool, makes bits of sums.
#[allow(
    clippy::type_complexity,
    reason = "channels, and kernel and stride of a pool"
)]
pub(super) fn bits_of_sums(
    stage: &Stage,
    flow: &Flow,
) -> Option<(Vec<Channel>, Option<(usize, usize)>)> {
    let channels = |thresholds: &Thresholds, and: &dyn Fn(usize) -> bool| {
        let c = 0..flow.values[0].0.channels;
        c.map(|c| Channel::new(thresholds.threshold[c], thresholds.inverted[c], and(c)))
            .collect()
    };
    match &stage.tail[..] {
        [Step::Threshold { thresholds }] => Some((channels(thresholds, &|_| false), None)),
        [
            Step::Threshold { thresholds },
            Step::PoolBits {
                kernel,
                stride,
                and,
            },
        ] => Some((channels(thresholds, &|c| and[c]), Some((*kernel, *stride)))),
        _ => None,
    }
}
