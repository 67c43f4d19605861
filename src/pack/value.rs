//! A value of a network on its way to being packed.

use crate::packed::{Function, Kind, Product, Ranges, Source, Step, Weights};
use crate::tensor::Shape;

/// A function of each number alone.
#[derive(Clone, Debug)]
pub enum Map {
    /// `x · scale + shift`, for each channel, rounded twice.
    Affine {
        /// One for each channel.
        scale: Vec<f32>,
        /// One for each channel.
        shift: Vec<f32>,
    },
    /// `x / n`, rounded once.
    Divide(u32),
    /// An activation with its slope.
    Function(Function, f32),
}

impl Map {
    /// `x + 0`, which makes a real of an integer.
    pub(super) fn same(channels: usize) -> Self {
        Map::Affine {
            scale: vec![1.0; channels],
            shift: vec![0.0; channels],
        }
    }

    /// The map as a step.
    pub(super) fn step(self) -> Step {
        match self {
            Map::Affine { scale, shift } => Step::Affine { scale, shift },
            Map::Divide(by) => Step::Divide { by },
            Map::Function(function, slope) => Step::Function { function, slope },
        }
    }
}

/// What follows integers and is no step yet: it may become part of a threshold.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    Map(Map),
    MaxPool { kernel: usize, stride: usize },
}

/// Integers, and what follows them.
#[derive(Clone, Debug)]
pub(super) struct Integers {
    /// The integers that each channel can be.
    pub ranges: Ranges,
    /// The largest of their magnitudes and of the distances of two of a channel, at most.
    pub reach: usize,
    /// What follows, each with the layer that it is.
    pub pending: Vec<(At, Pending)>,
}

/// A layer in messages: its number from 1 and its label.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub number: usize,
    pub label: String,
}

/// What a value consists of.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// The bytes of the image.
    Pixels,
    Bits,
    /// The numbers -1 and +1.
    Signs,
    Integers(Integers),
    Reals,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// It is there: the image, or the output of a stage.
    There(Source),
    /// It is what a stage makes that is not written yet.
    Open(Box<Head>),
}

/// The beginning of a stage.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub name: String,
    pub inputs: Vec<Source>,
    pub product: Product,
    pub weights: Weights,
    pub steps: Vec<Step>,
}

/// A layer's output in packed form; [`super::Packer`] makes it.
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) shape: Shape,
    pub(super) form: Form,
    pub(super) origin: Origin,
    /// The layer whose output it is.
    pub(super) layer: usize,
    /// The layer that makes of it the vector of its numbers in the order (channel, height,
    /// width), where no step has brought them into that order yet.
    pub(super) flat: Option<usize>,
}

impl Packed {
    /// The shape of the layer's output.
    pub fn shape(&self) -> Shape {
        match self.flat {
            Some(_) => Shape::vector(self.shape.len()),
            None => self.shape,
        }
    }

    /// Whether it is kept as bits.
    pub(super) fn is_bits(&self) -> bool {
        self.kind().is_bits()
    }

    /// What it consists of, as a packed network says it.
    pub(super) fn kind(&self) -> Kind {
        match self.form {
            Form::Pixels => Kind::Pixels,
            Form::Bits => Kind::Bits,
            Form::Signs => Kind::Signs,
            Form::Integers(_) => Kind::Ints,
            Form::Reals => Kind::Reals,
        }
    }

    /// The integers that it consists of, with what follows them: pixels are integers.
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

    /// The whole numbers that it consists of: bits, signs, or integers that nothing but
    /// pools follows.
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
