//! The loops by which the peak rates of AVX-512 are measured, with VNNI and VPOPCNTDQ if available.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use crate::kernels::arch::has;
use core::arch::x86_64::*;
use core::hint::black_box;

use crate::kernels::arch::avx2;
use crate::kernels::compile::compiled;
use crate::kernels::limit_loops::{self as loops, CACHED, CHAINS, Loops};

pub(super) fn loops() -> Loops {
    Loops {
        fma: (fma, 2 * 16 * CHAINS),
        int8: match has!("avx512vnni") {
            // SAFETY: VNNI has been found, and AVX-512 before anybody asks for its limits.
            true => (|n| unsafe { int8(n) }, 2 * 64 * CHAINS),
            false => avx2::limits::LOOPS.int8,
        },
        bits: match has!("avx512vpopcntdq") {
            // SAFETY: as above, VPOPCNTDQ.
            true => (|n| unsafe { bits(n) }, 2 * 512 * CHAINS),
            false => avx2::limits::LOOPS.bits,
        },
        loads: (loads, CACHED),
    }
}

compiled! { ["avx512f,avx512bw"]
    fn fma(rounds: usize) -> f32 = loops::fma::<__m512>;
    fn loads(data: &[u8], rounds: usize) -> u8 = loops::loads::<__m512i>;
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn int8(rounds: usize) -> i32 {
    let (a, b) = (
        _mm512_set1_epi8(black_box(3)),
        _mm512_set1_epi8(black_box(5)),
    );
    let mut sum = [_mm512_setzero_si512(); CHAINS];
    for _ in 0..rounds {
        for i in 0..CHAINS {
            sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
        }
    }
    let each = sum.iter().map(|&s| _mm512_reduce_add_epi32(s));
    each.fold(0, i32::wrapping_add)
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn bits(rounds: usize) -> u64 {
    let w = _mm512_set1_epi64(black_box(0x5a5a_1234_8765_a5a5));
    let mut x = [w; CHAINS];
    for _ in 0..rounds {
        for i in 0..CHAINS {
            x[i] = _mm512_popcnt_epi64(_mm512_xor_si512(x[i], w));
        }
    }
    let each = x.iter().map(|&x| _mm512_reduce_add_epi64(x) as u64);
    each.sum()
}
