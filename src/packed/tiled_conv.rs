//! Convolution with binary weights over the bits of many channels, by bit planes of tiles.
//!
//! The planes of all channels do not fit the L1 cache. The positions are cut into tiles, and the
//! channels into blocks of groups, so that a block's planes of a tile do; each block adds to the
//! sums of all outputs, in 16 bits. A group then has more channels than [`super::bit_conv`] could
//! give it, which saves additions. [`crate::kernels::packed::block_sums`] has the kernel.

use alloc::vec::Vec;

use super::bit_conv::{BitConv, ConvSpec, Extra, OutputLayout};
use super::op::{Cx, Op};
use super::scratch::Sizes;
use crate::kernels::packed::LANES;
use crate::kernels::packed::block_sums::{BlockTerms, WHOLE};
use crate::tensor::Shape;

/// Size in bytes of the planes that are used together, so that they fit the L1 cache beside the
/// sums that stream through it.
const CACHE: usize = 24 << 10;

/// The largest number of bits in a sum of bytes.
const BITS: usize = 255;

/// The largest number of bits of a whole sum, whose 16 bits have a sign, beside the byte that is
/// added for the border.
const DEPTH: usize = i16::MAX as usize - 255;

/// Whether the operation is part of the program. Pages, which run as WebAssembly, have no room for it.
const WORTHWHILE: bool = cfg!(not(target_family = "wasm"));

/// The lengths of a tile, in vectors of [`WHOLE`] positions.
const LENGTHS: [usize; 6] = [1, 2, 3, 4, 8, 16];

/// The operation of a convolution with binary weights over bits.
pub(super) struct TiledConv {
    from: usize,
    /// Number of words of a channel's stream.
    words: usize,
    output: Shape,
    /// Number of positions in a row, and from one output to the next.
    step: usize,
    stride: usize,
    /// Number of positions of a tile, and the first position of each.
    lanes: usize,
    tiles: Vec<usize>,
    /// Number of bytes of a plane of a tile.
    plane: usize,
    blocks: Vec<Block>,
    layout: OutputLayout,
    /// Number of weights -1 of each output (negated where the rule says so).
    negative: Vec<i32>,
    extra: Option<Extra>,
    spread: usize,
    planes: usize,
    sums: usize,
    stream: usize,
}

/// Groups of channels whose planes are used together.
struct Block {
    /// First channel and number of channels of each group.
    groups: Vec<(usize, usize)>,
    terms: BlockTerms,
}

/// The length of a tile, the number of channels of a group and of groups of a block.
#[derive(Clone, Copy, Debug)]
struct Cut {
    lanes: usize,
    group: usize,
    block: usize,
}

impl Cut {
    /// Returns the cut that is expected to take the least time; `None` if there is none.
    fn of(spec: &ConvSpec<'_>) -> Option<Self> {
        let taps = spec.kernel * spec.kernel;
        if spec.input.channels * taps > DEPTH {
            return None;
        }
        let whole = positions(spec);
        let lanes = LENGTHS.map(|n| (n * WHOLE).min(whole));
        let cuts = lanes.into_iter().flat_map(|lanes| {
            (1..=8usize.min(spec.input.channels)).filter_map(move |group| {
                let planes = plane(spec, lanes) << (group - 1);
                let block = (CACHE / planes).min(BITS / (group * taps));
                (block > 0).then_some(Self {
                    lanes,
                    group,
                    block,
                })
            })
        });
        cuts.min_by_key(|cut| cut.cost(spec))
    }

    /// Returns an estimate of the time, in eighths of a cycle with registers of 32 bytes.
    fn cost(self, spec: &ConvSpec<'_>) -> usize {
        let (taps, outputs) = (spec.kernel * spec.kernel, spec.output.channels);
        let groups = spec.input.channels.div_ceil(self.group);
        let blocks = groups.div_ceil(self.block);
        let (registers, plane) = (self.lanes / 32, plane(spec, self.lanes) / 32);
        let sums = outputs * (groups * taps * (6 * registers + 8) + blocks * (24 * registers + 80));
        let planes = groups * plane * ((12 << (self.group - 1)) + 16 * self.group);
        positions(spec).div_ceil(self.lanes) * (sums + planes)
    }
}

