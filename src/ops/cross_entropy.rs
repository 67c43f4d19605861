//! Log-softmax and negative log-likelihood in one layer, a loss for each row.
//!
//! ```text
//! L = log Σ_j exp(z_j - m) + m - z_label,  m = max z
//! dz_j += dL·(softmax(z)_j - [j = label])
//! ```
//! Rows keep their own losses, so that a score-function estimator can weigh each
//! row by its own signal.

use crate::tape::{Backward, Forward, Op, Tape, Value};
use crate::tensor::Shape;

/// The layer; see the module's page.
pub struct CrossEntropy {
    classes: usize,
    slots: Vec<()>,
}

impl CrossEntropy {
    /// Records the layer over logits; labels are the pass's. Its output is one
    /// loss a row.
    pub fn record(tape: &mut Tape, logits: Value) -> Value {
        let op = Self {
            classes: tape.shape(logits).len(),
            slots: vec![(); tape.slots()],
        };
        tape.push(Box::new(op), &[logits], Shape::vector(1))
    }
}

/// The largest logit and `log Σ exp(z - max)`.
fn log_sum_exp(z: &[f32]) -> (f32, f32) {
    let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = z.iter().map(|&z| libm::expf(z - max)).sum();
    (max, libm::logf(sum))
}

/// `log softmax(z)` into `out`.
pub fn log_softmax(z: &[f32], out: &mut [f32]) {
    let (max, log_sum) = log_sum_exp(z);
    for (out, &z) in out.iter_mut().zip(z) {
        *out = (z - max) - log_sum;
    }
}

impl Op for CrossEntropy {
    fn forward(&mut self, cx: Forward<'_>) {
        let (z, labels, classes) = (cx.x(0), &cx.pass.labels, self.classes);
        cx.pass
            .rows
            .write(cx.y, 1, &mut self.slots, |rows, loss, ()| {
                for (row, loss) in rows.zip(loss) {
                    let z = &z[row * classes..][..classes];
                    let (max, log_sum) = log_sum_exp(z);
                    *loss = log_sum - (z[labels[row] as usize] - max);
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (z, dl, labels, classes) = (cx.x(0), cx.dy, &cx.pass.labels, self.classes);
        if let Some(dz) = cx.grads.of(0) {
            dz.add(&mut self.slots, |rows, dz, ()| {
                for (row, dz) in rows.zip(dz.chunks_exact_mut(classes)) {
                    let z = &z[row * classes..][..classes];
                    let (max, log_sum) = log_sum_exp(z);
                    for (j, (dz, &z)) in dz.iter_mut().zip(z).enumerate() {
                        let hit = if j == labels[row] as usize { 1.0 } else { 0.0 };
                        *dz += dl[row] * (libm::expf((z - max) - log_sum) - hit);
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_every_isa, fill};

    #[test]
    fn gradients_match_finite_differences() {
        for (classes, rows) in [(10, 5), (2, 1), (1000, 2)] {
            check_every_isa(
                |tape| {
                    let z = tape.input(Shape::vector(classes), true);
                    let loss = CrossEntropy::record(tape, z);
                    tape.seal(true);
                    fill(1, tape.value_mut(z));
                    for (i, label) in tape.pass.labels.iter_mut().enumerate() {
                        *label = (i * 7 % classes) as u32;
                    }
                    (vec![z], loss)
                },
                rows,
                0.02,
            );
        }
    }

    #[test]
    fn huge_logits_stay_finite() {
        let mut out = [0.0; 3];
        log_softmax(&[1e30, -1e30, 0.0], &mut out);
        assert_eq!(out, [0.0, -2e30, -1e30]);
    }
}
