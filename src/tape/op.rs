//! The interface of a node's operation, and the arguments of its passes.

use super::{Batch, Grads, Params, Pass, Place, Signals, Value};
use crate::ranks::Ranks;

/// The operation of a node: a layer's forward and backward pass.
pub trait Op: Send {
    /// Computes the output from the inputs.
    fn forward(&mut self, cx: Forward<'_>);

    /// Adds to the gradients of the inputs and of the parameters. There is no default
    /// implementation, so every operation must define its gradient.
    fn backward(&mut self, cx: Backward<'_>);

    /// Returns whether the gradient that [`Self::backward`] computes is zero outside of the primary
    /// rows ([`super::Group::primary`]), so that the layers below need not compute the other rows.
    fn narrows(&self, _pass: &Pass) -> bool {
        false
    }

    /// Returns whether a row of the output, or of a gradient, depends on other rows in a way that
    /// is no sum over rows. Of several ranks, each then computes all rows of the operation.
    fn couples_rows(&self) -> bool {
        false
    }

    /// Adds the gradients of parameters whose sums [`Self::backward`] sent to the other ranks. It
    /// is called for every operation after the last one's backward pass, if there are other ranks.
    fn finish(&mut self, _cx: Finish<'_>) {}

    /// Returns how the operation is computed, in words, if it was recorded in one of several ways.
    fn way(&self) -> Option<String> {
        None
    }
}

/// The arguments of [`Op::forward`].
pub struct Forward<'a> {
    pub(super) past: &'a [f32],
    pub(super) places: &'a [Place],
    pub(super) inputs: &'a [Value],
    /// The output to write: the rows in use, one after another.
    pub y: &'a mut [f32],
    /// Parameters and buffers.
    pub params: &'a mut Params,
    /// The settings of the pass.
    pub pass: &'a Pass,
    /// The labels of the batch.
    pub batch: &'a Batch,
    /// The ranks that share the rows of the batch.
    pub ranks: &'a Ranks,
}

/// The arguments of [`Op::finish`].
pub struct Finish<'a> {
    /// Parameters, and their gradients, to which the operation adds.
    pub params: &'a mut Params,
    /// The settings of the pass.
    pub pass: &'a Pass,
    /// The ranks that share the rows of the batch.
    pub ranks: &'a Ranks,
}

impl<'a> Forward<'a> {
    /// Returns the rows in use of input `i`.
    pub fn x(&self, i: usize) -> &'a [f32] {
        let place = &self.places[self.inputs[i].0];
        &self.past[place.offset..][..place.rows(self.pass) * place.shape.len()]
    }
}

/// The arguments of [`Op::backward`].
pub struct Backward<'a> {
    pub(super) values: &'a [f32],
    pub(super) places: &'a [Place],
    pub(super) inputs: &'a [Value],
    pub(super) output: Value,
    /// The gradient of the output in the rows `pass.rows`, which may be fewer than the output has
    /// ([`Op::narrows`]).
    pub dy: &'a [f32],
    /// The gradients of the inputs.
    pub grads: Grads<'a>,
    /// Parameters, and their gradients, to which the pass adds.
    pub params: &'a mut Params,
    /// The settings of the pass.
    pub pass: &'a Pass,
    /// The labels of the batch.
    pub batch: &'a Batch,
    /// Losses, baselines and weights of the rows.
    pub signals: &'a Signals,
    /// The ranks that share the rows of the batch.
    pub ranks: &'a Ranks,
}

impl<'a> Backward<'a> {
    /// Returns the rows in use of input `i`.
    pub fn x(&self, i: usize) -> &'a [f32] {
        self.at(self.inputs[i])
    }

    /// Returns the rows in use of the output.
    pub fn y(&self) -> &'a [f32] {
        self.at(self.output)
    }

    fn at(&self, value: Value) -> &'a [f32] {
        let place = &self.places[value.0];
        &self.values[place.offset..][..place.rows(self.pass) * place.shape.len()]
    }
}
