//! Products of real weights with bits by table look-up: for each kernel position and group of 4
//! channels there is a table of the 16 partial sums of the weights, for many output channels at
//! once.
//!
//! ```text
//! sum[o] = bias[o] + Σ_taps Σ_groups table[tap, group][the group's 4 bits][o]
//! ```
//!
//! Over signs a bit 0 subtracts its weight; the contribution of the border is added to the bias of
//! the position ([`super::counts`]).
//!
//! A sum needs a quarter as many additions as it has weights, and no multiplications. The tables
//! are processed in blocks that fit the L1 cache: each block is applied at all positions of the
//! image before the next.

use alloc::vec;
use alloc::vec::Vec;

use super::counts::Classes;
use super::op::{Cx, Op};
use super::scratch::Sizes;
use super::window_spec::WindowSpec;
use crate::kernels::packed::{Lookups, TABLE_WIDTHS};

/// Size in bytes of the tables of a block, and of the sums that are updated together, so that both
/// fit the L1 cache.
const CACHE: usize = 16 << 10;

/// The operation of a layer with real weights over bits.
pub(super) struct TableConv {
    from: usize,
    to: usize,
    channels: usize,
    /// Number of sums of a position, rounded up to whole tables.
    sums: usize,
    step: usize,
    starts: Vec<u32>,
    /// The initial sums: one row for every position, or one row for all positions.
    bias: Vec<f32>,
    blocks: Vec<Block>,
}

/// A set of look-ups for a range of output channels.
struct Block {
    first: usize,
    width: usize,
    offsets: Vec<u32>,
    table: Vec<f32>,
}

impl TableConv {
    /// Makes the operation, over bits or (with `signs`) over signs; `weight(o, i)` is the weight of
    /// input `i` in the order (channel, row, column).
    pub fn new(
        (spec, signs): (&WindowSpec, bool),
        weight: impl Fn(usize, usize) -> f32,
        bias: &[f32],
        (from, to): (usize, usize),
        sizes: &mut Sizes,
    ) -> Self {
        let channels = spec.output.channels;
        let (starts, lookups) = (starts(spec), lookups(spec));
        let step = channels.next_multiple_of(8);
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < channels {
            let left = channels - first;
            let fits = |w: usize| w == 8 || starts.len() * w * 4 <= CACHE;
            let width = TABLE_WIDTHS
                .into_iter()
                .rfind(|&w| w <= left.next_multiple_of(8) && fits(w));
            let width = width.unwrap_or(8);
            // With only one position, keeping a table in the cache has no benefit.
            let together = match starts.len() {
                1 => lookups.len(),
                _ => CACHE / (64 * width),
            };
            for lookups in lookups.chunks(together) {
                let table = block_table((spec, signs), &weight, lookups, (first, width));
                blocks.push(Block {
                    first,
                    width,
                    offsets: lookups.iter().map(|l| offset(spec, *l)).collect(),
                    table,
                });
            }
            first += width;
        }
        Self {
            from,
            to,
            channels,
            sums: sizes.reals(starts.len() * step),
            step,
            starts,
            bias: first_sums((spec, signs), &weight, bias, step),
            blocks,
        }
    }
}

/// Returns the index of the first nibble of each position.
pub(super) fn starts(spec: &WindowSpec) -> Vec<u32> {
    let (nibbles, _) = spec.nibbles();
    let start = |p: usize| {
        let (y, x) = (p / spec.output.width, p % spec.output.width);
        ((y * nibbles.row + x) * spec.stride * nibbles.groups) as u32
    };
    (0..spec.output.pixels()).map(start).collect()
}

/// Returns the look-ups of a position: tap and group of channels.
pub(super) fn lookups(spec: &WindowSpec) -> Vec<(usize, usize)> {
    let (nibbles, _) = spec.nibbles();
    let groups = |tap| (0..nibbles.groups).map(move |g| (tap, g));
    (0..spec.kernel.0 * spec.kernel.1)
        .flat_map(groups)
        .collect()
}

