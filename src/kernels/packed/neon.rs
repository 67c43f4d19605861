//! NEON: 16 bytes or 8 words a vector, up to 14 vectors of sums in registers. What
//! is not here is the scalar code, which the compiler turns into NEON for itself.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::{Lookups, Packed, Terms, rows, scalar};
use std::arch::aarch64::*;

pub(in crate::kernels) const PACKED: Packed = Packed {
    sum8,
    sum16,
    cut8,
    cut_sum16,
    look_up,
    rows: rows::neon::ROWS,
    ..scalar::PACKED
};

fn sum8(x: &[u8], terms: &Terms, out: &mut [u8]) {
    let blocks = out.len() / 16;
    // SAFETY: `Isa::kernels` hands this table out after it has found NEON;
    // `Kernels::sum8` has checked that the last part ends within `x`.
    unsafe { sums::<1>(x.as_ptr(), terms, out.as_mut_ptr(), blocks) }
}

fn sum16(x: &[i16], terms: &Terms, out: &mut [i16]) {
    let blocks = out.len() / 8;
    // SAFETY: as in `sum8`.
    unsafe { sums::<2>(x.as_ptr().cast(), terms, out.as_mut_ptr().cast(), blocks) }
}

fn cut8(sums: &[u8], sections: usize, threshold: i32, out: &mut [u64]) {
    // SAFETY: as in `sum8`; the lengths are checked.
    unsafe { cut8_of(sums, sections, threshold, out) }
}

fn cut_sum16(x: &[i16], terms: &Terms, below: i16, n: usize, out: &mut [u64]) {
    scalar::cut_sum16_by(sum16, x, terms, below, n, out);
}

fn look_up(cells: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    // SAFETY: as in `sum8`; the lengths are checked.
    unsafe { look_up_of(cells, l, out) }
}

/// Bytes of a vector.
const BYTES: usize = 16;

/// One block of `N` vectors of sums; `SIZE` bytes a number, at byte `at`.
///
/// # Safety
/// NEON; every part has `N` vectors from `at`, and so has `out`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn sum_block<const N: usize, const SIZE: usize>(
    x: *const u8,
    terms: &Terms,
    out: *mut u8,
    at: usize,
) {
    let add = |a, b| match SIZE {
        1 => vaddq_u8(a, b),
        _ => vreinterpretq_u8_u16(vaddq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b))),
    };
    let sub = |a, b| match SIZE {
        1 => vsubq_u8(a, b),
        _ => vreinterpretq_u8_u16(vsubq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b))),
    };
    let init = match SIZE {
        1 => vdupq_n_u8(terms.init as u8),
        _ => vreinterpretq_u8_s16(vdupq_n_s16(terms.init)),
    };
    let mut sum = [init; N];
    // SAFETY: the caller's promise.
    unsafe {
        for &offset in terms.adds() {
            let part = x.add(offset as usize * SIZE + at);
            for v in 0..N {
                sum[v] = add(sum[v], vld1q_u8(part.add(v * BYTES)));
            }
        }
        for &offset in terms.subs() {
            let part = x.add(offset as usize * SIZE + at);
            for v in 0..N {
                sum[v] = sub(sum[v], vld1q_u8(part.add(v * BYTES)));
            }
        }
        for v in 0..N {
            vst1q_u8(out.add(at + v * BYTES), sum[v]);
        }
    }
}

/// # Safety
/// NEON; every part has `blocks` vectors from its offset, and so has `out`.
#[target_feature(enable = "neon")]
unsafe fn sums<const SIZE: usize>(x: *const u8, terms: &Terms, out: *mut u8, blocks: usize) {
    let (mut at, mut left) = (0, blocks);
    while left > 0 {
        // SAFETY: the blocks lie within the caller's. Lanes come in multiples of
        // two vectors.
        let done = unsafe {
            match left {
                14.. => (sum_block::<14, SIZE>(x, terms, out, at), 14).1,
                8.. => (sum_block::<8, SIZE>(x, terms, out, at), 8).1,
                4.. => (sum_block::<4, SIZE>(x, terms, out, at), 4).1,
                2.. => (sum_block::<2, SIZE>(x, terms, out, at), 2).1,
                _ => (sum_block::<1, SIZE>(x, terms, out, at), 1).1,
            }
        };
        at += done * BYTES;
        left -= done;
    }
}

