//! NEON: a row a vector, up to seven vectors of totals and of parts in registers.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::{Limit, ROW, RowTerms, Rows, scalar};
use std::arch::aarch64::*;

pub(in crate::kernels) const ROWS: Rows = Rows {
    lanes: 1,
    cut_rows,
    gather: scalar::gather,
};

fn cut_rows(x: &[u8], terms: &RowTerms, limit: Limit, rows: usize, out: &mut [u64]) {
    // SAFETY: `Isa::kernels` hands this table out after it has found NEON;
    // `Kernels::cut_rows` has checked that the last part ends within `x`.
    unsafe { cut_rows_of(x.as_ptr(), terms, limit, rows, out) }
}

/// # Safety
/// NEON; every part has `rows` rows from its offset.
#[target_feature(enable = "neon")]
unsafe fn cut_rows_of(x: *const u8, terms: &RowTerms, limit: Limit, rows: usize, out: &mut [u64]) {
    out.fill(0);
    let mut at = 0;
    while at < rows {
        // SAFETY: blocks of rows within the caller's.
        at += unsafe {
            match rows - at {
                7.. => block::<7>(x, terms, limit, at, out),
                4.. => block::<4>(x, terms, limit, at, out),
                2.. => block::<2>(x, terms, limit, at, out),
                _ => block::<1>(x, terms, limit, at, out),
            }
        };
    }
}

/// `N` rows from number `at`.
///
/// # Safety
/// As [`cut_rows_of`], for `at + N` rows.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn block<const N: usize>(
    x: *const u8,
    terms: &RowTerms,
    limit: Limit,
    at: usize,
    out: &mut [u64],
) -> usize {
    const BITS: [u8; ROW] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: 16 bytes each.
    let (edge, bit) = unsafe { (vld1q_u8(terms.edge.as_ptr()), vld1q_u8(BITS.as_ptr())) };
    let mut total = [edge; N];
    for (dx, (init, adds, subs)) in terms.columns().enumerate() {
        let mut part = [vdupq_n_u8(init); N];
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.add(at * ROW);
            for &offset in adds {
                let x = x.add(offset as usize);
                for v in 0..N {
                    part[v] = vaddq_u8(part[v], vld1q_u8(x.add(v * ROW)));
                }
            }
            for &offset in subs {
                let x = x.add(offset as usize);
                for v in 0..N {
                    part[v] = vsubq_u8(part[v], vld1q_u8(x.add(v * ROW)));
                }
            }
        }
        for v in 0..N {
            total[v] = vqaddq_u8(total[v], right(part[v], dx));
        }
    }
    for v in 0..N {
        let is = match limit {
            Limit::AtLeast(t) => vcgeq_u8(total[v], vdupq_n_u8(t)),
            Limit::AtMost(t) => vcleq_u8(total[v], vdupq_n_u8(t)),
        };
        let bits = vandq_u8(is, bit);
        let low = u64::from(vaddv_u8(vget_low_u8(bits)));
        let high = u64::from(vaddv_u8(vget_high_u8(bits)));
        let r = at + v;
        out[r / 4] |= (low | high << 8) << (ROW * (r % 4));
    }
    N
}

/// Column `j + dx` of each row at column `j`.
#[inline]
#[target_feature(enable = "neon")]
fn right(x: uint8x16_t, dx: usize) -> uint8x16_t {
    let zero = vdupq_n_u8(0);
    match dx {
        0 => x,
        1 => vextq_u8::<1>(x, zero),
        2 => vextq_u8::<2>(x, zero),
        3 => vextq_u8::<3>(x, zero),
        4 => vextq_u8::<4>(x, zero),
        5 => vextq_u8::<5>(x, zero),
        6 => vextq_u8::<6>(x, zero),
        _ => vextq_u8::<7>(x, zero),
    }
}
