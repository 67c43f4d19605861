//! Images with several rows: samples, and what estimators evaluate beside them.

use bnn_cpu::data::digits;
use std::sync::{Arc, Mutex};

use crate::common::nets::digits_net;
use bnn_cpu::estimators::{
    self, Emit, Estimator, Extra, Firing, Info, Needs, Pathwise, Probability, Rule, ScoreFunction,
    Unit,
};
use bnn_cpu::kernels::select;
use bnn_cpu::model::{Init, ModelSpec, Network, Placement};
use bnn_cpu::tape::{Mode, Noise, Units};
use bnn_cpu::train::{Baseline, BaselineState};

const IMAGES: usize = 21;

/// The gradient of one step, with that many samples of an image.
fn gradient(spec: &ModelSpec, samples: usize, baseline: Baseline) -> Vec<f32> {
    let data = digits::generate(1, IMAGES, 1);
    let engine = select(None).unwrap();
    // Room for more images than there are, as in the last batch of an epoch.
    let mut net = Network::sampled(spec, engine, IMAGES + 3, samples).unwrap();
    net.init(Init::Pytorch, 2);
    net.set_rows(IMAGES);
    for row in 0..IMAGES {
        net.set_row(row, data.train.image(row), data.train.label(row));
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units) = (Mode::Train, Units::Sample);
    pass.noise = Noise {
        seed: 1,
        step: 1,
        draw: 0,
    };
    net.forward();
    BaselineState::new(baseline, engine, &net, 1)
        .unwrap()
        .apply(&mut net);
    net.backward();
    net.params().grads().to_vec()
}

#[test]
fn copies_of_a_sample_change_nothing() {
    for placement in [Placement::First, Placement::Last, Placement::Both] {
        // Deterministic units under a pathwise rule: every sample is the same.
        let spec = digits_net("seed-net", placement, Firing::Deterministic);
        let one = gradient(&spec, 1, Baseline::None);
        let size = one.iter().fold(0.0f32, |m, g| m.max(g.abs()));
        assert!(size > 1e-3);
        for samples in [2, 5] {
            let several = gradient(&spec, samples, Baseline::None);
            for (a, b) in one.iter().zip(&several) {
                assert!(
                    (a - b).abs() < 1e-4 * size,
                    "{placement:?}, {samples} samples: {a} against {b}"
                );
            }
        }
    }
}

#[test]
fn extra_rows_and_samples_give_the_same_bits_on_any_number_of_threads() {
    for (estimator, samples, baseline) in [
        ("reinforce", 4, Baseline::Loo),
        ("disarm", 2, Baseline::None),
        ("rebar+local-expectation", 1, Baseline::None),
        ("muprop", 1, Baseline::None),
        ("double-cv", 3, Baseline::Loo),
        ("reinforce", 1, Baseline::Nvil),
    ] {
        let mut spec = digits_net("seed-net", Placement::Both, Firing::Stochastic);
        spec.place(Placement::Both, Firing::Stochastic, estimator)
            .unwrap();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| gradient(&spec, samples, baseline))
        };
        let one = on(1);
        assert!(one.iter().any(|g| *g != 0.0), "{estimator}");
        for threads in [2, 5] {
            assert!(one == on(threads), "{estimator} on {threads} threads");
        }
    }
}

/// A small network, its images of one pixel's brightness, and what its layers emit in a
/// forward pass with that many samples of an image.
fn outputs(layers: &str, samples: usize, mode: Mode, of: &[usize]) -> Vec<Vec<f32>> {
    let net = forward(1.0, layers, samples, mode);
    of.iter().map(|&i| net.layer_output(i).to_vec()).collect()
}

/// The network of [`outputs`] after its pass, at a temperature.
fn forward(temperature: f32, layers: &str, samples: usize, mode: Mode) -> Network {
    let text = format!(
        r#"{{"name":"n","input":{{"channels":1,"height":6,"width":6}},"layers":[{layers},
        {{"type":"linear","name":"last","out":3}}]}}"#
    );
    let spec: ModelSpec = serde_json::from_str(&text).unwrap();
    let engine = select(None).unwrap();
    let mut net = Network::sampled(&spec, engine, IMAGES, samples).unwrap();
    net.init(Init::Pytorch, 2);
    net.set_rows(IMAGES);
    for row in 0..IMAGES {
        let image: Vec<u8> = (0..36).map(|i| (row * 12 + i * 7) as u8).collect();
        net.set_row(row, &image, row as u32 % 3);
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units) = (mode, Units::Sample);
    pass.temperature = temperature;
    pass.noise = Noise {
        seed: 1,
        step: 1,
        draw: 0,
    };
    net.forward();
    net
}

