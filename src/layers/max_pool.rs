//! The layer [`MaxPool`] and its op.

use std::sync::Arc;

use super::layer::{Layer, Recorder, Shapes, values};
use super::pool_spec::pool_spec;
use super::sides::Sides;
use super::sight::Sight;
use super::window::pooled;
use crate::error::Result;
use crate::kernels::elementwise::Pool;
use crate::pack::{Packed, Packer};
use crate::tape::{Backward, Forward, Op, Tape, Value};
use crate::tensor::Shape;

pool_spec!(
    /// Max-pool over windows, without padding; rows and columns that do not
    /// fill a window are left out, as in PyTorch.
    ///
    /// ```text
    /// y = max over the window          dx[argmax] += dy
    /// ```
    /// The first of equal maxima (in row order) takes the gradient.
    MaxPool
);

impl Layer for MaxPool {
    fn kind(&self) -> &'static str {
        "max_pool"
    }

    fn settled(&self) -> Option<Arc<dyn Layer>> {
        Some(Arc::new(Self {
            stride: Some(self.step()),
            ..*self
        }))
    }

    fn describe(&self) -> String {
        let (kernel, stride) = (self.kernel.pair(), self.step());
        format!("max-pool {kernel}, stride {stride}")
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        MaxPoolOp::output(name, inputs[0], self.kernel, self.step())
    }

    fn memory(&self, shapes: &Shapes, rows: usize, training: bool) -> u64 {
        // The places of the maxima, or the maxima's inputs, beside the values.
        values(shapes, rows, if training { 3 } else { 1 })
    }

    /// The largest of bits is a bit.
    fn makes_bits(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn sight(&self) -> Sight {
        Sight::pool(self.kernel, self.step())
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        MaxPoolOp::record(to.tape, "max_pool", inputs[0], self.kernel, self.step())
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let kernel = self.kernel.packed(at)?;
        Ok(at.max_pool(&inputs[0], kernel, self.step().packed(at)?))
    }
}

/// The op of a [`MaxPool`] layer on a tape.
pub struct MaxPoolOp {
    input: Shape,
    output: Shape,
    pool: Pool,
    /// For each chunk, which pixel of its window each output took.
    scratch: Vec<Vec<u8>>,
}

impl MaxPoolOp {
    /// Records the layer.
    ///
    /// # Errors
    /// As [`Self::output`].
    pub fn record(
        tape: &mut Tape,
        name: &str,
        x: Value,
        kernel: impl Into<Sides>,
        stride: impl Into<Sides>,
    ) -> Result<Value> {
        let (kernel, stride) = (kernel.into(), stride.into());
        let input = tape.shape(x);
        let output = Self::output(name, input, kernel, stride)?;
        let rows = tape.chunk(x);
        let op = Self {
            input,
            output,
            pool: Pool {
                height: input.height,
                width: input.width,
                channels: input.channels,
                kernel: (kernel.height, kernel.width),
                stride: (stride.height, stride.width),
            },
            scratch: (0..tape.chunks(x))
                .map(|_| vec![0; rows * output.len()])
                .collect(),
        };
        Ok(tape.push(Box::new(op), &[x], output))
    }

    /// The output shape.
    ///
    /// # Errors
    /// A window that is larger than the image or, on a side, than 16, or a zero.
    pub fn output(
        name: &str,
        input: Shape,
        kernel: impl Into<Sides>,
        stride: impl Into<Sides>,
    ) -> Result<Shape> {
        // Which pixel of its window a maximum is fits a byte.
        pooled(name, input, (kernel.into(), stride.into()), 16)
    }
}

impl Op for MaxPoolOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let (input, output, pool) = (self.input.len(), self.output.len(), &self.pool);
        let (x, ew) = (cx.x(0), &cx.pass.engine.kernels.ew);
        cx.pass
            .rows
            .write(cx.y, output, &mut self.scratch, |rows, y, index| {
                let x = &x[rows.start * input..rows.end * input];
                for ((x, y), index) in x
                    .chunks_exact(input)
                    .zip(y.chunks_exact_mut(output))
                    .zip(index.chunks_exact_mut(output))
                {
                    (ew.max_pool)(pool, x, y, index);
                }
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (input, output, pool) = (self.input.len(), self.output.len(), &self.pool);
        let (dy, ew) = (cx.dy, &cx.pass.engine.kernels.ew);
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut self.scratch, |rows, dx, index| {
                let dy = &dy[rows.start * output..rows.end * output];
                for ((dx, dy), index) in dx
                    .chunks_exact_mut(input)
                    .zip(dy.chunks_exact(output))
                    .zip(index.chunks_exact(output))
                {
                    (ew.max_pool_grad)(pool, dy, index, dx);
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
        for (input, kernel, stride, rows) in [
            (Shape::image(2, 4, 6), [2, 2], [2, 2], 3),
            (Shape::image(16, 5, 7), [3, 3], [2, 2], 2),
            (Shape::image(1, 6, 5), [3, 3], [1, 1], 20),
            (Shape::image(3, 1, 1), [1, 1], [1, 1], 2),
            (Shape::image(8, 5, 7), [3, 2], [1, 2], 2),
            (Shape::image(8, 5, 7), [2, 2], [1, 2], 2),
            (Shape::image(2, 2, 7), [1, 4], [1, 3], 3),
        ] {
            check_every_isa(
                |tape| {
                    let x = tape.input(input, true);
                    let y = MaxPoolOp::record(tape, "pool", x, kernel, stride).unwrap();
                    tape.seal(true);
                    fill_apart(1, 0.01, tape.value_mut(x));
                    (vec![x], y)
                },
                rows,
                0.002,
            );
        }
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let input = Shape::image(1, 3, 20);
        for (kernel, stride) in [(4, 1), (0, 1), (2, 0), (17, 1)] {
            assert!(MaxPoolOp::output("pool", input, kernel, stride).is_err());
        }
    }
}
