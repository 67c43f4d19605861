//! Double control variates: leave-one-out REINFORCE whose other samples also predict,
//! to first order, what the row's own bits do.
//!
//! ```text
//! K samples h_1 … h_K of an image, g_j = dL/dh at h_j
//! L̄ = mean of L(h_j), ḡ = mean of g_j                       over j ≠ k
//! dL/dx = (L(h_k) - L̄ - Σ ḡ·(h_k - p)) · d log P(h_k)/dx  +  ḡ·p'
//! ```
//!
//! `L̄` is the image's expected loss, `ḡ·(h_k - p)` what the loss of these bits should
//! differ from it by; the mean of that term times the score is `ḡ·p'` and is put back.
//! Neither depends on `h_k`, so the sum is unbiased, whatever `ḡ` is: binary layers above
//! pass it on as straight-through units do. It is a straight-through gradient whose bias
//! is corrected by a score function of what the straight line leaves over. Under layers
//! that pass an adjoint on without a loss in it (real ones, straight-through units, a
//! local expectation) `g_j` comes with the gradient itself. Cost: K forward and backward
//! passes, two of the latter under another score function; at least two samples.
//!
//! Source: Titsias and Shi, "Double Control Variates" (arXiv 2111.05300).

use super::{Estimator, Info, Link, Needs, Outcome, Signal, Unit};

/// See the module's page.
#[derive(Clone, Copy, Debug)]
pub struct DoubleCv {
    /// Probabilities of bits; the logistic by default, for its bounded score.
    pub link: Link,
}

impl Default for DoubleCv {
    fn default() -> Self {
        let link = Link::Sigmoid;
        Self { link }
    }
}

impl Estimator for DoubleCv {
    fn info(&self) -> Info {
        Info {
            name: "double-cv",
            formula: "(L - mean L' - g'·(h - p)) · d log P(h)/dx + g'·p', L' and g' = dL/dh of the other samples",
            unbiased: true,
            cost: "K forward, K backward, K >= 2 samples",
            source: "Titsias and Shi 2022 (arXiv 2111.05300)",
        }
    }

    fn signal(&self) -> Signal {
        Signal::Loss
    }

    fn link(&self) -> Link {
        self.link
    }

    fn needs(&self) -> Needs {
        Needs {
            p: true,
            ..Needs::default()
        }
    }

    fn probes(&self) -> bool {
        true
    }

    fn probes_samples(&self) -> bool {
        true
    }

    fn least_samples(&self) -> usize {
        2
    }

    fn takes_baseline(&self) -> bool {
        true
    }

    fn credit(&self, of: Outcome<'_>) -> f32 {
        let units = of.noted[0].iter().zip(of.h).zip(of.p);
        let line: f64 = units.map(|((&g, &h), &p)| f64::from(g * (h - p))).sum();
        (of.loss - of.baseline) * of.weight - line as f32
    }

    fn pullback(&self, u: Unit) -> f32 {
        u.credit * self.link.score(u.slope, u.x, u.p, u.h)
            + u.noted[0] * self.link.derivative(u.slope, u.x, u.p)
    }

    fn surrogate(&self, _slope: f32, _x: f32) -> Option<f64> {
        None
    }
}
