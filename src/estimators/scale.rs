//! The learned scale of a control part.
//!
//! ```text
//! g = g₀ + η·c        η = -mean(Σ g₀·c) / mean(Σ c²)
//! ```
//!
//! This scale minimises Σ g², the second moment of the gradient over a layer's units, and thereby
//! the variance, because the mean of `g` does not depend on `η`. The means are moving averages over
//! earlier steps only, so the scale of a step is fixed before its samples are drawn and the
//! gradient stays unbiased.

/// Weight of a new step in the moving averages.
pub(super) const NEW: f32 = 0.02;

/// The largest magnitude of a scale.
const MOST: f32 = 2.0;

/// Returns the scale for the averages of Σ g₀·c and Σ c²; 0 if there are none yet.
pub(super) fn scale([cross, square]: [f32; 2]) -> f32 {
    if square > 0.0 {
        (-cross / square).clamp(-MOST, MOST)
    } else {
        0.0
    }
}

/// Updates the averages of Σ g₀·c and Σ c² from Σ g·c and Σ c² of a step and the scale of that
/// step.
pub(super) fn learn(averages: [&mut f32; 2], scale: f32, cross: f64, square: f64) {
    let base_cross = cross - f64::from(scale) * square;
    for (average, new) in averages.into_iter().zip([base_cross, square]) {
        *average += NEW * (new as f32 - *average);
    }
}
