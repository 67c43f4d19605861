//! Binary weights over a vector of bits: differing bits are counted.

use super::op::{Cx, Op};

/// The layer: `sum = inputs - differing - (how many weights are -1)`.
pub(super) struct BitLinear {
    from: usize,
    to: usize,
    words: Vec<u64>,
    base: Vec<i32>,
}

impl BitLinear {
    /// `words` as in [`super::Weights::Binary`], over `depth` inputs.
    pub fn new(words: &[u64], depth: usize, from: usize, to: usize) -> Self {
        let row = depth.div_ceil(64);
        let positive = |w: &[u64]| w.iter().map(|w| w.count_ones() as i32).sum::<i32>();
        Self {
            from,
            to,
            words: words.to_vec(),
            // Matches are depth - differing; those of weights -1 count for nothing.
            base: words.chunks_exact(row).map(positive).collect(),
        }
    }
}

impl Op for BitLinear {
    fn name(&self) -> &'static str {
        "binary linear"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let out = &mut cx.s.ints[self.to];
        cx.kernels.differ(&cx.s.bits[self.from], &self.words, out);
        for (out, &base) in out.iter_mut().zip(&self.base) {
            *out = base - *out;
        }
    }
}
