//! Matrix products of a panel, or of two side by side, without blocking, which Winograd's
//! algorithm uses at its points.

use super::NR;
use super::tile::{MAX_PANELS, MAX_ROWS, Micro, ProductTile, TransposedTile};
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
    let zeros = [0.0f32; MAX_PANELS * NR];
    let mut tile = ProductTile {
        a: [a; MAX_ROWS],
        runs: 1,
        run_len: depth,
        run_step: 0,
        b,
        b_step,
        c,
        c_step: width,
        width,
        bias: zeros.as_ptr(),
        add: false,
    };
    let mut p = 0;
    for some in Tiles::new(rows, M::rows(width)) {
        // SAFETY: rows p to p + some are valid.
        unsafe {
            for (i, start) in tile.a[..some].iter_mut().enumerate() {
                *start = a.add((p + i) * depth);
            }
            tile.c = c.add(p * width);
            M::product(some, &tile);
        }
        p += some;
    }
}

/// Computes `D += Aᵀ·G` for so many panels, at most [`Micro::PANELS`]: `a` (rows, depth), `g`
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
) {
    let width = panels * NR;
    let mut tile = TransposedTile {
        a,
        offsets: [0; MAX_ROWS],
        col: 0,
        cols: rows,
        row_step: 0,
        col_step: depth,
        count: rows,
        g,
        g_step: width,
        d,
        d_step,
        width,
    };
    let mut k = 0;
    for some in Tiles::new(depth, M::rows(width)) {
        for (i, offset) in tile.offsets[..some].iter_mut().enumerate() {
            *offset = k + i;
        }
        // SAFETY: depths k to k + some are valid.
        unsafe {
            tile.d = d.add(k * NR);
            M::transposed(some, &tile);
        }
        k += some;
    }
}
