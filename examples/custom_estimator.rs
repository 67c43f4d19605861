//! An estimator of one's own, without a fork: a straight-through rule whose window
//! is twice as wide. `cargo run --release --example custom_estimator`

use bnn_cpu::data::digits;
use bnn_cpu::estimators::{Estimator, Info, Pathwise, Probability, Rule, Unit};
use bnn_cpu::graph::{Adam, Graph};

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

pub fn main() -> bnn_cpu::Result<()> {
    let (data, g) = (digits::generate(1, 1000, 10), Graph::new([1, 28, 28]));
    g.input().linear("fc1", 50).binary(Wide).linear("fc2", 10);
    let (mut model, mut opt) = (g.compile(50)?, Adam::new(0.005));
    let mut losses = Vec::new();
    for (images, labels) in (1..5).flat_map(|epoch| data.train.batches(50, epoch)) {
        losses.push(model.step(&images, &labels, &mut opt)?);
    }
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    println!("loss of the first step {first:.3}, of the last {last:.3}");
    assert!(last < 0.5 * first, "it has learned something");
    Ok(())
}