/// # Safety
/// NEON, and checked lengths.
#[target_feature(enable = "neon")]
unsafe fn cut8_of(sums: &[u8], sections: usize, threshold: i32, out: &mut [u64]) {
    let n = sums.len() / sections;
    out.fill(0);
    // At most 128 sections of 255: sums and threshold fit 16 bits.
    let t = vdupq_n_s16(threshold.clamp(0, 32_641) as i16);
    let bit = [1u8, 2, 4, 8, 16, 32, 64, 128];
    for q in (0..n).step_by(BYTES) {
        let (mut low, mut high) = (vdupq_n_u16(0), vdupq_n_u16(0));
        for s in 0..sections {
            // SAFETY: lanes q .. q + 16 of section s lie within `sums`.
            let x = unsafe { vld1q_u8(sums.as_ptr().add(s * n + q)) };
            low = vaddw_u8(low, vget_low_u8(x));
            high = vaddw_high_u8(high, x);
        }
        // SAFETY: eight bytes.
        let bit = unsafe { vld1_u8(bit.as_ptr()) };
        let word = |x: uint16x8_t| {
            let mask = vmovn_u16(vcgeq_s16(vreinterpretq_s16_u16(x), t));
            u64::from(vaddv_u8(vand_u8(mask, bit)))
        };
        out[q / 64] |= (word(low) | word(high) << 8) << (q % 64);
    }
}

/// `P` positions from `p`, rows of `V` vectors.
///
/// # Safety
/// NEON, and checked lengths.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn look_up_block<const P: usize, const V: usize>(
    cells: &[u8],
    l: &Lookups<'_>,
    out: &mut [f32],
    p: usize,
) {
    let mut sum = [[vdupq_n_f32(0.0); V]; P];
    let mut start = [cells.as_ptr(); P];
    // SAFETY: positions p .. p + P exist; every start plus offset lies within
    // `cells`, 16 rows of each look-up within the table, and rows of V vectors
    // at each position of `out`.
    unsafe {
        for i in 0..P {
            start[i] = cells.as_ptr().add(l.starts[p + i] as usize);
            for v in 0..V {
                sum[i][v] = vld1q_f32(out.as_ptr().add((p + i) * l.out_step + 4 * v));
            }
        }
        let mut table = l.table.as_ptr();
        for &offset in l.offsets {
            for i in 0..P {
                let cell = usize::from(*start[i].add(offset as usize) & 15);
                let row = table.add(cell * V * 4);
                for v in 0..V {
                    sum[i][v] = vaddq_f32(sum[i][v], vld1q_f32(row.add(4 * v)));
                }
            }
            table = table.add(16 * V * 4);
        }
        for i in 0..P {
            for v in 0..V {
                let out = out.as_mut_ptr().add((p + i) * l.out_step + 4 * v);
                vst1q_f32(out, sum[i][v]);
            }
        }
    }
}

/// # Safety
/// NEON, and checked lengths.
#[target_feature(enable = "neon")]
unsafe fn look_up_of(cells: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    let n = l.starts.len();
    let mut p = 0;
    while p < n {
        // SAFETY: whole blocks of positions within the caller's lengths.
        let done = unsafe {
            match (l.width, n - p) {
                (8, 4..) => (look_up_block::<4, 2>(cells, l, out, p), 4).1,
                (8, _) => (look_up_block::<1, 2>(cells, l, out, p), 1).1,
                (16, 4..) => (look_up_block::<4, 4>(cells, l, out, p), 4).1,
                (16, _) => (look_up_block::<1, 4>(cells, l, out, p), 1).1,
                (_, 2..) => (look_up_block::<2, 8>(cells, l, out, p), 2).1,
                _ => (look_up_block::<1, 8>(cells, l, out, p), 1).1,
            }
        };
        p += done;
    }
}
