//! The layer [`Add`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder, same_shapes};
use super::sight::Sight;
use crate::error::Result;
use crate::pack::{Packed, Packer};
use crate::tape::{Backward, Forward, Op, Value};
use crate::tensor::Shape;

/// The sum of several inputs of one shape.
///
/// ```text
/// y = x_0 + x_1 + ...          dx_i += dy
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl Layer for Add {
    fn kind(&self) -> &'static str {
        "add"
    }

    fn arity(&self) -> std::ops::RangeInclusive<usize> {
        2..=usize::MAX
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        same_shapes(name, inputs)?;
        Ok(inputs[0])
    }

    fn sight(&self) -> Sight {
        Sight::Place
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let shape = to.tape.shape(inputs[0]);
        let op = AddOp {
            len: shape.len(),
            inputs: inputs.len(),
            scratch: vec![(); to.tape.chunks(inputs[0])],
        };
        Ok(to.tape.push(Box::new(op), inputs, shape))
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        Ok(at.add(inputs))
    }
}

struct AddOp {
    len: usize,
    inputs: usize,
    scratch: Vec<()>,
}

impl Op for AddOp {
    fn forward(&mut self, mut cx: Forward<'_>) {
        let y = std::mem::take(&mut cx.y);
        let (len, x) = (self.len, cx.x(0));
        let others = || (1..self.inputs).map(|i| cx.x(i));
        cx.pass
            .rows
            .write(y, len, &mut self.scratch, |rows, y, ()| {
                let range = rows.start * len..rows.end * len;
                y.copy_from_slice(&x[range.clone()]);
                for x in others() {
                    add(y, &x[range.clone()]);
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (len, dy) = (self.len, cx.dy);
        for i in 0..self.inputs {
            if let Some(dx) = cx.grads.of(i) {
                dx.add(&mut self.scratch, |rows, dx, ()| {
                    add(dx, &dy[rows.start * len..rows.end * len]);
                });
            }
        }
    }
}

/// `y += x`
fn add(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check_layer;

    #[test]
    fn gradients_match_finite_differences() {
        let shape = Shape::image(3, 2, 5);
        for inputs in [2, 3, 5] {
            check_layer(&Add {}, &vec![shape; inputs], 7);
        }
    }

    #[test]
    fn inputs_of_other_shapes_are_refused() {
        let shapes = [Shape::image(1, 2, 3), Shape::image(1, 3, 2)];
        let error = Add {}.output("sum", &shapes).unwrap_err().to_string();
        assert!(
            error.contains("layer sum") && error.contains("1,3,2"),
            "{error}"
        );
    }
}
