//! The flip ratio: the share of binary weights whose sign an epoch changed.
//!
//! A latent weight may move without effect; its sign is what the network uses.
//! The ratio falls as training settles, and shows a learning rate that is too
//! high (signs that flicker) or gradients that are starved (signs that stand
//! still). Source: Helwegen et al., "Latent Weights Do Not Exist" (1906.02107).

use std::collections::BTreeMap;

use crate::bits;
use crate::model::weights::{Data, NamedTensor};
use crate::tape::{Entry, Params};

/// The signs at the end of the last epoch, 64 to a word, each layer's from a new
/// word on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    signs: Vec<u64>,
}

/// The flip ratio of an epoch: the share of binary weights whose sign it changed.
#[derive(Clone, Debug, PartialEq)]
pub struct FlipRatio {
    /// The share of all binary weights.
    pub all: f64,
    /// The share of each layer's, by the name of its parameter.
    pub layers: BTreeMap<String, f64>,
}

impl Flips {
    /// Name of the signs in a checkpoint.
    pub const TENSOR: &'static str = "signs";

    /// The signs of the parameters as they are.
    pub fn of(params: &Params) -> Self {
        let mut signs = Vec::new();
        for entry in latents(params) {
            let values = &params.values()[entry.span.clone()];
            signs.extend(values.chunks(64).map(word));
        }
        Self { signs }
    }

    /// The shares that have changed since the last call, or `None` where no
    /// weight is binary.
    pub fn measure(&mut self, params: &Params) -> Option<FlipRatio> {
        let now = Self::of(params);
        let (mut flipped, mut count) = (0, 0);
        let mut layers = BTreeMap::new();
        let mut words = self.signs.iter().zip(&now.signs);
        for entry in latents(params) {
            let len = entry.span.len();
            let changed = words.by_ref().take(len.div_ceil(64));
            let changed: u64 = changed.map(|(a, b)| u64::from((a ^ b).count_ones())).sum();
            layers.insert(entry.name.clone(), changed as f64 / len as f64);
            (flipped, count) = (flipped + changed, count + len);
        }
        *self = now;
        (count > 0).then(|| FlipRatio {
            all: flipped as f64 / count as f64,
            layers,
        })
    }

    /// The signs for a checkpoint; nothing where no weight is binary.
    pub fn export(&self) -> Option<NamedTensor> {
        (!self.signs.is_empty()).then(|| NamedTensor {
            name: Self::TENSOR.into(),
            shape: vec![self.signs.len()],
            data: Data::I64(self.signs.iter().map(|&w| w as i64).collect()),
        })
    }

    /// Takes the signs of a checkpoint; whether they fit.
    pub fn import(&mut self, tensor: Option<NamedTensor>) -> bool {
        match tensor.map(|t| t.data) {
            Some(Data::I64(words)) if words.len() == self.signs.len() => {
                self.signs = words.iter().map(|&w| w as u64).collect();
                true
            }
            Some(_) => false,
            None => self.signs.is_empty(),
        }
    }
}

fn latents(params: &Params) -> impl Iterator<Item = &Entry> {
    params.entries().iter().filter(|e| e.latent)
}

/// Up to 64 signs, the first in the lowest bit.
fn word(latents: &[f32]) -> u64 {
    let bits = latents.iter().enumerate();
    bits.fold(0, |word, (i, &v)| {
        word | u64::from(bits::is_positive(v) == Some(true)) << i
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_are_counted_by_layer_and_in_all() {
        let mut params = Params::default();
        let a = params.add("a.weight", &[70]);
        params.add("a.bias", &[3]);
        let b = params.add("b.weight", &[2, 65]);
        let mut flips = Flips::of(&params);
        assert_eq!(flips.measure(&params), None);
        assert_eq!(flips.export(), None);
        for id in [a, b] {
            params.set_latent(id);
        }
        let mut flips = Flips::of(&params);
        assert_eq!(flips.signs.len(), 2 + 3);
        params.value_mut(a)[..7].fill(-0.5);
        params.value_mut(a)[69] = -1.0;
        params.value_mut(b)[129] = -1.0;
        // Neither a move without a change of sign, nor -0, is a flip.
        params.value_mut(b)[0] = 0.7;
        params.value_mut(b)[1] = -0.0;
        let mut resumed = Flips::of(&params);
        assert!(resumed.import(flips.export()) && resumed == flips);
        assert!(!Flips::default().import(flips.export()) && !resumed.import(None));
        let ratio = flips.measure(&params).unwrap();
        assert_eq!(ratio.layers["a.weight"], 8.0 / 70.0);
        assert_eq!(ratio.layers["b.weight"], 1.0 / 130.0);
        assert_eq!(ratio.all, 9.0 / 200.0);
        assert_eq!(flips.measure(&params).unwrap().all, 0.0);
    }
}
