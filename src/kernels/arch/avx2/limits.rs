//! The loops by which the peak rates of AVX2 are measured.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use core::arch::x86_64::*;
use core::hint::black_box;

use crate::kernels::compile::compiled;
use crate::kernels::limit_loops::{self as loops, CACHED, CHAINS, Loops};

/// Number of independent chains in the integer loops, which also need registers for constants.
const FEW: usize = 6;

pub(in crate::kernels::arch) const LOOPS: Loops = Loops {
    fma: (fma, 2 * 8 * CHAINS),
    int8: (int8, 2 * 32 * FEW),
    bits: (bits, 2 * 256 * FEW),
    loads: (loads, CACHED),
};

compiled! { ["avx2,fma"]
    fn fma(rounds: usize) -> f32 = loops::fma::<__m256>;
    fn int8(rounds: usize) -> i32 = int8_of;
    fn bits(rounds: usize) -> u64 = bits_of;
    fn loads(data: &[u8], rounds: usize) -> u8 = loops::loads::<__m256i>;
}

/// Multiplies bytes, adds pairs of products to 16 bits, and adds pairs of these to 32 bits.
#[target_feature(enable = "avx2")]
fn int8_of(rounds: usize) -> i32 {
    let (a, one) = (_mm256_set1_epi8(black_box(3)), _mm256_set1_epi16(1));
    let mut sum = [_mm256_set1_epi8(black_box(1)); FEW];
    for _ in 0..rounds {
        for i in 0..FEW {
            let pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(a, sum[i]), one);
            sum[i] = _mm256_add_epi32(sum[i], pairs);
        }
    }
    let all = sum.iter().fold(a, |all, &s| _mm256_add_epi32(all, s));
    _mm256_extract_epi32::<0>(all)
}

/// Counts bits by a table look-up for each half-byte.
#[target_feature(enable = "avx2")]
fn bits_of(rounds: usize) -> u64 {
    let w = _mm256_set1_epi64x(black_box(0x5a5a_1234_8765_a5a5));
    let table = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    ));
    let low = _mm256_set1_epi8(15);
    let mut x = [w; FEW];
    for _ in 0..rounds {
        for i in 0..FEW {
            let differ = _mm256_xor_si256(x[i], w);
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(differ), low);
            let ones = _mm256_shuffle_epi8(table, _mm256_and_si256(differ, low));
            x[i] = _mm256_add_epi8(ones, _mm256_shuffle_epi8(table, high));
        }
    }
    let all = x.iter().fold(w, |all, &x| _mm256_add_epi64(all, x));
    _mm256_extract_epi64::<0>(all) as u64
}
