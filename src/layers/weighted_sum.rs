//! The layer [`WeightedSum`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder};
use crate::error::{Error, Result};
use crate::tape::{Backward, Forward, Op, Value};
use crate::tensor::Shape;

/// A loss that is a weighted sum of others, row by row.
///
/// ```text
/// L = Σ_k w_k·L_k          dL_k += w_k·dL
/// ```
///
/// Its inputs are the losses `L_k`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedSum {
    /// The weight of each input.
    pub weights: Vec<f32>,
}

impl Layer for WeightedSum {
    fn kind(&self) -> &'static str {
        "weighted_sum"
    }

    fn arity(&self) -> std::ops::RangeInclusive<usize> {
        1..=usize::MAX
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        let one = Shape::vector(1);
        if let Some(other) = inputs.iter().find(|shape| **shape != one) {
            return Err(Error::spec(format!(
                "layer {name}: its inputs must be losses, one number a row, not {other}"
            )));
        }
        if inputs.len() != self.weights.len() || self.weights.iter().any(|w| !w.is_finite()) {
            return Err(Error::spec(format!(
                "layer {name}: it needs one finite weight for each of its {} inputs, not {:?}",
                inputs.len(),
                self.weights
            )));
        }
        Ok(one)
    }

    fn is_loss(&self) -> bool {
        true
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let op = SumOp {
            weights: self.weights.clone(),
            scratch: vec![(); to.tape.chunks(inputs[0])],
        };
        Ok(to.tape.push(Box::new(op), inputs, Shape::vector(1)))
    }
}

struct SumOp {
    weights: Vec<f32>,
    scratch: Vec<()>,
}

impl Op for SumOp {
    fn forward(&mut self, mut cx: Forward<'_>) {
        let y = std::mem::take(&mut cx.y);
        let weights = &self.weights;
        let losses = || weights.iter().enumerate().map(|(i, &w)| (cx.x(i), w));
        cx.pass.rows.write(y, 1, &mut self.scratch, |rows, y, ()| {
            for (row, y) in rows.zip(y) {
                *y = losses().map(|(loss, w)| w * loss[row]).sum();
            }
        });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let dy = cx.dy;
        for (i, &w) in self.weights.iter().enumerate() {
            if let Some(dx) = cx.grads.of(i) {
                dx.add(&mut self.scratch, |rows, dx, ()| {
                    for (dx, dy) in dx.iter_mut().zip(&dy[rows]) {
                        *dx += w * dy;
                    }
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check_layer;

    #[test]
    fn gradients_match_finite_differences() {
        let weights = vec![1.0, -0.5, 2.0];
        check_layer(&WeightedSum { weights }, &[Shape::vector(1); 3], 9);
    }

    #[test]
    fn weights_and_inputs_must_match() {
        let sum = |weights: &[f32]| WeightedSum {
            weights: weights.to_vec(),
        };
        let one = Shape::vector(1);
        assert!(sum(&[1.0, 2.0]).output("l", &[one]).is_err());
        assert!(sum(&[f32::NAN]).output("l", &[one]).is_err());
        assert!(sum(&[1.0]).output("l", &[Shape::vector(2)]).is_err());
    }
}
