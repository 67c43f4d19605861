//! The layer [`ConvNormPool`] and its op.

use crate::error::Result;
use crate::tape::{Backward, Finish, Forward, Mode, Op, Tape, Value};
use crate::tensor::{Arena, Shape};

use super::batch_norm::Statistics;
use super::conv::{ConvOp, OutputGrad};
use super::norm_pool::NormPool;
use super::sides::Sides;
use super::weights::Terms;
use super::window::Window;

/// A convolution, the batch norm behind it and the max-pool behind that, as one layer.
///
/// The numbers are those of [`ConvOp`] and [`NormPool`] one after the other, to the bit.
/// What one op can do that two cannot: the sums of batch norm's statistics are taken of
/// an image while the convolution's output is still in the near caches, and batch norm's
/// gradient, the greatest of a training step, is made one image at a time where the
/// convolution needs it and never written to memory as a whole.
pub struct ConvNormPool {
    conv: ConvOp,
    behind: NormPool,
    /// The convolution's output.
    z: Arena,
}

impl ConvNormPool {
    /// Whether the three layers can be computed as one, given the shape of the input, the
    /// convolution's channels, window and terms, and the pool's kernel and stride.
    pub fn supports(
        input: Shape,
        (channels, window, terms): (usize, Window, Terms),
        (kernel, stride): (Sides, Sides),
    ) -> bool {
        // A scale of binary weights is a layer of its own between the two, and a dilated
        // convolution another op.
        let output = ConvOp::output("", input, channels, window);
        let dense = window.dilation.is_one();
        dense && !terms.scale && output.is_ok_and(|z| NormPool::supports(z, kernel, stride))
    }

    /// Records the three layers: a convolution and a batch norm of those names, and a
    /// max-pool of 2 x 2.
    ///
    /// # Errors
    /// As for the three layers.
    pub fn record(
        tape: &mut Tape,
        x: Value,
        (name, channels, window, terms): (&str, usize, Window, Terms),
        (norm, settings): (&str, (f64, f64, Statistics)),
    ) -> Result<Value> {
        let z = ConvOp::output(name, tape.shape(x), channels, window)?;
        let conv = ConvOp::build(tape, name, x, channels, window, terms, z.len())?;
        let op = Self {
            conv,
            behind: NormPool::build(tape, norm, x, z, settings)?,
            z: Arena::zeros(tape.chunks(x) * tape.chunk(x) * z.len()),
        };
        let output = op.behind.output;
        Ok(tape.push(Box::new(op), &[x], output))
    }
}

impl Op for ConvNormPool {
    fn way(&self) -> Option<String> {
        self.conv.way()
    }

    fn finish(&mut self, cx: Finish<'_>) {
        self.conv.finish_grads(cx);
    }

