//! The SwishSign estimator ([`SwishSign`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Pathwise, Probability, Rule, Unit};
use crate::kernels::elementwise::exp;

/// The sharpness β of the function.
const BETA: f32 = 5.0;

rule_with_probability!(
    /// SwishSign: the derivative of "SignSwish" in place of that of the step function.
    ///
    /// ```text
    /// dL/dx = dL/dh · a/2 · β(2 - βy·tanh(βy/2)) / (1 + cosh(βy)),   y = a·x,  β = 5
    /// ```
    ///
    /// The derivative is a smooth bump with slightly negative values on both sides. Published for
    /// outputs -1 and +1, halved here for 0 and 1. Biased.
    ///
    /// Source: Darabi et al., "BNN+" (arXiv 1812.11800).
    SwishSign,
    HardSigmoid
);

impl Estimator for SwishSign {
    fn info(&self) -> Info {
        Info {
            name: "swish-sign",
            formula: "dL/dh · a/2 · β(2 - βy tanh(βy/2))/(1 + cosh βy), y = ax, β = 5",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "BNN+ (arXiv 1812.11800)",
        }
    }

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pathwise(self)
    }

    fn grad(&self, u: Unit) -> f32 {
        // With e = exp(-|t|): tanh(|t|/2) = (1-e)/(1+e), 1/(1+cosh t) = 2e/(1+e)².
        let t = (BETA * u.slope * u.x).abs();
        let e = exp(-t);
        let tanh = (1.0 - e) / (1.0 + e);
        let bump = (2.0 - t * tanh) * (2.0 * e / ((1.0 + e) * (1.0 + e)));
        u.dh * (u.slope * 0.5 * BETA * bump)
    }
}

impl Pathwise for SwishSign {
    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        // 2σ(t)(1 + t(1 - σ(t))) - 1 over outputs -1 and +1, halved.
        let t = f64::from(BETA) * f64::from(slope) * f64::from(x);
        let s = 1.0 / (1.0 + libm::exp(-t));
        Some(s * (1.0 + t * (1.0 - s)))
    }
}
