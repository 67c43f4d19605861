//! AVX-512: four rows a vector, up to four vectors of totals and of parts in registers.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::{Limit, RowTerms, Rows, scalar};
use std::arch::x86_64::*;

pub(in crate::kernels) const ROWS: Rows = Rows {
    lanes: 4,
    cut_rows,
    gather,
};

fn gather(x: &[u64], order: &[u16], out: &mut [u64]) {
    if x.len() > 8 {
        return scalar::gather(x, order, out);
    }
    // SAFETY: AVX-512 BW, as in `cut_rows`; `x` fits one vector.
    unsafe { gather_of(x, order, out) }
}

/// # Safety
/// AVX-512 BW; at most 8 words of `x`, and 4 numbers of `order` for each of `out`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn gather_of(x: &[u64], order: &[u16], out: &mut [u64]) {
    let words = |n: usize| ((1u32 << n) - 1) as u8;
    // SAFETY: the live words of `x`.
    let x = unsafe { _mm512_maskz_loadu_epi64(words(x.len()), x.as_ptr().cast()) };
    for (out, order) in out.chunks_mut(8).zip(order.chunks(32)) {
        let live = words(out.len());
        // SAFETY: the live words of `out`, and as many of `order`.
        unsafe {
            let order = _mm512_maskz_loadu_epi64(live, order.as_ptr().cast());
            let y = _mm512_permutexvar_epi16(order, x);
            _mm512_mask_storeu_epi64(out.as_mut_ptr().cast(), live, y);
        }
    }
}

/// Bytes of a vector.
const BYTES: usize = 64;

fn cut_rows(x: &[u8], terms: &RowTerms, limit: Limit, rows: usize, out: &mut [u64]) {
    debug_assert_eq!(out.len(), rows / 4);
    // SAFETY: `Isa::kernels` hands this table out after it has found AVX-512 BW;
    // `Kernels::cut_rows` has checked that the last part ends within `x`.
    unsafe { cut_rows_of(x.as_ptr(), terms, limit, out) }
}

/// # Safety
/// AVX-512 BW; every part has `out.len()` vectors from its offset.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn cut_rows_of(x: *const u8, terms: &RowTerms, limit: Limit, out: &mut [u64]) {
    let mut at = 0;
    while at < out.len() {
        let out = &mut out[at..];
        // SAFETY: blocks of vectors within the caller's.
        at += unsafe {
            let x = x.add(at * BYTES);
            match out.len() {
                4.. => block::<4>(x, terms, limit, out),
                3 => block::<3>(x, terms, limit, out),
                2 => block::<2>(x, terms, limit, out),
                _ => block::<1>(x, terms, limit, out),
            }
        };
    }
}

/// The first `N` words of `out`.
///
/// # Safety
/// As [`cut_rows_of`], for `N` vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn block<const N: usize>(
    x: *const u8,
    terms: &RowTerms,
    limit: Limit,
    out: &mut [u64],
) -> usize {
    // SAFETY: 16 bytes.
    let edge = unsafe { _mm_loadu_si128(terms.edge.as_ptr().cast()) };
    let mut total = [_mm512_broadcast_i32x4(edge); N];
    for (dx, (init, adds, subs)) in terms.columns().enumerate() {
        let mut part = [_mm512_set1_epi8(init as i8); N];
        // SAFETY: the caller's promise.
        unsafe {
            for &offset in adds {
                let x = x.add(offset as usize);
                for v in 0..N {
                    let x = _mm512_loadu_si512(x.add(v * BYTES).cast());
                    part[v] = _mm512_add_epi8(part[v], x);
                }
            }
            for &offset in subs {
                let x = x.add(offset as usize);
                for v in 0..N {
                    let x = _mm512_loadu_si512(x.add(v * BYTES).cast());
                    part[v] = _mm512_sub_epi8(part[v], x);
                }
            }
        }
        for v in 0..N {
            total[v] = _mm512_adds_epu8(total[v], right(part[v], dx));
        }
    }
    for v in 0..N {
        out[v] = match limit {
            Limit::AtLeast(t) => _mm512_cmpge_epu8_mask(total[v], _mm512_set1_epi8(t as i8)),
            Limit::AtMost(t) => _mm512_cmple_epu8_mask(total[v], _mm512_set1_epi8(t as i8)),
        };
    }
    N
}

/// Column `j + dx` of each row at column `j`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn right(x: __m512i, dx: usize) -> __m512i {
    match dx {
        0 => x,
        1 => _mm512_bsrli_epi128::<1>(x),
        2 => _mm512_bsrli_epi128::<2>(x),
        3 => _mm512_bsrli_epi128::<3>(x),
        4 => _mm512_bsrli_epi128::<4>(x),
        5 => _mm512_bsrli_epi128::<5>(x),
        6 => _mm512_bsrli_epi128::<6>(x),
        _ => _mm512_bsrli_epi128::<7>(x),
    }
}
