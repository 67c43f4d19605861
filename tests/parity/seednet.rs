//! Networks that PyTorch trained: its weights go in, its answers must come out.
//!
//! With a step function in the net an answer is defined only away from the
//! steps; the golden files say how far each row is from one.

use std::collections::HashMap;
use std::path::Path;

use crate::common::golden::{Golden, assert_within};
use crate::common::nets::digits_net;
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::Engine;
use bnn_cpu::model::weights::{self, Data, NamedTensor};
use bnn_cpu::model::{ModelSpec, Network, Placement};
use bnn_cpu::tape::{Mode, Params};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

/// A pre-activation nearer to its threshold than this may land on either side.
const NEAR: f64 = 1e-4;

/// The golden weights as PyTorch would save them.
fn state(golden: &Golden) -> Vec<NamedTensor> {
    let names = golden.names("state.");
    assert!(!names.is_empty());
    let tensor = |name: &String| {
        let from = golden.get(name);
        let count = name.ends_with("num_batches_tracked");
        NamedTensor {
            name: name["state.".len()..].to_string(),
            shape: from.shape.clone(),
            data: if count {
                Data::I64(from.values.iter().map(|&x| x as i64).collect())
            } else {
                Data::F32(from.f32())
            },
        }
    };
    names.iter().map(tensor).collect()
}

/// The network with the golden weights and the golden batch.
fn network(golden: &Golden, spec: &ModelSpec, engine: Engine) -> Network {
    let labels = golden.get("labels").whole();
    let images: Vec<u8> = golden
        .get("images")
        .values
        .iter()
        .map(|&x| x as u8)
        .collect();
    let mut net = Network::new(spec, engine, labels.len(), true).unwrap();
    let rest = weights::import(net.params_mut(), state(golden), &golden.path).unwrap();
    assert_eq!(rest, [], "tensors that the network has no place for");
    let size = images.len() / labels.len();
    for (row, &label) in labels.iter().enumerate() {
        net.set_row(row, &images[row * size..][..size], label);
    }
    net
}

fn placement(name: &str) -> Placement {
    match name {
        "none" => Placement::None,
        "first" => Placement::First,
        "last" => Placement::Last,
        "both" => Placement::Both,
        other => panic!("no test takes the setting {other}"),
    }
}

/// The settings that the golden file has.
fn settings(golden: &Golden) -> Vec<String> {
    let names = golden.about["binary"].as_array().unwrap();
    names.iter().map(|n| n.as_str().unwrap().into()).collect()
}

fn logits_agree(file: &str, model: &str) {
    let golden = Golden::read(file);
    for engine in crate::common::engines() {
        for setting in settings(&golden) {
            let spec = digits_net(model, placement(&setting), Firing::Deterministic);
            let mut net = network(&golden, &spec, engine);
            net.pass_mut().mode = Mode::Eval;
            net.forward();
            let want = golden.get(&format!("eval.{setting}.logits"));
            let margins = golden.get(&format!("eval.{setting}.min_abs"));
            let mut compared = 0;
            for (row, &margin) in margins.values.iter().enumerate() {
                if margin < NEAR {
                    continue;
                }
                let what = format!("{} {model} {setting} row {row}", engine.kernels.isa.name());
                let want = &want.values[row * 10..][..10];
                assert_within(&what, &net.logits()[row * 10..][..10], want, 1e-4);
                compared += 1;
            }
            let all = margins.values.len();
            if setting == "none" {
                assert_eq!(compared, all);
            }
            assert!(
                compared >= 10,
                "{setting}: only {compared} of {all} rows are defined"
            );
        }
    }
    golden.assert_all_asked("eval.");
    golden.assert_all_asked("state.");
}

#[test]
fn seed_net_logits_agree_with_pytorch() {
    logits_agree("seednet.safetensors", "seed-net");
}

#[test]
fn mlp_logits_agree_with_pytorch() {
    logits_agree("mlp.safetensors", "mlp");
}

/// `|got - want| / |want|`, both Euclidean.
fn relative(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |x: f64| x * x;
    let error: f64 = got
        .iter()
        .zip(want)
        .map(|(&g, &w)| square(f64::from(g) - w))
        .sum();
    (error / want.iter().map(|&w| square(w)).sum::<f64>()).sqrt()
}

/// One training step's losses, gradients and running statistics.
fn training_step_agrees(file: &str, model: &str) {
    let golden = Golden::read(file);
    for engine in crate::common::engines() {
        for setting in ["none", "both"] {
            let isa = engine.kernels.isa.name();
            let spec = digits_net(model, placement(setting), Firing::Deterministic);
            let mut net = network(&golden, &spec, engine);
            net.pass_mut().mode = Mode::Train;
            net.forward();
            let loss = golden.get(&format!("train.{setting}.loss"));
            let what = format!("{isa} {model} {setting} losses");
            assert_within(&what, net.losses(), &loss.values, 2e-5);
            net.backward();

            let params = net.params();
            let mut compared = 0;
            for entry in params.entries() {
                let name = format!("train.{setting}.grad.{}", entry.name);
                // The first layer of the mlp is left out of the file for its size.
                let Some(want) = golden.find(&name) else {
                    assert_eq!(entry.name, "fc1.weight", "{name} is missing");
                    continue;
                };
                assert_eq!(want.shape, entry.shape, "{name}");
                let got = &params.grads()[entry.span.clone()];
                compared += 1;
                if entry.name.starts_with("conv") && entry.name.ends_with(".bias") {
                    // Batch norm takes the mean away, and the bias with it.
                    assert_within(&format!("{isa} {name}"), got, &vec![0.0; got.len()], 1e-5);
                    continue;
                }
                let error = relative(got, &want.values);
                assert!(error < 2e-5, "{isa} {name}: relative error {error:e}");
            }
            assert!(compared >= 3);
            running_statistics_agree(&golden, setting, params, isa);
        }
    }
    golden.assert_all_asked("train.");
}

