//! A layer of binary weights over bits, for 64 images.

use alloc::vec;
use alloc::vec::Vec;

use super::cost::{GROUP, group_size};
use super::{Buffers, MOST_TAPS, SLICE};
use crate::kernels::Inference;
use crate::kernels::packed::Terms;
use crate::packed::counts::Counts;
use crate::packed::flow::Flow;
use crate::packed::geometry::{bits_of_sums, conv, window};
use crate::packed::layer::{Product, Stage, Weights};
use crate::packed::layout::get;
use crate::packed::window_spec::WindowSpec;
use crate::tensor::Shape;

/// Size in bytes of the planes that are used together, so that they fit the L1 cache beside the
/// sums.
const CACHE: usize = 20 << 10;

/// The largest sum of a byte.
const BYTE: usize = 255;

/// The counts of matching bits of all outputs at each position.
pub(super) struct WindowSums {
    /// The word of each input of each position, of shape (position, group of channels, input).
    taps: Vec<u32>,
    depth: usize,
    outputs: usize,
    /// The blocks of each group of channels, which makes as many outputs as any other.
    channel_groups: Vec<Vec<Block>>,
    sections: usize,
    /// Number of weights -1 of each output.
    negative: Vec<i32>,
}

/// Groups of inputs whose planes are used together.
#[derive(Clone)]
struct Block {
    /// First input and number of inputs of each group.
    groups: Vec<(usize, usize)>,
    /// The terms of each output, and its count where all bits are 0.
    terms: Vec<Terms>,
    blank: Vec<Terms>,
    /// The section that they are added to, and whether there is something in it.
    section: usize,
    more: bool,
}

/// Distributes inputs to groups of at most `size`, and as many groups to a block as fit the cache and
/// the section.
fn blocks(depth: usize, size: usize) -> (Vec<Block>, usize) {
    let count = depth.div_ceil(size);
    let mut blocks: Vec<Block> = Vec::new();
    let (mut first, mut planes, mut section, mut counted) = (0, usize::MAX, 0, 0);
    for g in 0..count {
        let b = (depth - first).div_ceil(count - g);
        let bytes = SLICE << (b - 1);
        let full = counted + b > BYTE;
        if full || planes.saturating_add(bytes) > CACHE {
            if full {
                (section, counted) = (section + 1, 0);
            }
            planes = 0;
            blocks.push(Block {
                groups: Vec::new(),
                terms: Vec::new(),
                blank: Vec::new(),
                section,
                more: counted > 0,
            });
        }
        (planes, counted) = (planes + bytes, counted + b);
        if let Some(block) = blocks.last_mut() {
            block.groups.push((first, b));
        }
        first += b;
    }
    (blocks, section + 1)
}

/// Returns the terms of an output over a block's groups.
fn terms(groups: &[(usize, usize)], positive: impl Fn(usize) -> bool) -> Terms {
    let (mut adds, mut subs, mut init, mut base) = (Vec::new(), Vec::new(), 0, 0);
    for &(first, b) in groups {
        let bits = (0..b).map(|j| usize::from(positive(first + j)) << j);
        let w: usize = bits.sum();
        let top = 1 << (b - 1);
        if w & top == 0 {
            adds.push((base + w * SLICE) as u32);
        } else {
            // The plane of the complementary pattern is subtracted from b: matches + mismatches = b.
            init += b as i16;
            subs.push((base + (w ^ (2 * top - 1)) * SLICE) as u32);
        }
        base += SLICE << (b - 1);
    }
    Terms::new(init, &adds, &subs)
}

/// Returns the order in which the inputs of an output are counted, as places in the order (channel, row,
/// column). A dense layer counts from the middle of the image outwards, where there is less to see: what
/// is far out is often 0 in all images.
fn order(stage: &Stage, spec: &WindowSpec) -> Vec<usize> {
    let mut order: Vec<usize> = (0..spec.depth()).collect();
    if let Product::Linear { .. } = stage.product {
        let (height, width) = spec.kernel;
        // Twice the distance from the middle.
        let from_middle = |at: usize, side: usize| (2 * at + 1).abs_diff(side);
        order.sort_by_key(|i| {
            let (y, x) = (i / width % height, i % width);
            from_middle(y, height).max(from_middle(x, width))
        });
    }
    order
}

