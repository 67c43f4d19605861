//! The gradient of [`ConvOp`].

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::NR;
use crate::tape::{Backward, reduce};
use crate::tensor::Arena;

use super::super::panels;
use super::super::window::{bordered, dilate};
use super::{ConvOp, PartialSums, Scratch};

/// The gradient of a layer's output.
pub(in crate::layers) enum OutputGrad<'a> {
    /// Of all live rows.
    Given(&'a [f32]),
    /// Written, by (row, to), when it is needed: so it never leaves the near caches.
    Computed(&'a (dyn Fn(usize, &mut [f32]) + Sync)),
}

impl OutputGrad<'_> {
    /// The `len` numbers of a row, made in `buffer` if they are not there.
    fn of<'b>(&'b self, row: usize, len: usize, buffer: &'b mut [f32]) -> &'b [f32] {
        match self {
            Self::Given(dy) => &dy[row * len..][..len],
            Self::Computed(make) => {
                make(row, buffer);
                buffer
            }
        }
    }
}

/// A thread's [`Scratch`] without the gradient and the sums.
struct Working<'a> {
    padded: &'a mut Arena,
    dilated: &'a mut [f32],
    tiles: &'a mut [f32],
}

impl Scratch {
    fn split(&mut self) -> (&mut [f32], &mut PartialSums, Working<'_>) {
        let working = Working {
            padded: &mut self.padded,
            dilated: self.dilated.as_mut_slice(),
            tiles: self.tiles.as_mut_slice(),
        };
        (self.grad_output.as_mut_slice(), &mut self.leaf, working)
    }
}

impl ConvOp {
    /// Adds to the gradients of the input and of the parameters what follows from the
    /// gradient `dy` of the output.
    pub(in crate::layers) fn add_grads(&mut self, mut cx: Backward<'_>, dy: &OutputGrad<'_>) {
        let x = cx.x(0);
        let kernels = cx.pass.engine.kernels;
        let (input, output, window) = (self.input, self.output, self.window);
        let (winograd, border, pool) = (&self.winograd, self.border, &self.pool);
        let zeros = &self.zeros;
        let patches = self.patches();

        // dW and db: a leaf's sums, to which a row's are added.
        let parameters = |x: &[f32], g: &[f32], partial: &mut PartialSums, s: &mut Working<'_>| {
            let a = bordered(x, input, window.padding, border, s.padded);
            if let Some([shape, _]) = winograd {
                kernels.winograd_transposed(shape, a, g, &mut partial.weight_grad, s.tiles);
            } else {
                kernels.transposed(&patches, a, g, output.channels, &mut partial.weight_grad);
            }
            (kernels.ew.channel_sums)(g, zeros, &mut partial.bias_grad, &mut partial.unused);
        };
        // One image after the other, each through all that its gradient is for. A chunk is
        // a leaf or two, which become one node while they are in the near caches.
        let (all, add) = (cx.pass.rows, kernels.ew.add);
        let images = |chunk: Range<usize>,
                      partial: &mut PartialSums,
                      data: &mut dyn FnMut(usize, &[f32], &mut Working<'_>)| {
            pool.with(|scratch| {
                let (grad_output, second, mut working) = scratch.split();
                for (i, leaf) in all.leaves_in(chunk) {
                    let sums = if i == 0 { &mut *partial } else { &mut *second };
                    sums.weight_grad.fill(0.0);
                    sums.bias_grad.fill(0.0);
                    for row in leaf {
                        let g = dy.of(row, output.len(), grad_output);
                        let x = &x[row * input.len()..][..input.len()];
                        parameters(x, g, sums, &mut working);
                        data(row, g, &mut working);
                    }
                    if i > 0 {
                        add(&second.weight_grad, &mut partial.weight_grad);
                        add(&second.bias_grad, &mut partial.bias_grad);
                    }
                }
            });
        };

        match cx.grads.of(0) {
            None => cx.pass.rows.each(&mut self.partials, |rows, partial| {
                images(rows, partial, &mut |_, _, _| {});
            }),
            Some(dx) => {
                if self.backward_version != cx.params.version() {
                    // W'[(u', v', o), c], the turned weights.
                    let (weight, weights) = (cx.params.value(self.weight), self.weights);
                    let (taps, channels) = (window.kernel.area(), input.channels);
                    let size = (taps * output.channels, channels);
                    panels::fill(&mut self.backward_weights, size, |row| {
                        let (tap, o) = (row / output.channels, row % output.channels);
                        let from = &weight[o * channels * taps + taps - 1 - tap..];
                        move |c| weights.effective(from[c * taps])
                    });
                    if let Some([_, shape]) = winograd {
                        let panels = &self.backward_weights;
                        kernels.winograd_weights(shape, panels, &mut self.backward_points);
                    }
                    self.backward_version = cx.params.version();
                }
                let spread_patches = self.spread_patches();
                let dilated_width = self.dilated.1;
                let (weights, points) = (&self.backward_weights, &self.backward_points);
                let data = |dx: &mut [f32], g: &[f32], s: &mut Working<'_>, store| {
                    dilate(g, output, window, dilated_width, s.dilated);
                    let (a, columns) = (&*s.dilated, input.channels);
                    if let Some([_, shape]) = winograd {
                        kernels.winograd_product(shape, a, points, None, dx, store, s.tiles);
                    } else {
                        kernels.product(&spread_patches, a, weights, columns, None, dx, store);
                    }
                };
                dx.store(&mut self.partials, |rows, dx, partial, store| {
                    let first = rows.start;
                    images(rows, partial, &mut |row, g, working| {
                        let dx = &mut dx[(row - first) * input.len()..][..input.len()];
                        data(dx, g, working, store);
                    });
                });
            }
        }

        let partials = &mut self.partials[..cx.pass.rows.chunks()];
        if let Some(bias) = self.bias {
            let sum = reduce(partials, |s| &s.bias_grad, |s| &mut s.bias_grad);
            for (grad, &sum) in cx.params.grad_mut(bias).iter_mut().zip(sum) {
                *grad += sum;
            }
        }
        reduce(partials, |s| &s.weight_grad, |s| &mut s.weight_grad);
        let mut sum: &[f32] = &self.partials[0].weight_grad;
        if let Some([shape, _]) = winograd {
            kernels.winograd_weight_grad(shape, sum, &mut self.weight_grad);
            sum = &self.weight_grad;
        }
        let (weight, grad) = cx.params.value_and_grad(self.weight);
        let (taps, channels) = (window.kernel.area(), input.channels);
        let (depth, weights) = (taps * channels, self.weights);
        let rows = weight.par_chunks_exact(depth);
        let rows = rows.zip(grad.par_chunks_exact_mut(depth)).enumerate();
        rows.with_min_len(4).for_each(|(o, (weight, grad))| {
            let panel = &sum[o / NR * depth * NR + o % NR..];
            let each = weight.chunks_exact(taps).zip(grad.chunks_exact_mut(taps));
            for (c, (weight, grad)) in each.enumerate() {
                for (tap, (&w, grad)) in weight.iter().zip(grad).enumerate() {
                    let dw = panel[(tap * channels + c) * NR];
                    *grad += weights.pullback(w, dw);
                }
            }
        });
    }
}
