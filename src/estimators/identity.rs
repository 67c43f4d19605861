//! The identity straight-through estimator ([`Identity`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Pathwise, Probability, Rule, Unit};

rule_with_probability!(
    /// The identity straight-through estimator.
    ///
    /// ```text
    /// dL/dx = dL/dh · a
    /// ```
    ///
    /// The gradient is that of `a·x` in place of the bit. It does not saturate, so a unit far from
    /// its threshold still gets a gradient; this helps early in training and keeps weights from
    /// settling later. Biased.
    ///
    /// Source: Hinton 2012, as described by Bengio et al. (arXiv 1308.3432).
    Identity,
    HardSigmoid
);

impl Estimator for Identity {
    fn info(&self) -> Info {
        Info {
            name: "st-identity",
            formula: "dL/dh · a",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "Hinton 2012; Bengio 2013 (arXiv 1308.3432)",
        }
    }

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pathwise(self)
    }

    fn grad(&self, u: Unit) -> f32 {
        u.dh * u.slope
    }
}

impl Pathwise for Identity {
    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        Some(f64::from(slope) * f64::from(x))
    }
}
