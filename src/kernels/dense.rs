//! Register tiles of products of matrices without gaps, written once over a [`Vector`].

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::NR;
use super::gemm::Store;
use super::vector::Vector;

/// One tile of a product of matrices without gaps: `C[i][j] = Σ_k A[i][k] · B[k][j]`.
pub(super) struct DenseTile {
    /// First row of `A` in the tile.
    pub a: *const f32,
    /// Columns of `A`, and rows of `B`.
    pub depth: usize,
    /// First panel of `B`.
    pub b: *const f32,
    /// Distance from a panel to the next, in elements.
    pub b_step: usize,
    /// First row of `C` in the tile.
    pub c: *mut f32,
    /// Columns of `C`.
    pub width: usize,
}

/// One tile of a transposed product of matrices without gaps: `D[k][j] (+)= Σ_p A[p][k] · G[p][j]`.
pub(super) struct DenseTransposedTile {
    /// First column of `A` in the tile.
    pub a: *const f32,
    /// Columns of `A`.
    pub depth: usize,
    /// Rows of `A` and of `G`.
    pub count: usize,
    /// First row of `G`.
    pub g: *const f32,
    /// Columns of `G`.
    pub width: usize,
    /// First row of the tile in the first panel of `D`.
    pub d: *mut f32,
    /// Distance from a panel to the next, in elements.
    pub d_step: usize,
    /// Whether the sums are added to `D`.
    pub store: Store,
}

/// Returns the offset of register `v` of a row within panels that are `step` elements apart.
#[inline(always)]
pub(super) const fn in_panels<V: Vector>(v: usize, step: usize) -> usize {
    v * V::LANES / NR * step + v * V::LANES % NR
}

/// Computes a tile of `R` rows of `W` registers.
///
/// # Safety
/// The processor has the instruction set, and the addresses of the tile are valid.
#[inline(always)]
pub(super) unsafe fn dense<V: Vector, const R: usize, const W: usize>(t: &DenseTile) {
    let (depth, mut b) = (t.depth, t.b);
    // SAFETY: R rows of `depth` numbers are readable at `a`, as many rows of W registers at `b`, in
    // panels `b_step` apart, and R rows of W registers are writable at `c`; the step beyond the last
    // row is taken with `wrapping_add` and never read.
    unsafe {
        let mut sum = [[V::splat(0.0); W]; R];
        for k in 0..depth {
            let mut row = [V::splat(0.0); W];
            for (v, row) in row.iter_mut().enumerate() {
                *row = V::load(b.add(in_panels::<V>(v, t.b_step)));
            }
            for i in 0..R {
                let x = V::splat(*t.a.add(i * depth + k));
                for v in 0..W {
                    sum[i][v] = x.fma(row[v], sum[i][v]);
                }
            }
            b = b.wrapping_add(NR);
        }
        for i in 0..R {
            for v in 0..W {
                sum[i][v].store(t.c.add(i * t.width + v * V::LANES));
            }
        }
    }
}

/// Computes a tile of `R` columns of `A`, which are rows of `D`, of `W` registers.
///
/// # Safety
/// As for [`dense`].
#[inline(always)]
pub(super) unsafe fn dense_transposed<V: Vector, const R: usize, const W: usize>(
    t: &DenseTransposedTile,
) {
    let (mut a, mut g) = (t.a, t.g);
    // SAFETY: `count` rows of R numbers are readable at `a`, `depth` apart, as many rows of W
    // registers at `g`, and R rows of W registers are writable at `d`, in panels `d_step` apart;
    // steps beyond the last row are taken with `wrapping_add` and never read.
    unsafe {
        let mut sum = [[V::splat(0.0); W]; R];
        for _ in 0..t.count {
            let mut row = [V::splat(0.0); W];
            for (v, row) in row.iter_mut().enumerate() {
                *row = V::load(g.add(v * V::LANES));
            }
            for i in 0..R {
                let x = V::splat(*a.add(i));
                for v in 0..W {
                    sum[i][v] = x.fma(row[v], sum[i][v]);
                }
            }
            a = a.wrapping_add(t.depth);
            g = g.wrapping_add(t.width);
        }
        // Each case has one plain loop, which the compiler always unrolls, so that the accumulators
        // stay in registers.
        match t.store {
            Store::Assign => {
                for i in 0..R {
                    for v in 0..W {
                        sum[i][v].store(t.d.add(in_panels::<V>(v, t.d_step) + i * NR));
                    }
                }
            }
            Store::Add => {
                for i in 0..R {
                    for v in 0..W {
                        let d = t.d.add(in_panels::<V>(v, t.d_step) + i * NR);
                        V::load(d).add(sum[i][v]).store(d);
                    }
                }
            }
        }
    }
}
