//! The ranges of integers that each channel of a value can take.

use alloc::vec::Vec;

use alloc::collections::BTreeMap;

use super::PackedNet;
use super::flow::{Flow, sums_of};
use super::layer::{Kind, Product, Source, Stage, Step, Weights};
use crate::tensor::Shape;

/// The smallest and the largest integer of each channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// The range is the same for all channels.
    Same(i32, i32),
    /// The range of each channel.
    Each(Vec<(i32, i32)>),
}

impl Ranges {
    /// Returns the range that follows from the kind of a value alone.
    pub fn of_kind(kind: Kind) -> Self {
        let (low, high) = kind.range();
        Ranges::Same(low, high)
    }

    /// Returns the range of a channel.
    pub fn of(&self, channel: usize) -> (i32, i32) {
        match self {
            Ranges::Same(low, high) => (*low, *high),
            Ranges::Each(all) => all[channel],
        }
    }

    /// Returns the ranges of sums of `times` numbers of each channel.
    pub fn times(&self, times: i32) -> Self {
        let one = |(low, high): (i32, i32)| (low * times, high * times);
        match self {
            Ranges::Same(low, high) => {
                let (low, high) = one((*low, *high));
                Ranges::Same(low, high)
            }
            Ranges::Each(all) => Ranges::Each(all.iter().copied().map(one).collect()),
        }
    }

    /// Returns the ranges of a vector made of channels with `pixels` pixels each.
    pub fn flatten(&self, pixels: usize) -> Self {
        match self {
            Ranges::Same(..) => self.clone(),
            Ranges::Each(all) => {
                let each = all.iter().flat_map(|&r| core::iter::repeat_n(r, pixels));
                Ranges::Each(each.collect())
            }
        }
    }

    /// Returns the ranges of the sum of several values, channel by channel.
    pub fn add(all: &[Ranges], channels: usize) -> Self {
        let sum = |c: usize| {
            let of = |sum: (i32, i32), r: &Ranges| (sum.0 + r.of(c).0, sum.1 + r.of(c).1);
            all.iter().fold((0, 0), of)
        };
        Ranges::Each((0..channels).map(sum).collect())
    }

    /// Returns the ranges of the concatenation of several values.
    pub fn concat<'a>(all: impl IntoIterator<Item = (&'a Ranges, usize)>) -> Self {
        let each = all.into_iter();
        Ranges::Each(each.flat_map(|(r, n)| (0..n).map(|c| r.of(c))).collect())
    }

    /// Returns the ranges of sums over binary weights, one row of `words` per channel, with inputs
    /// in the range `limits`.
    pub fn of_sums(words: &[u64], depth: usize, limits: (i32, i32)) -> Self {
        let row = depth.div_ceil(64);
        let one = |bits: &[u64]| {
            let positive = bits.iter().map(|w| w.count_ones() as usize).sum();
            sums_of(depth, positive, limits)
        };
        Ranges::Each(words.chunks_exact(row).map(one).collect())
    }
}

impl PackedNet {
    /// Calls `visit(stage, value, ranges)` for the values of every stage, in order; ranges of reals
    /// are meaningless. Only the ranges of stages' results are kept in memory.
    pub(crate) fn each_range(&self, mut visit: impl FnMut(usize, usize, &Ranges)) {
        let mut outputs: Vec<Ranges> = Vec::new();
        for (i, (stage, flow)) in self.stages.iter().zip(&self.flows).enumerate() {
            let input = |(source, &(_, kind)): (&Source, &(_, Kind))| match (source, kind) {
                (Source::Stage(j), Kind::Ints) => outputs[*j].clone(),
                _ => Ranges::of_kind(kind),
            };
            let inputs: Vec<Ranges> = flow.sources.iter().zip(&flow.inputs).map(input).collect();
            let mut at = stage.first_range(flow, &inputs);
            visit(i, 0, &at);
            for (j, (step, around)) in stage.tail.iter().zip(flow.values.windows(2)).enumerate() {
                at = step.range(at, around[0].0, around[1].1);
                visit(i, j + 1, &at);
            }
            outputs.push(at);
        }
    }

    /// Returns the smallest integer of each channel, at which the table of probabilities begins,
    /// for each step that draws random bits; the key is the indices of the stage and of the step.
    pub(crate) fn lows(&self) -> BTreeMap<(usize, usize), Vec<i32>> {
        let mut lows = BTreeMap::new();
        self.each_range(|i, j, ranges| {
            if let Some(Step::Draw { .. }) = self.stages[i].tail.get(j) {
                let channels = 0..self.flows[i].values[j].0.channels;
                lows.insert((i, j), channels.map(|c| ranges.of(c).0).collect());
            }
        });
        lows
    }
}

impl Stage {
    /// Returns the ranges of the product's result.
    fn first_range(&self, flow: &Flow, inputs: &[Ranges]) -> Ranges {
        let (shape, kind) = flow.input();
        match (&self.weights, self.product) {
            _ if flow.values[0].1 != Kind::Ints => Ranges::of_kind(flow.values[0].1),
            (Weights::Binary { words }, product) => {
                Ranges::of_sums(words, product.depth(shape), product.meets(kind))
            }
            (_, Product::Add) => Ranges::add(inputs, shape.channels),
            (_, Product::Concat) => {
                let channels = flow.inputs.iter().map(|(shape, _)| shape.channels);
                Ranges::concat(inputs.iter().zip(channels))
            }
            _ => inputs[0].clone(),
        }
    }
}

impl Step {
    /// Returns the ranges of the step's result for an input of that shape.
    fn range(&self, of: Ranges, shape: Shape, made: Kind) -> Ranges {
        match self {
            _ if made != Kind::Ints => Ranges::of_kind(made),
            Step::SumPool { height, width, .. } => of.times((height * width) as i32),
            Step::Flatten => of.flatten(shape.pixels()),
            _ => of,
        }
    }
}
