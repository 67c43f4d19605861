//! What an estimator's gradient was like, and how sure of that one can be.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Moments;
use super::moments::PARTS;

/// What an estimator's gradient was like; see [`super`] for the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The bias, as a share of the reference's norm.
    pub bias: f64,
    /// What of the bias could be chance: the root of the standard error of its square.
    pub bias_error: f64,
    /// The variance of a draw, summed over parameters.
    pub variance: f64,
    /// The variance of a draw, as a mean over parameters.
    pub variance_per_parameter: f64,
    /// The signal-to-noise ratio of one draw.
    pub snr: f64,
    /// Mean cosine of a draw with the reference.
    pub cosine: f64,
    /// Cosine of the mean with the reference.
    pub cosine_of_mean: f64,
    /// Norm of the mean as a share of the reference's norm.
    pub norm: f64,
    /// How sure all of that is; absent in records from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Errors>,
}

/// Standard errors of [`Figures`], and what they can tell from chance. All but the first two
/// are the jackknife's over the parts of the draws, and of the reference's where it is in
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// The standard error of the mean of the draws, as a share of the reference's norm.
    pub mean: f64,
    /// The smallest bias that could be told from chance, as a share of the reference's norm:
    /// its square is two standard errors that the square has where there is no bias. The
    /// reference's own error is in it.
    pub resolution: f64,
    /// The standard error of the variance, summed over parameters.
    pub variance: f64,
    /// The root of the standard error of the square of the signal-to-noise ratio.
    pub snr: f64,
    /// The standard error of the mean cosine of a draw.
    pub cosine: f64,
    /// The standard error of the cosine of the mean.
    pub cosine_of_mean: f64,
    /// The standard error of the norm.
    pub norm: f64,
}

/// What can be said of an estimator's gradient without a reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The variance of a draw, summed over parameters.
    pub variance: f64,
    /// The standard error of the variance.
    pub variance_error: f64,
    /// The variance of a draw, as a mean over parameters.
    pub variance_per_parameter: f64,
    /// The signal-to-noise ratio of one draw.
    pub snr: f64,
    /// The root of the standard error of the square of that ratio.
    pub snr_error: f64,
}

/// The interval of a root whose square is one standard error less or more; `error` is the root
/// of that standard error.
pub fn around(root: f64, error: f64) -> (f64, f64) {
    let (square, error) = (root.powi(2), error.powi(2));
    ((square - error).max(0.0).sqrt(), (square + error).sqrt())
}

/// The standard error of a root, from the root of the standard error of its square: how far
/// up it goes with the square.
pub fn error_of_root(root: f64, error: f64) -> f64 {
    around(root, error).1 - root
}

impl Figures {
    /// The standard error of the bias. That of the reference's norm, by which every bias of a
    /// point is divided, is common to them and not in it.
    pub fn error_of_bias(&self) -> f64 {
        error_of_root(self.bias, self.bias_error)
    }

    /// The smallest bias that could be told from chance. Records from before it was noted
    /// have the error of the bias for it, in which the spread of a real bias is as well.
    pub fn resolution(&self) -> f64 {
        let noted = self.errors.map(|errors| errors.resolution);
        noted.unwrap_or(2f64.sqrt() * self.bias_error)
    }

    /// Whether the bias is above what could be chance.
    pub fn is_biased(&self) -> bool {
        self.bias > self.resolution()
    }

    /// The number of draws whose mean has a standard error of `share` times `norm`, the norm
    /// of the gradient.
    pub fn draws_for(&self, share: f64, norm: f64) -> f64 {
        (self.variance / (share * norm).powi(2)).ceil()
    }
}

/// The jackknife's standard error of a figure, from its values without one part each.
pub(super) fn jackknife(without: &[f64; PARTS]) -> f64 {
    let parts = PARTS as f64;
    let mean = without.iter().sum::<f64>() / parts;
    let spread: f64 = without.iter().map(|u| (u - mean).powi(2)).sum();
    ((parts - 1.0) / parts * spread).sqrt()
}

/// A squared distance, its standard error, and the one that it would have by chance alone.
struct Distance {
    square: f64,
    error: f64,
    by_chance: f64,
}

