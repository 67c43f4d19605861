//! AVX2 and FMA: tiles of 6 x 16 in 12 of the 16 registers.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::gemm::{Patches, Store};
use super::tiling::{self, Micro, ProductTile, TransposedTile};
use super::{Isa, Kernels, NR, elementwise, lookup, treed, vector, winograd};
use std::arch::x86_64::*;

pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Avx2,
    ew: elementwise::AVX2,
    product,
    transposed,
    packed: super::packed::avx2::PACKED,
    lookup: lookup::functions!(__m256, "avx2,fma"),
    winograd: winograd::functions!(__m256, Avx2, "avx2,fma"),
    treed: treed::function!(__m256, 2, 2, "avx2,fma"),
};

fn product(
    patches: &Patches,
    a: &[f32],
    b: &[f32],
    columns: usize,
    bias: Option<&[f32]>,
    c: &mut [f32],
    store: Store,
) {
    // SAFETY: `Isa::kernels` hands this table out after it has found AVX2 and
    // FMA; `Kernels::product` has checked the lengths.
    unsafe { tiling::product::<Avx2>(patches, a, b, columns, bias, c, store) }
}

fn transposed(patches: &Patches, a: &[f32], g: &[f32], columns: usize, d: &mut [f32]) {
    // SAFETY: as in `product`.
    unsafe { tiling::transposed::<Avx2>(patches, a, g, columns, d) }
}

vector::vector!(
    __m256,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    |a, b, c| _mm256_fmadd_ps(a, b, c),
    _mm256_fnmadd_ps(a, b, c),
    |x| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps())) as u32
);

/// Lanes of a register.
const LANES: usize = 8;
/// Most accumulators of a tile.
const MAX_SUMS: usize = 12;

/// Rows of a tile: 6 x 2 accumulators, 2 registers of `B` and 1 of `A`; where
/// one register holds all the columns, 8 x 1 still hide the FMA's latency.
fn rows(width: usize) -> usize {
    if width <= LANES { 8 } else { 6 }
}

/// Calls `$tile` with the tile's rows and registers a row as constants, and then
/// the constants `$more`.
macro_rules! by_rows {
    ($tile:ident, $rows:expr, $t:expr $(, $more:literal)*) => {
        match ($t.width <= LANES, $rows) {
            (false, 1) => $tile::<1, 2 $(, $more)*>($t),
            (false, 2) => $tile::<2, 2 $(, $more)*>($t),
            (false, 3) => $tile::<3, 2 $(, $more)*>($t),
            (false, 4) => $tile::<4, 2 $(, $more)*>($t),
            (false, 5) => $tile::<5, 2 $(, $more)*>($t),
            (false, _) => $tile::<6, 2 $(, $more)*>($t),
            (true, 1) => $tile::<1, 1 $(, $more)*>($t),
            (true, 2) => $tile::<2, 1 $(, $more)*>($t),
            (true, 3) => $tile::<3, 1 $(, $more)*>($t),
            (true, 4) => $tile::<4, 1 $(, $more)*>($t),
            (true, 5) => $tile::<5, 1 $(, $more)*>($t),
            (true, 6) => $tile::<6, 1 $(, $more)*>($t),
            (true, 7) => $tile::<7, 1 $(, $more)*>($t),
            (true, _) => $tile::<8, 1 $(, $more)*>($t),
        }
    };
}

struct Avx2;

impl Micro for Avx2 {
    const PANELS: usize = 1;

    fn product_rows(width: usize) -> usize {
        rows(width)
    }

    fn transposed_rows(width: usize) -> usize {
        rows(width)
    }

    #[inline(always)]
    unsafe fn product(rows: usize, tile: &ProductTile) {
        // SAFETY: the caller's promises are the tile's.
        unsafe {
            match tile.run_len {
                3 => by_rows!(product_tile, rows, tile, 3),
                5 => by_rows!(product_tile, rows, tile, 5),
                _ => by_rows!(product_tile, rows, tile, 0),
            }
        }
    }

