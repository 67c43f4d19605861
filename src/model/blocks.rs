//! The blocks of a network: a convolution or a linear layer, and what follows it place by
//! place. And how a layer is found by what a person calls it.

use super::spec::ModelSpec;
use super::topology::{Source, Topology};
use crate::error::{Error, Result};
use crate::layers::{Conv, LayerSpec, Linear, Sight};

/// A convolution or a linear layer, and the batch norms, activations, units and pools behind
/// it that nothing else reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The name of its first layer.
    pub name: String,
    /// The number of its first layer.
    pub first: usize,
    /// The number of its last layer, whose output is what the block hands on.
    pub last: usize,
}

impl ModelSpec {
    /// The blocks, in the order of their first layers. The layer of the logits is none.
    ///
    /// # Errors
    /// A spec that describes no network.
    pub fn blocks(&self) -> Result<Vec<Block>> {
        let (topology, logits) = (self.topology()?, self.logits()?);
        let starts = |i: &usize| self.layers[*i].is::<Conv>() || self.layers[*i].is::<Linear>();
        let blocks = (0..self.layers.len()).filter(starts).map(|first| Block {
            name: self.layers[first].label().into(),
            first,
            last: self.end_of_block(&topology, first),
        });
        Ok(blocks.filter(|b| Some(b.last) != logits).collect())
    }

    /// The last layer of the block that begins with `first`.
    fn end_of_block(&self, topology: &Topology, first: usize) -> usize {
        let mut last = first;
        while topology.readers[last] == 1 {
            let reads = |from: &Vec<Source>| from.contains(&Source::Layer(last));
            let Some(next) = topology.inputs.iter().position(reads) else {
                break;
            };
            let follows = match self.layers[next].layer().sight() {
                Sight::Place => true,
                Sight::Window { own_channel, .. } => own_channel,
                Sight::Joined | Sight::Flattened | Sight::Whole => false,
            };
            if topology.inputs[next].len() > 1 || !follows {
                break;
            }
            last = next;
        }
        last
    }

    /// Of every layer, how many convolutions and linear layers the longest way from an input to
    /// its output leads through, itself included: layers of several networks that are of one depth
    /// stand at the same place.
    ///
    /// # Errors
    /// A spec that describes no network.
    pub fn depths(&self) -> Result<Vec<usize>> {
        let topology = self.topology()?;
        let mut depths: Vec<usize> = Vec::with_capacity(self.layers.len());
        for (layer, inputs) in self.layers.iter().zip(&topology.inputs) {
            let below = inputs.iter().map(|source| match source {
                Source::Input => 0,
                Source::Layer(j) => depths[*j],
            });
            let own = usize::from(layer.is::<Conv>() || layer.is::<Linear>());
            depths.push(below.max().unwrap_or(0) + own);
        }
        Ok(depths)
    }

    /// The number of the layer that `text` names: its name, its kind where that is the only
    /// one, or its position from 1.
    ///
    /// # Errors
    /// One line with the layers that there are, or with the positions of those of that kind.
    pub fn find_layer(&self, text: &str) -> Result<usize> {
        let is_named = |l: &LayerSpec| l.name.as_deref() == Some(text);
        if let Some(i) = self.layers.iter().position(is_named) {
            return Ok(i);
        }
        let alike = (0..self.layers.len()).filter(|&i| self.layers[i].label() == text);
        let alike: Vec<usize> = alike.collect();
        if let [only] = alike[..] {
            return Ok(only);
        }
        let count = self.layers.len();
        let fail = |what: String| Err(Error::spec(format!("model {}: {what}", self.name)));
        if !alike.is_empty() {
            let places: Vec<String> = alike.iter().map(|i| (i + 1).to_string()).collect();
            return fail(format!(
                "{} layers are called {text}; choose one by its position, {}",
                alike.len(),
                places.join(" or ")
            ));
        }
        match text.parse::<usize>() {
            Ok(n) if (1..=count).contains(&n) => Ok(n - 1),
            _ => {
                let labels: Vec<&str> = self.layers.iter().map(LayerSpec::label).collect();
                fail(format!(
                    "there is no layer {text}; choose a position from 1 to {count}, or one of {}",
                    labels.join(", ")
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use crate::tensor::Shape;

    const BRANCHES: &str = r#"{"name": "two", "input": {"channels": 1, "height": 8, "width": 8},
        "layers": [
            {"type": "conv", "name": "a", "out": 2, "kernel": 3, "padding": 1},
            {"type": "activation", "function": "relu"},
            {"type": "max_pool", "name": "real", "kernel": 2},
            {"type": "conv", "name": "b", "out": 3, "kernel": 3, "padding": 1, "inputs": ["input"]},
            {"type": "binary", "mode": "det"},
            {"type": "max_pool", "name": "bits", "kernel": 2},
            {"type": "concat", "name": "both", "inputs": ["real", "bits"]},
            {"type": "flatten"},
            {"type": "linear", "name": "fc", "out": 4}]}"#;

    #[test]
    fn blocks_end_where_another_layer_reads_more_than_their_places() {
        let block = |name: &str, first, last| Block {
            name: name.into(),
            first,
            last,
        };
        let spec: ModelSpec = serde_json::from_str(BRANCHES).unwrap();
        assert_eq!(spec.blocks().unwrap(), [block("a", 0, 2), block("b", 3, 5)]);
        let spec = preset("seed-net", Shape::image(1, 28, 28), 10).unwrap();
        let names = |spec: &ModelSpec| {
            let blocks = spec.blocks().unwrap().into_iter();
            blocks.map(|b| b.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&spec), ["conv1", "conv2"]);
        for block in spec.blocks().unwrap() {
            assert_eq!(spec.layers[block.last].label(), "hard_sigmoid");
        }
        let mlp = preset("mlp", Shape::image(1, 28, 28), 10).unwrap();
        let fc = mlp.layers.iter().filter(|l| l.is::<Linear>()).count();
        assert_eq!(names(&mlp).len(), fc - 1, "the logits are no block");
    }

    #[test]
    fn layers_are_found_by_name_by_kind_and_by_position() {
        let spec: ModelSpec = serde_json::from_str(BRANCHES).unwrap();
        for (text, layer) in [("b", 3), ("relu", 1), ("binary", 4), ("9", 8), ("1", 0)] {
            assert_eq!(spec.find_layer(text).unwrap(), layer, "{text}");
        }
        for text in ["0", "10", "conv9", ""] {
            let error = spec.find_layer(text).unwrap_err().to_string();
            assert!(error.contains("choose a position from 1 to 9"), "{error}");
            assert!(error.contains("a, relu, real, b"), "{error}");
        }
        let net = preset("seed-net", Shape::image(1, 28, 28), 10).unwrap();
        let error = net.find_layer("hard_sigmoid").unwrap_err().to_string();
        assert!(
            error.contains("2 layers are called hard_sigmoid"),
            "{error}"
        );
    }
}