/// Returns the number of positions, rounded up to whole vectors.
fn positions(spec: &ConvSpec<'_>) -> usize {
    BitConv::positions(spec).next_multiple_of(WHOLE)
}

/// Returns the number of bytes of a plane of a tile: each position, and what the last one reads.
fn plane(spec: &ConvSpec<'_>, lanes: usize) -> usize {
    let row = spec.input.width + spec.padding;
    (lanes + (spec.kernel - 1) * (row + 1)).next_multiple_of(LANES)
}

impl TiledConv {
    /// Returns whether the planes of all channels at all positions exceed the cache, and the sums do
    /// not exceed 16 bits.
    pub fn fits(spec: &ConvSpec<'_>) -> bool {
        WORTHWHILE && !BitConv::at_once(spec) && Cut::of(spec).is_some()
    }

    /// Makes the operation of a layer that [`TiledConv::fits`].
    pub fn new(
        spec: &ConvSpec<'_>,
        from: usize,
        (layout, extra): (OutputLayout, Option<Extra>),
        sizes: &mut Sizes,
    ) -> Self {
        let cut = Cut::of(spec).expect("the caller asked whether it fits");
        let (lanes, plane, positions) = (cut.lanes, plane(spec, cut.lanes), positions(spec));
        // The last tile ends with the last position, and may repeat some of the one before.
        let last = positions - lanes;
        let tiles = (0..positions).step_by(lanes).map(|at| at.min(last));
        let outputs = 0..spec.output.channels;
        let mut blocks = blocks(spec.input.channels, cut);
        for block in &mut blocks {
            for o in outputs.clone() {
                block.add(spec, plane, o, layout.negates(o));
            }
        }
        let negative = outputs.map(|o| spec.negative(o, layout.negates(o)));
        let bytes = blocks.iter().map(|block| block.bytes(plane)).max();
        Self {
            from,
            words: BitConv::input(spec).0.channel / 64,
            output: spec.output,
            step: spec.input.width + spec.padding,
            stride: spec.stride,
            lanes,
            tiles: tiles.collect(),
            plane,
            negative: negative.collect(),
            layout,
            extra,
            spread: sizes.bytes(cut.group * plane),
            planes: sizes.bytes(bytes.unwrap_or(0)),
            sums: sizes.shorts(spec.output.channels * lanes),
            stream: sizes.bits(spec.output.channels * positions / 64),
            blocks,
        }
    }

    /// Makes the planes of a block for the tile that starts at position `at`.
    fn make_planes(
        &self,
        cx: &Cx<'_>,
        block: &Block,
        at: usize,
        spread: &mut [u8],
        out: &mut [u8],
    ) {
        let (bits, plane) = (&cx.s.bits[self.from], self.plane);
        let mut end = 0;
        for &(first, b) in &block.groups {
            let spread = &mut spread[..b * plane];
            for (j, spread) in spread.chunks_exact_mut(plane).enumerate() {
                let words = &bits[(first + j) * self.words..][at / 64..self.words];
                // Beyond the channel's last word there are positions alone that no output has.
                let (there, beyond) = spread.split_at_mut(plane.min(64 * words.len()));
                cx.kernels.unpack(words, there);
                beyond.fill(255);
            }
            let len = plane << (b - 1);
            cx.kernels.planes(spread, b, &mut out[end..][..len]);
            end += len;
        }
    }

    /// Writes the sums of a tile where they are integers.
    fn store(&self, tile: usize, sums: &[i16], out: &mut [i32]) {
        let outputs = self.output.channels;
        for p in 0..self.output.pixels() {
            let (y, x) = (p / self.output.width, p % self.output.width);
            let at = (y * self.step + x) * self.stride;
            let Some(at) = at.checked_sub(tile).filter(|&at| at < self.lanes) else {
                continue;
            };
            let out = &mut out[p * outputs..][..outputs];
            for (o, out) in out.iter_mut().enumerate() {
                *out = i32::from(sums[o * self.lanes + at]) - self.negative[o];
            }
        }
    }
}

