//! Mean and variance of gradients, and what follows from them.

use serde::{Deserialize, Serialize};

/// Running sums over draws of a gradient.
#[derive(Clone, Debug)]
pub struct Moments {
    draws: usize,
    mean: Vec<f64>,
    /// Sum of squared deviations (Welford).
    squares: Vec<f64>,
    /// Sum of the cosines of the draws with the reference.
    cosines: Vec<f64>,
}

/// What an estimator's gradient was like; see [`super`] for the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// As a share of the reference's norm.
    pub bias: f64,
    /// The standard error of the bias: what of it could be chance.
    pub bias_error: f64,
    /// Summed over parameters.
    pub variance: f64,
    /// Mean over parameters.
    pub variance_per_parameter: f64,
    /// Of one draw.
    pub snr: f64,
    /// Mean cosine of a draw with the reference.
    pub cosine: f64,
    /// Cosine of the mean with the reference.
    pub cosine_of_mean: f64,
    /// Norm of the mean as a share of the reference's norm.
    pub norm: f64,
}

impl Moments {
    /// Of gradients with `len` numbers, in `groups` groups.
    pub fn new(len: usize, groups: usize) -> Self {
        Self {
            draws: 0,
            mean: vec![0.0; len],
            squares: vec![0.0; len],
            cosines: vec![0.0; groups],
        }
    }

    /// Adds a draw; `reference` gives its cosine with each group, `spans` of the
    /// gradient.
    pub fn add(&mut self, gradient: &[f32], reference: Option<(&[f64], &[Vec<usize>])>) {
        self.draws += 1;
        let n = self.draws as f64;
        for ((mean, squares), &g) in self.mean.iter_mut().zip(&mut self.squares).zip(gradient) {
            let g = f64::from(g);
            let delta = g - *mean;
            *mean += delta / n;
            *squares += delta * (g - *mean);
        }
        let Some((reference, groups)) = reference else {
            return;
        };
        for (cosine, group) in self.cosines.iter_mut().zip(groups) {
            let g = |i: &usize| f64::from(gradient[*i]);
            *cosine += cosine_of(group.iter().map(|i| (g(i), reference[*i])));
        }
    }

    /// Draws so far.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// The mean.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance of a draw's number `i`; 0 of a single draw.
    pub fn variance(&self, i: usize) -> f64 {
        if self.draws > 1 {
            self.squares[i] / (self.draws - 1) as f64
        } else {
            0.0
        }
    }

    /// The figures of group `number`, which holds the numbers `group`, against a
    /// reference with the variances `error` of its numbers.
    pub fn figures(
        &self,
        number: usize,
        group: &[usize],
        reference: &[f64],
        error: impl Fn(usize) -> f64,
    ) -> Figures {
        let n = self.draws as f64;
        let sum = |f: &dyn Fn(usize) -> f64| group.iter().map(|&i| f(i)).sum::<f64>();
        let variance = sum(&|i| self.variance(i));
        let noise = |i: usize| self.variance(i) / n + error(i);
        let off = sum(&|i| (self.mean[i] - reference[i]).powi(2) - noise(i));
        // The variance of a sum of squared normal deviations of mean zero.
        let off_error = (2.0 * sum(&|i| noise(i).powi(2))).sqrt();
        let size = sum(&|i| reference[i].powi(2)).sqrt();
        let mean_square = sum(&|i| self.mean[i].powi(2));
        let signal = (mean_square - variance / n).max(0.0);
        let share = |x: f64| if size > 0.0 { x / size } else { 0.0 };
        Figures {
            bias: share(off.max(0.0).sqrt()),
            bias_error: share(off_error.sqrt()),
            variance,
            variance_per_parameter: variance / group.len().max(1) as f64,
            snr: if variance > 0.0 {
                (signal / variance).sqrt()
            } else {
                0.0
            },
            cosine: self.cosines[number] / n,
            cosine_of_mean: cosine_of(group.iter().map(|&i| (self.mean[i], reference[i]))),
            norm: share(mean_square.sqrt()),
        }
    }
}

/// The cosine of two vectors; 0 where one is zero.
fn cosine_of(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut dot, mut a, mut b) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        dot += x * y;
        a += x * x;
        b += y * y;
    }
    if a > 0.0 && b > 0.0 {
        dot / (a * b).sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_follow_their_formulas() {
        let reference = [3.0, 4.0];
        let groups = vec![vec![0, 1]];
        let mut m = Moments::new(2, 1);
        for g in [[3.0f32, 6.0], [3.0, 8.0]] {
            m.add(&g, Some((&reference, &groups)));
        }
        // Mean (3, 7), variances (0, 2), reference (3, 4) of norm 5.
        let f = m.figures(0, &groups[0], &reference, |_| 0.0);
        assert_eq!(f.variance, 2.0);
        assert_eq!(f.variance_per_parameter, 1.0);
        assert_eq!(f.bias, (9.0f64 - 1.0).sqrt() / 5.0);
        assert_eq!(f.bias_error, 2.0f64.sqrt().sqrt() / 5.0);
        assert_eq!(f.snr, (57.0f64 / 2.0).sqrt());
        assert_eq!(f.norm, 58.0f64.sqrt() / 5.0);
        assert!((f.cosine_of_mean - 37.0 / (58.0f64.sqrt() * 5.0)).abs() < 1e-12);
        let draws = [33.0 / (45.0f64.sqrt() * 5.0), 41.0 / (73.0f64.sqrt() * 5.0)];
        assert!((f.cosine - (draws[0] + draws[1]) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn an_unbiased_run_has_no_bias_beyond_its_error() {
        let mut m = Moments::new(1000, 1);
        let groups = vec![(0..1000).collect::<Vec<_>>()];
        let reference = vec![0.1; 1000];
        let mut rng = crate::random::keyed(&[3]);
        let mut g = vec![0.0; 1000];
        for _ in 0..200 {
            crate::random::fill_uniform(&mut rng, &mut g);
            g.iter_mut().for_each(|g| *g = *g - 0.5 + 0.1);
            m.add(&g, Some((&reference, &groups)));
        }
        let f = m.figures(0, &groups[0], &reference, |_| 0.0);
        assert!(f.bias < 3.0 * f.bias_error, "{f:?}");
        let wrong: Vec<f64> = reference.iter().map(|r| r * 0.7).collect();
        let f = m.figures(0, &groups[0], &wrong, |_| 0.0);
        assert!(f.bias > 3.0 * f.bias_error, "{f:?}");
    }
}
