//! A network as data: read from JSON, stored with every run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::estimators::Firing;
use crate::layers::{Activation, Binary, LayerSpec, Shapes};
use crate::tensor::Shape;

use super::pixels::Pixels;
use super::topology::Source;

/// A network: its input and its layers, each of which reads the layer before it or those
/// that it names. The last layer's outputs are the logits of the classes, or it is a loss.
///
/// A text may leave settings out; what is read has them all ([`Self::settle`]), and what
/// is written states each one, so that a record keeps its meaning if a default changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct ModelSpec {
    /// A name for tables and records.
    pub name: String,
    /// The shape of an image.
    pub input: Shape,
    /// What pixels are to the network; taken from the data set where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
    /// The layers in order.
    pub layers: Vec<LayerSpec>,
}

/// A network as a text says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    input: Shape,
    #[serde(default, alias = "normalise")]
    pixels: Option<Pixels>,
    layers: Vec<LayerSpec>,
}

impl From<Written> for ModelSpec {
    fn from(written: Written) -> Self {
        let Written {
            name,
            input,
            pixels,
            layers,
        } = written;
        let mut spec = Self {
            name,
            input,
            pixels,
            layers,
        };
        spec.settle();
        spec
    }
}

impl ModelSpec {
    /// Fills in what a layer leaves to another of its settings: the probability function of a binary unit
    /// is its estimator's own, the stride of a pool its window's side. The probability function of an
    /// estimator that is not known stays open.
    pub fn settle(&mut self) {
        self.layers.iter_mut().for_each(LayerSpec::settle);
    }

    /// The layer whose outputs are the logits of the classes: the last one, or where that
    /// is a loss the one that the first loss against labels reads.
    ///
    /// # Errors
    /// A spec that describes no network.
    pub fn logits(&self) -> Result<Option<usize>> {
        let Some(last) = self.layers.len().checked_sub(1) else {
            return Ok(None);
        };
        if !self.layers[last].layer().is_loss() {
            return Ok(Some(last));
        }
        let inputs = self.topology()?.inputs;
        let mut losses = self.layers.iter().zip(&inputs);
        let logits = losses.find(|(layer, _)| layer.layer().reads_logits());
        Ok(match logits.and_then(|(_, from)| from.first()) {
            Some(Source::Layer(logits)) => Some(*logits),
            _ => None,
        })
    }

    /// The classes that the network tells apart; 0 where it is no classifier.
    pub fn classes(&self) -> usize {
        let logits = self.logits().ok().flatten();
        let shapes = self.layer_shapes().unwrap_or_default();
        logits.map_or(0, |i| shapes.get(i).map_or(0, |s| s.output.len()))
    }

    /// The shapes around each layer.
    ///
    /// # Errors
    /// A layer that does not fit its inputs.
    pub fn layer_shapes(&self) -> Result<Vec<Shapes>> {
        self.topology()?.shapes(&self.layers, self.input)
    }

    /// Whether the network can be built.
    ///
    /// # Errors
    /// One line that says which layer is wrong and why.
    pub fn check(&self) -> Result<()> {
        /// More numbers in one layer than this would not fit a machine.
        const MAX_NUMBERS: usize = 1 << 31;
        /// A size beyond this in a layer's settings is a slip of the pen.
        const MAX_SETTING: u64 = 1 << 20;
        let fail = |what: String| Err(Error::spec(format!("model {}: {what}", self.name)));
        let sides = [self.input.channels, self.input.height, self.input.width];
        if sides.iter().any(|&s| s == 0 || s > 1 << 16) {
            return fail(format!("an input of {} makes no image", self.input));
        }
        for layer in &self.layers {
            let large = |n: u64| n > MAX_SETTING;
            if layer.settings().values().any(|v| any_number(v, &large)) {
                return fail(format!("layer {} is too large", layer.label()));
            }
        }
        let shapes = self.layer_shapes()?;
        for (layer, shapes) in self.layers.iter().zip(&shapes) {
            let tensors = layer.layer().tensors(&shapes.inputs);
            let all = || tensors.params.iter().chain(&tensors.buffers);
            if shapes.output.len() > MAX_NUMBERS || all().any(|t| t.len() > MAX_NUMBERS) {
                return fail(format!("layer {} is too large", layer.label()));
            }
            if layer.name.is_none() && layer.has_parameters() {
                let kind = layer.layer().kind();
                return fail(format!(
                    "a layer of type {kind} has parameters, so it needs a name"
                ));
            }
        }
        let (Some(last), Some(shape)) = (self.layers.last(), shapes.last()) else {
            return fail("there are no layers".into());
        };
        self.check_logits(&shapes)?;
        if last.layer().is_loss() && shape.output.len() != 1 {
            return fail("its loss must be one number a row".into());
        }
        let bits = self.makes_bits().last().copied().unwrap_or(false);
        if !last.layer().is_loss()
            && (shape.output.pixels() != 1 || bits || last.is::<Activation>())
        {
            return fail("the last layer must be linear, one output for each class".into());
        }
        self.check_estimators()?;
        self.check_pixels()
    }

    /// Whether all losses against labels tell the same classes apart, and read a layer.
    fn check_logits(&self, shapes: &[Shapes]) -> Result<()> {
        let fail = |what: String| Err(Error::spec(format!("model {}: {what}", self.name)));
        let classes = |(layer, shapes): (&LayerSpec, &Shapes)| {
            layer.layer().reads_logits().then(|| shapes.input().len())
        };
        let mut classes = self.layers.iter().zip(shapes).filter_map(classes);
        let first = classes.next();
        if let Some(other) = classes.find(|other| Some(*other) != first) {
            return fail(format!(
                "its losses tell {} and {other} classes apart; the labels of a batch are the same for all",
                first.unwrap_or(0)
            ));
        }
        let inputs = self.topology()?.inputs;
        let reads_images = |(layer, from): &(&LayerSpec, &Vec<Source>)| {
            layer.layer().reads_logits() && from.first() == Some(&Source::Input)
        };
        if let Some((loss, _)) = self.layers.iter().zip(&inputs).find(reads_images) {
            let name = loss.label();
            return fail(format!(
                "layer {name}: it takes the images for logits; name a layer as its input"
            ));
        }
        Ok(())
    }

    /// For each layer, whether its output is bits.
    pub fn makes_bits(&self) -> Vec<bool> {
        let Ok(topology) = self.topology() else {
            return vec![false; self.layers.len()];
        };
        let mut bits: Vec<bool> = Vec::new();
        for (layer, from) in self.layers.iter().zip(&topology.inputs) {
            let of = |source: &Source| matches!(source, Source::Layer(j) if bits[*j]);
            let inputs: Vec<bool> = from.iter().map(of).collect();
            bits.push(layer.layer().makes_bits(&inputs));
        }
        bits
    }

    /// Whether any layer draws random numbers in evaluation.
    pub fn is_stochastic(&self) -> bool {
        let mut binary = self.layers.iter().filter_map(LayerSpec::get::<Binary>);
        binary.any(|unit| unit.mode == Firing::Stochastic)
    }

    /// Whether any layer is a binary unit.
    pub fn is_binary(&self) -> bool {
        self.layers.iter().any(LayerSpec::is::<Binary>)
    }
}

/// Whether a whole number within a setting is such a one.
fn any_number(setting: &Value, is: &impl Fn(u64) -> bool) -> bool {
    match setting {
        Value::Array(all) => all.iter().any(|v| any_number(v, is)),
        Value::Object(all) => all.values().any(|v| any_number(v, is)),
        other => other.as_u64().is_some_and(is),
    }
}
