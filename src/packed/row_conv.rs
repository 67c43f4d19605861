//! Convolution with binary weights over bits, row by row, for images at most 16 columns wide;
//! [`crate::kernels::packed::rows`] describes the algorithm.

use alloc::vec;
use alloc::vec::Vec;

use super::bit_conv::ConvSpec;
use super::epilogue::{Channel, Epilogue};
use super::layout::Rows;
use super::op::{Cx, Op};
use super::scratch::Sizes;
use crate::kernels::packed::BitRows;
use crate::kernels::packed::LANES;
use crate::kernels::packed::rows::{COLUMNS, Limit, ROW, RowOrder, RowTerms};

/// The largest size in bytes of all planes, so that they fit the L1 cache beside the other buffers.
const CACHE: usize = 34 << 10;

/// The largest number of bits in a sum, which follows from the kernel's 8-bit counters.
const DEPTH: usize = 509;

/// The largest number of channels in a group.
const GROUP: usize = 8;

/// The operation of a convolution with binary weights over bits in narrow images.
pub(super) struct RowConv {
    from: usize,
    to: usize,
    /// Number of words of a channel's rows.
    words: usize,
    /// The row of the input in each slot of a plane's vectors, and the slot of each row of the
    /// output.
    order: RowOrder,
    places: RowOrder,
    /// First channel and number of channels of each group; size of a plane in bytes.
    groups: Vec<(usize, usize)>,
    plane: usize,
    /// Number of output rows, rounded up to whole vectors.
    rows: usize,
    outputs: Vec<Output>,
    epilogue: Epilogue,
    lane_bits: usize,
    spread: usize,
    planes: usize,
    cut: usize,
    stream: usize,
}

/// The rule of an output channel.
struct Output {
    rule: Rule,
    invert: bool,
}

enum Rule {
    Always(bool),
    Cut(RowTerms, Limit),
}

/// The arrangement of rows in vectors: rows per vector, vectors of the output, vectors of a plane.
#[derive(Clone, Copy)]
struct Vectors {
    lanes: usize,
    output: usize,
    plane: usize,
}

impl Vectors {
    fn new(spec: &ConvSpec<'_>, lanes: usize) -> Self {
        let output = spec.dense().0.div_ceil(lanes);
        Self {
            lanes,
            output,
            plane: output + spec.kernel - 1,
        }
    }

    fn bytes(self) -> usize {
        (self.plane * self.lanes * ROW).next_multiple_of(LANES)
    }

    /// Returns the row in each slot of that many vectors.
    fn rows(self, vectors: usize) -> impl Iterator<Item = usize> {
        (0..vectors).flat_map(move |i| (0..self.lanes).map(move |l| i + self.output * l))
    }
}

impl RowConv {
    /// Returns whether the layer is narrow and shallow enough, for vectors of `lanes` rows.
    pub fn fits(spec: &ConvSpec<'_>, lanes: usize) -> bool {
        let channels = spec.input.channels;
        spec.stride == 1
            && spec.input.width + spec.padding <= ROW
            && spec.dense().1 <= ROW
            && spec.kernel <= COLUMNS
            && spec.kernel * spec.kernel * channels <= DEPTH
            && spec.kernel * channels <= 255
            && Self::group_count(spec, lanes).is_some()
    }

    /// Returns the layout of the input's bits, and their size in words.
    pub fn input(spec: &ConvSpec<'_>) -> (Rows, usize) {
        // One additional empty row serves slots without a row.
        let words = (spec.input.height + 2 * spec.padding) / 4 + 1;
        let rows = Rows {
            origin: spec.padding * ROW + spec.padding,
            channel: words * 64,
            row: ROW,
        };
        (rows, words * spec.input.channels)
    }

