//! The ablation without a gradient ([`NoGradient`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Probability, Rule, Unit};
use crate::kernels::Elementwise;

rule_with_probability!(
    /// No gradient through the unit, as an ablation.
    ///
    /// ```text
    /// dL/dx = 0
    /// ```
    ///
    /// All layers below keep their initial weights, so that the layers above are trained on random
    /// features. Six rows of the reproduced study, published as REINFORCE, are equal to this.
    NoGradient,
    HardSigmoid
);

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

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::NoGradient
    }

    fn grad(&self, _unit: Unit) -> f32 {
        0.0
    }

    fn grads(&self, _ew: &Elementwise, _units: super::Units<'_>, _dx: &mut [f32]) {}
}
