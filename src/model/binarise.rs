//! From real to binary weights and back, as a change of the spec.

use std::collections::{HashMap, HashSet};

use super::spec::ModelSpec;
use crate::layers::{BatchNorm, Conv, LayerSpec, Linear, MaxPool, Weights};

impl ModelSpec {
    /// Gives every convolution and linear layer weights of that kind.
    ///
    /// Binary weights make integer sums of any size, so each such layer is
    /// followed by a batch norm (after the pool, where there is one): where the
    /// spec has none, the batch norm `{layer}_bn` is put in, the last one giving
    /// the logits. A bias before a batch norm is without effect, and is taken
    /// out. Pixels stay integers where the first layer's weights are binary.
    /// Whatever read the layer reads its batch norm then; a layer that others read by its
    /// name is normed in front of its pool, so that they read normed numbers as well.
    /// Turning back to real weights takes out no batch norm and puts in no bias.
    ///
    /// The name says so where the weights change: it is another network.
    pub fn set_weights(&mut self, kind: Weights) {
        if self
            .layers
            .iter()
            .any(|l| l.layer().weights().is_some_and(|w| w != kind))
        {
            let (other, suffix) = match kind {
                Weights::Real => ("-binary-weights", "-real-weights"),
                Weights::Binary => ("-real-weights", "-binary-weights"),
            };
            self.name = match self.name.strip_suffix(other) {
                Some(name) => name.into(),
                None => format!("{}{suffix}", self.name),
            };
        }
        let before = self.binary_first().is_some();
        let (by_name, normed) = self.read_by_name();
        let mut moved: HashMap<String, String> = HashMap::new();
        let mut layers: Vec<LayerSpec> = Vec::new();
        let mut rest = std::mem::take(&mut self.layers).into_iter().peekable();
        while let Some(mut layer) = rest.next() {
            let Some(name) = set_weights(&mut layer, kind) else {
                layers.push(layer);
                continue;
            };
            layers.push(layer);
            if kind.is_real() {
                continue;
            }
            let is_read =
                |layer: &LayerSpec| layer.name.as_ref().is_some_and(|n| by_name.contains(n));
            let leads_on = |l: &LayerSpec| l.is::<MaxPool>() && l.inputs.is_empty();
            while !layers.last().is_some_and(is_read)
                && let Some(pool) = rest.next_if(leads_on)
            {
                layers.push(pool);
            }
            let last = layers.last().and_then(|l| l.name.clone());
            let follows = |l: &LayerSpec| l.is::<BatchNorm>() && l.inputs.is_empty();
            if rest.peek().is_some_and(follows) || last.as_ref().is_some_and(|n| normed.contains(n))
            {
                continue;
            }
            let norm = format!("{name}_bn");
            moved.extend(last.map(|last| (last, norm.clone())));
            layers.push(LayerSpec::named(norm, BatchNorm::default()));
        }
        for input in layers.iter_mut().flat_map(|layer| &mut layer.inputs) {
            if let Some(norm) = moved.get(input) {
                input.clone_from(norm);
            }
        }
        self.layers = layers;
        if self.binary_first().is_some() != before {
            self.pixels = None;
        }
    }

    /// The names that layers read by name, and those that batch norms read so.
    fn read_by_name(&self) -> (HashSet<String>, HashSet<String>) {
        let of = |norms: bool| {
            let layers = self.layers.iter().filter(|l| l.is::<BatchNorm>() == norms);
            layers.flat_map(|l| l.inputs.iter().cloned()).collect()
        };
        (of(false), of(true))
    }

    /// Whether any layer's weights are binary.
    pub fn has_binary_weights(&self) -> bool {
        self.layers.iter().any(LayerSpec::has_binary_weights)
    }
}

/// Sets the kind of weights; the name of a layer that has any.
fn set_weights(layer: &mut LayerSpec, kind: Weights) -> Option<String> {
    let change = |bias: &mut bool, weights: &mut Weights, scale: &mut bool| {
        *weights = kind;
        match kind {
            Weights::Binary => *bias = false,
            Weights::Real => *scale = false,
        }
    };
    let conv = layer.update::<Conv>(|l| change(&mut l.bias, &mut l.weights, &mut l.scale));
    let linear = layer.update::<Linear>(|l| change(&mut l.bias, &mut l.weights, &mut l.scale));
    (conv || linear).then(|| layer.label().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use crate::tensor::Shape;

    fn labels(spec: &ModelSpec) -> Vec<&str> {
        spec.layers.iter().map(LayerSpec::label).collect()
    }

    #[test]
    fn every_binary_layer_gets_its_batch_norm_and_no_bias() {
        let image = Shape::image(1, 28, 28);
        let mut mlp = preset("mlp", image, 10).unwrap();
        mlp.set_weights(Weights::Binary);
        let expected = ["fc1", "fc1_bn", "hard_sigmoid", "fc2", "fc2_bn"];
        assert_eq!(labels(&mlp), expected);
        let mut net = preset("seed-net", image, 10).unwrap();
        net.set_weights(Weights::Binary);
        net.check().unwrap();
        assert_eq!(labels(&net)[7..], ["hard_sigmoid", "fc", "fc_bn"]);
        assert!(net.has_binary_weights() && net.binary_first() == Some("conv1"));
        for layer in &net.layers {
            assert!(!layer.get::<Conv>().is_some_and(|l| l.bias));
            assert!(!layer.get::<Linear>().is_some_and(|l| l.bias));
        }
        assert_eq!(net.name, "seed-net-binary-weights");
        let once = net.clone();
        net.set_weights(Weights::Binary);
        assert_eq!(net, once);
        net.set_weights(Weights::Real);
        assert!(!net.has_binary_weights() && net.check().is_ok());
        assert_eq!(net.name, "seed-net");
    }

    #[test]
    fn whatever_reads_a_layer_by_its_name_reads_its_batch_norm() {
        let text = r#"{"name": "g", "input": {"channels": 1, "height": 8, "width": 8}, "layers": [
            {"type": "conv", "name": "a", "out": 4, "kernel": 3, "padding": 1},
            {"type": "max_pool", "name": "p", "kernel": 2},
            {"type": "binary", "mode": "det"},
            {"type": "conv", "name": "b", "out": 4, "kernel": 3, "padding": 1},
            {"type": "add", "name": "sum", "inputs": ["b", "p"]},
            {"type": "max_pool", "name": "q", "kernel": 2, "inputs": ["a"]},
            {"type": "add", "name": "all", "inputs": ["sum", "q"]},
            {"type": "linear", "name": "fc", "out": 10}]}"#;
        let mut net: ModelSpec = serde_json::from_str(text).unwrap();
        net.set_weights(Weights::Binary);
        net.check().unwrap();
        let names = [
            "a", "a_bn", "p", "binary", "b", "b_bn", "sum", "q", "all", "fc", "fc_bn",
        ];
        assert_eq!(labels(&net), names);
        assert_eq!(net.layers[6].inputs, ["b_bn", "p"]);
        assert_eq!(net.layers[7].inputs, ["a_bn"]);
        let once = net.clone();
        net.set_weights(Weights::Binary);
        assert_eq!(net, once);
    }
}
