//! The layer [`Concat`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder};
use super::sight::Sight;
use crate::error::{Error, Result};
use crate::pack::{Packed, Packer};
use crate::tape::{Backward, Forward, Op, Value};
use crate::tensor::Shape;

/// The channels of several inputs side by side, as `torch.cat(..., dim=1)`.
///
/// ```text
/// y[pixel] = x_0[pixel], x_1[pixel], ...          dx_i += dy's channels of input i
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {}

impl Layer for Concat {
    fn kind(&self) -> &'static str {
        "concat"
    }

    fn arity(&self) -> std::ops::RangeInclusive<usize> {
        2..=usize::MAX
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        let Shape { height, width, .. } = inputs[0];
        let other = inputs
            .iter()
            .find(|s| (s.height, s.width) != (height, width));
        if let Some(other) = other {
            return Err(Error::spec(format!(
                "layer {name}: its inputs have the shapes {} and {other}; their heights and widths must be the same",
                inputs[0]
            )));
        }
        let channels = inputs
            .iter()
            .fold(0usize, |n, s| n.saturating_add(s.channels));
        Ok(Shape::image(channels, height, width))
    }

    fn makes_bits(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|&bits| bits)
    }

    fn sight(&self) -> Sight {
        Sight::Joined
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let shapes: Vec<Shape> = inputs.iter().map(|&x| to.tape.shape(x)).collect();
        let output = self.output(to.name, &shapes)?;
        let op = ConcatOp {
            channels: shapes.iter().map(|s| s.channels).collect(),
            output,
            scratch: vec![(); to.tape.chunks(inputs[0])],
        };
        let bits = inputs.iter().all(|&x| to.tape.is_bits(x));
        let y = to.tape.push(Box::new(op), inputs, output);
        if bits {
            to.tape.declare_bits(y);
        }
        Ok(y)
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        Ok(at.concat(inputs))
    }
}

struct ConcatOp {
    /// The channels of each input.
    channels: Vec<usize>,
    output: Shape,
    scratch: Vec<()>,
}

impl Op for ConcatOp {
    fn forward(&mut self, mut cx: Forward<'_>) {
        let y = std::mem::take(&mut cx.y);
        let (channels, output) = (&self.channels, self.output);
        let inputs = || channels.iter().enumerate().map(|(i, &c)| (cx.x(i), c));
        let len = output.len();
        cx.pass
            .rows
            .write(y, len, &mut self.scratch, |rows, y, ()| {
                let first = rows.start * output.pixels();
                for (pixel, y) in y.chunks_exact_mut(output.channels).enumerate() {
                    let mut at = 0;
                    for (x, c) in inputs() {
                        y[at..at + c].copy_from_slice(&x[(first + pixel) * c..][..c]);
                        at += c;
                    }
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (dy, output) = (cx.dy, self.output);
        let mut at = 0;
        for (i, &c) in self.channels.iter().enumerate() {
            if let Some(dx) = cx.grads.of(i) {
                dx.add(&mut self.scratch, |rows, dx, ()| {
                    let first = rows.start * output.pixels();
                    for (pixel, dx) in dx.chunks_exact_mut(c).enumerate() {
                        let dy = &dy[(first + pixel) * output.channels + at..][..c];
                        for (dx, dy) in dx.iter_mut().zip(dy) {
                            *dx += dy;
                        }
                    }
                });
            }
            at += c;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check_layer;

    #[test]
    fn gradients_match_finite_differences() {
        let with = |channels| Shape::image(channels, 2, 3);
        check_layer(&Concat {}, &[with(1), with(4)], 3);
        check_layer(&Concat {}, &[with(3), with(2), with(3)], 33);
    }

    #[test]
    fn inputs_of_other_sizes_are_refused() {
        let shapes = [Shape::image(1, 2, 3), Shape::image(4, 3, 2)];
        let error = Concat {}.output("both", &shapes).unwrap_err().to_string();
        assert!(
            error.contains("layer both") && error.contains("4,3,2"),
            "{error}"
        );
    }
}
