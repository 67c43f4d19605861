//! Optimisers, in PyTorch's form; [`OptimiserSpec`] states their formulas.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::kernels::Elementwise;
use crate::kernels::elementwise::{Adam, Sgd};

/// Optimisers, in PyTorch's form: one pass over flat parameters.
///
/// ```text
/// SGD    g += λw;  b = μb + g;  w -= lr·(nesterov ? g + μb : b)
/// Adam   g += λw;  m += (1-β₁)(g - m);  v = β₂v + (1-β₂)g²
///        w -= lr/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + ε)
/// AdamW  w *= 1 - lr·λ, then as Adam with λ = 0
/// ```
/// A `b` or `m` of magnitude below 1e-30 becomes 0, and so does a subnormal `v`: the
/// state of a weight without gradient ends, instead of lingering at numbers that are
/// slow to compute with ([`crate::kernels::elementwise::TINY`]).
///
/// Source: Kingma and Ba (arXiv 1412.6980); Loshchilov and Hutter (1711.05101).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimiserSpec {
    /// Stochastic gradient descent.
    Sgd {
        /// Momentum μ.
        momentum: f32,
        /// Nesterov's look-ahead.
        nesterov: bool,
        /// L2 penalty λ.
        weight_decay: f32,
    },
    /// Adam.
    Adam {
        /// β₁
        beta1: f32,
        /// β₂
        beta2: f32,
        /// ε
        eps: f32,
        /// L2 penalty λ.
        weight_decay: f32,
    },
    /// Adam with decoupled weight decay.
    AdamW {
        /// β₁
        beta1: f32,
        /// β₂
        beta2: f32,
        /// ε
        eps: f32,
        /// Decay λ of the weight itself.
        weight_decay: f32,
    },
}

impl OptimiserSpec {
    /// Every optimiser with its usual settings.
    pub const ALL: [OptimiserSpec; 3] = [
        OptimiserSpec::Sgd {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.0,
        },
        OptimiserSpec::Adam {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        },
        OptimiserSpec::AdamW {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
        },
    ];

    /// The learning rate that a configuration has by default with this optimiser.
    pub fn usual_rate(&self) -> f64 {
        match self {
            Self::Sgd { .. } => 0.1,
            Self::Adam { .. } | Self::AdamW { .. } => 0.001,
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn check(&self) -> Result<()> {
        let fail =
            |field, what: &str| Err(Error::field(field, format!("{what} ({})", self.name())));
        let share = |x: f32| (0.0..1.0).contains(&x);
        let decay = match *self {
            Self::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => {
                if !share(momentum) {
                    return fail("optimiser.momentum", "must be at least 0 and below 1");
                }
                if nesterov && momentum == 0.0 {
                    return fail("optimiser.nesterov", "needs a momentum above 0");
                }
                weight_decay
            }
            Self::Adam {
                beta1,
                beta2,
                eps,
                weight_decay,
            }
            | Self::AdamW {
                beta1,
                beta2,
                eps,
                weight_decay,
            } => {
                for (field, beta) in [("optimiser.beta1", beta1), ("optimiser.beta2", beta2)] {
                    if !share(beta) {
                        return fail(field, "must be at least 0 and below 1");
                    }
                }
                if !(eps.is_finite() && eps > 0.0) {
                    return fail("optimiser.eps", "must be above 0");
                }
                weight_decay
            }
        };
        if !(decay.is_finite() && decay >= 0.0) {
            return fail("optimiser.weight_decay", "must be 0 or more");
        }
        Ok(())
    }
}

/// An optimiser and its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimiser {
    spec: OptimiserSpec,
    /// Momentum, or first and second moments; one number a parameter each.
    state: Vec<Vec<f32>>,
}

/// Parameters that one task updates.
const BLOCK: usize = 4096;

impl Optimiser {
    /// An optimiser of `len` parameters that has taken no step.
    pub fn new(spec: OptimiserSpec, len: usize) -> Self {
        let moments = match spec {
            OptimiserSpec::Sgd { .. } => 1,
            OptimiserSpec::Adam { .. } | OptimiserSpec::AdamW { .. } => 2,
        };
        Self {
            spec,
            state: vec![vec![0.0; len]; moments],
        }
    }

