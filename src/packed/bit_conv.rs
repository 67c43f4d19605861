//! Convolution with binary weights over bits, by bit planes; [`crate::kernels::packed`] describes
//! the algorithm.

use alloc::vec;
use alloc::vec::Vec;

use super::epilogue::{Channel, Epilogue};
use super::layout::{Rows, set};
use super::op::{Cx, Op};
use super::scratch::Sizes;
use crate::kernels::Inference;
use crate::kernels::packed::{LANES, Terms};
use crate::tensor::Shape;

/// Size in bytes of the planes that are used together, so that they fit the L1 cache beside the
/// sums.
const CACHE: usize = 20 << 10;

/// The shapes and the weights of a convolution with binary weights.
pub(super) struct ConvSpec<'a> {
    pub input: Shape,
    pub output: Shape,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    /// Returns whether weight `i` of output `o` is +1 (else it is -1).
    pub positive: &'a dyn Fn(usize, usize) -> bool,
}

impl ConvSpec<'_> {
    /// Returns the output (height, width) at stride 1.
    pub fn dense(&self) -> (usize, usize) {
        let side = |n: usize| n + 2 * self.padding + 1 - self.kernel;
        (side(self.input.height), side(self.input.width))
    }

    /// Returns the number of weights -1 of output `o`, of the negated weights with `negate`.
    pub fn negative(&self, o: usize, negate: bool) -> i32 {
        let inputs = 0..self.input.channels * self.kernel * self.kernel;
        let negative = inputs.filter(|&i| (self.positive)(o, i) == negate);
        negative.count() as i32
    }
}

/// The form in which a convolution writes its sums.
pub(super) enum OutputLayout {
    /// Bits: the rule of each channel, the epilogue, and the index of the buffer.
    Bits(Vec<Channel>, Epilogue, usize),
    /// Integers, stored as (height, width, channel), in the buffer of that index.
    Ints(usize),
}

impl OutputLayout {
    /// Returns whether the rule of output `o` is that of the negated weights.
    pub fn negates(&self, o: usize) -> bool {
        match self {
            Self::Bits(channels, ..) => channels[o].negate,
            Self::Ints(_) => false,
        }
    }
}

/// A number for each output and position that is added to the sum, so that one threshold per output
/// applies at all positions.
pub(super) struct Extra {
    bytes: Vec<u8>,
    /// Number of positions of an output.
    positions: usize,
}

impl Extra {
    /// Makes one rule per output from the rules at each position, counted at stride 1: the rule
    /// with the largest threshold, and the differences to it. Returns `None` if a difference does
    /// not fit a byte.
    pub fn new(
        spec: &ConvSpec<'_>,
        channel: impl Fn(usize, (usize, usize)) -> Channel,
    ) -> Option<(Vec<Channel>, Self)> {
        let ((height, width), positions) = (spec.dense(), BitConv::positions(spec));
        let row = spec.input.width + spec.padding;
        let places = || (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let mut extra = vec![0; spec.output.channels * positions];
        let mut channels = Vec::new();
        for (o, extra) in extra.chunks_exact_mut(positions).enumerate() {
            let greatest = places()
                .map(|at| channel(o, at))
                .max_by_key(|c| c.threshold)?;
            for (y, x) in places() {
                let below = greatest.threshold - channel(o, (y, x)).threshold;
                extra[y * row + x] = u8::try_from(below).ok()?;
            }
            channels.push(greatest);
        }
        let bytes = extra;
        Some((channels, Self { bytes, positions }))
    }

    /// Returns the numbers of output `o`.
    fn of(&self, o: usize) -> &[u8] {
        &self.bytes[o * self.positions..][..self.positions]
    }

    /// Writes the numbers of output `o` from position `at` on, and 0 beyond the last position.
    pub fn spread(&self, o: usize, at: usize, out: &mut [i16]) {
        let numbers = self.of(o)[at..].iter().copied().map(i16::from);
        for (out, number) in out.iter_mut().zip(numbers.chain(core::iter::repeat(0))) {
            *out = number;
        }
    }
}

/// The channels that a convolution reads and makes of the values around it: all, or those of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The first channel of the input and of the output.
    pub input: usize,
    pub output: usize,
    /// Number of channels of the whole output.
    pub outputs: usize,
}

