//! Numbers that break programs: NaN, infinities, variance and slopes at their
//! extremes, images without contrast, classes that never occur. Each case says what
//! happens: it works, or it is one error, never a panic and never a silent answer.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::common::fastest;
use bnn_cpu::data::{Dataset, Split};
use bnn_cpu::estimators::{self, Firing};
use bnn_cpu::layers::{Activation, Function};
use bnn_cpu::model::weights::{self, Data};
use bnn_cpu::model::{Init, ModelSpec, Network, Pixels, Placement, argmax, preset};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::tape::Mode;
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{
    BestWeights, Config, DatasetRecord, Evaluator, Reading, RunFolder, SlopeKind, SlopeSchedule,
    TestRecord, train,
};
use bnn_cpu::{Error, Result};
use ndarray::Array4;

const SHAPE: Shape = Shape {
    channels: 1,
    height: 8,
    width: 8,
};

/// Images of 8x8 whose pixels are `pixel(image, place)`, labelled `label(image)`.
fn data(
    classes: usize,
    pixel: impl Fn(usize, usize) -> u8,
    label: impl Fn(usize) -> u32,
) -> Dataset {
    let split = |count: usize| {
        let images = Array4::from_shape_fn((count, 8, 8, 1), |(n, y, x, _)| pixel(n, y * 8 + x));
        Split::new(images, (0..count).map(&label).collect()).unwrap()
    };
    Dataset::new("made up", classes, split(60), split(24)).unwrap()
}

/// Three classes that differ in where they are light.
fn sound() -> Dataset {
    let pixel =
        |n: usize, i: usize| ((i * 3 / 64 == n % 3) as usize * 150 + (n * 7 + i) % 60) as u8;
    data(3, pixel, |n| (n % 3) as u32)
}

/// A net with convolution, batch norm, pooling and binary units on these images.
fn net(firing: Firing, estimator: &str) -> ModelSpec {
    let mut spec = preset("seed-net", SHAPE, 3).unwrap();
    spec.place(Placement::Both, firing, estimator).unwrap();
    spec
}

fn config(spec: ModelSpec, data: &Dataset) -> Config {
    let mut config = Config::reference(spec, DatasetRecord::of(data));
    (config.epochs, config.batch, config.lr) = (2, 16, 0.05);
    config.normalise_by(data);
    config.suit_samples();
    config.suit_baseline();
    config
}

/// Trains; the folder of the run lives as long as what is returned.
fn trained(config: Config, data: &Dataset) -> (tempfile::TempDir, Result<TestRecord>) {
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(folder.path(), config, false).unwrap();
    let stop = AtomicBool::new(false);
    let test = train(&mut run, data, fastest(), &stop, &mut |_| {});
    (folder, test)
}

/// The one line of an error.
fn line<T>(result: Result<T>) -> String {
    let Err(error) = result else {
        panic!("nothing was refused");
    };
    let line = error.to_string();
    assert!(!line.is_empty() && !line.contains('\n'), "{line}");
    line
}

fn all_finite(x: &[f32]) -> bool {
    x.iter().all(|x| x.is_finite())
}

/// One pass forwards and backwards over the first images.
fn pass(net: &mut Network, data: &Dataset) {
    net.set_rows(4);
    for row in 0..4 {
        net.set_row(row, data.train.image(row), data.train.label(row));
    }
    net.forward();
    net.backward();
}

#[test]
fn images_without_contrast_are_trained_on_evaluated_and_packed() {
    let flat = data(3, |_, _| 77, |n| (n % 3) as u32);
    assert_eq!(flat.normalisation().std, 1.0);
    for firing in [Firing::Deterministic, Firing::Stochastic] {
        let (folder, test) = trained(config(net(firing, "st"), &flat), &flat);
        let test = test.unwrap();
        // All images are one: the best answer is always the same class.
        assert!(test.loss.is_finite() && test.accuracy <= 0.5, "{test:?}");
        let run = RunFolder::open(folder.path()).unwrap();
        let packed = run.network(fastest(), 1).unwrap().pack().unwrap();
        let class = packed.runner(fastest()).classify(flat.test.image(0));
        assert!(class.is_some_and(|class| class < 3));
    }
    let (_folder, test) = trained(config(preset("xnor-net", SHAPE, 3).unwrap(), &flat), &flat);
    assert!(test.unwrap().loss.is_finite());
}

