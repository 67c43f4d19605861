//! The batch norm of a spec.

use serde::{Deserialize, Serialize};

use super::super::layer::{Layer, Recorder, Shapes, values};
use super::super::sight::Sight;
use super::super::tensor_spec::{TensorSpec, Tensors};
use super::{BatchNormOp, Statistics, scale_and_shift};
use crate::error::Result;
use crate::pack::{Map, Packed, Packer};
use crate::tape::Value;
use crate::tensor::Shape;

/// Batch normalisation, with PyTorch's conventions.
///
/// ```text
/// training:    μ, σ² = mean and biased variance of the batch, for each channel
///              running ← (1 - m)·running + m·(μ, σ²·n/(n-1))
/// evaluation:  μ, σ² = running
/// running statistics in training:  as evaluation; running is updated afterwards
/// y  = x·s + t                 s = γ / √(σ² + ε),  t = β - μ·s
/// dγ = Σ dy·x̂,  dβ = Σ dy      x̂ = (x - μ) / √(σ² + ε)
/// dx = s·(dy - dβ/n - x̂·dγ/n)  training
/// dx = s·dy                    evaluation, running statistics
/// ```
///
/// Batch statistics make each row's output depend on all rows. Between sampled bits
/// and the loss that would bias every estimator that weighs a row's bits by the row's
/// own loss; there, [`Statistics::Running`] keeps rows apart in training too.
///
/// Evaluation multiplies and adds with two roundings, never fused: for a given
/// channel it is one monotone function of `x`, and lowering scans that same
/// function.
///
/// Statistics are summed as f32 over a block of pixels, relative to a pixel of
/// the leaf (so that a large mean does not cancel), then as f64 over blocks; leaves of
/// rows are merged by Chan's formula in the one tree of [`crate::tape::tree`], as the
/// sums of the gradient are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// The number `ε` that is added to the variance.
    #[serde(default = "eps")]
    pub eps: f64,
    /// The weight `m` of a batch in the running statistics.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// Which statistics training normalises by.
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

    fn sight(&self) -> Sight {
        Sight::Place
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
