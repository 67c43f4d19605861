//! Linear layers with binary weights over a vector of bits, by XOR and population count.

use alloc::vec::Vec;

use super::op::{Cx, Op};

/// The operation of a linear layer: `sum = inputs - differing bits - number of weights -1`.
pub(super) struct BitLinear {
    from: usize,
    to: usize,
    words: Vec<u64>,
    base: Vec<i32>,
}

impl BitLinear {
    /// Makes the operation from `words` as in [`super::Weights::Binary`], over `depth` inputs.
    pub fn new(words: &[u64], depth: usize, from: usize, to: usize) -> Self {
        let row = depth.div_ceil(64);
        let positive = |w: &[u64]| w.iter().map(|w| w.count_ones() as i32).sum::<i32>();
        Self {
            from,
            to,
            words: words.to_vec(),
            // A sum is the number of matching bits, depth - differing, minus the number of weights
            // -1.
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
