//! The straight-through estimator.
//!
//! ```text
//! dL/dx = dL/dh · s'(x)
//! ```
//!
//! The bit's gradient is taken for the gradient of its probability, and passes
//! through the link: with the hard sigmoid, `a/2` where `|a·x| < 1`, else nothing.
//! Biased: the loss is not linear in the bit. Cost: one forward and one backward
//! pass. The hard sigmoid is its default, as in the study that is reproduced here:
//! a bounded rule has no unbounded score to fear.
//!
//! Source: Hinton, Coursera lectures (2012); Bengio, Léonard, Courville,
//! "Estimating or Propagating Gradients Through Stochastic Neurons" (arXiv
//! 1308.3432).

use super::{Estimator, Info, Link, Needs, Unit, Units};
use crate::kernels::Elementwise;

/// See the module's page.
#[derive(Clone, Copy, Debug)]
pub struct StraightThrough {
    /// Probabilities of bits.
    pub link: Link,
}

impl Default for StraightThrough {
    fn default() -> Self {
        let link = Link::HardSigmoid;
        Self { link }
    }
}

impl Estimator for StraightThrough {
    fn info(&self) -> Info {
        Info {
            name: "st",
            formula: "dL/dh · s'(x)",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "Hinton 2012; Bengio 2013 (arXiv 1308.3432)",
        }
    }

    fn link(&self) -> Link {
        self.link
    }

    fn needs(&self) -> Needs {
        Needs {
            p: self.link == Link::Sigmoid,
            ..Needs::default()
        }
    }

    fn pullback(&self, u: Unit) -> f32 {
        u.dh * self.link.derivative(u.slope, u.x, u.p)
    }

    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        Some(self.link.exact(slope, x))
    }

    fn pullbacks(&self, ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        match self.link {
            Link::HardSigmoid => (ew.hard_sigmoid_grad)(units.slope, units.x, units.dh, dx),
            Link::Sigmoid => (ew.sigmoid_grad)(units.slope, units.p, units.dh, dx),
        }
    }
}
