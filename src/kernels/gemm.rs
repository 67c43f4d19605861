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
    ///
    /// # Panics
    /// If that length, [`Self::count`] or [`Self::depth`] overflows.
    pub fn span(&self) -> usize {
        self.checked_span().expect("patches: a size overflows")
    }

    fn checked_span(&self) -> Option<usize> {
        let count = self.rows.checked_mul(self.cols)?;
        let depth = self.runs.checked_mul(self.run_len)?;
        if count == 0 || depth == 0 {
            return Some(0);
        }
        let row = (self.rows - 1).checked_mul(self.row_step)?;
        let col = (self.cols - 1).checked_mul(self.col_step)?;
        let run = (self.runs - 1).checked_mul(self.run_step)?;
        row.checked_add(col)?
            .checked_add(run)?
            .checked_add(self.run_len)
    }
}

/// Panels needed for `columns` columns.
pub fn panels(columns: usize) -> usize {
    columns.div_ceil(NR)
}

/// Length of the panel storage of a `depth` x `columns` matrix.
///
/// # Panics
/// If it overflows.
pub fn panel_len(depth: usize, columns: usize) -> usize {
    area(panels(columns) * NR, depth)
}

/// A product of two sizes, which must not wrap: the kernels trust it.
fn area(rows: usize, columns: usize) -> usize {
    rows.checked_mul(columns)
        .expect("a matrix's size overflows")
}

/// Packs the `depth` x `columns` matrix whose element (k, j) is
/// `w[k * row + j * col]` into panels, zeros in the padding.
///
/// # Panics
/// If a slice is shorter than the shapes say.
pub fn pack_panels(
    depth: usize,
    columns: usize,
    w: &[f32],
    (row, col): (usize, usize),
    out: &mut [f32],
) {
    let out = &mut out[..panel_len(depth, columns)];
    for (panel, out) in out.chunks_exact_mut((depth * NR).max(1)).enumerate() {
        let first = panel * NR;
        let width = NR.min(columns - first);
        for (k, out) in out.chunks_exact_mut(NR).enumerate() {
            let (used, padding) = out.split_at_mut(width);
            let from = k * row + first * col;
            if col == 1 {
                used.copy_from_slice(&w[from..][..width]);
            } else {
                for (j, x) in used.iter_mut().enumerate() {
                    *x = w[from + j * col];
                }
            }
            padding.fill(0.0);
        }
    }
}

/// Adds panels to the `depth` x `columns` matrix whose element (k, j) is
/// `w[k * row + j * col]`: the way back of [`pack_panels`], for gradients.
///
/// # Panics
/// If a slice is shorter than the shapes say.
pub fn unpack_add_panels(
    depth: usize,
    columns: usize,
    panels: &[f32],
    w: &mut [f32],
    (row, col): (usize, usize),
) {
    let panels = &panels[..panel_len(depth, columns)];
    for (panel, panels) in panels.chunks_exact((depth * NR).max(1)).enumerate() {
        let first = panel * NR;
        let width = NR.min(columns - first);
        for (k, panels) in panels.chunks_exact(NR).enumerate() {
            let to = k * row + first * col;
            if col == 1 {
                for (w, &x) in w[to..][..width].iter_mut().zip(panels) {
                    *w += x;
                }
            } else {
                for (j, &x) in panels[..width].iter().enumerate() {
                    w[to + j * col] += x;
                }
            }
        }
    }
}

/// A strided matrix's shape: (rows, columns) and the steps between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Numbers from a row to the next.
    pub row_step: usize,
    /// Numbers from a column to the next.
    pub col_step: usize,
}

