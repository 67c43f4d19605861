//! The scale of a control part, learned.
//!
//! ```text
//! g = g₀ + η·c        η = -mean(Σ g₀·c) / mean(Σ c²)
//! ```
//!
//! This scale minimises Σ g², the second moment of the gradient over a layer's units, and
//! with it the variance, because the mean of `g` does not depend on `η`. The means are
//! moving averages over earlier steps alone, so the scale of a step is fixed before its
//! samples are drawn and biases nothing.

/// Weight of a step in the averages.
pub(super) const NEW: f32 = 0.02;

/// The most that a scale is either way.
const MOST: f32 = 2.0;

/// The scale for the averages of Σ g₀·c and Σ c²; 0 before there are any.
pub(super) fn scale([cross, square]: [f32; 2]) -> f32 {
    if square > 0.0 {
        (-cross / square).clamp(-MOST, MOST)
    } else {
        0.0
    }
}

/// Adds a step to the averages of Σ g₀·c and Σ c², from Σ g·c and Σ c² of the step and
/// the scale that it had.
pub(super) fn learn(averages: [&mut f32; 2], scale: f32, cross: f64, square: f64) {
    let base_cross = cross - f64::from(scale) * square;
    for (average, new) in averages.into_iter().zip([base_cross, square]) {
        *average += NEW * (new as f32 - *average);
    }
}
