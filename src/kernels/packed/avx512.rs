//! AVX-512: 64 bytes a vector, comparisons straight into words of bits.
//!
//! VPOPCNTDQ counts the differing bits of linear layers and VNNI makes the dot
//! products of pixels, each where the machine has it. BITALG's 16-bit counts have
//! no place: an XOR, a count and an addition would do 512 bit operations where one
//! addition of planes does 64 lanes times 5 or 6 bits.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::avx2;
use super::common::planes_of;
use super::{Lookups, Packed, Terms, look_up, rows};
use std::arch::x86_64::*;

/// A function of the table, from one compiled for this instruction set.
macro_rules! entry {
    (fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $inner:expr) => {
        fn $name($($arg: $ty),*) {
            // SAFETY: this table is handed out by `Isa::kernels` alone, after it
            // has found AVX-512 F, BW, DQ and VL; the methods of `Kernels` have
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
    pool2: avx2::pool2,
    differ,
    dot,
    look_up,
    rows: rows::avx512::ROWS,
    cut_pool2: avx2::cut_pool2,
};

entry!(fn sum8(x: &[u8], terms: &Terms, out: &mut [u8]) = sum8_of);
entry!(fn sum16(x: &[i16], terms: &Terms, out: &mut [i16]) = sum16_of);
entry!(fn cut8(sums: &[u8], sections: usize, threshold: i32, out: &mut [u64]) = cut8_of);
entry!(fn cut16(x: &[i16], below: i16, out: &mut [u64]) = cut16_of);
entry!(fn cut_sum16(x: &[i16], terms: &Terms, below: i16, n: usize, out: &mut [u64]) = cut_sum16_of);
entry!(fn signed_sums(x: &[i16], k: usize, pitch: usize, lanes: usize, rows: usize, out: &mut [i16]) = signed_sums_of);
entry!(fn spread(bits: &[u64], out: &mut [u8]) = spread_of);
entry!(fn planes(spread: &[u8], b: usize, out: &mut [u8]) = planes_on);
entry!(fn look_up(cells: &[u8], l: &Lookups<'_>, out: &mut [f32]) = look_up::avx512::look_up);

fn differ(x: &[u64], w: &[u64], out: &mut [i32]) {
    if is_x86_feature_detected!("avx512vpopcntdq") {
        // SAFETY: the machine has AVX-512 and VPOPCNTDQ.
        unsafe { differ_of(x, w, out) }
    } else {
        avx2::differ(x, w, out);
    }
}

fn dot(x: &[u8], w: &[i8], out: &mut [i32]) {
    if is_x86_feature_detected!("avx512vnni") {
        // SAFETY: the machine has AVX-512 and VNNI; lengths are checked.
        unsafe { dot_of(x, w, out) }
    } else {
        avx2::dot(x, w, out);
    }
}

/// Bytes of a vector.
const BYTES: usize = 64;

/// The sums of `N` vectors, the last of which has the bytes of `last`; `SIZE` bytes a
/// number, from byte `at`.
///
/// # Safety
/// AVX-512 BW; every part has those bytes from `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn sums_of<const N: usize, const SIZE: usize>(
    x: *const u8,
    terms: &Terms,
    at: usize,
    last: u64,
) -> [__m512i; N] {
    let init = match SIZE {
        1 => _mm512_set1_epi8(terms.init as i8),
        _ => _mm512_set1_epi16(terms.init),
    };
    let mut sum = [init; N];
    for (offsets, add) in [(terms.adds(), true), (terms.subs(), false)] {
        for &offset in offsets {
            for v in 0..N {
                // SAFETY: the caller's promise; masked lanes are not read.
                let x = unsafe {
                    let p = x.add(offset as usize * SIZE + at + v * BYTES).cast();
                    match v + 1 == N {
                        true => _mm512_maskz_loadu_epi8(last, p),
                        false => _mm512_loadu_epi8(p),
                    }
                };
                sum[v] = match (SIZE, add) {
                    (1, true) => _mm512_add_epi8(sum[v], x),
                    (1, false) => _mm512_sub_epi8(sum[v], x),
                    (_, true) => _mm512_add_epi16(sum[v], x),
                    (_, false) => _mm512_sub_epi16(sum[v], x),
                };
            }
        }
    }
    sum
}

/// One block of `N` vectors of sums, the last of which has the bytes of `last`;
/// `SIZE` bytes a number, at byte `at`.
///
/// # Safety
/// AVX-512 BW; every part has those bytes from `at`, and so has `out`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn sum_block<const N: usize, const SIZE: usize>(
    x: *const u8,
    terms: &Terms,
    out: *mut u8,
    at: usize,
    last: u64,
) {
    // SAFETY: the caller's promise; masked lanes are not written.
    unsafe {
        let sum = sums_of::<N, SIZE>(x, terms, at, last);
        for v in 0..N {
            let mask = if v + 1 == N { last } else { u64::MAX };
            _mm512_mask_storeu_epi8(out.add(at + v * BYTES).cast(), mask, sum[v]);
        }
    }
}

/// # Safety
/// AVX-512 BW; every part has `bytes`, a multiple of 32, from its offset, and so
/// has `out`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn sums<const SIZE: usize>(x: *const u8, terms: &Terms, out: *mut u8, bytes: usize) {
    let mut at = 0;
    while at < bytes {
        let left = bytes - at;
        let done = left.min(4 * BYTES);
        let last = match done % BYTES {
            0 => u64::MAX,
            part => (1 << part) - 1,
        };
        // SAFETY: the blocks lie within the caller's bytes.
        unsafe {
            match done.div_ceil(BYTES) {
                1 => sum_block::<1, SIZE>(x, terms, out, at, last),
                2 => sum_block::<2, SIZE>(x, terms, out, at, last),
                3 => sum_block::<3, SIZE>(x, terms, out, at, last),
                _ => sum_block::<4, SIZE>(x, terms, out, at, last),
            }
        }
        at += done;
    }
}

/// # Safety
/// AVX-512 BW, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn sum8_of(x: &[u8], terms: &Terms, out: &mut [u8]) {
    // SAFETY: the lengths are checked: the last part ends within `x`.
    unsafe { sums::<1>(x.as_ptr(), terms, out.as_mut_ptr(), out.len()) }
}

