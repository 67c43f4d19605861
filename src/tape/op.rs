//! A node's rule, and what it is given each way.

use super::{Batch, Grads, Params, Pass, Place, Signals, Value};

/// One layer: a forward rule and its gradient.
pub trait Op: Send {
    /// Computes the output from the inputs.
    fn forward(&mut self, cx: Forward<'_>);

    /// Adds to the gradients of the inputs and of the parameters. There is no
    /// default: an op without a rule does not compile.
    fn backward(&mut self, cx: Backward<'_>);

    /// Whether the gradient that [`Self::backward`] leaves is zero outside the
    /// primary rows ([`super::Group::primary`]), so that the layers below can leave the other
    /// rows out.
    fn narrows(&self, _pass: &Pass) -> bool {
        false
    }
}

/// What [`Op::forward`] is given.
pub struct Forward<'a> {
    pub(super) past: &'a [f32],
    pub(super) places: &'a [Place],
    pub(super) inputs: &'a [Value],
    /// The output to write: live rows, one after the other.
    pub y: &'a mut [f32],
    /// Parameters and buffers.
    pub params: &'a mut Params,
    /// The settings of this pass.
    pub pass: &'a Pass,
    /// Its labels.
    pub batch: &'a Batch,
}

impl<'a> Forward<'a> {
    /// The live rows of input `i`.
    pub fn x(&self, i: usize) -> &'a [f32] {
        let place = &self.places[self.inputs[i].0];
        &self.past[place.offset..][..place.rows(self.pass) * place.shape.len()]
    }
}

/// What [`Op::backward`] is given.
pub struct Backward<'a> {
    pub(super) values: &'a [f32],
    pub(super) places: &'a [Place],
    pub(super) inputs: &'a [Value],
    pub(super) output: Value,
    /// The gradient of the output: of the rows in `pass.rows`, which may be fewer
    /// than the output has ([`Op::narrows`]).
    pub dy: &'a [f32],
    /// The gradients of the inputs.
    pub grads: Grads<'a>,
    /// Parameters, and their gradients to add to.
    pub params: &'a mut Params,
    /// The settings of this pass.
    pub pass: &'a Pass,
    /// Its labels.
    pub batch: &'a Batch,
    /// Losses, baselines and weights of its rows.
    pub signals: &'a Signals,
}

impl<'a> Backward<'a> {
    /// The live rows of input `i`.
    pub fn x(&self, i: usize) -> &'a [f32] {
        self.at(self.inputs[i])
    }

    /// The live rows of the output.
    pub fn y(&self) -> &'a [f32] {
        self.at(self.output)
    }

    fn at(&self, value: Value) -> &'a [f32] {
        let place = &self.places[value.0];
        &self.values[place.offset..][..place.rows(self.pass) * place.shape.len()]
    }
}
