//! Matrix products over patches, by which convolutions and linear layers are computed.
//!
//! The left operand `A` is an implicit matrix. Row `p` of `A` is a *patch*: in a padded image
//! stored as (height, width, channel), the kernel window at output pixel `p` consists of `runs`
//! runs of `run_len` consecutive elements. [`Patches`] states their positions, so that im2col needs
//! no memory. An ordinary matrix is the case of one run per row.
//!
//! ```text
//! product:     C[p][j]  (+)=  Σ_k A[p][k] · B[k][j]     (+ bias[j])
//! transposed:  D[k][j]   +=   Σ_p A[p][k] · G[p][j]
//! ```
//!
//! `B` and `D` are stored in *panels*: groups of [`NR`] columns, each stored as (depth, NR), the
//! last one padded with zeros. `B[k][j]` is at `(j / NR · depth + k) · NR + j % NR`.

use super::{Inference, Kernels, NR};

/// The positions of the rows of an implicit patch matrix in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Number of rows of output pixels.
    pub rows: usize,
    /// Number of columns of output pixels; patch `p` is at row `p / cols`, column `p % cols`.
    pub cols: usize,
    /// Distance from a patch to the one below, in elements.
    pub row_step: usize,
    /// Distance from a patch to the one on its right, in elements.
    pub col_step: usize,
    /// Number of runs of consecutive elements in a patch (kernel height).
    pub runs: usize,
    /// Number of elements in a run (kernel width times channels).
    pub run_len: usize,
    /// Distance between the starts of consecutive runs, in elements.
    pub run_step: usize,
}

impl Patches {
    /// Returns the description of a row-major matrix of shape (rows, depth).
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

    /// Returns the number of patches, which is the number of rows of `A`.
    pub fn count(&self) -> usize {
        self.rows * self.cols
    }

    /// Returns the number of elements in a patch, which is the number of columns of `A`.
    pub fn depth(&self) -> usize {
        self.runs * self.run_len
    }

    /// Returns the index of the first element of patch `p`.
    #[inline(always)]
    pub fn start(&self, p: usize) -> usize {
        (p / self.cols) * self.row_step + (p % self.cols) * self.col_step
    }

    /// Returns the length of the slice that the patches need: one past the last element that is
    /// read.
    ///
    /// # Panics
    /// Panics if that length, [`Self::count`] or [`Self::depth`] overflows.
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

/// Returns the number of panels for `columns` columns.
pub fn panels(columns: usize) -> usize {
    columns.div_ceil(NR)
}

/// Returns the length of a (depth, columns) matrix in panels.
///
/// # Panics
/// Panics if the length overflows.
pub fn panel_len(depth: usize, columns: usize) -> usize {
    area(panels(columns) * NR, depth)
}

/// Returns the product of two sizes; it panics on overflow, because the kernels rely on it for
/// memory safety.
fn area(rows: usize, columns: usize) -> usize {
    rows.checked_mul(columns)
        .expect("a matrix's size overflows")
}

/// Packs the (depth, columns) matrix whose element (k, j) is `w[k * row + j * col]` into panels,
/// with zeros in the padding.
///
/// # Panics
/// Panics if a slice is shorter than the shapes require.
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

/// Adds panels to the (depth, columns) matrix whose element (k, j) is `w[k * row + j * col]`. This
/// is the transpose of [`pack_panels`] and serves gradients.
///
/// # Panics
/// Panics if a slice is shorter than the shapes require.
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

/// The layout of a strided matrix: its shape, and the strides in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Distance from a row to the next, in elements.
    pub row_step: usize,
    /// Distance from a column to the next, in elements.
    pub col_step: usize,
}

impl Layout {
    /// Returns the layout of a row-major matrix without gaps.
    pub fn row_major(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            row_step: columns,
            col_step: 1,
        }
    }

    /// Returns the layout of the transposed matrix over the same elements.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.col_step,
            col_step: self.row_step,
        }
    }

    /// Returns the length of the slice that the matrix needs, or `None` if it overflows.
    fn span(&self) -> Option<usize> {
        if self.rows == 0 || self.columns == 0 {
            return Some(0);
        }
        let row = (self.rows - 1).checked_mul(self.row_step)?;
        let col = (self.columns - 1).checked_mul(self.col_step)?;
        row.checked_add(col)?.checked_add(1)
    }

    /// Returns whether all elements of the matrix are different elements of the slice.
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

/// Computes `C = alpha·A·B + beta·C` for strided matrices by the matrixmultiply crate. If `beta` is
/// 0, `C` is not read. That crate chooses its instruction set by itself, so this function must not
/// be called by an [`Engine`](super::Engine) that is forced.
///
/// # Panics
/// Panics if the shapes do not match, a slice is shorter than its layout requires, or two elements
/// of `C` have the same index.
#[cfg(feature = "std")]
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

/// Returns whether matrixmultiply computes `D += Aᵀ·G`, with `D` of shape (depth, columns) and a
/// sum over `rows` rows, clearly faster than [`Kernels::transposed`]. The limits are conservative
/// and were measured by the groups `transposed` and `product` of `benches/kernels.rs`.
/// [`Kernels::transposed`] reads the columns of `A` without packing them, which costs a quarter of
/// the speed if `A` and `G` exceed the L2 cache. `C = A·B` always uses [`Inference::product`],
/// which is faster for all measured convolutions.
pub fn prefer_matrixmultiply(rows: usize, depth: usize, columns: usize) -> bool {
    rows >= 512 && depth >= 1024 && columns >= 1024
}

/// How a product is written to `C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// `C = A·B`
    Assign,
    /// `C += A·B`
    Add,
}

/// The products of one instruction set; the methods of [`Inference`] and [`Kernels`] check the
/// lengths.
pub(super) struct Products {
    /// Arguments `(patches, a, panels of b, columns, bias, c, store)`.
    pub product: ProductFn,
    /// Arguments `(patches, a, g, columns, panels of d)`.
    pub transposed: fn(&Patches, &[f32], &[f32], usize, &mut [f32]),
}

/// The arguments of a product.
pub(super) type ProductFn = fn(&Patches, &[f32], &[f32], usize, Option<&[f32]>, &mut [f32], Store);

impl Inference {
    /// Computes `C (+)= A·B + bias`: `c` is row-major of shape (patches, columns), `b` is in
    /// panels.
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shapes require.
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
        (self.product)(patches, a, b, columns, bias, c, store);
    }
}

impl Kernels {
    /// Computes `D += Aᵀ·G`: `g` is row-major of shape (patches, columns), `d` is in panels.
    ///
    /// # Panics
    /// Panics if a slice is shorter than the shapes require.
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
