//! The products of a linear layer whose weights are far larger than a cache.
//!
//! Such weights come from memory each time they are read, and to copy them into panels, or a
//! gradient out of panels, costs more than the products. So they are read where they are, once for
//! each product: a task copies a block of them into panels that stay in the near caches and
//! multiplies all rows by it. A block of the gradient goes from the near caches to where it belongs.
//!
//! The inputs are brought into the order of the weights first, and their rows apart by more than a
//! power of two, because the rows of a block would otherwise share a few lines of each cache.

use rayon::prelude::*;

use super::super::column_parts::{ColumnParts, Part};
use super::super::weights::Weights;
use super::BLOCK;
use crate::bits;
use crate::kernels::block_depth;
use crate::kernels::gemm::{Store, panel_len};
use crate::kernels::{Kernels, NR};
use crate::tape::{Pool, Rows};
use crate::tensor::Arena;

/// Columns of a part of a product.
const PART: usize = 128;
/// Outputs whose gradient of the weights a task computes.
const OUTPUTS: usize = 64;
/// Numbers between rows of the inputs.
const GAP: usize = 16;

/// The buffers of these products.
pub(super) struct Far {
    depth: usize,
    out: usize,
    /// The inputs in the order of the weights, `depth + GAP` numbers from row to row.
    inputs: Arena,
    outputs: ColumnParts,
    input_grads: ColumnParts,
    /// A block of the weights, or of their gradient, in panels.
    blocks: Pool<Arena>,
    units: Vec<()>,
}

/// Weights (out, depth) and how they are used.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub weight: &'a [f32],
    pub weights: Weights,
}

impl Far {
    /// For a layer of these sizes and so many rows in so many chunks.
    pub fn new(depth: usize, out: usize, (rows, chunks): (usize, usize)) -> Self {
        let most = |depth: usize| block_depth(depth) * PART;
        let block = most(depth).max(most(out)).max(panel_len(BLOCK, OUTPUTS));
        let tasks = out.div_ceil(OUTPUTS).max(depth.div_ceil(PART));
        Self {
            depth,
            out,
            inputs: Arena::zeros(rows * (depth + GAP)),
            outputs: ColumnParts::new(rows, out, PART),
            input_grads: ColumnParts::new(rows, depth, PART),
            blocks: Pool::new(tasks, || Arena::zeros(block)),
            units: vec![(); chunks],
        }
    }

    /// Numbers of its memory, with as many blocks as tasks.
    pub fn memory(depth: usize, out: usize, rows: usize) -> u64 {
        let (d, o) = (depth as u64, out as u64);
        let block = block_depth(depth).max(block_depth(out)) * PART;
        let tasks = out.div_ceil(OUTPUTS).max(depth.div_ceil(PART));
        let rows = (rows as u64).saturating_mul(d.saturating_mul(2).saturating_add(o));
        rows.saturating_add((block as u64).saturating_mul(tasks as u64))
    }

    /// Brings the live rows of `x` into the order of the weights: input `i` is stored at
    /// `stored[i]`.
    pub fn set_inputs(&mut self, rows: Rows, x: &[f32], stored: &[usize]) {
        let (depth, step) = (self.depth, self.depth + GAP);
        let to = self.inputs.as_mut_slice();
        rows.write(to, step, &mut self.units, |rows, to, ()| {
            for (row, to) in rows.zip(to.chunks_exact_mut(step)) {
                let x = &x[row * depth..][..depth];
                for (to, &i) in to.iter_mut().zip(stored) {
                    *to = x[i];
                }
            }
        });
    }

    /// Computes the outputs of the rows that were set.
    pub fn product(&mut self, kernels: &Kernels, rows: Rows, of: Matrix<'_>, bias: Option<&[f32]>) {
        let (depth, step) = (self.depth, self.depth + GAP);
        let a = (self.inputs.as_slice(), step);
        let block = |part: &Part, first: usize, panels: &mut [f32]| match of.weights {
            Weights::Real => pack_rows((of.weight, depth), part, first, panels, |w| w),
            Weights::Binary => pack_rows((of.weight, depth), part, first, panels, bits::sign),
        };
        let of = (a, depth, rows.own());
        self.outputs.product(kernels, of, &self.blocks, bias, block);
    }

