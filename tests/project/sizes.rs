//! Small and large: batches, images, classes and depth at the ends of what people
//! use. The heavy ones are in `tests/tools/long_and_large.py`.

use std::sync::atomic::AtomicBool;

use crate::common::fastest;
use crate::common::nets::grouped_net;
use bnn_cpu::data::{Dataset, Split};
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::{Init, ModelSpec, Network, preset};
use bnn_cpu::tape::Mode;
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Config, DatasetRecord, RunFolder, TestRecord, train};
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
    let mut runner = net.pack().unwrap().runner(fastest());
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
    let mut runner = net.pack().unwrap().runner(fastest());
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
    let packed = net.pack().unwrap();
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

/// Groups, dilation and windows that differ by side: from many channels to one pixel.
#[test]
fn windows_and_groups_of_every_kind() {
    let grouped = grouped_net(Firing::Deterministic);
    assert!(trained(grouped, &data(10, 90, 28), 16).loss.is_finite());
    let small = data(2, 60, 3);
    for layers in [
        // Many groups, a window of the whole image, a tap an image's side away.
        r#"{"type":"conv","name":"c","out":300,"kernel":[3,1]},
           {"type":"conv","name":"d","out":300,"kernel":[1,3],"groups":300},"#,
        r#"{"type":"conv","name":"c","out":130,"kernel":2,"dilation":2},
           {"type":"conv","name":"d","out":260,"kernel":1,"groups":2},"#,
        r#"{"type":"conv","name":"c","out":4,"kernel":[2,1],"dilation":[9,1],"padding":[9,0]},
           {"type":"prelu","name":"p"},{"type":"max_pool","kernel":[1,2]},"#,
    ] {
        let layers = format!(r#"{layers}{{"type":"linear","name":"f","out":2}}"#);
        assert!(trained(spec(3, &layers), &small, 8).loss.is_finite());
    }
}

/// What `inspect` shows of grouped convolutions, and what memory they are said to take.
#[test]
fn grouped_convolutions_are_described_and_counted() {
    let layer = |more: &str| {
        format!(
            r#"{{"type":"conv","name":"c","out":16,"kernel":1}},
           {{"type":"conv","name":"d","out":64,"kernel":3,{more}}},
           {{"type":"linear","name":"f","out":2}}"#
        )
    };
    let of = |more: &str| spec(24, &layer(more)).memory(32, 1, true).unwrap();
    let plain = of(r#""padding":1"#);
    let depthwise = of(r#""padding":1,"groups":16"#);
    assert!(depthwise < plain, "{depthwise} against {plain}");
    assert!(of(r#""padding":100,"dilation":[100,100]"#) > plain);
    let table = bnn_cpu::model::table(&spec(24, &layer(r#""padding":1,"groups":16"#))).unwrap();
    assert_eq!(
        table[1].kind,
        "conv 3x3, stride 1, padding 1, border 0, groups 16"
    );
    assert_eq!(table[1].params_f32, 64 * 9 + 64);
    assert_eq!(table[1].madds_f32, 64 * 9 * 24 * 24);
    let table = bnn_cpu::model::table(&grouped_net(Firing::Deterministic)).unwrap();
    let kinds = [0, 2, 3, 5, 10].map(|i: usize| table[i].kind.as_str());
    assert_eq!(
        kinds,
        [
            "conv 5x3, stride 3x2, padding 2x1, border 0",
            "prelu, a slope a channel",
            "conv 3x3, stride 1, padding 1x2, border 0, dilation 1x2, groups 6",
            "max-pool 2x3, stride 2x1",
            "average pool 5x4, stride 5x4",
        ]
    );
}

/// The settings of a layer are written as they were read: one number where both sides are
/// equal, and nothing new where nothing is new.
#[test]
fn settings_are_written_as_they_are_read() {
    let conv = r#"{"type":"conv","name":"c","out":4,"kernel":3,"stride":1,"padding":0,"bias":true,"weights":"real","scale":false}"#;
    let read = |text: &str| serde_json::from_str::<bnn_cpu::model::LayerSpec>(text);
    for text in [
        conv.to_string(),
        r#"{"type":"max_pool","kernel":2,"stride":2}"#.into(),
        r#"{"type":"avg_pool","kernel":[2,1],"stride":[1,2]}"#.into(),
        conv.replace("false}", r#"false,"groups":4,"dilation":[1,2]}"#),
        conv.replace("false}", r#"false,"dilation":2}"#)
            .replace(r#""kernel":3"#, r#""kernel":[3,1]"#),
    ] {
        assert_eq!(serde_json::to_string(&read(&text).unwrap()).unwrap(), text);
    }
    let long = conv.replace(
        r#""kernel":3,"stride":1"#,
        r#""kernel":[3,3],"stride":[1,1]"#,
    );
    let long = long.replace("false}", r#"false,"groups":1,"dilation":[1,1]}"#);
    assert_eq!(serde_json::to_string(&read(&long).unwrap()).unwrap(), conv);
}

#[test]
fn hostile_windows_are_refused_in_a_line() {
    let refused = |layer: &str, what: &str| {
        let layers = format!(r#"{layer},{{"type":"linear","name":"f","out":2}}"#);
        let text = format!(
            r#"{{"name":"sized","input":{{"channels":4,"height":9,"width":9}},"layers":[{layers}]}}"#
        );
        let error = ModelSpec::parse(&text, "sized.json".as_ref())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(what) && !error.contains('\n'),
            "{layer}: {error}"
        );
    };
    let conv = |settings: &str| format!(r#"{{"type":"conv","name":"c","out":8,{settings}}}"#);
    for (settings, what) in [
        (r#""kernel":0"#, "must be at least 1"),
        (r#""kernel":[3,0]"#, "must be at least 1"),
        (r#""kernel":[3,0,1]"#, "[height, width]"),
        (r#""kernel":[3]"#, "[height, width]"),
        (r#""kernel":[3,-1]"#, "invalid value"),
        (r#""kernel":"3x1""#, "[height, width]"),
        (r#""kernel":{"height":3,"width":1}"#, "[height, width]"),
        (r#""kernel":[3,1048577]"#, "is too large"),
        (r#""kernel":3,"dilation":[1,1048577]"#, "is too large"),
        (r#""kernel":3,"dilation":[1,1048576]"#, "does not fit"),
        (r#""kernel":3,"dilation":0"#, "dilation must be at least 1"),
        (r#""kernel":3,"groups":0"#, "groups must be at least 1"),
        (r#""kernel":3,"groups":[2,2]"#, "layer of type conv"),
        (
            r#""kernel":3,"groups":3"#,
            "3 groups do not divide 4 input channels",
        ),
        (r#""kernel":3,"groups":1048577"#, "is too large"),
        (r#""kernel":3,"stride":[1,0]"#, "must be at least 1"),
        (
            r#""kernel":[1048576,1048576],"padding":[1048575,1048575]"#,
            "is too large",
        ),
        (
            r#""kernel":[3,1],"padding":1"#,
            "must be below the kernel size 3x1",
        ),
    ] {
        refused(&conv(settings), what);
    }
    refused(r#"{"type":"max_pool","kernel":[17,1]}"#, "within 1 to 16");
    refused(r#"{"type":"avg_pool","kernel":[10,1]}"#, "does not fit");
    refused(
        r#"{"type":"avg_pool","kernel":2,"stride":[1,0]}"#,
        "at least 1",
    );
    refused(r#"{"type":"prelu"}"#, "needs a `name`");
    refused(r#"{"type":"prelu","name":"p","slope":1}"#, "unknown field");
}
