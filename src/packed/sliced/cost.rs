//! From how many images on a network is computed faster on 64 images at once than one after another.
//!
//! Costs are counted in additions of a register of bytes for each register's worth of lanes, which is
//! what both ways mostly do. The factors were chosen on AVX2 from networks of dense layers and of 3 x 3
//! and 5 x 5 windows at every pixel, over 1, 16 and 64 channels.

use super::SLICE;
use crate::kernels::packed::slices::GROUP;
use crate::packed::PackedNet;
use crate::packed::flow::Flow;
use crate::packed::geometry::window;
use crate::packed::layer::{Product, Stage};

/// The number of channels in a group where lanes are positions.
const USUAL: usize = 5;

/// Returns the product of sizes as a cost; one that is too large for a cost is the largest.
fn cost(sizes: &[usize]) -> u64 {
    let product = |a: u64, &b: &usize| a.saturating_mul(b as u64);
    sizes.iter().fold(1, product)
}

/// Returns the cost of the sums over `depth` bits for each of `outputs`, in groups of `b` bits: of
/// the planes and of the sums. An addition of a plane, which is anywhere in the first-level cache, takes
/// as long as three additions of neighbours.
fn window_cost(depth: usize, outputs: usize, b: usize) -> u64 {
    cost(&[3, depth.div_ceil(b), outputs + (1 << b) + 5 * b])
}

/// Returns the number of bits in a group that costs least, if all groups serve that many outputs.
pub(super) fn group_size(depth: usize, outputs: usize) -> usize {
    let cost = |b: &usize| window_cost(depth, outputs, *b);
    (1..=GROUP.min(depth)).min_by_key(cost).unwrap_or(1)
}

/// Returns the cost of a stage on 64 images at once, for each image.
fn sliced(stage: &Stage, flow: &Flow) -> u64 {
    let spec = window(stage, flow);
    let (depth, outputs) = (spec.depth(), spec.output.channels / spec.groups);
    let each = window_cost(depth, outputs, group_size(depth, outputs));
    each.saturating_mul(cost(&[spec.output.pixels(), spec.groups]))
}

/// Returns the cost of a stage image by image.
fn by_image(stage: &Stage, flow: &Flow) -> u64 {
    let spec = window(stage, flow);
    let outputs = spec.output.channels;
    match stage.product {
        Product::Conv { .. } => {
            // Sums are computed at stride 1, and a row ends in a border. Each is compared, and its bit
            // is put in its place.
            let rows = spec.input.height + 2 * spec.padding + 1 - spec.kernel.0;
            let positions = rows * (spec.input.width + spec.padding);
            let taps = spec.kernel.0 * spec.kernel.1;
            let groups = (spec.input.channels / spec.groups).div_ceil(USUAL);
            cost(&[positions, outputs, 2 * taps * groups + 150])
        }
        // Bits are counted, 256 with nine instructions, and sums are stored.
        _ => cost(&[outputs, 2 * spec.depth() + 400]),
    }
}

/// Returns the smallest number of images for which the stages after the first cost less on 64 images
/// at once; `None` if it is more than 64.
pub(super) fn least(net: &PackedNet) -> Option<usize> {
    let stages = || net.stages().iter().zip(net.flows()).skip(1);
    let sum = |of: fn(&Stage, &Flow) -> u64| {
        let each = stages().map(|(stage, flow)| of(stage, flow));
        each.fold(0, u64::saturating_add)
    };
    let slice = sum(sliced).saturating_mul(SLICE as u64);
    let images = slice / sum(by_image).max(1) + 1;
    usize::try_from(images).ok().filter(|&n| n <= SLICE)
}
