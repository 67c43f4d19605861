//! Kernels over slices of images: a word holds one bit of each of 64 images, a slice of bytes one
//! number of each. They are written once over a register of bytes; [`super`] describes planes.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::shapes::Terms;
use crate::kernels::vector::Bytes;

/// Number of images in a slice.
pub const SLICE: usize = 64;

/// Number of terms that are added between two checks for the end.
const UNROLLED: usize = 4;

/// Transposes a matrix of 64 by 64 bits in place: bit `j` of word `i` becomes bit `i` of word `j`.
/// Squares of 32, 16, ... 1 bits beside the diagonal are exchanged (Warren, "Hacker's Delight",
/// section 7-3).
#[inline(always)]
pub(in crate::kernels) fn transpose_of(words: &mut [u64; SLICE]) {
    let mut mask = u64::MAX >> 32;
    let mut side = 32;
    while side > 0 {
        for pair in words.chunks_exact_mut(2 * side) {
            let (upper, lower) = pair.split_at_mut(side);
            for (a, b) in upper.iter_mut().zip(lower) {
                let differ = (*a >> side ^ *b) & mask;
                *b ^= differ;
                *a ^= differ << side;
            }
        }
        side /= 2;
        mask ^= mask << side;
    }
}

/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn sum_slices<B: Bytes>(
    x: &[u8],
    all: &[Terms],
    more: bool,
    out: &mut [u8],
) {
    for (terms, out) in all.iter().zip(out.chunks_exact_mut(SLICE)) {
        // SAFETY: every term has a slice in `x`, which N registers are as long as.
        unsafe {
            match B::LEN {
                16 => sum::<B, 4>(x.as_ptr(), terms, more, out.as_mut_ptr()),
                32 => sum::<B, 2>(x.as_ptr(), terms, more, out.as_mut_ptr()),
                _ => sum::<B, 1>(x.as_ptr(), terms, more, out.as_mut_ptr()),
            }
        }
    }
}

/// Computes the sum of one output, with `more` in addition to what `out` holds.
///
/// # Safety
/// The processor has the instruction set; `N` registers are readable at each term and writable at
/// `out`.
#[inline(always)]
unsafe fn sum<B: Bytes, const N: usize>(x: *const u8, terms: &Terms, more: bool, out: *mut u8) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut sum = [B::splat8(terms.init as u8); N];
        if more {
            for v in 0..N {
                sum[v] = sum[v].add8(B::load(out.add(v * B::LEN)));
            }
        }
        let (whole, rest) = terms.adds().as_chunks::<UNROLLED>();
        for offsets in whole {
            for &offset in offsets {
                sum = each(sum, x, offset, |sum, x| sum.add8(x));
            }
        }
        for &offset in rest {
            sum = each(sum, x, offset, |sum, x| sum.add8(x));
        }
        let (whole, rest) = terms.subs().as_chunks::<UNROLLED>();
        for offsets in whole {
            for &offset in offsets {
                sum = each(sum, x, offset, |sum, x| sum.sub8(x));
            }
        }
        for &offset in rest {
            sum = each(sum, x, offset, |sum, x| sum.sub8(x));
        }
        for v in 0..N {
            sum[v].store(out.add(v * B::LEN));
        }
    }
}

/// Combines each register of a sum with the numbers at an offset.
///
/// # Safety
/// The processor has the instruction set, and `N` registers are readable there.
#[inline(always)]
unsafe fn each<B: Bytes, const N: usize>(
    mut sum: [B; N],
    x: *const u8,
    offset: u32,
    with: impl Fn(B, B) -> B,
) -> [B; N] {
    for v in 0..N {
        // SAFETY: guaranteed by the caller.
        sum[v] = with(sum[v], unsafe {
            B::load(x.add(offset as usize + v * B::LEN))
        });
    }
    sum
}

/// # Safety
/// As for [`sum_slices`].
#[inline(always)]
pub(in crate::kernels) unsafe fn cut_slices<B: Bytes>(
    sums: &[u8],
    sections: usize,
    thresholds: &[i32],
    out: &mut [u64],
) {
    let section = thresholds.len() * SLICE;
    for (o, (&threshold, out)) in thresholds.iter().zip(out).enumerate() {
        if threshold <= 0 || threshold > 255 * sections as i32 {
            *out = if threshold <= 0 { u64::MAX } else { 0 };
            continue;
        }
        let mut word = 0;
        for at in (0..SLICE).step_by(B::LEN) {
            // SAFETY: a slice of every section and output is a whole number of registers.
            unsafe {
                let from = sums.as_ptr().add(o * SLICE + at);
                let load = |s: usize| B::load(from.add(s * section));
                word |= cut::<B>(load, sections, threshold) << at;
            }
        }
        *out = word;
    }
}

/// Returns a mask of the sums over all sections that are at least the threshold, which is in
/// `1..=255 * sections`.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
unsafe fn cut<B: Bytes>(load: impl Fn(usize) -> B, sections: usize, threshold: i32) -> u64 {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if sections == 1 {
            return load(0).at_least(B::splat8(threshold as u8));
        }
        // At most 128 sections of 255 are added, so the sums fit 15 bits.
        let mut sum = [B::splat16(0); 2];
        for s in 0..sections {
            let [low, high] = load(s).widen();
            sum = [sum[0].add16(low), sum[1].add16(high)];
        }
        B::above16(sum, B::splat16((threshold - 1) as i16))
    }
}
