//! A few dozen steps on the built-in digits teach small nets something:
//! the whole of forward, backward and optimiser points downhill.

use crate::common::nets::{ADAM, SGD, Trainee, digits_net, tiny_net};
use bnn_cpu::data::{digits, epoch_order};
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::{ModelSpec, Placement};
use bnn_cpu::train::{Evaluator, OptimiserSpec, Reading};

const BATCH: usize = 64;

/// Test accuracy after `steps` steps; a guess is right for one image in ten.
fn accuracy(spec: &ModelSpec, optimiser: OptimiserSpec, lr: f64, steps: usize) -> f64 {
    let data = digits::generate(1, BATCH * steps, 300);
    let mut trainee = Trainee::new(spec, crate::common::fastest(), BATCH, optimiser, lr, 1);
    let all: Vec<u32> = (0..data.train.len() as u32).collect();
    for batch in epoch_order(&all, 1, 1).chunks_exact(BATCH) {
        trainee.step(&data.train, batch);
    }
    let tested: Vec<u32> = (0..data.test.len() as u32).collect();
    let (net, reading) = (&mut trainee.net, Reading::Samples(1));
    let evaluation = Evaluator::default().evaluate(net, &data.test, &tested, reading, (1, 1));
    evaluation.accuracy
}

#[test]
fn a_small_convolutional_net_learns() {
    for firing in [Firing::Deterministic, Firing::Stochastic] {
        let accuracy = accuracy(&tiny_net(firing), ADAM, 0.01, 100);
        assert!(
            accuracy > 0.3,
            "{firing:?}: {:.1} % right",
            100.0 * accuracy
        );
    }
}

#[test]
fn the_mlp_learns() {
    for firing in [Firing::Deterministic, Firing::Stochastic] {
        let spec = digits_net("mlp", Placement::Both, firing);
        let accuracy = accuracy(&spec, SGD, 0.1, 100);
        assert!(
            accuracy > 0.5,
            "{firing:?}: {:.1} % right",
            100.0 * accuracy
        );
    }
}
