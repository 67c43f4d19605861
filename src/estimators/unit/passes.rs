//! The unit on a tape: what it emits on the way forwards, and the gradients that it adds on
//! the way back.

use super::{BinaryUnit, SECOND, View, add};
use crate::estimators::probability::{conditional, relaxed};
use crate::estimators::{Emit, Rule, SavedGrads};
use crate::random::fill_uniform;
use crate::tape::{Backward, Forward, Op, Pass, Phase, tree};

impl Op for BinaryUnit {
    fn forward(&mut self, cx: Forward<'_>) {
        let (len, pass) = (self.len, cx.pass);
        self.control = self.control_of(cx.params, pass);
        let temperature = self.control.0;
        let x = cx.x(0);
        let ew = &pass.engine.kernels.ew;
        let mut scratch = std::mem::take(&mut self.scratch);
        let (this, probability, sample) =
            (&*self, self.estimator.probability(), self.samples(pass));
        pass.rows
            .write(cx.y, len, &mut scratch, |rows, h, scratch| {
                for (row, h) in rows.zip(h.chunks_exact_mut(len)) {
                    let x = &x[this.input_row(pass, row) * len..][..len];
                    if !sample {
                        (ew.step)(x, h);
                        continue;
                    }
                    let emit = this.emit(pass, row);
                    if emit == Emit::Mean {
                        probability.probabilities(ew, pass.slope, x, h);
                        continue;
                    }
                    this.draw(pass, row, &mut scratch.u);
                    if emit == Emit::Relaxed {
                        for (i, h) in h.iter_mut().enumerate() {
                            *h = relaxed(pass.slope, temperature, x[i], scratch.u[i]);
                        }
                        continue;
                    }
                    probability.probabilities(ew, pass.slope, x, &mut scratch.p);
                    match emit {
                        Emit::Opposite => scratch.u.iter_mut().for_each(|u| *u = 1.0 - *u),
                        Emit::Conditional => {
                            fill_uniform(&mut pass.noise(this.noise + SECOND, row), &mut scratch.v);
                            for (i, h) in h.iter_mut().enumerate() {
                                let bit = if scratch.u[i] < scratch.p[i] {
                                    1.0
                                } else {
                                    0.0
                                };
                                let (u, _) = conditional(scratch.p[i], scratch.v[i], bit);
                                *h = relaxed(pass.slope, temperature, x[i], u);
                            }
                            continue;
                        }
                        _ => {}
                    }
                    (ew.bernoulli)(&scratch.p, &scratch.u, h);
                }
            });
        self.scratch = scratch;
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (pass, len, primary) = (cx.pass, self.len, cx.pass.group.primary());
        let view = View {
            x: cx.x(0),
            h: cx.y(),
            dh: cx.dy,
            pass,
            signals: cx.signals,
        };
        let control_variate = pass.phase == Phase::ControlVariate;
        if self.estimator.saved_grads() == SavedGrads::Samples
            && (control_variate || !pass.grads_saved)
        {
            self.save_grads_of_samples(pass, cx.dy);
        } else if control_variate && self.estimator.saved_grads() == SavedGrads::ExtraRows {
            for (saved_grads, particle) in
                self.saved_grads.iter_mut().zip(self.particles.own.clone())
            {
                let from = particle * primary * len;
                saved_grads[..primary * len].copy_from_slice(&cx.dy[from..][..primary * len]);
            }
        }
        // Nothing is added, so the tape spares the layers below their gradients.
        if matches!(self.estimator.rule(), Rule::NoGradient) {
            return;
        }
        if control_variate && self.expands {
            return;
        }
        let drawn = (!self.control_variates.is_empty() && !control_variate)
            .then(|| self.draw_control_variates(&view));
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut chunks = 0;
        if let Some(dx) = cx.grads.of(0) {
            let this = &*self;
            // A score-function rule acts in primary rows alone.
            let last = match this.estimator.rule() {
                Rule::ScoreFunction(_) if !control_variate => primary,
                _ => pass.rows.live,
            };
            let cut = dx.rows();
            chunks = cut.chunks();
            dx.add(&mut scratch, |targets, dx, scratch| {
                let mut each = dx.chunks_exact_mut(len);
                for (i, leaf) in cut.leaves_in(targets) {
                    scratch.sums = [0.0; 3];
                    for (target, dx) in leaf.zip(&mut each) {
                        let step = if this.expands {
                            pass.group.images
                        } else {
                            pass.group.rows()
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
            let sums = drawn.unwrap_or_else(|| tree::fold(chunks, |i| scratch[i].node, add));
            let controls = cx.params.buffer_mut(id);
            rule.adapt(controls, sums, pass.noise.step);
        }
        self.scratch = scratch;
    }

    fn narrows(&self, pass: &Pass) -> bool {
        self.estimator.score_function().is_some() && pass.phase == Phase::Gradient
    }
}