/// z / t of a relaxed bit σ(z / t) is in proportion to 1 / t.
#[test]
fn relaxed_bits_have_the_temperature_of_the_run() {
    let layers = r#"{"type":"linear","name":"a","out":50},
        {"type":"binary","mode":"stoch","estimator":"gumbel-soft"}"#;
    let at = |t: f32| {
        let net = forward(t, layers, 1, Mode::Train);
        net.layer_output(1).to_vec()
    };
    let logit = |h: f32| (f64::from(h) / (1.0 - f64::from(h))).ln();
    for (cold, warm) in at(0.5).iter().zip(at(2.0)) {
        let (cold, warm) = (0.5 * logit(*cold), 2.0 * logit(warm));
        if cold.abs() < 4.0 {
            assert!((cold - warm).abs() < 1e-2, "{cold} and {warm}");
        }
    }
}

/// Convolutions over bits pack them; over relaxed bits they must not.
#[test]
fn what_follows_relaxed_bits_reads_numbers() {
    let conv = |name: &str| {
        format!(r#"{{"type":"conv","name":"{name}","out":1,"kernel":1,"bias":false}}"#)
    };
    let net = |estimator: &str| {
        let unit = format!(r#"{{"type":"binary","mode":"stoch","estimator":"{estimator}"}}"#);
        outputs(
            &format!("{},{unit},{}", conv("a"), conv("b")),
            1,
            Mode::Train,
            &[1, 2],
        )
    };
    let relaxed = net("gumbel-soft");
    let (h, y) = (&relaxed[0], &relaxed[1]);
    assert!(h.iter().all(|&h| h > 0.0 && h < 1.0));
    let weight = y[0] / h[0];
    assert!(weight.abs() > 1e-3);
    for (h, y) in h.iter().zip(y) {
        assert!((y - weight * h).abs() < 1e-5, "{y} is not {weight} * {h}");
    }
    assert!(net("gumbel")[0].iter().all(|&h| h == 0.0 || h == 1.0));
}

/// "Deterministic" under a rule that learns from samples: drawn in training, thresholded
/// in evaluation.
#[test]
fn deterministic_units_explore_in_training_alone() {
    let wide = r#"{"type":"linear","name":"a","out":200}"#;
    for estimator in ["st", "gumbel", "reinforce", "arm", "local-expectation"] {
        let unit = format!(r#"{{"type":"binary","mode":"det","estimator":"{estimator}"}}"#);
        let net = |mode| outputs(&format!("{wide},{unit}"), 1, mode, &[0, 1]);
        let agree = |seen: &[Vec<f32>]| {
            let pairs = seen[0].iter().zip(&seen[1]).take(IMAGES * 200);
            pairs.filter(|(x, h)| (**x > 0.0) == (**h > 0.5)).count()
        };
        assert_eq!(agree(&net(Mode::Eval)), IMAGES * 200, "{estimator}");
        let drawn = agree(&net(Mode::Train));
        match estimator {
            "st" => assert_eq!(drawn, IMAGES * 200),
            _ => assert!(drawn < IMAGES * 190, "{estimator}: {drawn}"),
        }
    }
}

/// A rule without a baseline, above layers that are sampled themselves, draws the noise of
/// an image once for all its samples; else each sample has its own.
#[test]
fn samples_share_noise_where_a_rule_has_no_baseline() {
    let linear = |name: &str| format!(r#"{{"type":"linear","name":"{name}","out":50}}"#);
    let unit = |estimator: &str| {
        format!(r#"{{"type":"binary","mode":"stoch","estimator":"{estimator}"}}"#)
    };
    for (second, shared) in [("local-expectation", true), ("reinforce", false)] {
        let layers = format!(
            "{},{},{},{}",
            linear("a"),
            unit("none"),
            linear("b"),
            unit(second)
        );
        let seen = outputs(&layers, 2, Mode::Train, &[2, 3]);
        let (x, h) = (&seen[0], &seen[1]);
        let (first, other) = (&h[..IMAGES * 50], &h[IMAGES * 50..2 * IMAGES * 50]);
        let (x, y) = (&x[..IMAGES * 50], &x[IMAGES * 50..2 * IMAGES * 50]);
        // With the same noise a bit is 1 wherever it is 1 with a lower probability.
        let ordered = (0..first.len()).all(|i| match x[i] <= y[i] {
            true => first[i] <= other[i],
            false => first[i] >= other[i],
        });
        assert_eq!(ordered, shared, "{second}");
    }
    // The layer that makes an image's samples: they differ in its noise alone.
    let layers = format!("{},{}", linear("a"), unit("local-expectation"));
    let seen = outputs(&layers, 2, Mode::Train, &[1]);
    assert_ne!(
        seen[0][..IMAGES * 50],
        seen[0][IMAGES * 50..2 * IMAGES * 50]
    );
}

/// An estimator that notes what its own formulas make of the noise it is given.
struct Spy {
    name: &'static str,
    pathwise: bool,
}

static NOTED: Mutex<[Vec<f32>; 2]> = Mutex::new([Vec::new(), Vec::new()]);

impl Estimator for Spy {
    fn info(&self) -> Info {
        Info {
            name: self.name,
            formula: "0",
            unbiased: false,
            cost: "3 forward",
            source: "this test",
        }
    }
    fn rule(&self) -> Rule<'_> {
        match self.pathwise {
            true => Rule::Pathwise(self),
            false => Rule::ScoreFunction(self),
        }
    }
    fn probability(&self) -> Probability {
        Probability::Sigmoid
    }
    fn needs(&self) -> Needs {
        Needs {
            p: true,
            u: true,
            v: true,
        }
    }
    fn grad(&self, unit: Unit) -> f32 {
        let tied = match unit.h > 0.5 {
            true => unit.v * unit.p,
            false => unit.p + unit.v * (1.0 - unit.p),
        };
        let relaxed = |u: f32| {
            let z = unit.slope * unit.x - (u / (1.0 - u)).ln();
            1.0 / (1.0 + (-z / unit.temperature).exp())
        };
        let mut noted = NOTED.lock().unwrap();
        noted[0].push(relaxed(unit.u));
        noted[1].push(relaxed(tied));
        0.0
    }
}

impl Pathwise for Spy {}

impl ScoreFunction for Spy {
    fn extras(&self) -> &'static [Extra] {
        const fn row(here: Emit) -> Extra {
            let above = Emit::Relaxed;
            Extra { here, above }
        }
        const { &[row(Emit::Relaxed), row(Emit::Conditional)] }
    }
}

/// One step of a small network whose unit has that estimator.
fn spied(name: &str) -> Network {
    let layers = format!(
        r#"{{"type":"linear","name":"a","out":20}},
        {{"type":"binary","mode":"stoch","estimator":"{name}"}}"#
    );
    let mut net = forward(0.7, &layers, 1, Mode::Train);
    BaselineState::new(Baseline::None, select(None).unwrap(), &net, 1)
        .unwrap()
        .apply(&mut net);
    net.backward();
    net
}

/// What a layer emits beside its sample is made of the very noise that its rule is told.
#[test]
fn rules_are_told_the_noise_of_every_row() {
    estimators::register(|_| {
        Some(Arc::new(Spy {
            name: "spy",
            pathwise: false,
        }))
    })
    .unwrap();
    let net = spied("spy");
    let noted = std::mem::take(&mut *NOTED.lock().unwrap());
    let emitted = net.layer_output(1);
    let sorted = |x: &[f32]| {
        let mut x = x.to_vec();
        x.sort_by(f32::total_cmp);
        x
    };
    let rows = IMAGES * 20;
    for (particle, noted) in (1..).zip(&noted) {
        assert_eq!(noted.len(), rows);
        let got = sorted(&emitted[particle * rows..][..rows]);
        for (got, want) in got.iter().zip(sorted(noted)) {
            assert!(
                (got - want).abs() < 1e-4,
                "particle {particle}: {got}, not {want}"
            );
        }
    }
    // A rule that takes gradients instead has no extra rows: it is asked about each sample.
    estimators::register(|_| {
        Some(Arc::new(Spy {
            name: "pathwise-spy",
            pathwise: true,
        }))
    })
    .unwrap();
    spied("pathwise-spy");
    assert_eq!(NOTED.lock().unwrap()[0].len(), rows);
}
