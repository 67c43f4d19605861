//! The fully connected layer of a spec.

use serde::{Deserialize, Serialize};

use super::super::layer::{Layer, Recorder, Shapes, values};
use super::super::tensor_spec::{Tensors, product};
use super::super::weights::{self, Terms, Weights};
use super::{Far, LinearOp};
use crate::error::{Error, Result};
use crate::kernels::gemm::prefer_matrixmultiply;
use crate::pack::{Packed, Packer};
use crate::packed::Product;
use crate::tape::Value;
use crate::tensor::Shape;

/// Fully connected layer.
///
/// ```text
/// y = x·Wᵀ + b          dx += dy·W          dW += dyᵀ·x          db += Σ_rows dy
/// ```
///
/// `W` is (out, in) with the inputs in PyTorch's order of flattening (channel,
/// height, width), while a row of `x` is stored (height, width, channel): the
/// order changes where the weights are packed, or, where these are far larger than
/// a cache and are not packed as a whole, in a copy of `x`.
///
/// Over the bits of a layer whose estimator is a local expectation the layer hands on,
/// in place of `dx`, what each bit does to the loss, `dL·(L[x_i = 1] - L[x_i = 0])`
/// ([`super::LinearOp::record_differences`]); over signs half of `dL·(L[x_i = +1] - L[x_i = -1])`,
/// which the chain rule doubles on the way to the bit ([`crate::layers::Levels`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// The number of outputs.
    pub out: usize,
    /// Whether it has a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Real or binary weights.
    #[serde(default)]
    pub weights: Weights,
    /// Whether binary weights have a scale for each output, `mean |V|` over its latent weights
    /// ([`crate::layers::Terms::scale`]).
    #[serde(default)]
    pub scale: bool,
}

fn yes() -> bool {
    true
}

impl Linear {
    /// Real weights and a bias.
    pub fn new(out: usize) -> Self {
        Self {
            out,
            bias: true,
            weights: Weights::Real,
            scale: false,
        }
    }

    /// Its weights, bias and scale together, as the op takes them.
    pub fn terms(&self) -> Terms {
        Terms {
            bias: self.bias,
            weights: self.weights,
            scale: self.scale,
        }
    }
}

impl Layer for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn describe(&self) -> String {
        format!("linear{}", self.terms().describe())
    }

    fn output(&self, name: &str, _inputs: &[Shape]) -> Result<Shape> {
        self.terms().check(name)?;
        if self.out == 0 {
            return Err(Error::spec(format!("layer {name}: out must be at least 1")));
        }
        Ok(Shape::vector(self.out))
    }

    fn tensors(&self, inputs: &[Shape]) -> Tensors {
        self.terms().tensors(&[self.out, inputs[0].len()])
    }

    fn weights(&self) -> Option<Weights> {
        Some(self.weights)
    }

    fn multiply_adds(&self, shapes: &Shapes) -> usize {
        self.out.saturating_mul(shapes.input().len())
    }

    fn memory(&self, shapes: &Shapes, rows: usize, training: bool) -> u64 {
        let (depth, out) = (shapes.input().len(), self.out);
        let large = prefer_matrixmultiply(rows, depth, out);
        let far = LinearOp::is_far(depth, out).then(|| Far::memory(depth, out, rows));
        let (depth, out) = (depth as u64, out as u64);
        let all = [
            values(shapes, rows, if training { 2 } else { 1 }),
            match far {
                // Inputs and outputs, their gradients, and blocks of the weights.
                Some(far) => weights::unpacked_memory(depth, out, training).saturating_add(far),
                None => weights::memory(depth, out, training),
            },
            // The panels of the output's gradient, nodes of the bias, and nodes of the
            // weights where matrixmultiply computes the leaves.
            product(&[
                (rows as u64).saturating_add(8),
                out.next_multiple_of(weights::PANEL),
            ]),
            product(&[depth.saturating_add(112), out, if large { 5 } else { 0 }]),
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        match to.loss_differences {
            Some(levels) => {
                let of = (self.out, self.bias);
                LinearOp::record_differences(to.tape, to.name, inputs[0], of, levels)
            }
            None => LinearOp::record(to.tape, to.name, inputs[0], self.out, self.terms()),
        }
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let (out, shape) = (self.out, Shape::vector(self.out));
        self.terms()
            .pack(at, &inputs[0], Product::Linear { out }, shape)
    }
}