/// Returns the offset of a look-up's nibble from the first one of a position.
pub(super) fn offset(spec: &WindowSpec, (tap, g): (usize, usize)) -> u32 {
    let (nibbles, _) = spec.nibbles();
    let (y, x) = (tap / spec.kernel.1, tap % spec.kernel.1);
    ((y * nibbles.row + x) * nibbles.groups + g) as u32
}

/// Returns the partial sums of a block: for each look-up and each of the 16 patterns of its bits,
/// those of `width` outputs from `first` on.
pub(super) fn block_table(
    (spec, signs): (&WindowSpec, bool),
    weight: &impl Fn(usize, usize) -> f32,
    lookups: &[(usize, usize)],
    (first, width): (usize, usize),
) -> Vec<f32> {
    let taps = spec.kernel.0 * spec.kernel.1;
    let mut table = vec![0.0; lookups.len() * 16 * width];
    for (row, out) in table.chunks_exact_mut(width).enumerate() {
        let ((tap, g), bits) = (lookups[row / 16], row % 16);
        for (o, out) in (first..spec.output.channels).zip(out) {
            let sum: f64 = (0..4)
                .filter(|j| 4 * g + j < spec.input.channels)
                .filter(|j| signs || bits >> j & 1 == 1)
                .map(|j| {
                    let w = f64::from(weight(o, (4 * g + j) * taps + tap));
                    if bits >> j & 1 == 1 { w } else { -w }
                })
                .sum();
            *out = sum as f32;
        }
    }
    table
}

/// Returns the initial sums: the bias plus the contribution of the border, in one row per position
/// if the contribution depends on the position, else in one row.
pub(super) fn first_sums(
    (spec, signs): (&WindowSpec, bool),
    weight: &impl Fn(usize, usize) -> f32,
    bias: &[f32],
    step: usize,
) -> Vec<f32> {
    // The bits of the border are 0, which stands for the sign -1.
    let border = f64::from(spec.border) + if signs { 1.0 } else { 0.0 };
    let varies = spec.padding > 0 && border != 0.0;
    let positions = if varies { spec.output.pixels() } else { 1 };
    let mut first = vec![0.0; positions * step];
    let outside = varies.then(|| {
        let weight = |o: usize, i: usize| f64::from(weight(o, i));
        Classes::new(spec, weight, |_, outside| border * outside)
    });
    for (p, to) in first.chunks_exact_mut(step).enumerate() {
        to[..bias.len()].copy_from_slice(bias);
        if let Some(outside) = &outside {
            let (y, x) = (p / spec.output.width, p % spec.output.width);
            let outside = outside.at(y * spec.stride, x * spec.stride);
            for (to, &outside) in to.iter_mut().zip(outside) {
                *to = (f64::from(*to) + outside) as f32;
            }
        }
    }
    first
}

impl Op for TableConv {
    fn name(&self) -> &'static str {
        "tables"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut sums = core::mem::take(&mut cx.s.reals[self.sums]);
        if self.bias.len() == sums.len() {
            sums.copy_from_slice(&self.bias);
        } else {
            for row in sums.chunks_exact_mut(self.step) {
                row.copy_from_slice(&self.bias);
            }
        }
        for block in &self.blocks {
            let lookups = Lookups {
                starts: &self.starts,
                offsets: &block.offsets,
                table: &block.table,
                width: block.width,
                out_step: self.step,
            };
            let nibbles = &cx.s.bytes[self.from];
            cx.kernels
                .look_up(nibbles, &lookups, &mut sums[block.first..]);
        }
        let out = cx.s.reals[self.to].chunks_exact_mut(self.channels);
        for (out, row) in out.zip(sums.chunks_exact(self.step)) {
            out.copy_from_slice(&row[..self.channels]);
        }
        cx.s.reals[self.sums] = sums;
    }
}
