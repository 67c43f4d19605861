//! Convolution with groups and dilation.
//!
//! ```text
//! y[o, i, j] = bias[o] + Σ_{c, u, v} x[part(o) + c, i·s + u·d - p, j·s + v·d - p] · w[o, c, u, v]
//! ```
//!
//! `x` outside of the image is the border value of the window, 0 by default.
//!
//! With `G` groups there are `n = C/G` input and `m = O/G` output channels in a group. `part(o)` is
//! the first input channel `n·⌊o/m⌋` of the group of output channel `o`, and `c` runs from 0 to
//! `n - 1`. Kernel, stride `s`, padding `p` and dilation `d` can differ between height and width.
//!
//! There are two algorithms. [`Direct`] makes a pass over all channels for each input channel of a
//! group, and serves groups of few channels such as depthwise convolutions; [`Products`] computes a
//! matrix product for each group. The algorithm is chosen when the layer is recorded.

mod direct;
mod products;

use std::ops::Range;

use super::backward::add_bias;
use super::{PartialSums, Travelling};
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::kernels::gemm::Store;
use crate::layers::layer::Shapes;
use crate::layers::tensor_spec::product;
use crate::layers::weights::{Terms, Weights};
use crate::layers::window::Window;
use crate::tape::{
    Backward, Finish, Forward, Op, ParamId, Params, Phase, Pool, Tape, Value, reduce,
};
use crate::tensor::{Arena, Shape};
use direct::Direct;
use products::Products;

/// The shapes of a grouped convolution.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    input: Shape,
    output: Shape,
    window: Window,
    groups: usize,
}

impl Geometry {
    /// Returns the number of input channels of a group.
    fn inputs(&self) -> usize {
        self.input.channels / self.groups
    }

    /// Returns the number of output channels of a group.
    fn outputs(&self) -> usize {
        self.output.channels / self.groups
    }

    /// Calls `f(index in PyTorch's order (O, C/groups, kh, kw), place)` for every weight.
    fn each_weight(&self, mut f: impl FnMut(usize, Place)) {
        let (kernel, mut number) = (self.window.kernel, 0);
        for o in 0..self.output.channels {
            for c in 0..self.inputs() {
                for u in 0..kernel.height {
                    for v in 0..kernel.width {
                        f(number, Place { o, c, u, v });
                        number += 1;
                    }
                }
            }
        }
    }
}

/// The indices of a weight: `w[o, c, u, v]`.
#[derive(Clone, Copy, Debug)]
struct Place {
    o: usize,
    c: usize,
    u: usize,
    v: usize,
}

/// Lengths of the buffers that an algorithm needs, in numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    /// Number of weights of the forward pass, and of the sums of their gradients.
    weights: usize,
    /// Number of weights of the backward pass.
    turned: usize,
    /// For each thread: a part of an image with its border, a part of a dilated gradient with its
    /// border, an output, and an input.
    working: [usize; 4],
}

/// The buffers of one thread, with the lengths in [`Sizes::working`]. The border of a gradient is
/// zeros; that of an image is written by [`Way::fill_border`].
struct Working {
    image: Arena,
    dilated: Arena,
    output: Arena,
    input: Arena,
}

/// An algorithm that computes the convolution of one image and its gradients.
trait Way: Send + Sync {
    fn sizes(&self) -> Sizes;

    /// Writes the border of a part of an image.
    fn fill_border(&self, image: &mut [f32]);

    /// Returns the index of a weight, and of its gradient, in the layout of the forward pass.
    fn place(&self, at: Place) -> usize;

    /// Returns the index of a weight in the layout of the backward pass.
    fn turned(&self, at: Place) -> usize;

    /// Computes the output of an image.
    fn forward(
        &self,
        kernels: &Kernels,
        x: &[f32],
        weights: (&[f32], Option<&[f32]>),
        y: &mut [f32],
        to: &mut Working,
    );

    /// Adds the weight gradients of an image to `sums`.
    fn gradient(&self, kernels: &Kernels, x: &[f32], g: &[f32], sums: &mut [f32], to: &mut Working);

    /// Computes the gradient of an image from the gradient of its output.
    fn data(
        &self,
        kernels: &Kernels,
        g: &[f32],
        weights: &[f32],
        dx: (&mut [f32], Store),
        to: &mut Working,
    );
}

/// Returns the algorithm that is faster for these shapes.
fn way(of: Geometry) -> Box<dyn Way> {
    // A matrix product computes whole panels of 16 outputs, even if a group has fewer.
    match of.inputs() == 1 || of.inputs().saturating_mul(of.outputs()) <= 16 {
        true => Box::new(Direct::new(of)),
        false => Box::new(Products::new(of)),
    }
}

