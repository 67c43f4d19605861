//! What the machine can do at most, on one thread: the rates that rooflines divide by.
//!
//! Each rate is that of a loop of nothing else, its operands in registers (for
//! [`Limits::loads`] in the first-level cache), with enough independent chains to hide
//! every latency; the best of many short repeats.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use std::hint::black_box;
use std::time::Instant;

use super::Isa;

/// Rates of one thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// FLOP a second of f32 multiply-adds: two for each.
    pub fma: f64,
    /// Operations a second of multiply-adds of bytes to 32 bits: two for each.
    pub int8: f64,
    /// Bit operations a second: an XOR and a count for each bit.
    pub bits: f64,
    /// Bytes a second loaded from the first-level cache and added up.
    pub loads: f64,
}

/// A loop over data.
type Over = fn(&[u8], usize) -> u8;

/// Loops that do `rounds` rounds, and how much a round does.
struct Loops {
    fma: (fn(usize) -> f32, usize),
    int8: (fn(usize) -> i32, usize),
    bits: (fn(usize) -> u64, usize),
    loads: (Over, usize),
}

/// Bytes that the loop of loads goes over.
const CACHED: usize = 16 << 10;

impl Limits {
    /// Measures them with the kernels of `isa`, in about a second.
    pub fn measure(isa: Isa) -> Self {
        let loops = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::LOOPS,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::loops(),
            _ => PORTABLE,
        };
        let data = vec![1; CACHED];
        Self {
            fma: rate(|n| f64::from((loops.fma.0)(n)), loops.fma.1),
            int8: rate(|n| f64::from((loops.int8.0)(n)), loops.int8.1),
            bits: rate(|n| (loops.bits.0)(n) as f64, loops.bits.1),
            loads: rate(
                |n| f64::from((loops.loads.0)(black_box(&data), n)),
                loops.loads.1,
            ),
        }
    }
}

/// Units a second of `work(rounds)`, of `each` units a round.
fn rate(work: impl Fn(usize) -> f64, each: usize) -> f64 {
    let mut rounds = 1;
    let mut best = f64::INFINITY;
    // A repeat of at least half a millisecond.
    loop {
        let begun = Instant::now();
        black_box(work(rounds));
        if begun.elapsed().as_micros() > 500 {
            break;
        }
        rounds *= 2;
    }
    for _ in 0..200 {
        let begun = Instant::now();
        black_box(work(rounds));
        best = best.min(begun.elapsed().as_secs_f64());
    }
    (rounds * each) as f64 / best
}

/// What the compiler makes of plain code.
const PORTABLE: Loops = Loops {
    fma: (portable::fma, 2 * portable::LANES),
    int8: (portable::int8, 2 * portable::LANES),
    bits: (portable::bits, 2 * 64 * 8),
    loads: (portable::loads, CACHED),
};

mod portable {
    use std::hint::black_box;

    pub const LANES: usize = 48;

    pub fn fma(rounds: usize) -> f32 {
        let (a, b) = (black_box(0.9f32), black_box(0.1f32));
        let mut sum = [1.0f32; LANES];
        for _ in 0..rounds {
            for sum in &mut sum {
                *sum = *sum * a + b;
            }
        }
        sum.iter().sum()
    }

    pub fn int8(rounds: usize) -> i32 {
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

    pub fn bits(rounds: usize) -> u64 {
        let w = black_box(0x5a5a_1234_8765_a5a5u64);
        let mut x = [1u64, 2, 3, 4, 5, 6, 7, 8];
        for _ in 0..rounds {
            for x in &mut x {
                *x = u64::from((*x ^ w).count_ones());
            }
        }
        x.iter().sum()
    }

    pub fn loads(data: &[u8], rounds: usize) -> u8 {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loop_does_something_in_a_time() {
        for isa in Isa::available() {
            let l = Limits::measure(isa);
            for rate in [l.fma, l.int8, l.bits, l.loads] {
                // Between one operation a microsecond and what no core can do.
                assert!(rate > 1e6 && rate < 1e15, "{}: {rate}", isa.name());
            }
        }
    }
}
