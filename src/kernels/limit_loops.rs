//! Loops that execute one kind of operation; those of floats and of loads are written once for all
//! instruction sets.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use core::hint::black_box;

use crate::kernels::vector::{Bytes, Vector};

/// A function that runs a number of rounds over data.
type Over = fn(&[u8], usize) -> u8;

/// The loops of an instruction set, as functions of the number of rounds, and the operations per
/// round.
pub(in crate::kernels) struct Loops {
    pub fma: (fn(usize) -> f32, usize),
    pub int8: (fn(usize) -> i32, usize),
    pub bits: (fn(usize) -> u64, usize),
    pub loads: (Over, usize),
}

/// Size in bytes of the data of the load loop, which fits the L1 cache.
pub(in crate::kernels) const CACHED: usize = 16 << 10;

/// Number of independent chains: enough to hide all latencies, and few enough for the registers.
pub(in crate::kernels) const CHAINS: usize = 12;

/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(in crate::kernels) unsafe fn fma<V: Vector>(rounds: usize) -> f32 {
    let mut first = [0.0; 16];
    // SAFETY: guaranteed by the caller; a register has at most 16 numbers.
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
/// The processor has the instruction set.
#[inline(always)]
pub(in crate::kernels) unsafe fn loads<B: Bytes>(data: &[u8], rounds: usize) -> u8 {
    let mut first = [0; 64];
    // SAFETY: guaranteed by the caller; a part has eight registers, each of at most 64 bytes.
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