/// Returns the word of each input of each position, in the given order in each of the groups; those of
/// the border are the word behind the last one.
fn taps(spec: &WindowSpec, order: &[usize]) -> Vec<u32> {
    let (input, (height, width)) = (spec.input, spec.kernel);
    let inputs = spec.groups * spec.depth();
    let mut taps = Vec::with_capacity(spec.output.pixels() * inputs);
    for p in 0..spec.output.pixels() {
        let corner = |at: usize| (at * spec.stride).wrapping_sub(spec.padding);
        let (top, left) = (corner(p / spec.output.width), corner(p % spec.output.width));
        for i in (0..inputs).map(|i| i / spec.depth() * spec.depth() + order[i % spec.depth()]) {
            let (c, tap) = (i / (height * width), i % (height * width));
            let y = top.wrapping_add(tap / width);
            let x = left.wrapping_add(tap % width);
            taps.push(match y < input.height && x < input.width {
                true => ((y * input.width + x) * input.channels + c) as u32,
                false => input.len() as u32,
            });
        }
    }
    taps
}

impl WindowSums {
    /// Makes the sums of a stage; `None` if it has other weights or inputs, or is too large.
    fn new(stage: &Stage, flow: &Flow) -> Option<Self> {
        let Weights::Binary { words } = &stage.weights else {
            return None;
        };
        let spec = window(stage, flow);
        let (depth, outputs) = (spec.depth(), spec.output.channels);
        let all = (spec.output.pixels()).checked_mul(depth.checked_mul(spec.groups)?)?;
        if !flow.input().1.is_bits() || all > MOST_TAPS {
            return None;
        }
        let row = depth.div_ceil(64);
        let order = order(stage, &spec);
        let positive = |o: usize, i: usize| get(&words[o * row..], order[i]);
        let made = outputs / spec.groups;
        let (blocks, sections) = blocks(depth, group_size(depth, made));
        if sections > 128 {
            return None;
        }
        let mut channel_groups = vec![blocks; spec.groups];
        for (g, blocks) in channel_groups.iter_mut().enumerate() {
            for block in blocks {
                let each =
                    (g * made..(g + 1) * made).map(|o| terms(&block.groups, |i| positive(o, i)));
                block.terms = each.collect();
                let inputs = || block.groups.iter().flat_map(|&(first, b)| first..first + b);
                let zeros = |o: usize| inputs().filter(|&i| !positive(o, i)).count();
                let each =
                    (g * made..(g + 1) * made).map(|o| Terms::new(zeros(o) as i16, &[], &[]));
                block.blank = each.collect();
            }
        }
        let negative = |o: usize| (0..depth).filter(|&i| !positive(o, i)).count() as i32;
        Some(Self {
            taps: taps(&spec, &order),
            depth,
            outputs,
            channel_groups,
            sections,
            negative: (0..outputs).map(negative).collect(),
        })
    }

    /// Returns the number of bytes of the largest block of planes.
    pub fn planes(&self) -> usize {
        let bytes = |block: &Block| block.groups.iter().map(|&(_, b)| SLICE << (b - 1)).sum();
        self.channel_groups[0].iter().map(bytes).max().unwrap_or(0)
    }

    /// Returns the number of bytes of the sums.
    pub fn bytes(&self) -> usize {
        self.sections * self.outputs * SLICE
    }

    /// Computes the counts of position `p` into the sections of `b.sums`.
    fn run(&self, kernels: &Inference, p: usize, from: &[u64], b: &mut Buffers) {
        let groups = self.channel_groups.len();
        let taps = &self.taps[p * groups * self.depth..][..groups * self.depth];
        let (section, part) = (self.outputs * SLICE, self.outputs / groups * SLICE);
        for (g, (blocks, taps)) in (self.channel_groups.iter())
            .zip(taps.chunks_exact(self.depth))
            .enumerate()
        {
            for block in blocks {
                let zeros = block.is_blank(taps, from);
                let (terms, at) = match zeros {
                    true => (&block.blank, SLICE),
                    false => (&block.terms, block.planes(kernels, taps, from, b)),
                };
                let sums = &mut b.sums[block.section * section + g * part..][..part];
                kernels.sum_slices(&b.planes[..at], terms, block.more, sums);
            }
        }
    }
}

