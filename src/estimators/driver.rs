//! [`Driver`]: forward and backward passes over a tape with sampled units.

use super::{Plan, Probability};
use crate::tape::{Mode, Phase, Tape, Value};

/// A binary layer as it was recorded on a tape.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// The input of the layer, its pre-activations.
    pub x: Value,
    /// The probability function of its bits.
    pub probability: Probability,
}

/// Runs forward and backward passes over a tape with sampled units, including the plan of rows, the
/// learning signals and the control-variate passes. It works with any tape whose root is one loss
/// per row.
///
/// A training step is [`Driver::forward`], then an assignment of the baselines in
/// [`crate::tape::Signals`], then [`Driver::backward`].
pub struct Driver {
    /// The value that holds one loss per row.
    loss: Value,
    /// Number of samples per image in training.
    samples: usize,
    /// For each particle in training, whether it is a sample of the network.
    particles: Vec<bool>,
    /// Whether a gradient needs a control-variate pass first, and whether that pass includes the
    /// samples.
    control_variate_pass: bool,
    saves_grads_of_samples: bool,
    units: Vec<Recorded>,
    grad_output: Vec<f32>,
}

impl Driver {
    /// Makes a driver of a sealed tape with `samples` samples per image in training. `plan` is the
    /// plan of the tape's sampled layers.
    ///
    /// # Panics
    /// Panics if `loss` is not one number per row.
    pub fn new(
        tape: &Tape,
        plan: &Plan,
        loss: Value,
        samples: usize,
        units: Vec<Recorded>,
    ) -> Self {
        assert_eq!(tape.shape(loss).len(), 1, "a loss is one number a row");
        Self {
            loss,
            samples,
            particles: plan.samples(),
            control_variate_pass: plan.needs_control_variate_pass(),
            saves_grads_of_samples: plan.saves_grads_of_samples(),
            units,
            grad_output: vec![0.0; tape.full().live],
        }
    }

    /// Runs the forward pass over the images in use: in training for all rows of an image, else for
    /// one row.
    pub fn forward(&mut self, tape: &mut Tape) {
        self.forward_watched(tape, |_| {});
    }

    /// As [`Self::forward`]; after each node, `done` is called with its index.
    pub fn forward_watched(&mut self, tape: &mut Tape, done: impl FnMut(usize)) {
        let (samples, particles) = match tape.pass.mode {
            Mode::Train => (self.samples, self.particles.len()),
            Mode::Eval => (1, 1),
        };
        tape.set_group(samples, particles);
        tape.forward_watched(done);
        tape.gather(self.loss);
        let rows = tape.pass.group.rows();
        let mut losses = std::mem::take(&mut tape.signals.losses);
        losses[..rows].copy_from_slice(tape.value(self.loss));
        tape.signals.losses = losses;
        let primary = tape.pass.group.primary();
        tape.signals.weights[..primary].fill(1.0 / primary as f32);
    }

    /// Returns the loss of each sample: those of the first sample of every image, then those of the
    /// second sample, and so on.
    pub fn losses<'a>(&self, tape: &'a Tape) -> &'a [f32] {
        &tape.value(self.loss)[..tape.pass.group.primary()]
    }

    /// Weights the outcomes of a pass that enumerated them by their probabilities, so that
    /// [`Self::backward`] with the estimator `reinforce` gives the exact gradient of the expected
    /// loss.
    ///
    /// # Panics
    /// Panics if the pass did not enumerate outcomes.
    pub fn weigh_outcomes(&mut self, tape: &mut Tape) {
        assert!(tape.pass.enumerate, "no outcomes were enumerated");
        let group = tape.pass.group;
        let mut weights = vec![1.0 / group.images as f64; group.primary()];
        let mut bit = 0;
        for unit in &self.units {
            let (len, x) = (tape.shape(unit.x).len(), tape.value(unit.x));
            for (row, weight) in weights.iter_mut().enumerate() {
                // If nothing below is sampled, an image has one row.
                let from = row % (x.len() / len) * len;
                for (k, &x) in x[from..from + len].iter().enumerate() {
                    let p = f64::from(unit.probability.of(tape.pass.slope, x));
                    let one = (row / group.images) >> (bit + k) & 1 == 1;
                    *weight *= if one { p } else { 1.0 - p };
                }
            }
            bit += len;
        }
        for (to, weight) in tape.signals.weights.iter_mut().zip(weights) {
            *to = weight as f32;
        }
    }

    /// Clears the gradients of the parameters and computes those of the mean loss of the samples of
    /// the last [`Self::forward`], by the estimators of the layers.
    ///
    /// # Panics
    /// Panics if the tape was not sealed for training.
    pub fn backward(&mut self, tape: &mut Tape) {
        tape.pass.grads_saved = self.control_variate_pass && tape.pass.mode == Mode::Train;
        if tape.pass.grads_saved {
            tape.pass.grads_saved = false;
            tape.pass.phase = Phase::ControlVariate;
            self.replay(tape, false);
            tape.pass.phase = Phase::Gradient;
            tape.pass.grads_saved = true;
        }
        tape.params.clear_grads();
        self.replay(tape, true);
        tape.params.settle_grads();
    }

    /// Runs a backward pass from the losses of the particles that are samples, which share the
    /// weight of their sample, or (with `samples` false) from the losses of the other particles.
    fn replay(&mut self, tape: &mut Tape, samples: bool) {
        let group = tape.pass.group;
        let of = &self.particles[..group.particles];
        let sharing = of.iter().filter(|&&s| s).count() as f32;
        for row in 0..group.rows() {
            let particle = group.particle(row);
            let weight = tape.signals.weights[row % group.primary()];
            self.grad_output[row] = match samples {
                true if of[particle] => weight / sharing,
                false if !of[particle] || (particle == 0 && self.saves_grads_of_samples) => weight,
                _ => 0.0,
            };
        }
        let rows = &self.grad_output[..group.rows()];
        tape.signals.grad_output[..rows.len()].copy_from_slice(rows);
        tape.backward_from(self.loss, |grad| grad.copy_from_slice(rows));
    }
}
