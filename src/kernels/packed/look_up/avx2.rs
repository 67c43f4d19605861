//! AVX2: rows of 8, 16 or 32 partial sums, and windows of 2 x 2.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::super::Lookups;
use std::arch::x86_64::*;

/// `P` positions from `p`, rows of `V` vectors.
///
/// # Safety
/// AVX2, and checked lengths.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn look_up_block<const P: usize, const V: usize>(
    cells: &[u8],
    l: &Lookups<'_>,
    out: &mut [f32],
    p: usize,
) {
    let mut sum = [[_mm256_setzero_ps(); V]; P];
    let mut start = [cells.as_ptr(); P];
    // SAFETY: positions p .. p + P exist; every start plus offset lies within
    // `cells`, 16 rows of each look-up within the table, and rows of V vectors
    // at each position of `out`.
    unsafe {
        for i in 0..P {
            start[i] = cells.as_ptr().add(l.starts[p + i] as usize);
            for v in 0..V {
                sum[i][v] = _mm256_loadu_ps(out.as_ptr().add((p + i) * l.out_step + 8 * v));
            }
        }
        let mut table = l.table.as_ptr();
        for &offset in l.offsets {
            for i in 0..P {
                let cell = usize::from(*start[i].add(offset as usize) & 15);
                let row = table.add(cell * V * 8);
                for v in 0..V {
                    sum[i][v] = _mm256_add_ps(sum[i][v], _mm256_loadu_ps(row.add(8 * v)));
                }
            }
            table = table.add(16 * V * 8);
        }
        for i in 0..P {
            for v in 0..V {
                _mm256_storeu_ps(
                    out.as_mut_ptr().add((p + i) * l.out_step + 8 * v),
                    sum[i][v],
                );
            }
        }
    }
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
pub(in crate::kernels::packed) unsafe fn look_up(cells: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    let n = l.starts.len();
    let mut p = 0;
    while p < n {
        // SAFETY: whole blocks of positions within the caller's lengths.
        let done = unsafe {
            match (l.width, n - p) {
                (8, 4..) => (look_up_block::<4, 1>(cells, l, out, p), 4).1,
                (8, _) => (look_up_block::<1, 1>(cells, l, out, p), 1).1,
                (16, 4..) => (look_up_block::<4, 2>(cells, l, out, p), 4).1,
                (16, _) => (look_up_block::<1, 2>(cells, l, out, p), 1).1,
                (_, 2..) => (look_up_block::<2, 4>(cells, l, out, p), 2).1,
                _ => (look_up_block::<1, 4>(cells, l, out, p), 1).1,
            }
        };
        p += done;
    }
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
pub(in crate::kernels::packed) unsafe fn cut_pool2(
    rows: &[f32],
    step: usize,
    channels: usize,
    threshold: &[f32],
    out: &mut [u8],
) {
    for (x, cells) in out.chunks_exact_mut(channels / 4).enumerate() {
        for c in (0..channels).step_by(8) {
            // SAFETY: two pixels of each row lie at 2x, and 8 numbers from `c` in
            // each pixel and in the thresholds.
            let mask = unsafe {
                let p = rows.as_ptr().add(2 * x * channels + c);
                let load = |at: usize| _mm256_loadu_ps(p.add(at));
                let t = _mm256_loadu_ps(threshold.as_ptr().add(c));
                // Bits are joined, not maxima: a NaN then hides no other number.
                let above = |at| _mm256_cmp_ps::<_CMP_GT_OQ>(load(at), t);
                let top = _mm256_or_ps(above(0), above(channels));
                let bottom = _mm256_or_ps(above(step), above(step + channels));
                _mm256_movemask_ps(_mm256_or_ps(top, bottom)) as u8
            };
            cells[c / 4] = mask & 15;
            cells[c / 4 + 1] = mask >> 4;
        }
    }
}