    /// Hands out the outputs of rows from `first` on.
    pub fn outputs(&self, first: usize, y: &mut [f32]) {
        self.outputs.take(first, y, Store::Assign);
    }

    /// Computes the gradients of the inputs.
    pub fn input_grads(&mut self, kernels: &Kernels, rows: Rows, of: Matrix<'_>, dy: &[f32]) {
        let (depth, out) = (self.depth, self.out);
        let block = |part: &Part, first: usize, panels: &mut [f32]| match of.weights {
            Weights::Real => pack_columns((of.weight, depth), part, first, panels, |w| w),
            Weights::Binary => pack_columns((of.weight, depth), part, first, panels, bits::sign),
        };
        let of = ((dy, out), out, rows.own());
        self.input_grads
            .product(kernels, of, &self.blocks, None, block);
    }

    /// Stores the gradients of the inputs of rows from `first` on, or adds them.
    pub fn take_input_grads(&self, first: usize, dx: &mut [f32], stored: &[usize], store: Store) {
        for part in &self.input_grads.parts {
            let stored = &stored[part.first..][..part.columns];
            let from = part.values[first * part.columns..].chunks_exact(part.columns);
            for (dx, from) in dx.chunks_exact_mut(self.depth).zip(from) {
                for (&i, &x) in stored.iter().zip(from) {
                    match store {
                        Store::Assign => dx[i] = x,
                        Store::Add => dx[i] += x,
                    }
                }
            }
        }
    }

    /// Stores the gradients of the weights, or adds them. Leaf `i` has the rows `starts[i]` to
    /// `starts[i + 1]`, and `dy` is in panels.
    pub fn weight_grads(
        &self,
        kernels: &Kernels,
        starts: &[usize],
        dy: &[f32],
        of: Matrix<'_>,
        (grad, store): (&mut [f32], Store),
    ) {
        let (depth, step) = (self.depth, self.depth + GAP);
        let rows = starts[starts.len() - 1];
        let work = of.weight.par_chunks(OUTPUTS * depth);
        let work = work.zip(grad.par_chunks_mut(OUTPUTS * depth));
        work.enumerate().for_each(|(task, (weight, grad))| {
            let dy = &dy[task * OUTPUTS * rows..];
            let columns = weight.len() / depth;
            self.blocks.with(|d| {
                for first in (0..depth).step_by(BLOCK) {
                    let width = BLOCK.min(depth - first);
                    let x = (&self.inputs[first..], step);
                    kernels.transposed_in_tree(starts, x, width, dy, columns, d);
                    for j in 0..columns {
                        let from = &d[j / NR * width * NR..][..width * NR];
                        let (from, _) = from.as_chunks::<NR>();
                        let at = j * depth + first..j * depth + first + width;
                        let (weight, grad) = (&weight[at.clone()], &mut grad[at]);
                        if store == Store::Assign {
                            grad.fill(0.0);
                        }
                        let grad = grad.iter_mut().zip(from);
                        match of.weights {
                            Weights::Real => grad.for_each(|(to, from)| *to += from[j % NR]),
                            weights => grad.zip(weight).for_each(|((to, from), &w)| {
                                *to += weights.pullback(w, from[j % NR]);
                            }),
                        }
                    }
                }
            });
        });
    }
}

/// Writes the panels whose columns are rows of the weights: those of a part, from the input `first`
/// on. Squares are turned, which lie within the first-level cache.
fn pack_rows(
    (weight, depth): (&[f32], usize),
    part: &Part,
    first: usize,
    panels: &mut [f32],
    map: impl Fn(f32) -> f32,
) {
    let some = panels.len() / part.columns.next_multiple_of(NR);
    for (panel, to) in panels.chunks_exact_mut(some * NR).enumerate() {
        let column = part.first + panel * NR;
        let columns = NR.min(part.first + part.columns - column);
        let (to, _) = to.as_chunks_mut::<NR>();
        for (square, to) in to.chunks_mut(NR).enumerate() {
            for j in 0..columns {
                let at = (column + j) * depth + first + square * NR;
                for (to, &w) in to.iter_mut().zip(&weight[at..]) {
                    to[j] = map(w);
                }
            }
            for to in to.iter_mut() {
                to[columns..].fill(0.0);
            }
        }
    }
}

