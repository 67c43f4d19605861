//! The ApproxSign estimator ([`ApproxSign`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Pathwise, Probability, Rule, Unit};

rule_with_probability!(
    /// ApproxSign: the derivative of a piecewise parabola in place of that of the step function.
    ///
    /// ```text
    /// dL/dx = dL/dh · a·(1 - |a·x|) · [|a·x| <= 1]
    /// ```
    ///
    /// A triangle approximates the derivative of the step function better than the rectangle of the
    /// clipped straight-through estimator. Published for outputs -1 and +1 as `2 - 2|x|`, halved
    /// here for outputs 0 and 1. Biased.
    ///
    /// Source: Liu et al., "Bi-Real Net" (arXiv 1808.00278).
    ApproxSign,
    HardSigmoid
);

impl Estimator for ApproxSign {
    fn info(&self) -> Info {
        Info {
            name: "approx-sign",
            formula: "dL/dh · a(1 - |ax|) · [|ax| <= 1]",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "Bi-Real Net (arXiv 1808.00278)",
        }
    }

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pathwise(self)
    }

    fn grad(&self, u: Unit) -> f32 {
        u.dh * (u.slope * (1.0 - (u.slope * u.x).abs()).max(0.0))
    }
}

impl Pathwise for ApproxSign {
    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        let x = (f64::from(slope) * f64::from(x)).clamp(-1.0, 1.0);
        Some(x - 0.5 * x * x.abs())
    }
}