/// The operation of a convolution with groups or dilation: `y[o, i, j] = bias[o] + Σ_{c, u, v}
/// x[part(o) + c, i·s + u·d - p, j·s + v·d - p] · w[o, c, u, v]`, where `part(o)` is the first
/// input channel of the group of output channel o. The input is (C, H, W), the output (O, H', W').
pub struct GroupedConvOp {
    of: Geometry,
    way: Box<dyn Way>,
    weights: Weights,
    weight: ParamId,
    bias: Option<ParamId>,
    /// The weights in the layouts of the algorithm, for `version` and `backward_version` of the
    /// parameters.
    forward_weights: Arena,
    backward_weights: Arena,
    version: u64,
    backward_version: u64,
    /// Zeros, which are subtracted from the values that bias sums add up.
    zeros: Vec<f32>,
    partials: Vec<PartialSums>,
    sums: Option<Travelling>,
    pool: Pool<Scratch>,
}

/// The buffers of one thread, and the sums of a chunk's second leaf; these are empty if a chunk is
/// one leaf.
struct Scratch {
    working: Working,
    leaf: PartialSums,
}

impl GroupedConvOp {
    /// Records the layer on a tape, with the parameters `{name}.weight` (O, C/groups, kh, kw) and,
    /// if it has a bias, `{name}.bias` (O).
    ///
    /// # Errors
    /// As [`Self::output`]; also if real weights have a scale.
    pub fn record(
        tape: &mut Tape,
        name: &str,
        x: Value,
        channels: usize,
        (window, groups): (Window, usize),
        terms: Terms,
    ) -> Result<Value> {
        terms.check(name)?;
        let input = tape.shape(x);
        let output = Self::output(name, input, channels, (window, groups))?;
        let of = Geometry {
            input,
            output,
            window,
            groups,
        };
        let op = Self::build(tape, name, x, of, terms);
        let weight = op.weight;
        let y = tape.push(Box::new(op), &[x], output);
        Ok(terms.finish(tape, name, y, weight))
    }

    fn build(tape: &mut Tape, name: &str, x: Value, of: Geometry, terms: Terms) -> Self {
        let (channels, kernel) = (of.output.channels, of.window.kernel);
        let shape = [channels, of.inputs(), kernel.height, kernel.width];
        let weight = tape.params.add(format!("{name}.weight"), &shape);
        let bias = terms.bias_in_sum();
        let bias = bias.then(|| tape.params.add(format!("{name}.bias"), &[channels]));
        let way = way(of);
        let sizes = way.sizes();
        let partial = |used: bool| PartialSums::new(if used { sizes.weights } else { 0 }, channels);
        let pairs = tape.cut(x).leaves_of_chunk() > 1;
        let [image, dilated, output, input] = sizes.working;
        let bordered = || {
            let mut image = Arena::zeros(image);
            way.fill_border(image.as_mut_slice());
            image
        };
        let scratch = || Scratch {
            working: Working {
                image: bordered(),
                dilated: Arena::zeros(dilated),
                output: Arena::zeros(output),
                input: Arena::zeros(input),
            },
            leaf: partial(pairs),
        };
        let pool = Pool::new(tape.chunks(x), scratch);
        Self {
            of,
            way,
            weights: terms.weights,
            weight,
            bias,
            forward_weights: Arena::zeros(sizes.weights),
            backward_weights: Arena::zeros(sizes.turned),
            version: u64::MAX,
            backward_version: u64::MAX,
            zeros: vec![0.0; channels],
            partials: (0..tape.chunks(x)).map(|_| partial(true)).collect(),
            sums: None,
            pool,
        }
    }

    /// Returns the output shape.
    ///
    /// # Errors
    /// If the window is larger than the image with its padding, the padding is not smaller than the
    /// extent of the dilated kernel, or `groups` does not divide the numbers of input and output
    /// channels.
    pub fn output(
        name: &str,
        input: Shape,
        channels: usize,
        (window, groups): (Window, usize),
    ) -> Result<Shape> {
        let fail = |what: String| Err(Error::spec(format!("layer {name}: {what}")));
        if groups == 0 {
            return fail("groups must be at least 1".into());
        }
        for (what, count) in [("input", input.channels), ("output", channels)] {
            if !count.is_multiple_of(groups) {
                return fail(format!(
                    "{groups} groups do not divide {count} {what} channels"
                ));
            }
        }
        window.output(name, input, channels)
    }

    /// Returns an upper bound of the 32-bit numbers that the operation stores beside its parameters
    /// and values.
    pub(super) fn memory(shapes: &Shapes, (window, groups): (Window, usize), partials: u64) -> u64 {
        let of = Geometry {
            input: shapes.input(),
            output: shapes.output,
            window,
            groups,
        };
        let sizes = way(of).sizes();
        let working = sizes.working.iter().map(|&n| n as u64);
        let each = working.fold(2 * sizes.weights as u64, u64::saturating_add);
        product(&[each, partials]).saturating_add((sizes.weights + sizes.turned) as u64)
    }

