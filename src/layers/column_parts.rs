//! Products whose right side is far larger than a cache, split by its columns.
//!
//! Split by rows, as other products are, each chunk of rows would read all of the right side
//! from memory. A part reads its own columns once, for all rows, and writes its own outputs;
//! each is the same sum, to the bit.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::Kernels;
use crate::kernels::block_depth;
use crate::kernels::gemm::{Patches, Store, panel_len};
use crate::tape::Pool;
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
    /// A matrix of that size, in parts of `most` columns, a multiple of [`NR`](crate::kernels::NR).
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

    /// Becomes `A·B + bias` in those rows, for rows of `A` of that depth, `step` numbers apart.
    /// `block(part, first, panels)` writes the rows of `B` from `first` on for the columns of a
    /// part, as many as `panels` holds: the panels of a block stay in the near caches, and `B` is
    /// read once. The sums are those of one product, to the bit where this is cut into the same
    /// blocks.
    pub fn product(
        &mut self,
        kernels: &Kernels,
        ((a, step), depth, rows): ((&[f32], usize), usize, Range<usize>),
        blocks: &Pool<Arena>,
        bias: Option<&[f32]>,
        block: impl Fn(&Part, usize, &mut [f32]) + Sync,
    ) {
        let (most, at) = (block_depth(depth), rows.start);
        let (a, rows) = (&a[at * step..], rows.len());
        if rows == 0 {
            return;
        }
        self.parts.par_iter_mut().for_each(|part| {
            blocks.with(|panels| {
                for first in (0..depth).step_by(most) {
                    let some = most.min(depth - first);
                    let panels = &mut panels[..panel_len(some, part.columns)];
                    block(part, first, panels);
                    let patches = Patches {
                        col_step: step,
                        ..Patches::matrix(rows, some)
                    };
                    let (bias, store) = match first {
                        0 => (
                            bias.map(|b| &b[part.first..][..part.columns]),
                            Store::Assign,
                        ),
                        _ => (None, Store::Add),
                    };
                    let (columns, to) = (part.columns, part.values.as_mut_slice());
                    let to = &mut to[at * columns..];
                    kernels.product(&patches, &a[first..], panels, columns, bias, to, store);
                }
            });
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
