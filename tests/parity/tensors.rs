//! The tensors that a spec is said to have are those that its network registers.

use crate::common::fastest;
use crate::common::nets::{digits_net, grouped_net, tiny_net};
use crate::common::packed::{Mix, RandomNet};
use bnn_cpu::estimators::Firing;
use bnn_cpu::layers::TensorSpec;
use bnn_cpu::model::{ModelSpec, Network, PRESETS, Placement, preset, usual_images};
use bnn_cpu::tape::Entry;
use bnn_cpu::tensor::Shape;

fn of(entries: &[Entry]) -> Vec<TensorSpec> {
    let one = |e: &Entry| TensorSpec {
        name: e.name.clone(),
        shape: e.shape.clone(),
    };
    entries.iter().map(one).collect()
}

/// Insists on the same names and shapes in the same order, in training and without.
fn compare(spec: &ModelSpec) {
    let said = spec.tensors().unwrap();
    for training in [false, true] {
        let net = Network::new(spec, fastest(), 2, training).unwrap();
        let params = net.params();
        assert!(!said.params.is_empty());
        assert_eq!(said.params, of(params.entries()), "{}", spec.name);
        assert_eq!(said.buffers, of(params.buffer_entries()), "{}", spec.name);
        let counters = params.counters().iter().map(|(name, _)| name.clone());
        assert_eq!(said.counters, counters.collect::<Vec<_>>(), "{}", spec.name);
        let numbers: usize = said.params.iter().map(TensorSpec::len).sum();
        assert_eq!(numbers, params.values().len());
    }
}

#[test]
fn presets_have_the_tensors_that_are_listed() {
    for (name, _) in PRESETS {
        let (own, classes) = usual_images(name);
        compare(&preset(name, own, classes).unwrap());
        if name.starts_with("omniglot") {
            continue;
        }
        for (channels, side, classes) in [(1, 28, 10), (3, 32, 7)] {
            compare(&preset(name, Shape::image(channels, side, side), classes).unwrap());
        }
        // An encoder's last bits are no logits.
        if !name.starts_with("xnor") && !name.starts_with("few-shot") {
            compare(&digits_net(name, Placement::Both, Firing::Stochastic));
        }
    }
}

#[test]
fn every_kind_of_layer_has_the_tensors_that_are_listed() {
    compare(&tiny_net(Firing::Deterministic));
    compare(&tiny_net(Firing::Stochastic));
    compare(&grouped_net(Firing::Stochastic));
    let conv = r#"{"type":"conv","name":"c","out":4,"kernel":3,BIAS,WEIGHTS},{"type":"batch_norm","name":"n"},{"type":"max_pool","kernel":2},"#;
    let linear = r#"{"type":"binary","mode":"stoch","estimator":"ESTIMATOR"},{"type":"linear","name":"l","out":5,BIAS,WEIGHTS}"#;
    for bias in ["true", "false"] {
        for weights in ["\"real\"", "\"binary\"", "\"binary\",\"scale\":true"] {
            for estimator in ["st", "reinforce"] {
                let layers = format!("{conv}{linear}")
                    .replace("BIAS", &format!("\"bias\":{bias}"))
                    .replace("WEIGHTS", &format!("\"weights\":{weights}"))
                    .replace("ESTIMATOR", estimator);
                let text = format!(
                    r#"{{"name":"all","input":{{"channels":2,"height":9,"width":7}},"layers":[{layers}]}}"#
                );
                compare(&serde_json::from_str(&text).expect(&text));
            }
        }
    }
}

#[test]
fn random_networks_have_the_tensors_that_are_listed() {
    for seed in 0..60 {
        let mut random = RandomNet::new(seed, Firing::Stochastic);
        compare(&random.spec(Mix::Either));
        compare(&random.spec(Mix::Real));
        let mut spec = random.graph(Mix::Either);
        RandomNet::levels(&mut spec, seed);
        compare(&spec);
    }
}