impl Block {
    /// Returns whether all bits of all images are 0.
    fn is_blank(&self, taps: &[u32], from: &[u64]) -> bool {
        let mut groups = self.groups.iter();
        groups.all(|&(first, size)| {
            let mut taps = taps[first..first + size].iter();
            taps.all(|&tap| from[tap as usize] == 0)
        })
    }

    /// Computes the planes of all groups, and returns their number of bytes.
    fn planes(&self, kernels: &Inference, taps: &[u32], from: &[u64], b: &mut Buffers) -> usize {
        let mut at = 0;
        for &(first, size) in &self.groups {
            let mut words = [0; GROUP];
            for (word, &tap) in words.iter_mut().zip(&taps[first..first + size]) {
                *word = from[tap as usize];
            }
            let spread = &mut b.spread[..size * SLICE];
            kernels.unpack(&words[..size], spread);
            let len = SLICE << (size - 1);
            kernels.planes(spread, size, &mut b.planes[at..][..len]);
            at += len;
        }
        at
    }
}

/// A layer that makes bits.
pub(super) struct Layer {
    sums: WindowSums,
    /// The smallest count whose bit is 1, of each output, at all positions or at each.
    thresholds: Vec<i32>,
    /// All bits of an output that is inverted.
    inversion: Vec<u64>,
    /// The shape of the bits before pooling.
    shape: Shape,
    pool: Option<Pool>,
}

/// A max-pool of bits.
struct Pool {
    kernel: usize,
    stride: usize,
    shape: Shape,
    /// All bits of a channel whose windows take the smallest bit.
    and: Vec<u64>,
}

fn all_if(yes: bool) -> u64 {
    if yes { u64::MAX } else { 0 }
}

impl Layer {
    /// Makes the layer of a stage; `None` if it is another kind of stage.
    pub fn new(stage: &Stage, flow: &Flow) -> Option<Self> {
        let made = bits_of_sums(stage)?;
        let sums = WindowSums::new(stage, flow)?;
        let shape = flow.values[0].0;
        let (thresholds, counts) = (made.thresholds(), counts(stage, flow));
        let positions = match counts {
            Some(_) if stage.product.varies(flow.input().1) => shape.pixels(),
            _ => 1,
        };
        let stride = window(stage, flow).stride;
        let count = |p: usize, o: usize| {
            let at = (p / shape.width * stride, p % shape.width * stride);
            let own = thresholds.threshold[o];
            let own = counts.as_ref().map_or(own, |c| c.threshold(o, own, at));
            own + sums.negative[o]
        };
        let outputs = sums.outputs;
        let counted = (0..positions).flat_map(|p| (0..outputs).map(move |o| (p, o)));
        Some(Self {
            thresholds: counted.map(|(p, o)| count(p, o)).collect(),
            inversion: thresholds.inverted.iter().map(|&i| all_if(i)).collect(),
            pool: made.pool.map(|(kernel, stride)| Pool {
                kernel,
                stride,
                shape: flow.output().0,
                and: (0..outputs).map(|o| all_if(made.and(o))).collect(),
            }),
            shape,
            sums,
        })
    }

    pub fn window_sums(&self) -> &WindowSums {
        &self.sums
    }

    /// Returns the number of words of the result, and of a zero word behind them.
    pub fn words(&self) -> usize {
        self.pool
            .as_ref()
            .map_or(self.shape, |pool| pool.shape)
            .len()
            + 1
    }

    /// Returns the number of words before pooling.
    pub fn dense(&self) -> usize {
        self.pool.as_ref().map_or(0, |_| self.shape.len())
    }

