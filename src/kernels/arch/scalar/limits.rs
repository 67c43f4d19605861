//! The loops by which the peak rates of compiled plain Rust are measured.

use core::hint::black_box;

use crate::kernels::limit_loops::{CACHED, Loops};

pub(in crate::kernels::arch) const LOOPS: Loops = Loops {
    fma: (fma, 2 * LANES),
    int8: (int8, 2 * LANES),
    bits: (bits, 2 * 64 * 8),
    loads: (loads, CACHED),
};

const LANES: usize = 48;

fn fma(rounds: usize) -> f32 {
    let (a, b) = (black_box(0.9f32), black_box(0.1f32));
    let mut sum = [1.0f32; LANES];
    for _ in 0..rounds {
        for sum in &mut sum {
            *sum = *sum * a + b;
        }
    }
    sum.iter().sum()
}

fn int8(rounds: usize) -> i32 {
    let (a, b) = (black_box(3i8), black_box(5u8));
    let mut sum = [1i32; LANES];
    for _ in 0..rounds {
        let b = black_box(b);
        for sum in &mut sum {
            *sum = sum.wrapping_add(i32::from(a) * i32::from(b));
        }
    }
    sum.iter().fold(0, |all, &s| all.wrapping_add(s))
}

fn bits(rounds: usize) -> u64 {
    let w = black_box(0x5a5a_1234_8765_a5a5u64);
    let mut x = [1u64, 2, 3, 4, 5, 6, 7, 8];
    for _ in 0..rounds {
        for x in &mut x {
            *x = u64::from((*x ^ w).count_ones());
        }
    }
    x.iter().sum()
}

fn loads(data: &[u8], rounds: usize) -> u8 {
    let mut sum = [0u8; 64];
    for _ in 0..rounds {
        for part in black_box(data).chunks_exact(64) {
            for (sum, &x) in sum.iter_mut().zip(part) {
                *sum = sum.wrapping_add(x);
            }
        }
    }
    sum.iter().fold(0, |all, &s| all.wrapping_add(s))
}
