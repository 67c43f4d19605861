//! Control variates of rules that probe the samples: what each sample's line is above the
//! mean of those of the image's other samples, and what a layer learns of its scale.
//!
//! The samples of an image lie far apart in a layer's rows, and a line must be known of
//! all of them before any of them has a gradient. So this is a pass of its own, image by
//! image, in front of the one that adds the gradients.

use super::{BinaryUnit, Outcome, Row, Slot, View, add, learn_from};
use crate::tape::tree;

impl BinaryUnit {
    /// Draws the lines of all samples, and gives what is learned from them: Σ g², Σ g·c
    /// and Σ c² over the units of each image, whose samples are added up first.
    pub(super) fn draw_lines(&mut self, cx: &View<'_>) -> [f64; 3] {
        let group = cx.pass.group;
        let mut slots = std::mem::take(&mut self.slots);
        let mut lines = std::mem::take(&mut self.lines);
        let images = self.images.with_live(group.images);
        let this = &*self;
        images.write(
            &mut lines,
            group.samples,
            &mut slots,
            |chunk, lines, slot| {
                let mut each = lines.chunks_exact_mut(group.samples);
                for (i, leaf) in images.leaves_in(chunk) {
                    slot.sums = [0.0; 3];
                    for (image, lines) in leaf.zip(&mut each) {
                        this.draw_image(cx, image, lines, slot);
                    }
                    slot.node = match i {
                        0 => slot.sums,
                        _ => add(slot.node, slot.sums),
                    };
                }
            },
        );
        let sums = tree::fold(images.chunks(), |i| slots[i].node, add);
        (self.lines, self.slots) = (lines, slots);
        sums
    }

    /// Draws the lines of an image's samples, and adds what is learned from them to the
    /// sums.
    fn draw_image(&self, cx: &View<'_>, image: usize, lines: &mut [f32], slot: &mut Slot) {
        let images = cx.pass.group.images;
        for (sample, line) in lines.iter_mut().enumerate() {
            *line = self.line(cx, sample * images + image, slot);
        }
        let sum: f32 = lines.iter().sum();
        let others = (lines.len() - 1).max(1) as f32;
        slot.totals.iter_mut().for_each(|total| total.fill(0.0));
        for (sample, line) in lines.iter_mut().enumerate() {
            *line -= (sum - *line) / others;
            self.add_up(cx, sample * images + image, *line, slot);
        }
        for i in 0..self.len {
            let control = slot.totals[1][i];
            let g = slot.totals[0][i] + self.control.1 * control;
            learn_from(&mut slot.sums, g, control);
        }
    }

    /// What the rule's line is for a main row.
    fn line(&self, cx: &View<'_>, row: usize, slot: &mut Slot) -> f32 {
        self.ready_sample(cx, row, slot);
        self.estimator.line(self.outcome(cx, row, slot))
    }

    /// Adds a main row's gradient without its control part, and that part, to the totals.
    fn add_up(&self, cx: &View<'_>, row: usize, line: f32, slot: &mut Slot) {
        self.ready_sample(cx, row, slot);
        let (pass, len, estimator) = (cx.pass, self.len, &self.estimator);
        let credit = estimator.credit(self.outcome(cx, row, slot));
        let units = Row {
            slope: pass.slope,
            temperature: self.control.0,
            x: &cx.x[self.input_row(pass, row) * len..][..len],
            p: &slot.p,
            u: &slot.zeros,
            v: &slot.zeros,
            h: &cx.h[row * len..][..len],
            dh: &slot.zeros,
            credit,
            noted: [&slot.noted, &slot.zeros],
        };
        let [base, control] = &mut slot.totals;
        for (i, (base, control)) in base.iter_mut().zip(control).enumerate() {
            let unit = units.at(i);
            *base += estimator.pullback(unit);
            *control += estimator.control_part(unit, [line, 0.0]);
        }
    }

    /// The probabilities of a main row, and the mean adjoints of the image's other samples.
    fn ready_sample(&self, cx: &View<'_>, row: usize, slot: &mut Slot) {
        let (pass, len) = (cx.pass, self.len);
        let x = &cx.x[self.input_row(pass, row) * len..][..len];
        let (link, ew) = (self.estimator.link(), &pass.engine.kernels.ew);
        link.probabilities(ew, pass.slope, x, &mut slot.p);
        self.others(pass, row, &mut slot.noted);
    }

    /// A main row without extra ones.
    fn outcome<'a>(&self, cx: &View<'a>, row: usize, slot: &'a Slot) -> Outcome<'a> {
        Outcome {
            loss: cx.signals.losses[row],
            extra: [0.0; 2],
            baseline: cx.signals.baselines[row],
            weight: cx.signals.weights[row],
            h: &cx.h[row * self.len..][..self.len],
            p: &slot.p,
            noted: [&slot.noted, &slot.zeros],
        }
    }
}
