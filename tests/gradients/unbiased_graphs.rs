//! Estimators on networks that are no chains, against the exact gradient by enumeration:
//! a skip round a stochastic layer, a stochastic beside a deterministic branch, two
//! stochastic branches, branches of different depth, latent bits with a divergence from
//! their prior, whose loss sees the probabilities as well as the bits, and units of -1 and
//! +1 on top of each other and beside units of 0 and 1.

use crate::common::enumerate::{Image, exact_gradient};
use crate::common::exact::Mean;
use bnn_cpu::estimators;
use bnn_cpu::kernels::select;
use bnn_cpu::model::{ModelSpec, Network};
use bnn_cpu::random::{fill_uniform, keyed};
use bnn_cpu::tape::{Mode, Noise, Units};
use bnn_cpu::train::{Baseline, BaselineState};

/// The images of a batch in turn, and their classes.
const IMAGES: [([u8; 3], u32); 2] = [([255, 128, 40], 1), ([10, 90, 200], 2)];
const SLOPE: f32 = 1.5;
/// Rows of a step, each a draw, and steps.
const ROWS: usize = 1024;
const STEPS: usize = 48;
/// A gradient is off where it is this many standard errors away: over some thousand
/// comparisons, chance does that once in ten thousand times.
const FAR: f64 = 5.5;

/// Each graph with `UNIT` in the place of a binary layer's settings.
const GRAPHS: [(&str, &str); 6] = [
    (
        "a skip round a stochastic layer",
        r#"{"type": "linear", "name": "fc1", "out": 4}, {"type": "binary", "name": "h", UNIT},
           {"type": "add", "inputs": ["fc1", "h"]}, {"type": "linear", "name": "fc2", "out": 3}"#,
    ),
    (
        "a stochastic beside a deterministic branch",
        r#"{"type": "linear", "name": "a", "out": 4}, {"type": "binary", "name": "h", UNIT},
           {"type": "linear", "name": "b", "out": 3, "inputs": ["input"]},
           {"type": "activation", "name": "s", "function": "sigmoid"},
           {"type": "concat", "inputs": ["s", "h"]}, {"type": "linear", "name": "fc", "out": 3}"#,
    ),
    (
        "two stochastic branches",
        r#"{"type": "linear", "name": "a", "out": 3}, {"type": "binary", "name": "g", UNIT},
           {"type": "linear", "name": "b", "out": 4, "inputs": ["input"]},
           {"type": "binary", "name": "h", UNIT},
           {"type": "concat", "inputs": ["g", "h"]}, {"type": "linear", "name": "fc", "out": 3}"#,
    ),
    (
        "branches of different depth that share their first layer",
        r#"{"type": "linear", "name": "a", "out": 3}, {"type": "binary", "name": "f", UNIT},
           {"type": "linear", "name": "b", "out": 2}, {"type": "binary", "name": "g", UNIT},
           {"type": "linear", "name": "c", "out": 3, "inputs": ["input"]},
           {"type": "add", "name": "sum", "inputs": ["c", "a"]},
           {"type": "binary", "name": "h", UNIT},
           {"type": "concat", "inputs": ["g", "h", "a"]}, {"type": "linear", "name": "fc", "out": 3}"#,
    ),
    (
        "latent bits with a divergence from their prior",
        r#"{"type": "linear", "name": "q", "out": 4}, {"type": "binary", "name": "h", UNIT},
           {"type": "linear", "name": "p", "out": 3},
           {"type": "flatten", "name": "x", "inputs": ["input"]},
           {"type": "bernoulli_nll", "name": "nll", "inputs": ["p", "x"]},
           {"type": "kl_bernoulli", "name": "kl", "inputs": ["q"]},
           {"type": "weighted_sum", "weights": [1.0, 0.5], "inputs": ["nll", "kl"]}"#,
    ),
    (
        "units of -1 and +1 below and beside units of 0 and 1",
        r#"{"type": "linear", "name": "a", "out": 3},
           {"type": "binary", "name": "f", "levels": "-1/+1", UNIT},
           {"type": "linear", "name": "b", "out": 3},
           {"type": "binary", "name": "g", "levels": "-1/+1", UNIT},
           {"type": "linear", "name": "c", "out": 3, "inputs": ["f"]},
           {"type": "binary", "name": "h", UNIT},
           {"type": "add", "name": "sum", "inputs": ["f", "g"]},
           {"type": "concat", "inputs": ["sum", "h"]}, {"type": "linear", "name": "fc", "out": 3}"#,
    ),
];

