//! The ReinMax estimator ([`ReinMax`]).

use super::probability::rule_with_probability;
use super::{Estimator, Info, Needs, Pathwise, Probability, Rule, Unit};

rule_with_probability!(
    /// ReinMax: a straight-through estimator of second order.
    ///
    /// ```text
    /// dL/dx = dL/dh · p' / (2·P(h))       P(1) = p, P(0) = 1 - p;  logistic: dL/dh · a·P(1 - h)/2
    /// ```
    ///
    /// **Derivation.** With the other bits fixed, the exact gradient is `p'·(L(1) - L(0))`. The
    /// straight-through estimator replaces that difference by the gradient at the drawn bit; its
    /// mean, `p'·(p·L'(1) + (1 - p)·L'(0))`, is exact if `L` is linear in the bit. Heun's rule
    /// takes the mean of both ends, `L(1) - L(0) ≈ (L'(0) + L'(1))/2`, which is exact if `L` is
    /// quadratic. A sample shows only one end, the end `h` with probability `P(h)`; its gradient
    /// times `p'/(2·P(h))` has the mean `p'·(L'(0) + L'(1))/2`.
    ///
    /// For the logistic probability function this equals the published rule, `2·ST` at the mean of
    /// sample and probability minus `ST/2`. With `q = (h + p)/2`:
    ///
    /// ```text
    /// 2·q(1 - q) - p(1 - p)/2  =  (1 - p)/2  for h = 1,   p/2  for h = 0
    /// ```
    ///
    /// which is `p(1 - p)/(2·P(h))`. Biased if the loss is of third order in a bit, and if there
    /// are binary layers above, whose gradients are not derivatives. `tests/gradients/reinmax.rs` measures
    /// its bias beside that of straight-through. Units are sampled in training, because the rule is
    /// an expectation over samples. The default probability function is the logistic one: with the
    /// hard sigmoid the factor is unbounded towards the ends of the ramp. Cost: one forward and one
    /// backward pass.
    ///
    /// Source: Liu et al., "Bridging Discrete and Backpropagation" (arXiv 2304.08612).
    ReinMax,
    Sigmoid
);

impl Estimator for ReinMax {
    fn info(&self) -> Info {
        Info {
            name: "reinmax",
            formula: "dL/dh · p'/(2 P(h)), the mean of both ends",
            unbiased: false,
            cost: "1 forward, 1 backward",
            source: "Liu 2023 (arXiv 2304.08612)",
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
        // The score is p'/P(1) for the bit 1 and -p'/P(0) for the bit 0.
        let score = self.probability.score(u.slope, u.x, u.p, u.h);
        u.dh * 0.5 * score.abs()
    }
}

impl Pathwise for ReinMax {
    fn explores(&self) -> bool {
        true
    }
}
