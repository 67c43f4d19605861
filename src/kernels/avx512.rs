//! AVX-512: tiles of 8 x 32 (two panels side by side) in 16 of the 32 registers,
//! 8 x 16 where one panel is left. More rows would fit the registers of vectors,
//! but not the pointers to the rows those of addresses.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::gemm::{Patches, Store};
use super::tiling::{self, Micro, ProductTile, TransposedTile};
use super::{Isa, Kernels, NR, elementwise, lookup, treed, vector, winograd};
use std::arch::x86_64::*;

pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Avx512,
    ew: elementwise::AVX512,
    product,
    transposed,
    packed: super::packed::avx512::PACKED,
    lookup: lookup::functions!(__m512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"),
    winograd: winograd::functions!(
        __m512,
        Avx512,
        "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
    ),
    treed: treed::function!(__m512, 1, 8, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"),
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
    // SAFETY: `Isa::kernels` hands this table out after it has found AVX-512; `Kernels::product` has checked the lengths.
    unsafe { tiling::product::<Avx512>(patches, a, b, columns, bias, c, store) }
}

fn transposed(patches: &Patches, a: &[f32], g: &[f32], columns: usize, d: &mut [f32]) {
    // SAFETY: as in `product`.
    unsafe { tiling::transposed::<Avx512>(patches, a, g, columns, d) }
}

vector::vector!(
    __m512,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    |a, b, c| _mm512_fmadd_ps(a, b, c),
    _mm512_fnmadd_ps(a, b, c),
    |x| u32::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps()))
);