/// # Safety
/// AVX-512 BW, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
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

/// # Safety
/// AVX-512 BW, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn cut8_of(sums: &[u8], sections: usize, threshold: i32, out: &mut [u64]) {
    let n = sums.len() / sections;
    let live = |q: usize| match n - q {
        left if left < BYTES => (1u64 << left) - 1,
        _ => u64::MAX,
    };
    if threshold <= 0 || threshold > 255 * sections as i32 {
        for (word, out) in out.iter_mut().enumerate() {
            *out = if threshold <= 0 { live(64 * word) } else { 0 };
        }
        return;
    }
    let load = |s: usize, q: usize| {
        // SAFETY: the live lanes of section s lie within `sums`.
        unsafe { _mm512_maskz_loadu_epi8(live(q), sums.as_ptr().add(s * n + q).cast()) }
    };
    let ones = _mm512_set1_epi8(-1);
    for (word, out) in out.iter_mut().enumerate() {
        let q = 64 * word;
        let mask = match sections {
            1 => _mm512_cmpge_epu8_mask(load(0, q), _mm512_set1_epi8(threshold as i8)),
            // As for AVX2: in saturating bytes, of the complements above 255.
            2 if threshold <= 255 => {
                let x = _mm512_adds_epu8(load(0, q), load(1, q));
                _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8(threshold as i8))
            }
            2 => {
                let (a, b) = (load(0, q), load(1, q));
                let x = _mm512_adds_epu8(_mm512_xor_si512(a, ones), _mm512_xor_si512(b, ones));
                _mm512_cmple_epu8_mask(x, _mm512_set1_epi8((510 - threshold) as i8))
            }
            _ => {
                // At most 128 sections of 255: the sums fit 15 bits.
                let t = _mm512_set1_epi16((threshold - 1) as i16);
                let (mut low, mut high) = (_mm512_setzero_si512(), _mm512_setzero_si512());
                for s in 0..sections {
                    let x = load(s, q);
                    let (a, b) = (_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64::<1>(x));
                    low = _mm512_add_epi16(low, _mm512_cvtepu8_epi16(a));
                    high = _mm512_add_epi16(high, _mm512_cvtepu8_epi16(b));
                }
                u64::from(_mm512_cmpgt_epi16_mask(low, t))
                    | u64::from(_mm512_cmpgt_epi16_mask(high, t)) << 32
            }
        };
        *out = mask & live(q);
    }
}

/// # Safety
/// AVX-512 BW, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn cut16_of(x: &[i16], below: i16, out: &mut [u64]) {
    let t = _mm512_set1_epi16(below);
    let half = |x: &[i16]| {
        // SAFETY: 32 numbers.
        let x = unsafe { _mm512_loadu_epi16(x[..32].as_ptr()) };
        u64::from(_mm512_cmpgt_epi16_mask(x, t))
    };
    for (x, out) in x.chunks(64).zip(out) {
        *out = half(x)
            | if x.len() == 64 {
                half(&x[32..]) << 32
            } else {
                0
            };
    }
}

/// # Safety
/// AVX-512 BW, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn cut_sum16_of(x: &[i16], terms: &Terms, below: i16, n: usize, out: &mut [u64]) {
    out.fill(0);
    let (mut v, vectors) = (0, n / 32);
    while v < vectors {
        // SAFETY: the lengths are checked: the last part ends within `x`.
        v += unsafe {
            match vectors - v {
                8.. => cut_block::<8>(x.as_ptr(), terms, below, v, out),
                4.. => cut_block::<4>(x.as_ptr(), terms, below, v, out),
                2.. => cut_block::<2>(x.as_ptr(), terms, below, v, out),
                _ => cut_block::<1>(x.as_ptr(), terms, below, v, out),
            }
        };
    }
}

