//! Signed sums of bytes and 16-bit numbers, and thresholds on them, written once over a
//! register of [`Bytes`].

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::shapes::{LANES, Terms};
use crate::kernels::vector::Bytes;

/// Computes the sums of `N` registers from byte `at` on, for numbers of `SIZE` bytes. Of the last
/// register only the first `last` bytes are used.
///
/// # Safety
/// The processor has the instruction set, and every term has those bytes from `at` on.
#[inline(always)]
unsafe fn sums<B: Bytes, const N: usize, const SIZE: usize>(
    x: *const u8,
    terms: &Terms,
    at: usize,
    last: usize,
) -> [B; N] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let init = match SIZE {
            1 => B::splat8(terms.init as u8),
            _ => B::splat16(terms.init),
        };
        let mut sum = [init; N];
        for (offsets, add) in [(terms.adds(), true), (terms.subs(), false)] {
            for &offset in offsets {
                let part = x.add(offset as usize * SIZE + at);
                for v in 0..N {
                    let x = match v + 1 == N {
                        true => B::load_first(part.add(v * B::LEN), last),
                        false => B::load(part.add(v * B::LEN)),
                    };
                    sum[v] = match (SIZE, add) {
                        (1, true) => sum[v].add8(x),
                        (1, false) => sum[v].sub8(x),
                        (_, true) => sum[v].add16(x),
                        (_, false) => sum[v].sub16(x),
                    };
                }
            }
        }
        sum
    }
}

/// Computes [`sums`] and stores them.
///
/// # Safety
/// As for [`sums`]; `out` has those bytes, too.
#[inline(always)]
unsafe fn store_sums<B: Bytes, const N: usize, const SIZE: usize>(
    x: *const u8,
    terms: &Terms,
    out: *mut u8,
    at: usize,
    last: usize,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let sum = sums::<B, N, SIZE>(x, terms, at, last);
        for v in 0..N {
            let to = out.add(at + v * B::LEN);
            match v + 1 == N {
                true => sum[v].store_first(to, last),
                false => sum[v].store(to),
            }
        }
    }
}

/// # Safety
/// As for [`sums`]; every term and `out` have `bytes` bytes, a multiple of 32.
#[inline(always)]
unsafe fn all_sums<B: Bytes, const SIZE: usize>(
    x: *const u8,
    terms: &Terms,
    out: *mut u8,
    bytes: usize,
) {
    let mut at = 0;
    while at < bytes {
        let left = bytes - at;
        let registers = match left.div_ceil(B::LEN) {
            many if many >= B::SUMS => B::SUMS,
            few => few.min(8),
        };
        let last = (left - (registers - 1) * B::LEN).min(B::LEN);
        // SAFETY: the registers lie within the caller's bytes.
        unsafe {
            match registers {
                1 => store_sums::<B, 1, SIZE>(x, terms, out, at, last),
                2 => store_sums::<B, 2, SIZE>(x, terms, out, at, last),
                3 => store_sums::<B, 3, SIZE>(x, terms, out, at, last),
                4 => store_sums::<B, 4, SIZE>(x, terms, out, at, last),
                5 => store_sums::<B, 5, SIZE>(x, terms, out, at, last),
                6 => store_sums::<B, 6, SIZE>(x, terms, out, at, last),
                7 => store_sums::<B, 7, SIZE>(x, terms, out, at, last),
                8 => store_sums::<B, 8, SIZE>(x, terms, out, at, last),
                _ => store_sums::<B, 14, SIZE>(x, terms, out, at, last),
            }
        }
        at += registers * B::LEN;
    }
}

/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn sum8<B: Bytes>(x: &[u8], terms: &Terms, out: &mut [u8]) {
    // SAFETY: the last part ends within `x`.
    unsafe { all_sums::<B, 1>(x.as_ptr(), terms, out.as_mut_ptr(), out.len()) }
}

/// # Safety
/// As for [`sum8`].
#[inline(always)]
pub(in crate::kernels) unsafe fn sum16<B: Bytes>(x: &[i16], terms: &Terms, out: &mut [i16]) {
    let (x, bytes) = (x.as_ptr().cast(), 2 * out.len());
    // SAFETY: the last part ends within `x`.
    unsafe { all_sums::<B, 2>(x, terms, out.as_mut_ptr().cast(), bytes) }
}

/// Prepares a stream for [`put`] by clearing it if necessary.
#[inline(always)]
pub(super) fn clear<B: Bytes>(out: &mut [u64]) {
    if B::LEN < 64 {
        out.fill(0);
    }
}

/// Writes the bits of a register's bytes into a cleared stream, at bit `at`, which is a multiple of
/// their number.
#[inline(always)]
pub(super) fn put<B: Bytes>(out: &mut [u64], at: usize, bits: u64) {
    if B::LEN < 64 {
        out[at / 64] |= bits << (at % 64);
    } else {
        out[at / 64] = bits;
    }
}

/// Writes the bits of `n` bytes to a stream; `bits(i)` returns the bits of the register that starts
/// at byte `i`.
#[inline(always)]
fn fill_words<B: Bytes>(n: usize, out: &mut [u64], bits: impl Fn(usize) -> u64) {
    for (word, out) in out.iter_mut().enumerate() {
        // The bits are collected in `out`; collecting them in a local variable takes half as long
        // again on AVX-512.
        *out = 0;
        for at in (0..64).step_by(B::LEN) {
            let q = 64 * word + at;
            if q < n {
                *out |= bits(q) << at;
            }
        }
    }
}

