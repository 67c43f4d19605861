//! The layer table of a network: what `bnn-cpu inspect` prints.

use serde::Serialize;

use super::spec::{LayerSpec, ModelSpec};
use crate::error::Result;
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
    let shapes = spec.shapes()?;
    let mut bits = false;
    let mut rows = Vec::new();
    for (i, layer) in spec.layers.iter().enumerate() {
        let (input, output) = (shapes[i], shapes[i + 1]);
        let (mut params, mut weights, mut madds, mut buffers, mut counters) = (0, 0, 0, 0, 0);
        let binary = layer.has_binary_weights();
        let kind: String = match layer {
            LayerSpec::Conv {
                out,
                kernel,
                stride,
                padding,
                bias,
                ..
            } => {
                weights = out * input.channels * kernel * kernel;
                params = if *bias { *out } else { 0 };
                madds = weights * output.pixels();
                format!("conv {kernel}x{kernel}, stride {stride}, padding {padding}")
            }
            LayerSpec::BatchNorm { .. } => {
                params = 2 * input.channels;
                buffers = 2 * input.channels;
                counters = 1;
                "batch norm".into()
            }
            LayerSpec::MaxPool { kernel, stride } => {
                format!(
                    "max-pool {kernel}x{kernel}, stride {}",
                    stride.unwrap_or(*kernel)
                )
            }
            LayerSpec::Activation { .. } => layer.label().replace('_', " "),
            LayerSpec::Binary {
                mode, estimator, ..
            } => {
                let mode = match mode {
                    crate::estimators::Firing::Deterministic => "deterministic",
                    crate::estimators::Firing::Stochastic => "stochastic",
                };
                format!("binary unit, {mode}, {estimator}")
            }
            LayerSpec::Linear { out, bias, .. } => {
                weights = out * input.len();
                params = if *bias { *out } else { 0 };
                madds = weights;
                "linear".into()
            }
        };
        rows.push(LayerRow {
            name: layer.label().into(),
            kind: kind + weights_in_words(layer),
            output,
            params_f32: params + if binary { 0 } else { weights },
            params_bit: if binary { weights } else { 0 },
            madds_f32: if bits || binary { 0 } else { madds },
            madds_bit: if bits || binary { madds } else { 0 },
            bytes: 4 * (params + weights + buffers) + 8 * counters,
        });
        // Pooling a bit gives a bit; every other layer gives real numbers.
        bits = match layer {
            LayerSpec::Binary { .. } => true,
            LayerSpec::MaxPool { .. } => bits,
            _ => false,
        };
    }
    Ok(rows)
}

/// What is said of binary weights.
fn weights_in_words(layer: &LayerSpec) -> &'static str {
    match layer {
        LayerSpec::Conv { scale: true, .. } | LayerSpec::Linear { scale: true, .. } => {
            ", binary weights, scaled"
        }
        layer if layer.has_binary_weights() => ", binary weights",
        _ => "",
    }
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
            "conv 5x5, stride 1, padding 2, binary weights"
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
