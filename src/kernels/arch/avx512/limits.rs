//! Loops of AVX-512, with VNNI and VPOPCNTDQ where the machine has them.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use crate::kernels::arch::avx2::limits as avx2;
use crate::kernels::limits::{CACHED, Loops};
use std::arch::x86_64::*;
use std::hint::black_box;

/// Independent chains.
const N: usize = 12;

pub(super) fn loops() -> Loops {
    Loops {
        // SAFETY (all four): `Isa::kernels` has found AVX-512 before anybody asks for
        // its limits; VNNI and VPOPCNTDQ are found here.
        fma: (|n| unsafe { fma(n) }, 2 * 16 * N),
        int8: match is_x86_feature_detected!("avx512vnni") {
            // SAFETY: as above.
            true => (|n| unsafe { int8(n) }, 2 * 64 * N),
            false => avx2::LOOPS.int8,
        },
        bits: match is_x86_feature_detected!("avx512vpopcntdq") {
            // SAFETY: as above.
            true => (|n| unsafe { bits(n) }, 2 * 512 * N),
            false => avx2::LOOPS.bits,
        },
        // SAFETY: as above.
        loads: (|data, n| unsafe { loads(data, n) }, CACHED),
    }
}

#[target_feature(enable = "avx512f")]
fn fma(rounds: usize) -> f32 {
    let (a, b) = (
        _mm512_set1_ps(black_box(0.9)),
        _mm512_set1_ps(black_box(0.1)),
    );
    let mut sum = [b; N];
    for _ in 0..rounds {
        for i in 0..N {
            sum[i] = _mm512_fmadd_ps(sum[i], a, b);
        }
    }
    sum.iter().map(|&s| _mm512_reduce_add_ps(s)).sum()
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn int8(rounds: usize) -> i32 {
    let (a, b) = (
        _mm512_set1_epi8(black_box(3)),
        _mm512_set1_epi8(black_box(5)),
    );
    let mut sum = [_mm512_setzero_si512(); N];
    for _ in 0..rounds {
        for i in 0..N {
            sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
        }
    }
    let each = sum.iter().map(|&s| _mm512_reduce_add_epi32(s));
    each.fold(0, i32::wrapping_add)
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn bits(rounds: usize) -> u64 {
    let w = _mm512_set1_epi64(black_box(0x5a5a_1234_8765_a5a5));
    let mut x = [w; N];
    for _ in 0..rounds {
        for i in 0..N {
            x[i] = _mm512_popcnt_epi64(_mm512_xor_si512(x[i], w));
        }
    }
    let each = x.iter().map(|&x| _mm512_reduce_add_epi64(x) as u64);
    each.sum()
}

/// # Safety
/// AVX-512 BW.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn loads(data: &[u8], rounds: usize) -> u8 {
    let mut sum = [_mm512_setzero_si512(); 8];
    for _ in 0..rounds {
        for part in black_box(data).chunks_exact(8 * 64) {
            for i in 0..8 {
                // SAFETY: a part has eight vectors.
                let x = unsafe { _mm512_loadu_si512(part.as_ptr().add(64 * i).cast()) };
                sum[i] = _mm512_add_epi8(sum[i], x);
            }
        }
    }
    let all = sum.iter().map(|&s| _mm512_reduce_add_epi32(s) as u8);
    all.fold(0, u8::wrapping_add)
}