/// # Safety
/// As for [`sum8`].
#[inline(always)]
pub(in crate::kernels) unsafe fn cut8<B: Bytes>(
    sums: &[u8],
    sections: usize,
    threshold: i32,
    out: &mut [u64],
) {
    let n = sums.len() / sections;
    // SAFETY: the bytes from `q` on, as many as are left of them, lie within section s;
    // `n` is a multiple of 32.
    unsafe {
        let load =
            |s: usize, q: usize| B::load_first(sums.as_ptr().add(s * n + q), (n - q).min(B::LEN));
        cut_sections::<B>(load, (n, sections), threshold, out);
    }
}

/// Sets bit `q` of `out` to `[Σ_s x >= threshold]` for `n` positions and at most 128 sections, where
/// `load(s, q)` returns the register of section `s` that begins at position `q`; its bytes beyond the
/// last position are 0.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn cut_sections<B: Bytes>(
    load: impl Fn(usize, usize) -> B,
    (n, sections): (usize, usize),
    threshold: i32,
    out: &mut [u64],
) {
    if threshold <= 0 || threshold > 255 * sections as i32 {
        out.fill(if threshold <= 0 { u64::MAX } else { 0 });
        if threshold <= 0 && !n.is_multiple_of(64) {
            out[n / 64] = (1 << (n % 64)) - 1;
        }
        return;
    }
    // SAFETY: guaranteed by the caller.
    unsafe {
        // Bytes beyond the end are zeros, which are below every threshold.
        match sections {
            1 => {
                let t = B::splat8(threshold as u8);
                fill_words::<B>(n, out, |q| load(0, q).at_least(t));
            }
            // In saturating bytes: a + b >= t for t <= 255, and otherwise (255 - a) + (255 - b) <=
            // 510 - t, which is below 255.
            2 if threshold <= 255 => {
                let t = B::splat8(threshold as u8);
                let sum = |q| load(0, q).add8_saturating(load(1, q));
                fill_words::<B>(n, out, |q| sum(q).at_least(t));
            }
            2 => {
                let t = B::splat8((510 - threshold) as u8);
                let missing = |q| load(0, q).not().add8_saturating(load(1, q).not());
                fill_words::<B>(n, out, |q| missing(q).at_most(t));
            }
            _ => {
                // At most 128 sections of 255 are added, so the sums fit 15 bits.
                let t = B::splat16((threshold - 1) as i16);
                fill_words::<B>(n, out, |q| {
                    let mut sum = [B::splat16(0); 2];
                    for s in 0..sections {
                        let [low, high] = load(s, q).widen();
                        sum = [sum[0].add16(low), sum[1].add16(high)];
                    }
                    B::above16(sum, t)
                });
            }
        }
    }
}

/// # Safety
/// As for [`sum8`].
#[inline(always)]
pub(in crate::kernels) unsafe fn cut16<B: Bytes>(x: &[i16], below: i16, out: &mut [u64]) {
    // SAFETY: a whole register is read where so many numbers are left: they come in
    // multiples of 32, as many as the longest register has.
    unsafe {
        let t = B::splat16(below);
        let load = |q: usize| B::load(x.as_ptr().add(q).cast());
        fill_words::<B>(x.len(), out, |q| {
            let next = q + B::LEN / 2;
            // A number that is equal to the threshold is not above it, so its bit is 0.
            let second = if next < x.len() { load(next) } else { t };
            B::above16([load(q), second], t)
        });
    }
}

/// # Safety
/// As for [`sum8`].
#[inline(always)]
pub(in crate::kernels) unsafe fn cut_sum16<B: Bytes>(
    x: &[i16],
    terms: &Terms,
    below: i16,
    n: usize,
    out: &mut [u64],
) {
    clear::<B>(out);
    let mut at = 0;
    while at < n {
        // SAFETY: the last part ends within `x`.
        at += unsafe {
            match (n - at) / (B::LEN / 2) {
                8.. => cut_sums::<B, 8>(x, terms, below, at, out),
                4.. => cut_sums::<B, 4>(x, terms, below, at, out),
                2.. => cut_sums::<B, 2>(x, terms, below, at, out),
                _ => cut_sums::<B, 1>(x, terms, below, at, out),
            }
        };
    }
}

/// Computes `N` registers from number `at` on; returns how many numbers were computed.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
unsafe fn cut_sums<B: Bytes, const N: usize>(
    x: &[i16],
    terms: &Terms,
    below: i16,
    at: usize,
    out: &mut [u64],
) -> usize {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let t = B::splat16(below);
        let sum = sums::<B, N, 2>(x.as_ptr().cast(), terms, 2 * at, B::LEN);
        for i in (0..N).step_by(2) {
            // A number that is equal to the threshold is not above it, so its bit is 0.
            let second = if i + 1 < N { sum[i + 1] } else { t };
            let bits = B::above16([sum[i], second], t);
            put::<B>(out, at + i * (B::LEN / 2), bits);
        }
    }
    N * (B::LEN / 2)
}

/// # Safety
/// As for [`sum8`].
#[inline(always)]
pub(in crate::kernels) unsafe fn unpack<B: Bytes>(bits: &[u64], out: &mut [u8]) {
    // SAFETY: each register lies within `out`, which is a multiple of 32 bytes.
    unsafe {
        let (zeros, ones) = (B::splat8(255), B::splat8(1));
        let at = |at: usize| zeros.where_bits(bits[at / 64] >> (at % 64), ones);
        let whole = out.len() / B::LEN * B::LEN;
        for q in (0..whole).step_by(B::LEN) {
            at(q).store(out.as_mut_ptr().add(q));
        }
        if whole < out.len() {
            let to = out.as_mut_ptr().add(whole);
            at(whole).store_first(to, out.len() - whole);
        }
    }
}

// A register has 16, 32 or 64 bytes, and numbers of lanes are multiples of 32.
const _: () = assert!(LANES == 32);
