//! The layer [`Input`] and its op.

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder};
use crate::error::{Error, Result};
use crate::tape::Value;
use crate::tensor::Shape;

/// A further input of a network beside its images: numbers that the caller sets, one row
/// an image ([`crate::model::Network::input_of_mut`]). Targets of a regression are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The shape of a row.
    pub shape: Shape,
}

impl Layer for Input {
    fn kind(&self) -> &'static str {
        "input"
    }

    fn arity(&self) -> std::ops::RangeInclusive<usize> {
        0..=0
    }

    fn output(&self, name: &str, _inputs: &[Shape]) -> Result<Shape> {
        let sides = [self.shape.channels, self.shape.height, self.shape.width];
        if sides.iter().any(|&s| s == 0 || s > 1 << 16) {
            return Err(Error::spec(format!(
                "layer {name}: an input of {} holds no numbers, or too many",
                self.shape
            )));
        }
        Ok(self.shape)
    }

    fn record(&self, to: &mut Recorder<'_>, _inputs: &[Value]) -> Result<Value> {
        Ok(to.tape.input(self.shape, false))
    }
}
