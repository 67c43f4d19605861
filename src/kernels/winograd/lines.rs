//! The transforms of Winograd's algorithm in one dimension: what a form does to inputs, taps and
//! outputs.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use crate::kernels::vector::Vector;

/// The transform of the I inputs of a tile to its N points.
pub(super) trait Data<const N: usize, const I: usize> {
    /// Computes `Bᵀ d`.
    ///
    /// # Safety
    /// The processor has the instruction set; all functions of this file require it.
    unsafe fn data<V: Vector>(d: [V; I]) -> [V; N];
}

/// The transforms between the K taps, or the K outputs, of a tile and its N points.
pub(super) trait Lines<const N: usize, const K: usize> {
    /// Computes the points of taps, `G g`, or of the gradients of outputs.
    ///
    /// # Safety
    /// As for [`Data::data`].
    unsafe fn up<V: Vector>(g: [V; K]) -> [V; N];

    /// Computes outputs from points, `Aᵀ m`, or the gradients of taps.
    ///
    /// # Safety
    /// As for [`Data::data`].
    unsafe fn down<V: Vector>(m: [V; N]) -> [V; K];
}

/// The six points 0, ±√½, ±√2 and ∞: filters of stride 1.
pub(super) struct SixPoints;

/// The points √½ and √2.
const P: f32 = core::f32::consts::FRAC_1_SQRT_2;
const Q: f32 = core::f32::consts::SQRT_2;

impl Data<6, 6> for SixPoints {
    /// Computes `Bᵀ d`, where Bᵀ holds the coefficients of the Lagrange polynomials at 0, ±√½, ±√2 and
    /// ∞.
    #[inline(always)]
    unsafe fn data<V: Vector>(d: [V; 6]) -> [V; 6] {
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
}

impl<const K: usize> Lines<6, K> for SixPoints {
    /// Computes `G g`: the polynomial with the coefficients `g` at the points, divided by the
    /// denominators of the Lagrange polynomials (1, -3/2, -3/2, 6, 6, 1).
    #[inline(always)]
    unsafe fn up<V: Vector>(g: [V; K]) -> [V; 6] {
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
    #[inline(always)]
    unsafe fn down<V: Vector>(m: [V; 6]) -> [V; K] {
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
            y[K - 1] = y[K - 1].add(m[5]);
            y
        }
    }
}

/// The eight points 0, ±½, ±1, ±2 and ∞: filters of stride 1.
pub(super) struct EightPoints;

impl Data<8, 8> for EightPoints {
    /// Computes `Bᵀ d`, where Bᵀ holds the coefficients of the Lagrange polynomials at 0 (with the
    /// opposite sign), ±½, ±1, ±2 and ∞.
    #[inline(always)]
    unsafe fn data<V: Vector>(d: [V; 8]) -> [V; 8] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let (half, two, four) = (V::splat(0.5), V::splat(2.0), V::splat(4.0));
            let (five, quarter) = (V::splat(5.0), V::splat(0.25));
            let (one, more, mid) = (V::splat(4.25), V::splat(1.25), V::splat(5.25));
            let even = four.fma(d[2], five.fnma(d[4], d[6]));
            let odd = four.fma(d[1], five.fnma(d[3], d[5]));
            let even1 = one.fnma(d[4], d[2].add(d[6]));
            let odd1 = one.fnma(d[3], d[1].add(d[5]));
            let even2 = quarter.fma(d[2], more.fnma(d[4], d[6]));
            let odd2 = quarter.fma(d[1], more.fnma(d[3], d[5]));
            [
                mid.fma(d[4].sub(d[2]), d[0].sub(d[6])),
                half.fma(odd, even),
                half.fnma(odd, even),
                even1.add(odd1),
                even1.sub(odd1),
                two.fma(odd2, even2),
                two.fnma(odd2, even2),
                mid.fma(d[3].sub(d[5]), d[7].sub(d[1])),
            ]
        }
    }
}

