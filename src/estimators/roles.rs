//! What each binary layer emits in each replica of a sample.
//!
//! Replica 0 is the sample. A layer's estimator may own further ones, which
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
    /// Its probability.
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

/// A row that an estimator asks for beside the sample's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// What the layer emits there.
    pub here: Emit,
    /// What the layers above emit there.
    pub above: Emit,
}

/// The part of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// What the layer emits in each replica.
    pub emits: Vec<Emit>,
    /// The replicas that the layer owns.
    pub own: Range<usize>,
}

impl Roles {
    /// The roles of each of a network's binary layers in the order in which they are
    /// computed; `depends(l, m)` says whether layer `l` depends on layer `m` below it.
    pub fn of(estimators: &[&dyn Estimator], depends: &dyn Fn(usize, usize) -> bool) -> Vec<Roles> {
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
                for (replica, extra) in own.clone().zip(estimators[m].extras()) {
                    if m == l {
                        emits[replica] = extra.here;
                    } else if m < l && depends(l, m) {
                        emits[replica] = extra.above;
                    }
                }
            }
            Roles {
                emits,
                own: owned[l].clone(),
            }
        };
        (0..estimators.len()).map(layer).collect()
    }

    /// A sample and nothing else.
    pub fn plain() -> Roles {
        Roles {
            emits: vec![Emit::Sample],
            own: 1..1,
        }
    }

    /// Replicas of a sample.
    pub fn replicas(&self) -> usize {
        self.emits.len()
    }
}

/// For each replica, whether all layers emit bits there: whether it is a sample
/// of the network, if not the main one.
pub fn samples(roles: &[Roles]) -> Vec<bool> {
    let replicas = roles.first().map_or(1, Roles::replicas);
    (0..replicas)
        .map(|r| roles.iter().all(|layer| layer.emits[r].is_bit()))
        .collect()
}
