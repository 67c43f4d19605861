//! The forward pass of [`ConvOp`].

use crate::kernels::gemm::Store;
use crate::kernels::winograd::Winograd;
use crate::tape::Forward;

use super::super::panels;
use super::super::window::{bordered, bordered_patterns};
use super::{ConvOp, Scratch, points};

impl ConvOp {
    /// Packs the weights for the forward pass, if they have changed.
    fn pack_forward_weights(&mut self, cx: &Forward<'_>, winograd: Option<&[Winograd; 2]>) {
        let kernels = cx.pass.engine.kernels;
        if self.version == cx.params.version() {
            return;
        }
        let (weight, weights) = (cx.params.value(self.weight), self.weights);
        let taps = self.weight_taps();
        panels::fill_weights(&mut self.forward_weights, taps, |tap| tap, weight, weights);
        if let Some([shape, _]) = winograd {
            points::of_weights(
                kernels,
                shape,
                &self.forward_weights,
                &mut self.forward_points,
            );
        }
        if let Some(shape) = &self.lookup {
            kernels.lookup_tables(shape, &self.forward_weights, &mut self.tables);
        }
        self.version = cx.params.version();
    }

    /// Computes the outputs of the rows in use into `y`. After each row, while it is in the L1 or
    /// L2 cache, `done(row, output of the row, partial of its chunk)` is called.
    pub(in crate::layers) fn run<S: Send>(
        &mut self,
        cx: &Forward<'_>,
        y: &mut [f32],
        partials: &mut [S],
        done: impl Fn(usize, &[f32], &mut S) + Sync,
    ) {
        let kernels = cx.pass.engine.kernels;
        // Binary weights over bits have exact sums in the direct product and by look-up, and not by
        // Winograd's algorithm, whose constants are not integers.
        let lookup = self.lookup;
        let forward = self
            .winograd
            .filter(|_| self.weights.is_real() && lookup.is_none());
        self.pack_forward_weights(cx, forward.as_ref());
        let x = cx.x(0);
        let bias = self.bias.map(|bias| cx.params.value(bias));
        let patches = self.patches();
        let (input, output, padding) = (self.input, self.output, self.window.padding);
        let (border, pool) = (self.border, &self.pool);
        let (weights, points) = (&self.forward_weights, &self.forward_points);
        let tables = &self.tables;
        let image = |x: &[f32], y: &mut [f32], s: &mut Scratch| {
            if let Some(shape) = &lookup {
                bordered_patterns(kernels, x, input, padding, border.1, &mut s.patterns);
                return kernels.lookup_product(shape, &s.patterns, tables, bias, y);
            }
            let a = bordered(x, input, padding, border, &mut s.padded);
            let columns = output.channels;
            if let Some([shape, _]) = &forward {
                let tiles = s.tiles.as_mut_slice();
                kernels.winograd_product(shape, a, points, bias, y, Store::Assign, tiles);
            } else {
                kernels.product(&patches, a, weights, columns, bias, y, Store::Assign);
            }
        };
        let (len, rows) = (output.len(), cx.pass.rows);
        if let (Some(stacked), Some(_)) = (&mut self.stacked, &forward) {
            stacked.product(kernels, rows, x, points, bias);
            let stacked = &*stacked;
            rows.write(y, len, partials, |rows, y, partial| {
                for (row, y) in rows.zip(y.chunks_exact_mut(len)) {
                    stacked.output(row, y);
                    done(row, y, partial);
                }
            });
            return;
        }
        rows.write(y, len, partials, |rows, y, partial| {
            pool.with(|scratch| {
                for (row, y) in rows.zip(y.chunks_exact_mut(len)) {
                    image(&x[row * input.len()..][..input.len()], y, scratch);
                    done(row, y, partial);
                }
            });
        });
    }
}
