//! The three transforms of Winograd's algorithm for one tile, in one dimension and in two.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use std::mem::MaybeUninit;

use super::N;
use crate::kernels::vector::Vector;

/// The points √½ and √2.
const P: f32 = std::f32::consts::FRAC_1_SQRT_2;
const Q: f32 = std::f32::consts::SQRT_2;

/// Computes `Bᵀ d`, where Bᵀ holds the coefficients of the Lagrange polynomials at 0, ±√½, ±√2 and
/// ∞.
///
/// # Safety
/// The processor has the instruction set; all functions of this file require it.
#[inline(always)]
unsafe fn data<V: Vector>(d: [V; N]) -> [V; N] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let (p, q) = (V::splat(P), V::splat(Q));
        let (half, two, mid) = (V::splat(0.5), V::splat(2.0), V::splat(2.5));
        let even = two.fnma(d[2], d[4]);
        let odd = two.fnma(d[1], d[3]);
        let even2 = half.fnma(d[2], d[4]);
        let odd2 = half.fnma(d[1], d[3]);
        [
            mid.fnma(d[2], d[0].add(d[4])),
            p.fma(odd, even),
            p.fnma(odd, even),
            q.fma(odd2, even2),
            q.fnma(odd2, even2),
            mid.fnma(d[3], d[1].add(d[5])),
        ]
    }
}

/// Returns `Σ g_i x^i` over even `i`, and over odd `i` divided by `x`, for `x² = square`.
///
/// # Safety
/// As for [`data`].
#[inline(always)]
unsafe fn parts<V: Vector, const K: usize>(g: &[V; K], square: f32) -> [V; 2] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut parts = [V::splat(0.0); 2];
        for first in 0..2 {
            let mut factor = 1.0;
            for i in (first..K).step_by(2) {
                parts[first] = if i == first {
                    g[i]
                } else {
                    V::splat(factor).fma(g[i], parts[first])
                };
                factor *= square;
            }
        }
        parts
    }
}

/// Computes `G g`: the polynomial with the coefficients `g` at the points, divided by the
/// denominators of the Lagrange polynomials (1, -3/2, -3/2, 6, 6, 1).
///
/// # Safety
/// As for [`data`].
#[inline(always)]
unsafe fn up<V: Vector, const K: usize>(g: [V; K]) -> [V; N] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let (small, large) = (parts(&g, 0.5), parts(&g, 2.0));
        let (over, over2) = (V::splat(-2.0 / 3.0), V::splat(1.0 / 6.0));
        let (p, q) = (V::splat(-2.0 / 3.0 * P), V::splat(Q / 6.0));
        let (even, even2) = (over.mul(small[0]), over2.mul(large[0]));
        [
            g[0],
            p.fma(small[1], even),
            p.fnma(small[1], even),
            q.fma(large[1], even2),
            q.fnma(large[1], even2),
            g[K - 1],
        ]
    }
}

/// Computes `K` rows of `Aᵀ m`, where Aᵀ holds powers of the points.
///
/// # Safety
/// As for [`data`].
#[inline(always)]
unsafe fn down<V: Vector, const K: usize>(m: [V; N]) -> [V; K] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let sums = [m[1].add(m[2]), m[1].sub(m[2])];
        let sums2 = [m[3].add(m[4]), m[3].sub(m[4])];
        let mut y = [m[0]; K];
        let (mut x, mut x2) = (1.0f32, 1.0f32);
        for i in 0..K {
            let (a, b) = (sums[i % 2], sums2[i % 2]);
            let (f, f2) = if i % 2 == 0 { (x, x2) } else { (x * P, x2 * Q) };
            y[i] = if i == 0 {
                m[0].add(a.add(b))
            } else {
                V::splat(f).fma(a, V::splat(f2).mul(b))
            };
            if i % 2 == 1 {
                (x, x2) = (x * 0.5, x2 * 2.0);
            }
        }
        y[K - 1] = y[K - 1].add(m[N - 1]);
        y
    }
}

/// The largest number of tiles in a run.
pub(super) const RUN: usize = 16;
/// The largest width of a run in pixels: 4 per tile, and 2 more.
const ACROSS: usize = 4 * RUN + 2;

/// Transforms the 6 x 6 inputs of `count` neighbouring tiles, `m` pixels apart, and writes them
/// point by point; the points of the next tile are `tile` elements further. Columns that
/// neighbouring tiles share are transformed once.
///
/// # Safety
/// As for [`data`]; `count` is at most [`RUN`] and `m` at most 4, all inputs are readable and all
/// points writable.
#[inline(always)]
pub(super) unsafe fn data_run<V: Vector>(
    from: *const f32,
    (row, pixel): (usize, usize),
    (count, m): (usize, usize),
    to: *mut f32,
    (tile, step): (usize, usize),
) {
    let mut columns = [const { MaybeUninit::<[V; N]>::uninit() }; ACROSS];
    let across = (count - 1) * m + N;
    // SAFETY: guaranteed by the caller; the columns that a tile reads are written
    // before, and fewer than `ACROSS`.
    unsafe {
        for (x, column) in columns[..across].iter_mut().enumerate() {
            let mut d = [V::splat(0.0); N];
            for i in 0..N {
                d[i] = V::load(from.add(i * row + x * pixel));
            }
            column.write(data(d));
        }
        for t in 0..count {
            let columns = columns.as_ptr().add(t * m).cast::<[V; N]>();
            let to = to.add(t * tile);
            for i in 0..N {
                let mut d = [V::splat(0.0); N];
                for j in 0..N {
                    d[j] = (*columns.add(j))[i];
                }
                let d = data(d);
                for j in 0..N {
                    d[j].store(to.add((i * N + j) * step));
                }
            }
        }
    }
}

/// Transforms a K x K block of values by `up` and writes it point by point.
///
/// # Safety
/// As for [`data`]; all points are readable and writable.
#[inline(always)]
pub(super) unsafe fn up_tile<V: Vector, const K: usize>(
    g: &[[V; K]; K],
    to: *mut f32,
    step: usize,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut rows = [[V::splat(0.0); N]; K];
        for i in 0..K {
            rows[i] = up(g[i]);
        }
        for j in 0..N {
            let mut column = [V::splat(0.0); K];
            for i in 0..K {
                column[i] = rows[i][j];
            }
            let points = up(column);
            for i in 0..N {
                points[i].store(to.add((i * N + j) * step));
            }
        }
    }
}

/// Reads 36 points at the distance `step` and transforms them by `down` to K x K values.
///
/// # Safety
/// As for [`data`]; all points are readable and writable.
#[inline(always)]
pub(super) unsafe fn down_tile<V: Vector, const K: usize>(
    from: *const f32,
    step: usize,
) -> [[V; K]; K] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut columns = [[V::splat(0.0); K]; N];
        for j in 0..N {
            let mut m = [V::splat(0.0); N];
            for i in 0..N {
                m[i] = V::load(from.add((i * N + j) * step));
            }
            columns[j] = down(m);
        }
        let mut y = [[V::splat(0.0); K]; K];
        for i in 0..K {
            let mut row = [V::splat(0.0); N];
            for j in 0..N {
                row[j] = columns[j][i];
            }
            y[i] = down(row);
        }
        y
    }
}
