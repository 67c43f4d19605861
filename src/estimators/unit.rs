//! The binary unit: the one layer that every estimator works in.
//!
//! ```text
//! deterministic  h = [x > 0]
//! stochastic     h ~ Bernoulli(p(x)), drawn as [u < p]; or [x > 0] where the
//!                pass asks for thresholds
//! dx += the estimator's pullback
//! ```
//!
//! A tie, `x = 0`, is 0: `p = 1/2` rounds to even. The uniform numbers of a sample
//! come from the stream addressed (seed, step, draw, key of the layer, sample), so they do not
//! depend on threads, on chunks or on the order of the layers' work, and all rows of
//! a sample share them.
//!
//! A layer whose input depends on no other sampled unit is where images become groups of
//! rows: its input has a row an image, its output one for each sample and replica. A graph
//! may have several such layers in parallel.

mod lines;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::link::{conditional, relaxed, relaxed_derivative};
use super::{Emit, Estimator, Outcome, Part, Roles, Signal, Units as Row};
use crate::random::fill_uniform;
use crate::tape::{
    Backward, BufferId, Forward, Mode, Op, Params, Pass, Phase, Rows, Signals, Tape, Units, Value,
    tree,
};

/// How a binary unit fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Firing {
    /// `h = [x > 0]`
    #[serde(rename = "det")]
    Deterministic,
    /// `h ~ Bernoulli(p(x))`
    #[serde(rename = "stoch")]
    Stochastic,
}

/// Added to a layer's key for its second stream of uniform numbers: beyond the key
/// of any layer, on machines of 32 bits too.
const SECOND: usize = 1 << (usize::BITS / 2);

/// The layer; see the module's page.
pub struct BinaryUnit {
    firing: Firing,
    estimator: Arc<dyn Estimator>,
    roles: Roles,
    /// Where this layer's bits begin in the number of an outcome.
    first_bit: usize,
    /// The layer's part of the address of its noise.
    noise: usize,
    /// Whether its input has a row an image.
    expands: bool,
    len: usize,
    controls: Option<BufferId>,
    /// Temperature and scale of the control part in the pass under way.
    control: (f32, f32),
    /// Adjoints of the outputs of its own replicas, for each main row; or those of the
    /// main rows themselves, and their sums for each image.
    noted: [Vec<f32>; 2],
    /// For each sample of each image, image by image, what the rule's line is above the
    /// mean of those of the image's other samples.
    lines: Vec<f32>,
    /// The images of a full batch, and how they are cut.
    images: Rows,
    slots: Vec<Slot>,
}

/// One row's numbers, and a chunk's sums.
struct Slot {
    p: Vec<f32>,
    u: Vec<f32>,
    v: Vec<f32>,
    zeros: Vec<f32>,
    noted: Vec<f32>,
    /// An image's gradient without its control part, and that part.
    totals: [Vec<f32>; 2],
    /// Sums for the learned numbers: of the leaf under way, and of the chunk's leaves.
    sums: [f64; 3],
    node: [f64; 3],
}

/// Adds a gradient and its control part to Σ g², Σ g·c and Σ c².
fn learn_from(sums: &mut [f64; 3], g: f32, control: f32) {
    let (g, control) = (f64::from(g), f64::from(control));
    sums[0] += g * g;
    sums[1] += g * control;
    sums[2] += control * control;
}

impl BinaryUnit {
    /// Records a layer that is sampled once, without replicas.
    pub fn record(
        tape: &mut Tape,
        x: Value,
        firing: Firing,
        estimator: Arc<dyn Estimator>,
    ) -> Value {
        let part = Part::alone(tape.nodes());
        Self::record_as(tape, x, firing, estimator, part, "unit")
    }

