//! The double control variates estimator ([`DoubleCv`]).

use super::probability::rule_with_probability;
use super::scale::{learn, scale};
use super::{Estimator, Info, Needs, Outcome, Probability, Rule, SavedGrads, ScoreFunction, Unit};

/// Initial values of the averages of Σ g₀·c and Σ c²: no control variate.
const BEGIN: [f32; 2] = [0.0, 0.0];

rule_with_probability!(
    /// Double control variates: leave-one-out REINFORCE in which the other samples also predict, to
    /// first order, the effect of a sample's own bits on its loss.
    ///
    /// ```text
    /// K samples h_1 … h_K of an image, g_j = dL/dh at h_j, ḡ_k = mean of g_j over j ≠ k
    /// b_k = ḡ_k·(h_k - p)                                   the control variate of sample k
    /// dL/dx = Σ_k (L(h_k) + α·b_k - mean over j ≠ k of (L(h_j) + α·b_j)) · d log P(h_k)/dx
    ///         - α·ḡ_k·p'                                    over K
    /// ```
    ///
    /// The mean of `L(h_j)` estimates the image's expected loss (the usual baseline `--baseline
    /// loo`). The first control variate is `b_k`, the predicted difference between the loss of
    /// these bits and that mean; the expectation of `b_k` times the score is `ḡ_k·p'`, which is
    /// added back. The second control variate is `b_j` in the leave-one-out mean, which removes the
    /// predicted effect of the other samples' own bits. It contains `g_k`, which depends on `h_k`,
    /// and is nevertheless unbiased: given all other bits the mean of `h_j - p` is 0. So the sum is
    /// unbiased for every `ḡ` and every `α` that was fixed before the samples were drawn. Binary
    /// layers above propagate `g` as straight-through units do.
    ///
    /// **Learned.** Each layer has its own `α`, which minimises the second moment of its gradient,
    /// with the samples of an image added up as in the gradients of its biases: the second control
    /// variate reduces the covariance of the terms of different samples, which only that sum
    /// contains. `α` is near -1 if the loss is nearly linear in the bits. The published form
    /// minimises the same quantity by gradient steps; here `α` has the closed form over moving
    /// averages (`scale.rs`).
    ///
    /// If the layers above propagate a gradient without a loss in it (real layers, straight-through
    /// units, a local expectation), `g_j` is computed in the same backward pass as the gradient
    /// itself. Cost: K forward and backward passes, or two backward passes each under another score
    /// function; at least two samples. `tests/gradients/second_moments.rs` compares the variance with that of
    /// the formula.
    ///
    /// Source: Titsias and Shi, "Double Control Variates" (arXiv 2111.05300).
    DoubleCv,
    Sigmoid
);

impl Estimator for DoubleCv {
    fn info(&self) -> Info {
        Info {
            name: "double-cv",
            formula: "(L + αb - mean (L' + αb')) · d log P(h)/dx - α·g'·p', b = g'·(h - p), ' of the other samples",
            unbiased: true,
            cost: "K forward, K backward, K >= 2 samples",
            source: "Titsias and Shi 2022 (arXiv 2111.05300)",
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

    #[inline(always)]
    fn grad(&self, u: Unit) -> f32 {
        u.learning_signal * self.probability.score(u.slope, u.x, u.p, u.h)
    }
}

impl ScoreFunction for DoubleCv {
    fn saved_grads(&self) -> SavedGrads {
        SavedGrads::Samples
    }

    fn min_samples(&self) -> usize {
        2
    }

    fn takes_baseline(&self) -> bool {
        true
    }

    fn control_variate(&self, of: Outcome<'_>) -> f32 {
        let units = of.saved_grads[0].iter().zip(of.h).zip(of.p);
        let sum: f64 = units.map(|((&g, &h), &p)| f64::from(g * (h - p))).sum();
        sum as f32
    }

    #[inline(always)]
    fn control_part(&self, u: Unit, [control_variate, _]: [f32; 2]) -> f32 {
        control_variate * self.probability.score(u.slope, u.x, u.p, u.h)
            - u.saved_grads[0] * self.probability.derivative(u.slope, u.x, u.p)
    }

    fn learned(&self) -> &'static [f32] {
        &BEGIN
    }

    fn control(&self, temperature: f32, c: &[f32], _step: u64) -> (f32, f32) {
        (temperature, scale([c[0], c[1]]))
    }

    fn adapt(&self, c: &mut [f32], [_, cross, square]: [f64; 3], _step: u64) {
        if let [mean_cross, mean_square] = c {
            let used = scale([*mean_cross, *mean_square]);
            learn([mean_cross, mean_square], used, cross, square);
        }
    }
}
