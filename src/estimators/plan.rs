//! [`Plan`]: which rows the sampled layers of a graph need.

use std::sync::Arc;

use super::{Estimator, Particles, SavedGrads, samples};

/// A binary layer of a graph, in the order in which layers are computed.
#[derive(Clone)]
pub struct Unit {
    /// Its estimator.
    pub estimator: Arc<dyn Estimator>,
    /// The number of units in one row.
    pub len: usize,
    /// The key of the layer's noise.
    pub noise: usize,
    /// The numbers of the binary layers before it that it depends on, however far below.
    pub depends_on: Vec<usize>,
}

/// What a plan says of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it emits in each particle.
    pub particles: Particles,
    /// Where its bits begin in the number of an outcome, where outcomes are enumerated.
    pub first_bit: usize,
    /// The key of its noise.
    pub noise: usize,
}

impl Part {
    /// A layer that is sampled once, without particles, and is the only one.
    pub fn alone(noise: usize) -> Self {
        Self {
            particles: Particles::plain(),
            first_bit: 0,
            noise,
        }
    }
}

/// The plan of a graph's sampled layers: which rows an image needs, what each layer emits
/// in each of them, and which replays backwards a gradient takes.
#[derive(Clone)]
pub struct Plan {
    units: Vec<Unit>,
    particles: Vec<Particles>,
    training: bool,
}

impl Plan {
    /// The plan of those layers in training.
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

    /// The plan of those layers in evaluation: one row a sample.
    pub fn evaluation(units: Vec<Unit>) -> Self {
        Self {
            particles: vec![Particles::plain(); units.len()],
            units,
            training: false,
        }
    }

    /// The layers.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// Rows of a sample: the sample itself, and what estimators evaluate beside it.
    pub fn particles(&self) -> usize {
        self.particles.first().map_or(1, Particles::count)
    }

    /// For each particle, whether it is a sample of the network.
    pub fn samples(&self) -> Vec<bool> {
        samples(&self.particles)
    }

    /// The part of layer `i`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn part(&self, i: usize) -> Part {
        Part {
            particles: self.particles[i].clone(),
            first_bit: self.units[..i].iter().map(|u| u.len).sum(),
            noise: self.units[i].noise,
        }
    }

    /// Whether layer `i` makes nothing of the gradient of its output, so that the layers
    /// above need not compute it.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn ignores_gradient(&self, i: usize) -> bool {
        let saved = self.saves_grads(|grads| grads != SavedGrads::None);
        self.units[i].estimator.score_function().is_some() && !saved
    }

    /// Whether a gradient needs a control-variate pass first. A gradient that the replay
    /// itself brings is as good for a rule that uses the other samples' gradients, unless
    /// a layer above adds a loss to it, which knows the bits that it is set against.
    pub(crate) fn needs_control_variate_pass(&self) -> bool {
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

    /// Whether that pass is of the samples as well.
    pub(crate) fn saves_grads_of_samples(&self) -> bool {
        self.saves_grads(|grads| grads == SavedGrads::Samples)
    }

    fn saves_grads(&self, which: fn(SavedGrads) -> bool) -> bool {
        let mut units = self.units.iter();
        units.any(|u| which(u.estimator.saved_grads()))
    }
}
