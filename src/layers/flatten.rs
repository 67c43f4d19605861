//! The layer [`Flatten`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder};
use super::sight::Sight;
use crate::error::Result;
use crate::pack::{Packed, Packer};
use crate::tape::{Backward, Forward, Op, Value};
use crate::tensor::Shape;

/// An image as one vector in PyTorch's order (channel, height, width), as
/// `torch.flatten(x, 1)`. A linear layer needs none before it: it reads an image in that
/// order by itself. It says something before a concatenation with a vector.
///
/// ```text
/// y[c·h·w + i·w + j] = x[c, i, j]          dx[c, i, j] += dy[c·h·w + i·w + j]
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Layer for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn output(&self, _name: &str, inputs: &[Shape]) -> Result<Shape> {
        Ok(Shape::vector(inputs[0].len()))
    }

    fn sight(&self) -> Sight {
        Sight::Flattened
    }

    fn makes_bits(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let x = inputs[0];
        let shape = to.tape.shape(x);
        let op = FlattenOp {
            stored: (0..shape.len()).map(|i| shape.stored_at(i)).collect(),
            scratch: vec![(); to.tape.chunks(x)],
        };
        let bits = to.tape.is_bits(x);
        let y = to.tape.push(Box::new(op), &[x], Shape::vector(shape.len()));
        if bits {
            to.tape.declare_bits(y);
        }
        Ok(y)
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        Ok(at.flatten(&inputs[0]))
    }
}

struct FlattenOp {
    /// Where number `i` of PyTorch's order is stored.
    stored: Vec<usize>,
    scratch: Vec<()>,
}

impl Op for FlattenOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let (stored, x) = (&self.stored, cx.x(0));
        let len = stored.len();
        cx.pass
            .rows
            .write(cx.y, len, &mut self.scratch, |rows, y, ()| {
                for (row, y) in rows.zip(y.chunks_exact_mut(len)) {
                    let x = &x[row * len..][..len];
                    for (y, &at) in y.iter_mut().zip(stored) {
                        *y = x[at];
                    }
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (stored, dy) = (&self.stored, cx.dy);
        let len = stored.len();
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |rows, dx, ()| {
                for (row, dx) in rows.zip(dx.chunks_exact_mut(len)) {
                    for (dy, &at) in dy[row * len..][..len].iter().zip(stored) {
                        dx[at] += dy;
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check_layer;

    #[test]
    fn gradients_match_finite_differences() {
        check_layer(&Flatten {}, &[Shape::image(3, 4, 2)], 9);
    }
}