impl<const K: usize> Lines<8, K> for EightPoints {
    /// Computes `G g`: the polynomial with the coefficients `g` at the points, divided by the
    /// denominators of the Lagrange polynomials (1, twice 45/32, -9/2 and 90, and 1).
    #[inline(always)]
    unsafe fn up<V: Vector>(g: [V; K]) -> [V; 8] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let (small, one, large) = (parts(&g, 0.25), parts(&g, 1.0), parts(&g, 4.0));
            let even = V::splat(32.0 / 45.0).mul(small[0]);
            let even1 = V::splat(-2.0 / 9.0).mul(one[0]);
            let even2 = V::splat(1.0 / 90.0).mul(large[0]);
            let (x, x1, x2) = (
                V::splat(16.0 / 45.0),
                V::splat(-2.0 / 9.0),
                V::splat(1.0 / 45.0),
            );
            [
                g[0],
                x.fma(small[1], even),
                x.fnma(small[1], even),
                x1.fma(one[1], even1),
                x1.fnma(one[1], even1),
                x2.fma(large[1], even2),
                x2.fnma(large[1], even2),
                g[K - 1],
            ]
        }
    }

    /// Computes `K` rows of `Aᵀ m`, where Aᵀ holds powers of the points.
    #[inline(always)]
    unsafe fn down<V: Vector>(m: [V; 8]) -> [V; K] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let sums = [m[1].add(m[2]), m[1].sub(m[2])];
            let sums1 = [m[3].add(m[4]), m[3].sub(m[4])];
            let sums2 = [m[5].add(m[6]), m[5].sub(m[6])];
            let mut y = [m[0].add(sums[0]).add(sums1[0].add(sums2[0])); K];
            let mut power = 1.0f32;
            for i in 1..K {
                power *= 2.0;
                let sum = V::splat(power).fma(sums2[i % 2], sums1[i % 2]);
                y[i] = V::splat(power.recip()).fma(sums[i % 2], sum);
            }
            y[K - 1] = y[K - 1].add(m[7]);
            y
        }
    }
}

/// Returns `Σ g_i x^i` over even `i`, and over odd `i` divided by `x`, for `x² = square`.
///
/// # Safety
/// As for [`Data::data`].
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

/// The points 0, 1 and ∞ for the outer two of three taps, which meet every other input alone, and
/// two products for the middle one: filters of stride 2, and their data gradient.
pub(super) struct Halves;

impl Data<5, 5> for Halves {
    #[inline(always)]
    unsafe fn data<V: Vector>(d: [V; 5]) -> [V; 5] {
        // SAFETY: guaranteed by the caller.
        unsafe { [d[0].sub(d[2]), d[2], d[4].sub(d[2]), d[1], d[3]] }
    }
}

impl Data<5, 3> for Halves {
    #[inline(always)]
    unsafe fn data<V: Vector>(d: [V; 3]) -> [V; 5] {
        // SAFETY: guaranteed by the caller.
        unsafe { [d[0].sub(d[1]), d[1], d[2].sub(d[1]), d[0], d[1]] }
    }
}

/// The taps.
impl Lines<5, 3> for Halves {
    #[inline(always)]
    unsafe fn up<V: Vector>(g: [V; 3]) -> [V; 5] {
        // SAFETY: guaranteed by the caller.
        unsafe { [g[0], g[0].add(g[2]), g[2], g[1], g[1]] }
    }

    #[inline(always)]
    unsafe fn down<V: Vector>(m: [V; 5]) -> [V; 3] {
        // SAFETY: guaranteed by the caller.
        unsafe { [m[0].add(m[1]), m[3].add(m[4]), m[1].add(m[2])] }
    }
}

/// The outputs of stride 2.
impl Lines<5, 2> for Halves {
    #[inline(always)]
    unsafe fn up<V: Vector>(g: [V; 2]) -> [V; 5] {
        // SAFETY: guaranteed by the caller.
        unsafe { [g[0], g[0].add(g[1]), g[1], g[0], g[1]] }
    }

    #[inline(always)]
    unsafe fn down<V: Vector>(m: [V; 5]) -> [V; 2] {
        // SAFETY: guaranteed by the caller.
        unsafe { [m[0].add(m[1]).add(m[3]), m[1].add(m[2]).add(m[4])] }
    }
}

/// The outputs of the data gradient: the first meets the middle tap, the next the outer ones.
impl Lines<5, 4> for Halves {
    #[inline(always)]
    unsafe fn up<V: Vector>(g: [V; 4]) -> [V; 5] {
        // SAFETY: guaranteed by the caller.
        unsafe { [g[1], g[1].add(g[3]), g[3], g[0], g[2]] }
    }

    #[inline(always)]
    unsafe fn down<V: Vector>(m: [V; 5]) -> [V; 4] {
        // SAFETY: guaranteed by the caller.
        unsafe { [m[3], m[0].add(m[1]), m[4], m[1].add(m[2])] }
    }
}
