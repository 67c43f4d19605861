//! Networks known by name.

use super::spec::{ModelSpec, Placement};
use crate::error::{Error, Result};
use crate::estimators::Firing;
use crate::layers::{
    Activation, BatchNorm, Conv, Function, LayerSpec, Linear, MaxPool, Sides, Weights,
};
use crate::tensor::Shape;

/// Names that [`preset`] knows, with a line on each.
pub const PRESETS: [(&str, &str); 5] = [
    (
        "seed-net",
        "the reference: two 5x5 convolutions (16, 32), batch norm, pooling, linear",
    ),
    (
        "mlp",
        "the network it grew from: 784-100-10, one hidden layer",
    ),
    (
        "xnor-net",
        "the seed-net's shape, binary weights and binary units throughout",
    ),
    (
        "xnor-large",
        "three convolutions (32, 64, 128) and two linear layers, all binary",
    ),
    (
        "few-shot-encoder",
        "four 3x3 convolutions (64), batch norm, pooling, and a head that learns classes from a few pictures",
    ),
];

/// The preset of that name for images of that shape and that many classes. The
/// activations of `seed-net` and `mlp` are hard sigmoids, which
/// [`ModelSpec::place`] makes binary; `few-shot-encoder` has ReLUs, and no classes but those
/// of an episode; the others have deterministic binary units with straight-through
/// gradients, and binary weights.
///
/// # Errors
/// An unknown name, or an image that the network's windows do not fit.
pub fn preset(name: &str, input: Shape, classes: usize) -> Result<ModelSpec> {
    let layers = match name {
        "seed-net" | "xnor-net" => {
            let mut layers = block("1", 16, 5);
            layers.extend(block("2", 32, 5));
            layers.push(linear("fc", classes));
            layers
        }
        "mlp" => vec![linear("fc1", 100), hard_sigmoid(), linear("fc2", classes)],
        "xnor-large" => {
            let mut layers = block("1", 32, 5);
            layers.extend(block("2", 64, 3));
            layers.extend(block("3", 128, 3));
            layers.push(linear("fc1", 512));
            layers.push(LayerSpec::named("fc1_bn", BatchNorm::default()));
            layers.push(hard_sigmoid());
            layers.push(linear("fc2", classes));
            layers
        }
        "few-shot-encoder" => super::encoder::layers(),
        _ => {
            return Err(Error::spec(format!(
                "unknown model `{name}`; choose {} or a .json file",
                PRESETS.map(|(name, _)| name).join(", ")
            )));
        }
    };
    let mut spec = ModelSpec {
        name: name.into(),
        input,
        pixels: None,
        layers,
    };
    if name.starts_with("xnor") {
        spec.set_weights(Weights::Binary);
        spec.name = name.into();
        spec.place(Placement::Both, Firing::Deterministic, "st")?;
    }
    spec.settle();
    spec.check()?;
    Ok(spec)
}

/// Convolution that keeps the size, batch norm, pooling, activation.
fn block(number: &str, out: usize, kernel: usize) -> Vec<LayerSpec> {
    let conv = Conv {
        padding: Sides::both(kernel / 2),
        ..Conv::new(out, kernel)
    };
    vec![
        LayerSpec::named(format!("conv{number}"), conv),
        LayerSpec::named(format!("bn{number}"), BatchNorm::default()),
        MaxPool::new(2).into(),
        hard_sigmoid(),
    ]
}

fn hard_sigmoid() -> LayerSpec {
    let function = Function::HardSigmoid;
    Activation { function }.into()
}

fn linear(name: &str, out: usize) -> LayerSpec {
    LayerSpec::named(name, Linear::new(out))
}
