//! The values between layers during packing.

use crate::packed::{Function, Kind, Product, Ranges, Source, Step, Weights};
use crate::tensor::Shape;

/// A function that is applied to each number.
#[derive(Clone, Debug)]
pub enum Map {
    /// `x · scale + shift` with a scale and shift per channel, rounded after each operation.
    Affine {
        /// Scale of each channel.
        scale: Vec<f32>,
        /// Shift of each channel.
        shift: Vec<f32>,
    },
    /// `x / n`, rounded once.
    Divide(u32),
    /// An activation function with its slope.
    Function(Function, f32),
}

impl Map {
    /// Returns the map `x + 0`, which converts integers to reals.
    pub(super) fn same(channels: usize) -> Self {
        Map::Affine {
            scale: vec![1.0; channels],
            shift: vec![0.0; channels],
        }
    }

    /// Returns the map as a step.
    pub(super) fn step(self) -> Step {
        match self {
            Map::Affine { scale, shift } => Step::Affine { scale, shift },
            Map::Divide(by) => Step::Divide { by },
            Map::Function(function, slope) => Step::Function { function, slope },
        }
    }
}

/// An operation after integers that is not a step yet, because it may become part of a threshold.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    Map(Map),
    MaxPool { kernel: usize, stride: usize },
}

/// The integers of a value, and the pending operations after them.
#[derive(Clone, Debug)]
pub(super) struct Integers {
    /// The range of integers of each channel.
    pub ranges: Ranges,
    /// An upper bound of the magnitude of the integers, and of the difference of two integers in a
    /// channel.
    pub reach: usize,
    /// The pending operations, each with its layer.
    pub pending: Vec<(At, Pending)>,
}

/// A layer as messages name it: its number, counted from 1, and its label.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub number: usize,
    pub label: String,
}

/// The form in which a value is stored.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// The bytes of the image.
    Pixels,
    Bits,
    /// The numbers -1 and +1, stored as bits.
    Signs,
    Integers(Integers),
    Reals,
}

/// The origin of a value.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// The image, or the result of a completed stage.
    There(Source),
    /// The result of an open stage, to which steps can still be added.
    Open(Box<Head>),
}

/// An open stage: its product and the steps so far.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub name: String,
    pub inputs: Vec<Source>,
    pub product: Product,
    pub weights: Weights,
    pub steps: Vec<Step>,
}

/// The output of a layer in packed form, made by the methods of [`super::Packer`].
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) shape: Shape,
    pub(super) form: Form,
    pub(super) origin: Origin,
    /// The index of the layer that has this output.
    pub(super) layer: usize,
    /// The index of a layer that flattens the value to the order (channel, height, width), if the
    /// values have not been brought into that order by a step yet.
    pub(super) flat: Option<usize>,
}

impl Packed {
    /// Returns the shape of the layer's output.
    pub fn shape(&self) -> Shape {
        match self.flat {
            Some(_) => Shape::vector(self.shape.len()),
            None => self.shape,
        }
    }

    /// Returns whether the value is stored as bits.
    pub fn is_bits(&self) -> bool {
        self.kind().is_bits()
    }

    /// Returns the kind of the value in a packed network.
    pub(super) fn kind(&self) -> Kind {
        match self.form {
            Form::Pixels => Kind::Pixels,
            Form::Bits => Kind::Bits,
            Form::Signs => Kind::Signs,
            Form::Integers(_) => Kind::Ints,
            Form::Reals => Kind::Reals,
        }
    }

    /// Returns the integers of the value and their pending operations, if it consists of integers;
    /// pixels count as integers.
    pub(super) fn integers(&self) -> Option<Integers> {
        match &self.form {
            Form::Pixels => Some(Integers {
                ranges: Ranges::Same(0, 255),
                reach: 255,
                pending: Vec::new(),
            }),
            Form::Integers(integers) => Some(integers.clone()),
            Form::Bits | Form::Signs | Form::Reals => None,
        }
    }

    /// Returns the integers of the value if it consists of bits, signs, or integers with no pending
    /// operations other than poolings.
    pub(super) fn whole(&self) -> Option<Integers> {
        if self.is_bits() {
            let (low, high) = self.kind().range();
            return Some(Integers {
                ranges: Ranges::Same(low, high),
                reach: (high - low) as usize,
                pending: Vec::new(),
            });
        }
        let is_pool = |p: &(At, Pending)| matches!(p.1, Pending::MaxPool { .. });
        self.integers().filter(|i| i.pending.iter().all(is_pool))
    }
}
