//! Mean and variance of gradients, and what follows from them.

use serde::{Deserialize, Serialize};

/// Parts that the draws are dealt out to. Their means are independent, whatever the
/// numbers of one gradient have to do with one another.
pub const PARTS: usize = 10;

/// Running sums over draws of a gradient.
#[derive(Clone, Debug)]
pub struct Moments {
    draws: usize,
    mean: Vec<f64>,
    /// Sum of squared deviations (Welford).
    squares: Vec<f64>,
    /// The sum of each part's draws.
    parts: Vec<Vec<f64>>,
    /// Sum of the cosines of the draws with the reference.
    cosines: Vec<f64>,
}

/// What an estimator's gradient was like; see [`super`] for the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// As a share of the reference's norm.
    pub bias: f64,
    /// What of the bias could be chance: the root of the standard error of its square.
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
            parts: vec![vec![0.0; len]; PARTS],
            cosines: vec![0.0; groups],
        }
    }

    /// Adds a draw; `reference` gives its cosine with each group, `spans` of the
    /// gradient.
    pub fn add(&mut self, gradient: &[f32], reference: Option<(&[f64], &[Vec<usize>])>) {
        let part = &mut self.parts[self.draws % PARTS];
        for (sum, &g) in part.iter_mut().zip(gradient) {
            *sum += f64::from(g);
        }
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

    /// The mean of number `i` over the draws of a part; of an exact gradient, itself.
    fn part(&self, part: usize, i: usize) -> f64 {
        match self.draws {
            1 => self.mean[i],
            n => self.parts[part][i] / ((n + PARTS - 1 - part) / PARTS) as f64,
        }
    }

    /// The squared distance of the expected gradient from the expected reference, over
    /// the numbers `group`, and its standard error. With `d_b` the difference of the two
    /// in part `b`, it is the mean of `d_b·d_c` over all `b ≠ c`, which noise adds
    /// nothing to; the error is that of the jackknife over parts.
    fn distance(&self, group: &[usize], reference: &Moments) -> (f64, f64) {
        let apart = |b: usize| {
            let of = move |&i: &usize| self.part(b, i) - reference.part(b, i);
            group.iter().map(of).collect::<Vec<f64>>()
        };
        let apart: Vec<Vec<f64>> = (0..PARTS).map(apart).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut total = vec![0.0; group.len()];
        for d in &apart {
            total.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
        }
        let (whole, parts) = (dot(&total, &total), PARTS as f64);
        let own: Vec<f64> = apart.iter().map(|d| dot(d, d)).collect();
        let all: f64 = own.iter().sum();
        let without = apart.iter().zip(&own).map(|(d, own)| {
            let rest = whole - 2.0 * dot(&total, d) + own;
            (rest - (all - own)) / ((parts - 1.0) * (parts - 2.0))
        });
        let without: Vec<f64> = without.collect();
        let mean = without.iter().sum::<f64>() / parts;
        let spread: f64 = without.iter().map(|u| (u - mean).powi(2)).sum();
        let square = (whole - all) / (parts * (parts - 1.0));
        (square, ((parts - 1.0) / parts * spread).sqrt())
    }

    /// The figures of group `number`, which holds the numbers `group`, against a
    /// reference. Both need [`PARTS`] draws, unless the reference is exact: of one draw.
    pub fn figures(&self, number: usize, group: &[usize], reference: &Moments) -> Figures {
        let n = self.draws as f64;
        let sum = |f: &dyn Fn(usize) -> f64| group.iter().map(|&i| f(i)).sum::<f64>();
        let variance = sum(&|i| self.variance(i));
        let (off, off_error) = self.distance(group, reference);
        let reference = reference.mean();
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

    fn exact(reference: &[f32]) -> Moments {
        let mut moments = Moments::new(reference.len(), 0);
        moments.add(reference, None);
        moments
    }

    #[test]
    fn figures_follow_their_formulas() {
        let (reference, groups) = (exact(&[3.0, 4.0]), vec![vec![0, 1]]);
        let target = reference.mean().to_vec();
        let mut m = Moments::new(2, 1);
        // Ten parts of two draws: each part has the mean (3, 7).
        for g in [[3.0f32, 6.0], [3.0, 8.0]] {
            for _ in 0..PARTS {
                m.add(&g, Some((&target, &groups)));
            }
        }
        // Mean (3, 7), variances (0, 20/19), reference (3, 4) of norm 5.
        let f = m.figures(0, &groups[0], &reference);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(f.variance, 20.0 / 19.0));
        assert!(near(f.variance_per_parameter, 10.0 / 19.0));
        assert!(near(f.bias, 3.0 / 5.0));
        assert!(f.bias_error < 1e-6, "no part differs from another");
        assert!(near(f.snr, ((58.0 - 1.0 / 19.0) / (20.0 / 19.0f64)).sqrt()));
        assert!(near(f.norm, 58.0f64.sqrt() / 5.0));
        assert!(near(f.cosine_of_mean, 37.0 / (58.0f64.sqrt() * 5.0)));
        let draws = [33.0 / (45.0f64.sqrt() * 5.0), 41.0 / (73.0f64.sqrt() * 5.0)];
        assert!(near(f.cosine, (draws[0] + draws[1]) / 2.0));
    }

    /// Noise of a thousand numbers: each its own, or all the same. Another draw of the
    /// reference's noise stands for a long run.
    fn noisy(seed: u64, mean: f32, together: bool, draws: usize) -> Moments {
        let mut m = Moments::new(1000, 1);
        let mut rng = crate::random::keyed(&[seed]);
        let mut g = vec![0.0; 1000];
        for _ in 0..draws {
            crate::random::fill_uniform(&mut rng, &mut g);
            let first = g[0];
            for g in &mut g {
                *g = if together { first } else { *g } - 0.5 + mean;
            }
            m.add(&g, None);
        }
        m
    }

    #[test]
    fn an_unbiased_run_has_no_bias_beyond_its_error() {
        let group: Vec<usize> = (0..1000).collect();
        for together in [false, true] {
            let mut beyond = 0;
            for seed in 0..40 {
                let reference = noisy(1000 + seed, 0.1, together, 2000);
                let f = noisy(seed, 0.1, together, 203).figures(0, &group, &reference);
                // Squares, of which the error is the standard one.
                beyond += usize::from(f.bias.powi(2) > 3.0 * f.bias_error.powi(2));
            }
            assert!(beyond <= 3, "{beyond} of 40");
            let reference = exact(&[0.1; 1000]);
            for seed in 0..5 {
                let f = noisy(seed, 0.3, together, 203).figures(0, &group, &reference);
                assert!(f.bias > 1.5 * f.bias_error, "{f:?}");
                assert!((f.bias - 2.0).abs() < 0.8, "{f:?}");
            }
        }
    }
}