impl Layout {
    /// A row-major matrix without gaps.
    pub fn row_major(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            row_step: columns,
            col_step: 1,
        }
    }

    /// The same numbers, rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.col_step,
            col_step: self.row_step,
        }
    }

    /// One past the last number, or `None` where that overflows.
    fn span(&self) -> Option<usize> {
        if self.rows == 0 || self.columns == 0 {
            return Some(0);
        }
        let row = (self.rows - 1).checked_mul(self.row_step)?;
        let col = (self.columns - 1).checked_mul(self.col_step)?;
        row.checked_add(col)?.checked_add(1)
    }

    /// Whether no number is an element twice.
    fn distinct(&self) -> bool {
        let apart = |inner: usize, inner_step: usize, outer: usize, outer_step: usize| {
            (inner <= 1 || inner_step > 0)
                && (outer <= 1 || outer_step > inner.saturating_sub(1) * inner_step)
        };
        self.rows == 0
            || self.columns == 0
            || apart(self.columns, self.col_step, self.rows, self.row_step)
            || apart(self.rows, self.row_step, self.columns, self.col_step)
    }
}

/// `C = alpha·A·B + beta·C` for strided matrices, by the matrixmultiply crate.
/// Where `beta` is 0, `C` is not read. It chooses its instruction set for itself,
/// so an engine whose set is forced must not call this.
///
/// # Panics
/// If the shapes do not match, a slice is shorter than its layout says, or two
/// elements of `C` are the same number.
pub fn sgemm(
    alpha: f32,
    (a, a_layout): (&[f32], Layout),
    (b, b_layout): (&[f32], Layout),
    beta: f32,
    (c, c_layout): (&mut [f32], Layout),
) {
    let (m, k, n) = (a_layout.rows, a_layout.columns, b_layout.columns);
    assert_eq!(b_layout.rows, k, "b does not match a");
    assert_eq!((c_layout.rows, c_layout.columns), (m, n), "c's shape");
    for (name, len, layout) in [
        ("a", a.len(), &a_layout),
        ("b", b.len(), &b_layout),
        ("c", c.len(), &c_layout),
    ] {
        assert!(
            layout.span().is_some_and(|span| span <= len),
            "{name} is too short"
        );
    }
    assert!(c_layout.distinct(), "elements of c overlap");
    let steps = |layout: &Layout| (layout.row_step as isize, layout.col_step as isize);
    let ((ar, ac), (br, bc), (cr, cc)) = (steps(&a_layout), steps(&b_layout), steps(&c_layout));
    // SAFETY: every element of the three matrices lies within its slice, and
    // those of `c` are distinct.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            alpha,
            a.as_ptr(),
            ar,
            ac,
            b.as_ptr(),
            br,
            bc,
            beta,
            c.as_mut_ptr(),
            cr,
            cc,
        );
    }
}

/// Whether matrixmultiply computes `D (depth x columns) += Aᵀ·G`, summed over
/// `rows` rows, clearly faster than [`Kernels::transposed`] does: a cautious
/// bound, from the groups `transposed` and `product` of `benches/kernels.rs`.
/// Ours reads `A` down its columns without packing it, which costs a quarter of
/// the speed once `A` and `G` have left the second-level cache. `C = A·B` runs on
/// [`Kernels::product`] always, which wins on every convolution shape there.
pub fn prefer_matrixmultiply(rows: usize, depth: usize, columns: usize) -> bool {
    rows >= 512 && depth >= 1024 && columns >= 1024
}

/// What a product does with the numbers that are already in `C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// `C = A·B`
    Assign,
    /// `C += A·B`
    Add,
}

/// One instruction set's products; lengths already checked.
pub(super) struct Products {
    /// `(patches, a, panels of b, columns, bias, c, store)`
    pub product: ProductFn,
    /// `(patches, a, g, columns, panels of d)`
    pub transposed: fn(&Patches, &[f32], &[f32], usize, &mut [f32]),
}

type ProductFn = fn(&Patches, &[f32], &[f32], usize, Option<&[f32]>, &mut [f32], Store);

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
        assert!(c.len() >= area(patches.count(), columns), "c is too short");
        (self.products.product)(patches, a, b, columns, bias, c, store);
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
        assert!(g.len() >= area(patches.count(), columns), "g is too short");
        assert!(
            d.len() >= panel_len(patches.depth(), columns),
            "d is too short"
        );
        (self.products.transposed)(patches, a, g, columns, d);
    }
}
