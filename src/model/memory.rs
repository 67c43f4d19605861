//! How much memory a network takes, before any of it is reserved: a file of a hundred
//! bytes can describe a network that no machine holds.

use super::spec::{LayerSpec, ModelSpec};
use crate::bounded;
use crate::error::{Error, Result};
use crate::kernels::gemm::prefer_matrixmultiply;
use crate::tape::Rows;

/// Columns that the kernels' panels of weights are rounded up to, at most.
const PANEL: u64 = 64;

impl ModelSpec {
    /// Bytes of a network that [`Self::check`] accepts, for batches of that many images,
    /// each of which has `rows` rows from the first binary unit on. A bound from
    /// above that counts every row as if it were there from the first layer on;
    /// `training` adds adjoints and an optimiser's moments.
    ///
    /// # Errors
    /// A spec that describes no network.
    pub fn memory(&self, batch: usize, rows: usize, training: bool) -> Result<u64> {
        let rows = batch.saturating_mul(rows);
        let slots = Rows::chunks_of(rows) as u64;
        let rows = rows as u64;
        let product = |factors: &[u64]| factors.iter().fold(1u64, |a, &b| a.saturating_mul(b));
        let shapes = self.shapes()?;
        let mut numbers = product(&[rows, self.input.len() as u64]);
        for (layer, pair) in self.layers.iter().zip(shapes.windows(2)) {
            let (input, output) = (pair[0], pair[1]);
            let len = output.len() as u64;
            // Values and adjoints; what a layer notes of each number in training.
            let of_values = match (layer, training) {
                (_, false) => 1,
                (LayerSpec::Binary { .. }, _) => 8,
                (LayerSpec::MaxPool { .. }, _) => 3,
                _ => 2,
            };
            let values = product(&[rows, len, of_values]);
            let (depth, out, kernel, stride) = match *layer {
                LayerSpec::Conv {
                    out,
                    kernel,
                    stride,
                    ..
                } => (kernel * kernel * input.channels, out, kernel, stride),
                LayerSpec::Linear { out, .. } => (input.len(), out, 0, 0),
                LayerSpec::BatchNorm { .. } => (4, input.channels, 0, 0),
                _ => (0, 0, 0, 0),
            };
            let (depth, out) = (depth as u64, out as u64);
            let weights = product(&[depth, out]);
            let panel = product(&[depth, out.next_multiple_of(PANEL)]);
            let cheaper = stride == 1 && (kernel == 3 || kernel == 5);
            // Winograd's points are up to four times the weights; tables as well.
            let points = if cheaper { 4 } else { 1 };
            let large =
                kernel == 0 && prefer_matrixmultiply(rows as usize, depth as usize, out as usize);
            let of_weights = [
                product(&[weights, if training { 4 } else { 2 }]),
                product(&[panel, 3 + 3 * points]),
                // A chunk's sums, and those of a leaf that joins them.
                product(&[panel, points, if kernel > 0 { 2 * slots } else { 0 }]),
                // The panels of a linear layer's adjoint, nodes of its bias, and nodes of
                // its weights where matrixmultiply computes the leaves.
                product(&[rows.saturating_add(8), out.next_multiple_of(PANEL)]),
                product(&[depth.saturating_add(112), out, if large { 5 } else { 0 }]),
            ];
            let side = |n: usize| (n + 2 * kernel) as u64;
            let border = match kernel {
                0 => 0,
                _ => product(&[
                    side(input.height),
                    side(input.width),
                    2 * (input.channels as u64 + out),
                    slots,
                ]),
            };
            let all = of_weights.into_iter().chain([values, border]);
            numbers = all.fold(numbers, u64::saturating_add);
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
        spec.layers[0] = LayerSpec::Conv {
            name: "conv1".into(),
            out: 1 << 20,
            kernel: 5,
            stride: 1,
            padding: 2,
            bias: true,
            weights: crate::ops::Weights::Real,
            scale: false,
        };
        spec.check().unwrap();
        if bounded::memory().is_some() {
            let error = spec.check_memory(1 << 20, 1, false).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("MiB of memory are free"), "{error}");
        }
    }
}
