//! Packing: conversion of a trained network to a [`PackedNet`] (floor 3). Each layer implements in
//! its own file how it is packed (`Layer::pack`); this module has no code for particular layers.
//!
//! Layers become [`Stage`]s: a product (a sum over weights, or a join of values) and the steps that
//! follow it. With binary weights and an input of bits, signs or pixels, a sum is an integer, and
//! the operations between the sum and the binary unit (scale, bias, batch norm, activation) are,
//! for each channel, one function of that integer. These operations are pending until the unit is
//! packed. Then their composition, with the roundings of the trained network, is evaluated at
//! *every* integer that can occur:
//!
//! - The unit's bit must change at most once as the integer grows. The integer at which it changes
//!   is the threshold, and the bit is inverted if it changes from 1 to 0 (a negative γ). If it
//!   never changes (γ = 0), the bit is a constant.
//! - The function up to each max-pool must be monotone. The pool takes the largest value, which
//!   belongs to the largest integer if the function increases and to the smallest if it decreases.
//!   The bit of the largest integer is the OR of the bits if the bit increases with the integer,
//!   else the AND. So batch norm before the pool gives an OR for any sign of γ; batch norm after
//!   the pool gives an OR for γ > 0 and an AND for γ < 0.
//!
//! A channel for which this does not hold is refused. Each channel is verified by trying all
//! integers, and not by algebra.
//!
//! **Joins.** Integers (bits, pixels, sums without a pending function) are added as integers, and
//! average pooling of integers is their sum divided once; in both cases a threshold over the
//! integer sum is possible. Other numbers are joined as reals, by the float operations of the
//! trained network in the same order.

mod joins;
mod scan;
mod steps;
mod unit;
mod value;

pub use unit::Draw;
pub use value::{Map, Packed};

use crate::error::{Error, Result};
use crate::packed::{PackedNet, Pixels, Product, Ranges, Source, Stage, Weights};
use crate::tape::{Entry, Params};
use crate::tensor::Shape;
use scan::Scan;
use value::{At, Form, Head, Integers, Origin, Pending};

/// The bound (2^24) below which integers are exact in 32-bit floats.
const INEXACT: usize = 1 << 24;

/// Packs the layers of a network one after another and collects the stages.
pub struct Packer<'a> {
    params: &'a Params,
    slope: f32,
    /// The layer that is being packed: its index, its label, the prefix of its tensors' names, and
    /// its index in the key of the noise.
    index: usize,
    label: String,
    noise: usize,
    stages: Vec<Stage>,
}

impl<'a> Packer<'a> {
    /// Makes a packer for layers with the parameters `params`. `slope` is the slope of activation
    /// and probability functions.
    pub fn new(params: &'a Params, slope: f32) -> Self {
        Self {
            params,
            slope,
            index: 0,
            label: String::new(),
            noise: 0,
            stages: Vec::new(),
        }
    }

    /// Returns the input image, of that shape, as a packed value.
    pub fn image(&self, shape: Shape, pixels: &Pixels) -> Packed {
        Packed {
            shape,
            form: match pixels {
                Pixels::Raw => Form::Pixels,
                Pixels::Normalised { .. } => Form::Reals,
            },
            origin: Origin::There(Source::Image),
            layer: 0,
            flat: None,
        }
    }

    /// Starts the packing of layer `index`; `noise` is its index in the key of the noise.
    pub fn begin(&mut self, index: usize, label: &str, noise: usize) {
        (self.index, self.noise) = (index, noise);
        self.label = label.into();
    }

    /// Ends the packing of a layer: returns its output in a form that `readers` layers can read.
    pub fn end(&mut self, mut made: Packed, readers: usize) -> Packed {
        if made.flat.is_none() {
            made.layer = self.index;
        }
        match readers {
            0 | 1 => made,
            _ => self.share(made),
        }
    }

    /// Makes the network that ends in `logits`, or in the embedding of a few-shot network, whose
    /// bits come out as real numbers.
    ///
    /// # Errors
    /// As [`PackedNet::new`].
    pub fn finish(
        mut self,
        name: &str,
        input: Shape,
        pixels: Pixels,
        logits: &Packed,
    ) -> Result<PackedNet> {
        let mut logits = self.unflatten(logits);
        if logits.is_bits() {
            // The mean of each bit alone: the bit as a real number.
            logits = self.avg_pool(&logits, ((1, 1), 1));
        }
        let logits = self.reals(&logits);
        let is_image = matches!(logits.origin, Origin::There(Source::Image));
        let logits = if is_image { self.open(logits) } else { logits };
        self.close(logits);
        PackedNet::new(name.into(), input, pixels, self.stages)
    }

    /// Returns the slope of activation and probability functions.
    pub fn slope(&self) -> f32 {
        self.slope
    }

    /// Returns an error that names the layer that is being packed.
    pub fn refuse(&self, what: impl std::fmt::Display) -> Error {
        self.refuse_at(&self.here(), what)
    }

    /// Checks that the scale and shift of all channels are finite.
    ///
    /// # Errors
    /// An error that names the first channel whose scale or shift is not finite.
    pub fn finite(&self, scale: &[f32], shift: &[f32]) -> Result<()> {
        let finite = |c: &usize| scale[*c].is_finite() && shift[*c].is_finite();
        match (0..scale.len()).find(|c| !finite(c)) {
            Some(c) => Err(self.refuse(format!("channel {c} has no finite scale and shift"))),
            None => Ok(()),
        }
    }

    fn refuse_at(&self, at: &At, what: impl std::fmt::Display) -> Error {
        let At { number, label } = at;
        Error::spec(format!("layer {number} ({label}) cannot be packed: {what}"))
    }