#[test]
fn a_channel_without_variance_is_divided_by_the_root_of_eps() {
    // A 1x1 convolution of equal pixels has no variance whatever its weights are.
    let text = |eps: &str| {
        format!(
            r#"{{"name":"flat","input":{{"channels":1,"height":8,"width":8}},"layers":[
            {{"type":"conv","name":"c","out":4,"kernel":1,"bias":false}},
            {{"type":"batch_norm","name":"n","eps":{eps}}},
            {{"type":"linear","name":"f","out":3}}]}}"#
        )
    };
    let spec = |eps: &str| ModelSpec::parse(&text(eps), Path::new("flat.json")).unwrap();
    let flat = data(3, |_, _| 77, |n| (n % 3) as u32);
    for eps in ["1e-5", "1.2e-38"] {
        let mut net = Network::new(&spec(eps), fastest(), 4, true).unwrap();
        net.init(Init::Pytorch, 1);
        net.pass_mut().mode = Mode::Train;
        pass(&mut net, &flat);
        assert!(all_finite(net.logits()) && all_finite(net.params().buffer_values()));
        assert!(all_finite(net.params().grads()), "eps {eps}");
        let var = net.params().buffer_entries()[1].clone();
        assert!(var.name.ends_with("running_var"));
        let of = &net.params().buffer_values()[var.span];
        assert!(of.iter().all(|v| (v - 0.9).abs() < 1e-6), "{of:?}");
        // With statistics of no variance at all, evaluation is finite too.
        net.params_mut().buffer_values_mut()[4..].fill(0.0);
        net.pass_mut().mode = Mode::Eval;
        net.forward();
        assert!(net.logits().iter().all(|x| !x.is_nan()), "eps {eps}");
    }
    for eps in ["0", "-1", "1e-80", "1e-320"] {
        assert!(line(Network::new(&spec(eps), fastest(), 4, true).map(drop)).contains("eps"));
    }
}

#[test]
fn gammas_of_every_sign_are_packed_exactly() {
    let spec = preset("xnor-net", SHAPE, 3).unwrap();
    let mut net = Network::new(&spec, fastest(), 1, false).unwrap();
    net.init(Init::Pytorch, 4);
    let gammas = [
        0.0,
        -0.0,
        -1.0,
        1e-38,
        -1e-38,
        f32::MIN_POSITIVE / 4.0,
        1e30,
        -1e30,
    ];
    let norms = net.params().entries().to_vec();
    for entry in norms.iter().filter(|e| e.name.starts_with("bn")) {
        for (i, x) in net.params_mut().values_mut()[entry.span.clone()]
            .iter_mut()
            .enumerate()
        {
            *x = match entry.name.ends_with("weight") {
                true => gammas[i % gammas.len()],
                // Biases of both signs, and ties.
                false => [0.3, -0.3, 0.0][i / gammas.len() % 3],
            };
        }
    }
    net.pass_mut().mode = Mode::Eval;
    let packed = net.pack().unwrap();
    let packed = PackedNet::from_bytes(&packed.to_bytes().unwrap()).unwrap();
    let mut runner = packed.runner(fastest());
    let data = sound();
    let mut logits = [0.0; 3];
    let mut different = std::collections::BTreeSet::new();
    for image in 0..data.train.len() {
        net.set_rows(1);
        net.set_row(0, data.train.image(image), 0);
        net.forward();
        runner.logits(data.train.image(image), &mut logits);
        assert_eq!(
            crate::common::bits(&logits),
            crate::common::bits(net.logits())
        );
        different.insert(crate::common::bits(&logits));
    }
    assert!(different.len() > 5, "the images are told apart");
}

