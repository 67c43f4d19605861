//! The binary unit: the layer in which all estimators are applied.
//!
//! ```text
//! deterministic  h = [x > 0]
//! stochastic     h ~ Bernoulli(p(x)), drawn as [u < p]; or [x > 0] if the pass
//!                evaluates units by thresholds
//! dx += the estimator's gradient
//! ```
//!
//! For `x = 0` the deterministic bit is 0. The uniform numbers of a sample come from the stream
//! with the key (seed, step, draw, key of the layer, sample), so they do not depend on threads,
//! chunks or the order in which layers are computed, and all rows of a sample share them.
//!
//! At a layer whose input does not depend on another sampled unit, images become groups of rows:
//! its input has one row per image, its output one row for each sample and particle. A graph may
//! have several such layers in parallel.

mod control_variates;
mod passes;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::probability::relaxed_derivative;
use super::{Emit, Estimator, Outcome, Part, Particles, SavedGrads, Units as Row};
use crate::random::fill_uniform;
use crate::tape::{BufferId, Mode, Params, Pass, Rows, Signals, Tape, Units, Value};

/// The mode in which a binary unit fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Firing {
    /// The bit is `h = [x > 0]`.
    #[serde(rename = "det", alias = "deterministic")]
    Deterministic,
    /// The bit is random, `h ~ Bernoulli(p(x))`.
    #[serde(rename = "stoch", alias = "stochastic")]
    Stochastic,
}

/// A number that is added to a layer's key for its second stream of uniform numbers. It is larger
/// than the key of any layer, also on 32-bit machines.
const SECOND: usize = 1 << (usize::BITS / 2);

/// The operation of a layer of binary units: it emits `h = [x > 0]`, or in the stochastic mode `h ~
/// Bernoulli(p(x))`, for each element of its input, and its backward pass adds the gradient of an
/// [`Estimator`].
pub struct BinaryUnit {
    firing: Firing,
    estimator: Arc<dyn Estimator>,
    particles: Particles,
    /// Index of this layer's first bit in the number of an outcome.
    first_bit: usize,
    /// The key of the layer's noise.
    noise: usize,
    /// Whether its input has one row per image, and its output a group of rows per image.
    expands: bool,
    len: usize,
    controls: Option<BufferId>,
    /// Temperature and scale of the control part in the current pass.
    control: (f32, f32),
    /// Gradients of the outputs in the layer's own particles, for each primary row; or gradients of
    /// the primary rows themselves, and their sums for each image.
    saved_grads: [Vec<f32>; 2],
    /// For each sample of each image, image by image, the rule's control variate minus the mean of
    /// those of the image's other samples.
    control_variates: Vec<f32>,
    /// The rows of a full batch of images, and how they are split into leaves and chunks.
    images: Rows,
    scratch: Vec<Scratch>,
}

/// The values of one row, and the sums of a chunk.
struct Scratch {
    p: Vec<f32>,
    u: Vec<f32>,
    v: Vec<f32>,
    zeros: Vec<f32>,
    saved_grads: Vec<f32>,
    /// A row's gradient without its control part, and the control part, if the rule has one.
    parts: [Vec<f32>; 2],
    /// The same, added up over an image's samples.
    totals: [Vec<f32>; 2],
    /// Sums for the learned numbers: of the current leaf, and of the chunk's leaves.
    sums: [f64; 3],
    node: [f64; 3],
}

impl Scratch {
    /// Makes buffers for `len` units; with parts if the rule has a control part, and with totals if
    /// the samples of an image are added up.
    fn new(len: usize, (parts, totals): (bool, bool)) -> Self {
        let row = || vec![0.0; len];
        let both = |used: bool| [0, 1].map(|_| vec![0.0; if used { len } else { 0 }]);
        Self {
            p: row(),
            u: row(),
            v: row(),
            zeros: row(),
            saved_grads: row(),
            parts: both(parts),
            totals: both(totals),
            sums: [0.0; 3],
            node: [0.0; 3],
        }
    }
}