/// `N` vectors from number `at`.
///
/// # Safety
/// AVX-512 BW; every part has those vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn cut_block<const N: usize>(
    x: *const i16,
    terms: &Terms,
    below: i16,
    at: usize,
    out: &mut [u64],
) -> usize {
    let t = _mm512_set1_epi16(below);
    // SAFETY: the caller's promise.
    let sum = unsafe { sums_of::<N, 2>(x.cast(), terms, at * BYTES, u64::MAX) };
    for v in 0..N {
        let bits = u64::from(_mm512_cmpgt_epi16_mask(sum[v], t));
        let v = at + v;
        out[v / 2] |= bits << (32 * (v % 2));
    }
    N
}

/// # Safety
/// AVX-512 BW, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn signed_sums_of(
    x: &[i16],
    k: usize,
    pitch: usize,
    lanes: usize,
    out_rows: usize,
    out: &mut [i16],
) {
    // SAFETY: the lengths are checked.
    unsafe {
        match (k, lanes % 32) {
            (1, 0) => patterns::<1>(x, pitch, lanes, out_rows, out),
            (2, 0) => patterns::<2>(x, pitch, lanes, out_rows, out),
            (3, 0) => patterns::<3>(x, pitch, lanes, out_rows, out),
            (4, 0) => patterns::<4>(x, pitch, lanes, out_rows, out),
            (5, 0) => patterns::<5>(x, pitch, lanes, out_rows, out),
            _ => avx2::signed_sums(x, k, pitch, lanes, out_rows, out),
        }
    }
}

/// `K` neighbours, whose sums under all patterns stay in registers.
///
/// # Safety
/// AVX-512 BW, checked lengths, whole vectors of lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn patterns<const K: usize>(
    x: &[i16],
    pitch: usize,
    lanes: usize,
    out_rows: usize,
    out: &mut [i16],
) {
    for r in 0..x.len() / pitch {
        for at in (0..lanes).step_by(32) {
            let mut sum = [_mm512_setzero_si512(); 16];
            let mut twice = [_mm512_setzero_si512(); K];
            // SAFETY: a row has `lanes + K - 1` numbers, each pattern of `out` a row
            // of `lanes` for it.
            unsafe {
                for j in 0..K {
                    let x = _mm512_loadu_epi16(x.as_ptr().add(r * pitch + at + j));
                    sum[0] = _mm512_add_epi16(sum[0], x);
                    twice[j] = _mm512_add_epi16(x, x);
                }
                for j in 1..K {
                    for m in 0..1 << (j - 1) {
                        sum[m | 1 << (j - 1)] = _mm512_sub_epi16(sum[m], twice[j]);
                    }
                }
                for m in 0..1 << (K - 1) {
                    let out = out.as_mut_ptr().add((m * out_rows + r) * lanes + at);
                    _mm512_storeu_epi16(out, sum[m]);
                }
            }
        }
    }
}

/// # Safety
/// AVX-512 BW, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn spread_of(bits: &[u64], out: &mut [u8]) {
    let (clear, set) = (_mm512_set1_epi8(-1), _mm512_set1_epi8(1));
    for (out, &word) in out.chunks_mut(BYTES).zip(bits) {
        let x = _mm512_mask_blend_epi8(word, clear, set);
        let live = if out.len() == BYTES {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        };
        // SAFETY: a chunk has 64 bytes or, the last, 32.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), live, x) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn planes_on(spread: &[u8], b: usize, out: &mut [u8]) {
    planes_of(spread, b, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,popcnt")]
fn differ_of(x: &[u64], w: &[u64], out: &mut [i32]) {
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        let mut sum = _mm512_setzero_si512();
        for (x, w) in x.chunks(8).zip(row.chunks(8)) {
            let live = (1u32 << x.len()) as u8;
            let live = if x.len() == 8 { u8::MAX } else { live - 1 };
            // SAFETY: the live words of both chunks.
            let (x, w) = unsafe {
                (
                    _mm512_maskz_loadu_epi64(live, x.as_ptr().cast()),
                    _mm512_maskz_loadu_epi64(live, w.as_ptr().cast()),
                )
            };
            sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, w)));
        }
        *out = _mm512_reduce_add_epi64(sum) as i32;
    }
}

/// # Safety
/// AVX-512 BW and VNNI, and checked lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn dot_of(x: &[u8], w: &[i8], out: &mut [i32]) {
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        let mut sum = _mm512_setzero_si512();
        for (x, w) in x.chunks(BYTES).zip(row.chunks(BYTES)) {
            let live = u64::MAX >> (BYTES - x.len());
            // SAFETY: the live bytes of both chunks.
            let (x, w) = unsafe {
                (
                    _mm512_maskz_loadu_epi8(live, x.as_ptr().cast()),
                    _mm512_maskz_loadu_epi8(live, w.as_ptr()),
                )
            };
            sum = _mm512_dpbusd_epi32(sum, x, w);
        }
        *out = _mm512_reduce_add_epi32(sum);
    }
}
