//! Whether a network is computed faster on 64 images at once or image by image.
//!
//! Costs are counted in additions of bytes, which is what both ways mostly do. The factors below are
//! of measurements with AVX2: a layer of 5 x 5 windows over one channel and one of 3 x 3 windows over
//! 16 channels take the same time in both ways, with strides of 2 the slices take a quarter of it.

use crate::packed::PackedNet;
use crate::packed::flow::Flow;
use crate::packed::geometry::window;
use crate::packed::layer::{Product, Stage};

/// The largest number of bits in a group.
pub(super) const GROUP: usize = 6;

/// The number of channels in a group where lanes are positions.
const USUAL: usize = 5;

/// Returns the cost of the sums over `depth` bits for each of `outputs`, in groups of `b` bits: of
/// the planes, which are written and read, and of the sums.
fn window_cost(depth: usize, outputs: usize, b: usize) -> usize {
    depth.div_ceil(b) * (2 * outputs + (3 << (b - 1)) + 6 * b)
}

/// Returns the number of bits in a group that costs least, if all groups serve that many outputs.
pub(super) fn group_size(depth: usize, outputs: usize) -> usize {
    let cost = |b: &usize| window_cost(depth, outputs, *b);
    (1..=GROUP.min(depth)).min_by_key(cost).unwrap_or(1)
}

/// Returns the cost of a stage on 64 images at once, for each image.
fn sliced(stage: &Stage, flow: &Flow) -> usize {
    let spec = window(stage, flow);
    let (depth, outputs) = (spec.depth(), spec.output.channels);
    let made = outputs / spec.groups;
    let each = spec.groups * window_cost(depth, made, group_size(depth, made));
    spec.output.pixels().saturating_mul(each)
}

/// Returns the cost of a stage image by image.
fn by_image(stage: &Stage, flow: &Flow) -> usize {
    let spec = window(stage, flow);
    let outputs = spec.output.channels;
    match stage.product {
        Product::Conv { .. } => {
            // Sums are computed at stride 1, and a row ends in a border.
            let rows = spec.input.height + 2 * spec.padding + 1 - spec.kernel.0;
            let positions = rows * (spec.input.width + spec.padding);
            let taps = spec.kernel.0 * spec.kernel.1;
            let groups = taps * (spec.input.channels / spec.groups).div_ceil(USUAL);
            positions.saturating_mul(2 * groups * outputs)
        }
        // Bits are counted, 256 with nine instructions, and sums are stored.
        _ => outputs.saturating_mul(2 * spec.depth() + 400),
    }
}

/// Returns whether the stages after the first cost less on 64 images at once.
pub(super) fn is_less(net: &PackedNet) -> bool {
    let stages = || net.stages().iter().zip(net.flows()).skip(1);
    let sum = |of: fn(&Stage, &Flow) -> usize| {
        let each = stages().map(|(stage, flow)| of(stage, flow));
        each.fold(0, usize::saturating_add)
    };
    sum(sliced) < sum(by_image)
}