/// Registers the learned numbers of a layer, if it has any, as the buffer `{name}.controls`.
fn add_learned(tape: &mut Tape, name: &str, begin: &[f32]) -> Option<BufferId> {
    if begin.is_empty() {
        return None;
    }
    let name = format!("{name}.controls");
    let id = tape.params.add_buffer(name, &[begin.len()], 0.0);
    tape.params.buffer_mut(id).copy_from_slice(begin);
    Some(id)
}

/// Adds a gradient and its control part to the sums Σ g², Σ g·c and Σ c².
fn learn_from(sums: &mut [f64; 3], g: f32, control: f32) {
    let (g, control) = (f64::from(g), f64::from(control));
    sums[0] += g * g;
    sums[1] += g * control;
    sums[2] += control * control;
}

impl BinaryUnit {
    /// Records a layer with one sample per image and no further particles.
    pub fn record(
        tape: &mut Tape,
        x: Value,
        firing: Firing,
        estimator: Arc<dyn Estimator>,
    ) -> Value {
        let part = Part::alone(tape.nodes());
        Self::record_as(tape, x, firing, estimator, part, "unit")
    }

    /// Records a layer that is part of a network in which images have groups of rows. Its learned
    /// numbers become the buffer `{name}.controls`.
    pub fn record_as(
        tape: &mut Tape,
        x: Value,
        firing: Firing,
        estimator: Arc<dyn Estimator>,
        part: Part,
        name: &str,
    ) -> Value {
        let shape = tape.shape(x);
        let len = shape.len();
        let Part {
            particles,
            first_bit,
            noise,
        } = part;
        let controls = add_learned(tape, name, estimator.learned());
        let saved_grads = if estimator.saved_grads() != SavedGrads::None {
            tape.full().live / particles.count() * len
        } else {
            0
        };
        let of_samples = estimator.saved_grads() == SavedGrads::Samples;
        let draws_control_variates = of_samples && controls.is_some();
        let control_variates = if draws_control_variates {
            saved_grads / len
        } else {
            0
        };
        let op = Self {
            firing,
            estimator,
            first_bit,
            noise,
            expands: !tape.is_expanded(x),
            len,
            controls,
            control: (1.0, 0.0),
            saved_grads: [0, 1].map(|i| {
                let used = i < particles.own.len() || of_samples;
                vec![0.0; if used { saved_grads } else { 0 }]
            }),
            particles,
            control_variates: vec![0.0; control_variates],
            images: Rows::new(tape.capacity()),
            scratch: (0..tape.chunks(x).max(Rows::chunks_of(tape.full().live)))
                .map(|_| Scratch::new(len, (controls.is_some(), draws_control_variates)))
                .collect(),
        };
        let bits = op.particles.emits.iter().all(|e| e.is_bit()) && !op.estimator.relaxes();
        let h = tape.push_expanded(Box::new(op), &[x], shape);
        if bits {
            tape.declare_bits(h);
        }
        h
    }

    /// Returns whether units are sampled rather than thresholded.
    fn samples(&self, pass: &Pass) -> bool {
        let exploring = pass.mode == Mode::Train && self.estimator.explores();
        pass.units == Units::Sample && (self.firing == Firing::Stochastic || exploring)
    }

    /// Draws the uniform numbers of a row's sample.
    fn draw(&self, pass: &Pass, row: usize, u: &mut [f32]) {
        if !pass.enumerate {
            // If the samples of an image differ below this layer, a rule without a baseline uses
            // the same noise for all of them. The difference of their losses then depends less on
            // noise that the layers below do not control.
            let shares = self.estimator.needs_differences() && !self.expands;
            let row = if shares { pass.group.image(row) } else { row };
            return fill_uniform(&mut pass.noise(self.noise, row), u);
        }
        // An image has one row for each outcome of all bits.
        let outcome = row / pass.group.images;
        for (i, u) in u.iter_mut().enumerate() {
            // The number 0 is below every probability, and 1 is below none.
            let bit = outcome >> (self.first_bit + i) & 1;
            *u = if bit == 1 { 0.0 } else { 1.0 };
        }
    }

