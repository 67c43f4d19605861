//! From a trained network to a packed one: each layer packs itself, in the order of the
//! graph.

use super::network::Network;
use super::pixels::Pixels as Encoding;
use super::topology::Source;
use crate::error::{Error, Result};
use crate::layers::FewShot;
use crate::pack::{Packed, Packer};
use crate::packed::{PackedNet, Pixels};

impl Network {
    /// The packed form of the network, as it is read in evaluation, up to its logits; of one
    /// with a few-shot head up to the embedding.
    ///
    /// # Errors
    /// One line that names the layer that cannot be packed, and why.
    pub fn pack(&self) -> Result<PackedNet> {
        let (spec, topology) = (self.spec(), self.spec().topology()?);
        let Some(logits) = spec.packed_end()? else {
            return Err(Error::spec(format!(
                "model {} cannot be packed: it has no logits of classes; pack a classifier",
                spec.name
            )));
        };
        let pixels = match spec.pixel_encoding() {
            Encoding::Integer => Pixels::Raw,
            Encoding::Normalised(n) => Pixels::Normalised {
                mean: n.mean,
                std: n.std,
            },
        };
        // What the logits do not depend on is not packed.
        let needed = &topology.below(|_| true)[logits];
        let mut packer = Packer::new(self.params(), self.pass().slope);
        let image = packer.image(spec.input, &pixels);
        let keys = spec.noise_keys();
        let mut outputs: Vec<Option<Packed>> = vec![None; spec.layers.len()];
        for &i in needed.iter().chain([&logits]) {
            let layer = &spec.layers[i];
            let of = |source: &Source| match source {
                Source::Input => image.clone(),
                Source::Layer(j) => {
                    let output = outputs[*j].clone();
                    output.expect("a layer reads layers that were packed before it")
                }
            };
            let inputs: Vec<Packed> = topology.inputs[i].iter().map(of).collect();
            packer.begin(i, layer.label(), keys[i]);
            let made = layer.layer().pack(&mut packer, &inputs)?;
            outputs[i] = Some(packer.end(made, topology.readers[i]));
        }
        let last = outputs[logits].take().expect("the logits were packed");
        let packed = packer.finish(&spec.name, spec.input, pixels, &last)?;
        Ok(packed.with_comparison(spec.few_shot().map(FewShot::comparison)))
    }
}
