//! The backward pass of [`ConvOp`].

use std::ops::Range;

use crate::kernels::Engine;
use crate::kernels::Kernels;
use crate::kernels::gemm::{Patches, Store};
use crate::kernels::winograd::Winograd;
use crate::tape::{Backward, Finish, ParamId, Params, Phase, reduce};
use crate::tensor::Arena;

use super::super::panels::{self, Taps};
use super::super::window::bordered;
use super::{ConvOp, PartialSums, Scratch, points};

/// The gradient of the loss with respect to a layer's output.
pub(in crate::layers) enum OutputGrad<'a> {
    /// The gradients of all rows in use, one after another.
    Given(&'a [f32]),
    /// A function that writes the gradient of a row into a buffer, called as (row, buffer). A
    /// gradient that is computed only when it is needed stays in the L1 or L2 cache.
    Computed(&'a (dyn Fn(usize, &mut [f32]) + Sync)),
}

impl OutputGrad<'_> {
    /// Returns the `len` numbers of a row, which are computed into `buffer` if they are not stored.
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

/// The buffers of a [`Scratch`] without the output gradient and the partial sums.
struct Working<'a> {
    padded: &'a mut Arena,
    spread: &'a mut Arena,
    phase: &'a mut [f32],
    tiles: &'a mut [f32],
}

impl Scratch {
    fn split(&mut self) -> (&mut [f32], &mut PartialSums, Working<'_>) {
        let working = Working {
            padded: &mut self.padded,
            spread: &mut self.spread,
            phase: self.phase.as_mut_slice(),
            tiles: self.tiles.as_mut_slice(),
        };
        (self.grad_output.as_mut_slice(), &mut self.leaf, working)
    }
}

/// Stores the weight gradient `dW` of one image `a`, with its border, as the partial sums of its
/// leaf, or adds it to them.
fn add_sums(
    kernels: &Kernels,
    (winograd, patches): (&Option<[Winograd; 2]>, &Patches),
    (a, g): (&[f32], &[f32]),
    (sums, store): (&mut PartialSums, Store),
    tiles: &mut [f32],
) {
    let (channels, to) = (sums.bias_grad.len(), &mut sums.weight_grad);
    if let Some([shape, _]) = winograd {
        return kernels.winograd_transposed(shape, a, g, (to, store), tiles);
    }
    if store == Store::Assign {
        to.fill(0.0);
    }
    kernels.transposed(patches, a, g, channels, to);
}

impl ConvOp {
    /// Packs the weights `W'` for the backward pass, if the weights have changed: those of the
    /// phases, or the rotated kernels for Winograd's algorithm.
    fn pack_backward_weights(&mut self, params: &Params, kernels: &Kernels) {
        if self.backward_version == params.version() {
            return;
        }
        let (weight, weights) = (params.value(self.weight), self.weights);
        // Each column is an input channel.
        let forward = self.weight_taps();
        let taps = Taps {
            inner: forward.columns,
            columns: forward.inner,
            column_step: forward.inner_step,
            inner_step: forward.column_step,
            ..forward
        };
        let (to, last) = (&mut self.backward_weights, taps.taps - 1);
        if let Some([_, shape]) = &self.winograd {
            panels::fill_weights(to, taps, |tap| last - tap, weight, weights);
            points::of_weights(
                kernels,
                shape,
                &self.backward_weights,
                &mut self.backward_points,
            );
        } else {
            self.phases.fill(to, taps, weight, weights);
        }
        self.backward_version = params.version();
    }

