//! The op of [`BatchNorm`], which states the formulas.

mod layer;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::kernels::Elementwise;
use crate::ranks::Ranks;
use crate::tape::{
    Backward, BufferId, Forward, Mode, Op, ParamId, Pass, Rows, Tape, Value, share_chunks, tree,
};
use crate::tensor::Shape;

pub use layer::BatchNorm;

/// Pixels that are summed in f32 before they join the f64 sum.
const BLOCK: usize = 256;

/// Which statistics batch norm normalises by in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistics {
    /// Training normalises by the statistics of the batch, as usual.
    #[default]
    Batch,
    /// Training normalises by the running statistics of the step before, so that no row
    /// depends on another.
    Running,
}

impl Statistics {
    /// Whether they are the batch's.
    pub fn is_batch(&self) -> bool {
        *self == Self::Batch
    }
}

/// The op of a [`BatchNorm`] layer on a tape.
pub struct BatchNormOp {
    shape: Shape,
    statistics: Statistics,
    eps: f64,
    momentum: f64,
    gamma: ParamId,
    beta: ParamId,
    mean: BufferId,
    var: BufferId,
    batches: usize,
    /// Mean and `1 / √(σ² + ε)` of the last forward pass.
    used_mean: Vec<f32>,
    used_inverse: Vec<f32>,
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    /// Coefficients of `dx = a·dy + b·x + d`.
    pub(super) a: Vec<f32>,
    pub(super) b: Vec<f32>,
    pub(super) d: Vec<f32>,
    total: [Vec<f64>; 2],
    pub(super) scratch: Vec<Scratch>,
}

/// One chunk's sums.
pub(super) struct Scratch {
    /// Of the leaf under way: what its numbers are taken relative to, the sums of a
    /// block, those of the leaf, and its pixels so far.
    origin: Vec<f32>,
    block: [Vec<f32>; 2],
    sums: [Vec<f64>; 2],
    pixels: usize,
    /// The leaf's number within the chunk.
    leaf: usize,
    /// The node over the chunk's leaves: pixels, means and sums of squared deviations
    /// forward; Σ dy and Σ dy·(x - μ) back.
    count: f64,
    node: [Vec<f64>; 2],
}

impl Scratch {
    fn new(channels: usize) -> Self {
        let pair = || [vec![0.0; channels], vec![0.0; channels]];
        Self {
            origin: vec![0.0; channels],
            block: [vec![0.0; channels], vec![0.0; channels]],
            sums: pair(),
            pixels: 0,
            leaf: 0,
            count: 0.0,
            node: pair(),
        }
    }

    /// Begins the statistics of a leaf of the batch, the one of that number within its
    /// chunk, relative to the first of these pixels.
    pub(super) fn begin(&mut self, leaf: usize, x: &[f32]) {
        if leaf > 0 {
            self.end();
        }
        self.clear(leaf);
        let c = self.origin.len();
        self.origin.copy_from_slice(&x[..c]);
    }

    /// Adds pixels to the statistics of the leaf. How they are handed out does not
    /// matter: blocks go on from one call to the next.
    pub(super) fn add(&mut self, ew: &Elementwise, mut x: &[f32]) {
        let c = self.origin.len();
        while !x.is_empty() {
            let room = BLOCK - self.pixels % BLOCK;
            let (now, rest) = x.split_at(x.len().min(room * c));
            let [sum, squares] = &mut self.block;
            (ew.channel_sums)(now, &self.origin, sum, squares);
            self.pixels += now.len() / c;
            if self.pixels.is_multiple_of(BLOCK) {
                self.flush();
            }
            x = rest;
        }
    }

    /// Ends the statistics of a leaf: its moments join the chunk's node.
    fn end(&mut self) {
        self.flush();
        let count = self.pixels as f64;
        let [sums, squares] = &self.sums;
        let [means, deviations] = &mut self.node;
        for i in 0..means.len() {
            let mean = f64::from(self.origin[i]) + sums[i] / count;
            let deviation = (squares[i] - sums[i] * sums[i] / count).max(0.0);
            let of_leaf = (count, mean, deviation);
            let node = if self.leaf == 0 {
                of_leaf
            } else {
                chan((self.count, means[i], deviations[i]), of_leaf)
            };
            (means[i], deviations[i]) = (node.1, node.2);
        }
        self.count = if self.leaf == 0 { 0.0 } else { self.count } + count;
    }

    fn clear(&mut self, leaf: usize) {
        self.sums.iter_mut().for_each(|s| s.fill(0.0));
        (self.leaf, self.pixels) = (leaf, 0);
    }

