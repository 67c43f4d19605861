//! The layer [`CrossEntropy`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder};
use crate::error::{Error, Result};
use crate::tape::{Backward, Forward, Op, Tape, Value};
use crate::tensor::Shape;

/// Log-softmax and negative log-likelihood in one layer, a loss for each row.
///
/// ```text
/// L = log Σ_j exp(z_j - m) + m - z_label,  m = max z
/// dz_j += dL·(softmax(z)_j - t_j)          t = [j = label]
/// ```
/// With label smoothing ε the target is `t = (1-ε)[j = label] + ε/K` for `K` classes and
/// `L = Σ_j -t_j log softmax(z)_j`, as PyTorch's.
/// Rows keep their own losses, so that a score-function estimator can weigh each
/// row by its own signal.
///
/// Its input is the logits, (classes); the labels are the batch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropy {
    /// Label smoothing ε, from 0 up to but not including 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub label_smoothing: f32,
}

fn is_zero(x: &f32) -> bool {
    *x == 0.0
}

impl Layer for CrossEntropy {
    fn kind(&self) -> &'static str {
        "cross_entropy"
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return Err(Error::spec(format!(
                "layer {name}: label_smoothing must be from 0 up to but not including 1, not {}",
                self.label_smoothing
            )));
        }
        if inputs[0].pixels() != 1 {
            return Err(Error::spec(format!(
                "layer {name}: its input must be one number for each class, not {}",
                inputs[0]
            )));
        }
        Ok(Shape::vector(1))
    }

    fn is_loss(&self) -> bool {
        true
    }

    fn reads_logits(&self) -> bool {
        true
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        Ok(CrossEntropyOp::smoothed(
            to.tape,
            inputs[0],
            self.label_smoothing,
        ))
    }
}

/// The op of a [`CrossEntropy`] layer on a tape.
pub struct CrossEntropyOp {
    classes: usize,
    smoothing: f32,
    scratch: Vec<()>,
}

impl CrossEntropyOp {
    /// Records the layer over logits; labels are the pass's. Its output is one
    /// loss a row.
    pub fn record(tape: &mut Tape, logits: Value) -> Value {
        Self::smoothed(tape, logits, 0.0)
    }

