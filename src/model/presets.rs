//! Networks known by name.

use super::spec::{LayerSpec, ModelSpec};
use crate::error::{Error, Result};
use crate::ops::{Function, Statistics};
use crate::tensor::Shape;

/// Names that [`preset`] knows, with a line on each.
pub const PRESETS: [(&str, &str); 2] = [
    (
        "seed-net",
        "the reference: two 5x5 convolutions (16, 32), batch norm, pooling, linear",
    ),
    (
        "mlp",
        "the network it grew from: 784-100-10, one hidden layer",
    ),
];

/// The preset of that name for images of that shape and that many classes. Its
/// activations are hard sigmoids; [`ModelSpec::place`] makes them binary.
///
/// # Errors
/// An unknown name, or an image that the network's windows do not fit.
pub fn preset(name: &str, input: Shape, classes: usize) -> Result<ModelSpec> {
    let layers = match name {
        "seed-net" => {
            let mut layers = block("1", 16);
            layers.extend(block("2", 32));
            layers.push(linear("fc", classes));
            layers
        }
        "mlp" => vec![linear("fc1", 100), hard_sigmoid(), linear("fc2", classes)],
        _ => {
            return Err(Error::spec(format!(
                "unknown model `{name}`; choose {} or a .json file",
                PRESETS.map(|(name, _)| name).join(", ")
            )));
        }
    };
    let spec = ModelSpec {
        name: name.into(),
        input,
        normalise: None,
        layers,
    };
    spec.check()?;
    Ok(spec)
}

/// Convolution, batch norm, pooling, activation.
fn block(number: &str, out: usize) -> Vec<LayerSpec> {
    vec![
        LayerSpec::Conv {
            name: format!("conv{number}"),
            out,
            kernel: 5,
            stride: 1,
            padding: 2,
            bias: true,
        },
        LayerSpec::BatchNorm {
            name: format!("bn{number}"),
            eps: 1e-5,
            momentum: 0.1,
            statistics: Statistics::Batch,
        },
        LayerSpec::MaxPool {
            kernel: 2,
            stride: None,
        },
        hard_sigmoid(),
    ]
}

fn hard_sigmoid() -> LayerSpec {
    LayerSpec::Activation {
        function: Function::HardSigmoid,
    }
}

fn linear(name: &str, out: usize) -> LayerSpec {
    LayerSpec::Linear {
        name: name.into(),
        out,
    }
}