/// Writes the panels whose columns are columns of the weights: those of a part, from the output
/// `first` on.
fn pack_columns(
    (weight, depth): (&[f32], usize),
    part: &Part,
    first: usize,
    panels: &mut [f32],
    map: impl Fn(f32) -> f32,
) {
    let some = panels.len() / part.columns.next_multiple_of(NR);
    let (panels, _) = panels.as_chunks_mut::<NR>();
    for k in 0..some {
        let from = &weight[(first + k) * depth + part.first..][..part.columns];
        let (whole, rest) = from.as_chunks::<NR>();
        for (to, from) in panels[k..].iter_mut().step_by(some).zip(whole) {
            *to = from.map(&map);
        }
        if let Some(to) = panels[k..].iter_mut().step_by(some).nth(whole.len()) {
            to.fill(0.0);
            for (to, &w) in to.iter_mut().zip(rest) {
                *to = map(w);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::kernels::gemm::{Patches, pack_panels};
    use crate::layers::testing::fill;

    /// Compares numbers with those of a product over the whole depth, which the scalar kernels do
    /// not cut into blocks.
    fn same(got: &[f32], want: &[f32], isa: Isa) {
        if isa.name() != "scalar" {
            return assert_eq!(got, want, "{}", isa.name());
        }
        for (a, b) in got.iter().zip(want) {
            assert!((a - b).abs() < 1e-4, "{a}, {b}");
        }
    }

    /// The product with a matrix of that size, (depth, columns), in panels.
    fn over_panels(
        kernels: &Kernels,
        (a, rows): (&[f32], usize),
        (weight, (depth, columns), steps): (&[f32], (usize, usize), (usize, usize)),
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        let mut panels = vec![0.0; panel_len(depth, columns)];
        pack_panels(depth, columns, weight, steps, &mut panels);
        let (patches, mut c) = (Patches::matrix(rows, depth), vec![0.0; rows * columns]);
        let store = Store::Assign;
        kernels.product(&patches, a, &panels, columns, bias, &mut c, store);
        c
    }

    /// A layer's products against those over whole panels, for an order of inputs that is not that
    /// of the weights.
    #[test]
    fn the_products_are_those_over_panels_to_the_bit() {
        for (rows, depth, out) in [(5, 700, 100), (3, 1600, 49), (1, 90, 150), (9, 130, 900)] {
            let [mut x, mut dy] = [depth, out].map(|n| vec![0.0; rows * n]);
            let (mut weight, mut bias) = (vec![0.0; depth * out], vec![0.0; out]);
            fill(1, &mut x);
            fill(2, &mut dy);
            fill(3, &mut weight);
            fill(4, &mut bias);
            // A number that shares no factor with any depth.
            let stored: Vec<usize> = (0..depth).map(|i| (i * 11 + 3) % depth).collect();
            let natural: Vec<f32> = (0..rows * depth)
                .map(|at| x[at / depth * depth + stored[at % depth]])
                .collect();
            let cut = Rows::new(rows);
            let of = Matrix {
                weight: &weight,
                weights: Weights::Real,
            };
            for isa in Isa::available() {
                let kernels = isa.kernels().unwrap();
                let product = |a: &[f32], size, steps, bias: Option<&[f32]>| {
                    over_panels(kernels, (a, rows), (&weight, size, steps), bias)
                };
                let mut far = Far::new(depth, out, (rows, cut.chunks()));
                far.set_inputs(cut, &x, &stored);
                far.product(kernels, cut, of, Some(&bias));
                let mut y = vec![f32::NAN; rows * out];
                far.outputs(0, &mut y);
                let want = product(&natural, (depth, out), (1, depth), Some(&bias));
                same(&y, &want, isa);

                far.input_grads(kernels, cut, of, &dy);
                let want = product(&dy, (out, depth), (depth, 1), None);
                let mut dx = vec![f32::NAN; rows * depth];
                far.take_input_grads(0, &mut dx, &stored, Store::Assign);
                let at = |at: usize| at / depth * depth + stored[at % depth];
                let in_order: Vec<f32> = (0..dx.len()).map(|i| dx[at(i)]).collect();
                same(&in_order, &want, isa);
                let twice: Vec<f32> = dx.iter().map(|x| x + x).collect();
                far.take_input_grads(0, &mut dx, &stored, Store::Add);
                assert_eq!(dx, twice);

                check_weight_grads(kernels, (&far, cut), &natural, &dy, of);
            }
        }
    }

    /// A layer's gradients of the weights, added and stored, against those over whole panels.
    fn check_weight_grads(
        kernels: &Kernels,
        (far, cut): (&Far, Rows),
        x: &[f32],
        dy: &[f32],
        of: Matrix<'_>,
    ) {
        let (depth, out, rows) = (far.depth, far.out, cut.live);
        let starts: Vec<usize> = (0..=cut.leaves()).map(|i| cut.start_of_leaf(i)).collect();
        let mut panels = vec![0.0; panel_len(rows, out)];
        pack_panels(rows, out, dy, (out, 1), &mut panels);
        let mut whole = vec![0.0; panel_len(depth, out)];
        kernels.transposed_in_tree(&starts, (x, depth), depth, &panels, out, &mut whole);
        let whole = |at: usize| {
            let (j, k) = (at / depth, at % depth);
            whole[(j / NR * depth + k) * NR + j % NR]
        };
        let mut grad = vec![1.0; of.weight.len()];
        far.weight_grads(kernels, &starts, &panels, of, (&mut grad, Store::Add));
        for (at, grad) in grad.iter().enumerate() {
            assert_eq!(*grad, 1.0 + whole(at));
        }
        // Of a gradient to be stored nothing is left, whatever it held.
        grad.fill(f32::NAN);
        far.weight_grads(kernels, &starts, &panels, of, (&mut grad, Store::Assign));
        for (at, grad) in grad.iter().enumerate() {
            assert_eq!(*grad, whole(at));
        }
    }

    /// Of binary weights the signs are multiplied by, and where a weight is outside of the range
    /// that straight-through gradients pass, its gradient is 0.
    #[test]
    fn binary_weights_are_their_signs_and_their_gradients_pulled_back() {
        let (rows, depth, out) = (5, 300, 70);
        let (mut x, mut dy) = (vec![0.0; rows * depth], vec![0.0; rows * out]);
        let mut weight = vec![0.0; depth * out];
        fill(1, &mut x);
        fill(2, &mut dy);
        fill(3, &mut weight);
        weight.iter_mut().for_each(|w| *w *= 2.0);
        let signs: Vec<f32> = weight.iter().map(|w| bits::sign(*w)).collect();
        let stored: Vec<usize> = (0..depth).collect();
        let cut = Rows::new(rows);
        let starts: Vec<usize> = (0..=cut.leaves()).map(|i| cut.start_of_leaf(i)).collect();
        let kernels = crate::kernels::select(None).unwrap().kernels;
        let mut panels = vec![0.0; panel_len(rows, out)];
        pack_panels(rows, out, &dy, (out, 1), &mut panels);
        let all = |weight: &[f32], weights: Weights| {
            let of = Matrix { weight, weights };
            let mut far = Far::new(depth, out, (rows, cut.chunks()));
            far.set_inputs(cut, &x, &stored);
            far.product(kernels, cut, of, None);
            let mut y = vec![0.0; rows * out];
            far.outputs(0, &mut y);
            far.input_grads(kernels, cut, of, &dy);
            let mut dx = vec![0.0; rows * depth];
            far.take_input_grads(0, &mut dx, &stored, Store::Assign);
            let mut grad = vec![0.0; weight.len()];
            far.weight_grads(kernels, &starts, &panels, of, (&mut grad, Store::Assign));
            (y, dx, grad)
        };
        let (y, dx, grad) = all(&weight, Weights::Binary);
        let (want_y, want_dx, of_signs) = all(&signs, Weights::Real);
        assert_eq!((y, dx), (want_y, want_dx));
        let pulled = |(w, g): (&f32, &f32)| Weights::Binary.pullback(*w, *g);
        let want: Vec<f32> = weight.iter().zip(&of_signs).map(pulled).collect();
        assert_eq!(grad, want);
        assert!(grad.contains(&0.0) && grad.iter().any(|g| *g != 0.0));
    }
}
