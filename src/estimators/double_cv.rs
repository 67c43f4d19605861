//! The estimator [`DoubleCv`].

use super::probability::rule_with_probability;
use super::scale::{learn, scale};
use super::{Estimator, Info, Needs, Outcome, Probability, Rule, SavedGrads, ScoreFunction, Unit};

/// The averages of Σ g₀·c and Σ c² as they begin: no control variate.
const BEGIN: [f32; 2] = [0.0, 0.0];

rule_with_probability!(
    /// Double control variates: leave-one-out REINFORCE whose other samples also predict,
    /// to first order, what a sample's own bits do to its loss.
    ///
    /// ```text
    /// K samples h_1 … h_K of an image, g_j = dL/dh at h_j, ḡ_k = mean of g_j over j ≠ k
    /// b_k = ḡ_k·(h_k - p)                                   the control variate of sample k
    /// dL/dx = Σ_k (L(h_k) + α·b_k - mean over j ≠ k of (L(h_j) + α·b_j)) · d log P(h_k)/dx
    ///         - α·ḡ_k·p'                                    over K
    /// ```
    ///
    /// The mean of `L(h_j)` is the image's expected loss (`--baseline loo`, the usual one). The
    /// first control variate is `b_k`, what the loss of these bits should differ from that by;
    /// its mean times the score is `ḡ_k·p'` and is put back. The second one is `b_j` in the
    /// leave-one-out mean, which takes off what the other samples' own bits did to it. It holds
    /// `g_k`, which knows `h_k`, and yet biases nothing: given all other bits the mean of
    /// `h_j - p` is 0. So the sum is unbiased for every `ḡ` and every `α` that was fixed before
    /// the samples were drawn. Binary layers above pass `g` on as straight-through units do.
    ///
    /// **Learned.** `α` is a layer's own and minimises the second moment of its gradient, with
    /// the samples of an image added up as its biases have them: only in that sum do the terms
    /// of different samples meet, which the second control variate is there for. It is near -1
    /// where the loss is nearly linear in the bits. The published form takes gradient steps to
    /// the same end; here `α` is the closed form over moving averages (`scale.rs`).
    ///
    /// Under layers that pass an gradient on without a loss in it (real ones, straight-through
    /// units, a local expectation) `g_j` comes with the gradient itself. Cost: K forward and
    /// backward passes, two of the latter under another score function; at least two samples.
    /// `tests/second_moments.rs` holds the variance against the formula's.
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