    /// Records a layer with its part in a network whose images have a group of rows.
    /// Learned numbers become the buffer `{name}.controls`.
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
            roles,
            first_bit,
            noise,
        } = part;
        let begin = estimator.controls();
        let controls = (!begin.is_empty()).then(|| {
            let id = tape
                .params
                .add_buffer(format!("{name}.controls"), &[begin.len()], 0.0);
            tape.params.buffer_mut(id).copy_from_slice(begin);
            id
        });
        let noted = if estimator.probes() {
            tape.full().live / roles.replicas() * len
        } else {
            0
        };
        let both_noted = estimator.probes_samples();
        let draws_lines = both_noted && controls.is_some();
        let lines = if draws_lines { noted / len } else { 0 };
        let op = Self {
            firing,
            estimator,
            first_bit,
            noise,
            expands: !tape.is_expanded(x),
            len,
            controls,
            control: (1.0, 0.0),
            noted: [0, 1].map(|i| {
                let used = i < roles.own.len() || both_noted;
                vec![0.0; if used { noted } else { 0 }]
            }),
            roles,
            lines: vec![0.0; lines],
            images: Rows::new(tape.capacity()),
            slots: (0..tape.slots(x).max(Rows::chunks_of(tape.full().live)))
                .map(|_| Slot {
                    p: vec![0.0; len],
                    u: vec![0.0; len],
                    v: vec![0.0; len],
                    zeros: vec![0.0; len],
                    noted: vec![0.0; len],
                    totals: [0, 1].map(|_| vec![0.0; if draws_lines { len } else { 0 }]),
                    sums: [0.0; 3],
                    node: [0.0; 3],
                })
                .collect(),
        };
        let bits = op.roles.emits.iter().all(|e| e.is_bit()) && !op.estimator.relaxes();
        let h = tape.push_expanded(Box::new(op), &[x], shape);
        if bits {
            tape.declare_bits(h);
        }
        h
    }

    /// Whether units are sampled rather than thresholded.
    fn samples(&self, pass: &Pass) -> bool {
        let exploring = pass.mode == Mode::Train && self.estimator.explores();
        pass.units == Units::Sample && (self.firing == Firing::Stochastic || exploring)
    }

    /// The uniform numbers of a row's sample.
    fn draw(&self, pass: &Pass, row: usize, u: &mut [f32]) {
        if !pass.enumerate {
            // Where samples differ below, a rule without a baseline draws the same
            // noise for all of an image's: their losses then differ less for reasons
            // that the layers below have no part in.
            let shares = self.estimator.flips() && !self.expands;
            let row = if shares { pass.group.image(row) } else { row };
            return fill_uniform(&mut pass.noise(self.noise, row), u);
        }
        // An image has a row for each outcome of all the bits.
        let outcome = row / pass.group.images;
        for (i, u) in u.iter_mut().enumerate() {
            // 0 is below every probability, 1 below none.
            let bit = outcome >> (self.first_bit + i) & 1;
            *u = if bit == 1 { 0.0 } else { 1.0 };
        }
    }

    fn emit(&self, pass: &Pass, row: usize) -> Emit {
        match self.roles.emits[pass.group.replica(row)] {
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

    /// Temperature and scale at the pass's step.
    fn control_of(&self, params: &Params, pass: &Pass) -> (f32, f32) {
        let controls = self.controls.map_or(&[][..], |id| params.buffer(id));
        self.estimator
            .control(pass.temperature, controls, pass.noise.step)
    }

    /// The gradient that a row passes to its `x`, added to `dx`.
    fn pull(&self, cx: &View<'_>, row: usize, slot: &mut Slot, dx: &mut [f32]) {
        let (pass, signals, len) = (cx.pass, cx.signals, self.len);
        let (estimator, needs) = (&self.estimator, self.estimator.needs());
        let ew = &pass.engine.kernels.ew;
        let x = &cx.x[self.input_row(pass, row) * len..][..len];
        let range = row * len..(row + 1) * len;
        if needs.p {
            let link = estimator.link();
            link.probabilities(ew, pass.slope, x, &mut slot.p);
        }
        if needs.u {
            self.draw(pass, row, &mut slot.u);
        }
        if needs.v {
            fill_uniform(&mut pass.noise(self.noise + SECOND, row), &mut slot.v);
        }
        let noted = if estimator.probes_samples() {
            self.others(pass, row, &mut slot.noted);
            [&*slot.noted, &*slot.zeros]
        } else {
            [0, 1].map(|i| self.noted[i].get(range.clone()).unwrap_or(&slot.zeros))
        };
        let main = pass.group.main();
        let extra = [0, 1].map(|i| match self.roles.own.clone().nth(i) {
            Some(replica) if row < main => signals.losses[replica * main + row],
            _ => 0.0,
        });
        let h = &cx.h[range.clone()];
        let credit = match estimator.signal() {
            Signal::Loss => estimator.credit(Outcome {
                loss: signals.losses[row],
                extra,
                baseline: signals.baselines[row],
                weight: signals.weights[row],
                h,
                p: &slot.p,
                noted,
            }),
            _ => 0.0,
        };
        let units = Row {
            slope: pass.slope,
            temperature: self.control.0,
            x,
            p: &slot.p,
            u: &slot.u,
            v: &slot.v,
            h,
            dh: cx.dh.get(range).unwrap_or(&slot.zeros),
            credit,
            noted,
        };
        if self.controls.is_none() {
            return estimator.pullbacks(ew, units, dx);
        }
        let draws_lines = !self.lines.is_empty();
        let controls = if draws_lines {
            let group = pass.group;
            let at = group.image(row) * group.samples + row / group.images;
            [self.lines[at], 0.0]
        } else {
            extra.map(|loss| loss * signals.weights[row])
        };
        for (i, dx) in dx.iter_mut().enumerate() {
            let unit = units.at(i);
            let control = estimator.control_part(unit, controls);
            let g = estimator.pullback(unit) + self.control.1 * control;
            *dx += g;
            if !draws_lines {
                learn_from(&mut slot.sums, g, control);
            }
        }
    }

    /// The mean adjoint of the image's other samples.
    fn others(&self, pass: &Pass, row: usize, out: &mut [f32]) {
        let len = self.len;
        let [each, sum] = &self.noted;
        let others = (pass.group.samples - 1).max(1) as f32;
        let (own, image) = (&each[row * len..], pass.group.image(row));
        for ((out, &sum), &own) in out.iter_mut().zip(&sum[image * len..]).zip(own) {
            *out = (sum - own) / others;
        }
    }

    /// Notes the adjoints of the main rows, and their sums for each image.
    fn note_samples(&mut self, pass: &Pass, dy: &[f32]) {
        let (len, main) = (self.len, pass.group.main() * self.len);
        let [each, sum] = &mut self.noted;
        each[..main].copy_from_slice(&dy[..main]);
        let images = pass.group.images * len;
        sum[..images].fill(0.0);
        for sample in each[..main].chunks_exact(images) {
            for (sum, &dy) in sum.iter_mut().zip(sample) {
                *sum += dy;
            }
        }
    }

    /// The exact adjoint of a row whose unit emitted no bit, added to `dx`; of a
    /// sample, that of a straight-through unit.
    fn pull_through(&self, cx: &View<'_>, row: usize, slot: &mut Slot, dx: &mut [f32]) {
        let (pass, len) = (cx.pass, self.len);
        let replica = pass.group.replica(row);
        if cx.signals.grad_output[row] == 0.0 || replica >= self.roles.own.start {
            return;
        }
        let x = &cx.x[self.input_row(pass, row) * len..][..len];
        let (h, dh) = (&cx.h[row * len..][..len], &cx.dh[row * len..][..len]);
        let link = self.estimator.link();
        match self.emit(pass, row) {
            Emit::Mean | Emit::Sample => {
                let ew = &pass.engine.kernels.ew;
                link.probabilities(ew, pass.slope, x, &mut slot.p);
                for (i, dx) in dx.iter_mut().enumerate() {
                    *dx += dh[i] * link.derivative(pass.slope, x[i], slot.p[i]);
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

/// `a + b`, each of three sums for itself.
fn add(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| a[i] + b[i])
}

/// What a backward pass reads.
struct View<'a> {
    x: &'a [f32],
    h: &'a [f32],
    dh: &'a [f32],
    pass: &'a Pass,
    signals: &'a Signals,
}

impl Op for BinaryUnit {
    fn forward(&mut self, cx: Forward<'_>) {
        let (len, pass) = (self.len, cx.pass);
        self.control = self.control_of(cx.params, pass);
        let temperature = self.control.0;
        let x = cx.x(0);
        let ew = &pass.engine.kernels.ew;
        let mut slots = std::mem::take(&mut self.slots);
        let (this, link, sample) = (&*self, self.estimator.link(), self.samples(pass));
        pass.rows.write(cx.y, len, &mut slots, |rows, h, slot| {
            for (row, h) in rows.zip(h.chunks_exact_mut(len)) {
                let x = &x[this.input_row(pass, row) * len..][..len];
                if !sample {
                    (ew.step)(x, h);
                    continue;
                }
                let emit = this.emit(pass, row);
                if emit == Emit::Mean {
                    link.probabilities(ew, pass.slope, x, h);
                    continue;
                }
                this.draw(pass, row, &mut slot.u);
                if emit == Emit::Relaxed {
                    for (i, h) in h.iter_mut().enumerate() {
                        *h = relaxed(pass.slope, temperature, x[i], slot.u[i]);
                    }
                    continue;
                }
                link.probabilities(ew, pass.slope, x, &mut slot.p);
                match emit {
                    Emit::Opposite => slot.u.iter_mut().for_each(|u| *u = 1.0 - *u),
                    Emit::Conditional => {
                        fill_uniform(&mut pass.noise(this.noise + SECOND, row), &mut slot.v);
                        for (i, h) in h.iter_mut().enumerate() {
                            let bit = if slot.u[i] < slot.p[i] { 1.0 } else { 0.0 };
                            let (u, _) = conditional(slot.p[i], slot.v[i], bit);
                            *h = relaxed(pass.slope, temperature, x[i], u);
                        }
                        continue;
                    }
                    _ => {}
                }
                (ew.bernoulli)(&slot.p, &slot.u, h);
            }
        });
        self.slots = slots;
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (pass, len, main) = (cx.pass, self.len, cx.pass.group.main());
        let view = View {
            x: cx.x(0),
            h: cx.y(),
            dh: cx.dy,
            pass,
            signals: cx.signals,
        };
        let probe = pass.phase == Phase::Probe;
        if self.estimator.probes_samples() && (probe || !pass.probed) {
            self.note_samples(pass, cx.dy);
        } else if probe && self.estimator.probes() {
            for (noted, replica) in self.noted.iter_mut().zip(self.roles.own.clone()) {
                let from = replica * main * len;
                noted[..main * len].copy_from_slice(&cx.dy[from..][..main * len]);
            }
        }
        // What is not asked for stays unasked for: the layers below are skipped.
        if self.estimator.signal() == Signal::Nothing {
            return;
        }
        if probe && self.expands {
            return;
        }
        let drawn = (!self.lines.is_empty() && !probe).then(|| self.draw_lines(&view));
        let mut slots = std::mem::take(&mut self.slots);
        let mut chunks = 0;
        if let Some(dx) = cx.grads.of(0) {
            let this = &*self;
            // A score-function rule acts in main rows alone.
            let last = match this.estimator.signal() {
                Signal::Loss if !probe => main,
                _ => pass.rows.live,
            };
            let cut = dx.rows();
            chunks = cut.chunks();
            dx.add(&mut slots, |targets, dx, slot| {
                let mut each = dx.chunks_exact_mut(len);
                for (i, leaf) in cut.leaves_in(targets) {
                    slot.sums = [0.0; 3];
                    for (target, dx) in leaf.zip(&mut each) {
                        let step = if this.expands {
                            pass.group.images
                        } else {
                            pass.group.rows()
                        };
                        for row in (target..last).step_by(step) {
                            if probe {
                                this.pull_through(&view, row, slot, dx);
                            } else {
                                this.pull(&view, row, slot, dx);
                            }
                        }
                    }
                    slot.node = match i {
                        0 => slot.sums,
                        _ => add(slot.node, slot.sums),
                    };
                }
            });
        }
        if let Some(id) = self.controls
            && !probe
        {
            let sums = drawn.unwrap_or_else(|| tree::fold(chunks, |i| slots[i].node, add));
            let controls = cx.params.buffer_mut(id);
            self.estimator.adapt(controls, sums, pass.noise.step);
        }
        self.slots = slots;
    }

    fn narrows(&self, pass: &Pass) -> bool {
        self.estimator.signal() == Signal::Loss && pass.phase == Phase::Gradient
    }
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
