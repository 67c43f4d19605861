//! NEON: tiles of 6 x 16 in 24 of the 32 registers.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::gemm::{Patches, Store};
use super::tiling::{self, Micro, ProductTile, TransposedTile};
use super::{Isa, Kernels, NR, elementwise, lookup, treed, vector, winograd};
use std::arch::aarch64::*;

pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Neon,
    ew: elementwise::NEON,
    product,
    transposed,
    packed: super::packed::neon::PACKED,
    lookup: lookup::functions!(float32x4_t, "neon"),
    winograd: winograd::functions!(float32x4_t, Neon, "neon"),
    treed: treed::function!(float32x4_t, 4, 2, "neon"),
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
    // SAFETY: `Isa::kernels` hands this table out after it has found NEON; `Kernels::product` has checked the lengths.
    unsafe { tiling::product::<Neon>(patches, a, b, columns, bias, c, store) }
}

fn transposed(patches: &Patches, a: &[f32], g: &[f32], columns: usize, d: &mut [f32]) {
    // SAFETY: as in `product`.
    unsafe { tiling::transposed::<Neon>(patches, a, g, columns, d) }
}

vector::vector!(
    float32x4_t,
    4,
    vdupq_n_f32,
    vld1q_f32,
    vst1q_f32,
    vaddq_f32,
    vsubq_f32,
    vmulq_f32,
    |a, b, c| vfmaq_f32(c, a, b),
    vfmsq_f32(c, a, b),
    |x| vaddvq_u32(vandq_u32(vcgtzq_f32(x), vld1q_u32([1, 2, 4, 8].as_ptr())))
);

/// Lanes of a register.
const LANES: usize = 4;
/// Most accumulators of a tile.
const MAX_SUMS: usize = 24;
/// Columns of half a panel: where they are all, half the registers are left out.
const HALF: usize = 2 * LANES;

/// Rows of a tile: 6 x 4 accumulators, 4 registers of `B` and 1 of `A`.
fn rows(width: usize) -> usize {
    if width <= HALF { 8 } else { 6 }
}

/// Calls `$tile` with the tile's rows and registers a row as constants, and then
/// the constants `$more`.
macro_rules! by_rows {
    ($tile:ident, $rows:expr, $t:expr $(, $more:literal)*) => {
        match ($t.width <= HALF, $rows) {
            (false, 1) => $tile::<1, 4 $(, $more)*>($t),
            (false, 2) => $tile::<2, 4 $(, $more)*>($t),
            (false, 3) => $tile::<3, 4 $(, $more)*>($t),
            (false, 4) => $tile::<4, 4 $(, $more)*>($t),
            (false, 5) => $tile::<5, 4 $(, $more)*>($t),
            (false, _) => $tile::<6, 4 $(, $more)*>($t),
            (true, 1) => $tile::<1, 2 $(, $more)*>($t),
            (true, 2) => $tile::<2, 2 $(, $more)*>($t),
            (true, 3) => $tile::<3, 2 $(, $more)*>($t),
            (true, 4) => $tile::<4, 2 $(, $more)*>($t),
            (true, 5) => $tile::<5, 2 $(, $more)*>($t),
            (true, 6) => $tile::<6, 2 $(, $more)*>($t),
            (true, 7) => $tile::<7, 2 $(, $more)*>($t),
            (true, _) => $tile::<8, 2 $(, $more)*>($t),
        }
    };
}

struct Neon;

impl Micro for Neon {
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

/// A tile of R rows of V registers. `L` is the run length where it is short
/// enough to unroll (a kernel over one channel), else 0.
///
/// # Safety
/// The machine has NEON; the tile's addresses are valid.
#[target_feature(enable = "neon")]
unsafe fn product_tile<const R: usize, const V: usize, const L: usize>(t: &ProductTile) {
    let run_len = if L > 0 { L } else { t.run_len };
    let mut sum = [[vdupq_n_f32(0.0); V]; R];
    let mut a = [std::ptr::null(); R];
    a.copy_from_slice(&t.a[..R]);
    let mut b = t.b;
    // SAFETY: R patches of `runs` runs of `run_len` numbers are readable at
    // `a`, and as many rows of NR numbers at `b`; the step beyond the last run
    // and row is taken with `wrapping_add` and never read.
    unsafe {
        for _ in 0..t.runs {
            for k in 0..run_len {
                let mut bs = [vdupq_n_f32(0.0); V];
                for (v, bs) in bs.iter_mut().enumerate() {
                    *bs = vld1q_f32(b.add(v * LANES));
                }
                for i in 0..R {
                    let x = *a[i].add(k);
                    for v in 0..V {
                        sum[i][v] = vfmaq_n_f32(sum[i][v], bs[v], x);
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
        let mut sums = [vdupq_n_f32(0.0); MAX_SUMS];
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
                    let y = vaddq_f32(sum[i][v], vld1q_f32(t.bias.add(v * LANES)));
                    vst1q_f32(c, vaddq_f32(y, vld1q_f32(c)));
                }
            }
        } else {
            for i in 0..R {
                for v in 0..V {
                    let c = t.c.add(i * t.c_step + v * LANES);
                    vst1q_f32(c, vaddq_f32(sum[i][v], vld1q_f32(t.bias.add(v * LANES))));
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
#[target_feature(enable = "neon")]
#[inline(never)]
unsafe fn store_part(sums: &[float32x4_t; MAX_SUMS], rows: usize, vectors: usize, t: &ProductTile) {
    for (i, sums) in sums.chunks_exact(vectors).take(rows).enumerate() {
        let sums = sums.as_ptr().cast::<f32>();
        for j in 0..t.width {
            // SAFETY: `width` columns of the row are valid, and no more than the
            // row's vectors hold; so is the bias.
            unsafe {
                let c = t.c.add(i * t.c_step + j);
                let y = *sums.add(j) + *t.bias.add(j);
                *c = if t.add { y + *c } else { y };
            }
        }
    }
}

/// # Safety
/// The machine has NEON; the tile's addresses are valid.
#[target_feature(enable = "neon")]
unsafe fn transposed_tile<const R: usize, const V: usize>(t: &TransposedTile) {
    let mut sum = [[vdupq_n_f32(0.0); V]; R];
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
                let mut gs = [vdupq_n_f32(0.0); V];
                for (v, gs) in gs.iter_mut().enumerate() {
                    *gs = vld1q_f32(g.add(v * LANES));
                }
                for i in 0..R {
                    let x = *a.add(offsets[i]);
                    for v in 0..V {
                        sum[i][v] = vfmaq_n_f32(sum[i][v], gs[v], x);
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
        let mut sums = [vdupq_n_f32(0.0); MAX_SUMS];
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
                vst1q_f32(d, vaddq_f32(vld1q_f32(d), sum[i][v]));
            }
        }
    }
}

/// The end of a transposed tile whose last vectors are not all columns: `sums`
/// holds `vectors` a row.
///
/// # Safety
/// As for [`transposed_tile`].
#[target_feature(enable = "neon")]
#[inline(never)]
unsafe fn add_part(
    sums: &[float32x4_t; MAX_SUMS],
    rows: usize,
    vectors: usize,
    t: &TransposedTile,
) {
    for (i, sums) in sums.chunks_exact(vectors).take(rows).enumerate() {
        let sums = sums.as_ptr().cast::<f32>();
        for j in 0..t.width {
            // SAFETY: rows of NR numbers of `D` are valid; `width` is no more
            // than the row's vectors hold.
            unsafe { *t.d.add(i * NR + j) += *sums.add(j) };
        }
    }
}
