//! The layer [`Shift`] and its op.

use serde::{Deserialize, Serialize};

use super::ChannelScale;
use super::layer::{Layer, Recorder};
use super::sight::Sight;
use super::tensor_spec::{TensorSpec, Tensors};
use crate::error::Result;
use crate::pack::{Map, Packed, Packer};
use crate::tape::Value;
use crate::tensor::Shape;

/// A learned offset a channel: the threshold of ReActNet's RSign, where a binary layer
/// follows.
///
/// ```text
/// y = x + b          dx += dy          db += Σ_rows,pixels dy
/// ```
///
/// Source: Liu et al., "ReActNet" (arXiv 2003.03488).
///
/// Its parameter is `bias`, (channels).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {}

impl Layer for Shift {
    fn kind(&self) -> &'static str {
        "shift"
    }

    fn describe(&self) -> String {
        "offset a channel".into()
    }

    fn output(&self, _name: &str, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn tensors(&self, inputs: &[Shape]) -> Tensors {
        Tensors {
            params: vec![TensorSpec::new("bias", &[inputs[0].channels])],
            ..Tensors::default()
        }
    }

    fn sight(&self) -> Sight {
        Sight::Place
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        Ok(ChannelScale::record(
            to.tape, to.name, inputs[0], None, true,
        ))
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let shift = at.param("bias")?.to_vec();
        let scale = vec![1.0; shift.len()];
        at.finite(&scale, &shift)?;
        at.map(&inputs[0], Map::Affine { scale, shift })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check_layer;

    #[test]
    fn gradients_match_finite_differences() {
        check_layer(&Shift {}, &[Shape::image(3, 4, 2)], 9);
        check_layer(&Shift {}, &[Shape::vector(17)], 33);
    }
}
