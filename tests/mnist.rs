//! Real MNIST: a short training of the binary seed-net learns to read.

mod common;

use std::io::Write;
use std::path::PathBuf;

use bnn_cpu::data::{epoch_order, mnist};
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::{Pixels, Placement};
use bnn_cpu::train::{Evaluator, Reading};
use common::nets::{PIXELS, SGD, Trainee, digits_net};

const STEPS: usize = 300;
const BATCH: usize = 64;

/// Below the reference's 0.1, whose first hundred steps overshoot.
const LR: f64 = 0.03;

/// Test images that are looked at.
const TESTED: u32 = 2000;

#[test]
fn a_short_training_reads_most_digits() {
    let folder = std::env::var_os("BNN_CPU_DATA").filter(|v| !v.is_empty());
    let Some(folder) = folder.map(PathBuf::from) else {
        // Past the harness's capture, so that it is always seen.
        let _ = writeln!(
            std::io::stderr(),
            "left out: a_short_training_reads_most_digits needs MNIST (set BNN_CPU_DATA)"
        );
        return;
    };
    let found = mnist::find(None, Some(&folder)).unwrap();
    let data = mnist::load(&found.expect("a named folder is never passed over")).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    let of = data.normalisation();
    assert_eq!(Pixels::normalised(of.mean, of.std), PIXELS);

    let spec = digits_net("seed-net", Placement::Both, Firing::Deterministic);
    let mut trainee = Trainee::new(&spec, common::fastest(), BATCH, SGD, LR, 1);
    let all: Vec<u32> = (0..data.train.len() as u32).collect();
    let order = epoch_order(&all, 1, 1);
    for batch in order.chunks_exact(BATCH).take(STEPS) {
        trainee.step(&data.train, batch);
    }
    assert_eq!(trainee.steps, STEPS as u64);
    let tested: Vec<u32> = (0..TESTED).collect();
    let evaluation = Evaluator::default().evaluate(
        &mut trainee.net,
        &data.test,
        &tested,
        Reading::Threshold,
        (1, 1),
    );
    assert!(
        evaluation.accuracy > 0.88,
        "{:.2} % right after {STEPS} steps",
        100.0 * evaluation.accuracy
    );
}
