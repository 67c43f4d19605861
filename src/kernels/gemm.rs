//! Matrix products over patches: what convolution and linear layers run on.
//!
//! The left operand `A` is never written out. Row `p` of `A` is a *patch*: in a
//! padded image stored as (height, width, channel), the kernel window at output
//! pixel `p` is `runs` runs of `run_len` consecutive numbers. [`Patches`] tells
//! where they lie, so that im2col costs address arithmetic instead of memory.
//! An ordinary matrix is the case of one run a row.
//!
//! ```text
//! product:     C[p][j]  (+)=  Σ_k A[p][k] · B[k][j]     (+ bias[j])
//! transposed:  D[k][j]   +=   Σ_p A[p][k] · G[p][j]
//! ```
//!
//! `B` and `D` are *panels*: columns in groups of [`NR`], each group stored as
//! (depth, NR), the last one padded with zeros. So panel `j / NR` holds
//! `B[k][j]` at `(j / NR · depth + k) · NR + j % NR`.

use super::{Kernels, NR};

/// Where the rows of an implicit patch matrix lie in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Output pixels down.
    pub rows: usize,
    /// Output pixels across; patch `p` is at row `p / cols`, column `p % cols`.
    pub cols: usize,
    /// Numbers from one patch to the one below it.
    pub row_step: usize,
    /// Numbers from one patch to the one on its right.
    pub col_step: usize,
    /// Runs of consecutive numbers in a patch (kernel height).
    pub runs: usize,
    /// Numbers in a run (kernel width times channels).
    pub run_len: usize,
    /// Numbers from the start of one run to the next.
    pub run_step: usize,
}

impl Patches {
    /// An ordinary row-major matrix of `rows` rows of `depth` numbers.
    pub fn matrix(rows: usize, depth: usize) -> Self {
        Self {
            rows: 1,
            cols: rows,
            row_step: 0,
            col_step: depth,
            runs: 1,
            run_len: depth,
            run_step: 0,
        }
    }

    /// Patches, that is rows of `A`.
    pub fn count(&self) -> usize {
        self.rows * self.cols
    }

    /// Numbers in a patch, that is columns of `A`.
    pub fn depth(&self) -> usize {
        self.runs * self.run_len
    }

    /// Where patch `p` starts.
    #[inline(always)]
    pub fn start(&self, p: usize) -> usize {
        (p / self.cols) * self.row_step + (p % self.cols) * self.col_step
    }

    /// Length of the slice that the patches need: one past the last number read.
    pub fn span(&self) -> usize {
        if self.count() == 0 || self.depth() == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_step
            + (self.cols - 1) * self.col_step
            + (self.runs - 1) * self.run_step
            + self.run_len
    }
}

/// Panels needed for `columns` columns.
pub fn panels(columns: usize) -> usize {
    columns.div_ceil(NR)
}

/// Length of the panel storage of a `depth` x `columns` matrix.
pub fn panel_len(depth: usize, columns: usize) -> usize {
    panels(columns) * depth * NR
}

/// What a product does with the numbers that are already in `C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// `C = A·B`
    Assign,
    /// `C += A·B`
    Add,
}

/// `(patches, a, panels of b, columns, bias, c, store)`; lengths already checked.
pub(super) type ProductFn = fn(&Patches, &[f32], &[f32], usize, Option<&[f32]>, &mut [f32], Store);

/// `(patches, a, g, columns, panels of d)`; lengths already checked.
pub(super) type TransposedFn = fn(&Patches, &[f32], &[f32], usize, &mut [f32]);

impl Kernels {
    /// `C (+)= A·B + bias`: `c` is (patches, columns), row-major; `b` is panels.
    ///
    /// # Panics
    /// If a slice is shorter than the shapes say.
    #[allow(
        clippy::too_many_arguments,
        reason = "a matrix product has this many operands"
    )]
    pub fn product(
        &self,
        patches: &Patches,
        a: &[f32],
        b: &[f32],
        columns: usize,
        bias: Option<&[f32]>,
        c: &mut [f32],
        store: Store,
    ) {
        assert!(a.len() >= patches.span(), "a is too short");
        assert!(
            b.len() >= panel_len(patches.depth(), columns),
            "b is too short"
        );
        assert!(
            bias.is_none_or(|bias| bias.len() >= columns),
            "bias is too short"
        );
        assert!(c.len() >= patches.count() * columns, "c is too short");
        (self.product)(patches, a, b, columns, bias, c, store);
    }

    /// `D += Aᵀ·G`: `g` is (patches, columns), row-major; `d` is panels.
    ///
    /// # Panics
    /// If a slice is shorter than the shapes say.
    pub fn transposed(
        &self,
        patches: &Patches,
        a: &[f32],
        g: &[f32],
        columns: usize,
        d: &mut [f32],
    ) {
        assert!(a.len() >= patches.span(), "a is too short");
        assert!(g.len() >= patches.count() * columns, "g is too short");
        assert!(
            d.len() >= panel_len(patches.depth(), columns),
            "d is too short"
        );
        (self.transposed)(patches, a, g, columns, d);
    }
}
