//! The forward and the backward pass of the binary unit on a tape.

use super::{BinaryUnit, SECOND, Scratch, View, add};
use crate::estimators::probability::{conditional, relaxed};
use crate::estimators::{Emit, Rule, SavedGrads};
use crate::random::fill_uniform;
use crate::tape::{Backward, Forward, Op, Pass, Phase, share_chunks, tree};

impl BinaryUnit {
    /// Computes what the units of a row emit if they are sampled.
    fn emit_row(&self, pass: &Pass, row: usize, x: &[f32], h: &mut [f32], scratch: &mut Scratch) {
        let (ew, temperature) = (&pass.engine.kernels.ew, self.control.0);
        let (emit, probability) = (self.emit(pass, row), self.estimator.probability());
        if emit == Emit::Mean {
            return probability.probabilities(ew, pass.slope, x, h);
        }
        self.draw(pass, row, &mut scratch.u);
        if emit == Emit::Relaxed {
            return (ew.relaxed_bits)((pass.slope, temperature), x, &scratch.u, h);
        }
        probability.probabilities(ew, pass.slope, x, &mut scratch.p);
        if emit == Emit::Conditional {
            fill_uniform(&mut pass.noise(self.noise + SECOND, row), &mut scratch.v);
            let noise = scratch.u.iter().zip(&scratch.v).zip(&scratch.p);
            for ((h, &x), ((&u, &v), &p)) in h.iter_mut().zip(x).zip(noise) {
                let bit = if u < p { 1.0 } else { 0.0 };
                let (u, _) = conditional(p, v, bit);
                *h = relaxed(pass.slope, temperature, x, u);
            }
            return;
        }
        if emit == Emit::Opposite {
            scratch.u.iter_mut().for_each(|u| *u = 1.0 - *u);
        }
        (ew.bernoulli)(&scratch.p, &scratch.u, h);
    }

    /// Returns the number of rows that have a gradient, from the first one on: only primary rows
    /// for a score-function rule.
    fn end_of_rows(&self, pass: &Pass) -> usize {
        match self.estimator.rule() {
            Rule::ScoreFunction(_) if pass.phase == Phase::Gradient => pass.group.primary(),
            _ => pass.rows.live,
        }
    }

    /// Saves the gradients of the layer's outputs that its rule needs first.
    fn save_grads(&mut self, pass: &Pass, dy: &[f32]) {
        let control_variate = pass.phase == Phase::ControlVariate;
        match self.estimator.saved_grads() {
            SavedGrads::Samples if control_variate || !pass.grads_saved => {
                self.save_grads_of_samples(pass, dy);
            }
            SavedGrads::ExtraRows if control_variate => {
                let rows = pass.group.primary() * self.len;
                let own = self.particles.own.clone();
                for (saved, particle) in self.saved_grads.iter_mut().zip(own) {
                    saved[..rows].copy_from_slice(&dy[particle * rows..][..rows]);
                }
            }
            _ => {}
        }
    }
}

impl Op for BinaryUnit {
    fn forward(&mut self, cx: Forward<'_>) {
        let (len, pass) = (self.len, cx.pass);
        self.control = self.control_of(cx.params, pass);
        let x = cx.x(0);
        let step = pass.engine.kernels.ew.step;
        let mut scratch = std::mem::take(&mut self.scratch);
        let (this, sample) = (&*self, self.samples(pass));
        let rows = pass.rows;
        rows.write(cx.y, len, &mut scratch, |rows, h, scratch| {
            for (row, h) in rows.zip(h.chunks_exact_mut(len)) {
                let x = &x[this.input_row(pass, row) * len..][..len];
                match sample {
                    true => this.emit_row(pass, row, x, h, scratch),
                    false => step(x, h),
                }
            }
        });
        self.scratch = scratch;
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (pass, len) = (cx.pass, self.len);
        let view = View {
            x: cx.x(0),
            h: cx.y(),
            dh: cx.dy,
            pass,
            signals: cx.signals,
        };
        let control_variate = pass.phase == Phase::ControlVariate;
        self.save_grads(pass, cx.dy);
        // Nothing is added, so the tape does not compute gradients of the layers below.
        if matches!(self.estimator.rule(), Rule::NoGradient) {
            return;
        }
        if control_variate && self.expands {
            return;
        }
        let drawn = (!self.control_variates.is_empty() && !control_variate)
            .then(|| self.draw_control_variates(&view));
        let mut scratch = std::mem::take(&mut self.scratch);
        let (mut cut, ranks) = (pass.rows.with_live(0), cx.ranks);
        if let Some(dx) = cx.grads.of(0) {
            let this = &*self;
            let last = this.end_of_rows(pass);
            cut = dx.rows();
            dx.add(&mut scratch, |targets, dx, scratch| {
                let mut each = dx.chunks_exact_mut(len);
                for (i, leaf) in cut.leaves_in(targets) {
                    scratch.sums = [0.0; 3];
                    for (target, dx) in leaf.zip(&mut each) {
                        let step = match this.expands {
                            true => pass.group.images,
                            false => pass.group.rows(),
                        };
                        for row in (target..last).step_by(step) {
                            if control_variate {
                                this.add_exact_grad(&view, row, scratch, dx);
                            } else {
                                this.add_grad(&view, row, scratch, dx);
                            }
                        }
                    }
                    scratch.node = match i {
                        0 => scratch.sums,
                        _ => add(scratch.node, scratch.sums),
                    };
                }
            });
        }
        if let (Some(id), Some(rule)) = (self.controls, self.estimator.score_function())
            && !control_variate
        {
            share_chunks((cut, ranks), &mut scratch, |s, part| part(&mut s.node));
            let sums = drawn.unwrap_or_else(|| tree::fold(cut.chunks(), |i| scratch[i].node, add));
            let controls = cx.params.buffer_mut(id);
            rule.adapt(controls, sums, pass.noise.step);
        }
        self.scratch = scratch;
    }

    /// The gradients of an image's other rows are needed for each of its rows.
    fn couples_rows(&self) -> bool {
        self.estimator.saved_grads() != SavedGrads::None
    }

    fn narrows(&self, pass: &Pass) -> bool {
        self.estimator.score_function().is_some() && pass.phase == Phase::Gradient
    }
}
