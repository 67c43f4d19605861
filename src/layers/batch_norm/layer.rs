//! The batch norm of a spec.

use serde::{Deserialize, Serialize};

use super::super::layer::{Layer, Recorder, Shapes, values};
use super::super::tensor_spec::{TensorSpec, Tensors};
use super::{BatchNormOp, Statistics, scale_and_shift};
use crate::error::Result;
use crate::pack::{Map, Packed, Packer};
use crate::tape::Value;
use crate::tensor::Shape;

/// See [`super::BatchNormOp`] for what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance.
    #[serde(default = "eps")]
    pub eps: f64,
    /// Weight of a batch in the running statistics.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// What training normalises by.
    #[serde(default)]
    pub statistics: Statistics,
}

fn eps() -> f64 {
    1e-5
}

fn momentum() -> f64 {
    0.1
}

/// PyTorch's settings.
impl Default for BatchNorm {
    fn default() -> Self {
        Self {
            eps: eps(),
            momentum: momentum(),
            statistics: Statistics::Batch,
        }
    }
}

impl Layer for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn output(&self, _name: &str, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn tensors(&self, inputs: &[Shape]) -> Tensors {
        let of = |name| TensorSpec::new(name, &[inputs[0].channels]);
        Tensors {
            params: vec![of("weight"), of("bias")],
            buffers: vec![of("running_mean"), of("running_var")],
            counters: vec!["num_batches_tracked".into()],
        }
    }

    fn memory(&self, shapes: &Shapes, rows: usize, training: bool) -> u64 {
        let channels = shapes.input().channels as u64;
        values(shapes, rows, if training { 2 } else { 1 }).saturating_add(100 * channels)
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let (eps, momentum) = (self.eps, self.momentum);
        BatchNormOp::record_with(to.tape, to.name, inputs[0], eps, momentum, self.statistics)
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let (gamma, beta) = (at.param("weight")?, at.param("bias")?);
        let (mean, var) = (at.buffer("running_mean")?, at.buffer("running_var")?);
        let pairs =
            (0..gamma.len()).map(|c| scale_and_shift(gamma[c], beta[c], mean[c], var[c], self.eps));
        let (scale, shift): (Vec<f32>, Vec<f32>) = pairs.unzip();
        at.finite(&scale, &shift)?;
        at.map(&inputs[0], Map::Affine { scale, shift })
    }
}