#[test]
fn slopes_at_their_extremes_leave_finite_numbers() {
    let data = sound();
    for slope in [f32::MIN_POSITIVE, 1e-30, 1e30, f32::MAX] {
        for spec in [
            net(Firing::Deterministic, "st"),
            net(Firing::Stochastic, "st"),
            preset("mlp", SHAPE, 3).unwrap(),
        ] {
            let mut net = Network::new(&spec, fastest(), 4, true).unwrap();
            net.init(Init::Pytorch, 2);
            net.pass_mut().slope = slope;
            net.pass_mut().mode = Mode::Train;
            pass(&mut net, &data);
            assert!(all_finite(net.logits()), "{} at {slope}", spec.name);
            assert!(
                net.params().grads().iter().all(|g| !g.is_nan()),
                "{} at {slope}",
                spec.name
            );
        }
        let mut config = config(net(Firing::Deterministic, "st"), &data);
        config.slope.start = f64::from(slope);
        config.check(&data).unwrap();
        let (_folder, test) = trained(config, &data);
        // Gradients scale with the slope, so a giant one may diverge, and says so.
        match test {
            Ok(test) => assert!(test.loss.is_finite()),
            Err(Error::Diverged(line)) => assert!(!line.contains('\n') && slope > 1.0, "{line}"),
            Err(other) => panic!("{other}"),
        }
    }
    for (start, max) in [
        (0.0, 5.0),
        (-1.0, 5.0),
        (1e39, 1e40),
        (1e-60, 5.0),
        (1.0, 1e39),
    ] {
        let slope = SlopeSchedule {
            start,
            max,
            ..SlopeSchedule::new(SlopeKind::Linear)
        };
        line(slope.check());
    }
}

#[test]
fn every_estimator_stays_finite_where_units_are_saturated() {
    let data = sound();
    for estimator in estimators::all() {
        let name = estimator.info().name;
        let mut spec = preset("mlp", SHAPE, 3).unwrap();
        if spec
            .place(Placement::Both, Firing::Stochastic, name)
            .is_err()
            || spec.check().is_err()
        {
            continue;
        }
        let Ok(mut net) = Network::sampled(&spec, fastest(), 4, spec.min_samples()) else {
            continue;
        };
        for scale in [1e6, 1e-30, 0.0] {
            net.init(Init::Pytorch, 3);
            net.params_mut()
                .values_mut()
                .iter_mut()
                .for_each(|w| *w *= scale);
            net.pass_mut().mode = Mode::Train;
            pass(&mut net, &data);
            let finite = net.params().grads().iter().all(|g| !g.is_nan());
            assert!(finite, "{name}, weights times {scale}");
        }
    }
}

#[test]
fn weights_that_are_no_numbers_end_a_run_and_are_not_packed() {
    let data = sound();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (spec, index) in [
            (net(Firing::Deterministic, "st"), 3),
            (preset("mlp", SHAPE, 3).unwrap(), 9),
            (preset("xnor-net", SHAPE, 3).unwrap(), 11),
        ] {
            let config = config(spec.clone(), &data);
            let (folder, test) = trained(config, &data);
            test.unwrap();
            // The file of weights is damaged in one number.
            let run = RunFolder::resume(folder.path()).unwrap();
            let file = run.file("best.safetensors");
            let (mut tensors, about) = weights::read::<BestWeights>(&file).unwrap();
            let norms = tensors.iter_mut().filter(|t| t.name.ends_with("weight"));
            for tensor in norms {
                if let Data::F32(values) = &mut tensor.data {
                    let at = index % values.len();
                    values[at] = bad;
                }
            }
            run.write_weights("best.safetensors", &tensors, &about)
                .unwrap();
            let mut network = run.network(fastest(), 8).unwrap();
            // Evaluation does not hide it: a NaN logit is no class.
            let all: Vec<u32> = (0..24).collect();
            let mut evaluator = Evaluator::default();
            let said =
                evaluator.evaluate(&mut network, &data.test, &all, Reading::Threshold, (1, 1));
            if network.logits().iter().any(|x| x.is_nan()) {
                assert!(!said.loss.is_finite(), "{}: {said:?}", spec.name);
            }
            line(run.network(fastest(), 1).unwrap().pack().map(drop));
        }
    }
    assert_eq!(argmax(&[1.0, f32::NAN]), None);
}