    #[inline(always)]
    unsafe fn transposed(rows: usize, tile: &TransposedTile) {
        // SAFETY: the caller's promises are the tile's.
        unsafe { by_rows!(transposed_tile, rows, tile) }
    }
}

/// The lanes below `width`, as `maskload` and `maskstore` want them.
#[target_feature(enable = "avx2,fma")]
fn mask(width: usize) -> __m256i {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(width.min(LANES) as i32), lanes)
}

/// A tile of R rows of V registers. `L` is the run length where it is short
/// enough to unroll (a kernel over one channel), else 0.
///
/// # Safety
/// The machine has AVX2 and FMA; the tile's addresses are valid.
#[target_feature(enable = "avx2,fma")]
unsafe fn product_tile<const R: usize, const V: usize, const L: usize>(t: &ProductTile) {
    let run_len = if L > 0 { L } else { t.run_len };
    let mut sum = [[_mm256_setzero_ps(); V]; R];
    let mut a = [std::ptr::null(); R];
    a.copy_from_slice(&t.a[..R]);
    let mut b = t.b;
    // SAFETY: R patches of `runs` runs of `run_len` numbers are readable at
    // `a`, and as many rows of NR numbers at `b`; the step beyond the last run
    // and row is taken with `wrapping_add` and never read.
    unsafe {
        for _ in 0..t.runs {
            for k in 0..run_len {
                let mut bs = [_mm256_setzero_ps(); V];
                for (v, bs) in bs.iter_mut().enumerate() {
                    *bs = _mm256_loadu_ps(b.add(v * LANES));
                }
                for i in 0..R {
                    let x = _mm256_broadcast_ss(&*a[i].add(k));
                    for v in 0..V {
                        sum[i][v] = _mm256_fmadd_ps(x, bs[v], sum[i][v]);
                    }
                }
                b = b.wrapping_add(NR);
            }
            for a in &mut a {
                *a = a.wrapping_add(t.run_step);
            }
        }
    }
    if t.width < V * LANES {
        let mut sums = [_mm256_setzero_ps(); MAX_SUMS];
        for i in 0..R {
            for v in 0..V {
                sums[i * V + v] = sum[i][v];
            }
        }
        // SAFETY: the caller's promises.
        return unsafe { store_part(&sums, R, V, t) };
    }
    // SAFETY: V vectors of R rows of `C` are valid, and of the bias.
    // (One plain loop each: the compiler unrolls those whatever its settings,
    // and then the accumulators never leave the registers.)
    unsafe {
        if t.add {
            for i in 0..R {
                for v in 0..V {
                    let c = t.c.add(i * t.c_step + v * LANES);
                    let y = _mm256_add_ps(sum[i][v], _mm256_loadu_ps(t.bias.add(v * LANES)));
                    _mm256_storeu_ps(c, _mm256_add_ps(y, _mm256_loadu_ps(c)));
                }
            }
        } else {
            for i in 0..R {
                for v in 0..V {
                    let c = t.c.add(i * t.c_step + v * LANES);
                    _mm256_storeu_ps(
                        c,
                        _mm256_add_ps(sum[i][v], _mm256_loadu_ps(t.bias.add(v * LANES))),
                    );
                }
            }
        }
    }
}

