//! The clipped straight-through estimator ([`ClippedStraightThrough`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Pathwise, Probability, Rule, Unit};

rule_with_probability!(
    /// The clipped straight-through estimator of binarised networks.
    ///
    /// ```text
    /// dL/dx = dL/dh · a/2 · [|a·x| <= 1]
    /// ```
    ///
    /// Published for outputs -1 and +1 as `dL/dh · [|x| <= 1]`; the distance of outputs 0 and 1 is
    /// half as large, hence the factor 1/2. The estimator equals [`st`](super::StraightThrough)
    /// with the hard sigmoid, except at `|a·x| = 1` exactly. Biased.
    ///
    /// Source: Courbariaux et al., "Binarized Neural Networks" (arXiv 1602.02830).
    ClippedStraightThrough,
    HardSigmoid
);

impl Estimator for ClippedStraightThrough {
    fn info(&self) -> Info {
        Info {
            name: "st-clip",
            formula: "dL/dh · a/2 · [|ax| <= 1]",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "Courbariaux 2016 (arXiv 1602.02830)",
        }
    }

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pathwise(self)
    }

    fn grad(&self, u: Unit) -> f32 {
        if (u.slope * u.x).abs() <= 1.0 {
            u.dh * (u.slope * 0.5)
        } else {
            0.0
        }
    }
}

impl Pathwise for ClippedStraightThrough {
    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        Some(Probability::HardSigmoid.exact(slope, x))
    }
}
