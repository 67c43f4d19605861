//! AVX2: 32 bytes or 16 words a vector, up to 8 vectors of sums in registers.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::common::{planes_of, pool2_of, signed_sums_of};
use super::{BitRows, Lookups, Packed, Terms, look_up, rows};
use std::arch::x86_64::*;

/// A function of the table, from one compiled for this instruction set.
macro_rules! entry {
    (fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $inner:expr) => {
        pub(super) fn $name($($arg: $ty),*) {
            // SAFETY: this table is handed out by `Isa::kernels` alone, after it
            // has found AVX2, BMI2 and POPCNT; the methods of `Kernels` have
            // checked the lengths.
            unsafe { $inner($($arg),*) }
        }
    };
}

pub(in crate::kernels) const PACKED: Packed = Packed {
    sum8,
    sum16,
    cut8,
    cut16,
    cut_sum16,
    spread,
    planes,
    signed_sums,
    pool2,
    differ,
    dot,
    look_up,
    rows: rows::avx2::ROWS,
    cut_pool2,
};

entry!(fn sum8(x: &[u8], terms: &Terms, out: &mut [u8]) = sum8_of);
entry!(fn sum16(x: &[i16], terms: &Terms, out: &mut [i16]) = sum16_of);
entry!(fn cut8(sums: &[u8], sections: usize, threshold: i32, out: &mut [u64]) = cut8_of);
entry!(fn cut16(x: &[i16], below: i16, out: &mut [u64]) = cut16_of);
entry!(fn cut_sum16(x: &[i16], terms: &Terms, below: i16, n: usize, out: &mut [u64]) = cut_sum16_of);
entry!(fn spread(bits: &[u64], out: &mut [u8]) = spread_of);
entry!(fn planes(spread: &[u8], b: usize, out: &mut [u8]) = planes_on);
entry!(fn signed_sums(x: &[i16], k: usize, pitch: usize, lanes: usize, rows: usize, out: &mut [i16]) = signed_sums_on);
entry!(fn pool2(bits: &[u64], from: BitRows, size: (usize, usize), invert: bool, out: &mut [u64], to: BitRows) = pool2_on);
entry!(fn differ(x: &[u64], w: &[u64], out: &mut [i32]) = differ_of);
entry!(fn dot(x: &[u8], w: &[i8], out: &mut [i32]) = dot_of);
entry!(fn look_up(cells: &[u8], l: &Lookups<'_>, out: &mut [f32]) = look_up::avx2::look_up);
entry!(fn cut_pool2(rows: &[f32], step: usize, channels: usize, threshold: &[f32], out: &mut [u8]) = look_up::avx2::cut_pool2);

/// Bytes of a vector.
const BYTES: usize = 32;

/// The sums of `N` vectors; `SIZE` bytes a number, from byte `at`.
///
/// # Safety
/// AVX2; every part has `N` vectors from `at`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sums_of<const N: usize, const SIZE: usize>(
    x: *const u8,
    terms: &Terms,
    at: usize,
) -> [__m256i; N] {
    let init = match SIZE {
        1 => _mm256_set1_epi8(terms.init as i8),
        _ => _mm256_set1_epi16(terms.init),
    };
    let mut sum = [init; N];
    for (offsets, add) in [(terms.adds(), true), (terms.subs(), false)] {
        for &offset in offsets {
            for v in 0..N {
                // SAFETY: the caller's promise.
                let x = unsafe {
                    let part = x.add(offset as usize * SIZE + at);
                    _mm256_loadu_si256(part.add(v * BYTES).cast())
                };
                sum[v] = match (SIZE, add) {
                    (1, true) => _mm256_add_epi8(sum[v], x),
                    (1, false) => _mm256_sub_epi8(sum[v], x),
                    (_, true) => _mm256_add_epi16(sum[v], x),
                    (_, false) => _mm256_sub_epi16(sum[v], x),
                };
            }
        }
    }
    sum
}

/// One block of `N` vectors of sums; `SIZE` bytes a number, at byte `at`.
///
/// # Safety
/// AVX2; every part has `N` vectors from `at`, and so has `out`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sum_block<const N: usize, const SIZE: usize>(
    x: *const u8,
    terms: &Terms,
    out: *mut u8,
    at: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let sum = sums_of::<N, SIZE>(x, terms, at);
        for v in 0..N {
            _mm256_storeu_si256(out.add(at + v * BYTES).cast(), sum[v]);
        }
    }
}

