//! Partial sums of the gradients of weights and bias.

use std::ops::Range;

use crate::tape::Rows;
use crate::tensor::Arena;

/// The partial sums of a leaf, or of a chunk's leaves together.
pub(super) struct PartialSums {
    /// Partial `dW`, in panels or at Winograd's points.
    pub weight_grad: Arena,
    pub bias_grad: Vec<f32>,
    pub unused: Vec<f32>,
}

impl PartialSums {
    /// Zeros: that many numbers of `dW`, and a number a channel.
    pub fn new(weight_grad: usize, channels: usize) -> Self {
        Self {
            weight_grad: Arena::zeros(weight_grad),
            bias_grad: vec![0.0; channels],
            unused: vec![0.0; channels],
        }
    }

    /// Becomes the sums of a chunk: a leaf or two, which become one node of the tree while
    /// they are in the near caches. `image(row, sums)` adds those of an image; `second` is
    /// for the second leaf.
    pub fn become_sums(
        &mut self,
        second: &mut Self,
        (rows, chunk): (Rows, Range<usize>),
        add: fn(&[f32], &mut [f32]),
        mut image: impl FnMut(usize, &mut Self),
    ) {
        for (i, leaf) in rows.leaves_in(chunk) {
            let sums = if i == 0 { &mut *self } else { &mut *second };
            sums.weight_grad.fill(0.0);
            sums.bias_grad.fill(0.0);
            leaf.for_each(|row| image(row, sums));
            if i > 0 {
                add(&second.weight_grad, &mut self.weight_grad);
                add(&second.bias_grad, &mut self.bias_grad);
            }
        }
    }
}
