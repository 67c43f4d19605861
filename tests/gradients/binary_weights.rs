//! Networks with binary weights against PyTorch, and what is exact about them.

use crate::common::golden::{Golden, assert_close};
use bnn_cpu::estimators::Firing;
use bnn_cpu::layers::{BatchNorm, Binary, Conv, Linear, MaxPool, Sides, Weights};
use bnn_cpu::model::{LayerSpec, ModelSpec, Network, Pixels, preset};
use bnn_cpu::tape::Mode;
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{Optimiser, OptimiserSpec};

/// The net of tests/tools/golden_binary.py.
fn golden_net() -> ModelSpec {
    let conv = |name: &str, out, scaled| {
        LayerSpec::named(
            name,
            Conv {
                padding: Sides::both(1),
                bias: scaled,
                weights: Weights::Binary,
                scale: scaled,
                ..Conv::new(out, 3)
            },
        )
    };
    let pool = || {
        LayerSpec::from(MaxPool {
            kernel: Sides::both(2),
            stride: None,
        })
    };
    let unit = || LayerSpec::from(Binary::new(Firing::Deterministic, "st"));
    ModelSpec {
        name: "golden".into(),
        input: Shape::image(1, 12, 12),
        pixels: Some(Pixels::Integer),
        layers: vec![
            conv("conv1", 4, false),
            LayerSpec::named("bn1", BatchNorm::default()),
            pool(),
            unit(),
            conv("conv2", 6, true),
            LayerSpec::named("bn2", BatchNorm::default()),
            pool(),
            unit(),
            LayerSpec::named(
                "fc",
                Linear {
                    out: 5,
                    bias: false,
                    weights: Weights::Binary,
                    scale: false,
                },
            ),
            LayerSpec::named("fc_bn", BatchNorm::default()),
        ],
    }
}

#[test]
fn training_and_evaluation_agree_with_pytorch() {
    let golden = Golden::read("binary.safetensors");
    let about = &golden.about["binary"];
    let (images, labels) = (golden.get("images"), golden.get("labels"));
    let rows = images.shape[0];
    for engine in crate::common::engines() {
        let mut net = Network::new(&golden_net(), engine, rows, true).unwrap();
        let entries = net.params().entries().to_vec();
        for entry in &entries {
            let before = golden.f32(&format!("before.{}", entry.name));
            net.params_mut().values_mut()[entry.span.clone()].copy_from_slice(&before);
        }
        assert_eq!(entries.iter().filter(|e| e.latent).count(), 3);
        for (row, image) in images.values.chunks_exact(144).enumerate() {
            let image: Vec<u8> = image.iter().map(|&p| p as u8).collect();
            net.set_row(row, &image, labels.values[row] as u32);
        }
        let spec = OptimiserSpec::Adam {
            beta1: 0.9,
            beta2: 0.999,
            eps: about["eps"].as_f64().unwrap() as f32,
            weight_decay: 0.0,
        };
        let mut optimiser = Optimiser::new(spec, net.params().values().len());
        let lr = about["lr"].as_f64().unwrap();
        for step in 0..about["steps"].as_u64().unwrap() {
            let label = |what: &str| format!("{}, step {step}: {what}", engine.kernels.isa.name());
            net.pass_mut().mode = Mode::Train;
            net.forward();
            let loss = net.losses().iter().sum::<f32>() / rows as f32;
            assert_close(
                &label("loss"),
                &[loss],
                golden.get(&format!("{step}.loss")),
                1e-5,
            );
            net.backward();
            for entry in &entries {
                let grad = &net.params().grads()[entry.span.clone()];
                let want = golden.get(&format!("{step}.grad.{}", entry.name));
                // A bias before batch norm has no gradient: both are rounding.
                if entry.name != "conv2.bias" {
                    assert_close(&label(&entry.name), grad, want, 1e-4);
                }
            }
            let ew = &net.pass().engine.kernels.ew;
            let (values, grads) = net.params_mut().values_and_grads();
            optimiser.step(ew, lr, step + 1, values, grads);
            net.params_mut().clip_latents();
            for entry in &entries {
                let value = &net.params().values()[entry.span.clone()];
                let want = golden.get(&format!("{step}.{}", entry.name));
                assert_close(&label(&entry.name), value, want, 1e-4);
                if entry.latent {
                    assert!(value.iter().all(|v| v.abs() <= 1.0));
                }
            }
        }
        net.pass_mut().mode = Mode::Eval;
        net.forward();
        assert_close("logits", net.logits(), golden.get("logits"), 1e-3);
    }
}

/// Every sum before a batch norm is an integer, the same on every instruction
/// set, so evaluation is the same to the bit.
#[test]
fn evaluation_is_the_same_on_every_instruction_set() {
    let data = bnn_cpu::data::digits::generate(7, 1, 40);
    for name in ["xnor-net", "xnor-large"] {
        let spec = preset(name, Shape::image(1, 28, 28), 10).unwrap();
        let logits: Vec<Vec<u32>> = crate::common::engines()
            .into_iter()
            .map(|engine| {
                let mut net = Network::new(&spec, engine, 40, false).unwrap();
                net.init(bnn_cpu::model::Init::Pytorch, 5);
                net.pass_mut().mode = Mode::Eval;
                for row in 0..40 {
                    net.set_row(row, data.test.image(row), data.test.label(row));
                }
                net.forward();
                for (i, layer) in spec.layers.iter().enumerate() {
                    if layer.has_binary_weights() {
                        let sums = net.layer_output(i);
                        assert!(sums.iter().all(|s| s.fract() == 0.0), "{}", layer.label());
                    }
                }
                crate::common::bits(net.logits())
            })
            .collect();
        assert!(logits.iter().all(|l| *l == logits[0]), "{name}");
    }
}

#[test]
fn the_presets_are_as_small_as_they_claim() {
    for (name, most) in [("xnor-net", 30_000), ("xnor-large", 1_000_000)] {
        let spec = preset(name, Shape::image(1, 28, 28), 10).unwrap();
        let rows = bnn_cpu::model::table(&spec).unwrap();
        let bits: usize = rows.iter().map(|r| r.params_bit).sum();
        assert!(bits <= most, "{name}: {bits}");
        let real = spec.layers.iter().filter_map(|l| l.layer().weights());
        assert!(real.into_iter().all(|w| w == Weights::Binary));
        assert!(!spec.is_stochastic() && spec.is_binary());
    }
}
