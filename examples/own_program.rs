//! A whole `bnn-cpu` program with an estimator of its own, which every subcommand knows:
//! `cargo run --release --example own_program -- train --estimator wide-st --dataset digits`

use std::process::ExitCode;
use std::sync::Arc;

use bnn_cpu::cli::{self, HEAP, Registry};
use bnn_cpu::estimators::{Estimator, Info, Pathwise, Probability, Rule, Unit};
use bnn_cpu::kernels::heap::Heap;

/// One line instead of a signal when memory runs out.
#[global_allocator]
static ALLOCATOR: Heap = HEAP;

/// A straight-through rule whose window is twice as wide.
struct Wide;

impl Pathwise for Wide {}

impl Estimator for Wide {
    fn info(&self) -> Info {
        Info {
            name: "wide-st",
            formula: "dL/dh · a/4 · [|ax| < 2]",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "this example",
        }
    }

    fn probability(&self) -> Probability {
        Probability::HardSigmoid
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pathwise(self)
    }

    fn grad(&self, u: Unit) -> f32 {
        let within = (u.slope * u.x).abs() < 2.0;
        if within { u.dh * u.slope * 0.25 } else { 0.0 }
    }
}

pub fn main() -> ExitCode {
    // The formula is written for hard sigmoids alone.
    let own =
        |of: Option<Probability>| (of != Some(Probability::Sigmoid)).then(|| Arc::new(Wide) as _);
    cli::main_with(Registry::default().estimator(own))
}