    fn here(&self) -> At {
        At {
            number: self.index + 1,
            label: self.label.clone(),
        }
    }

    /// Returns the layer's parameter of that name.
    ///
    /// # Errors
    /// If the layer has no such parameter.
    pub fn param(&self, what: &str) -> Result<&'a [f32]> {
        let entry = self.find(self.params.entries(), what)?;
        Ok(&self.params.values()[entry.span.clone()])
    }

    /// Returns the layer's buffer of that name (such as a running mean).
    ///
    /// # Errors
    /// If the layer has no such buffer.
    pub fn buffer(&self, what: &str) -> Result<&'a [f32]> {
        let entry = self.find(self.params.buffer_entries(), what)?;
        Ok(&self.params.buffer_values()[entry.span.clone()])
    }

    fn find(&self, entries: &'a [Entry], what: &str) -> Result<&'a Entry> {
        let name = format!("{}.{what}", self.label);
        let missing = || Error::spec(format!("the network has no tensor {name}"));
        entries.iter().find(|e| e.name == name).ok_or_else(missing)
    }

    /// Packs a sum over real weights: `values` have the shape (out, inputs), the bias (out).
    pub fn real_sum(
        &mut self,
        x: &Packed,
        (product, shape): (Product, Shape),
        values: Vec<f32>,
        bias: Vec<f32>,
    ) -> Packed {
        let x = self.readable(x, product);
        self.sum(x, (product, shape), Weights::Real { values, bias })
    }

    /// Packs a sum over binary weights, `words` as in [`Weights::Binary`], and the operations that
    /// follow it in the same layer.
    ///
    /// # Errors
    /// If the sums may be inexact in 32-bit floats, or are too many to be tried.
    pub fn binary_sum(
        &mut self,
        x: &Packed,
        (product, shape): (Product, Shape),
        words: Vec<u64>,
        after: Option<Map>,
    ) -> Result<Packed> {
        let x = self.readable(x, product);
        let depth = product.depth(x.shape);
        let (low, high) = match &x.form {
            Form::Pixels | Form::Bits | Form::Signs => product.meets(x.kind()),
            Form::Integers(_) | Form::Reals => {
                let made = self.sum(x, (product, shape), Weights::Binary { words });
                return match after {
                    Some(map) => self.map(&made, map),
                    None => Ok(made),
                };
            }
        };
        let reach = depth.saturating_mul((high - low) as usize);
        Scan::check(reach, shape.channels).map_err(|what| self.refuse(what))?;
        let ranges = Ranges::of_sums(&words, depth, (low, high));
        let mut made = self.sum(x, (product, shape), Weights::Binary { words });
        made.form = Form::Integers(Integers {
            ranges,
            reach,
            pending: after
                .map(|map| (self.here(), Pending::Map(map)))
                .into_iter()
                .collect(),
        });
        Ok(made)
    }

    /// Returns the value in the order in which a product reads it: a linear layer reads an image as
    /// a vector in the order (channel, height, width).
    fn readable(&self, x: &Packed, product: Product) -> Packed {
        match product {
            Product::Linear { .. } => x.clone(),
            _ => self.unflatten(x),
        }
    }

    fn sum(&mut self, x: Packed, (product, shape): (Product, Shape), weights: Weights) -> Packed {
        let x = match x.form {
            Form::Integers(_) => self.reals(&x),
            _ => x,
        };
        let source = self.close(x);
        self.begun(product, weights, vec![source], (shape, Form::Reals))
    }

    /// Returns a value whose stage begins with that product and is still open.
    fn begun(
        &self,
        product: Product,
        weights: Weights,
        inputs: Vec<Source>,
        (shape, form): (Shape, Form),
    ) -> Packed {
        let name = match inputs[..] {
            [Source::Image] if product == Product::Input => "input".into(),
            _ => self.label.clone(),
        };
        let head = Head {
            name,
            inputs,
            product,
            weights,
            steps: Vec::new(),
        };
        Packed {
            shape,
            form,
            origin: Origin::Open(Box::new(head)),
            layer: self.index,
            flat: None,
        }
    }

    /// Returns the value as the result of an open stage, to which steps can be added.
    fn open(&self, mut x: Packed) -> Packed {
        if let Origin::There(source) = x.origin {
            let form = (x.shape, x.form.clone());
            let made = self.begun(Product::Input, Weights::None, vec![source], form);
            x.origin = made.origin;
        }
        if let Form::Pixels = x.form
            && let Some(integers) = x.integers()
        {
            x.form = Form::Integers(integers);
        }
        x
    }

    /// Completes the stage that makes the value, without its pending operations, if it is still
    /// open; returns the source from which the value is read.
    fn close(&mut self, x: Packed) -> Source {
        let head = match x.origin {
            Origin::There(source) => return source,
            Origin::Open(head) => *head,
        };
        let number = self.stages.len();
        // The source is omitted if it is the default.
        let usual = match number {
            0 => Source::Image,
            _ => Source::Stage(number - 1),
        };
        self.stages.push(Stage {
            name: head.name,
            layer: x.layer,
            inputs: if head.inputs == [usual] {
                Vec::new()
            } else {
                head.inputs
            },
            product: head.product,
            weights: head.weights,
            tail: head.steps,
        });
        Source::Stage(number)
    }

    /// Prepares a value for several readers: its stage is completed once, and each reader applies
    /// the pending operations.
    fn share(&mut self, x: Packed) -> Packed {
        let source = self.close(x.clone());
        Packed {
            origin: Origin::There(source),
            ..x
        }
    }
}
