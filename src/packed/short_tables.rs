//! Products of real weights with bits whose sums become pooled bits, by tables of 16-bit integers.
//!
//! The bit of a sum says only whether the sum is above its threshold. So the sums are estimated, in
//! units of a quantum of each channel:
//!
//! ```text
//! estimate = bias + Σ_taps Σ_groups table[tap, group][the group's 4 bits]
//!          ≈ (sum - threshold) / quantum
//! ```
//!
//! The difference is at most the channel's margin, which is computed from the rounding errors of all
//! entries and of the sum of floats. An estimate outside of the margin settles the bit. Where no
//! estimate of a pooling window is above the margin and one is within it, the sums in doubt are
//! computed as [`super::table`] does, so that every bit is that of the float sums. Entries are half
//! as wide as floats, and a register holds twice as many of them.

use alloc::vec;
use alloc::vec::Vec;

use super::layout::Nibbles;
use super::op::{Cx, Op};
use super::quantum::{Quantum, wrapped};
use super::scratch::Sizes;
use super::table::{block_table, first_sums, lookups, offset, starts};
use super::window_spec::WindowSpec;
use crate::kernels::packed::{Lookups, SHORT_WIDTHS, ShortRows, TableRow};
use crate::tensor::Shape;

/// Size in bytes of the tables of a block, so that they fit the L1 cache beside the sums.
const CACHE: usize = 16 << 10;

/// The largest number of look-ups of a sum. The margin grows with them, and the spread of the sums
/// only with their root: beyond it more than a few sums of a hundred would be in doubt.
const MOST: usize = 160;

/// Number of sums in doubt that are computed side by side, which hides the latency of additions.
const TOGETHER: usize = 8;

/// The operation of a layer with real weights over bits, with the threshold and the pooling that
/// follow.
pub(super) struct ShortTables {
    from: usize,
    to: (usize, Nibbles),
    /// The shape of the sums, and the number of integers of a position.
    shape: Shape,
    pixel: usize,
    starts: Vec<u32>,
    /// The initial estimates: one row for every position, or one row for all positions.
    bias: Vec<i16>,
    blocks: Vec<Block>,
    /// The tables of all blocks, one after the other.
    tables: Vec<i16>,
    margin: Vec<i16>,
    exact: Exact,
    rows: usize,
    sums: usize,
    doubt: usize,
}

/// A set of look-ups for a range of output channels.
struct Block {
    first: usize,
    width: usize,
    offsets: Vec<u32>,
    /// The part of all tables that belongs to the block.
    table: core::ops::Range<usize>,
}

/// The sums of floats.
struct Exact {
    offsets: Vec<u32>,
    /// The entries, of shape (channel, look-up, 16).
    table: Vec<[f32; 16]>,
    /// The initial sums in rows of `step`: one for every position, or one for all positions.
    bias: Vec<f32>,
    step: usize,
    threshold: Vec<f32>,
}

/// A sum in doubt: its position, its channel, and the nibble that its bit belongs to.
#[derive(Clone, Copy, Default)]
struct Doubt {
    position: usize,
    channel: usize,
    nibble: usize,
}

impl ShortTables {
    /// Makes the operation, over bits or (with `signs`) over signs, for the bits `[sum >
    /// threshold]` after pooling; `weight(o, i)` is the weight of input `i` in the order (channel,
    /// row, column). Returns `None` if the estimates would leave too many sums in doubt.
    pub fn new(
        (spec, signs): (&WindowSpec, bool),
        weight: impl Fn(usize, usize) -> f32,
        (bias, threshold): (&[f32], Vec<f32>),
        (from, to): (usize, (usize, Nibbles)),
        sizes: &mut Sizes,
    ) -> Option<Self> {
        let (lookups, shape) = (lookups(spec), spec.output);
        let positions = shape.pixels();
        if lookups.len() > MOST || positions < 4 {
            return None;
        }
        let step = shape.channels;
        let mut exact = Exact {
            offsets: lookups.iter().map(|l| offset(spec, *l)).collect(),
            table: Vec::new(),
            bias: first_sums((spec, signs), &weight, bias, step),
            step,
            threshold,
        };
        let mut quanta = Vec::new();
        for o in 0..shape.channels {
            let entries = block_table((spec, signs), &weight, &lookups, (o, 1));
            let entries = entries.as_chunks::<16>().0;
            let rows = exact.bias.iter().skip(o).step_by(step).copied();
            quanta.push(Quantum::of_tables(entries, rows, exact.threshold[o])?);
            exact.table.extend(entries);
        }
        let pixel = shape.channels.next_multiple_of(SHORT_WIDTHS[0]);
        let rows = exact.bias.len() / step;
        let mut bias = vec![i16::MIN; rows * pixel];
        for (to, from) in bias
            .chunks_exact_mut(pixel)
            .zip(exact.bias.chunks_exact(step))
        {
            for (o, (to, &from)) in to.iter_mut().zip(from).enumerate() {
                *to = quanta[o].first(from, exact.threshold[o]);
            }
        }
        let mut margin = vec![0; pixel];
        for (to, quantum) in margin.iter_mut().zip(&quanta) {
            *to = quantum.margin;
        }
        let (blocks, tables) = blocks(&exact, &quanta, pixel);
        Some(Self {
            from,
            to,
            shape,
            pixel,
            starts: starts(spec),
            bias,
            blocks,
            tables,
            margin,
            rows: sizes.rows(spec.nibbles().1),
            sums: sizes.shorts(positions * pixel),
            doubt: sizes.bytes(shape.width / 2 * (shape.channels / 4)),
            exact,
        })
    }
}