impl Part {
    /// Returns all channels.
    pub fn whole(spec: &ConvSpec<'_>) -> Self {
        Self {
            input: 0,
            output: 0,
            outputs: spec.output.channels,
        }
    }
}

/// The operation of a convolution with binary weights over bits.
pub(super) struct BitConv {
    from: usize,
    part: Part,
    channels: usize,
    /// Number of words of a channel's stream, of bytes of a plane, and of positions of the output.
    words: usize,
    plane: usize,
    positions: usize,
    /// Number of positions in a row.
    step: usize,
    output: Shape,
    stride: usize,
    blocks: Vec<Block>,
    sections: usize,
    /// Number of weights -1 of each output, among the weights in use (negated where the rule says
    /// so).
    negative: Vec<i32>,
    layout: OutputLayout,
    extra: Option<Extra>,
    buffers: Buffers,
}

/// The indices of the buffers that an operation needs while it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffers {
    spread: usize,
    planes: usize,
    sums: usize,
    stream: usize,
}

/// Groups of channels whose planes are used together.
struct Block {
    /// First channel and number of channels of each group.
    groups: Vec<(usize, usize)>,
    /// Partial sums of each output, each of which is below 256.
    terms: Vec<Vec<Terms>>,
}

impl BitConv {
    /// Returns the layout of the input's bits, and their size in words.
    pub fn input(spec: &ConvSpec<'_>) -> (Rows, usize) {
        let row = spec.input.width + spec.padding;
        let plane = Self::plane(spec);
        let rows = Rows {
            origin: spec.padding * row + spec.padding,
            channel: plane.next_multiple_of(64),
            row,
        };
        (rows, rows.channel / 64 * spec.input.channels)
    }

    /// Returns the number of output positions, in rows of the input's width and one padding: the
    /// right padding of a row is the left padding of the next.
    pub(super) fn positions(spec: &ConvSpec<'_>) -> usize {
        let row = spec.input.width + spec.padding;
        (spec.dense().0 * row).next_multiple_of(LANES)
    }

    fn plane(spec: &ConvSpec<'_>) -> usize {
        let row = spec.input.width + spec.padding;
        let reach = (spec.kernel - 1) * (row + 1) + Self::positions(spec);
        let image = (spec.input.height + 2 * spec.padding) * row + spec.padding;
        reach.max(image).next_multiple_of(LANES)
    }

    /// Returns the number of channels per group that costs the fewest additions, among those for
    /// which the planes of a group fit the cache.
    fn group_size(spec: &ConvSpec<'_>) -> usize {
        let taps = spec.kernel * spec.kernel;
        let plane = Self::plane(spec);
        let cost = |b: usize| {
            let groups = spec.input.channels.div_ceil(b);
            let sums = groups * taps * spec.output.channels * Self::positions(spec);
            sums + 2 * groups * (plane << (b - 1))
        };
        let fits = |b: &usize| *b == 1 || plane << (b - 1) <= CACHE;
        let sizes = (1..=6usize.min(spec.input.channels)).filter(fits);
        sizes.min_by_key(|&b| cost(b)).unwrap_or(1)
    }

    /// Returns whether the planes of all channels fit the cache.
    pub fn at_once(spec: &ConvSpec<'_>) -> bool {
        Self::blocks(spec).len() == 1
    }

    /// Distributes the channels evenly to groups, and as many groups to a block as fit the cache.
    /// The terms of the blocks are still empty.
    fn blocks(spec: &ConvSpec<'_>) -> Vec<Block> {
        let (channels, plane) = (spec.input.channels, Self::plane(spec));
        let count = channels.div_ceil(Self::group_size(spec));
        let mut blocks: Vec<Block> = Vec::new();
        let (mut first, mut held) = (0, usize::MAX);
        for g in 0..count {
            let b = (channels - first).div_ceil(count - g);
            let bytes = plane << (b - 1);
            if held.saturating_add(bytes) > CACHE {
                held = 0;
                blocks.push(Block {
                    groups: Vec::new(),
                    terms: Vec::new(),
                });
            }
            held += bytes;
            let last = blocks.len() - 1;
            blocks[last].groups.push((first, b));
            first += b;
        }
        blocks
    }