fn spec(graph: &str, estimator: &str) -> Result<ModelSpec, String> {
    let unit = format!(r#""mode": "stoch", "estimator": "{estimator}""#);
    let layers = graph.replace("UNIT", &unit);
    let text = format!(
        r#"{{"name": "graph", "input": {{"channels": 1, "height": 1, "width": 3}}, "layers": [{layers}]}}"#
    );
    let spec: ModelSpec = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    spec.check().map_err(|e| e.to_string())?;
    Ok(spec)
}

/// Weights large enough for the bits to matter, small enough for every outcome to occur.
fn weights(net: &Network) -> Vec<f32> {
    let mut w = vec![0.0; net.params().values().len()];
    fill_uniform(&mut keyed(&[5]), &mut w);
    w.iter_mut().for_each(|w| *w = (*w - 0.5) * 0.8);
    let entries = net.params().entries();
    let last = entries[entries.len() - 2].span.start;
    w[last..].iter_mut().for_each(|w| *w *= 3.0);
    w
}

/// How many standard errors the mean gradient is off, at worst, and the largest bias as
/// a share of the largest gradient.
fn worst(spec: &ModelSpec, samples: usize, kind: Baseline) -> (f64, f64) {
    let images = ROWS / samples / IMAGES.len() * IMAGES.len();
    let engine = select(None).unwrap();
    let mut net = Network::sampled(spec, engine, images, samples).unwrap();
    let w = weights(&net);
    net.params_mut().values_mut().copy_from_slice(&w);
    net.set_rows(images);
    for row in 0..images {
        let (pixels, label) = &IMAGES[row % IMAGES.len()];
        net.set_row(row, pixels, if net.classes() > 0 { *label } else { 0 });
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units) = (Mode::Train, Units::Sample);
    (pass.slope, pass.temperature) = (SLOPE, 0.5);
    let of = |(pixels, label): ([u8; 3], u32)| Image {
        x: pixels
            .iter()
            .map(|&p| f64::from(f32::from(p) / 255.0))
            .collect(),
        label: label as usize,
    };
    let exact = exact_gradient(spec, f64::from(SLOPE), &w, &IMAGES.map(of));
    let mut state = BaselineState::new(kind, engine, &net, 1).unwrap();
    let mut mean = Mean::new(w.len());
    for step in 0..STEPS {
        net.pass_mut().noise = Noise {
            seed: 9,
            step: step as u64,
            draw: 0,
        };
        net.forward();
        state.apply(&mut net);
        net.backward();
        mean.add(net.params().grads());
    }
    mean.worst(&exact)
}

#[test]
fn every_estimator_that_claims_no_bias_has_none_on_any_graph() {
    let mut compared = 0;
    for (what, graph) in GRAPHS {
        for make in estimators::ALL {
            let estimator = make(None).unwrap();
            let info = estimator.info();
            if !info.unbiased || estimator.needs_differences() {
                continue;
            }
            let spec = spec(graph, info.name).unwrap();
            let (far, bias) = worst(&spec, estimator.min_samples(), Baseline::None);
            println!(
                "{}, {what}: {far:.1} standard errors, bias {bias:.4}",
                info.name
            );
            assert!(
                far < FAR,
                "{} on {what} is off by {far} standard errors",
                info.name
            );
            compared += 1;
        }
    }
    assert!(compared >= 5 * 6, "{compared} comparisons");
}

#[test]
fn samples_and_baselines_bias_nothing_on_a_graph() {
    for (what, graph) in GRAPHS {
        for (name, samples, kind) in [
            ("reinforce", 4, Baseline::Loo),
            ("reinforce", 1, Baseline::Batch),
            ("disarm", 2, Baseline::None),
            ("double-cv", 4, Baseline::Loo),
        ] {
            let (far, _) = worst(&spec(graph, name).unwrap(), samples, kind);
            assert!(far < FAR, "{name} x{samples} on {what}: {far}");
        }
    }
}

/// The comparison can fail: on each of these graphs the straight-through estimator, which
/// is biased, is seen to be.
#[test]
fn a_bias_is_seen() {
    for (what, graph) in GRAPHS {
        let (far, _) = worst(&spec(graph, "st").unwrap(), 1, Baseline::None);
        assert!(far > 3.0 * FAR, "st on {what}: {far}");
    }
}

/// A local expectation is defined directly below the logits alone; elsewhere a line says so.
#[test]
fn a_local_expectation_says_where_it_is_not_defined() {
    for (what, graph) in GRAPHS {
        let error = spec(graph, "local-expectation").unwrap_err();
        assert!(
            error.contains("local-expectation works only"),
            "{what}: {error}"
        );
        assert_eq!(error.lines().count(), 1);
    }
    let below = r#"{"type": "linear", "name": "a", "out": 3},
        {"type": "binary", "name": "g", "mode": "stoch", "estimator": "disarm"},
        {"type": "add", "inputs": ["a", "g"]}, {"type": "linear", "name": "b", "out": 4},
        {"type": "binary", UNIT}, {"type": "linear", "name": "fc", "out": 3}"#;
    let (far, _) = worst(
        &spec(below, "local-expectation").unwrap(),
        1,
        Baseline::None,
    );
    assert!(far < FAR, "above a skip: {far}");
    let signs = below.replace(
        "{\"type\": \"binary\",",
        "{\"type\": \"binary\", \"levels\": \"-1/+1\",",
    );
    assert_eq!(signs.matches("levels").count(), 2);
    let (far, _) = worst(
        &spec(&signs, "local-expectation").unwrap(),
        1,
        Baseline::None,
    );
    assert!(far < FAR, "of signs: {far}");
    let smoothed = format!(
        "{below}, {}",
        r#"{"type": "cross_entropy", "label_smoothing": 0.1}"#
    );
    assert!(spec(&smoothed, "local-expectation").is_err());
    let plain = format!("{below}, {}", r#"{"type": "cross_entropy"}"#);
    let (far, _) = worst(
        &spec(&plain, "local-expectation").unwrap(),
        1,
        Baseline::None,
    );
    assert!(far < FAR, "below a loss that is written down: {far}");
}
