//! The layer [`AvgPool`] and its op.

use std::sync::Arc;

use super::layer::{Layer, Recorder};
use super::pool_spec::pool_spec;
use super::sides::Sides;
use super::sight::Sight;
use super::window::pooled;
use crate::error::Result;
use crate::pack::{Packed, Packer};
use crate::tape::{Backward, Forward, Op, Tape, Value};
use crate::tensor::Shape;

pool_spec!(
    /// Means over windows, without padding; rows and columns that do not fill a window are
    /// left out, as in PyTorch's `avg_pool2d`.
    ///
    /// ```text
    /// y = (Σ over the window) / n          dx += dy / n, for n pixels of a window
    /// ```
    ///
    /// The sum is divided once, so that over whole numbers below 2^24 it is the exact sum's
    /// nearest quotient: packing evaluates the same function.
    AvgPool
);

impl Layer for AvgPool {
    fn kind(&self) -> &'static str {
        "avg_pool"
    }

    fn settled(&self) -> Option<Arc<dyn Layer>> {
        Some(Arc::new(Self {
            stride: Some(self.step()),
            ..*self
        }))
    }

    fn describe(&self) -> String {
        let (kernel, stride) = (self.kernel.pair(), self.step());
        format!("average pool {kernel}, stride {stride}")
    }

    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape> {
        pooled(name, inputs[0], (self.kernel, self.step()), usize::MAX)
    }

    fn sight(&self) -> Sight {
        Sight::pool(self.kernel, self.step())
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let output = self.output(to.name, &[to.tape.shape(inputs[0])])?;
        let window = (self.kernel, self.step());
        Ok(AvgPoolOp::record(to.tape, inputs[0], output, window))
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let window = (self.kernel.height, self.kernel.width);
        Ok(at.avg_pool(&inputs[0], (window, self.step().packed(at)?)))
    }
}

/// The op.
pub(super) struct AvgPoolOp {
    input: Shape,
    output: Shape,
    kernel: Sides,
    stride: Sides,
    scratch: Vec<()>,
}

impl AvgPoolOp {
    pub(super) fn record(
        tape: &mut Tape,
        x: Value,
        output: Shape,
        (kernel, stride): (Sides, Sides),
    ) -> Value {
        let op = Self {
            input: tape.shape(x),
            output,
            kernel,
            stride,
            scratch: vec![(); tape.chunks(x)],
        };
        tape.push(Box::new(op), &[x], output)
    }

    /// Calls `visit(output pixel, input pixel)` for every pixel of every window.
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let (input, output, kernel) = (self.input, self.output, self.kernel);
        for pixel in 0..output.pixels() {
            let (y, x) = (pixel / output.width, pixel % output.width);
            for (i, j) in (0..kernel.height).flat_map(|i| (0..kernel.width).map(move |j| (i, j))) {
                let row = y * self.stride.height + i;
                visit(pixel, row * input.width + x * self.stride.width + j);
            }
        }
    }

    fn pixels(&self) -> f32 {
        self.kernel.area() as f32
    }
}

impl Op for AvgPoolOp {
    fn forward(&mut self, cx: Forward<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (this, x, c) = (&*self, cx.x(0), self.input.channels);
        let (input, output, n) = (self.input.len(), self.output.len(), self.pixels());
        cx.pass
            .rows
            .write(cx.y, output, &mut scratch, |rows, y, ()| {
                for (row, y) in rows.zip(y.chunks_exact_mut(output)) {
                    let x = &x[row * input..][..input];
                    y.fill(0.0);
                    this.each(|to, from| {
                        for (y, x) in y[to * c..][..c].iter_mut().zip(&x[from * c..][..c]) {
                            *y += x;
                        }
                    });
                    y.iter_mut().for_each(|y| *y /= n);
                }
            });
        self.scratch = scratch;
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (this, dy, c) = (&*self, cx.dy, self.input.channels);
        let (input, output, n) = (self.input.len(), self.output.len(), self.pixels());
        if let Some(dx) = cx.grads.of(0) {
            dx.add(&mut scratch, |rows, dx, ()| {
                for (row, dx) in rows.zip(dx.chunks_exact_mut(input)) {
                    let dy = &dy[row * output..][..output];
                    this.each(|from, to| {
                        for (dx, dy) in dx[to * c..][..c].iter_mut().zip(&dy[from * c..][..c]) {
                            *dx += dy / n;
                        }
                    });
                }
            });
        }
        self.scratch = scratch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check_layer;

    #[test]
    fn gradients_match_finite_differences() {
        for (input, kernel, stride, rows) in [
            (Shape::image(2, 4, 6), [2, 2], [2, 2], 3),
            (Shape::image(16, 5, 7), [3, 3], [2, 2], 2),
            (Shape::image(1, 6, 5), [3, 3], [1, 1], 20),
            (Shape::image(3, 1, 1), [1, 1], [1, 1], 2),
            (Shape::image(3, 5, 7), [3, 2], [1, 2], 2),
        ] {
            let (kernel, stride) = (Sides::from(kernel), Some(Sides::from(stride)));
            check_layer(&AvgPool { kernel, stride }, &[input], rows);
        }
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let input = Shape::image(1, 3, 20);
        for (kernel, stride) in [(4, 1), (0, 1), (2, 0)] {
            let (kernel, stride) = (Sides::both(kernel), Some(Sides::both(stride)));
            assert!(AvgPool { kernel, stride }.output("pool", &[input]).is_err());
        }
    }
}
