//! The layer [`Activation`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder};
use super::sight::Sight;
use crate::error::Result;
use crate::pack::{Map, Packed, Packer};
use crate::packed;
use crate::tape::{Backward, Forward, Op, Tape, Value};
use crate::tensor::Shape;

/// Which activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// `max(x, 0)`; the slope does not apply.
    Relu,
    /// `(clip(a·x, -1, 1) + 1) / 2`
    #[serde(alias = "hard-sigmoid")]
    HardSigmoid,
    /// `1 / (1 + exp(-a·x))`
    Sigmoid,
}

/// Activations without a binary unit: ReLU, hard sigmoid and sigmoid.
///
/// ```text
/// relu          y = max(x, 0)                      dx += dy·[x > 0]
/// hard sigmoid  y = (clip(a·x, -1, 1) + 1) / 2     dx += dy·a/2·[|a·x| < 1]
/// sigmoid       y = 1 / (1 + exp(-a·x))            dx += dy·a·y·(1 - y)
/// ```
/// The slope `a` is that of the pass: slope annealing raises it over training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// Which one.
    pub function: Function,
}

impl Layer for Activation {
    fn kind(&self) -> &'static str {
        "activation"
    }

    fn label(&self) -> &str {
        match self.function {
            Function::Relu => "relu",
            Function::HardSigmoid => "hard_sigmoid",
            Function::Sigmoid => "sigmoid",
        }
    }

    fn output(&self, _name: &str, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn sight(&self) -> Sight {
        Sight::Place
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        Ok(ActivationOp::record(to.tape, inputs[0], self.function))
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let function = match self.function {
            Function::Relu => packed::Function::Relu,
            Function::HardSigmoid => packed::Function::HardSigmoid,
            Function::Sigmoid => packed::Function::Sigmoid,
        };
        let slope = at.slope();
        at.map(&inputs[0], Map::Function(function, slope))
    }
}

/// The op of an [`Activation`] layer on a tape.
pub struct ActivationOp {
    function: Function,
    len: usize,
    scratch: Vec<()>,
}

impl ActivationOp {
    /// Records the layer.
    pub fn record(tape: &mut Tape, x: Value, function: Function) -> Value {
        let shape = tape.shape(x);
        let op = Self {
            function,
            len: shape.len(),
            scratch: vec![(); tape.chunks(x)],
        };
        tape.push(Box::new(op), &[x], shape)
    }
}

impl Op for ActivationOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let (x, len, a) = (cx.x(0), self.len, cx.pass.slope);
        let (ew, function) = (&cx.pass.engine.kernels.ew, self.function);
        cx.pass
            .rows
            .write(cx.y, len, &mut self.scratch, |rows, y, ()| {
                let x = &x[rows.start * len..rows.end * len];
                match function {
                    Function::Relu => (ew.relu)(x, y),
                    Function::HardSigmoid => (ew.hard_sigmoid)(a, x, y),
                    Function::Sigmoid => (ew.sigmoid)(a, x, y),
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (x, y, dy) = (cx.x(0), cx.y(), cx.dy);
        let (len, a, function) = (self.len, cx.pass.slope, self.function);
        let ew = &cx.pass.engine.kernels.ew;
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |rows, dx, ()| {
                let range = rows.start * len..rows.end * len;
                let (x, y, dy) = (&x[range.clone()], &y[range.clone()], &dy[range]);
                match function {
                    Function::Relu => (ew.relu_grad)(x, dy, dx),
                    Function::HardSigmoid => (ew.hard_sigmoid_grad)(a, x, dy, dx),
                    Function::Sigmoid => (ew.sigmoid_grad)(a, y, dy, dx),
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check_every_isa, fill_apart};

    #[test]
    fn gradients_match_finite_differences() {
        for function in [Function::Relu, Function::HardSigmoid, Function::Sigmoid] {
            for (slope, rows) in [(1.0, 5), (2.5, 21)] {
                check_every_isa(
                    |tape| {
                        let x = tape.input(Shape::image(3, 2, 3), true);
                        let y = ActivationOp::record(tape, x, function);
                        tape.seal(true);
                        tape.pass.slope = slope;
                        // Odd multiples of 0.01: away from 0, from ±1 and from ±1/2.5.
                        fill_apart(1, 0.02, tape.value_mut(x));
                        (vec![x], y)
                    },
                    rows,
                    0.004,
                );
            }
        }
    }
}
