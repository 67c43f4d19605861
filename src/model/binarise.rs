//! From real to binary weights and back, as a change of the spec.

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
        let mut layers = Vec::new();
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
            while let Some(pool) = rest.next_if(LayerSpec::is::<MaxPool>) {
                layers.push(pool);
            }
            if !rest.peek().is_some_and(LayerSpec::is::<BatchNorm>) {
                layers.push(LayerSpec::named(format!("{name}_bn"), BatchNorm::default()));
            }
        }
        self.layers = layers;
        if self.binary_first().is_some() != before {
            self.pixels = None;
        }
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
}
