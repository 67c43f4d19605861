//! The layer [`GlobalAvgPool`] and its op.

use serde::{Deserialize, Serialize};

use super::avg_pool::AvgPoolOp;
use super::layer::{Layer, Recorder};
use super::sides::Sides;
use crate::error::Result;
use crate::pack::{Packed, Packer};
use crate::tape::Value;
use crate::tensor::Shape;

/// The mean of each channel over the whole image, as `adaptive_avg_pool2d(x, 1)`; see
/// [`super::AvgPool`] for the formula.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool {}

impl Layer for GlobalAvgPool {
    fn kind(&self) -> &'static str {
        "global_avg_pool"
    }

    fn describe(&self) -> String {
        "global average pool".into()
    }

    fn output(&self, _name: &str, inputs: &[Shape]) -> Result<Shape> {
        Ok(Shape::vector(inputs[0].channels))
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let input = to.tape.shape(inputs[0]);
        let (output, window) = (
            Shape::vector(input.channels),
            Sides::new(input.height, input.width),
        );
        let window = (window, Sides::ONE);
        Ok(AvgPoolOp::record(to.tape, inputs[0], output, window))
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        let shape = inputs[0].shape();
        Ok(at.avg_pool(&inputs[0], ((shape.height, shape.width), 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check_layer;

    #[test]
    fn gradients_match_finite_differences() {
        check_layer(&GlobalAvgPool {}, &[Shape::image(5, 3, 7)], 4);
    }
}
