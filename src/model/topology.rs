//! Which layer of a network reads which, found by the names in its spec.

use super::spec::ModelSpec;
use crate::error::{Error, Result};
use crate::estimators::PlannedUnit;
use crate::layers::{Binary, Conv, LayerSpec, Linear, Shapes};
use crate::tensor::Shape;

/// The name by which layers call the images that enter the network.
pub const INPUT: &str = "input";

/// Where an input of a layer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The images.
    Input,
    /// The output of the layer of that number.
    Layer(usize),
}

/// See the module's page.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The inputs of each layer.
    pub inputs: Vec<Vec<Source>>,
    /// How many layers read each one.
    pub readers: Vec<usize>,
}

impl Topology {
    /// Finds the inputs of each layer.
    ///
    /// # Errors
    /// A name that is no earlier layer's, is used twice, or is the input's; a layer with
    /// too few or too many inputs, or one that no other reads.
    pub fn of(layers: &[LayerSpec]) -> Result<Self> {
        let mut inputs: Vec<Vec<Source>> = Vec::new();
        let mut readers = vec![0; layers.len()];
        for (i, layer) in layers.iter().enumerate() {
            let fail = |what: String| Error::spec(format!("layer {}: {what}", layer.label()));
            if let Some(name) = &layer.name {
                let twice = layers[..i].iter().any(|l| l.name.as_ref() == Some(name));
                if name.is_empty() || name == INPUT || twice {
                    return Err(Error::spec(format!(
                        "the layer name `{name}` is empty, used twice, or the input's"
                    )));
                }
            }
            let arity = layer.layer().arity();
            let mut from = Vec::new();
            for name in &layer.inputs {
                from.push(source(&layers[..i], name).ok_or_else(|| {
                    fail(format!(
                        "its input `{name}` is no layer before it; give that one this name, or use `{INPUT}` for the images"
                    ))
                })?);
            }
            if layer.inputs.is_empty() && *arity.end() > 0 {
                from.push(match i {
                    0 => Source::Input,
                    _ => Source::Layer(i - 1),
                });
            }
            if !arity.contains(&from.len()) {
                let wants = match (*arity.start(), *arity.end()) {
                    (least, most) if least == most => format!("{least}"),
                    (least, usize::MAX) => format!("at least {least}"),
                    (least, most) => format!("{least} to {most}"),
                };
                return Err(fail(format!("it takes {wants} inputs, not {}", from.len())));
            }
            for source in &from {
                if let Source::Layer(j) = source {
                    readers[*j] += 1;
                }
            }
            inputs.push(from);
        }
        let dead = readers.iter().rev().skip(1).rposition(|&n| n == 0);
        if let Some(back) = dead {
            let label = layers[back].label();
            return Err(Error::spec(format!(
                "layer {label}: no layer reads its output; take it out, or name it among the inputs of another"
            )));
        }
        Ok(Self { inputs, readers })
    }

    /// The shapes around each layer.
    ///
    /// # Errors
    /// A layer that does not fit its inputs.
    pub fn shapes(&self, layers: &[LayerSpec], input: Shape) -> Result<Vec<Shapes>> {
        let mut all: Vec<Shapes> = Vec::new();
        for (layer, from) in layers.iter().zip(&self.inputs) {
            let shape = |source: &Source| match source {
                Source::Input => input,
                Source::Layer(j) => all[*j].output,
            };
            let inputs: Vec<Shape> = from.iter().map(shape).collect();
            let output = layer.layer().output(layer.label(), &inputs)?;
            all.push(Shapes { inputs, output });
        }
        Ok(all)
    }

    /// For each layer, the numbers of the layers of which `is` holds that it depends on,
    /// however far below.
    pub fn below(&self, is: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
        let mut all: Vec<Vec<usize>> = Vec::new();
        for from in &self.inputs {
            let mut found = Vec::new();
            for source in from {
                let Source::Layer(j) = source else { continue };
                found.extend(&all[*j]);
                found.extend(is(*j).then_some(*j));
            }
            found.sort_unstable();
            found.dedup();
            all.push(found);
        }
        all
    }

    /// Whether layer `i + 1` reads layer `i`, and no other layer does.
    pub fn leads_on(&self, i: usize) -> bool {
        self.readers[i] == 1
            && self
                .inputs
                .get(i + 1)
                .is_some_and(|s| s == &[Source::Layer(i)])
    }
}

fn source(before: &[LayerSpec], name: &str) -> Option<Source> {
    if name == INPUT {
        return Some(Source::Input);
    }
    let found = before.iter().position(|l| l.name.as_deref() == Some(name));
    found.map(Source::Layer)
}

impl ModelSpec {
    /// Which layer reads which.
    ///
    /// # Errors
    /// As [`Topology::of`].
    pub fn topology(&self) -> Result<Topology> {
        let named = |e: Error| Error::spec(format!("model {}: {e}", self.name));
        Topology::of(&self.layers).map_err(named)
    }

    /// For each layer, the binary layers that it depends on; all empty where the spec's
    /// names make no network.
    pub(super) fn binary_below(&self) -> Vec<Vec<usize>> {
        match self.topology() {
            Ok(topology) => topology.below(|i| self.layers[i].is::<Binary>()),
            Err(_) => vec![Vec::new(); self.layers.len()],
        }
    }

    /// The binary layers as a plan needs them, in the order of the spec.
    ///
    /// # Errors
    /// A spec that describes no network, or an unknown estimator.
    pub fn units(&self) -> Result<Vec<PlannedUnit>> {
        let topology = self.topology()?;
        let shapes = topology.shapes(&self.layers, self.input)?;
        let below = topology.below(|i| self.layers[i].is::<Binary>());
        let keys = self.noise_keys();
        let mut numbers = Vec::new();
        let mut units = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let Some(binary) = layer.get::<Binary>() else {
                continue;
            };
            let number = |layer: &usize| numbers.iter().position(|n| n == layer);
            units.push(PlannedUnit {
                estimator: binary.rule()?,
                len: shapes[i].output.len(),
                noise: keys[i],
                depends_on: below[i].iter().filter_map(number).collect(),
            });
            numbers.push(i);
        }
        Ok(units)
    }

    /// Each layer's part of the address of its noise: its number, where binary weights
    /// with a scale or a bias count twice. How layers are computed together does not
    /// change it.
    pub fn noise_keys(&self) -> Vec<usize> {
        let mut key = 0;
        let mut keys = Vec::new();
        for layer in &self.layers {
            let conv = layer.get::<Conv>().map(Conv::terms);
            let terms = conv.or_else(|| layer.get::<Linear>().map(Linear::terms));
            let twice = |t: crate::layers::Terms| !t.weights.is_real() && (t.bias || t.scale);
            key += usize::from(terms.is_some_and(twice));
            keys.push(key);
            key += 1;
        }
        keys
    }
}