    /// Computes the words of the result.
    pub fn run(&self, kernels: &Inference, from: &[u64], to: &mut [u64], b: &mut Buffers) {
        let mut dense = core::mem::take(&mut b.dense);
        let len = self.shape.len();
        let bits = match &self.pool {
            Some(_) => &mut dense[..len],
            None => &mut to[..len],
        };
        let (outputs, bytes) = (self.sums.outputs, self.sums.bytes());
        for (p, bits) in bits.chunks_exact_mut(outputs).enumerate() {
            self.sums.run(kernels, p, from, b);
            let at = p * outputs % self.thresholds.len();
            let thresholds = &self.thresholds[at..][..outputs];
            kernels.cut_slices(&b.sums[..bytes], self.sums.sections, thresholds, bits);
            for (bit, inversion) in bits.iter_mut().zip(&self.inversion) {
                *bit ^= inversion;
            }
        }
        if let Some(pool) = &self.pool {
            pool.run(self.shape, &dense, to);
        }
        to[self.words() - 1] = 0;
        b.dense = dense;
    }
}

impl Pool {
    fn run(&self, shape: Shape, bits: &[u64], to: &mut [u64]) {
        let channels = shape.channels;
        for (p, to) in to[..self.shape.len()]
            .chunks_exact_mut(channels)
            .enumerate()
        {
            let corner = |at: usize| at * self.stride;
            let (top, left) = (corner(p / self.shape.width), corner(p % self.shape.width));
            to.fill(0);
            // The smallest bit is the inverted largest of the inverted bits.
            for (y, x) in (0..self.kernel).flat_map(|y| (0..self.kernel).map(move |x| (y, x))) {
                let at = ((top + y) * shape.width + left + x) * channels;
                for ((to, bit), and) in to.iter_mut().zip(&bits[at..]).zip(&self.and) {
                    *to |= bit ^ and;
                }
            }
            for (to, and) in to.iter_mut().zip(&self.and) {
                *to ^= and;
            }
        }
    }
}

/// Returns the map from the counts over bits to the sums of the network, if they differ.
fn counts(stage: &Stage, flow: &Flow) -> Option<Counts> {
    let Weights::Binary { words } = &stage.weights else {
        return None;
    };
    let row = stage.product.depth(flow.input().0).div_ceil(64);
    let positive = |o: usize, i: usize| get(&words[o * row..], i);
    let spec = conv(stage, flow, &positive);
    Counts::new(stage.product, flow.input().1, (&spec, &window(stage, flow)))
}

/// The layer that makes the logits.
pub(super) struct Logits {
    sums: WindowSums,
    /// The sum of the network is `factor · count + offset`, and the logit `scale · sum + shift`.
    factor: i32,
    offset: Vec<i32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Logits {
    /// Makes the layer of a stage with the given map; `None` if it is another kind of stage.
    pub fn new(stage: &Stage, flow: &Flow, (scale, shift): (&[f32], &[f32])) -> Option<Self> {
        let sums = WindowSums::new(stage, flow)?;
        if flow.values[0].0.pixels() != 1 || matches!(stage.product, Product::Input) {
            return None;
        }
        let counts = counts(stage, flow);
        let (factor, offsets) = match &counts {
            Some(counts) => (counts.scale(), counts.offsets().at(0, 0).to_vec()),
            None => (1, vec![0.0; sums.outputs]),
        };
        let offset = |(o, offset): (usize, f64)| offset as i32 - factor * sums.negative[o];
        Some(Self {
            offset: offsets.into_iter().enumerate().map(offset).collect(),
            sums,
            factor,
            scale: scale.to_vec(),
            shift: shift.to_vec(),
        })
    }

    pub fn sums(&self) -> &WindowSums {
        &self.sums
    }

    /// Writes the logits of as many images as `out` has rows.
    pub fn run(&self, kernels: &Inference, from: &[u64], out: &mut [f32], b: &mut Buffers) {
        self.sums.run(kernels, 0, from, b);
        let classes = self.sums.outputs;
        for (q, out) in out.chunks_exact_mut(classes).enumerate() {
            for (o, out) in out.iter_mut().enumerate() {
                let section = |s: usize| i32::from(b.sums[(s * classes + o) * SLICE + q]);
                let count: i32 = (0..self.sums.sections).map(section).sum();
                let sum = self.factor * count + self.offset[o];
                *out = sum as f32 * self.scale[o] + self.shift[o];
            }
        }
    }
}