    /// Adds the gradients of the input, the weights and the bias, computed from the gradient `dy`
    /// of the output.
    pub(in crate::layers) fn add_grads(&mut self, mut cx: Backward<'_>, dy: &OutputGrad<'_>) {
        let (x, kernels) = (cx.x(0), cx.pass.engine.kernels);
        if cx.grads.wants(0) {
            self.pack_backward_weights(cx.params, kernels);
        }
        if self.stacked.is_some() {
            return self.add_stacked_grads(&mut cx, dy);
        }
        let (input, output, window) = (self.input, self.output, self.window);
        let (winograd, border, pool) = (&self.winograd, self.border, &self.pool);
        let (zeros, patches) = (&self.zeros, self.patches());

        // Each image is taken through all computations that need its gradient before the next one
        // is read.
        let (all, add, channel_sums) = (cx.pass.rows, kernels.ew.add, kernels.ew.channel_sums);
        let images = |chunk: Range<usize>,
                      partial: &mut PartialSums,
                      data: &mut dyn FnMut(usize, &[f32], &mut Working<'_>)| {
            pool.with(|scratch| {
                let (grad_output, second, mut working) = scratch.split();
                partial.become_sums(second, (all, chunk), add, |row, sums, store| {
                    let g = dy.of(row, output.len(), grad_output);
                    let x = &x[row * input.len()..][..input.len()];
                    let a = bordered(x, input, window.padding, border, working.padded);
                    let to = (&mut *sums, store);
                    add_sums(kernels, (winograd, &patches), (a, g), to, working.tiles);
                    channel_sums(g, zeros, &mut sums.bias_grad, &mut sums.unused);
                    data(row, g, &mut working);
                });
            });
        };

        match cx.grads.of(0) {
            None => cx.pass.rows.each(&mut self.partials, |rows, partial| {
                images(rows, partial, &mut |_, _, _| {});
            }),
            Some(dx) => {
                let (phases, spread, margin) = (&self.phases, self.spread, self.phases.margin);
                let (weights, points) = (&self.backward_weights, &self.backward_points);
                let data = |dx: &mut [f32], g: &[f32], s: &mut Working<'_>, store| {
                    let a = bordered(g, output, margin, spread, s.spread);
                    match winograd {
                        None => phases.product(kernels, a, weights, (dx, store), s.phase),
                        Some([_, shape]) => {
                            kernels.winograd_product(shape, a, points, None, dx, store, s.tiles);
                        }
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
        self.add_parameter_grads(&mut cx);
    }

    /// Computes what [`Self::add_grads`] does, over all images at once: the gradient of the input,
    /// and the sums of the parameters' gradients.
    fn add_stacked_grads(&mut self, cx: &mut Backward<'_>, dy: &OutputGrad<'_>) {
        let (x, rows, kernels) = (cx.x(0), cx.pass.rows, cx.pass.engine.kernels);
        let (pool, zeros, output) = (&self.pool, &self.zeros, self.output);
        let Some(stacked) = &mut self.stacked else {
            return;
        };
        let (add, channel_sums) = (kernels.ew.add, kernels.ew.channel_sums);
        stacked.weight_grads(
            (kernels, cx.ranks),
            (rows, x),
            &mut self.partials,
            |chunk, partial, to| {
                pool.with(|scratch| {
                    let (grad_output, second, _) = scratch.split();
                    partial.become_sums(second, (rows, chunk), add, |row, sums, _| {
                        let g = dy.of(row, output.len(), grad_output);
                        channel_sums(g, zeros, &mut sums.bias_grad, &mut sums.unused);
                        to(row, g);
                    });
                });
            },
        );
        if let Some(dx) = cx.grads.of(0) {
            stacked.input_grads(kernels, rows, &self.backward_points);
            let (stacked, len) = (&*stacked, self.input.len());
            dx.store(&mut self.partials, |rows, dx, _, store| {
                for (row, dx) in rows.zip(dx.chunks_exact_mut(len)) {
                    stacked.input_grad(row, dx, store);
                }
            });
        }
        self.add_parameter_grads(cx);
    }

    /// Adds the sums of the chunks to the gradients of the bias and of the weights; of several
    /// ranks, sends them on their way to [`Self::finish_grads`].
    fn add_parameter_grads(&mut self, cx: &mut Backward<'_>) {
        let (rows, engine) = (cx.pass.rows, cx.pass.engine);
        let partials = &mut self.partials[..rows.chunks()];
        if !rows.share().is_whole() {
            // The gradients of parameters of any other pass are meaningless.
            if cx.pass.phase == Phase::Gradient {
                let parts = (self.stacked.is_none(), self.bias.is_some());
                self.sums = Some(PartialSums::send((rows, cx.ranks), partials, parts));
            }
            return;
        }
        if let Some(bias) = self.bias {
            let sum = reduce(partials, |s| &s.bias_grad, |s| &mut s.bias_grad);
            add_bias(cx.params, bias, sum);
        }
        if let Some(stacked) = self.stacked.take() {
            self.add_weight_grad(engine, cx.params, &stacked.weight_grad);
            self.stacked = Some(stacked);
            return;
        }
        reduce(partials, |s| &s.weight_grad, |s| &mut s.weight_grad);
        let partials = std::mem::take(&mut self.partials);
        self.add_weight_grad(engine, cx.params, &partials[0].weight_grad);
        self.partials = partials;
    }

    /// Adds the sums over the chunks of all ranks to the gradients of the bias and of the weights.
    pub(in crate::layers) fn finish_grads(&mut self, cx: Finish<'_>) {
        let Some(sums) = self.sums.take() else {
            return;
        };
        let engine = cx.pass.engine;
        if let Some(stacked) = self.stacked.take() {
            // Every rank has it.
            self.add_weight_grad(engine, cx.params, &stacked.weight_grad);
            self.stacked = Some(stacked);
        }
        if let Some(sum) = sums.weight_grad {
            sum.finish(cx.ranks, |sum| self.add_weight_grad(engine, cx.params, sum));
        }
        if let (Some(sum), Some(bias)) = (sums.bias_grad, self.bias) {
            sum.finish(cx.ranks, |sum| add_bias(cx.params, bias, sum));
        }
    }

    /// Adds what passes to the weights of the sum over all rows.
    fn add_weight_grad(&mut self, engine: Engine, params: &mut Params, sum: &[f32]) {
        let (kernels, window) = (engine.kernels, self.window);
        let sum = match &self.winograd {
            Some([shape, _]) => {
                points::to_weight_grad(kernels, shape, sum, &mut self.weight_grad);
                &self.weight_grad
            }
            None => sum,
        };
        let (weight, grad) = params.value_and_grad(self.weight);
        let size = (
            self.output.channels,
            self.input.channels,
            window.kernel.area(),
        );
        let weights = self.weights;
        panels::scatter_taps(sum, size, (weight, grad), |w, dw, grad| {
            weights.add_pullback(w, dw, grad);
        });
    }
}

/// Adds a sum to the gradient of a bias.
pub(super) fn add_bias(params: &mut Params, bias: ParamId, sum: &[f32]) {
    for (grad, &sum) in params.grad_mut(bias).iter_mut().zip(sum) {
        *grad += sum;
    }
}
