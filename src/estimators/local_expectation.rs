//! The local expectation estimator ([`LocalExpectation`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Needs, Pathwise, Probability, Rule, Unit};

rule_with_probability!(
    /// Local expectation: the exact difference in the loss that each bit of the last binary layer
    /// makes.
    ///
    /// ```text
    /// dL/dx_i = p'(x_i) · (L[h_i = 1] - L[h_i = 0])      the other bits as sampled
    /// ```
    ///
    /// Unbiased, with the noise of the unit's own bit integrated out. In general it costs two
    /// forward passes for each unit. Below a last linear layer it is exact and cheap, because
    /// flipping a bit changes the logits by one column of the weights; that layer computes the
    /// differences ([`crate::layers::LinearOp::record_differences`]) and propagates them in place
    /// of the gradient. Binary layers below need another estimator, for example
    /// `disarm+local-expectation`, which names the estimators from the first layer to the last.
    ///
    /// The default probability function is the logistic one. With the hard sigmoid, units in its
    /// flat part would get no gradient although the difference is not 0, and would never recover.
    ///
    /// Source: Titsias and Lázaro-Gredilla, "Local Expectation Gradients" (arXiv 1503.01494).
    LocalExpectation,
    Sigmoid
);

impl Estimator for LocalExpectation {
    fn info(&self) -> Info {
        Info {
            name: "local-expectation",
            formula: "p' · (L[h_i=1] - L[h_i=0]), last binary layer",
            unbiased: true,
            cost: "1 forward, 1 backward, and a loss for each unit",
            source: "Titsias 2015 (arXiv 1503.01494)",
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
            p: true,
            ..Needs::default()
        }
    }

    fn grad(&self, u: Unit) -> f32 {
        u.dh * self.probability.derivative(u.slope, u.x, u.p)
    }
}

impl Pathwise for LocalExpectation {
    fn explores(&self) -> bool {
        true
    }

    fn needs_differences(&self) -> bool {
        true
    }
}