    /// The state, for a checkpoint.
    pub fn state(&self) -> &[Vec<f32>] {
        &self.state
    }

    /// The state, to restore it.
    pub(crate) fn state_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.state
    }

    /// One step with learning rate `lr`; `t` counts steps from 1.
    pub fn step(&mut self, ew: &Elementwise, lr: f64, t: u64, weights: &mut [f32], grads: &[f32]) {
        let lr = lr as f32;
        let (weights, grads) = (weights.par_chunks_mut(BLOCK), grads.par_chunks(BLOCK));
        match (self.spec, &mut self.state[..]) {
            (
                OptimiserSpec::Sgd {
                    momentum,
                    nesterov,
                    weight_decay,
                },
                [buffer],
            ) => {
                let s = Sgd {
                    lr,
                    momentum,
                    nesterov,
                    weight_decay,
                };
                let all = weights.zip(grads).zip(buffer.par_chunks_mut(BLOCK));
                all.for_each(|((w, g), b)| (ew.sgd)(&s, g, b, w));
            }
            (
                OptimiserSpec::Adam {
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                }
                | OptimiserSpec::AdamW {
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                },
                [m, v],
            ) => {
                let correction = |beta: f32| (1.0 - libm::pow(f64::from(beta), t as f64)) as f32;
                let s = Adam {
                    lr,
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                    decoupled: matches!(self.spec, OptimiserSpec::AdamW { .. }),
                    correction1: correction(beta1),
                    correction2: correction(beta2),
                };
                let moments = m.par_chunks_mut(BLOCK).zip(v.par_chunks_mut(BLOCK));
                let all = weights.zip(grads).zip(moments);
                all.for_each(|((w, g), (m, v))| (ew.adam)(&s, g, m, v, w));
            }
            _ => unreachable!("`new` makes one state for SGD and two for Adam"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    const SGD: OptimiserSpec = OptimiserSpec::Sgd {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
    };
    const ADAM: OptimiserSpec = OptimiserSpec::Adam {
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay: 0.0,
    };

    /// Left alone, 0.9 times the smallest numbers rounds back to itself: the state would
    /// never reach 0.
    #[test]
    fn the_state_ends_where_gradients_have_ended() {
        for spec in [SGD, ADAM] {
            let runs: Vec<_> = Isa::available()
                .into_iter()
                .map(|isa| {
                    let ew = &isa.kernels().unwrap().ew;
                    let mut grads: Vec<f32> = (0..67).map(|i| (i as f32 - 33.0) * 1e-3).collect();
                    let mut weights = vec![0.25; grads.len()];
                    let mut optimiser = Optimiser::new(spec, grads.len());
                    for t in 1..=20_000 {
                        optimiser.step(ew, 1e-3, t, &mut weights, &grads);
                        grads.fill(0.0);
                        let mut state = optimiser.state().iter().flatten();
                        assert!(state.all(|x| !x.is_subnormal()), "{spec:?}, step {t}");
                    }
                    assert!(optimiser.state().iter().flatten().all(|&x| x == 0.0));
                    assert!(weights[0] != 0.25 && weights.iter().all(|w| w.is_finite()));
                    weights
                })
                .collect();
            assert!(runs.iter().all(|weights| *weights == runs[0]));
        }
    }

    #[test]
    fn a_state_that_is_not_a_number_stays_visible() {
        for isa in Isa::available() {
            for spec in [SGD, ADAM] {
                let mut optimiser = Optimiser::new(spec, 20);
                let ew = &isa.kernels().unwrap().ew;
                optimiser.step(ew, 0.1, 1, &mut [1.0; 20], &[f32::NAN; 20]);
                assert!(optimiser.state().iter().flatten().all(|x| x.is_nan()));
            }
        }
    }
}
