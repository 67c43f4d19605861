//! Which tensors a network has, out of its spec alone: a file of weights can be compared
//! with the network before any memory is reserved for either.

use super::spec::ModelSpec;
use crate::error::Result;
use crate::layers::Tensors;

impl ModelSpec {
    /// The tensors that [`super::Network::new`] registers for this spec. Nothing of their
    /// size is allocated.
    ///
    /// # Errors
    /// A layer that does not fit its inputs.
    pub fn tensors(&self) -> Result<Tensors> {
        let mut all = Tensors::default();
        for (layer, shapes) in self.layers.iter().zip(self.layer_shapes()?) {
            let name = layer.name.as_deref().unwrap_or_default();
            all.extend_with(name, layer.layer().tensors(&shapes.inputs));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::{Linear, TensorSpec};
    use crate::model::preset;
    use crate::tensor::Shape;

    #[test]
    fn the_tensors_of_a_giant_are_listed_without_its_memory() {
        let mut spec = preset("mlp", Shape::image(1, 28, 28), 10).unwrap();
        spec.input = Shape::image(1, 1 << 16, 1 << 14);
        assert!(spec.layers[0].update::<Linear>(|linear| linear.out = 1 << 20));
        let first = spec.tensors().unwrap().params.remove(0);
        assert_eq!(first.shape, [1 << 20, 1 << 30]);
        assert_eq!((first.len(), first.is_empty()), (1 << 50, false));
        let endless = TensorSpec::new("weight", &[usize::MAX, 2]);
        assert_eq!(endless.len(), usize::MAX);
    }
}