    /// [`Self::record`] with label smoothing.
    pub fn smoothed(tape: &mut Tape, logits: Value, smoothing: f32) -> Value {
        let op = Self {
            smoothing,
            classes: tape.shape(logits).len(),
            scratch: vec![(); tape.chunks(logits)],
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

/// The negative log-likelihood of the class `label`, the loss of a row with the logits
/// `z`: the one way in which a loss is computed, in training, in evaluation and by
/// `bnn-cpu infer`. It stays exact where the probability is too small for a float.
pub fn row_loss(z: &[f32], label: usize) -> f32 {
    let (max, log_sum) = log_sum_exp(z);
    log_sum - (z[label] - max)
}

/// The [`row_loss`] of the mean of the class probabilities over samples, from the loss
/// of each sample: `-log(1/S Σ exp(-loss))`.
pub fn loss_of_mean(losses: &[f32]) -> f32 {
    let least = losses.iter().copied().fold(f32::INFINITY, f32::min);
    if least.is_infinite() {
        // None is finite: infinite if they are, no number if one is none.
        return losses.iter().sum();
    }
    let sum: f32 = losses.iter().map(|&l| libm::expf(least - l)).sum();
    least - libm::logf(sum / losses.len() as f32)
}

/// `log softmax(z)` into `out`.
pub fn log_softmax(z: &[f32], out: &mut [f32]) {
    let (max, log_sum) = log_sum_exp(z);
    for (out, &z) in out.iter_mut().zip(z) {
        *out = (z - max) - log_sum;
    }
}

/// The class probabilities, `softmax(z)`, into `out`.
pub fn softmax(z: &[f32], out: &mut [f32]) {
    log_softmax(z, out);
    out.iter_mut().for_each(|p| *p = libm::expf(*p));
}

impl Op for CrossEntropyOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let (z, labels, classes) = (cx.x(0), &cx.batch.labels, self.classes);
        let smoothing = self.smoothing;
        cx.pass
            .rows
            .write(cx.y, 1, &mut self.scratch, |rows, loss, ()| {
                for (row, loss) in rows.zip(loss) {
                    let z = &z[row * classes..][..classes];
                    *loss = row_loss(z, labels[row] as usize);
                    if smoothing > 0.0 {
                        let (max, log_sum) = log_sum_exp(z);
                        let mean = z.iter().map(|z| log_sum - (z - max)).sum::<f32>();
                        *loss += smoothing * (mean / classes as f32 - *loss);
                    }
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (z, dl, labels, classes) = (cx.x(0), cx.dy, &cx.batch.labels, self.classes);
        let (others, own) = match self.smoothing {
            0.0 => (0.0, 1.0),
            smoothing => {
                let others = smoothing / classes as f32;
                (others, 1.0 - smoothing + others)
            }
        };
        if let Some(dz) = cx.grads.of(0) {
            dz.add(&mut self.scratch, |rows, dz, ()| {
                for (row, dz) in rows.zip(dz.chunks_exact_mut(classes)) {
                    let z = &z[row * classes..][..classes];
                    let (max, log_sum) = log_sum_exp(z);
                    for (j, (dz, &z)) in dz.iter_mut().zip(z).enumerate() {
                        let target = if j == labels[row] as usize {
                            own
                        } else {
                            others
                        };
                        *dz += dl[row] * (libm::expf((z - max) - log_sum) - target);
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_every_isa, fill};

    #[test]
    fn gradients_match_finite_differences() {
        let sizes = [(10, 5, 0.0), (2, 1, 0.0), (1000, 2, 0.0), (10, 5, 0.2)];
        for (classes, rows, smoothing) in sizes {
            check_every_isa(
                |tape| {
                    let z = tape.input(Shape::vector(classes), true);
                    let loss = CrossEntropyOp::smoothed(tape, z, smoothing);
                    tape.seal(true);
                    fill(1, tape.value_mut(z));
                    for (i, label) in tape.batch.labels.iter_mut().enumerate() {
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
    fn a_loss_is_exact_where_its_probability_is_no_float() {
        assert_eq!(row_loss(&[0.0, 250.0, -7.0], 0), 250.0);
        assert_eq!(row_loss(&[0.0, 250.0, -7.0], 1), 0.0);
        assert_eq!(row_loss(&[3.0, 3.0], 1), libm::logf(2.0));
        // The mean of one sample is that sample, of equal ones any of them.
        for loss in [0.0, 0.25, 87.5, 250.0, 1e30] {
            assert_eq!(loss_of_mean(&[loss]), loss);
            assert_eq!(loss_of_mean(&[loss; 4]), loss);
        }
        // (exp(-1) + exp(-2)) / 2, and one sample of four that counts alone.
        let mean = ((-1f64).exp() + (-2f64).exp()) / 2.0;
        assert!((f64::from(loss_of_mean(&[1.0, 2.0])) + mean.ln()).abs() < 1e-6);
        assert_eq!(loss_of_mean(&[f32::INFINITY; 2]), f32::INFINITY);
        assert!(loss_of_mean(&[f32::INFINITY, f32::NAN]).is_nan());
        assert!(loss_of_mean(&[1.0, f32::NAN]).is_nan());
        let one = f64::from(loss_of_mean(&[250.0, 1e4, 1e5, 1e6]));
        assert!((one - 250.0 - 4f64.ln()).abs() < 1e-4, "{one}");
    }

    #[test]
    fn huge_logits_stay_finite() {
        let mut out = [0.0; 3];
        log_softmax(&[1e30, -1e30, 0.0], &mut out);
        assert_eq!(out, [0.0, -2e30, -1e30]);
        softmax(&[1e30, -1e30, 0.0], &mut out);
        assert_eq!(out, [1.0, 0.0, 0.0]);
    }
}
