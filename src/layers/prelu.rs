//! The layer [`Prelu`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder};
use super::sight::Sight;
use super::tensor_spec::{TensorSpec, Tensors};
use crate::error::Result;
use crate::tape::{Backward, Forward, Op, ParamId, Tape, Value, share_chunks, tree};
use crate::tensor::Shape;

/// PyTorch's initial slope.
const INITIAL: f32 = 0.25;

/// Pixels that are summed in f32 before they join the f64 sum.
const BLOCK: usize = 256;

/// A rectifier whose slope below zero is learned, one for each channel; PyTorch's `PReLU`
/// with as many parameters as channels.
///
/// ```text
/// y  = x where x > 0, else a·x          a[c] begins at 0.25
/// dx += dy·(1 where x > 0, else a)      da[c] += Σ_rows,pixels dy·x·[x <= 0]
/// ```
///
/// Source: He et al. 2015 (arXiv 1502.01852).
///
/// Its parameter is `weight`, (channels).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prelu {}

impl Layer for Prelu {
    fn kind(&self) -> &'static str {
        "prelu"
    }

    fn describe(&self) -> String {
        "prelu, a slope a channel".into()
    }

    fn output(&self, _name: &str, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn tensors(&self, inputs: &[Shape]) -> Tensors {
        Tensors {
            params: vec![TensorSpec::new("weight", &[inputs[0].channels])],
            ..Tensors::default()
        }
    }

    fn sight(&self) -> Sight {
        Sight::Place
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        Ok(PreluOp::record(to.tape, to.name, inputs[0]))
    }
}

/// The op of a [`Prelu`] layer on a tape.
pub struct PreluOp {
    shape: Shape,
    slope: ParamId,
    scratch: Vec<Scratch>,
}

/// Σ dy·x·[x <= 0] over a block, over a leaf, and over the leaves of a chunk, which is a
/// node of the tree.
struct Scratch {
    block: Vec<f32>,
    leaf: Vec<f64>,
    node: Vec<f64>,
}

impl PreluOp {
    /// Records the layer with the parameter `{name}.weight` (channels of `x`).
    pub fn record(tape: &mut Tape, name: &str, x: Value) -> Value {
        let shape = tape.shape(x);
        let c = shape.channels;
        let scratch = |_| Scratch {
            block: vec![0.0; c],
            leaf: vec![0.0; c],
            node: vec![0.0; c],
        };
        let slope = tape.params.add(format!("{name}.weight"), &[c]);
        tape.params.set_initial(slope, INITIAL);
        let op = Self {
            shape,
            slope,
            scratch: (0..tape.chunks(x)).map(scratch).collect(),
        };
        tape.push(Box::new(op), &[x], shape)
    }
}

impl Op for PreluOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let (x, len, slope) = (cx.x(0), self.shape.len(), cx.params.value(self.slope));
        let ew = &cx.pass.engine.kernels.ew;
        cx.pass
            .rows
            .write(cx.y, len, &mut self.scratch, |rows, y, _| {
                (ew.prelu)(&x[rows.start * len..rows.end * len], slope, y);
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (c, len) = (self.shape.channels, self.shape.len());
        let (x, dy, ew) = (cx.x(0), cx.dy, &cx.pass.engine.kernels.ew);
        let rows = cx.pass.rows;
        rows.each(&mut self.scratch, |chunk, scratch| {
            for (i, leaf) in rows.leaves_in(chunk) {
                scratch.leaf.fill(0.0);
                let range = leaf.start * len..leaf.end * len;
                let (x, dy) = (&x[range.clone()], &dy[range]);
                for (x, dy) in x.chunks(BLOCK * c).zip(dy.chunks(BLOCK * c)) {
                    (ew.prelu_sums)(x, dy, &mut scratch.block);
                    for (sum, x) in scratch.leaf.iter_mut().zip(&mut scratch.block) {
                        *sum += f64::from(std::mem::take(x));
                    }
                }
                for (node, &sum) in scratch.node.iter_mut().zip(&scratch.leaf) {
                    *node = if i == 0 { sum } else { *node + sum };
                }
            }
        });
        let whole = (rows, cx.ranks);
        share_chunks(whole, &mut self.scratch, |s, part| part(&mut s.node));
        let scratch = &self.scratch[..rows.chunks()];
        for (i, grad) in cx.params.grad_mut(self.slope).iter_mut().enumerate() {
            *grad += tree::fold(scratch.len(), |s| scratch[s].node[i], |a, b| a + b) as f32;
        }
        let slope = cx.params.value(self.slope);
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |rows, dx, _| {
                let range = rows.start * len..rows.end * len;
                (ew.prelu_grad)(&x[range.clone()], &dy[range], slope, dx);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_every_isa, fill, fill_apart};

    #[test]
    fn gradients_match_finite_differences() {
        for (shape, rows) in [
            (Shape::image(3, 4, 5), 7),
            (Shape::image(16, 3, 3), 2),
            (Shape::image(1, 20, 20), 2),
            (Shape::vector(9), 40),
        ] {
            check_every_isa(
                |tape| {
                    let x = tape.input(shape, true);
                    let y = PreluOp::record(tape, "layer", x);
                    tape.seal(true);
                    // Odd multiples of 0.005: no step crosses 0.
                    fill_apart(1, 0.01, tape.value_mut(x));
                    fill(2, tape.params.values_mut());
                    (vec![x], y)
                },
                rows,
                0.002,
            );
        }
    }

    #[test]
    fn what_is_said_is_what_is_recorded() {
        crate::layers::testing::layer_on_tape(&Prelu {}, &[Shape::image(3, 2, 2)], 3);
    }
}
