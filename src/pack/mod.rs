//! Floor 3: what layers are packed with. Each layer says in its own file how it is packed
//! (`Layer::pack`); this room knows no layer.
//!
//! Layers become [`Stage`]s: a product (a sum over weights, or a join of values) and the
//! steps that follow it. Where the weights are binary and the inputs bits, signs or pixels, a sum
//! is an integer, and what follows it up to the binary unit is, for each channel, a
//! function of that integer: scale, bias, batch norm, activation. It stays pending until
//! the unit comes. Then that very function, with the roundings of the trained graph, is
//! evaluated at *every* integer that can occur:
//!
//! - the unit's bit must change at most once along the integers; where it changes is the
//!   threshold, and whether it falls is its inversion (a negative γ). If it never
//!   changes (γ = 0) the bit is a constant;
//! - the function up to each max-pool must rise or fall all the way. The pool takes the
//!   largest value, so the largest integer if it rises and the smallest if it falls;
//!   and the bit of the largest integer is the OR of the bits if the bit rises with the
//!   integer, else the AND. So batch norm before the pool gives an OR whatever the sign
//!   of γ, and after it an OR for γ > 0, an AND for γ < 0.
//!
//! A channel for which this does not hold is refused: each one is proved by exhaustion,
//! none by algebra.
//!
//! **Joins.** Whole numbers (bits, pixels, sums without a map behind them) add up to whole
//! numbers, and an average pool over whole numbers is their sum, divided once: both stay
//! integers, with a threshold over a sum of sums. Other numbers are joined as reals, by
//! the float operations of the trained graph in its order.

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

/// Where integers stop to be exact in 32-bit floats.
const INEXACT: usize = 1 << 24;

/// Packs the layers of a network one after the other.
pub struct Packer<'a> {
    params: &'a Params,
    slope: f32,
    /// The layer that is packed: its number and label, the prefix of its tensors' names
    /// and its part of the address of its noise.
    index: usize,
    label: String,
    noise: usize,
    stages: Vec<Stage>,
}

impl<'a> Packer<'a> {
    /// A packer of layers with those parameters. `slope` is that of activations and
    /// probabilities.
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

    /// The image of that shape.
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

    /// Goes on to layer `index`.
    pub fn begin(&mut self, index: usize, label: &str, noise: usize) {
        (self.index, self.noise) = (index, noise);
        self.label = label.into();
    }

    /// What the layer made, ready for that many layers that read it.
    pub fn end(&mut self, mut made: Packed, readers: usize) -> Packed {
        if made.flat.is_none() {
            made.layer = self.index;
        }
        match readers {
            0 | 1 => made,
            _ => self.share(made),
        }
    }

    /// The network that ends in `logits`, or in the embedding of a few-shot network, whose
    /// bits come out as the real numbers that they are.
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

    /// The slope of activations and probabilities.
    pub fn slope(&self) -> f32 {
        self.slope
    }

    /// An error about the layer that is packed.
    pub fn refuse(&self, what: impl std::fmt::Display) -> Error {
        self.refuse_at(&self.here(), what)
    }

    /// Whether a map of the channels has finite numbers.
    ///
    /// # Errors
    /// The first channel that has not.
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

    /// The layer's parameter of that name.
    ///
    /// # Errors
    /// A layer without it.
    pub fn param(&self, what: &str) -> Result<&'a [f32]> {
        let entry = self.find(self.params.entries(), what)?;
        Ok(&self.params.values()[entry.span.clone()])
    }

    /// The layer's buffer of that name.
    ///
    /// # Errors
    /// A layer without it.
    pub fn buffer(&self, what: &str) -> Result<&'a [f32]> {
        let entry = self.find(self.params.buffer_entries(), what)?;
        Ok(&self.params.buffer_values()[entry.span.clone()])
    }

    fn find(&self, entries: &'a [Entry], what: &str) -> Result<&'a Entry> {
        let name = format!("{}.{what}", self.label);
        let missing = || Error::spec(format!("the network has no tensor {name}"));
        entries.iter().find(|e| e.name == name).ok_or_else(missing)
    }

    /// A sum over real weights: (out, inputs) and a bias.
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

    /// A sum over binary weights, `words` as in [`Weights::Binary`], and what follows it
    /// in the same layer.
    ///
    /// # Errors
    /// Sums that may not be exact, or are too many to be tried.
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

    /// The value in the order in which a sum reads it: a linear layer reads an image in
    /// the order of its vector.
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

    /// A stage that begins with that product.
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

    /// The value as what a stage makes, to which steps can be added.
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

    /// Writes the stage that makes the value, unless it is there, without what is
    /// pending; where it can be read.
    fn close(&mut self, x: Packed) -> Source {
        let head = match x.origin {
            Origin::There(source) => return source,
            Origin::Open(head) => *head,
        };
        let number = self.stages.len();
        // What a chain reads goes without saying.
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

    /// The value for several readers: it is made once, and what is pending is done by each
    /// of them.
    fn share(&mut self, x: Packed) -> Packed {
        let source = self.close(x.clone());
        Packed {
            origin: Origin::There(source),
            ..x
        }
    }
}
