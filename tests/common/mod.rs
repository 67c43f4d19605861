//! What several test files share. Each uses a part of it.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod compiled;
pub mod enumerate;
pub mod exact;
pub mod golden;
pub mod graphs;
pub mod moments;
pub mod nets;
pub mod oracle;
pub mod packed;
pub mod variants;

use bnn_cpu::kernels::{Engine, Isa, select};

/// The step of a sweep over sizes: Miri interprets, hundreds of times slower, and is
/// shown every thirteenth.
pub const STEP: usize = if cfg!(miri) { 13 } else { 1 };

/// An engine for every instruction set of this machine.
pub fn engines() -> Vec<Engine> {
    Isa::available()
        .into_iter()
        .map(|isa| select(Some(isa.name())).expect("an available set can be selected"))
        .collect()
}

/// The engine of the fastest instruction set of this machine, chosen by name so
/// that the environment has no say.
pub fn fastest() -> Engine {
    *engines().last().expect("every machine has the scalar set")
}

/// A pool of that many threads.
pub fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads can be started")
}

/// The bits of numbers, so that a comparison tells -0 from 0.
pub fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}