#[test]
fn inputs_and_gradients_that_are_no_numbers_do_not_panic() {
    let data = sound();
    for bad in [f32::NAN, f32::INFINITY] {
        for estimator in ["st", "reinforce", "none"] {
            let mut net =
                Network::new(&net(Firing::Stochastic, estimator), fastest(), 4, true).unwrap();
            net.init(Init::Pytorch, 5);
            net.pass_mut().mode = Mode::Train;
            net.set_rows(4);
            for row in 0..4 {
                net.set_row(row, data.train.image(row), data.train.label(row));
            }
            net.input_mut()[7] = bad;
            net.forward();
            net.backward();
            // A binary unit turns a NaN into a bit: the running statistics show it.
            let shown = !all_finite(net.params().buffer_values()) || !all_finite(net.logits());
            assert!(shown, "{estimator}, {bad}");
        }
    }
}

#[test]
fn a_run_that_diverges_says_so_in_one_line() {
    let data = sound();
    type Change = Box<dyn Fn(&mut Config)>;
    let cases: [(&str, Change); 3] = [
        ("rate", Box::new(|c| c.lr = 1e38)),
        (
            "pixels",
            Box::new(|c| c.model.pixels = Some(Pixels::normalised(0.0, 2e-38))),
        ),
        (
            "decay",
            Box::new(|c| {
                c.lr = 1e20;
                c.epochs = 4;
            }),
        ),
    ];
    for (what, change) in cases {
        let mut spec = preset("mlp", SHAPE, 3).unwrap();
        spec.layers[1].set(Activation {
            function: Function::Relu,
        });
        let mut config = config(spec, &data);
        change(&mut config);
        let (folder, test) = trained(config, &data);
        match test {
            Err(Error::Diverged(line)) => assert!(!line.contains('\n'), "{what}: {line}"),
            other => panic!("{what}: {other:?}"),
        }
        let run = RunFolder::open(folder.path()).unwrap();
        assert!(
            run.test().unwrap().is_none(),
            "{what}: no test of a run that failed"
        );
    }
    // What could only make infinities is refused before anything runs.
    let mut spec = preset("mlp", SHAPE, 3).unwrap();
    for (mean, std) in [
        (0.0, 1e-45),
        (f32::NAN, 1.0),
        (0.5, 0.0),
        (0.5, f32::INFINITY),
        (1e38, 1e-3),
    ] {
        spec.pixels = Some(Pixels::normalised(mean, std));
        assert!(line(spec.check()).contains("std above 0"));
    }
}

#[test]
fn a_class_that_never_occurs_is_never_right_and_never_fatal() {
    let pixel =
        |n: usize, i: usize| ((i * 2 / 64 == n % 2) as usize * 150 + (n * 7 + i) % 60) as u8;
    // Of five classes the second, fourth and fifth never occur.
    let gaps = data(5, pixel, |n| (n % 2 * 2) as u32);
    for name in ["seed-net", "xnor-net", "mlp"] {
        let mut config = config(preset(name, SHAPE, 5).unwrap(), &gaps);
        config.epochs = 4;
        let (folder, test) = trained(config, &gaps);
        let test = test.unwrap();
        assert!(
            test.loss.is_finite() && test.accuracy > 0.3,
            "{name}: {test:?}"
        );
        let run = RunFolder::open(folder.path()).unwrap();
        let network = run.network(fastest(), 1).unwrap();
        if network.spec().is_binary() {
            let mut runner = network.pack().unwrap().runner(fastest());
            for image in 0..gaps.test.len() {
                assert!(runner.classify(gaps.test.image(image)).is_some());
            }
        }
    }
}
