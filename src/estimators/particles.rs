//! The values that each binary layer emits in each particle of a sample. A particle is one
//! evaluation of the network for a sample.
//!
//! Particle 0 is the sample. A layer's estimator may request further particles, which share the
//! noise of the sample: the layer itself emits what [`Extra::here`] states, the layers that depend
//! on it emit what [`Extra::above`] states, and all other layers (those below, and those in other
//! branches of the graph) emit what they emit in the sample.

use std::ops::Range;

use super::Estimator;

/// The value that a unit emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// A bit `[u < p]`.
    Sample,
    /// The antithetic bit `[1 - u < p]`.
    Opposite,
    /// The probability `p` of the unit instead of a bit.
    Mean,
    /// A relaxed bit with the noise of the sample.
    Relaxed,
    /// A relaxed bit conditioned on the bit of the sample, with independent noise.
    Conditional,
}

impl Emit {
    /// Returns whether the value is a bit.
    pub fn is_bit(self) -> bool {
        matches!(self, Emit::Sample | Emit::Opposite)
    }
}

/// A further evaluation of the network for a sample that an estimator requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The value that the estimator's own layer emits.
    pub here: Emit,
    /// The value that the binary layers above emit.
    pub above: Emit,
}

/// The values that one layer emits in each particle, and the particles that its estimator
/// requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Particles {
    /// The value that the layer emits in each particle.
    pub emits: Vec<Emit>,
    /// The particles that the layer's own estimator requested.
    pub own: Range<usize>,
}

impl Particles {
    /// Returns the particles of each binary layer of a network, in the order in which layers are
    /// computed; `depends(l, m)` states whether layer `l` depends on layer `m` below it.
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

    /// Returns the particles of a sample without further evaluations.
    pub fn plain() -> Particles {
        Particles {
            emits: vec![Emit::Sample],
            own: 1..1,
        }
    }

    /// Returns the number of particles per sample.
    pub fn count(&self) -> usize {
        self.emits.len()
    }
}

/// Returns for each particle whether all layers emit bits in it, which makes it a sample of the
/// network.
pub fn samples(particles: &[Particles]) -> Vec<bool> {
    let count = particles.first().map_or(1, Particles::count);
    (0..count)
        .map(|r| particles.iter().all(|layer| layer.emits[r].is_bit()))
        .collect()
}
