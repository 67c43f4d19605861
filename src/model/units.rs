//! The binary layers of a network: what each depends on, and the address of its noise.

use super::spec::ModelSpec;
use super::topology::Topology;
use crate::error::{Error, Result};
use crate::estimators::PlannedUnit;
use crate::layers::{Binary, Conv, Linear};

impl ModelSpec {
    /// Which layer reads which.
    ///
    /// # Errors
    /// As [`Topology::of`].
    pub fn topology(&self) -> Result<Topology> {
        let named = |e: Error| Error::spec(format!("model {}: {e}", self.name));
        Topology::of(&self.layers).map_err(named)
    }

    /// For each layer, the binary layers that it depends on; all empty where the spec's
    /// names make no network.
    pub(super) fn binary_below(&self) -> Vec<Vec<usize>> {
        match self.topology() {
            Ok(topology) => topology.below(|i| self.layers[i].is::<Binary>()),
            Err(_) => vec![Vec::new(); self.layers.len()],
        }
    }

    /// The binary layers as a plan needs them, in the order of the spec.
    ///
    /// # Errors
    /// A spec that describes no network, or an unknown estimator.
    pub fn units(&self) -> Result<Vec<PlannedUnit>> {
        let topology = self.topology()?;
        let shapes = topology.shapes(&self.layers, self.input)?;
        let below = topology.below(|i| self.layers[i].is::<Binary>());
        let keys = self.noise_keys();
        let mut numbers = Vec::new();
        let mut units = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let Some(binary) = layer.get::<Binary>() else {
                continue;
            };
            let number = |layer: &usize| numbers.iter().position(|n| n == layer);
            units.push(PlannedUnit {
                estimator: binary.rule()?,
                len: shapes[i].output.len(),
                noise: keys[i],
                depends_on: below[i].iter().filter_map(number).collect(),
            });
            numbers.push(i);
        }
        Ok(units)
    }

    /// The key of each layer's noise: its number, where binary weights with a scale or a bias
    /// count twice. How layers are computed together does not change it.
    pub(crate) fn noise_keys(&self) -> Vec<usize> {
        let mut key = 0;
        let mut keys = Vec::new();
        for layer in &self.layers {
            let conv = layer.get::<Conv>().map(Conv::terms);
            let terms = conv.or_else(|| layer.get::<Linear>().map(Linear::terms));
            let twice = |t: crate::layers::Terms| !t.weights.is_real() && (t.bias || t.scale);
            key += usize::from(terms.is_some_and(twice));
            keys.push(key);
            key += 1;
        }
        keys
    }
}
