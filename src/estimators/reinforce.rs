//! The estimator [`Reinforce`].

use super::probability::rule_with_probability;
use super::{Estimator, Info, Needs, Probability, Rule, ScoreFunction, Unit};

rule_with_probability!(
    /// REINFORCE, the score-function estimator.
    ///
    /// ```text
    /// dL/dx = (L - baseline) · d log P(h)/dx          sigmoid: (L - baseline)·a·(h - p)
    /// ```
    ///
    /// The loss of the row itself weighs the direction that would have made its bits more
    /// likely. Unbiased for any baseline that does not depend on the row's own bits, and
    /// noisy: every unit of a layer is paid by the same number. Cost: one forward pass a
    /// sample (and a backward pass for the layers above).
    ///
    /// The default probability function is the logistic. With the hard sigmoid the score is `±1/p'`-like and
    /// has unbounded variance as `p` nears 0 or 1; with the logistic it is at most `a`.
    ///
    /// **Deterministic units.** A unit that is `[x > 0]` has no score, so "deterministic" says
    /// how a network is *read*: it is sampled in training, because the estimator learns from
    /// what other bits would have cost, and thresholded in validation and test. What training
    /// optimises and what evaluation reads then differ by the noise of the bits. The slope
    /// closes that gap: with `a` annealed upwards `p` nears 0 or 1, a sample is the threshold
    /// more and more often, and the best epoch is chosen by the thresholded network. Setting the
    /// score to zero instead (what a threshold's own derivative says) is the estimator `none`.
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
