//! Convolution with stride, padding and bias.
//!
//! ```text
//! y[o, i, j] = bias[o] + Σ_{c, u, v} x[c, i·s + u - p, j·s + v - p] · w[o, c, u, v]
//! ```
//!
//! im2col and GEMM without the im2col: an image is copied once into a zero
//! border, and the product kernels read its patches in place
//! ([`crate::kernels::gemm::Patches`]). With `A` the (pixels, k²·C) patch matrix,
//! `W` the weights as (k²·C, O) and `G` the (pixels, O) adjoint of the output:
//!
//! ```text
//! y  = A·W + bias          dW += Aᵀ·G          db += Σ_pixels G
//! dx = A'·W'               where A' are the k x k patches of G, spread out to
//!                          stride distance in a border of k - 1 - p (of zeros),
//!                          and W' are the weights turned by half a turn
//! ```
//!
//! Where they serve, cheaper algorithms take the place of the direct products: over
//! declared bits the forward product is a sum of table entries
//! ([`crate::kernels::lookup`]), the others are Winograd's
//! ([`crate::kernels::winograd`]). Which ones is decided when the layer is recorded.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::Result;
use crate::kernels::NR;
use crate::kernels::gemm::{Patches, Store, panel_len};
use crate::kernels::lookup::{GROUP, Lookup, Pattern};
use crate::kernels::winograd::Winograd;
use crate::tape::{Backward, Forward, Op, ParamId, Pool, Tape, Value, reduce};
use crate::tensor::{Arena, Shape};

use super::panels;
use super::weights::{Terms, Weights};
use super::window::{Window, bordered, bordered_patterns, spread};

/// The layer; see the module's page.
pub struct Conv {
    input: Shape,
    output: Shape,
    window: Window,
    weights: Weights,
    weight: ParamId,
    bias: Option<ParamId>,
    /// `W` in panels, and `W'` in panels, as of `version` of the parameters.
    forward_weights: Arena,
    backward_weights: Arena,
    version: u64,
    backward_version: u64,
    /// Winograd's algorithm for `A·W` and for `A'·W'`, where it serves, and the
    /// transformed weights.
    winograd: Option<[Winograd; 2]>,
    forward_points: Arena,
    backward_points: Arena,
    /// Over bits: sums of table entries, and the tables.
    lookup: Option<Lookup>,
    tables: Arena,
    /// (height, width) of an input image in its border.
    border: (usize, usize),
    /// (height, width) of the spread-out output adjoint.
    spread: (usize, usize),
    /// `dW` in panels.
    weight_grad: Arena,
    /// The origin that bias sums are taken from.
    zeros: Vec<f32>,
    slots: Vec<Slot>,
    pool: Pool<Scratch>,
}

/// One chunk's partial sums.
struct Slot {
    /// Partial `dW`, in panels or at Winograd's points.
    weight_grad: Arena,
    bias_grad: Vec<f32>,
    unused: Vec<f32>,
}

/// What one thread works with.
struct Scratch {
    /// An input image in its border.
    padded: Arena,
    /// An output adjoint, spread out in its border.
    spread: Arena,
    /// Winograd's transformed tiles.
    tiles: Arena,
    /// An input image of bits in its border.
    patterns: Vec<Pattern>,
}