    /// Returns the number of groups that costs the fewest additions, among those for which all
    /// planes fit the cache.
    fn group_count(spec: &ConvSpec<'_>, lanes: usize) -> Option<usize> {
        let vectors = Vectors::new(spec, lanes);
        let (channels, plane) = (spec.input.channels, vectors.bytes());
        let taps = spec.kernel * spec.kernel;
        let planes = |g: usize| -> usize { groups(channels, g).map(|(_, b)| 1 << (b - 1)).sum() };
        let cost = |g: &usize| {
            let sums = g * taps * spec.output.channels * vectors.output * lanes * ROW;
            sums + 2 * planes(*g) * plane
        };
        let fits = |g: &usize| channels.div_ceil(*g) <= GROUP && planes(*g) * plane <= CACHE;
        (1..=channels).filter(fits).min_by_key(cost)
    }

    pub fn new(
        spec: &ConvSpec<'_>,
        lanes: usize,
        from: usize,
        (channels, epilogue, to): (Vec<Channel>, Epilogue, usize),
        sizes: &mut Sizes,
    ) -> Self {
        let vectors = Vectors::new(spec, lanes);
        let count = Self::group_count(spec, lanes).unwrap_or(spec.input.channels);
        let groups: Vec<_> = groups(spec.input.channels, count).collect();
        let plane = vectors.bytes();
        let height = spec.input.height + 2 * spec.padding;
        let order = vectors
            .rows(vectors.plane)
            .map(|row| row.min(height) as u16);
        let mut order: Vec<u16> = order.collect();
        order.resize(4 * plane.div_ceil(64), height as u16);
        let out_rows = spec.dense().0;
        let mut places = vec![0; out_rows.next_multiple_of(4)];
        for (slot, row) in vectors.rows(vectors.output).enumerate() {
            if row < out_rows {
                places[row] = slot as u16;
            }
        }
        let output = |(o, channel): (usize, &Channel)| Output {
            rule: rule(spec, &groups, plane, lanes, o, channel),
            invert: channel.invert,
        };
        let rows = vectors.output * lanes;
        let planes = groups.iter().map(|&(_, b)| plane << (b - 1)).sum();
        let most = groups.iter().map(|g| g.1).max().unwrap_or(0);
        Self {
            from,
            to,
            words: Self::input(spec).1 / spec.input.channels,
            order: RowOrder::new(order),
            places: RowOrder::new(places),
            outputs: channels.iter().enumerate().map(output).collect(),
            groups,
            plane,
            rows,
            epilogue,
            lane_bits: sizes.bits(plane.div_ceil(64)),
            spread: sizes.bytes(most * plane),
            planes: sizes.bytes(planes),
            cut: sizes.bits(rows.div_ceil(4)),
            stream: sizes.bits(out_rows.div_ceil(4)),
        }
    }
}

/// Distributes the channels evenly to groups.
fn groups(channels: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    (0..count).map(move |g| {
        let b = (channels - first).div_ceil(count - g);
        first += b;
        (first - b, b)
    })
}

