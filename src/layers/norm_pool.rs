//! The layer [`NormPool`] and its op.

use crate::error::Result;
use crate::kernels::elementwise::Pool;
use crate::kernels::gemm::Store;
use crate::tape::{Backward, Forward, Op, Pass, Tape, Value};
use crate::tensor::{Arena, Shape};

use super::batch_norm::{BatchNormOp, Statistics};
use super::max_pool::MaxPoolOp;
use super::sides::Sides;

/// Batch norm and the max-pool behind it, in one pass over memory each way.
///
/// The numbers are those of the two layers one after the other ([`BatchNormOp`],
/// [`super::MaxPool`]): forwards to the bit; backwards but for the order in which
/// the two sums of batch norm's gradient are added up. Only maxima have a gradient,
/// so those sums run over the pooled image, a quarter of the pixels:
///
/// ```text
/// y  = max over the window of (x·s + t)       at = the x of the maximum
/// dβ = Σ dy,  dγ = Σ dy·(at - μ) / √(σ² + ε)
/// dx = a·dy·[x is the window's maximum] + b·x + d
/// ```
/// with `a`, `b`, `d` of batch norm. What lies between the two layers is never
/// written down.
pub struct NormPool {
    pub(super) norm: BatchNormOp,
    pool: Pool,
    input: Shape,
    pub(super) output: Shape,
    /// For each chunk, the input of each maximum.
    scratch: Vec<Arena>,
}

impl NormPool {
    /// Whether the two layers can be computed as one, for an input of that shape.
    pub fn supports(input: Shape, kernel: impl Into<Sides>, stride: impl Into<Sides>) -> bool {
        let (kernel, stride) = (kernel.into(), stride.into());
        MaxPoolOp::output("", input, kernel, stride).is_ok() && pool(input, kernel, stride).fuses()
    }

    /// Records the two layers: a batch norm of that name, and a max-pool of 2 x 2.
    ///
    /// # Errors
    /// As for the two layers.
    pub fn record(
        tape: &mut Tape,
        name: &str,
        x: Value,
        settings: (f64, f64, Statistics),
    ) -> Result<Value> {
        let op = Self::build(tape, name, x, tape.shape(x), settings)?;
        let output = op.output;
        Ok(tape.push(Box::new(op), &[x], output))
    }

    /// The layer with its parameters, not yet on the tape.
    pub(super) fn build(
        tape: &mut Tape,
        name: &str,
        x: Value,
        input: Shape,
        settings: (f64, f64, Statistics),
    ) -> Result<Self> {
        let output = MaxPoolOp::output(name, input, 2, 2)?;
        let rows = tape.chunk(x);
        Ok(Self {
            norm: BatchNormOp::build(tape, name, x, input, settings)?,
            pool: pool(input, Sides::both(2), Sides::both(2)),
            input,
            output,
            scratch: (0..tape.chunks(x))
                .map(|_| Arena::zeros(rows * output.len()))
                .collect(),
        })
    }

    /// Normalises and pools the rows of `x` into `y`.
    pub(super) fn run(&mut self, pass: &Pass, x: &[f32], y: &mut [f32]) {
        let (input, output, pool) = (self.input.len(), self.output.len(), &self.pool);
        let (scale, shift) = (&self.norm.scale, &self.norm.shift);
        let ew = &pass.engine.kernels.ew;
        pass.rows
            .write(y, output, &mut self.scratch, |rows, y, at| {
                let x = &x[rows.start * input..rows.end * input];
                for ((x, y), at) in x
                    .chunks_exact(input)
                    .zip(y.chunks_exact_mut(output))
                    .zip(at.chunks_exact_mut(output))
                {
                    (ew.norm_max_pool)(pool, x, scale, shift, y, at);
                }
            });
    }

    /// The two sums of the gradient, and the gradients of γ and β.
    pub(super) fn sum(&mut self, cx: &mut Backward<'_>) {
        let (output, pass, dy) = (self.output.len(), cx.pass, cx.dy);
        let scratch = &self.scratch;
        self.norm.sum(pass, |rows| {
            let (chunk, first) = pass.rows.chunk_with(rows.start);
            let at = &scratch[chunk][first * output..][..rows.len() * output];
            (at, &dy[rows.start * output..rows.end * output])
        });
        self.norm.coefficients(cx);
    }

    /// Writes the gradient of `row`, whose input is `x`, to `dx`; after [`Self::sum`].
    pub(super) fn grad_of_input(
        &self,
        pass: &Pass,
        row: usize,
        (x, dy): (&[f32], &[f32]),
        dx: &mut [f32],
    ) {
        let (input, output) = (self.input.len(), self.output.len());
        let (chunk, within) = pass.rows.chunk_with(row);
        let at = &self.scratch[chunk][within * output..][..output];
        let (x, dy) = (&x[row * input..][..input], &dy[row * output..][..output]);
        let factors = (&*self.norm.a, &*self.norm.b, &*self.norm.d);
        (pass.engine.kernels.ew.norm_max_pool_grad)(&self.pool, x, (at, dy), factors, false, dx);
    }
}

