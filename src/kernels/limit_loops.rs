//! Loops of nothing but one operation; those of floats and of loads are written once.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use std::hint::black_box;

use crate::kernels::vector::{Bytes, Vector};

/// A loop over data.
type Over = fn(&[u8], usize) -> u8;

/// Loops that do `rounds` rounds, and how much a round does.
pub(in crate::kernels) struct Loops {
    pub fma: (fn(usize) -> f32, usize),
    pub int8: (fn(usize) -> i32, usize),
    pub bits: (fn(usize) -> u64, usize),
    pub loads: (Over, usize),
}

/// Bytes that the loop of loads goes over.
pub(in crate::kernels) const CACHED: usize = 16 << 10;

/// Independent chains: enough to hide every latency, and few enough for the registers.
pub(in crate::kernels) const CHAINS: usize = 12;

/// # Safety
/// The machine has the instruction set.
#[inline(always)]
pub(in crate::kernels) unsafe fn fma<V: Vector>(rounds: usize) -> f32 {
    let mut first = [0.0; 16];
    // SAFETY: the caller's promise; a register has at most 16 numbers.
    unsafe {
        let (a, b) = (V::splat(black_box(0.9)), V::splat(black_box(0.1)));
        let mut sum = [b; CHAINS];
        for _ in 0..rounds {
            for i in 0..CHAINS {
                sum[i] = sum[i].fma(a, b);
            }
        }
        let all = sum.iter().fold(b, |all, &s| all.add(s));
        all.store(first.as_mut_ptr());
    }
    first[0]
}

/// # Safety
/// The machine has the instruction set.
#[inline(always)]
pub(in crate::kernels) unsafe fn loads<B: Bytes>(data: &[u8], rounds: usize) -> u8 {
    let mut first = [0; 64];
    // SAFETY: the caller's promise; a part has eight registers, each of at most 64 bytes.
    unsafe {
        let mut sum = [B::splat8(0); 8];
        for _ in 0..rounds {
            for part in black_box(data).chunks_exact(8 * B::LEN) {
                for i in 0..8 {
                    sum[i] = sum[i].add8(B::load(part.as_ptr().add(i * B::LEN)));
                }
            }
        }
        let all = sum.iter().fold(B::splat8(0), |all, &s| all.add8(s));
        all.store(first.as_mut_ptr());
    }
    first[0]
}
