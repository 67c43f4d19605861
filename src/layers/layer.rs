//! [`Layer`]: what a layer is.

use std::any::Any;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::levels::Levels;
use super::sight::Sight;
use super::tensor_spec::{Tensors, product};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::estimators::{Estimator, Part};
use crate::pack::{Packed, Packer};
use crate::tape::{Tape, Value};
use crate::tensor::Shape;

/// The shapes around a layer.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// The shape of each input.
    pub inputs: Vec<Shape>,
    /// The shape of the output.
    pub output: Shape,
}

impl Shapes {
    /// The shape of the first input.
    ///
    /// # Panics
    /// If the layer has none.
    pub fn input(&self) -> Shape {
        self.inputs[0]
    }
}

/// What a layer is recorded with.
pub struct Recorder<'a> {
    /// The tape.
    pub tape: &'a mut Tape,
    /// The layer's name, the prefix of its parameters' names; empty where it has none.
    pub name: &'a str,
    /// The key of the layer's noise: what tells it from the noise of other layers in the same
    /// pass ([`crate::tape::Pass::noise`]).
    pub noise: usize,
    /// Of a sampled layer: its estimator, what the plan says of it, and its number among the
    /// sampled layers, from 1.
    pub unit: Option<(Arc<dyn Estimator>, Part, usize)>,
    /// Whether a sampled layer makes nothing of the gradient of its output.
    pub ignores_gradient: bool,
    /// The levels of the layer's input, where that is the bits of an estimator that asks for
    /// what each bit does to the loss ([`crate::estimators::Pathwise::needs_differences`]).
    pub loss_differences: Option<Levels>,
}

/// What a layer is: one trait, implemented in the layer's own file.
///
/// A layer is data (its settings, read from a spec) and six answers: the shape of its
/// output, the tensors it has, what it costs, how much memory it takes, how it is recorded
/// on a tape and how it is packed. Parsing, `inspect`, memory, training and packing follow
/// from them. To add one, write its file and name it in [`super::registry`].
pub trait Layer: erased_serde::Serialize + Any + Debug + Send + Sync {
    /// The layer's `type` in a spec.
    fn kind(&self) -> &'static str;

    /// How many inputs the layer may have.
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// The layer with every setting that was left to another one filled in; `None` where
    /// there is no such setting.
    fn settled(&self) -> Option<Arc<dyn Layer>> {
        None
    }

    /// What a layer without a name is called in tables and messages.
    fn label(&self) -> &str {
        self.kind()
    }

    /// What the layer is, in words.
    fn describe(&self) -> String {
        self.label().replace('_', " ")
    }

    /// The shape of the output for inputs of those shapes. `name` stands in messages.
    ///
    /// # Errors
    /// Inputs or settings that the layer cannot have.
    fn output(&self, name: &str, inputs: &[Shape]) -> Result<Shape>;

    /// The tensors that [`Self::record`] registers, by their names within the layer.
    fn tensors(&self, _inputs: &[Shape]) -> Tensors {
        Tensors::default()
    }

    /// The kind of its weights, where it has any.
    fn weights(&self) -> Option<Weights> {
        None
    }

    /// The multiply-adds that one row costs; 0 where they do not count.
    fn multiply_adds(&self, _shapes: &Shapes) -> usize {
        0
    }

    /// An upper bound of the 32-bit numbers that a tape holds for the layer at `rows` rows,
    /// its output included; networks that need more memory than there is are refused by it.
    fn memory(&self, shapes: &Shapes, rows: usize, training: bool) -> u64 {
        values(shapes, rows, if training { 2 } else { 1 })
    }

    /// What of its inputs a number of the output depends on; everything, where a layer does not
    /// say.
    fn sight(&self) -> Sight {
        Sight::Whole
    }

    /// Whether the output is bits, 0 and 1 or -1 and +1, given which inputs are bits.
    fn makes_bits(&self, _inputs: &[bool]) -> bool {
        false
    }

    /// Whether the output is one loss a row, with which a network may end.
    fn is_loss(&self) -> bool {
        false
    }

    /// Whether it is a loss whose first input is the logits of a classifier.
    fn reads_logits(&self) -> bool {
        false
    }

    /// Records the layer on a tape. All of `inputs` have a group of rows an image, or none.
    ///
    /// # Errors
    /// As [`Self::output`].
    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value>;

    /// Packs the layer as it is in evaluation.
    ///
    /// # Errors
    /// One line that names the layer and says why it cannot be packed.
    fn pack(&self, at: &mut Packer<'_>, _inputs: &[Packed]) -> Result<Packed> {
        Err(at.refuse("no packed form is known of it here"))
    }
}

erased_serde::serialize_trait_object!(Layer);

/// Whether all inputs have one shape.
///
/// # Errors
/// One line with two shapes that differ.
pub fn same_shapes(name: &str, inputs: &[Shape]) -> Result<()> {
    match inputs.iter().find(|shape| **shape != inputs[0]) {
        Some(other) => Err(Error::spec(format!(
            "layer {name}: its inputs have the shapes {} and {other}; they must have the same (flatten makes a vector of an image)",
            inputs[0]
        ))),
        None => Ok(()),
    }
}

/// The count of numbers in an output at `rows` rows, `each` times: a usual answer of
/// [`Layer::memory`].
pub fn values(shapes: &Shapes, rows: usize, each: u64) -> u64 {
    product(&[rows as u64, shapes.output.len() as u64, each])
}
