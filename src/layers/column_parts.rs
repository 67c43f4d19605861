//! Products whose right side is far larger than a cache, split by its columns.
//!
//! Split by rows, as other products are, each chunk of rows would read all of the right side
//! from memory. A part reads its own columns once, for all rows, and writes its own outputs;
//! each is the same sum, to the bit.

use rayon::prelude::*;

use crate::kernels::gemm::{Patches, Store};
use crate::kernels::{Kernels, NR};
use crate::tensor::Arena;

/// Bytes of a right side from which on a product is split by columns.
pub(super) const FAR_BYTES: usize = 4 << 20;

/// Some of the columns of a matrix.
pub(super) struct Part {
    /// The first, a whole number of panels.
    pub first: usize,
    /// How many.
    pub columns: usize,
    /// Those columns of all rows.
    pub values: Arena,
}

/// The columns of a matrix, part by part.
pub(super) struct ColumnParts {
    columns: usize,
    pub parts: Vec<Part>,
}

impl ColumnParts {
    /// A matrix of that size, in parts of `most` columns, a multiple of [`NR`].
    pub fn new(rows: usize, columns: usize, most: usize) -> Self {
        let part = |first: usize| {
            let columns = most.min(columns - first);
            Part {
                first,
                columns,
                values: Arena::zeros(rows * columns),
            }
        };
        Self {
            columns,
            parts: (0..columns).step_by(most).map(part).collect(),
        }
    }

    /// Becomes `A·B + bias`, where `weights` are the panels of `B` and `a` holds the patches.
    pub fn product(
        &mut self,
        kernels: &Kernels,
        (patches, a): (&Patches, &[f32]),
        weights: &[f32],
        bias: Option<&[f32]>,
    ) {
        debug_assert!(self.parts.iter().all(|part| part.first.is_multiple_of(NR)));
        let depth = patches.depth();
        self.parts.par_iter_mut().for_each(|part| {
            let weights = &weights[part.first * depth..];
            let bias = bias.map(|bias| &bias[part.first..][..part.columns]);
            let (to, columns) = (part.values.as_mut_slice(), part.columns);
            kernels.product(patches, a, weights, columns, bias, to, Store::Assign);
        });
    }

    /// Copies rows from `first` on, as many as `to` has, out of the parts, or adds them.
    pub fn take(&self, first: usize, to: &mut [f32], store: Store) {
        for part in &self.parts {
            let from = part.values[first * part.columns..].chunks_exact(part.columns);
            for (to, from) in to.chunks_exact_mut(self.columns).zip(from) {
                let to = &mut to[part.first..][..part.columns];
                match store {
                    Store::Assign => to.copy_from_slice(from),
                    Store::Add => to.iter_mut().zip(from).for_each(|(to, x)| *to += x),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::kernels::gemm::{pack_panels, panel_len};
    use crate::layers::testing::fill;

    #[test]
    fn a_product_by_columns_is_the_product_to_the_bit() {
        for (rows, depth, columns) in [(5, 700, 100), (33, 64, 16), (1, 1025, 49), (64, 300, 130)] {
            let (mut a, mut b) = (vec![0.0; rows * depth], vec![0.0; depth * columns]);
            let (mut bias, mut panels) = (vec![0.0; columns], vec![0.0; panel_len(depth, columns)]);
            fill(1, &mut a);
            fill(2, &mut b);
            fill(3, &mut bias);
            pack_panels(depth, columns, &b, (columns, 1), &mut panels);
            let patches = Patches::matrix(rows, depth);
            for isa in Isa::available() {
                let kernels = isa.kernels().unwrap();
                let mut whole = vec![f32::NAN; rows * columns];
                let (bias, store) = (Some(&bias[..]), Store::Assign);
                kernels.product(&patches, &a, &panels, columns, bias, &mut whole, store);
                let mut by_columns = ColumnParts::new(rows, columns, 48);
                by_columns.product(kernels, (&patches, &a), &panels, bias);
                let mut taken = vec![f32::NAN; rows * columns];
                by_columns.take(0, &mut taken, Store::Assign);
                assert_eq!(taken, whole, "{} {rows}x{depth}x{columns}", isa.name());
                by_columns.take(0, &mut taken, Store::Add);
                let twice: Vec<f32> = whole.iter().map(|x| x + x).collect();
                assert_eq!(taken, twice);
                let last = &mut taken[(rows - 1) * columns..];
                by_columns.take(rows - 1, last, Store::Assign);
                kernels.product(
                    &Patches::matrix(1, depth),
                    &a[(rows - 1) * depth..],
                    &panels,
                    columns,
                    bias,
                    &mut whole[..columns],
                    Store::Assign,
                );
                assert_eq!(last, &whole[..columns]);
            }
        }
    }
}
