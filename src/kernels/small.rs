//! Matrix products of a panel, or of two side by side, without blocking, which Winograd's
//! algorithm uses at its points.

use super::NR;
use super::dense::{DenseTile, DenseTransposedTile};
use super::gemm::Store;
use super::tile::Micro;
use super::tiling::Tiles;

/// Computes `C = A·B` for so many panels, at most [`Micro::PANELS`]: `a` (rows, depth), `b` a
/// panel (depth, NR) every `b_step` numbers, `c` (rows, panels · NR), all without gaps, and with
/// so few rows that blocking has no benefit.
///
/// # Safety
/// The processor has `M`'s instruction set, and the three matrices are valid.
#[inline(always)]
pub(super) unsafe fn product<M: Micro>(
    (rows, depth, panels): (usize, usize, usize),
    a: *const f32,
    (b, b_step): (*const f32, usize),
    c: *mut f32,
) {
    let width = panels * NR;
    let mut tile = DenseTile {
        a,
        depth,
        b,
        b_step,
        c,
        width,
    };
    for some in Tiles::new(rows, M::rows(width)) {
        // SAFETY: so many rows from the tile's first one are valid; the step beyond the last row is
        // taken with `wrapping_add` and never read.
        unsafe { M::dense(some, &tile) };
        tile.a = tile.a.wrapping_add(some * depth);
        tile.c = tile.c.wrapping_add(some * width);
    }
}

/// Computes `D (+)= Aᵀ·G` for so many panels, at most [`Micro::PANELS`]: `a` (rows, depth), `g`
/// (rows, panels · NR), all without gaps, and `d` a panel (depth, NR) every `d_step` numbers.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
pub(super) unsafe fn transposed<M: Micro>(
    (rows, depth, panels): (usize, usize, usize),
    a: *const f32,
    g: *const f32,
    (d, d_step): (*mut f32, usize),
    store: Store,
) {
    let width = panels * NR;
    let mut tile = DenseTransposedTile {
        a,
        depth,
        count: rows,
        g,
        width,
        d,
        d_step,
        store,
    };
    for some in Tiles::new(depth, M::rows(width)) {
        // SAFETY: so many columns from the tile's first one are valid; the step beyond the last
        // column is taken with `wrapping_add` and never read.
        unsafe { M::dense_transposed(some, &tile) };
        tile.a = tile.a.wrapping_add(some);
        tile.d = tile.d.wrapping_add(some * NR);
    }
}
