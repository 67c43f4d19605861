//! The straight-through estimator ([`StraightThrough`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Needs, Pathwise, Probability, Rule, Unit, Units};
use crate::kernels::Elementwise;

rule_with_probability!(
    /// The straight-through estimator.
    ///
    /// ```text
    /// dL/dx = dL/dh · s'(x)
    /// ```
    ///
    /// The gradient with respect to the bit is used as the gradient with respect to its
    /// probability, and multiplied by the derivative of the probability function: for the hard
    /// sigmoid `a/2` if `|a·x| < 1`, else 0. Biased, because the loss is not linear in the bit.
    /// Cost: one forward and one backward pass. The default probability function is the hard
    /// sigmoid, as in the reproduced study; an unbounded score is no concern, because the rule uses
    /// no score.
    ///
    /// Source: Hinton, Coursera lectures (2012); Bengio, Léonard, Courville,
    /// "Estimating or Propagating Gradients Through Stochastic Neurons" (arXiv
    /// 1308.3432).
    StraightThrough,
    HardSigmoid
);

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

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pathwise(self)
    }

    fn needs(&self) -> Needs {
        Needs {
            p: self.probability == Probability::Sigmoid,
            ..Needs::default()
        }
    }

    fn grad(&self, u: Unit) -> f32 {
        u.dh * self.probability.derivative(u.slope, u.x, u.p)
    }

    fn grads(&self, ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        match self.probability {
            Probability::HardSigmoid => (ew.hard_sigmoid_grad)(units.slope, units.x, units.dh, dx),
            Probability::Sigmoid => (ew.sigmoid_grad)(units.slope, units.p, units.dh, dx),
        }
    }
}

impl Pathwise for StraightThrough {
    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        Some(self.probability.exact(slope, x))
    }
}