    /// Ends the sums of a leaf's gradient: they join the chunk's node.
    fn end_sums(&mut self) {
        for (node, sums) in self.node.iter_mut().zip(&self.sums) {
            for (node, &sum) in node.iter_mut().zip(sums) {
                *node = if self.leaf == 0 { sum } else { *node + sum };
            }
        }
    }

    /// Moves the f32 sums of a block into the f64 sums.
    fn flush(&mut self) {
        for (sums, block) in self.sums.iter_mut().zip(&mut self.block) {
            for (sum, x) in sums.iter_mut().zip(block) {
                *sum += f64::from(std::mem::take(x));
            }
        }
    }
}

/// Chan's formula: (n, mean, sum of squared deviations) of two sets of numbers together.
fn chan(left: (f64, f64, f64), right: (f64, f64, f64)) -> (f64, f64, f64) {
    let ((n, mean, m2), (count, other, other_m2)) = (left, right);
    let (all, delta) = (n + count, other - mean);
    let share = count / all;
    (
        all,
        mean + delta * share,
        m2 + other_m2 + delta * delta * n * share,
    )
}

impl BatchNormOp {
    /// Records the layer with parameters `{name}.weight`, `{name}.bias` and
    /// buffers `{name}.running_mean`, `{name}.running_var`.
    ///
    /// # Errors
    /// An `eps` or `momentum` that is no positive number.
    pub fn record(tape: &mut Tape, name: &str, x: Value, eps: f64, momentum: f64) -> Result<Value> {
        Self::record_with(tape, name, x, eps, momentum, Statistics::Batch)
    }

