//! The straight-through estimator.
//!
//! ```text
//! dL/dx = dL/dh · s'(x),    s(x) = (clip(a·x, -1, 1) + 1) / 2
//! ```
//!
//! The bit's gradient is taken for the gradient of its probability, and passes
//! through the hard sigmoid: `a/2` where `|a·x| < 1`, else nothing. Biased: the
//! loss is not linear in the bit. Cost: one forward and one backward pass.
//!
//! Source: Hinton, Coursera lectures (2012); Bengio, Léonard, Courville,
//! "Estimating or Propagating Gradients Through Stochastic Neurons" (arXiv
//! 1308.3432).

use super::{Estimator, Info, Unit, Units};
use crate::kernels::Elementwise;

/// See the module's page.
#[derive(Clone, Copy, Debug, Default)]
pub struct StraightThrough;

impl Estimator for StraightThrough {
    fn info(&self) -> Info {
        Info {
            name: "st",
            formula: "dL/dh · s'(x), s the hard sigmoid",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "Hinton 2012; Bengio 2013 (arXiv 1308.3432)",
        }
    }

    fn probability(&self, slope: f32, x: f32) -> f32 {
        ((slope * x).clamp(-1.0, 1.0) + 1.0) * 0.5
    }

    fn pullback(&self, u: Unit) -> f32 {
        if (u.slope * u.x).abs() < 1.0 {
            u.dh * (u.slope * 0.5)
        } else {
            0.0
        }
    }

    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        let x = f64::from(slope) * f64::from(x);
        Some((x.clamp(-1.0, 1.0) + 1.0) * 0.5)
    }

    fn probabilities(&self, ew: &Elementwise, slope: f32, x: &[f32], p: &mut [f32]) {
        (ew.hard_sigmoid)(slope, x, p);
    }

    fn pullbacks(&self, ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        (ew.hard_sigmoid_grad)(units.slope, units.x, units.dh, dx);
    }
}
