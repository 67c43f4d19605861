//! A loss of a program's own: one row of numbers and its label at a time.

use std::fmt::Debug;

use serde::{Serialize, Serializer};

use super::layer::{Layer, Recorder};
use crate::error::Result;
use crate::tape::{Backward, Forward, Op, Value};
use crate::tensor::Shape;

/// A loss that a program defines itself, for one row of numbers and its label.
pub trait RowLoss: Clone + Debug + Send + Sync + 'static {
    /// The loss of a row `x` of numbers, stored (height, width, channel), with that label;
    /// its gradient goes into `dx`, which holds zeros.
    fn loss(&self, x: &[f32], label: u32, dx: &mut [f32]) -> f32;
}

/// The layer: the loss of its input against the labels of the batch. A file can hold it,
/// by the type `own_loss`, and cannot be read again.
#[derive(Clone, Debug)]
pub struct OwnLoss<L>(pub L);

impl<L> Serialize for OwnLoss<L> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        serde::ser::SerializeStruct::end(to.serialize_struct("OwnLoss", 0)?)
    }
}

impl<L: RowLoss> Layer for OwnLoss<L> {
    fn kind(&self) -> &'static str {
        "own_loss"
    }

    fn output(&self, _name: &str, _inputs: &[Shape]) -> Result<Shape> {
        Ok(Shape::vector(1))
    }

    fn is_loss(&self) -> bool {
        true
    }

    /// Logits that this loss compares with classes are those of a classifier.
    fn reads_logits(&self) -> bool {
        true
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let x = inputs[0];
        let len = to.tape.shape(x).len();
        let op = OwnLossOp {
            loss: self.0.clone(),
            len,
            scratch: vec![vec![0.0; len]; to.tape.chunks(x)],
        };
        Ok(to.tape.push(Box::new(op), &[x], Shape::vector(1)))
    }
}

struct OwnLossOp<L> {
    loss: L,
    len: usize,
    /// A row's gradient.
    scratch: Vec<Vec<f32>>,
}

impl<L: RowLoss> Op for OwnLossOp<L> {
    fn forward(&mut self, mut cx: Forward<'_>) {
        let y = std::mem::take(&mut cx.y);
        let (x, labels, len, loss) = (cx.x(0), &cx.batch.labels, self.len, &self.loss);
        cx.pass.rows.write(y, 1, &mut self.scratch, |rows, y, d| {
            for (row, y) in rows.zip(y) {
                d.fill(0.0);
                *y = loss.loss(&x[row * len..][..len], labels[row], d);
            }
        });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (x, dl, labels) = (cx.x(0), cx.dy, &cx.batch.labels);
        let (len, loss) = (self.len, &self.loss);
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |rows, dx, d| {
                for (row, dx) in rows.zip(dx.chunks_exact_mut(len)) {
                    d.fill(0.0);
                    loss.loss(&x[row * len..][..len], labels[row], d);
                    for (dx, d) in dx.iter_mut().zip(&*d) {
                        *dx += dl[row] * d;
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

    #[derive(Clone, Debug)]
    struct Cubes;

    impl RowLoss for Cubes {
        fn loss(&self, x: &[f32], label: u32, dx: &mut [f32]) -> f32 {
            let c = label as f32;
            for (dx, x) in dx.iter_mut().zip(x) {
                *dx = 3.0 * c * x * x;
            }
            x.iter().map(|x| c * x * x * x).sum()
        }
    }

    #[test]
    fn the_gradient_is_the_loss_s_own() {
        check_every_isa(
            |tape| {
                let x = tape.input(Shape::image(2, 2, 3), true);
                let mut to = Recorder {
                    name: "",
                    noise: 0,
                    unit: None,
                    ignores_gradient: false,
                    loss_differences: None,
                    tape: &mut *tape,
                };
                let loss = OwnLoss(Cubes).record(&mut to, &[x]).unwrap();
                tape.seal(true);
                fill(1, tape.value_mut(x));
                for (row, label) in tape.batch.labels.iter_mut().enumerate() {
                    *label = 1 + row as u32 % 3;
                }
                (vec![x], loss)
            },
            5,
            0.01,
        );
    }
}