/// Calls `$tile` with the tile's rows and panels as constants, and then the
/// constants `$more`.
macro_rules! by_rows {
    ($tile:ident, $rows:expr, $t:expr $(, $more:literal)*) => {
        match ($t.width <= NR, $rows) {
            (false, 1) => $tile::<1, 2 $(, $more)*>($t),
            (false, 2) => $tile::<2, 2 $(, $more)*>($t),
            (false, 3) => $tile::<3, 2 $(, $more)*>($t),
            (false, 4) => $tile::<4, 2 $(, $more)*>($t),
            (false, 5) => $tile::<5, 2 $(, $more)*>($t),
            (false, 6) => $tile::<6, 2 $(, $more)*>($t),
            (false, 7) => $tile::<7, 2 $(, $more)*>($t),
            (false, _) => $tile::<8, 2 $(, $more)*>($t),
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

struct Avx512;

impl Micro for Avx512 {
    const PANELS: usize = 2;

    fn product_rows(_width: usize) -> usize {
        8
    }

    fn transposed_rows(_width: usize) -> usize {
        8
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

/// Most accumulators of a tile.
const MAX_SUMS: usize = 16;

/// The lanes below `width`.
fn mask(width: usize) -> __mmask16 {
    ((1u32 << width.min(NR)) - 1) as __mmask16
}

/// A tile of R rows of V registers. `L` is the run length where it is short
/// enough to unroll (a kernel over one channel), else 0.
///
/// # Safety
/// The machine has AVX-512 F; the tile's addresses are valid.
#[target_feature(enable = "avx512f")]
unsafe fn product_tile<const R: usize, const V: usize, const L: usize>(t: &ProductTile) {
    let run_len = if L > 0 { L } else { t.run_len };
    let mut sum = [[_mm512_setzero_ps(); V]; R];
    let mut a = [std::ptr::null(); R];
    a.copy_from_slice(&t.a[..R]);
    let mut b = t.b;
    // SAFETY: R patches of `runs` runs of `run_len` numbers are readable at
    // `a`, and as many rows of NR numbers at `b` and at the panel `b_step`
    // after it where V is 2; the step beyond the last run and row is taken with
    // `wrapping_add` and never read.
    unsafe {
        for _ in 0..t.runs {
            for k in 0..run_len {
                let mut bs = [_mm512_setzero_ps(); V];
                for (v, bs) in bs.iter_mut().enumerate() {
                    *bs = _mm512_loadu_ps(b.add(v * t.b_step));
                }
                for i in 0..R {
                    let x = _mm512_set1_ps(*a[i].add(k));
                    for v in 0..V {
                        sum[i][v] = _mm512_fmadd_ps(x, bs[v], sum[i][v]);
                    }
                }
                b = b.wrapping_add(NR);
            }
            for a in &mut a {
                *a = a.wrapping_add(t.run_step);
            }
        }
    }
    if t.width < V * NR {
        let mut sums = [_mm512_setzero_ps(); MAX_SUMS];
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
                    let c = t.c.add(i * t.c_step + v * NR);
                    let y = _mm512_add_ps(sum[i][v], _mm512_loadu_ps(t.bias.add(v * NR)));
                    _mm512_storeu_ps(c, _mm512_add_ps(y, _mm512_loadu_ps(c)));
                }
            }
        } else {
            for i in 0..R {
                for v in 0..V {
                    let c = t.c.add(i * t.c_step + v * NR);
                    _mm512_storeu_ps(
                        c,
                        _mm512_add_ps(sum[i][v], _mm512_loadu_ps(t.bias.add(v * NR))),
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
#[target_feature(enable = "avx512f")]
#[inline(never)]
unsafe fn store_part(sums: &[__m512; MAX_SUMS], rows: usize, vectors: usize, t: &ProductTile) {
    for (i, sums) in sums.chunks_exact(vectors).take(rows).enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let mask = mask(t.width - v * NR);
            // SAFETY: the row is valid for the lanes of the mask, and full
            // vectors of the bias readable.
            unsafe {
                let c = t.c.add(i * t.c_step + v * NR);
                let mut y = _mm512_add_ps(sum, _mm512_loadu_ps(t.bias.add(v * NR)));
                if t.add {
                    y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, c));
                }
                _mm512_mask_storeu_ps(c, mask, y);
            }
        }
    }
}

/// # Safety
/// The machine has AVX-512 F; the tile's addresses are valid.
#[target_feature(enable = "avx512f")]
unsafe fn transposed_tile<const R: usize, const V: usize>(t: &TransposedTile) {
    let mut sum = [[_mm512_setzero_ps(); V]; R];
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
                let mut gs = [_mm512_setzero_ps(); V];
                for (v, gs) in gs.iter_mut().enumerate() {
                    *gs = _mm512_loadu_ps(g.add(v * NR));
                }
                for i in 0..R {
                    let x = _mm512_set1_ps(*a.add(offsets[i]));
                    for v in 0..V {
                        sum[i][v] = _mm512_fmadd_ps(x, gs[v], sum[i][v]);
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
    if t.width < V * NR {
        let mut sums = [_mm512_setzero_ps(); MAX_SUMS];
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
                let d = t.d.add(v * t.d_step + i * NR);
                _mm512_storeu_ps(d, _mm512_add_ps(_mm512_loadu_ps(d), sum[i][v]));
            }
        }
    }
}

/// The end of a transposed tile whose last vectors are not all columns: `sums`
/// holds `vectors` a row.
///
/// # Safety
/// As for [`transposed_tile`].
#[target_feature(enable = "avx512f")]
#[inline(never)]
unsafe fn add_part(sums: &[__m512; MAX_SUMS], rows: usize, vectors: usize, t: &TransposedTile) {
    for (i, sums) in sums.chunks_exact(vectors).take(rows).enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let mask = mask(t.width - v * NR);
            // SAFETY: the row of `D` is valid for the lanes of the mask.
            unsafe {
                let d = t.d.add(v * t.d_step + i * NR);
                let old = _mm512_maskz_loadu_ps(mask, d);
                _mm512_mask_storeu_ps(d, mask, _mm512_add_ps(old, sum));
            }
        }
    }
}