impl Conv {
    /// Records the layer with parameters `{name}.weight` (O, C, k, k) and, with
    /// a bias, `{name}.bias` (O).
    ///
    /// # Errors
    /// A window that does not fit the image, or a padding that is not below the
    /// kernel size, or a scale of real weights.
    pub fn record(
        tape: &mut Tape,
        name: &str,
        x: Value,
        channels: usize,
        window: Window,
        terms: Terms,
    ) -> Result<Value> {
        terms.check(name)?;
        let input = tape.shape(x);
        let output = Self::output(name, input, channels, window)?;
        let depth = window.kernel * window.kernel * input.channels;
        let weight = tape.params.add(
            format!("{name}.weight"),
            &[channels, input.channels, window.kernel, window.kernel],
        );
        let bias = terms.bias_in_sum();
        let bias = bias.then(|| tape.params.add(format!("{name}.bias"), &[channels]));
        let winograd = Self::winograd(input, output, window);
        let p = 2 * window.padding;
        let k = window.kernel - 1;
        let (border, spread) = match &winograd {
            Some([forward, backward]) => (forward.bordered(), backward.bordered()),
            None => (
                (input.height + p, input.width + p),
                (input.height + k, input.width + k),
            ),
        };
        let grad_len = winograd.map_or(panel_len(depth, channels), |w| w[0].weights_len());
        let slots = (0..tape.slots())
            .map(|_| Slot {
                weight_grad: Arena::zeros(grad_len),
                bias_grad: vec![0.0; channels],
                unused: vec![0.0; channels],
            })
            .collect();
        let scratch = |patterns: usize| Scratch {
            padded: Arena::zeros(border.0 * border.1 * input.channels),
            spread: Arena::zeros(spread.0 * spread.1 * channels),
            tiles: Arena::zeros(winograd.map_or(0, |w| w[0].scratch_len().max(w[1].scratch_len()))),
            patterns: vec![Pattern::default(); patterns],
        };
        let points_len = |i: usize| winograd.map_or(0, |w| w[i].weights_len());
        let back_depth = window.kernel * window.kernel * channels;
        let mut op = Self {
            input,
            output,
            window,
            weights: terms.weights,
            weight,
            bias,
            forward_weights: Arena::zeros(panel_len(depth, channels)),
            backward_weights: Arena::zeros(panel_len(back_depth, input.channels)),
            version: u64::MAX,
            backward_version: u64::MAX,
            winograd,
            forward_points: Arena::zeros(points_len(0)),
            backward_points: Arena::zeros(points_len(1)),
            border,
            spread,
            weight_grad: Arena::zeros(panel_len(depth, channels)),
            zeros: vec![0.0; channels],
            lookup: None,
            tables: Arena::default(),
            slots,
            pool: Pool::new(tape.slots(), || scratch(0)),
        };
        if tape.is_bits(x) {
            op.lookup = Lookup::new(&op.patches(), input.channels, channels);
        }
        if let Some(lookup) = &op.lookup {
            op.tables = Arena::zeros(lookup.tables_len());
            let len = border.0 * border.1 * input.channels / GROUP;
            op.pool = Pool::new(tape.slots(), || scratch(len));
        }
        let y = tape.push(Box::new(op), &[x], output);
        Ok(terms.finish(tape, name, y, weight))
    }

