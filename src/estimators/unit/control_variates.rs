//! Control variates of rules that need the gradients of the samples: the difference between each
//! sample's control variate and the mean of those of the image's other samples, and the sums from
//! which a layer learns its scale.
//!
//! The samples of an image are not neighbouring rows of a layer, and the control variates of all of
//! them must be known before the gradient of any of them. Therefore a separate pass, image by
//! image, precedes the one that adds the gradients.

use super::{BinaryUnit, Outcome, Row, Scratch, View, add, learn_from};
use crate::tape::tree;

impl BinaryUnit {
    /// Computes the control variates of all samples, and returns the sums for learning: Σ g², Σ g·c
    /// and Σ c² over the units of each image, whose samples are added up first.
    pub(super) fn draw_control_variates(&mut self, cx: &View<'_>) -> [f64; 3] {
        let group = cx.pass.group;
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut control_variates = std::mem::take(&mut self.control_variates);
        let images = self.images.with_live(group.images);
        let this = &*self;
        images.write(
            &mut control_variates,
            group.samples,
            &mut scratch,
            |chunk, control_variates, scratch| {
                let mut each = control_variates.chunks_exact_mut(group.samples);
                for (i, leaf) in images.leaves_in(chunk) {
                    scratch.sums = [0.0; 3];
                    for (image, control_variates) in leaf.zip(&mut each) {
                        this.draw_image(cx, image, control_variates, scratch);
                    }
                    scratch.node = match i {
                        0 => scratch.sums,
                        _ => add(scratch.node, scratch.sums),
                    };
                }
            },
        );
        let sums = tree::fold(images.chunks(), |i| scratch[i].node, add);
        (self.control_variates, self.scratch) = (control_variates, scratch);
        sums
    }

    /// Computes the control variates of an image's samples, and adds to the sums for learning.
    fn draw_image(
        &self,
        cx: &View<'_>,
        image: usize,
        control_variates: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let images = cx.pass.group.images;
        for (sample, control_variate) in control_variates.iter_mut().enumerate() {
            *control_variate = self.control_variate(cx, sample * images + image, scratch);
        }
        let sum: f32 = control_variates.iter().sum();
        let others = (control_variates.len() - 1).max(1) as f32;
        scratch.totals.iter_mut().for_each(|total| total.fill(0.0));
        for (sample, control_variate) in control_variates.iter_mut().enumerate() {
            *control_variate -= (sum - *control_variate) / others;
            self.add_up(cx, sample * images + image, *control_variate, scratch);
        }
        for i in 0..self.len {
            let control = scratch.totals[1][i];
            let g = scratch.totals[0][i] + self.control.1 * control;
            learn_from(&mut scratch.sums, g, control);
        }
    }

    /// Returns the rule's control variate of a primary row.
    fn control_variate(&self, cx: &View<'_>, row: usize, scratch: &mut Scratch) -> f32 {
        self.ready_sample(cx, row, scratch);
        match self.estimator.score_function() {
            Some(rule) => rule.control_variate(self.outcome(cx, row, scratch)),
            None => 0.0,
        }
    }

    /// Adds a primary row's gradient without its control part, and the control part, to the totals.
    fn add_up(&self, cx: &View<'_>, row: usize, control_variate: f32, scratch: &mut Scratch) {
        self.ready_sample(cx, row, scratch);
        let (pass, len, estimator) = (cx.pass, self.len, &self.estimator);
        let Some(rule) = estimator.score_function() else {
            return;
        };
        let learning_signal = rule.learning_signal(self.outcome(cx, row, scratch));
        let units = Row {
            slope: pass.slope,
            temperature: self.control.0,
            x: &cx.x[self.input_row(pass, row) * len..][..len],
            p: &scratch.p,
            u: &scratch.zeros,
            v: &scratch.zeros,
            h: &cx.h[row * len..][..len],
            dh: &scratch.zeros,
            learning_signal,
            saved_grads: [&scratch.saved_grads, &scratch.zeros],
        };
        let [base, total] = &mut scratch.totals;
        let [_, control] = &mut scratch.parts;
        estimator.grads(&pass.engine.kernels.ew, units, base);
        rule.control_parts(units, [control_variate, 0.0], control);
        for (total, control) in total.iter_mut().zip(control) {
            *total += *control;
        }
    }

    /// Computes the probabilities of a primary row, and the mean gradients of the image's other
    /// samples.
    fn ready_sample(&self, cx: &View<'_>, row: usize, scratch: &mut Scratch) {
        let (pass, len) = (cx.pass, self.len);
        let x = &cx.x[self.input_row(pass, row) * len..][..len];
        let (probability, ew) = (self.estimator.probability(), &pass.engine.kernels.ew);
        probability.probabilities(ew, pass.slope, x, &mut scratch.p);
        self.others(pass, row, &mut scratch.saved_grads);
    }

    /// Returns the values of a primary row without extra rows.
    fn outcome<'a>(&self, cx: &View<'a>, row: usize, scratch: &'a Scratch) -> Outcome<'a> {
        Outcome {
            loss: cx.signals.losses[row],
            extra: [0.0; 2],
            baseline: cx.signals.baselines[row],
            weight: cx.signals.weights[row],
            h: &cx.h[row * self.len..][..self.len],
            p: &scratch.p,
            saved_grads: [&scratch.saved_grads, &scratch.zeros],
        }
    }
}