/// # Safety
/// AVX2; every part has `bytes` from its offset, and so has `out`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sums<const SIZE: usize>(x: *const u8, terms: &Terms, out: *mut u8, bytes: usize) {
    let (mut at, mut left) = (0, bytes / BYTES);
    while left > 0 {
        // SAFETY: the blocks lie within the caller's bytes.
        let done = unsafe {
            match left {
                1 => (sum_block::<1, SIZE>(x, terms, out, at), 1).1,
                2 => (sum_block::<2, SIZE>(x, terms, out, at), 2).1,
                3 => (sum_block::<3, SIZE>(x, terms, out, at), 3).1,
                4 => (sum_block::<4, SIZE>(x, terms, out, at), 4).1,
                5 => (sum_block::<5, SIZE>(x, terms, out, at), 5).1,
                6 => (sum_block::<6, SIZE>(x, terms, out, at), 6).1,
                7 => (sum_block::<7, SIZE>(x, terms, out, at), 7).1,
                _ => (sum_block::<8, SIZE>(x, terms, out, at), 8).1,
            }
        };
        at += done * BYTES;
        left -= done;
    }
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
unsafe fn sum8_of(x: &[u8], terms: &Terms, out: &mut [u8]) {
    // SAFETY: the lengths are checked: the last part ends within `x`.
    unsafe { sums::<1>(x.as_ptr(), terms, out.as_mut_ptr(), out.len()) }
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
unsafe fn sum16_of(x: &[i16], terms: &Terms, out: &mut [i16]) {
    // SAFETY: the lengths are checked: the last part ends within `x`.
    unsafe {
        sums::<2>(
            x.as_ptr().cast(),
            terms,
            out.as_mut_ptr().cast(),
            2 * out.len(),
        )
    }
}

/// Writes the 32 bits of `mask` at lane `q`, a multiple of 32.
#[inline(always)]
fn put(out: &mut [u64], q: usize, mask: u32) {
    match q % 64 {
        0 => out[q / 64] = u64::from(mask),
        _ => out[q / 64] |= u64::from(mask) << 32,
    }
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
unsafe fn cut8_of(sums: &[u8], sections: usize, threshold: i32, out: &mut [u64]) {
    let n = sums.len() / sections;
    let most = 255 * sections as i32;
    if threshold <= 0 || threshold > most {
        out.fill(if threshold <= 0 { u64::MAX } else { 0 });
        if threshold <= 0 && !n.is_multiple_of(64) {
            out[n / 64] = u64::from(u32::MAX);
        }
        return;
    }
    let load = |s: usize, q: usize| {
        // SAFETY: lanes q .. q + 32 of section s lie within `sums`.
        unsafe { _mm256_loadu_si256(sums.as_ptr().add(s * n + q).cast()) }
    };
    match sections {
        1 => {
            let t = _mm256_set1_epi8(threshold as i8);
            for q in (0..n).step_by(BYTES) {
                let x = load(0, q);
                let mask = _mm256_cmpeq_epi8(_mm256_max_epu8(x, t), x);
                put(out, q, _mm256_movemask_epi8(mask) as u32);
            }
        }
        // In saturating bytes: a + b >= t for t <= 255, and else
        // (255 - a) + (255 - b) <= 510 - t, which is below 255.
        2 if threshold <= 255 => {
            let t = _mm256_set1_epi8(threshold as i8);
            for q in (0..n).step_by(BYTES) {
                let x = _mm256_adds_epu8(load(0, q), load(1, q));
                let mask = _mm256_cmpeq_epi8(_mm256_max_epu8(x, t), x);
                put(out, q, _mm256_movemask_epi8(mask) as u32);
            }
        }
        2 => {
            let t = _mm256_set1_epi8((510 - threshold) as i8);
            let ones = _mm256_set1_epi8(-1);
            for q in (0..n).step_by(BYTES) {
                let (a, b) = (load(0, q), load(1, q));
                let x = _mm256_adds_epu8(_mm256_xor_si256(a, ones), _mm256_xor_si256(b, ones));
                let mask = _mm256_cmpeq_epi8(_mm256_min_epu8(x, t), x);
                put(out, q, _mm256_movemask_epi8(mask) as u32);
            }
        }
        _ => {
            // At most 128 sections of 255: the sums fit 15 bits.
            let t = _mm256_set1_epi16((threshold - 1) as i16);
            let zero = _mm256_setzero_si256();
            for q in (0..n).step_by(BYTES) {
                let (mut low, mut high) = (zero, zero);
                for s in 0..sections {
                    let x = load(s, q);
                    low = _mm256_add_epi16(low, _mm256_unpacklo_epi8(x, zero));
                    high = _mm256_add_epi16(high, _mm256_unpackhi_epi8(x, zero));
                }
                let (low, high) = (_mm256_cmpgt_epi16(low, t), _mm256_cmpgt_epi16(high, t));
                let mask = _mm256_packs_epi16(low, high);
                put(out, q, _mm256_movemask_epi8(mask) as u32);
            }
        }
    }
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
unsafe fn cut16_of(x: &[i16], below: i16, out: &mut [u64]) {
    let t = _mm256_set1_epi16(below);
    for q in (0..x.len()).step_by(32) {
        // SAFETY: 32 numbers lie at each multiple of 32.
        let (a, b) = unsafe {
            let p = x.as_ptr().add(q);
            (
                _mm256_loadu_si256(p.cast()),
                _mm256_loadu_si256(p.add(16).cast()),
            )
        };
        let mask = _mm256_packs_epi16(_mm256_cmpgt_epi16(a, t), _mm256_cmpgt_epi16(b, t));
        let mask = _mm256_permute4x64_epi64::<0b11_01_10_00>(mask);
        put(out, q, _mm256_movemask_epi8(mask) as u32);
    }
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
unsafe fn cut_sum16_of(x: &[i16], terms: &Terms, below: i16, n: usize, out: &mut [u64]) {
    out.fill(0);
    // Pairs of vectors: 32 positions, half a word.
    let (mut pair, pairs) = (0, n / 32);
    while pair < pairs {
        // SAFETY: the lengths are checked: the last part ends within `x`.
        pair += unsafe {
            match pairs - pair {
                4.. => cut_block::<8>(x.as_ptr(), terms, below, pair, out),
                2.. => cut_block::<4>(x.as_ptr(), terms, below, pair, out),
                _ => cut_block::<2>(x.as_ptr(), terms, below, pair, out),
            }
        };
    }
}

/// `N` vectors from pair number `at`; the pairs done.
///
/// # Safety
/// AVX2; every part has those vectors.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn cut_block<const N: usize>(
    x: *const i16,
    terms: &Terms,
    below: i16,
    at: usize,
    out: &mut [u64],
) -> usize {
    let t = _mm256_set1_epi16(below);
    // SAFETY: the caller's promise.
    let sum = unsafe { sums_of::<N, 2>(x.cast(), terms, at * 2 * BYTES) };
    for i in 0..N / 2 {
        let (a, b) = (sum[2 * i], sum[2 * i + 1]);
        let both = _mm256_packs_epi16(_mm256_cmpgt_epi16(a, t), _mm256_cmpgt_epi16(b, t));
        // Packing goes by halves of vectors.
        let bits = _mm256_movemask_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(both)) as u32;
        let pair = at + i;
        out[pair / 2] |= u64::from(bits) << (32 * (pair % 2));
    }
    N / 2
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
unsafe fn spread_of(bits: &[u64], out: &mut [u8]) {
    let byte = _mm256_setr_epi8(
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3,
        3, 3,
    );
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    let (zero, one) = (_mm256_setzero_si256(), _mm256_set1_epi8(1));
    for (i, out) in out.chunks_exact_mut(BYTES).enumerate() {
        let word = (bits[i / 2] >> (32 * (i % 2))) as u32;
        let x = _mm256_shuffle_epi8(_mm256_set1_epi32(word as i32), byte);
        let clear = _mm256_cmpeq_epi8(_mm256_and_si256(x, bit), zero);
        // SAFETY: a chunk is one vector.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_or_si256(clear, one)) }
    }
}

#[target_feature(enable = "avx2")]
fn planes_on(spread: &[u8], b: usize, out: &mut [u8]) {
    planes_of(spread, b, out);
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
unsafe fn signed_sums_on(
    x: &[i16],
    k: usize,
    pitch: usize,
    lanes: usize,
    rows: usize,
    out: &mut [i16],
) {
    if !lanes.is_multiple_of(16) {
        return signed_sums_of(x, k, pitch, lanes, rows, out);
    }
    // SAFETY: the caller's promise, whatever `k` is.
    unsafe {
        match k {
            3 => signed_sums_block::<3>(x, pitch, lanes, rows, out),
            5 => signed_sums_block::<5>(x, pitch, lanes, rows, out),
            _ => signed_sums_of(x, k, pitch, lanes, rows, out),
        }
    }
}

/// The patterns in the order of the Gray code, so that each differs from the last in
/// one sign.
///
/// # Safety
/// AVX2, checked lengths, and whole vectors of lanes.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn signed_sums_block<const K: usize>(
    x: &[i16],
    pitch: usize,
    lanes: usize,
    rows: usize,
    out: &mut [i16],
) {
    let pattern = rows * lanes;
    for (r, x) in x.chunks_exact(pitch).enumerate() {
        for lane in (0..lanes).step_by(16) {
            // SAFETY: a row has `lanes + K - 1` numbers, and `out` row `r` of
            // every pattern.
            unsafe {
                let load = |j: usize| _mm256_loadu_si256(x.as_ptr().add(lane + j).cast());
                let to = out.as_mut_ptr().add(r * lanes + lane);
                let mut twice = [_mm256_setzero_si256(); K];
                let mut sum = load(0);
                for j in 1..K {
                    let x = load(j);
                    sum = _mm256_add_epi16(sum, x);
                    twice[j] = _mm256_add_epi16(x, x);
                }
                _mm256_storeu_si256(to.cast(), sum);
                for i in 1..1usize << (K - 1) {
                    let (code, j) = (i ^ i >> 1, i.trailing_zeros() as usize);
                    sum = match code >> j & 1 {
                        1 => _mm256_sub_epi16(sum, twice[j + 1]),
                        _ => _mm256_add_epi16(sum, twice[j + 1]),
                    };
                    _mm256_storeu_si256(to.add(code * pattern).cast(), sum);
                }
            }
        }
    }
}

#[target_feature(enable = "avx2,bmi2")]
fn pool2_on(
    bits: &[u64],
    from: BitRows,
    size: (usize, usize),
    invert: bool,
    out: &mut [u64],
    to: BitRows,
) {
    let even = |x| _pext_u64(x, 0x5555_5555_5555_5555);
    pool2_of(bits, from, size, invert, out, to, even);
}

#[target_feature(enable = "avx2,popcnt")]
fn differ_of(x: &[u64], w: &[u64], out: &mut [i32]) {
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        let each = x
            .iter()
            .zip(row)
            .map(|(x, w)| u64::from((x ^ w).count_ones()));
        *out = each.sum::<u64>() as i32;
    }
}

/// # Safety
/// AVX2, and checked lengths.
#[target_feature(enable = "avx2")]
unsafe fn dot_of(x: &[u8], w: &[i8], out: &mut [i32]) {
    let whole = x.len() / BYTES * BYTES;
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        let mut sum = _mm256_setzero_si256();
        for i in (0..whole).step_by(BYTES) {
            // SAFETY: both rows have `whole` bytes.
            let (x, w) = unsafe {
                (
                    _mm256_loadu_si256(x.as_ptr().add(i).cast()),
                    _mm256_loadu_si256(row.as_ptr().add(i).cast()),
                )
            };
            // Weights are -1 to 1: a pair stays within ±510.
            let pairs = _mm256_maddubs_epi16(x, w);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        }
        let half = _mm_add_epi32(
            _mm256_castsi256_si128(sum),
            _mm256_extracti128_si256::<1>(sum),
        );
        let half = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        let half = _mm_add_epi32(half, _mm_shuffle_epi32::<0b10_11_00_01>(half));
        let tail = x[whole..].iter().zip(&row[whole..]);
        let tail: i32 = tail.map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
        *out = _mm_cvtsi128_si32(half) + tail;
    }
}
