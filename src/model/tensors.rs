//! Which tensors a network has, out of its spec alone: a file of weights can be compared
//! with the network before any memory is reserved for either.

use super::spec::{LayerSpec, ModelSpec};
use crate::error::Result;

/// Name and shape of a tensor, as [`crate::tape::Entry`] has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// PyTorch's `state_dict` name, e.g. `conv1.weight`.
    pub name: String,
    /// PyTorch's shape, e.g. (16, 1, 5, 5).
    pub shape: Vec<usize>,
}

impl TensorSpec {
    fn new(layer: &str, what: &str, shape: &[usize]) -> Self {
        Self {
            name: format!("{layer}.{what}"),
            shape: shape.to_vec(),
        }
    }

    /// The numbers that it holds; the largest number where they cannot be counted.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |n, &s| n.saturating_mul(s))
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The tensors of a network, in the order in which [`super::Network`] registers them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tensors {
    /// What is trained: [`crate::tape::Params::entries`].
    pub params: Vec<TensorSpec>,
    /// What is saved and not trained: [`crate::tape::Params::buffer_entries`].
    pub buffers: Vec<TensorSpec>,
    /// Names of the counts, a single integer each: [`crate::tape::Params::counters`].
    pub counters: Vec<String>,
}

impl ModelSpec {
    /// The tensors that [`super::Network::new`] registers for this spec. Nothing of their
    /// size is allocated.
    ///
    /// # Errors
    /// A layer that does not fit its input.
    pub fn tensors(&self) -> Result<Tensors> {
        let mut all = Tensors::default();
        for (layer, input) in self.layers.iter().zip(self.shapes()?) {
            match layer {
                LayerSpec::Conv {
                    name,
                    out,
                    kernel,
                    bias,
                    ..
                } => {
                    let shape = [*out, input.channels, *kernel, *kernel];
                    all.params.push(TensorSpec::new(name, "weight", &shape));
                    let bias = bias.then(|| TensorSpec::new(name, "bias", &[*out]));
                    all.params.extend(bias);
                }
                LayerSpec::Linear {
                    name, out, bias, ..
                } => {
                    let shape = [*out, input.len()];
                    all.params.push(TensorSpec::new(name, "weight", &shape));
                    let bias = bias.then(|| TensorSpec::new(name, "bias", &[*out]));
                    all.params.extend(bias);
                }
                LayerSpec::BatchNorm { name, .. } => {
                    let of = |what| TensorSpec::new(name, what, &[input.channels]);
                    all.params.extend([of("weight"), of("bias")]);
                    all.buffers.extend([of("running_mean"), of("running_var")]);
                    all.counters.push(format!("{name}.num_batches_tracked"));
                }
                LayerSpec::MaxPool { .. }
                | LayerSpec::Activation { .. }
                | LayerSpec::Binary { .. } => {}
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use crate::tensor::Shape;

    #[test]
    fn the_tensors_of_a_giant_are_listed_without_its_memory() {
        let mut spec = preset("mlp", Shape::image(1, 28, 28), 10).unwrap();
        spec.input = Shape::image(1, 1 << 16, 1 << 14);
        let LayerSpec::Linear { out, .. } = &mut spec.layers[0] else {
            panic!("the first layer of the mlp is linear");
        };
        *out = 1 << 20;
        let first = spec.tensors().unwrap().params.remove(0);
        assert_eq!(first.shape, [1 << 20, 1 << 30]);
        assert_eq!((first.len(), first.is_empty()), (1 << 50, false));
        let endless = TensorSpec::new("a", "weight", &[usize::MAX, 2]);
        assert_eq!(endless.len(), usize::MAX);
    }
}