/// Returns the blocks, and the tables of estimates.
fn blocks(exact: &Exact, quanta: &[Quantum], pixel: usize) -> (Vec<Block>, Vec<i16>) {
    let (mut blocks, mut tables) = (Vec::new(), Vec::new());
    let (all, mut first) = (exact.offsets.len(), 0);
    while first < pixel {
        let width = SHORT_WIDTHS.into_iter().rfind(|&w| w <= pixel - first);
        let width = width.unwrap_or(SHORT_WIDTHS[0]);
        let together = CACHE / (32 * width);
        for (n, offsets) in exact.offsets.chunks(together).enumerate() {
            let start = tables.len();
            tables.resize(start + offsets.len() * 16 * width, 0);
            for (at, entry) in tables[start..].iter_mut().enumerate() {
                let (l, bits, o) = (at / width / 16, at / width % 16, first + at % width);
                if let Some(quantum) = quanta.get(o) {
                    let x = exact.table[o * all + n * together + l][bits];
                    *entry = wrapped(quantum.units(f64::from(x)));
                }
            }
            blocks.push(Block {
                first,
                width,
                offsets: offsets.to_vec(),
                table: start..tables.len(),
            });
        }
        first += width;
    }
    (blocks, tables)
}

impl Exact {
    /// Computes the sums in doubt and sets the bits of those above their thresholds.
    fn settle(&self, rows: &[TableRow], starts: &[u32], doubts: &[Doubt], out: &mut [u8]) {
        let all = self.offsets.len();
        let (mut sum, mut start) = ([0.0; TOGETHER], [0; TOGETHER]);
        let mut tables = [&self.table[..0]; TOGETHER];
        // Where there are fewer of them, the others are the first one.
        for (i, doubt) in (0..TOGETHER).map(|i| (i, doubts.get(i).unwrap_or(&doubts[0]))) {
            let row = if self.bias.len() == self.step {
                0
            } else {
                doubt.position * self.step
            };
            sum[i] = self.bias[row + doubt.channel];
            start[i] = starts[doubt.position] as usize;
            tables[i] = &self.table[doubt.channel * all..][..all];
        }
        for (l, &offset) in self.offsets.iter().enumerate() {
            for i in 0..TOGETHER {
                sum[i] += tables[i][l][rows[start[i] + offset as usize].index()];
            }
        }
        for (doubt, sum) in doubts.iter().zip(sum) {
            let above = sum > self.threshold[doubt.channel];
            out[doubt.nibble] |= u8::from(above) << (doubt.channel % 4);
        }
    }
}

/// Sums in doubt that are not computed yet.
#[derive(Default)]
struct Held {
    doubts: [Doubt; TOGETHER],
    count: usize,
}

impl ShortTables {
    /// Collects the sums in doubt of the row `y` of windows, and computes them when there are
    /// enough.
    fn settle_row(
        &self,
        rows: &[TableRow],
        (sums, doubt): (&[i16], &[u8]),
        y: usize,
        (held, out): (&mut Held, &mut [u8]),
    ) {
        let groups = self.shape.channels / 4;
        let first = self.to.1.place(0, y, 0);
        for (i, &bits) in doubt.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            let (x, g) = (i / groups, i % groups);
            for channel in (0..4).filter(|j| bits >> j & 1 == 1).map(|j| 4 * g + j) {
                for corner in 0..4 {
                    let position = (2 * y + corner / 2) * self.shape.width + 2 * x + corner % 2;
                    if sums[position * self.pixel + channel] < -self.margin[channel] {
                        continue;
                    }
                    held.doubts[held.count] = Doubt {
                        position,
                        channel,
                        nibble: first + i,
                    };
                    held.count += 1;
                    if held.count == TOGETHER {
                        self.exact.settle(rows, &self.starts, &held.doubts, out);
                        held.count = 0;
                    }
                }
            }
        }
    }
}

impl Op for ShortTables {
    fn name(&self) -> &'static str {
        "short tables"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut sums = core::mem::take(&mut cx.s.shorts[self.sums]);
        let mut doubt = core::mem::take(&mut cx.s.bytes[self.doubt]);
        let mut out = core::mem::take(&mut cx.s.bytes[self.to.0]);
        let mut rows = core::mem::take(&mut cx.s.rows[self.rows]);
        for (row, &nibble) in rows.iter_mut().zip(&*cx.s.bytes[self.from]) {
            *row = TableRow::new(nibble);
        }
        if self.bias.len() == sums.len() {
            sums.copy_from_slice(&self.bias);
        } else {
            for row in sums.chunks_exact_mut(self.pixel) {
                row.copy_from_slice(&self.bias);
            }
        }
        for block in &self.blocks {
            let lookups = Lookups {
                starts: &self.starts,
                offsets: &block.offsets,
                table: &self.tables[block.table.clone()],
                width: block.width,
                out_step: self.pixel,
            };
            cx.kernels
                .look_up16(&rows, &lookups, &mut sums[block.first..]);
        }
        let two_rows = ShortRows {
            row: self.shape.width * self.pixel,
            pixel: self.pixel,
            channels: self.shape.channels,
            margin: &self.margin,
        };
        let mut held = Held::default();
        for y in 0..self.shape.height / 2 {
            let above = &mut out[self.to.1.place(0, y, 0)..][..doubt.len()];
            let two = &sums[2 * y * two_rows.row..][..2 * two_rows.row];
            cx.kernels.cut_pool16(two, &two_rows, above, &mut doubt);
            self.settle_row(&rows, (&sums, &doubt), y, (&mut held, &mut out));
        }
        if held.count > 0 {
            let doubts = &held.doubts[..held.count];
            self.exact.settle(&rows, &self.starts, doubts, &mut out);
        }
        cx.s.rows[self.rows] = rows;
        cx.s.shorts[self.sums] = sums;
        cx.s.bytes[self.doubt] = doubt;
        cx.s.bytes[self.to.0] = out;
    }
}