    /// [`Self::record`] with a choice of what training normalises by.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn record_with(
        tape: &mut Tape,
        name: &str,
        x: Value,
        eps: f64,
        momentum: f64,
        statistics: Statistics,
    ) -> Result<Value> {
        let op = Self::build(tape, name, x, tape.shape(x), (eps, momentum, statistics))?;
        let shape = op.shape;
        Ok(tape.push(Box::new(op), &[x], shape))
    }

    /// The layer with its parameters, not yet on the tape, over rows that are cut as those
    /// of `x`.
    pub(super) fn build(
        tape: &mut Tape,
        name: &str,
        x: Value,
        shape: Shape,
        (eps, momentum, statistics): (f64, f64, Statistics),
    ) -> Result<Self> {
        // Less than that would divide a channel without variance to infinity.
        let usable = eps.is_finite() && eps >= f64::from(f32::MIN_POSITIVE);
        if !(usable && (0.0..=1.0).contains(&momentum)) {
            return Err(Error::spec(format!(
                "layer {name}: eps must be above 1.2e-38 and momentum within 0 to 1, not {eps} and {momentum}"
            )));
        }
        let c = shape.channels;
        let scratch = tape.chunks(x);
        let params = &mut tape.params;
        Ok(Self {
            shape,
            statistics,
            eps,
            momentum,
            gamma: params.add(format!("{name}.weight"), &[c]),
            beta: params.add(format!("{name}.bias"), &[c]),
            mean: params.add_buffer(format!("{name}.running_mean"), &[c], 0.0),
            var: params.add_buffer(format!("{name}.running_var"), &[c], 1.0),
            batches: params.add_counter(format!("{name}.num_batches_tracked")),
            used_mean: vec![0.0; c],
            used_inverse: vec![0.0; c],
            scale: vec![0.0; c],
            shift: vec![0.0; c],
            a: vec![0.0; c],
            b: vec![0.0; c],
            d: vec![0.0; c],
            total: [vec![0.0; c], vec![0.0; c]],
            scratch: (0..scratch).map(|_| Scratch::new(c)).collect(),
        })
    }

    /// Whether this pass normalises by the batch.
    fn by_batch(&self, pass: &Pass) -> bool {
        pass.mode == Mode::Train && self.statistics == Statistics::Batch
    }

    /// Takes the statistics of `x` and works out `scale` and `shift`.
    pub(super) fn prepare(&mut self, cx: &mut Forward<'_>) {
        if cx.pass.mode == Mode::Train {
            let (len, x, ew) = (self.shape.len(), cx.x(0), &cx.pass.engine.kernels.ew);
            let rows = cx.pass.samples();
            rows.each(&mut self.scratch, |chunk, scratch| {
                for (i, leaf) in rows.leaves_in(chunk) {
                    let x = &x[leaf.start * len..leaf.end * len];
                    scratch.begin(i, x);
                    scratch.add(ew, x);
                }
            });
        }
        self.settle(cx);
    }

    /// Works out `scale` and `shift`; in training the scratch hold the sums of the batch.
    pub(super) fn settle(&mut self, cx: &mut Forward<'_>) {
        if self.by_batch(cx.pass) {
            self.merge((cx.pass.samples(), cx.ranks));
            self.update_running(cx);
            for i in 0..self.shape.channels {
                self.used_mean[i] = self.total[0][i] as f32;
                self.used_inverse[i] = inverse_deviation(self.total[1][i], self.eps);
                self.scale[i] = cx.params.value(self.gamma)[i] * self.used_inverse[i];
                self.shift[i] = cx.params.value(self.beta)[i] - self.used_mean[i] * self.scale[i];
            }
        } else {
            let (gamma, beta) = (cx.params.value(self.gamma), cx.params.value(self.beta));
            let (mean, var) = (cx.params.buffer(self.mean), cx.params.buffer(self.var));
            self.used_mean.copy_from_slice(mean);
            for i in 0..self.shape.channels {
                self.used_inverse[i] = inverse_deviation(f64::from(var[i]), self.eps);
                (self.scale[i], self.shift[i]) =
                    scale_and_shift(gamma[i], beta[i], mean[i], var[i], self.eps);
            }
            if cx.pass.mode == Mode::Train {
                self.merge((cx.pass.samples(), cx.ranks));
                self.update_running(cx);
            }
        }
    }

    /// `Σ dy` and `Σ dy·(x - μ)` over the rows; `of` gives the pixels of a leaf's rows
    /// and their gradients, at least all whose gradient is not zero.
    pub(super) fn sum<'a>(
        &mut self,
        pass: &Pass,
        of: impl Fn(Range<usize>) -> (&'a [f32], &'a [f32]) + Sync,
    ) {
        let (c, mean, ew) = (
            self.shape.channels,
            &self.used_mean,
            &pass.engine.kernels.ew,
        );
        let rows = pass.rows;
        rows.each(&mut self.scratch, |chunk, scratch| {
            for (i, leaf) in rows.leaves_in(chunk) {
                scratch.clear(i);
                let (x, dy) = of(leaf);
                for (x, dy) in x.chunks(BLOCK * c).zip(dy.chunks(BLOCK * c)) {
                    let [sum, dot] = &mut scratch.block;
                    (ew.batch_norm_sums)(x, mean, dy, sum, dot);
                    scratch.flush();
                }
                scratch.end_sums();
            }
        });
    }

    /// Adds to the gradients of γ and β, and works out `a`, `b` and `d`.
    pub(super) fn coefficients(&mut self, cx: &mut Backward<'_>) {
        let by_batch = self.by_batch(cx.pass);
        let rows = cx.pass.rows;
        share_chunks((rows, cx.ranks), &mut self.scratch, |s, part| {
            s.node.iter_mut().for_each(|node| part(node));
        });
        let scratch = &self.scratch[..rows.chunks()];
        for (part, total) in self.total.iter_mut().enumerate() {
            for (i, total) in total.iter_mut().enumerate() {
                *total = tree::fold(scratch.len(), |s| scratch[s].node[part][i], |a, b| a + b);
            }
        }
        let [sum, dot] = &self.total;
        let n = (cx.pass.rows.live * self.shape.pixels()) as f64;
        for i in 0..self.shape.channels {
            let inverse = f64::from(self.used_inverse[i]);
            let s = f64::from(cx.params.value(self.gamma)[i]) * inverse;
            let (mut b, mut d) = (0.0, 0.0);
            if by_batch {
                b = -s * inverse * inverse * dot[i] / n;
                d = -s * sum[i] / n - b * f64::from(self.used_mean[i]);
            }
            (self.a[i], self.b[i], self.d[i]) = (s as f32, b as f32, d as f32);
            cx.params.grad_mut(self.gamma)[i] += (dot[i] * inverse) as f32;
            cx.params.grad_mut(self.beta)[i] += sum[i] as f32;
        }
    }

    /// Mean and biased variance of the batch into `self.total`.
    fn merge(&mut self, (rows, ranks): (Rows, &Ranks)) {
        let own = &mut self.scratch[rows.own_chunks()];
        own.iter_mut().for_each(Scratch::end);
        share_chunks((rows, ranks), &mut self.scratch, |s, part| {
            part(std::slice::from_mut(&mut s.count));
            s.node.iter_mut().for_each(|node| part(node));
        });
        let chunks = rows.chunks();
        let scratch = &self.scratch[..chunks];
        let [mean, variance] = &mut self.total;
        for (i, (mean, variance)) in mean.iter_mut().zip(variance).enumerate() {
            let moments = |s: usize| {
                let [means, deviations] = &scratch[s].node;
                (scratch[s].count, means[i], deviations[i])
            };
            let (n, m, m2) = tree::fold(chunks, moments, chan);
            (*mean, *variance) = (m, m2 / n);
        }
    }

    fn update_running(&self, cx: &mut Forward<'_>) {
        let n = (cx.pass.samples().live * self.shape.pixels()) as f64;
        // PyTorch refuses a batch of one value a channel; so does the model's check.
        let unbiased = if n > 1.0 { n / (n - 1.0) } else { 1.0 };
        for (buffer, batch, factor) in [
            (self.mean, &self.total[0], 1.0),
            (self.var, &self.total[1], unbiased),
        ] {
            for (running, &batch) in cx.params.buffer_mut(buffer).iter_mut().zip(batch) {
                let old = f64::from(*running);
                *running = (old * (1.0 - self.momentum) + batch * factor * self.momentum) as f32;
            }
        }
        cx.params.count(self.batches);
    }
}