    /// The output shape.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn output(name: &str, input: Shape, channels: usize, window: Window) -> Result<Shape> {
        window.output(name, input, channels)
    }

    /// Winograd's algorithm forwards and backwards, where it serves.
    fn winograd(input: Shape, output: Shape, window: Window) -> Option<[Winograd; 2]> {
        if window.stride != 1 {
            return None;
        }
        let (i, o) = (input.channels, output.channels);
        let side = |shape: Shape| (shape.height, shape.width);
        let forward = Winograd::new(window.kernel, (i, o), side(output))?;
        let backward = Winograd::new(window.kernel, (o, i), side(input))?;
        Some([forward, backward])
    }

    /// The patches of a padded input image.
    fn patches(&self) -> Patches {
        let width = self.border.1 * self.input.channels;
        Patches {
            rows: self.output.height,
            cols: self.output.width,
            row_step: self.window.stride * width,
            col_step: self.window.stride * self.input.channels,
            runs: self.window.kernel,
            run_len: self.window.kernel * self.input.channels,
            run_step: width,
        }
    }

    /// The patches of the spread-out output adjoint: one for each input pixel.
    fn spread_patches(&self) -> Patches {
        let width = self.spread.1 * self.output.channels;
        Patches {
            rows: self.input.height,
            cols: self.input.width,
            row_step: width,
            col_step: self.output.channels,
            runs: self.window.kernel,
            run_len: self.window.kernel * self.output.channels,
            run_step: width,
        }
    }
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn forward(&mut self, cx: Forward<'_>) {
        let kernels = cx.pass.engine.kernels;
        // Sums of binary weights over bits are exact where nothing but sums is
        // formed; Winograd's constants are not whole numbers.
        let lookup = self.lookup;
        let forward = self
            .winograd
            .filter(|_| self.weights.is_real() && lookup.is_none());
        if self.version != cx.params.version() {
            let (weight, weights) = (cx.params.value(self.weight), self.weights);
            let (k, channels) = (self.window.kernel, self.input.channels);
            let size = (k * k * channels, self.output.channels);
            panels::fill(&mut self.forward_weights, size, |row| {
                let (tap, c) = (row / channels, row % channels);
                let from = &weight[c * k * k + tap..];
                move |o| weights.effective(from[o * channels * k * k])
            });
            if let Some([shape, _]) = &forward {
                kernels.winograd_weights(shape, &self.forward_weights, &mut self.forward_points);
            }
            if let Some(shape) = &lookup {
                kernels.lookup_tables(shape, &self.forward_weights, &mut self.tables);
            }
            self.version = cx.params.version();
        }
        let x = cx.x(0);
        let bias = self.bias.map(|bias| cx.params.value(bias));
        let patches = self.patches();
        let (input, output, padding) = (self.input, self.output, self.window.padding);
        let (border, pool) = (self.border, &self.pool);
        let (weights, points) = (&self.forward_weights, &self.forward_points);
        let tables = &self.tables;
        let work = |rows: Range<usize>, y: &mut [f32], s: &mut Scratch| {
            let x = &x[rows.start * input.len()..rows.end * input.len()];
            for (x, y) in x
                .chunks_exact(input.len())
                .zip(y.chunks_exact_mut(output.len()))
            {
                if let Some(shape) = &lookup {
                    bordered_patterns(kernels, x, input, padding, border.1, &mut s.patterns);
                    kernels.lookup_product(shape, &s.patterns, tables, bias, y);
                    continue;
                }
                let a = bordered(x, input, padding, border, &mut s.padded);
                let columns = output.channels;
                if let Some([shape, _]) = &forward {
                    let tiles = s.tiles.as_mut_slice();
                    kernels.winograd_product(shape, a, points, bias, y, Store::Assign, tiles);
                } else {
                    kernels.product(&patches, a, weights, columns, bias, y, Store::Assign);
                }
            }
        };
        cx.pass
            .rows
            .write(cx.y, output.len(), &mut self.slots, |rows, y, _| {
                pool.with(|scratch| work(rows, y, scratch));
            });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (x, dy) = (cx.x(0), cx.dy);
        let kernels = cx.pass.engine.kernels;
        let (input, output, window) = (self.input, self.output, self.window);
        let (winograd, border, pool) = (&self.winograd, self.border, &self.pool);
        let zeros = &self.zeros;
        let patches = self.patches();

        // dW and db, a partial sum for each chunk.
        let parameters = |rows: Range<usize>, slot: &mut Slot, s: &mut Scratch| {
            slot.weight_grad.fill(0.0);
            slot.bias_grad.fill(0.0);
            let x = &x[rows.start * input.len()..rows.end * input.len()];
            let dy = &dy[rows.start * output.len()..rows.end * output.len()];
            for (x, g) in x
                .chunks_exact(input.len())
                .zip(dy.chunks_exact(output.len()))
            {
                let a = bordered(x, input, window.padding, border, &mut s.padded);
                if let Some([shape, _]) = winograd {
                    let tiles = s.tiles.as_mut_slice();
                    kernels.winograd_transposed(shape, a, g, &mut slot.weight_grad, tiles);
                } else {
                    kernels.transposed(&patches, a, g, output.channels, &mut slot.weight_grad);
                }
                (kernels.ew.channel_sums)(g, zeros, &mut slot.bias_grad, &mut slot.unused);
            }
        };

        match cx.grads.of(0) {
            None => cx.pass.rows.each(&mut self.slots, |rows, slot| {
                pool.with(|scratch| parameters(rows, slot, scratch));
            }),
            Some(dx) => {
                if self.backward_version != cx.params.version() {
                    // W'[(u', v', o), c], the turned weights.
                    let (weight, weights) = (cx.params.value(self.weight), self.weights);
                    let (k, channels) = (window.kernel, input.channels);
                    let size = (k * k * output.channels, channels);
                    panels::fill(&mut self.backward_weights, size, |row| {
                        let (tap, o) = (row / output.channels, row % output.channels);
                        let from = &weight[o * channels * k * k + k * k - 1 - tap..];
                        move |c| weights.effective(from[c * k * k])
                    });
                    if let Some([_, shape]) = winograd {
                        let panels = &self.backward_weights;
                        kernels.winograd_weights(shape, panels, &mut self.backward_points);
                    }
                    self.backward_version = cx.params.version();
                }
                let spread_patches = self.spread_patches();
                let spread_width = self.spread.1;
                let (weights, points) = (&self.backward_weights, &self.backward_points);
                let data = |rows: Range<usize>, dx: &mut [f32], s: &mut Scratch, store| {
                    let dy = &dy[rows.start * output.len()..rows.end * output.len()];
                    for (dx, g) in dx
                        .chunks_exact_mut(input.len())
                        .zip(dy.chunks_exact(output.len()))
                    {
                        spread(g, output, window, spread_width, s.spread.as_mut_slice());
                        let (a, columns) = (s.spread.as_slice(), input.channels);
                        if let Some([_, shape]) = winograd {
                            let tiles = s.tiles.as_mut_slice();
                            kernels.winograd_product(shape, a, points, None, dx, store, tiles);
                        } else {
                            kernels.product(&spread_patches, a, weights, columns, None, dx, store);
                        }
                    }
                };
                dx.store(&mut self.slots, |rows, dx, slot, store| {
                    pool.with(|scratch| {
                        parameters(rows.clone(), slot, scratch);
                        data(rows, dx, scratch, store);
                    });
                });
            }
        }

        let slots = &mut self.slots[..cx.pass.rows.chunks()];
        if let Some(bias) = self.bias {
            let sum = reduce(slots, |s| &s.bias_grad, |s| &mut s.bias_grad);
            for (grad, &sum) in cx.params.grad_mut(bias).iter_mut().zip(sum) {
                *grad += sum;
            }
        }
        reduce(slots, |s| &s.weight_grad, |s| &mut s.weight_grad);
        let mut sum: &[f32] = &self.slots[0].weight_grad;
        if let Some([shape, _]) = winograd {
            kernels.winograd_weight_grad(shape, sum, &mut self.weight_grad);
            sum = &self.weight_grad;
        }
        let (weight, grad) = cx.params.value_and_grad(self.weight);
        let (k, channels, weights) = (window.kernel, input.channels, self.weights);
        let depth = k * k * channels;
        let rows = weight.par_chunks_exact(depth);
        let rows = rows.zip(grad.par_chunks_exact_mut(depth)).enumerate();
        rows.with_min_len(4).for_each(|(o, (weight, grad))| {
            let panel = &sum[o / NR * depth * NR + o % NR..];
            let each = weight.chunks_exact(k * k).zip(grad.chunks_exact_mut(k * k));
            for (c, (weight, grad)) in each.enumerate() {
                for (tap, (&w, grad)) in weight.iter().zip(grad).enumerate() {
                    let dw = panel[(tap * channels + c) * NR];
                    *grad += weights.pullback(w, dw);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_every_isa, fill};

    fn check(input: Shape, channels: usize, window: Window, bias: bool, rows: usize) {
        check_every_isa(
            |tape| {
                let x = tape.input(input, true);
                let y = Conv::record(tape, "conv", x, channels, window, Terms::real(bias)).unwrap();
                tape.seal(true);
                fill(1, tape.value_mut(x));
                fill(2, tape.params.values_mut());
                (vec![x], y)
            },
            rows,
            0.05,
        );
    }

    #[test]
    fn gradients_match_finite_differences() {
        let window = |kernel, stride, padding| Window {
            kernel,
            stride,
            padding,
        };
        check(Shape::image(1, 7, 6), 3, window(5, 1, 2), true, 3);
        check(Shape::image(4, 9, 8), 5, window(3, 2, 1), true, 2);
        check(Shape::image(3, 5, 5), 17, window(3, 1, 0), true, 20);
        check(Shape::image(2, 4, 4), 2, window(1, 1, 0), false, 1);
        check(Shape::image(2, 7, 8), 3, window(2, 3, 1), true, 2);
        check(Shape::image(2, 6, 9), 3, window(4, 2, 3), false, 33);
        // Shapes of Winograd's algorithm.
        check(Shape::image(16, 7, 6), 32, window(5, 1, 2), true, 2);
        check(Shape::image(16, 5, 9), 16, window(3, 1, 0), true, 3);
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let output = |input, channels, kernel, stride, padding| {
            Conv::output(
                "c",
                input,
                channels,
                Window {
                    kernel,
                    stride,
                    padding,
                },
            )
        };
        let image = Shape::image(1, 3, 9);
        for (kernel, stride, padding) in [(4, 1, 0), (0, 1, 0), (3, 0, 0), (3, 1, 3)] {
            let error = output(image, 1, kernel, stride, padding).unwrap_err();
            assert!(error.to_string().starts_with("layer c: "), "{error}");
        }
        assert!(output(image, 0, 3, 1, 0).is_err());
        assert_eq!(output(image, 2, 3, 2, 1).unwrap(), Shape::image(2, 2, 5));
    }
}
