//! [`Plan`]: the rows that the sampled layers of a graph need.

use std::sync::Arc;

use super::{Estimator, Particles, SavedGrads, samples};

/// A binary layer of a graph, in the order in which layers are computed.
#[derive(Clone)]
pub struct Unit {
    /// The estimator of the layer.
    pub estimator: Arc<dyn Estimator>,
    /// Number of units per row.
    pub len: usize,
    /// The key of the layer's noise.
    pub noise: usize,
    /// Indices of the preceding binary layers that the layer depends on, directly or indirectly.
    pub depends_on: Vec<usize>,
}

/// The part of a plan that concerns one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The value that the layer emits in each particle.
    pub particles: Particles,
    /// Index of the layer's first bit in the number of an outcome, if outcomes are enumerated.
    pub first_bit: usize,
    /// The key of the layer's noise.
    pub noise: usize,
}

impl Part {
    /// Returns the part of the only sampled layer of a network, with one sample and no further
    /// particles.
    pub fn alone(noise: usize) -> Self {
        Self {
            particles: Particles::plain(),
            first_bit: 0,
            noise,
        }
    }
}

/// The plan of a graph's sampled layers: the rows of an image, the values that each layer emits in
/// them, and the backward passes that a gradient requires.
#[derive(Clone)]
pub struct Plan {
    units: Vec<Unit>,
    particles: Vec<Particles>,
    training: bool,
}

impl Plan {
    /// Makes the plan of the layers in training.
    pub fn new(units: Vec<Unit>) -> Self {
        let estimators: Vec<&dyn Estimator> = units.iter().map(|u| &*u.estimator).collect();
        let depends = |l: usize, m: usize| units[l].depends_on.contains(&m);
        let particles = Particles::of(&estimators, &depends);
        Self {
            particles,
            units,
            training: true,
        }
    }

    /// Makes the plan of the layers in evaluation, with one row per sample.
    pub fn evaluation(units: Vec<Unit>) -> Self {
        Self {
            particles: vec![Particles::plain(); units.len()],
            units,
            training: false,
        }
    }

    /// Returns the layers.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// Returns the number of rows per sample: the sample itself and the further evaluations of the
    /// estimators.
    pub fn particles(&self) -> usize {
        self.particles.first().map_or(1, Particles::count)
    }

    /// Returns for each particle whether it is a sample of the network.
    pub fn samples(&self) -> Vec<bool> {
        samples(&self.particles)
    }

    /// Returns the part of layer `i`.
    ///
    /// # Panics
    /// Panics if there is no layer `i`.
    pub fn part(&self, i: usize) -> Part {
        Part {
            particles: self.particles[i].clone(),
            first_bit: self.units[..i].iter().map(|u| u.len).sum(),
            noise: self.units[i].noise,
        }
    }

    /// Returns whether layer `i` does not use the gradient of its output, so that the layers above
    /// need not compute it.
    ///
    /// # Panics
    /// Panics if there is no layer `i`.
    pub fn ignores_gradient(&self, i: usize) -> bool {
        let saved = self.saves_grads(|grads| grads != SavedGrads::None);
        self.units[i].estimator.score_function().is_some() && !saved
    }

    /// Returns whether a gradient needs a control-variate pass first. A rule that uses the other
    /// samples' gradients can use those of the backward pass itself, unless a layer above adds a
    /// loss to them, which depends on the sample's own bits.
    pub fn needs_control_variate_pass(&self) -> bool {
        let carries_loss = |i: usize| {
            let mut above = self.units.iter().filter(|u| u.depends_on.contains(&i));
            above.any(|u| u.estimator.score_function().is_some())
        };
        let mut units = self.units.iter().enumerate();
        self.training
            && units.any(|(i, u)| match u.estimator.saved_grads() {
                SavedGrads::None => false,
                SavedGrads::ExtraRows => true,
                SavedGrads::Samples => carries_loss(i),
            })
    }

    /// Returns whether the control-variate pass includes the samples.
    pub(crate) fn saves_grads_of_samples(&self) -> bool {
        self.saves_grads(|grads| grads == SavedGrads::Samples)
    }

    fn saves_grads(&self, which: fn(SavedGrads) -> bool) -> bool {
        let mut units = self.units.iter();
        units.any(|u| which(u.estimator.saved_grads()))
    }
}
