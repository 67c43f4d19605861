//! The layer table of a network: what `bnn-cpu inspect` prints.

use serde::Serialize;

use super::spec::ModelSpec;
use super::topology::Source;
use crate::error::Result;
use crate::layers::TensorSpec;
use crate::tensor::Shape;

/// One layer's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerRow {
    /// Name, or kind where it has no parameters.
    pub name: String,
    /// What it is, in words.
    pub kind: String,
    /// Output shape.
    pub output: Shape,
    /// Trained parameters of 32 bits.
    pub params_f32: usize,
    /// Trained parameters of 1 bit.
    pub params_bit: usize,
    /// Multiply-adds of numbers, for an image.
    pub madds_f32: usize,
    /// Multiply-adds with a bit on either side, the input's or the weight's, for
    /// an image: additions, or XNOR and popcount.
    pub madds_bit: usize,
    /// Bytes of its tensors in a run, latent weights and running statistics
    /// included.
    pub bytes: usize,
}

/// The layer table.
///
/// # Errors
/// A spec that describes no network.
pub fn table(spec: &ModelSpec) -> Result<Vec<LayerRow>> {
    let bits = spec.makes_bits();
    let topology = spec.topology()?;
    let mut rows = Vec::new();
    for (i, (layer, shapes)) in spec.layers.iter().zip(spec.layer_shapes()?).enumerate() {
        let tensors = layer.layer().tensors(&shapes.inputs);
        let count = |all: &[TensorSpec]| all.iter().map(TensorSpec::len).sum::<usize>();
        let params = count(&tensors.params);
        let binary = layer.has_binary_weights();
        let weights = tensors.params.iter().filter(|t| t.shape.len() > 1);
        let params_bit = if binary {
            weights.map(TensorSpec::len).sum()
        } else {
            0
        };
        let reads_bits = topology.inputs[i]
            .iter()
            .all(|source| matches!(source, Source::Layer(j) if bits[*j]));
        let madds = layer.layer().multiply_adds(&shapes);
        let madds_bit = if reads_bits || binary { madds } else { 0 };
        rows.push(LayerRow {
            name: layer.label().into(),
            kind: layer.layer().describe(),
            output: shapes.output,
            params_f32: params - params_bit,
            params_bit,
            madds_f32: madds - madds_bit,
            madds_bit,
            bytes: 4 * (params + count(&tensors.buffers)) + 8 * tensors.counters.len(),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimators::Firing;
    use crate::model::{Placement, preset};

    #[test]
    fn binary_weights_are_counted_as_bits() {
        let spec = preset("xnor-net", Shape::image(1, 28, 28), 10).unwrap();
        let rows = table(&spec).unwrap();
        let sums = |of: fn(&LayerRow) -> usize| rows.iter().map(of).sum::<usize>();
        assert_eq!(sums(|r| r.params_bit), 400 + 12_800 + 15_680);
        assert_eq!(sums(|r| r.params_f32), 32 + 64 + 20);
        assert_eq!(sums(|r| r.madds_bit), 313_600 + 2_508_800 + 15_680);
        assert_eq!(sums(|r| r.madds_f32), 0);
        assert_eq!(
            rows[0].kind,
            "conv 5x5, stride 1, padding 2, border 0, binary weights"
        );
        assert_eq!(rows[0].bytes, 4 * 400);
    }

    #[test]
    fn seed_net_has_the_reference_sizes() {
        let mut spec = preset("seed-net", Shape::image(1, 28, 28), 10).unwrap();
        spec.place(Placement::First, Firing::Deterministic, "st")
            .unwrap();
        let rows = table(&spec).unwrap();
        let params: Vec<_> = rows.iter().map(|r| r.params_f32).collect();
        assert_eq!(params, [416, 32, 0, 0, 12_832, 64, 0, 0, 15_690]);
        assert_eq!(params.iter().sum::<usize>(), 29_034);
        let real: Vec<_> = rows
            .iter()
            .map(|r| r.madds_f32)
            .filter(|&m| m > 0)
            .collect();
        let bit: Vec<_> = rows
            .iter()
            .map(|r| r.madds_bit)
            .filter(|&m| m > 0)
            .collect();
        assert_eq!((real, bit), (vec![313_600, 15_680], vec![2_508_800]));
        let outputs: Vec<_> = rows.iter().map(|r| r.output.to_string()).collect();
        assert_eq!(outputs[0], "16,28,28");
        assert_eq!(outputs[3], "16,14,14");
        assert_eq!(outputs[7], "32,7,7");
        assert_eq!(outputs[8], "10");
    }
}