/// Returns the rule of output `o`.
fn rule(
    spec: &ConvSpec<'_>,
    groups: &[(usize, usize)],
    plane: usize,
    lanes: usize,
    o: usize,
    channel: &Channel,
) -> Rule {
    let (k, depth) = (spec.kernel, spec.kernel * spec.kernel * spec.input.channels);
    let positive = |c: usize, tap: usize| (spec.positive)(o, c * k * k + tap) != channel.negate;
    // A sum is the number of matching bits minus the number of weights -1.
    let taps = (0..spec.input.channels).flat_map(|c| (0..k * k).map(move |tap| (c, tap)));
    let negative = taps.filter(|&(c, tap)| !positive(c, tap)).count();
    let threshold = channel.threshold + negative as i32;
    if threshold <= 0 || threshold > depth as i32 {
        return Rule::Always(threshold <= 0);
    }
    let opposite = threshold > 255;
    let limit = match opposite {
        true => Limit::AtMost((depth as i32 - threshold) as u8),
        false => Limit::AtLeast(threshold as u8),
    };
    let positive = |c: usize, tap: usize| positive(c, tap) != opposite;
    let mut edge = [0u8; ROW];
    for dx in 0..k {
        // Columns beyond the last one are padding: their bits are 0, which match weights -1.
        let column = (0..k * spec.input.channels)
            .filter(|i| !positive(i / k, i % k * k + dx))
            .count();
        for edge in &mut edge[ROW - dx..] {
            *edge = edge.saturating_add(column as u8);
        }
    }
    let mut terms = RowTerms::new(edge);
    for dx in 0..k {
        let (mut adds, mut subs, mut init) = (Vec::new(), Vec::new(), 0);
        for dy in 0..k {
            let mut base = dy * lanes * ROW;
            for &(first, b) in groups {
                let bits = (0..b).map(|j| usize::from(positive(first + j, dy * k + dx)) << j);
                let w: usize = bits.sum();
                let top = 1 << (b - 1);
                if w & top == 0 {
                    adds.push((base + w * plane) as u32);
                } else {
                    // The plane of the complementary pattern is subtracted from b: matches +
                    // mismatches = b.
                    init += b;
                    subs.push((base + (w ^ (2 * top - 1)) * plane) as u32);
                }
                base += plane << (b - 1);
            }
        }
        terms.column(init as u8, &adds, &subs);
    }
    Rule::Cut(terms, limit)
}

impl Op for RowConv {
    fn name(&self) -> &'static str {
        "binary conv"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut lane_bits = core::mem::take(&mut cx.s.bits[self.lane_bits]);
        let mut spread = core::mem::take(&mut cx.s.bytes[self.spread]);
        let mut planes = core::mem::take(&mut cx.s.bytes[self.planes]);
        let mut cut = core::mem::take(&mut cx.s.bits[self.cut]);
        let mut stream = core::mem::take(&mut cx.s.bits[self.stream]);
        let (kernels, plane) = (cx.kernels, self.plane);
        let mut at = 0;
        for &(first, b) in &self.groups {
            for j in 0..b {
                let words = &cx.s.bits[self.from][(first + j) * self.words..][..self.words];
                kernels.gather_rows(words, &self.order, &mut lane_bits);
                kernels.unpack(&lane_bits, &mut spread[j * plane..][..plane]);
            }
            let len = plane << (b - 1);
            kernels.planes(&spread[..b * plane], b, &mut planes[at..][..len]);
            at += len;
        }
        cx.s.bits[self.to].fill(0);
        let pooled = self.epilogue.pool == Some((2, 2));
        for (o, output) in self.outputs.iter().enumerate() {
            match &output.rule {
                // The rows are pooled where they are.
                Rule::Cut(terms, limit) if pooled => {
                    kernels.cut_rows(&planes[..at], terms, *limit, self.rows, &mut cut);
                    let to = BitRows {
                        origin: self.epilogue.to.place(o, 0, 0),
                        step: self.epilogue.to.row,
                    };
                    let (size, out) = (self.epilogue.size, &mut cx.s.bits[self.to]);
                    kernels.pool_rows(&cut, &self.places, size, output.invert, out, to);
                    continue;
                }
                Rule::Always(bit) => stream.fill(if *bit { u64::MAX } else { 0 }),
                Rule::Cut(terms, limit) => {
                    kernels.cut_rows(&planes[..at], terms, *limit, self.rows, &mut cut);
                    kernels.gather_rows(&cut, &self.places, &mut stream);
                }
            }
            let out = &mut cx.s.bits[self.to];
            self.epilogue
                .channel(kernels, &stream, o, output.invert, out);
        }
        cx.s.bits[self.lane_bits] = lane_bits;
        cx.s.bytes[self.spread] = spread;
        cx.s.bytes[self.planes] = planes;
        cx.s.bits[self.cut] = cut;
        cx.s.bits[self.stream] = stream;
    }
}