    fn emit(&self, pass: &Pass, row: usize) -> Emit {
        match self.particles.emits[pass.group.particle(row)] {
            Emit::Sample if pass.mode == Mode::Train && self.estimator.relaxes() => Emit::Relaxed,
            emit => emit,
        }
    }

    fn input_row(&self, pass: &Pass, row: usize) -> usize {
        if self.expands {
            pass.group.image(row)
        } else {
            row
        }
    }

    /// Returns temperature and scale at the step of the pass.
    fn control_of(&self, params: &Params, pass: &Pass) -> (f32, f32) {
        let controls = self.controls.map_or(&[][..], |id| params.buffer(id));
        match self.estimator.score_function() {
            Some(rule) => rule.control(pass.temperature, controls, pass.noise.step),
            None => (pass.temperature, 0.0),
        }
    }

    /// Computes the values of a row that the rule needs beside pre-activations and bits.
    fn prepare(&self, pass: &Pass, row: usize, x: &[f32], scratch: &mut Scratch) {
        let (estimator, needs) = (&self.estimator, self.estimator.needs());
        if needs.p {
            let (probability, ew) = (estimator.probability(), &pass.engine.kernels.ew);
            probability.probabilities(ew, pass.slope, x, &mut scratch.p);
        }
        if needs.u {
            self.draw(pass, row, &mut scratch.u);
        }
        if needs.v {
            fill_uniform(&mut pass.noise(self.noise + SECOND, row), &mut scratch.v);
        }
    }

    /// Returns the losses of the extra rows of a primary row.
    fn extra_losses(&self, cx: &View<'_>, row: usize) -> [f32; 2] {
        let primary = cx.pass.group.primary();
        [0, 1].map(|i| match self.particles.own.clone().nth(i) {
            Some(particle) if row < primary => cx.signals.losses[particle * primary + row],
            _ => 0.0,
        })
    }

    /// Returns the values from which the control part of a row is computed: its control variate, or
    /// the weighted losses of its extra rows.
    fn control_signals(&self, cx: &View<'_>, row: usize, extra: [f32; 2]) -> [f32; 2] {
        if self.control_variates.is_empty() {
            return extra.map(|loss| loss * cx.signals.weights[row]);
        }
        let group = cx.pass.group;
        let at = group.image(row) * group.samples + row / group.images;
        [self.control_variates[at], 0.0]
    }

    /// Adds the gradient of a row with respect to its `x` to `dx`.
    fn add_grad(&self, cx: &View<'_>, row: usize, scratch: &mut Scratch, dx: &mut [f32]) {
        let (pass, signals, len) = (cx.pass, cx.signals, self.len);
        let (estimator, ew) = (&self.estimator, &pass.engine.kernels.ew);
        let x = &cx.x[self.input_row(pass, row) * len..][..len];
        let range = row * len..(row + 1) * len;
        self.prepare(pass, row, x, scratch);
        let saved_grads = if estimator.saved_grads() == SavedGrads::Samples {
            self.others(pass, row, &mut scratch.saved_grads);
            [&*scratch.saved_grads, &*scratch.zeros]
        } else {
            [0, 1].map(|i| {
                self.saved_grads[i]
                    .get(range.clone())
                    .unwrap_or(&scratch.zeros)
            })
        };
        let extra = self.extra_losses(cx, row);
        let h = &cx.h[range.clone()];
        let score_function = estimator.score_function();
        let learning_signal = score_function.map_or(0.0, |rule| {
            rule.learning_signal(Outcome {
                loss: signals.losses[row],
                extra,
                baseline: signals.baselines[row],
                weight: signals.weights[row],
                h,
                p: &scratch.p,
                saved_grads,
            })
        });
        let units = Row {
            slope: pass.slope,
            temperature: self.control.0,
            x,
            p: &scratch.p,
            u: &scratch.u,
            v: &scratch.v,
            h,
            dh: cx.dh.get(range).unwrap_or(&scratch.zeros),
            learning_signal,
            saved_grads,
        };
        let (Some(_), Some(rule)) = (self.controls, score_function) else {
            return estimator.grads(ew, units, dx);
        };
        let draws_control_variates = !self.control_variates.is_empty();
        let controls = self.control_signals(cx, row, extra);
        let [base, control] = &mut scratch.parts;
        base.fill(0.0);
        estimator.grads(ew, units, base);
        rule.control_parts(units, controls, control);
        for ((dx, &base), &control) in dx.iter_mut().zip(&*base).zip(&*control) {
            let g = base + self.control.1 * control;
            *dx += g;
            if !draws_control_variates {
                learn_from(&mut scratch.sums, g, control);
            }
        }
    }

