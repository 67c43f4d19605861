//! AVX2: two rows a vector, up to seven vectors of totals and of parts in registers.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::{Limit, RowTerms, Rows, scalar};
use std::arch::x86_64::*;

pub(in crate::kernels) const ROWS: Rows = Rows {
    lanes: 2,
    cut_rows,
    gather: scalar::gather,
};

/// Bytes of a vector.
const BYTES: usize = 32;

fn cut_rows(x: &[u8], terms: &RowTerms, limit: Limit, rows: usize, out: &mut [u64]) {
    // SAFETY: `Isa::kernels` hands this table out after it has found AVX2;
    // `Kernels::cut_rows` has checked that the last part ends within `x`.
    unsafe { cut_rows_of(x.as_ptr(), terms, limit, rows / 2, out) }
}

/// # Safety
/// AVX2; every part has `vectors` vectors from its offset.
#[target_feature(enable = "avx2")]
unsafe fn cut_rows_of(
    x: *const u8,
    terms: &RowTerms,
    limit: Limit,
    vectors: usize,
    out: &mut [u64],
) {
    out.fill(0);
    let mut at = 0;
    while at < vectors {
        // SAFETY: blocks of vectors within the caller's.
        at += unsafe {
            match vectors - at {
                7.. => block::<7>(x, terms, limit, at, out),
                4.. => block::<4>(x, terms, limit, at, out),
                2.. => block::<2>(x, terms, limit, at, out),
                _ => block::<1>(x, terms, limit, at, out),
            }
        };
    }
}

/// `N` vectors from number `at`.
///
/// # Safety
/// As [`cut_rows_of`], for `at + N` vectors.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn block<const N: usize>(
    x: *const u8,
    terms: &RowTerms,
    limit: Limit,
    at: usize,
    out: &mut [u64],
) -> usize {
    // SAFETY: 16 bytes.
    let edge = unsafe { _mm_loadu_si128(terms.edge.as_ptr().cast()) };
    let mut total = [_mm256_broadcastsi128_si256(edge); N];
    for (dx, (init, adds, subs)) in terms.columns().enumerate() {
        let mut part = [_mm256_set1_epi8(init as i8); N];
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.add(at * BYTES);
            for &offset in adds {
                let x = x.add(offset as usize);
                for v in 0..N {
                    let x = _mm256_loadu_si256(x.add(v * BYTES).cast());
                    part[v] = _mm256_add_epi8(part[v], x);
                }
            }
            for &offset in subs {
                let x = x.add(offset as usize);
                for v in 0..N {
                    let x = _mm256_loadu_si256(x.add(v * BYTES).cast());
                    part[v] = _mm256_sub_epi8(part[v], x);
                }
            }
        }
        for v in 0..N {
            total[v] = _mm256_adds_epu8(total[v], right(part[v], dx));
        }
    }
    for v in 0..N {
        let x = total[v];
        // AVX2 compares unsigned bytes by way of the greater or the lesser.
        let same = match limit {
            Limit::AtLeast(t) => _mm256_max_epu8(x, _mm256_set1_epi8(t as i8)),
            Limit::AtMost(t) => _mm256_min_epu8(x, _mm256_set1_epi8(t as i8)),
        };
        let bits = _mm256_movemask_epi8(_mm256_cmpeq_epi8(x, same)) as u32;
        let v = at + v;
        out[v / 2] |= u64::from(bits) << (32 * (v % 2));
    }
    N
}

/// Column `j + dx` of each row at column `j`.
#[inline]
#[target_feature(enable = "avx2")]
fn right(x: __m256i, dx: usize) -> __m256i {
    match dx {
        0 => x,
        1 => _mm256_bsrli_epi128::<1>(x),
        2 => _mm256_bsrli_epi128::<2>(x),
        3 => _mm256_bsrli_epi128::<3>(x),
        4 => _mm256_bsrli_epi128::<4>(x),
        5 => _mm256_bsrli_epi128::<5>(x),
        6 => _mm256_bsrli_epi128::<6>(x),
        _ => _mm256_bsrli_epi128::<7>(x),
    }
}