/// Distributes the channels evenly to groups, and the groups to blocks. The terms of the blocks are
/// still empty.
fn blocks(channels: usize, cut: Cut) -> Vec<Block> {
    let count = channels.div_ceil(cut.group);
    let mut groups = Vec::new();
    let mut first = 0;
    for g in 0..count {
        let b = (channels - first).div_ceil(count - g);
        groups.push((first, b));
        first += b;
    }
    let block = |groups: &[(usize, usize)]| Block {
        groups: groups.to_vec(),
        terms: BlockTerms::default(),
    };
    groups.chunks(cut.block).map(block).collect()
}

impl Block {
    /// Adds the terms of output `o`.
    fn add(&mut self, spec: &ConvSpec<'_>, plane: usize, o: usize, negate: bool) {
        let (row, taps) = (spec.input.width + spec.padding, spec.kernel * spec.kernel);
        let (mut adds, mut subs, mut init) = (Vec::new(), Vec::new(), 0);
        let mut base = 0;
        for &(first, b) in &self.groups {
            for tap in 0..taps {
                let offset = base + tap / spec.kernel * row + tap % spec.kernel;
                let positive = |c: usize| (spec.positive)(o, c * taps + tap) != negate;
                let w: usize = (0..b).map(|j| usize::from(positive(first + j)) << j).sum();
                if w >> (b - 1) == 0 {
                    adds.push((offset + w * plane) as u16);
                } else {
                    // The plane of the complementary pattern: matches + mismatches = b.
                    init += b as u8;
                    subs.push((offset + (w ^ ((1 << b) - 1)) * plane) as u16);
                }
            }
            base += plane << (b - 1);
        }
        self.terms.output(init, &adds, &subs);
    }

    fn bytes(&self, plane: usize) -> usize {
        self.groups.iter().map(|&(_, b)| plane << (b - 1)).sum()
    }
}

impl Op for TiledConv {
    fn name(&self) -> &'static str {
        "tiled binary conv"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut spread = core::mem::take(&mut cx.s.bytes[self.spread]);
        let mut planes = core::mem::take(&mut cx.s.bytes[self.planes]);
        let mut sums = core::mem::take(&mut cx.s.shorts[self.sums]);
        let mut stream = core::mem::take(&mut cx.s.bits[self.stream]);
        let (kernels, outputs) = (cx.kernels, self.output.channels);
        let words = stream.len() / outputs;
        for &tile in &self.tiles {
            if let Some(extra) = &self.extra {
                for (o, sums) in sums.chunks_exact_mut(self.lanes).enumerate() {
                    extra.spread(o, tile, sums);
                }
            }
            for (number, block) in self.blocks.iter().enumerate() {
                self.make_planes(cx, block, tile, &mut spread, &mut planes);
                let first = number == 0 && self.extra.is_none();
                kernels.add_sums(&planes, &block.terms, first, &mut sums);
            }
            match &self.layout {
                OutputLayout::Ints(to) => self.store(tile, &sums, &mut cx.s.ints[*to]),
                OutputLayout::Bits(channels, ..) => {
                    for (o, sums) in sums.chunks_exact(self.lanes).enumerate() {
                        // A sum is 0 at least, and below `i16::MAX`.
                        let least = channels[o].threshold + self.negative[o];
                        let below = (least - 1).clamp(-1, i32::from(i16::MAX)) as i16;
                        let bits = &mut stream[o * words + tile / 64..][..self.lanes / 64];
                        kernels.cut16(sums, below, bits);
                    }
                }
            }
        }
        if let OutputLayout::Bits(channels, epilogue, to) = &self.layout {
            let out = &mut cx.s.bits[*to];
            out.fill(0);
            for (o, stream) in stream.chunks_exact(words).enumerate() {
                epilogue.channel(kernels, stream, o, channels[o].invert, out);
            }
        }
        cx.s.bytes[self.spread] = spread;
        cx.s.bytes[self.planes] = planes;
        cx.s.shorts[self.sums] = sums;
        cx.s.bits[self.stream] = stream;
    }
}
