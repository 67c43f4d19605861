//! What the machine can do at most, on one thread: the rates that rooflines divide by.
//!
//! Each rate is that of a loop of nothing else, its operands in registers (for
//! [`Limits::loads`] in the first-level cache), with enough independent chains to hide
//! every latency; the best of many short repeats.

use std::hint::black_box;
use std::time::Instant;

use super::Isa;
use super::limit_loops::CACHED;

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

impl Limits {
    /// Measures them with the kernels of `isa`, in about a second.
    pub fn measure(isa: Isa) -> Self {
        let kernels = isa.kernels().or(Isa::Scalar.kernels());
        let loops = (kernels.expect("every machine has the scalar set").limits)();
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
