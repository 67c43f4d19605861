//! Small and large: batches, images, classes and depth at the ends of what people
//! use. The heavy ones are in `tests/tools/long_and_large.py`.

mod common;

use std::sync::atomic::AtomicBool;

use bnn_cpu::data::{Dataset, Split};
use bnn_cpu::lower::lower;
use bnn_cpu::model::{Init, ModelSpec, Network, preset};
use bnn_cpu::tape::Mode;
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Config, DatasetRecord, RunFolder, TestRecord, train};
use common::fastest;
use ndarray::Array4;

fn data(classes: usize, count: usize, side: usize) -> Dataset {
    let split = |count: usize| {
        let images = Array4::from_shape_fn((count, side, side, 1), |(n, y, x, _)| {
            (n % classes * 251 / classes + (y * 5 + x * 3 + n) % 5) as u8
        });
        let labels = (0..count).map(|n| (n % classes) as u32).collect();
        Split::new(images, labels).unwrap()
    };
    Dataset::new("made up", classes, split(count), split(count)).unwrap()
}

fn trained(spec: ModelSpec, data: &Dataset, batch: usize) -> TestRecord {
    let mut config = Config::reference(spec, DatasetRecord::of(data));
    (config.epochs, config.batch, config.lr) = (1, batch, 0.01);
    config.normalise_by(data);
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config, false).unwrap();
    let stop = AtomicBool::new(false);
    train(&mut run, data, fastest(), &stop, &mut |_| {}).unwrap()
}

fn spec(side: usize, layers: &str) -> ModelSpec {
    let text = format!(
        r#"{{"name":"sized","input":{{"channels":1,"height":{side},"width":{side}}},"layers":[{layers}]}}"#
    );
    ModelSpec::parse(&text, "sized.json".as_ref()).unwrap()
}

#[test]
fn batches_of_one_and_of_4096() {
    let data = data(4, 4600, 6);
    let spec = preset("mlp", Shape::image(1, 6, 6), 4).unwrap();
    // 4140 images for training: one full batch and a rest.
    assert!(trained(spec.clone(), &data, 4096).loss.is_finite());
    let logits = |batch: usize| {
        let mut net = Network::new(&spec, fastest(), batch, false).unwrap();
        net.init(Init::Pytorch, 1);
        net.pass_mut().mode = Mode::Eval;
        let mut all = Vec::new();
        for first in (0..4096).step_by(batch) {
            net.set_rows(batch);
            for row in 0..batch {
                net.set_row(row, data.train.image(first + row), 0);
            }
            net.forward();
            all.extend_from_slice(net.logits());
        }
        all
    };
    let (one, many) = (logits(1), logits(4096));
    assert_eq!(one.len(), many.len());
    for (a, b) in one.iter().zip(&many) {
        assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{a}, {b}");
    }
}

#[test]
fn one_class_and_a_thousand() {
    let one = data(1, 40, 4);
    let test = trained(preset("mlp", Shape::image(1, 4, 4), 1).unwrap(), &one, 8);
    assert_eq!((test.loss, test.accuracy), (0.0, 1.0));
    let many = data(1000, 2000, 4);
    let spec = preset("mlp", Shape::image(1, 4, 4), 1000).unwrap();
    let test = trained(spec, &many, 50);
    // No worse than a guess.
    assert!(test.loss < 1.2 * 1000f64.ln(), "{}", test.loss);
}

#[test]
fn images_of_one_pixel() {
    let data = data(2, 80, 1);
    assert!(
        trained(preset("mlp", Shape::image(1, 1, 1), 2).unwrap(), &data, 8)
            .loss
            .is_finite()
    );
    let layers = r#"{"type":"conv","name":"c","out":8,"kernel":1,"weights":"binary","bias":false},
        {"type":"batch_norm","name":"n"},{"type":"binary","mode":"det"},
        {"type":"linear","name":"f","out":2}"#;
    let spec = spec(1, layers);
    assert!(trained(spec.clone(), &data, 8).loss.is_finite());
    let mut net = Network::new(&spec, fastest(), 1, false).unwrap();
    net.init(Init::Pytorch, 1);
    let mut runner = lower(&net).unwrap().runner(fastest());
    assert!(runner.classify(&[9]).is_some());
    // A window that does not fit says so.
    let error = preset("seed-net", Shape::image(1, 1, 1), 2).map(|s| s.check());
    let line = match error {
        Ok(checked) => checked.unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(
        line.contains("does not fit") && !line.contains('\n'),
        "{line}"
    );
}

#[test]
fn images_of_512_by_512() {
    let data = data(2, 10, 512);
    let layers = r#"{"type":"conv","name":"c","out":4,"kernel":5,"stride":2,"padding":2,"weights":"binary","bias":false},
        {"type":"max_pool","kernel":4},{"type":"batch_norm","name":"n"},
        {"type":"binary","mode":"det"},
        {"type":"conv","name":"d","out":8,"kernel":3,"padding":1,"weights":"binary","bias":false},
        {"type":"max_pool","kernel":4},{"type":"batch_norm","name":"m"},
        {"type":"binary","mode":"det"},
        {"type":"linear","name":"f","out":2}"#;
    let spec = spec(512, layers);
    assert!(trained(spec.clone(), &data, 3).loss.is_finite());
    let mut net = Network::new(&spec, fastest(), 1, false).unwrap();
    net.init(Init::Pytorch, 1);
    net.pass_mut().mode = Mode::Eval;
    let mut runner = lower(&net).unwrap().runner(fastest());
    let mut logits = [0.0; 2];
    for image in 0..2 {
        runner.logits(data.test.image(image), &mut logits);
        net.set_rows(1);
        net.set_row(0, data.test.image(image), 0);
        net.forward();
        for (a, b) in logits.iter().zip(net.logits()) {
            assert!((a - b).abs() < 1e-3 * b.abs().max(1.0), "{a}, {b}");
        }
    }
}

#[test]
fn a_net_of_twenty_layers() {
    let data = data(3, 120, 12);
    let mut layers = Vec::new();
    for i in 0..6 {
        layers.push(format!(
            r#"{{"type":"conv","name":"c{i}","out":6,"kernel":3,"padding":1,"weights":"binary","bias":false}}"#
        ));
        layers.push(format!(r#"{{"type":"batch_norm","name":"n{i}"}}"#));
        layers.push(r#"{"type":"binary","mode":"det"}"#.into());
    }
    layers.push(r#"{"type":"max_pool","kernel":2}"#.into());
    layers.push(r#"{"type":"linear","name":"f","out":3}"#.into());
    let spec = spec(12, &layers.join(","));
    assert_eq!(spec.layers.len(), 20);
    assert!(trained(spec.clone(), &data, 16).loss.is_finite());
    let mut net = Network::new(&spec, fastest(), 1, false).unwrap();
    net.init(Init::Pytorch, 6);
    net.pass_mut().mode = Mode::Eval;
    let packed = lower(&net).unwrap();
    let mut runner = packed.runner(fastest());
    for image in 0..10 {
        net.set_rows(1);
        net.set_row(0, data.test.image(image), 0);
        net.forward();
        assert_eq!(
            runner.classify(data.test.image(image)),
            bnn_cpu::model::argmax(net.logits())
        );
    }
}