    /// Makes the operation of a part of the channels; `shared` are the buffers of an operation of the
    /// same shapes, which run one after another.
    pub fn new(
        spec: &ConvSpec<'_>,
        (from, part): (usize, Part),
        (layout, extra): (OutputLayout, Option<Extra>),
        (shared, sizes): (Option<Buffers>, &mut Sizes),
    ) -> Self {
        let (channels, plane) = (spec.input.channels, Self::plane(spec));
        let step = spec.input.width + spec.padding;
        let positions = Self::positions(spec);
        let taps = spec.kernel * spec.kernel;
        let positive = |o: usize, c: usize, tap: usize| {
            (spec.positive)(o, c * taps + tap) != layout.negates(o)
        };

        let mut blocks = Self::blocks(spec);
        for block in &mut blocks {
            for o in 0..spec.output.channels {
                let terms = Self::terms(spec, &block.groups, plane, |c, tap| positive(o, c, tap));
                block.terms.push(terms);
            }
        }
        let terms = blocks.iter().map(|b| b.terms[0].len());
        let sections = terms.sum::<usize>() + usize::from(extra.is_some());
        let (one, all) = (blocks.len() == 1, spec.output.channels);
        let outputs = if one { 1 } else { all };
        let planes = blocks.iter().map(|b| b.bytes(plane)).max().unwrap_or(0);
        let groups = blocks.iter().flat_map(|b| &b.groups);
        let most = groups.map(|g| g.1).max().unwrap_or(0).max(6);
        let negative = |o: usize| spec.negative(o, layout.negates(o));
        let negative = (0..spec.output.channels).map(negative).collect();
        Self {
            from,
            part,
            channels,
            words: plane.div_ceil(64),
            plane,
            positions,
            step,
            output: spec.output,
            stride: spec.stride,
            blocks,
            sections,
            negative,
            layout,
            extra,
            buffers: shared.unwrap_or_else(|| Buffers {
                spread: sizes.bytes(most * plane),
                planes: sizes.bytes(planes),
                sums: sizes.bytes(outputs * sections * positions),
                stream: sizes.bits(positions.div_ceil(64)),
            }),
        }
    }

    /// Returns the buffers that the operation needs while it runs.
    pub fn buffers(&self) -> Buffers {
        self.buffers
    }

    /// Returns the terms of one output over a block's groups, in partial sums of at most 255 bits.
    fn terms(
        spec: &ConvSpec<'_>,
        groups: &[(usize, usize)],
        plane: usize,
        positive: impl Fn(usize, usize) -> bool,
    ) -> Vec<Terms> {
        let row = spec.input.width + spec.padding;
        let mut sections = Vec::new();
        let (mut adds, mut subs, mut init, mut total) = (Vec::new(), Vec::new(), 0, 0);
        for tap in 0..spec.kernel * spec.kernel {
            let offset = tap / spec.kernel * row + tap % spec.kernel;
            let mut base = 0;
            for &(first, b) in groups {
                if total + b > 255 {
                    sections.push(Terms::new(init, &adds, &subs));
                    (init, total) = (0, 0);
                    adds.clear();
                    subs.clear();
                }
                total += b;
                let bits = (0..b).map(|j| usize::from(positive(first + j, tap)) << j);
                let w: usize = bits.sum();
                let top = 1 << (b - 1);
                if w & top == 0 {
                    adds.push((base + w * plane + offset) as u32);
                } else {
                    // The plane of the complementary pattern is subtracted from b: matches +
                    // mismatches = b.
                    init += b as i16;
                    subs.push((base + (w ^ (2 * top - 1)) * plane + offset) as u32);
                }
                base += plane << (b - 1);
            }
        }
        sections.push(Terms::new(init, &adds, &subs));
        sections
    }
}