    fn forward(&mut self, mut cx: Forward<'_>) {
        let (pass, train) = (cx.pass, cx.pass.mode == Mode::Train);
        let (rows, ew) = (pass.samples(), &pass.engine.kernels.ew);
        let norm = &mut self.behind.norm;
        self.conv.run(
            &cx,
            self.z.as_mut_slice(),
            &mut norm.scratch,
            |row, z, sums| {
                if train && row < rows.live {
                    if let Some(leaf) = rows.leaf_that_begins(row) {
                        sums.begin(leaf, z);
                    }
                    sums.add(ew, z);
                }
            },
        );
        norm.settle(&mut cx);
        self.behind.run(pass, self.z.as_slice(), cx.y);
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        self.behind.sum(&mut cx);
        let (pass, dy, z, behind) = (cx.pass, cx.dy, self.z.as_slice(), &self.behind);
        let make = |row: usize, dz: &mut [f32]| behind.grad_of_input(pass, row, (z, dy), dz);
        self.conv.add_grads(cx, &OutputGrad::Computed(&make));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::layers::testing::{check_every_isa, fill};

    const SETTINGS: (f64, f64, Statistics) = (1e-5, 0.1, Statistics::Batch);

    /// Input, channels, kernel, padding, rows: direct and Winograd's products, sums over
    /// blocks that end within an image, odd sides.
    const CASES: [(Shape, usize, usize, usize, usize); 4] = [
        (Shape::image(1, 6, 8), 8, 5, 2, 3),
        (Shape::image(3, 5, 7), 16, 3, 1, 2),
        (Shape::image(16, 6, 6), 16, 5, 2, 2),
        (Shape::image(2, 18, 17), 8, 2, 0, 1),
    ];

    fn record(
        tape: &mut Tape,
        (input, channels, kernel, padding, _): (Shape, usize, usize, usize, usize),
        mode: Mode,
        fused: bool,
    ) -> (Value, Value) {
        let x = tape.input(input, true);
        let window = Window {
            border: if padding == 1 { -1 } else { 0 },
            ..Window::square(kernel, 1, padding)
        };
        let terms = Terms::real(true);
        let y = if fused {
            assert!(ConvNormPool::supports(
                input,
                (channels, window, terms),
                (Sides::both(2), Sides::both(2))
            ));
            ConvNormPool::record(tape, x, ("c", channels, window, terms), ("bn", SETTINGS)).unwrap()
        } else {
            let z = ConvOp::record(tape, "c", x, channels, window, terms).unwrap();
            NormPool::record(tape, "bn", z, SETTINGS).unwrap()
        };
        tape.seal(true);
        tape.pass.mode = mode;
        fill(2, tape.params.values_mut());
        // A scale near 0 would change its sign, and with it every maximum.
        let apart = |w: &mut f32| *w += 0.3_f32.copysign(*w);
        tape.params.values_mut().iter_mut().for_each(apart);
        let buffers = tape.params.buffer_values_mut();
        fill(3, buffers);
        buffers.iter_mut().for_each(|x| *x = x.abs() + 0.2);
        (x, y)
    }

    /// On few windows, by a seed that leaves no two pixels of a window so close that a
    /// finite difference crosses from one maximum to the other.
    #[test]
    fn gradients_match_finite_differences() {
        for case in [
            (Shape::image(1, 4, 4), 8, 5, 2, 1),
            (Shape::image(2, 2, 3), 8, 3, 1, 2),
        ] {
            for mode in [Mode::Train, Mode::Eval] {
                check_every_isa(
                    |tape| {
                        let (x, y) = record(tape, case, mode, true);
                        fill(1, tape.value_mut(x));
                        (vec![x], y)
                    },
                    case.4,
                    0.003,
                );
            }
        }
    }

    #[test]
    fn it_is_the_layers_one_after_the_other_to_the_bit() {
        for isa in Isa::available() {
            let engine = crate::kernels::select(Some(isa.name())).unwrap();
            for case in CASES {
                for (mode, rows) in [(Mode::Train, 37), (Mode::Train, 1), (Mode::Eval, 5)] {
                    let [one, two] = [true, false].map(|fused| {
                        let mut tape = Tape::new(engine, 40);
                        let (x, y) = record(&mut tape, case, mode, fused);
                        tape.set_rows(rows);
                        fill(1, tape.value_mut(x));
                        tape.forward();
                        tape.backward_from(y, |dy| fill(5, dy));
                        let (dx, params) = (tape.grad(x).to_vec(), &tape.params);
                        let state = [params.grads(), params.buffer_values()].concat();
                        (tape.value(y).to_vec(), dx, state)
                    });
                    assert!(one.1.iter().any(|&dx| dx != 0.0));
                    assert_eq!(one, two, "{} {case:?} {rows}", isa.name());
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_stays_three_layers() {
        let window = Window::square(3, 1, 1);
        let supports = |channels, scale, (kernel, stride): (usize, usize)| {
            let pool = (Sides::both(kernel), Sides::both(stride));
            let terms = Terms {
                scale,
                ..Terms::real(false)
            };
            ConvNormPool::supports(Shape::image(2, 6, 6), (channels, window, terms), pool)
        };
        assert!(supports(8, false, (2, 2)));
        assert!(!supports(8, true, (2, 2)) && !supports(12, false, (2, 2)));
        assert!(!supports(8, false, (3, 3)) && !supports(8, false, (2, 1)));
    }
}