    /// Adds the weight gradients to the parameters, from their sums in the layout of the forward
    /// pass.
    fn spread_gradient(&self, params: &mut Params, sum: &[f32]) {
        let (weight, grad) = params.value_and_grad(self.weight);
        self.of.each_weight(|number, at| {
            let dw = sum[self.way.place(at)];
            grad[number] += self.weights.pullback(weight[number], dw);
        });
    }
}

impl GroupedConvOp {
    /// Writes the weights in the layout of the backward pass, if they have changed.
    fn place_backward_weights(&mut self, params: &Params) {
        if self.backward_version == params.version() {
            return;
        }
        let (weight, weights) = (params.value(self.weight), self.weights);
        self.of.each_weight(|number, at| {
            self.backward_weights[self.way.turned(at)] = weights.effective(weight[number]);
        });
        self.backward_version = params.version();
    }
}

impl Op for GroupedConvOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let kernels = cx.pass.engine.kernels;
        if self.version != cx.params.version() {
            let (weight, weights) = (cx.params.value(self.weight), self.weights);
            self.of.each_weight(|number, at| {
                self.forward_weights[self.way.place(at)] = weights.effective(weight[number]);
            });
            self.version = cx.params.version();
        }
        let (x, (input, output)) = (cx.x(0), (self.of.input.len(), self.of.output.len()));
        let bias = self.bias.map(|bias| cx.params.value(bias));
        let (way, pool, weights) = (&self.way, &self.pool, &*self.forward_weights);
        cx.pass
            .rows
            .write(cx.y, output, &mut self.partials, |rows, y, _| {
                pool.with(|scratch| {
                    for (row, y) in rows.zip(y.chunks_exact_mut(output)) {
                        let x = &x[row * input..][..input];
                        way.forward(kernels, x, (weights, bias), y, &mut scratch.working);
                    }
                });
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        if cx.grads.wants(0) {
            self.place_backward_weights(cx.params);
        }
        let (x, dy, kernels) = (cx.x(0), cx.dy, cx.pass.engine.kernels);
        let (input, output) = (self.of.input.len(), self.of.output.len());
        let (way, pool, zeros) = (&self.way, &self.pool, &self.zeros);
        // Each image is taken through all computations that need its gradient before the next one
        // is read.
        let (all, add, sums_of) = (cx.pass.rows, kernels.ew.add, kernels.ew.channel_sums);
        let images = |chunk: Range<usize>,
                      partial: &mut PartialSums,
                      data: &mut dyn FnMut(usize, &[f32], &mut Working)| {
            pool.with(|Scratch { working, leaf }| {
                partial.become_sums(leaf, (all, chunk), add, |row, sums, store| {
                    if store == Store::Assign {
                        sums.weight_grad.fill(0.0);
                    }
                    let g = &dy[row * output..][..output];
                    let x = &x[row * input..][..input];
                    way.gradient(kernels, x, g, &mut sums.weight_grad, working);
                    sums_of(g, zeros, &mut sums.bias_grad, &mut sums.unused);
                    data(row, g, working);
                });
            });
        };
        match cx.grads.of(0) {
            None => all.each(&mut self.partials, |rows, partial| {
                images(rows, partial, &mut |_, _, _| {});
            }),
            Some(dx) => {
                let weights = &*self.backward_weights;
                dx.store(&mut self.partials, |rows, dx, partial, store| {
                    let first = rows.start;
                    images(rows, partial, &mut |row, g, working| {
                        let dx = &mut dx[(row - first) * input..][..input];
                        way.data(kernels, g, weights, (dx, store), working);
                    });
                });
            }
        }
        let partials = &mut self.partials[..all.chunks()];
        if !all.share().is_whole() {
            // The gradients of parameters of any other pass are meaningless.
            if cx.pass.phase == Phase::Gradient {
                let bias = self.bias.is_some();
                self.sums = Some(PartialSums::send((all, cx.ranks), partials, (true, bias)));
            }
            return;
        }
        if let Some(bias) = self.bias {
            let sum = reduce(partials, |s| &s.bias_grad, |s| &mut s.bias_grad);
            add_bias(cx.params, bias, sum);
        }
        reduce(partials, |s| &s.weight_grad, |s| &mut s.weight_grad);
        self.spread_gradient(cx.params, &self.partials[0].weight_grad);
    }

    fn finish(&mut self, cx: Finish<'_>) {
        let Some(sums) = self.sums.take() else {
            return;
        };
        let (weight, bias) = (sums.weight_grad, sums.bias_grad);
        if let Some(sum) = weight {
            sum.finish(cx.ranks, |sum| self.spread_gradient(cx.params, sum));
        }
        if let (Some(sum), Some(bias)) = (bias, self.bias) {
            sum.finish(cx.ranks, |sum| add_bias(cx.params, bias, sum));
        }
    }
}

#[cfg(test)]
mod tests;