fn running_statistics_agree(golden: &Golden, setting: &str, params: &Params, isa: &str) {
    for entry in params.buffer_entries() {
        let name = format!("train.{setting}.after.{}", entry.name);
        let want = golden.get(&name);
        let got = &params.buffer_values()[entry.span.clone()];
        let error = relative(got, &want.values);
        assert!(error < 1e-6, "{isa} {name}: relative error {error:e}");
    }
    for (name, count) in params.counters() {
        let want = golden.get(&format!("train.{setting}.after.{name}"));
        assert_eq!(*count as f64, want.values[0], "{name}");
    }
}

#[test]
fn seed_net_training_step_agrees_with_pytorch() {
    training_step_agrees("seednet.safetensors", "seed-net");
}

#[test]
fn mlp_training_step_agrees_with_pytorch() {
    training_step_agrees("mlp.safetensors", "mlp");
}

/// What the tests say about a file that they write.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    what: String,
}

#[test]
fn weights_go_out_and_come_back() {
    let golden = Golden::read("seednet.safetensors");
    let spec = digits_net("seed-net", Placement::Both, Firing::Deterministic);
    let from = network(&golden, &spec, crate::common::fastest());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let said = Said {
        what: "a test".into(),
    };
    weights::write(&path, &weights::export(from.params()), &said).unwrap();

    let (tensors, read) = weights::read::<Said>(&path).unwrap();
    assert_eq!(read, said);
    // What went out is what PyTorch had: names, shapes, numbers.
    let mut want = state(&golden);
    let mut got = tensors.clone();
    want.sort_by(|a, b| a.name.cmp(&b.name));
    got.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(got, want);

    let mut to = Network::new(&spec, crate::common::fastest(), 1, false).unwrap();
    assert_eq!(
        weights::import(to.params_mut(), tensors, &path).unwrap(),
        []
    );
    let bits = |net: &Network| {
        [
            crate::common::bits(net.params().values()),
            crate::common::bits(net.params().buffer_values()),
        ]
    };
    assert_eq!(bits(&to), bits(&from));
    assert_eq!(to.params().counters(), from.params().counters());
}

/// Writes tensors as the `safetensors` package does: without a word about them.
fn write_plain(path: &Path, tensors: &[NamedTensor]) {
    let bytes = |t: &NamedTensor| match &t.data {
        Data::F32(x) => (Dtype::F32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::I64(x) => (
            Dtype::I64,
            x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(),
        ),
    };
    let bytes: Vec<_> = tensors.iter().map(bytes).collect();
    let views = tensors.iter().zip(&bytes).map(|(t, (dtype, bytes))| {
        let view = TensorView::new(*dtype, t.shape.clone(), bytes).unwrap();
        (t.name.clone(), view)
    });
    let metadata: Option<HashMap<String, String>> = None;
    std::fs::write(path, safetensors::serialize(views, metadata).unwrap()).unwrap();
}

#[test]
fn plain_pytorch_files_can_be_imported() {
    let golden = Golden::read("seednet.safetensors");
    let spec = digits_net("seed-net", Placement::None, Firing::Deterministic);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.safetensors");
    let mut tensors = state(&golden);
    write_plain(&path, &tensors);

    let line = weights::read::<Said>(&path).unwrap_err().to_string();
    assert!(
        line.contains("plain.safetensors") && line.contains("import"),
        "{line}"
    );
    let (read, text) = weights::read_any(&path).unwrap();
    assert_eq!(text, None);
    let mut net = network(&golden, &spec, crate::common::fastest());
    let want = crate::common::bits(net.params().values());
    net.params_mut().values_mut().fill(0.0);
    assert_eq!(weights::import(net.params_mut(), read, &path).unwrap(), []);
    assert_eq!(crate::common::bits(net.params().values()), want);

    // Counters of batches may be absent; weights may not.
    tensors.retain(|t| !t.name.ends_with("num_batches_tracked"));
    write_plain(&path, &tensors);
    let (read, _) = weights::read_any(&path).unwrap();
    assert_eq!(weights::import(net.params_mut(), read, &path).unwrap(), []);
    tensors.retain(|t| t.name != "bn1.running_var");
    write_plain(&path, &tensors);
    let (read, _) = weights::read_any(&path).unwrap();
    let line = weights::import(net.params_mut(), read, &path)
        .unwrap_err()
        .to_string();
    assert!(line.contains("has no tensor bn1.running_var"), "{line}");
}
