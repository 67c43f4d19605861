//! From real to binary weights and back, as a change of the spec.

use super::spec::{LayerSpec, ModelSpec};
use crate::ops::{Statistics, Weights};

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
            .any(|l| l.weights().is_some_and(|w| w != kind))
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
            let Some(name) = layer.set_weights(kind) else {
                layers.push(layer);
                continue;
            };
            layers.push(layer);
            if kind.is_real() {
                continue;
            }
            while let Some(pool) = rest.next_if(|l| matches!(l, LayerSpec::MaxPool { .. })) {
                layers.push(pool);
            }
            if !matches!(rest.peek(), Some(LayerSpec::BatchNorm { .. })) {
                layers.push(LayerSpec::batch_norm(format!("{name}_bn")));
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

impl LayerSpec {
    /// A batch norm with PyTorch's settings.
    pub fn batch_norm(name: impl Into<String>) -> Self {
        Self::BatchNorm {
            name: name.into(),
            eps: 1e-5,
            momentum: 0.1,
            statistics: Statistics::Batch,
        }
    }

    /// The kind of its weights, where it has any.
    pub fn weights(&self) -> Option<Weights> {
        match self {
            Self::Conv { weights, .. } | Self::Linear { weights, .. } => Some(*weights),
            Self::BatchNorm { .. }
            | Self::MaxPool { .. }
            | Self::Activation { .. }
            | Self::Binary { .. } => None,
        }
    }

    /// Whether it has binary weights.
    pub fn has_binary_weights(&self) -> bool {
        self.weights() == Some(Weights::Binary)
    }

    /// Sets the kind of weights; the name of a layer that has any.
    fn set_weights(&mut self, kind: Weights) -> Option<String> {
        match self {
            Self::Conv {
                name,
                bias,
                weights,
                scale,
                ..
            }
            | Self::Linear {
                name,
                bias,
                weights,
                scale,
                ..
            } => {
                *weights = kind;
                match kind {
                    Weights::Binary => *bias = false,
                    Weights::Real => *scale = false,
                }
                Some(name.clone())
            }
            _ => None,
        }
    }
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
            if let LayerSpec::Conv { bias, .. } | LayerSpec::Linear { bias, .. } = layer {
                assert!(!bias);
            }
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
