//! Networks known by name.

use super::encoder;
use super::placement::Placement;
use super::pool_form::PoolForm;
use super::spec::ModelSpec;
use super::stacks;
use crate::error::{Error, Result};
use crate::estimators::Firing;
use crate::layers::{
    Activation, BatchNorm, Conv, Function, LayerSpec, Linear, MaxPool, Sides, Weights,
};
use crate::tensor::Shape;

/// Names that [`preset`] knows, with a line on each.
pub const PRESETS: [(&str, &str); 17] = [
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
        "plain-net",
        "two 3x3 convolutions (10, 20), batch norm, pooling, ReLU, linear",
    ),
    (
        "plain-net-stride",
        "the same with convolutions of stride 2 for the pools",
    ),
    (
        "mixed-net",
        "two branches of the plain-net's form (5, 10), one with ReLUs, one with binary units",
    ),
    (
        "mixed-net-stride",
        "the same with convolutions of stride 2 for the pools",
    ),
    (
        "omniglot-net",
        "five 3x3 convolutions (64, 128, 256, 512, 512), pooling, ReLU, linear layers of 4,096 and the classes",
    ),
    (
        "omniglot-net-stride",
        "the same with convolutions of stride 2 for the pools",
    ),
    (
        "omniglot-mixed",
        "two branches of the omniglot-net's form and half its channels, one with ReLUs, one with binary units",
    ),
    (
        "omniglot-mixed-stride",
        "the same with convolutions of stride 2 for the pools",
    ),
    (
        "omniglot-binary",
        "the omniglot-net with binary units behind all convolutions, and binary weights in all but the first",
    ),
    (
        "omniglot-binary-stride",
        "the same with convolutions of stride 2 for the pools",
    ),
    (
        "few-shot-encoder",
        "four 3x3 convolutions (64), batch norm, pooling, ReLU, and a head that learns classes from a few pictures",
    ),
    (
        "few-shot-published",
        "the same with its activations in front of the pools, as published: other bits where units sample",
    ),
    (
        "few-shot-binary",
        "the same with its batch norms behind the pools, so that half of all bits are 1",
    ),
];

/// What ends the name of a preset that has convolutions of stride 2 for pools.
const STRIDE: &str = "-stride";

/// The name of the preset `name` in that form; `None` where it does not have both.
pub fn with_pool(name: &str, form: PoolForm) -> Option<&'static str> {
    let pooled = name.strip_suffix(STRIDE).unwrap_or(name);
    let strided = format!("{pooled}{STRIDE}");
    let known = |name: &str| PRESETS.iter().map(|p| p.0).find(|known| *known == name);
    let (pooled, strided) = (known(pooled)?, known(&strided)?);
    Some(match form {
        PoolForm::Max => pooled,
        PoolForm::Stride => strided,
    })
}

/// The shape of the images and the number of classes that a preset is shown for where no
/// data set says them: Omniglot's, or MNIST's.
pub fn usual_images(name: &str) -> (Shape, usize) {
    match name.starts_with("omniglot") {
        true => (Shape::image(1, 105, 105), 964),
        false => (Shape::image(1, 28, 28), 10),
    }
}

/// The preset of that name for images of that shape and that many classes. The
/// activations of `seed-net` and `mlp` are hard sigmoids and those of `plain-net`,
/// `omniglot-net` and the few-shot encoders ReLUs, which [`ModelSpec::place`] makes binary; the
/// others have deterministic binary units with straight-through gradients: `xnor-net` and
/// `xnor-large` throughout, with binary weights, the mixed networks in their second branch.
/// A few-shot encoder has no classes but those of an episode.
///
/// # Errors
/// An unknown name, or an image that the network's windows do not fit.
pub fn preset(name: &str, input: Shape, classes: usize) -> Result<ModelSpec> {
    let unknown = || {
        Error::spec(format!(
            "unknown model `{name}`; choose {} or a .json file",
            PRESETS.map(|(name, _)| name).join(", ")
        ))
    };
    if PRESETS.iter().all(|(known, _)| *known != name) {
        return Err(unknown());
    }
    let (pooled, form) = match name.strip_suffix(STRIDE) {
        Some(pooled) => (pooled, PoolForm::Stride),
        None => (name, PoolForm::Max),
    };
    let layers = match pooled {
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
        "plain-net" => stacks::plain(form, classes),
        "mixed-net" => stacks::mixed(form, classes),
        "omniglot-net" => stacks::omniglot(form, classes),
        "omniglot-mixed" => stacks::omniglot_mixed(form, classes),
        "omniglot-binary" => stacks::omniglot_binary(form, classes),
        "few-shot-encoder" => encoder::layers(encoder::Order::Usual),
        "few-shot-published" => encoder::layers(encoder::Order::Published),
        "few-shot-binary" => encoder::layers(encoder::Order::Balanced),
        _ => return Err(unknown()),
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

#[cfg(test)]
#[path = "presets_tests.rs"]
mod tests;