/// The scale and the shift of one channel in evaluation: `y = x·scale + shift`, multiplied and
/// added with two roundings. Training, evaluation and packing share this function.
pub fn scale_and_shift(gamma: f32, beta: f32, mean: f32, var: f32, eps: f64) -> (f32, f32) {
    let inverse = inverse_deviation(f64::from(var), eps);
    let scale = gamma * inverse;
    (scale, beta - mean * scale)
}

/// `1 / √(σ² + ε)`
fn inverse_deviation(var: f64, eps: f64) -> f32 {
    (1.0 / (var + eps).sqrt()) as f32
}

impl Op for BatchNormOp {
    fn forward(&mut self, mut cx: Forward<'_>) {
        self.prepare(&mut cx);
        let len = self.shape.len();
        let (x, ew) = (cx.x(0), &cx.pass.engine.kernels.ew);
        let (scale, shift) = (&self.scale, &self.shift);
        cx.pass
            .rows
            .write(cx.y, len, &mut self.scratch, |rows, y, _| {
                (ew.affine)(&x[rows.start * len..rows.end * len], scale, shift, y);
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let len = self.shape.len();
        let (x, dy, ew) = (cx.x(0), cx.dy, &cx.pass.engine.kernels.ew);
        self.sum(cx.pass, |rows| {
            let range = rows.start * len..rows.end * len;
            (&x[range.clone()], &dy[range])
        });
        self.coefficients(&mut cx);
        let (a, b, d) = (&self.a, &self.b, &self.d);
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |rows, dx, _| {
                let range = rows.start * len..rows.end * len;
                (ew.batch_norm_grad)(&x[range.clone()], &dy[range], a, b, d, dx);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_every_isa, fill};
    use crate::tape::Tape;

    fn record(tape: &mut Tape, shape: Shape, mode: Mode) -> (Vec<Value>, Value) {
        let x = tape.input(shape, true);
        let y = BatchNormOp::record(tape, "bn", x, 1e-5, 0.1).unwrap();
        tape.seal(true);
        tape.pass.mode = mode;
        fill(1, tape.value_mut(x));
        fill(2, tape.params.values_mut());
        if mode == Mode::Eval {
            let buffers = tape.params.buffer_values_mut();
            fill(3, buffers);
            buffers.iter_mut().for_each(|x| *x = x.abs() + 0.2);
        }
        (vec![x], y)
    }

    #[test]
    fn gradients_match_finite_differences() {
        for (shape, rows) in [
            (Shape::image(3, 4, 5), 7),
            (Shape::image(16, 3, 3), 2),
            (Shape::vector(5), 40),
        ] {
            check_every_isa(|tape| record(tape, shape, Mode::Train), rows, 0.01);
            check_every_isa(|tape| record(tape, shape, Mode::Eval), rows, 0.01);
        }
    }

    #[test]
    fn a_large_mean_does_not_spoil_the_variance() {
        let engine = crate::kernels::select(Some("scalar")).unwrap();
        let mut tape = Tape::new(engine, 64);
        let (inputs, y) = record(&mut tape, Shape::image(1, 8, 8), Mode::Train);
        for x in tape.value_mut(inputs[0]) {
            *x = (*x * 8.0).round() / 8.0 + 4096.0;
        }
        tape.params.values_mut().copy_from_slice(&[1.0, 0.0]);
        tape.forward();
        let y = tape.value(y);
        let var = y.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>() / y.len() as f64;
        assert!((var - 1.0).abs() < 1e-2, "{var}");
    }
}
