//! A layer of binary weights over bits, for 64 images.

use alloc::vec;
use alloc::vec::Vec;

use super::cost::group_size;
use super::{Buffers, MOST_TAPS, SLICE};
use crate::kernels::Inference;
use crate::kernels::packed::slices::SliceTerms;
use crate::packed::counts::Counts;
use crate::packed::flow::Flow;
use crate::packed::geometry::{bits_of_sums, conv, window};
use crate::packed::layer::{Product, Stage, Weights};
use crate::packed::layout::get;
use crate::packed::window_spec::WindowSpec;
use crate::tensor::Shape;

/// The largest size in bytes of the planes that are used together, so that they stay in the L1 cache
/// beside the sums.
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
struct Block {
    terms: SliceTerms,
    /// The count of each output where all bits are 0.
    blank: Vec<u8>,
    /// The section that the counts are added to, and whether there is something in it.
    section: usize,
    more: bool,
}

/// The sizes of the groups of inputs of a block, its section, and whether there is something in it.
type Shares = (Vec<usize>, usize, bool);

/// Distributes inputs to groups of at most `size`, and as many groups to a block as fit the cache and
/// the section. Returns the blocks, and the number of sections.
fn shares(depth: usize, size: usize) -> (Vec<Shares>, usize) {
    let count = depth.div_ceil(size);
    let mut blocks: Vec<Shares> = Vec::new();
    let (mut left, mut planes, mut section, mut counted) = (depth, usize::MAX, 0, 0);
    for g in 0..count {
        let b = left.div_ceil(count - g);
        let bytes = SLICE << b;
        let full = counted + b > BYTE;
        if full || planes.saturating_add(bytes) > CACHE {
            if full {
                (section, counted) = (section + 1, 0);
            }
            planes = 0;
            blocks.push((Vec::new(), section, counted > 0));
        }
        (planes, counted) = (planes + bytes, counted + b);
        if let Some((sizes, ..)) = blocks.last_mut() {
            sizes.push(b);
        }
        left -= b;
    }
    (blocks, section + 1)
}

impl Block {
    /// Makes the block of the inputs from `first` on for that many outputs.
    fn new(
        (sizes, section, more): &Shares,
        first: usize,
        outputs: usize,
        positive: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let terms = SliceTerms::new(sizes, outputs, |o, i| positive(o, first + i));
        let inputs = first..first + terms.inputs();
        let zeros = |o: usize| inputs.clone().filter(|&i| !positive(o, i)).count() as u8;
        Self {
            blank: (0..outputs).map(zeros).collect(),
            terms,
            section: *section,
            more: *more,
        }
    }
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
        let (shares, sections) = shares(depth, group_size(depth, made));
        if sections > 128 {
            return None;
        }
        let group = |g: usize| {
            let mut first = 0;
            let block = |share: &Shares| {
                let block = Block::new(share, first, made, |o, i| positive(g * made + o, i));
                first += block.terms.inputs();
                block
            };
            shares.iter().map(block).collect()
        };
        let negative = |o: usize| (0..depth).filter(|&i| !positive(o, i)).count() as i32;
        Some(Self {
            taps: taps(&spec, &order),
            depth,
            outputs,
            channel_groups: (0..spec.groups).map(group).collect(),
            sections,
            negative: (0..outputs).map(negative).collect(),
        })
    }

    /// Returns the number of bytes of the largest block of planes.
    pub fn planes(&self) -> usize {
        let blocks = self.channel_groups[0].iter();
        blocks.map(|block| block.terms.planes()).max().unwrap_or(0)
    }

    /// Returns the number of bytes of the sums.
    pub fn bytes(&self) -> usize {
        self.sections * self.outputs * SLICE
    }

    /// Returns the number of words of a position.
    pub fn words(&self) -> usize {
        self.channel_groups.len() * self.depth
    }

    /// Computes the counts of position `p` into the sections of `b.sums`.
    fn run(&self, kernels: &Inference, p: usize, from: &[u64], b: &mut Buffers) {
        let groups = self.channel_groups.len();
        let taps = &self.taps[p * self.words()..][..self.words()];
        for (word, &tap) in b.words.iter_mut().zip(taps) {
            *word = from[tap as usize];
        }
        let (section, part) = (self.outputs * SLICE, self.outputs / groups * SLICE);
        let mut words = &b.words[..taps.len()];
        for (g, blocks) in self.channel_groups.iter().enumerate() {
            for block in blocks {
                let (inputs, rest) = words.split_at(block.terms.inputs());
                let sums = &mut b.sums[block.section * section + g * part..][..part];
                block.run(kernels, inputs, &mut b.planes, sums);
                words = rest;
            }
        }
    }
}

impl Block {
    /// Adds the counts of all outputs to their sums.
    fn run(&self, kernels: &Inference, words: &[u64], planes: &mut [u8], sums: &mut [u8]) {
        if words.iter().any(|&word| word != 0) {
            return kernels.count_slices(words, &self.terms, self.more, planes, sums);
        }
        for (sums, &zeros) in sums.chunks_exact_mut(SLICE).zip(&self.blank) {
            match self.more {
                true => sums
                    .iter_mut()
                    .for_each(|sum| *sum = sum.wrapping_add(zeros)),
                false => sums.fill(zeros),
            }
        }
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