    /// Computes the mean gradient of the image's other samples.
    fn others(&self, pass: &Pass, row: usize, out: &mut [f32]) {
        let len = self.len;
        let [each, sum] = &self.saved_grads;
        let others = (pass.group.samples - 1).max(1) as f32;
        let (own, image) = (&each[row * len..], pass.group.image(row));
        for ((out, &sum), &own) in out.iter_mut().zip(&sum[image * len..]).zip(own) {
            *out = (sum - own) / others;
        }
    }

    /// Saves the gradients of the primary rows, and their sums for each image.
    fn save_grads_of_samples(&mut self, pass: &Pass, dy: &[f32]) {
        let (len, primary) = (self.len, pass.group.primary() * self.len);
        let [each, sum] = &mut self.saved_grads;
        each[..primary].copy_from_slice(&dy[..primary]);
        let images = pass.group.images * len;
        sum[..images].fill(0.0);
        for sample in each[..primary].chunks_exact(images) {
            for (sum, &dy) in sum.iter_mut().zip(sample) {
                *sum += dy;
            }
        }
    }

    /// Adds the exact gradient of a row whose unit emitted no bit to `dx`; for a sample, the
    /// gradient of a straight-through unit.
    fn add_exact_grad(&self, cx: &View<'_>, row: usize, scratch: &mut Scratch, dx: &mut [f32]) {
        let (pass, len) = (cx.pass, self.len);
        let particle = pass.group.particle(row);
        if cx.signals.grad_output[row] == 0.0 || particle >= self.particles.own.start {
            return;
        }
        let x = &cx.x[self.input_row(pass, row) * len..][..len];
        let (h, dh) = (&cx.h[row * len..][..len], &cx.dh[row * len..][..len]);
        let probability = self.estimator.probability();
        match self.emit(pass, row) {
            Emit::Mean | Emit::Sample => {
                let ew = &pass.engine.kernels.ew;
                probability.probabilities(ew, pass.slope, x, &mut scratch.p);
                for (i, dx) in dx.iter_mut().enumerate() {
                    *dx += dh[i] * probability.derivative(pass.slope, x[i], scratch.p[i]);
                }
            }
            Emit::Relaxed => {
                for ((dx, &dh), &h) in dx.iter_mut().zip(dh).zip(h) {
                    *dx += dh * relaxed_derivative(pass.slope, self.control.0, h);
                }
            }
            Emit::Opposite | Emit::Conditional => {}
        }
    }
}

/// Returns the element-wise sum of `a` and `b`.
fn add(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| a[i] + b[i])
}

/// The values that a backward pass reads.
struct View<'a> {
    x: &'a [f32],
    h: &'a [f32],
    dh: &'a [f32],
    pass: &'a Pass,
    signals: &'a Signals,
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
