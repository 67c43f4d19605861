//! Which layer of a network reads which, found by the names in its spec.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::layers::{LayerSpec, Shapes};
use crate::tensor::Shape;

/// The name by which layers call the images that enter the network.
pub const INPUT: &str = "input";

/// Layers that a network has at most: what depends on what is listed for each.
const MAX_LAYERS: usize = 4096;

/// Where an input of a layer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The images.
    Input,
    /// The output of the layer of that number.
    Layer(usize),
}

/// Which layer of a network reads which, found by the names in its spec.
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
        if layers.len() > MAX_LAYERS {
            return Err(Error::spec(format!(
                "{} layers are too many; the limit is {MAX_LAYERS}",
                layers.len()
            )));
        }
        let mut inputs: Vec<Vec<Source>> = Vec::new();
        let mut readers = vec![0; layers.len()];
        let mut named = HashMap::from([(INPUT, Source::Input)]);
        for (i, layer) in layers.iter().enumerate() {
            let fail = |what: String| Error::spec(format!("layer {}: {what}", layer.label()));
            let arity = layer.layer().arity();
            let mut from = Vec::new();
            for name in &layer.inputs {
                from.push(named.get(&**name).copied().ok_or_else(|| {
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
            if let Some(name) = layer.name.as_deref()
                && (name.is_empty() || named.insert(name, Source::Layer(i)).is_some())
            {
                return Err(Error::spec(format!(
                    "the layer name `{name}` is empty, used twice, or the input's"
                )));
            }
        }
        let before_last = layers.len().saturating_sub(1);
        if let Some(dead) = readers[..before_last].iter().position(|&n| n == 0) {
            let label = layers[dead].label();
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

    /// For each layer, the numbers of those layers below it, however far, that it depends on
    /// and for which `is` holds.
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
    pub(crate) fn leads_on(&self, i: usize) -> bool {
        self.readers[i] == 1
            && self
                .inputs
                .get(i + 1)
                .is_some_and(|s| s == &[Source::Layer(i)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;

    fn spec(layers: &str) -> ModelSpec {
        let text = format!(
            r#"{{"name": "t", "input": {{"channels": 1, "height": 2, "width": 2}}, "layers": [{layers}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn names_lead_to_layers_and_their_absence_to_the_one_before() {
        let spec = spec(
            r#"{"type": "linear", "name": "a", "out": 3},
               {"type": "linear", "name": "b", "out": 3, "inputs": ["input"]},
               {"type": "binary", "mode": "det"},
               {"type": "add", "inputs": ["b", "a"]}, {"type": "concat", "inputs": ["a", "a"]}"#,
        );
        // The last but one, an addition, is read by no layer.
        let error = spec.topology().unwrap_err().to_string();
        assert!(error.contains("layer binary: no layer reads"), "{error}");
        let mut sound = spec;
        sound.layers[2].name = Some("h".into());
        sound.layers[3].name = Some("sum".into());
        sound.layers[4].inputs = vec!["h".into(), "sum".into()];
        let topology = sound.topology().unwrap();
        let layer = Source::Layer;
        assert_eq!(topology.inputs[0], [Source::Input]);
        assert_eq!(topology.inputs[2], [layer(1)]);
        assert_eq!(topology.inputs[4], [layer(2), layer(3)]);
        assert_eq!(topology.readers, [1, 2, 1, 1, 0]);
        // Layer 1 is read twice, layers 0, 2 and 3 by another than the next or not alone.
        assert!(!(0..5).any(|i| topology.leads_on(i)));
        let chain = Topology::of(&sound.layers[1..3]).unwrap();
        assert!(chain.leads_on(0) && !chain.leads_on(1));
        assert_eq!(
            topology.below(|i| i == 1),
            [vec![], vec![], vec![1], vec![1], vec![1]]
        );
    }

    #[test]
    fn what_makes_no_network_is_refused_by_the_layer_at_fault() {
        let linear = r#"{"type": "linear", "name": "a", "out": 3}"#;
        for (layers, words) in [
            (
                r#"{"type": "linear", "name": "z", "out": 3, "inputs": ["a"]}"#,
                "layer z: its input `a`",
            ),
            (
                r#"{"type": "linear", "name": "input", "out": 3}"#,
                "name `input`",
            ),
            (
                r#"{"type": "add"}"#,
                "layer add: it takes at least 2 inputs, not 1",
            ),
            (
                r#"{"type": "linear", "name": "z", "out": 3, "inputs": ["input", "input"]}"#,
                "layer z: it takes 1 inputs, not 2",
            ),
        ] {
            let error = spec(layers).topology().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let twice = spec(&format!("{linear}, {linear}")).topology().unwrap_err();
        assert!(twice.to_string().contains("name `a` is empty, used twice"));
        let dead = format!(
            r#"{linear}, {{"type": "linear", "name": "b", "out": 3, "inputs": ["input"]}},
            {{"type": "linear", "name": "c", "out": 3}}, {{"type": "linear", "name": "d", "out": 3}}"#
        );
        let error = spec(&dead).topology().unwrap_err().to_string();
        assert!(error.contains("layer a: no layer reads"), "{error}");
        let many = vec![r#"{"type": "flatten"}"#; MAX_LAYERS + 1].join(",");
        let error = spec(&many).topology().unwrap_err().to_string();
        assert!(error.contains("4097 layers are too many"), "{error}");
    }
}