/// The end of a product tile whose last vectors are not all columns: `sums`
/// holds `vectors` a row. Not inlined, and the sums passed in memory: see
/// [`product_tile`].
///
/// # Safety
/// As for [`product_tile`].
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
unsafe fn store_part(sums: &[__m256; MAX_SUMS], rows: usize, vectors: usize, t: &ProductTile) {
    for (i, sums) in sums.chunks_exact(vectors).take(rows).enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let width = t.width - v * LANES;
            // SAFETY: `width` columns of the row are valid, full vectors of the
            // bias readable. The parts stored add up to `width`. (Some AMD cores
            // take dozens of cycles for the masked store that would do the same.)
            unsafe {
                let mut c = t.c.add(i * t.c_step + v * LANES);
                let mut y = _mm256_add_ps(sum, _mm256_loadu_ps(t.bias.add(v * LANES)));
                if t.add {
                    y = _mm256_add_ps(y, _mm256_maskload_ps(c, mask(width)));
                }
                if width >= LANES {
                    _mm256_storeu_ps(c, y);
                    continue;
                }
                let mut part = _mm256_castps256_ps128(y);
                if width & 4 != 0 {
                    _mm_storeu_ps(c, part);
                    c = c.wrapping_add(4);
                    part = _mm256_extractf128_ps(y, 1);
                }
                if width & 2 != 0 {
                    // Not `_mm_store_sd`, which asks for an address that a double may have.
                    _mm_storeu_si64(c.cast(), _mm_castps_si128(part));
                    c = c.wrapping_add(2);
                    part = _mm_movehl_ps(part, part);
                }
                if width & 1 != 0 {
                    _mm_store_ss(c, part);
                }
            }
        }
    }
}

/// # Safety
/// The machine has AVX2 and FMA; the tile's addresses are valid.
#[target_feature(enable = "avx2,fma")]
unsafe fn transposed_tile<const R: usize, const V: usize>(t: &TransposedTile) {
    let mut sum = [[_mm256_setzero_ps(); V]; R];
    let mut offsets = [0; R];
    offsets.copy_from_slice(&t.offsets[..R]);
    let (mut row, mut col, mut left) = (t.a, t.col, t.count);
    let mut g = t.g;
    // SAFETY: R numbers are readable at `offsets` from each of the `count`
    // patches, and whole vectors at each row of `g`; steps beyond the last
    // patch are taken with `wrapping_add` and never read.
    unsafe {
        while left > 0 {
            let here = left.min(t.cols - col);
            let mut a = row.wrapping_add(col * t.col_step);
            for _ in 0..here {
                let mut gs = [_mm256_setzero_ps(); V];
                for (v, gs) in gs.iter_mut().enumerate() {
                    *gs = _mm256_loadu_ps(g.add(v * LANES));
                }
                for i in 0..R {
                    let x = _mm256_broadcast_ss(&*a.add(offsets[i]));
                    for v in 0..V {
                        sum[i][v] = _mm256_fmadd_ps(x, gs[v], sum[i][v]);
                    }
                }
                a = a.wrapping_add(t.col_step);
                g = g.wrapping_add(t.g_step);
            }
            row = row.wrapping_add(t.row_step);
            col = 0;
            left -= here;
        }
    }
    if t.width < V * LANES {
        let mut sums = [_mm256_setzero_ps(); MAX_SUMS];
        for i in 0..R {
            for v in 0..V {
                sums[i * V + v] = sum[i][v];
            }
        }
        // SAFETY: the caller's promises.
        return unsafe { add_part(&sums, R, V, t) };
    }
    // SAFETY: V vectors of R rows of `D` are readable and writable.
    unsafe {
        for i in 0..R {
            for v in 0..V {
                let d = t.d.add(i * NR + v * LANES);
                _mm256_storeu_ps(d, _mm256_add_ps(_mm256_loadu_ps(d), sum[i][v]));
            }
        }
    }
}

/// The end of a transposed tile whose last vectors are not all columns: `sums`
/// holds `vectors` a row.
///
/// # Safety
/// As for [`transposed_tile`].
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
unsafe fn add_part(sums: &[__m256; MAX_SUMS], rows: usize, vectors: usize, t: &TransposedTile) {
    let zero = _mm256_set1_ps(-0.0);
    for (i, sums) in sums.chunks_exact(vectors).take(rows).enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let mask = _mm256_castsi256_ps(mask(t.width - v * LANES));
            // SAFETY: rows of NR numbers of `D` are readable and writable. Lanes
            // beyond the columns get -0 added, which changes no number.
            unsafe {
                let d = t.d.add(i * NR + v * LANES);
                let sum = _mm256_blendv_ps(zero, sum, mask);
                _mm256_storeu_ps(d, _mm256_add_ps(_mm256_loadu_ps(d), sum));
            }
        }
    }
}
