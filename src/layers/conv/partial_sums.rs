//! Partial sums of the gradients of weights and bias.

use std::ops::Range;

use crate::kernels::gemm::Store;
use crate::ranks::{Ranks, Sum};
use crate::tape::{Rows, begin_reduce};
use crate::tensor::Arena;

/// The partial sums of a leaf, or of all leaves of a chunk.
pub(super) struct PartialSums {
    /// Partial sums of `dW`, in panels or in the transformed domain of Winograd's algorithm.
    pub weight_grad: Arena,
    pub bias_grad: Vec<f32>,
    pub unused: Vec<f32>,
}

/// The sums of all ranks' chunks, on their way.
pub(super) struct Travelling {
    pub weight_grad: Option<Sum>,
    pub bias_grad: Option<Sum>,
}

impl PartialSums {
    /// Sends the sums of this rank's chunks of `rows` to the others: of the weights, and of the
    /// bias, where they are wanted.
    pub fn send(
        to: (Rows, &Ranks),
        partials: &mut [Self],
        (weights, bias): (bool, bool),
    ) -> Travelling {
        let mut panels = || begin_reduce(to, partials, |s| &s.weight_grad, |s| &mut s.weight_grad);
        let weight_grad = weights.then(&mut panels);
        let mut channels = || begin_reduce(to, partials, |s| &s.bias_grad, |s| &mut s.bias_grad);
        let bias_grad = bias.then(&mut channels);
        Travelling {
            weight_grad,
            bias_grad,
        }
    }

    /// Makes sums of zero, with `weight_grad` numbers for `dW` and one number per channel for the
    /// bias.
    pub fn new(weight_grad: usize, channels: usize) -> Self {
        Self {
            weight_grad: Arena::zeros(weight_grad),
            bias_grad: vec![0.0; channels],
            unused: vec![0.0; channels],
        }
    }

    /// Computes the sums of a chunk of one or two leaves, which are added while they are in the L1
    /// or L2 cache. `image(row, sums, store)` adds those of an image to the bias's, and stores or
    /// adds them to the weights'; `second` is the buffer for the second leaf.
    pub fn become_sums(
        &mut self,
        second: &mut Self,
        (rows, chunk): (Rows, Range<usize>),
        add: fn(&[f32], &mut [f32]),
        mut image: impl FnMut(usize, &mut Self, Store),
    ) {
        for (i, leaf) in rows.leaves_in(chunk) {
            let sums = if i == 0 { &mut *self } else { &mut *second };
            sums.bias_grad.fill(0.0);
            if leaf.is_empty() {
                sums.weight_grad.fill(0.0);
            }
            let mut store = Store::Assign;
            for row in leaf {
                image(row, sums, store);
                store = Store::Add;
            }
            if i > 0 {
                add(&second.weight_grad, &mut self.weight_grad);
                add(&second.bias_grad, &mut self.bias_grad);
            }
        }
    }
}
