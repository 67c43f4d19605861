//! Packed networks on the test images of real MNIST, after a short training.

use std::io::Write;
use std::path::PathBuf;

use crate::common::nets::{ADAM, Trainee};
use crate::common::{bits, engines, fastest, pool};
use bnn_cpu::data::{Dataset, epoch_order, mnist};
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::verify;
use bnn_cpu::model::{Network, Pixels, Placement, preset};
use bnn_cpu::tape::Mode;
use bnn_cpu::tensor::Shape;

fn data() -> Option<Dataset> {
    let folder = std::env::var_os("BNN_CPU_DATA").filter(|v| !v.is_empty());
    let Some(folder) = folder.map(PathBuf::from) else {
        // Past the harness's capture, so that it is always seen.
        let _ = writeln!(
            std::io::stderr(),
            "left out: packed networks on MNIST (set BNN_CPU_DATA)"
        );
        return None;
    };
    let found = mnist::find(None, Some(&folder)).unwrap();
    Some(mnist::load(&found.expect("a named folder is never passed over")).unwrap())
}

/// A net of that preset after 150 steps, in evaluation.
fn trained(name: &str, data: &Dataset) -> Network {
    let mut spec = preset(name, Shape::image(1, 28, 28), 10).unwrap();
    if spec.pixel_encoding() != Pixels::Integer {
        let of = data.normalisation();
        spec.pixels = Some(Pixels::normalised(of.mean, of.std));
    }
    spec.place(Placement::Both, Firing::Deterministic, "st")
        .unwrap();
    let mut trainee = Trainee::new(&spec, fastest(), 64, ADAM, 0.005, 1);
    let all: Vec<u32> = (0..data.train.len() as u32).collect();
    for batch in epoch_order(&all, 1, 1).chunks_exact(64).take(150) {
        trainee.step(&data.train, batch);
    }
    trainee.net.pass_mut().mode = Mode::Eval;
    trainee.net
}

#[test]
fn every_test_image_has_the_logits_of_the_graph_to_the_bit() {
    let Some(data) = data() else { return };
    let mut net = trained("xnor-net", &data);
    let packed = net.pack().unwrap();
    let images: Vec<u8> = (0..10_000)
        .flat_map(|i| data.test.image(i).to_vec())
        .collect();
    let mut want = Vec::new();
    let mut right = 0;
    for first in (0..10_000).step_by(50) {
        net.set_rows(50);
        for row in 0..50 {
            net.set_row(
                row,
                data.test.image(first + row),
                data.test.label(first + row),
            );
        }
        net.forward();
        want.extend_from_slice(net.logits());
        right += net.correct();
    }
    assert!(
        right > 8000,
        "{right} of 10000 right: the net has learnt nothing"
    );
    let mut out = vec![0.0; 100_000];
    for engine in engines() {
        let runner = packed.runner(engine);
        for threads in [1, 2] {
            out.fill(0.0);
            pool(threads).install(|| runner.batch(&images, &mut out));
            assert!(
                bits(&out) == bits(&want),
                "{}, {threads} threads",
                engine.kernels.isa.name()
            );
        }
    }
}

#[test]
fn real_weights_give_the_same_predictions_but_for_ties() {
    let Some(data) = data() else { return };
    let mut net = trained("seed-net", &data);
    let packed = net.pack().unwrap();
    for engine in engines() {
        let mut runner = packed.runner(engine);
        let images = (0..10_000).map(|i| data.test.image(i));
        let found = verify(&mut net, &packed, &mut runner, images).unwrap();
        assert!(found.predictions.len() <= 1, "{found:?}");
        for stage in found.stages.iter().filter(|s| s.bits) {
            assert!(stage.differing * 100_000 <= stage.numbers, "{stage:?}");
        }
        // A prediction that differs does so by a bit within rounding of its tie.
        for margin in &found.margins {
            assert!(margin.is_some_and(|m| m < 1e-4), "{found:?}");
        }
    }
}