impl Block {
    fn bytes(&self, plane: usize) -> usize {
        self.groups.iter().map(|&(_, b)| plane << (b - 1)).sum()
    }
}

impl BitConv {
    /// Compares sums with a threshold. The kernel adds up at most 128 partial sums; with more of
    /// them the time for the sums is far larger than that for the comparison.
    fn cut(&self, kernels: &Inference, sums: &[u8], threshold: i32, stream: &mut [u64]) {
        if self.sections <= 128 {
            return kernels.cut8(sums, self.sections, threshold, stream);
        }
        stream.fill(0);
        for at in 0..self.positions {
            let each = sums[at..].iter().step_by(self.positions);
            let sum: i32 = each.map(|&s| i32::from(s)).sum();
            set(stream, at, sum >= threshold);
        }
    }

    /// Writes output `o` from its complete sums.
    fn finish(&self, cx: &mut Cx<'_>, o: usize, sums: &[u8], stream: &mut [u64]) {
        match &self.layout {
            OutputLayout::Bits(channels, epilogue, to) => {
                let channel = channels[o];
                let threshold = channel.threshold + self.negative[o];
                self.cut(cx.kernels, sums, threshold, stream);
                let out = &mut cx.s.bits[*to];
                let o = self.part.output + o;
                epilogue.channel(cx.kernels, stream, o, channel.invert, out);
            }
            OutputLayout::Ints(to) => {
                let out = &mut cx.s.ints[*to];
                for p in 0..self.output.pixels() {
                    let (y, x) = (p / self.output.width, p % self.output.width);
                    let at = (y * self.step + x) * self.stride;
                    let each = (0..self.sections).map(|s| i32::from(sums[s * self.positions + at]));
                    out[p * self.part.outputs + self.part.output + o] =
                        each.sum::<i32>() - self.negative[o];
                }
            }
        }
    }
}

impl Op for BitConv {
    fn name(&self) -> &'static str {
        "binary conv"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut spread = core::mem::take(&mut cx.s.bytes[self.buffers.spread]);
        let mut planes = core::mem::take(&mut cx.s.bytes[self.buffers.planes]);
        let mut sums = core::mem::take(&mut cx.s.bytes[self.buffers.sums]);
        let mut stream = core::mem::take(&mut cx.s.bits[self.buffers.stream]);
        if let OutputLayout::Bits(_, _, to) = self.layout
            && self.part.output == 0
        {
            cx.s.bits[to].fill(0);
        }
        let kernels = cx.kernels;
        let mut section = 0;
        for (number, block) in self.blocks.iter().enumerate() {
            let mut at = 0;
            for &(first, b) in &block.groups {
                let bits = &cx.s.bits[self.from];
                for j in 0..b {
                    let channel = self.part.input + first + j;
                    let words = &bits[channel * self.words..][..self.words];
                    kernels.unpack(words, &mut spread[j * self.plane..][..self.plane]);
                }
                let len = self.plane << (b - 1);
                kernels.planes(&spread[..b * self.plane], b, &mut planes[at..][..len]);
                at += len;
            }
            let whole = self.sections * self.positions;
            for (o, terms) in block.terms.iter().enumerate() {
                let slot = if self.blocks.len() == 1 { 0 } else { o };
                let sums = &mut sums[slot * whole..][..whole];
                for (s, terms) in terms.iter().enumerate() {
                    let sum = &mut sums[(section + s) * self.positions..][..self.positions];
                    kernels.sum8(&planes[..at], terms, sum);
                }
                if number + 1 == self.blocks.len() {
                    if let Some(extra) = &self.extra {
                        sums[whole - self.positions..].copy_from_slice(extra.of(o));
                    }
                    self.finish(cx, o, sums, &mut stream);
                }
            }
            section += block.terms[0].len();
        }
        cx.s.bytes[self.buffers.spread] = spread;
        cx.s.bytes[self.buffers.planes] = planes;
        cx.s.bytes[self.buffers.sums] = sums;
        cx.s.bits[self.buffers.stream] = stream;
        debug_assert!(self.channels > 0);
    }
}