impl Moments {
    /// The squared distance of the expected gradient from the expected reference, over
    /// the numbers `group`. With `d_b` the difference of the two in part `b`, it is the mean
    /// of `d_b·d_c` over all `b ≠ c`, which noise adds nothing to; the error is that of the
    /// jackknife over parts.
    ///
    /// Where the two do not differ, the variance of that mean is `2 tr(C²) / (P (P - 1))`, `C`
    /// the covariance of one `d_b`; and whether they differ or not, a quarter of
    /// `((d_b - d_c)·(d_e - d_f))²`, four different parts, is expected to be `tr(C²)`.
    fn distance(&self, group: &Range<usize>, reference: &Moments) -> Distance {
        let apart = |b: usize| {
            let of = move |i: usize| self.part(b, i) - reference.part(b, i);
            group.clone().map(of).collect::<Vec<f64>>()
        };
        let apart: Vec<Vec<f64>> = (0..PARTS).map(apart).collect();
        let dot = |b: usize, c: usize| -> f64 {
            let pairs = apart[b].iter().zip(&apart[c]);
            pairs.map(|(x, y)| x * y).sum()
        };
        let dots: [[f64; PARTS]; PARTS] =
            std::array::from_fn(|b| std::array::from_fn(|c| dot(b, c)));
        let parts = PARTS as f64;
        let whole: f64 = dots.iter().flatten().sum();
        let all: f64 = (0..PARTS).map(|b| dots[b][b]).sum();
        let without = std::array::from_fn(|b| {
            let rest = whole - 2.0 * dots[b].iter().sum::<f64>() + dots[b][b];
            (rest - (all - dots[b][b])) / ((parts - 1.0) * (parts - 2.0))
        });
        let (mut squares, mut fours) = (0.0, 0.0);
        for (b, c) in pairs() {
            for (e, f) in pairs().filter(|(e, f)| ![b, c].contains(e) && ![b, c].contains(f)) {
                let product = dots[b][e] - dots[b][f] - dots[c][e] + dots[c][f];
                squares += product.powi(2) / 4.0;
                fours += 1.0;
            }
        }
        Distance {
            square: (whole - all) / (parts * (parts - 1.0)),
            error: jackknife(&without),
            by_chance: (2.0 * squares / fours / (parts * (parts - 1.0))).sqrt(),
        }
    }

    /// The smallest bias of the numbers `group` that could be told from chance, were this
    /// gradient compared with a `reference`: its square is two standard errors.
    pub fn resolution(&self, group: &Range<usize>, reference: &Moments) -> f64 {
        (2.0 * self.distance(group, reference).by_chance).sqrt()
    }

    /// What is known of group `number`, the numbers `group`, without a reference. It needs
    /// [`PARTS`] draws.
    pub fn spread(&self, number: usize, group: &Range<usize>) -> Spread {
        let n = self.draws() as f64;
        let variance: f64 = group.clone().map(|i| self.variance(i)).sum();
        let squared = |signal: f64, variance: f64, n: f64| match variance > 0.0 {
            true => (signal - variance / n) / variance,
            false => 0.0,
        };
        let (mut variances, mut snrs) = ([0.0; PARTS], [0.0; PARTS]);
        for part in 0..PARTS {
            let rest = self.rest(part);
            let means = group.clone().map(|i| self.without(part, i).powi(2));
            let signal: f64 = means.sum();
            let around_zero = self.norms_without(number, part);
            variances[part] = ((around_zero - rest * signal) / (rest - 1.0)).max(0.0);
            snrs[part] = squared(signal, variances[part], rest);
        }
        let signal = self.norm_of_mean(group).powi(2);
        let snr = squared(signal, variance, n).max(0.0).sqrt();
        // Draws without any noise leave rounding alone, which is no error.
        let noisy = |error: f64| if variance > 0.0 { error } else { 0.0 };
        Spread {
            variance,
            variance_error: noisy(jackknife(&variances)),
            variance_per_parameter: variance / group.len().max(1) as f64,
            snr,
            snr_error: noisy(jackknife(&snrs).sqrt()),
        }
    }

    /// The figures of group `number`, which holds the numbers `group`, against a
    /// reference. Both need [`PARTS`] draws, unless the reference is exact: of one draw.
    pub fn figures(&self, number: usize, group: &Range<usize>, reference: &Moments) -> Figures {
        let spread = self.spread(number, group);
        let off = self.distance(group, reference);
        let size = reference.norm_of_mean(group);
        let share = |x: f64| if size > 0.0 { x / size } else { 0.0 };
        let (mut cosines, mut of_mean, mut norms) = ([0.0; PARTS], [0.0; PARTS], [0.0; PARTS]);
        for part in 0..PARTS {
            let pairs = group
                .clone()
                .map(|i| (self.without(part, i), reference.without(part, i)));
            cosines[part] = self.cosine_without(number, part);
            (of_mean[part], norms[part]) = cosine_and_ratio(pairs);
        }
        let pairs = group.clone().map(|i| (self.mean()[i], reference.mean()[i]));
        Figures {
            bias: share(off.square.max(0.0).sqrt()),
            bias_error: share(off.error.sqrt()),
            variance: spread.variance,
            variance_per_parameter: spread.variance_per_parameter,
            snr: spread.snr,
            cosine: self.cosine(number),
            cosine_of_mean: cosine_and_ratio(pairs).0,
            norm: share(self.norm_of_mean(group)),
            errors: Some(Errors {
                mean: share(self.error_of_mean(group)),
                resolution: share((2.0 * off.by_chance).sqrt()),
                variance: spread.variance_error,
                snr: spread.snr_error,
                cosine: jackknife(&cosines),
                cosine_of_mean: jackknife(&of_mean),
                norm: jackknife(&norms),
            }),
        }
    }
}

/// Every two parts, once.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..PARTS).flat_map(|b| (b + 1..PARTS).map(move |c| (b, c)))
}

/// The cosine of two vectors, and the ratio of their norms; 0 where one is zero.
fn cosine_and_ratio(pairs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let (mut dot, mut a, mut b) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        dot += x * y;
        a += x * x;
        b += y * y;
    }
    let cosine = match a > 0.0 && b > 0.0 {
        true => dot / (a * b).sqrt(),
        false => 0.0,
    };
    (cosine, if b > 0.0 { (a / b).sqrt() } else { 0.0 })
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
