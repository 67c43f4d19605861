//! Loops of AVX2.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use crate::kernels::limits::{CACHED, Loops};
use std::arch::x86_64::*;
use std::hint::black_box;

/// Independent chains.
const N: usize = 12;

/// Chains of the bit loop, which needs registers for its constants.
const BITS: usize = 6;

// `Isa::kernels` has found AVX2 and FMA before anybody asks for their limits.
pub(in crate::kernels::arch) const LOOPS: Loops = Loops {
    // SAFETY: as said above.
    fma: (|n| unsafe { fma(n) }, 2 * 8 * N),
    // SAFETY: as said above.
    int8: (|n| unsafe { int8(n) }, 2 * 32 * BITS),
    // SAFETY: as said above.
    bits: (|n| unsafe { bits(n) }, 2 * 256 * BITS),
    // SAFETY: as said above.
    loads: (|data, n| unsafe { loads(data, n) }, CACHED),
};

#[target_feature(enable = "avx2,fma")]
fn fma(rounds: usize) -> f32 {
    let (a, b) = (
        _mm256_set1_ps(black_box(0.9)),
        _mm256_set1_ps(black_box(0.1)),
    );
    let mut sum = [b; N];
    for _ in 0..rounds {
        for i in 0..N {
            sum[i] = _mm256_fmadd_ps(sum[i], a, b);
        }
    }
    let all = sum.iter().fold(b, |all, &s| _mm256_add_ps(all, s));
    _mm256_cvtss_f32(all)
}

/// Products of bytes added in pairs to 16 bits, those in pairs to 32.
#[target_feature(enable = "avx2")]
fn int8(rounds: usize) -> i32 {
    let (a, one) = (_mm256_set1_epi8(black_box(3)), _mm256_set1_epi16(1));
    let mut sum = [_mm256_set1_epi8(black_box(1)); BITS];
    for _ in 0..rounds {
        for i in 0..BITS {
            let pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(a, sum[i]), one);
            sum[i] = _mm256_add_epi32(sum[i], pairs);
        }
    }
    let all = sum.iter().fold(a, |all, &s| _mm256_add_epi32(all, s));
    _mm256_extract_epi32::<0>(all)
}

/// Counts by a table of half-bytes.
#[target_feature(enable = "avx2")]
fn bits(rounds: usize) -> u64 {
    let w = _mm256_set1_epi64x(black_box(0x5a5a_1234_8765_a5a5));
    let table = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    ));
    let low = _mm256_set1_epi8(15);
    let mut x = [w; BITS];
    for _ in 0..rounds {
        for i in 0..BITS {
            let differ = _mm256_xor_si256(x[i], w);
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(differ), low);
            let ones = _mm256_shuffle_epi8(table, _mm256_and_si256(differ, low));
            x[i] = _mm256_add_epi8(ones, _mm256_shuffle_epi8(table, high));
        }
    }
    let all = x.iter().fold(w, |all, &x| _mm256_add_epi64(all, x));
    _mm256_extract_epi64::<0>(all) as u64
}

/// # Safety
/// AVX2.
#[target_feature(enable = "avx2")]
unsafe fn loads(data: &[u8], rounds: usize) -> u8 {
    let mut sum = [_mm256_setzero_si256(); 8];
    for _ in 0..rounds {
        for part in black_box(data).chunks_exact(8 * 32) {
            for i in 0..8 {
                // SAFETY: a part has eight vectors.
                let x = unsafe { _mm256_loadu_si256(part.as_ptr().add(32 * i).cast()) };
                sum[i] = _mm256_add_epi8(sum[i], x);
            }
        }
    }
    let all = sum
        .iter()
        .fold(_mm256_setzero_si256(), |all, &s| _mm256_add_epi8(all, s));
    _mm256_extract_epi8::<0>(all) as u8
}
