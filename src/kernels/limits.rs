//! Peak rates of one thread of the processor, which roofline models divide by.
//!
//! Each rate is measured by a loop of one kind of operation with its operands in registers (for
//! [`Limits::loads`] in the L1 cache) and enough independent chains to hide all latencies; the
//! result is the best of many short repetitions.

use std::hint::black_box;
use std::time::Instant;

use super::Isa;
use super::limit_loops::CACHED;

/// Peak rates of one thread, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Floating-point operations of f32 fused multiply-add per second, two per multiply-add.
    pub fma: f64,
    /// Operations of multiply-adds of bytes to 32 bits per second, two per multiply-add.
    pub int8: f64,
    /// Bit operations per second: an XOR and a count for each bit.
    pub bits: f64,
    /// Bytes per second that are loaded from the L1 cache and added.
    pub loads: f64,
}

impl Limits {
    /// Measures the rates with the kernels of `isa`, in about a second.
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

/// Returns the number of operations of `work(rounds)` per second, with `each` operations per round.
fn rate(work: impl Fn(usize) -> f64, each: usize) -> f64 {
    let mut rounds = 1;
    let mut best = f64::INFINITY;
    // A repetition takes at least half a millisecond.
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
                // A rate is between one operation per microsecond and what no core reaches.
                assert!(rate > 1e6 && rate < 1e15, "{}: {rate}", isa.name());
            }
        }
    }
}
