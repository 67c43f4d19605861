//! AVX-512: rows of 16 or 32 partial sums.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::super::Lookups;
use std::arch::x86_64::*;

/// `P` positions from `p`, rows of `V` vectors.
///
/// # Safety
/// AVX-512 F, and checked lengths.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn look_up_block<const P: usize, const V: usize>(
    cells: &[u8],
    l: &Lookups<'_>,
    out: &mut [f32],
    p: usize,
) {
    let mut sum = [[_mm512_setzero_ps(); V]; P];
    let mut start = [cells.as_ptr(); P];
    // SAFETY: positions p .. p + P exist; every start plus offset lies within
    // `cells`, 16 rows of each look-up within the table, and rows of V vectors
    // at each position of `out`.
    unsafe {
        for i in 0..P {
            start[i] = cells.as_ptr().add(l.starts[p + i] as usize);
            for v in 0..V {
                sum[i][v] = _mm512_loadu_ps(out.as_ptr().add((p + i) * l.out_step + 16 * v));
            }
        }
        let mut table = l.table.as_ptr();
        for &offset in l.offsets {
            for i in 0..P {
                let cell = usize::from(*start[i].add(offset as usize) & 15);
                let row = table.add(cell * V * 16);
                for v in 0..V {
                    sum[i][v] = _mm512_add_ps(sum[i][v], _mm512_loadu_ps(row.add(16 * v)));
                }
            }
            table = table.add(16 * V * 16);
        }
        for i in 0..P {
            for v in 0..V {
                let out = out.as_mut_ptr().add((p + i) * l.out_step + 16 * v);
                _mm512_storeu_ps(out, sum[i][v]);
            }
        }
    }
}

/// # Safety
/// AVX-512 F, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(in crate::kernels::packed) unsafe fn look_up(cells: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    if l.width == 8 {
        // SAFETY: AVX-512 comes with AVX2; the lengths are checked.
        return unsafe { super::avx2::look_up(cells, l, out) };
    }
    let n = l.starts.len();
    let mut p = 0;
    while p < n {
        // SAFETY: whole blocks of positions within the caller's lengths.
        let done = unsafe {
            match (l.width, n - p) {
                (16, 8..) => (look_up_block::<8, 1>(cells, l, out, p), 8).1,
                (16, _) => (look_up_block::<1, 1>(cells, l, out, p), 1).1,
                (_, 4..) => (look_up_block::<4, 2>(cells, l, out, p), 4).1,
                _ => (look_up_block::<1, 2>(cells, l, out, p), 1).1,
            }
        };
        p += done;
    }
}
