//! No gradient through the unit: the ablation.
//!
//! ```text
//! dL/dx = 0
//! ```
//!
//! Every layer below keeps its initial weights; what is left is a trained top over
//! random features. Six rows of the study that is reproduced here, published as
//! REINFORCE, are this.

use super::{Estimator, Info, Link, Signal, Unit};
use crate::kernels::Elementwise;

/// See the module's page.
#[derive(Clone, Copy, Debug)]
pub struct NoGradient {
    /// Probabilities of bits; the rule is the same for either.
    pub link: Link,
}

impl Default for NoGradient {
    fn default() -> Self {
        let link = Link::HardSigmoid;
        Self { link }
    }
}

impl Estimator for NoGradient {
    fn info(&self) -> Info {
        Info {
            name: "none",
            formula: "0",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "the ablation: untrained layers below the unit",
        }
    }

    fn signal(&self) -> Signal {
        Signal::Nothing
    }

    fn link(&self) -> Link {
        self.link
    }

    fn pullback(&self, _unit: Unit) -> f32 {
        0.0
    }

    fn surrogate(&self, _slope: f32, _x: f32) -> Option<f64> {
        Some(0.0)
    }

    fn pullbacks(&self, _ew: &Elementwise, _units: super::Units<'_>, _dx: &mut [f32]) {}
}
