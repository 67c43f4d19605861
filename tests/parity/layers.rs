//! Small networks out of spec files against values that PyTorch computed
//! (`tests/tools/golden_layers.py`): layers with several inputs, groups, dilation and sides
//! that differ, levels and borders, and the losses.

use crate::common::golden::{Golden, Tensor, assert_close, to_rows};
use bnn_cpu::kernels::Engine;
use bnn_cpu::model::{ModelSpec, Network};
use bnn_cpu::tensor::Shape;
use serde_json::Value as Json;

/// Rounding of f32 sums through up to four layers, in units of the largest number of the
/// tensor.
const ROUNDING: f64 = 5e-6;

/// A tensor of images, (N, C, H, W), or of vectors, (N, C), as it is stored here.
fn stored(tensor: &Tensor) -> Vec<f32> {
    let pixels = tensor.shape[2..].iter().product();
    to_rows(&tensor.f32(), tensor.shape[1], pixels)
}

/// Runs the case with `spare` rows of the batch left empty.
fn check(golden: &Golden, case: &str, about: &Json, engine: Engine, spare: usize) {
    let get = |tensor: &str| golden.get(&format!("{case}.{tensor}"));
    let label = |what: &str| format!("{} {case} {what}", engine.kernels.isa.name());
    let spec: ModelSpec = serde_json::from_value(about["spec"].clone()).unwrap();
    let (x, labels) = (get("x"), get("labels"));
    let rows = x.shape[0];
    let shape = Shape::image(x.shape[1], x.shape[2], x.shape[3]);
    assert_eq!(spec.input, shape, "{case}");
    let mut network = Network::new(&spec, engine, rows + spare, true).unwrap();
    network.set_rows(rows);
    network.pass_mut().slope = about["slope"].as_f64().unwrap() as f32;
    network.input_mut().copy_from_slice(&stored(x));
    for (to, &label) in network.batch_mut().labels.iter_mut().zip(&labels.values) {
        *to = label as u32;
    }
    for layer in spec
        .layers
        .iter()
        .filter(|layer| layer.layer().kind() == "input")
    {
        let name = layer.name.as_deref().unwrap();
        let to = network.input_of_mut(name).unwrap();
        to.copy_from_slice(&stored(get(&format!("in.{name}"))));
    }
    let entries = network.params().entries().to_vec();
    for entry in &entries {
        let values = get(&entry.name).f32();
        network.params_mut().values_mut()[entry.span.clone()].copy_from_slice(&values);
    }
    network.forward();
    assert_close(&label("loss"), network.losses(), get("loss"), ROUNDING);
    network.backward();
    for entry in &entries {
        let got = &network.params().grads()[entry.span.clone()];
        let want = get(&format!("d{}", entry.name));
        assert_close(&label(&entry.name), got, want, ROUNDING);
    }
}

#[test]
fn networks_agree_with_pytorch() {
    let golden = Golden::read("layers.safetensors");
    assert!(golden.about.len() >= 19, "cases are missing");
    for engine in crate::common::engines() {
        for (case, about) in &golden.about {
            for spare in [0, 3] {
                check(&golden, case, about, engine, spare);
            }
        }
    }
    golden.assert_all_asked("");
}
