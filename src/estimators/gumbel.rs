//! The binary Concrete (Gumbel-softmax) estimator.
//!
//! ```text
//! z = a·x - log(u/(1-u)),  r = σ(z/t)
//! soft:  h = r in training, a bit in evaluation;   dL/dx = dL/dh · r(1-r)·a/t
//! hard:  h = [z > 0];                              dL/dx = dL/dh · r(1-r)·a/t
//! ```
//!
//! A Bernoulli bit is `[z > 0]` for logistic noise; the relaxed bit `r` has a
//! derivative, and tends to the bit as the temperature `t` falls, while the
//! derivative's variance grows. Biased: soft trains another network than it tests,
//! hard passes the relaxation's derivative through the bit. Noise makes it what it is,
//! so units are sampled in training also where evaluation thresholds them.
//!
//! Source: Jang, Gu, Poole (arXiv 1611.01144); Maddison, Mnih, Teh (1611.00712).

use super::link::{relaxed, relaxed_derivative};
use super::{Estimator, Info, Link, Needs, Unit};

/// See the module's page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gumbel {
    /// Emits the relaxed bit in training.
    pub soft: bool,
}

impl Estimator for Gumbel {
    fn info(&self) -> Info {
        Info {
            name: if self.soft { "gumbel-soft" } else { "gumbel" },
            formula: if self.soft {
                "dL/dr · r(1-r)·a/t, r = σ((ax - logit u)/t) emitted"
            } else {
                "dL/dh · r(1-r)·a/t, r = σ((ax - logit u)/t), its bit emitted"
            },
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "Jang 2017 (arXiv 1611.01144); Maddison 2017 (1611.00712)",
        }
    }

    fn link(&self) -> Link {
        Link::Sigmoid
    }

    fn needs(&self) -> Needs {
        Needs {
            u: true,
            ..Needs::default()
        }
    }

    fn explores(&self) -> bool {
        true
    }

    fn has_temperature(&self) -> bool {
        true
    }

    fn relaxes(&self) -> bool {
        self.soft
    }

    fn pullback(&self, u: Unit) -> f32 {
        let r = relaxed(u.slope, u.temperature, u.x, u.u);
        u.dh * relaxed_derivative(u.slope, u.temperature, r)
    }

    fn surrogate(&self, _slope: f32, _x: f32) -> Option<f64> {
        None
    }
}
