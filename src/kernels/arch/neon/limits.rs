//! The loops by which the peak rates of NEON are measured, without its optional products of bytes.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use core::arch::aarch64::*;
use core::hint::black_box;

use crate::kernels::compile::compiled;
use crate::kernels::limit_loops::{self as loops, CACHED, CHAINS, Loops};

pub(in crate::kernels::arch) const LOOPS: Loops = Loops {
    fma: (fma, 2 * 4 * CHAINS),
    int8: (int8, 2 * 8 * CHAINS),
    bits: (bits, 2 * 128 * CHAINS),
    loads: (loads, CACHED),
};

compiled! { ["neon"]
    fn fma(rounds: usize) -> f32 = loops::fma::<float32x4_t>;
    fn int8(rounds: usize) -> i32 = int8_of;
    fn bits(rounds: usize) -> u64 = bits_of;
    fn loads(data: &[u8], rounds: usize) -> u8 = loops::loads::<uint8x16_t>;
}

/// Multiplies bytes to 16 bits, and adds pairs of products to 32 bits.
#[target_feature(enable = "neon")]
fn int8_of(rounds: usize) -> i32 {
    let a = vdup_n_s8(black_box(3));
    let mut sum = [vdupq_n_s32(black_box(1)); CHAINS];
    for _ in 0..rounds {
        for i in 0..CHAINS {
            let b = vreinterpret_s8_s32(vget_low_s32(sum[i]));
            sum[i] = vpadalq_s16(sum[i], vmull_s8(a, b));
        }
    }
    let all = sum.iter().fold(vdupq_n_s32(0), |all, &s| vaddq_s32(all, s));
    vgetq_lane_s32::<0>(all)
}

/// Counts the bits of each byte.
#[target_feature(enable = "neon")]
fn bits_of(rounds: usize) -> u64 {
    let w = vdupq_n_u8(black_box(0x5a));
    let mut x = [w; CHAINS];
    for _ in 0..rounds {
        for i in 0..CHAINS {
            x[i] = vaddq_u8(x[i], vcntq_u8(veorq_u8(x[i], w)));
        }
    }
    let all = x.iter().fold(w, |all, &x| vaddq_u8(all, x));
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(all))
}
