//! How much memory a network takes, before any of it is reserved: a file of a hundred
//! bytes can describe a network that no machine holds.

use super::spec::ModelSpec;
use crate::bounded;
use crate::error::{Error, Result};
use crate::layers::product;

impl ModelSpec {
    /// Bytes of a network that [`Self::check`] accepts, for batches of that many images,
    /// each of which has `rows` rows from the first binary unit on. A bound from
    /// above that counts every row as if it were there from the first layer on;
    /// `training` adds gradients and an optimiser's moments.
    ///
    /// # Errors
    /// A spec that describes no network.
    pub fn memory(&self, batch: usize, rows: usize, training: bool) -> Result<u64> {
        let rows = batch.saturating_mul(rows);
        let mut numbers = product(&[rows as u64, self.input.len() as u64]);
        for (layer, shapes) in self.layers.iter().zip(self.layer_shapes()?) {
            let of_layer = layer.layer().memory(&shapes, rows, training);
            numbers = numbers.saturating_add(of_layer);
        }
        Ok(numbers.saturating_mul(4))
    }

    /// Whether the machine has the memory for it.
    ///
    /// # Errors
    /// One line with both figures, where the system tells how much is free.
    pub(super) fn check_memory(&self, batch: usize, rows: usize, training: bool) -> Result<()> {
        let needed = self.memory(batch, rows, training)?;
        match bounded::lacking(needed) {
            Some(free) => Err(Error::spec(format!(
                "model {} takes up to {} MiB for batches of {batch}, and {} MiB of memory are free; choose a smaller batch or a smaller model",
                self.name,
                needed >> 20,
                free >> 20
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Conv;
    use crate::model::preset;
    use crate::tensor::Shape;

    #[test]
    fn giants_are_refused_and_presets_are_not() {
        let mut spec = preset("seed-net", Shape::image(1, 28, 28), 10).unwrap();
        let small = spec.memory(64, 1, true).unwrap();
        assert!(small < 100 << 20, "{small}");
        assert!(spec.memory(64, 16, true).unwrap() > small);
        assert!(spec.memory(1, 1, false).unwrap() < spec.memory(1, 1, true).unwrap());
        spec.check_memory(64, 1, true).unwrap();
        assert_eq!(spec.memory(usize::MAX, 9, true).unwrap(), u64::MAX);
        assert!(spec.layers[0].update::<Conv>(|conv| conv.out = 1 << 20));
        spec.check().unwrap();
        if bounded::memory().is_some() {
            let error = spec.check_memory(1 << 20, 1, false).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("MiB of memory are free"), "{error}");
        }
    }
}
