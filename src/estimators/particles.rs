//! What each binary layer emits in each particle of a sample. A particle is one evaluation
//! of the network for a sample.
//!
//! Particle 0 is the sample. A layer's estimator may own further ones, which
//! share the noise of the sample: the layer itself emits what [`Extra::here`] says, the
//! layers that depend on it what [`Extra::above`] says, and all others, those below and
//! those in other branches of the graph, what they emit in the sample.

use std::ops::Range;

use super::Estimator;

/// What a unit emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// A bit, `[u < p]`.
    Sample,
    /// The antithetic bit, `[1 - u < p]`.
    Opposite,
    /// The unit's probability `p` instead of a bit.
    Mean,
    /// A relaxed bit, with the sample's noise.
    Relaxed,
    /// A relaxed bit given the sample's bit, with noise of its own.
    Conditional,
}

impl Emit {
    /// Whether it is a bit.
    pub fn is_bit(self) -> bool {
        matches!(self, Emit::Sample | Emit::Opposite)
    }
}

/// A further evaluation that an estimator asks for beside the sample: what is emitted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// What the estimator's own layer emits there.
    pub here: Emit,
    /// What the binary layers above it emit there.
    pub above: Emit,
}

/// What one layer emits in each particle, and which particles are evaluated for its sake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Particles {
    /// What the layer emits in each particle.
    pub emits: Vec<Emit>,
    /// The particles that are there for the layer's own estimator.
    pub own: Range<usize>,
}

impl Particles {
    /// The particles of each of a network's binary layers in the order in which they are
    /// computed; `depends(l, m)` says whether layer `l` depends on layer `m` below it.
    pub fn of(
        estimators: &[&dyn Estimator],
        depends: &dyn Fn(usize, usize) -> bool,
    ) -> Vec<Particles> {
        let mut first = 1;
        let owned: Vec<Range<usize>> = estimators
            .iter()
            .map(|e| {
                let own = first..first + e.extras().len();
                first = own.end;
                own
            })
            .collect();
        let layer = |l: usize| {
            let mut emits = vec![Emit::Sample; first];
            for (m, own) in owned.iter().enumerate() {
                for (particle, extra) in own.clone().zip(estimators[m].extras()) {
                    if m == l {
                        emits[particle] = extra.here;
                    } else if m < l && depends(l, m) {
                        emits[particle] = extra.above;
                    }
                }
            }
            Particles {
                emits,
                own: owned[l].clone(),
            }
        };
        (0..estimators.len()).map(layer).collect()
    }

    /// A sample and nothing else.
    pub fn plain() -> Particles {
        Particles {
            emits: vec![Emit::Sample],
            own: 1..1,
        }
    }

    /// The number of particles of a sample.
    pub fn count(&self) -> usize {
        self.emits.len()
    }
}

/// For each particle, whether all layers emit bits there: whether it is a sample
/// of the network, if not the primary one.
pub fn samples(particles: &[Particles]) -> Vec<bool> {
    let count = particles.first().map_or(1, Particles::count);
    (0..count)
        .map(|r| particles.iter().all(|layer| layer.emits[r].is_bit()))
        .collect()
}
