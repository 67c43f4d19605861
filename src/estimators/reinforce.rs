//! The REINFORCE estimator ([`Reinforce`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Needs, Probability, Rule, ScoreFunction, Unit};

rule_with_probability!(
    /// REINFORCE, the score-function estimator.
    ///
    /// ```text
    /// dL/dx = (L - baseline) · d log P(h)/dx          sigmoid: (L - baseline)·a·(h - p)
    /// ```
    ///
    /// The score, the direction in which the row's bits become more likely, is weighted by the loss
    /// of the row. Unbiased for any baseline that does not depend on the row's own bits, and of
    /// high variance, because all units of a layer share the same learning signal. Cost: one
    /// forward pass per sample (and a backward pass for the layers above).
    ///
    /// The default probability function is the logistic one. With the hard sigmoid the score is of
    /// the size `±1/p'` and has unbounded variance as `p` approaches 0 or 1; with the logistic
    /// function it is at most `a`.
    ///
    /// **Deterministic units.** A unit `[x > 0]` has no score, so "deterministic" states how the
    /// network is *evaluated*: it is sampled in training, because the estimator learns from the
    /// losses of other bits, and thresholded in validation and test. The objective of training and
    /// the evaluated network therefore differ by the noise of the bits. The slope reduces this
    /// difference: with `a` annealed upwards `p` approaches 0 or 1, a sample equals the thresholded
    /// bit more and more often, and the best epoch is chosen by the thresholded network. A score of
    /// zero, which is the derivative of a threshold, is the estimator `none`.
    ///
    /// Source: Williams 1992.
    Reinforce,
    Sigmoid
);

impl Estimator for Reinforce {
    fn info(&self) -> Info {
        Info {
            name: "reinforce",
            formula: "(L - baseline) · d log P(h)/dx",
            unbiased: true,
            cost: "K forward for K samples",
            source: "Williams 1992",
        }
    }

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        Rule::ScoreFunction(self)
    }

    fn needs(&self) -> Needs {
        Needs {
            p: true,
            ..Needs::default()
        }
    }

    fn grad(&self, u: Unit) -> f32 {
        u.learning_signal * self.probability.score(u.slope, u.x, u.p, u.h)
    }
}

impl ScoreFunction for Reinforce {
    fn takes_baseline(&self) -> bool {
        true
    }
}