fn pool(input: Shape, kernel: Sides, stride: Sides) -> Pool {
    Pool {
        height: input.height,
        width: input.width,
        channels: input.channels,
        kernel: (kernel.height, kernel.width),
        stride: (stride.height, stride.width),
    }
}

impl Op for NormPool {
    fn forward(&mut self, mut cx: Forward<'_>) {
        self.norm.prepare(&mut cx);
        let x = cx.x(0);
        self.run(cx.pass, x, cx.y);
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        self.sum(&mut cx);
        let (input, output, pool) = (self.input.len(), self.output.len(), &self.pool);
        let (x, dy, ew) = (cx.x(0), cx.dy, &cx.pass.engine.kernels.ew);
        let factors = (&*self.norm.a, &*self.norm.b, &*self.norm.d);
        if let Some(dx) = cx.grads.of(0) {
            dx.store(&mut self.scratch, |rows, dx, at, store| {
                let x = &x[rows.start * input..rows.end * input];
                let dy = &dy[rows.start * output..rows.end * output];
                for (((x, dx), dy), at) in x
                    .chunks_exact(input)
                    .zip(dx.chunks_exact_mut(input))
                    .zip(dy.chunks_exact(output))
                    .zip(at.chunks_exact(output))
                {
                    let add = store == Store::Add;
                    (ew.norm_max_pool_grad)(pool, x, (at, dy), factors, add, dx);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::layers::testing::{check_every_isa, fill, fill_apart};
    use crate::tape::Mode;

    fn record(tape: &mut Tape, shape: Shape, mode: Mode, fused: bool) -> (Vec<Value>, Value) {
        let x = tape.input(shape, true);
        let y = if fused {
            NormPool::record(tape, "bn", x, (1e-5, 0.1, Statistics::Batch)).unwrap()
        } else {
            let z = BatchNormOp::record(tape, "bn", x, 1e-5, 0.1).unwrap();
            MaxPoolOp::record(tape, "pool", z, 2, 2).unwrap()
        };
        tape.seal(true);
        tape.pass.mode = mode;
        fill(2, tape.params.values_mut());
        if mode == Mode::Eval {
            let buffers = tape.params.buffer_values_mut();
            fill(3, buffers);
            buffers.iter_mut().for_each(|x| *x = x.abs() + 0.2);
        }
        (vec![x], y)
    }

    const SHAPES: [(Shape, usize); 4] = [
        (
            Shape {
                channels: 8,
                height: 4,
                width: 6,
            },
            2,
        ),
        (
            Shape {
                channels: 16,
                height: 5,
                width: 7,
            },
            1,
        ),
        (
            Shape {
                channels: 24,
                height: 2,
                width: 3,
            },
            4,
        ),
        (
            Shape {
                channels: 32,
                height: 7,
                width: 2,
            },
            1,
        ),
    ];

    #[test]
    fn gradients_match_finite_differences() {
        for (shape, rows) in SHAPES {
            for mode in [Mode::Train, Mode::Eval] {
                check_every_isa(
                    |tape| {
                        let (inputs, y) = record(tape, shape, mode, true);
                        fill_apart(1, 0.01, tape.value_mut(inputs[0]));
                        (inputs, y)
                    },
                    rows,
                    0.004,
                );
            }
        }
    }

    /// Equal pixels, negative scales and short batches included.
    #[test]
    fn it_is_the_two_layers_one_after_the_other() {
        for isa in Isa::available() {
            let engine = crate::kernels::select(Some(isa.name())).unwrap();
            for ((shape, rows), mode) in SHAPES
                .map(|(shape, rows)| (shape, rows * 9))
                .into_iter()
                .flat_map(|s| [Mode::Train, Mode::Eval].map(|mode| (s, mode)))
            {
                let [one, two] = [true, false].map(|fused| {
                    let mut tape = Tape::new(engine, rows + 17);
                    let (inputs, y) = record(&mut tape, shape, mode, fused);
                    tape.set_rows(rows);
                    fill(1, tape.value_mut(inputs[0]));
                    for x in tape.value_mut(inputs[0]) {
                        *x = (*x * 4.0).round();
                    }
                    tape.forward();
                    tape.backward_from(y, |dy| fill(5, dy));
                    let (y, dx) = (tape.value(y).to_vec(), tape.grad(inputs[0]).to_vec());
                    (y, dx, tape.params.grads().to_vec())
                });
                assert_eq!(one.0, two.0);
                for (one, two) in [(one.1, two.1), (one.2, two.2)] {
                    let scale = two.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                    assert!(scale > 0.0);
                    for (a, b) in one.iter().zip(&two) {
                        assert!((a - b).abs() <= 2e-6 * scale, "{a} against {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn other_windows_and_channels_are_declined() {
        let input = Shape::image(16, 8, 8);
        assert!(NormPool::supports(input, 2, 2));
        assert!(!NormPool::supports(input, 3, 2) && !NormPool::supports(input, 2, 1));
        assert!(!NormPool::supports(Shape::image(12, 8, 8), 2, 2));
        assert!(!NormPool::supports(Shape::image(16, 1, 8), 2, 2));
    }
}
