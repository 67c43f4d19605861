//! Running sums over draws of a gradient: all that the figures and their errors need.

use std::ops::Range;

/// The number of parts that the draws are dealt out to. Their means are independent of one
/// another, however the numbers within one gradient depend on each other.
pub const PARTS: usize = 10;

/// For each part of the draws, a sum against what each part leaves out, and against the
/// whole, which comes last.
type Crossed = [[f64; PARTS + 1]; PARTS];

/// Running sums over draws of a gradient.
#[derive(Clone, Debug)]
pub struct Moments {
    draws: usize,
    mean: Vec<f64>,
    /// Sum of squared deviations (Welford).
    squares: Vec<f64>,
    /// The sum of each part's draws.
    parts: Vec<Vec<f64>>,
    /// Of each group: the sum of the squared norms of each part's draws.
    norms: Vec<[f64; PARTS]>,
    /// Of each group: the sums of the cosines of each part's draws with the target.
    cosines: Vec<Crossed>,
}

/// A reference gradient that draws are compared with: its mean, and its means without one
/// part each, by which its own error is known.
pub struct Target {
    /// The means without each part; last, the mean of all.
    means: Vec<Vec<f64>>,
    /// Of each group, the norms of those.
    norms: Vec<Vec<f64>>,
}

impl Moments {
    /// No draws yet of gradients with `len` numbers, in `groups` groups.
    pub fn new(len: usize, groups: usize) -> Self {
        Self {
            draws: 0,
            mean: vec![0.0; len],
            squares: vec![0.0; len],
            parts: vec![vec![0.0; len]; PARTS],
            norms: vec![[0.0; PARTS]; groups],
            cosines: vec![[[0.0; PARTS + 1]; PARTS]; groups],
        }
    }

    /// Adds a draw, of which each group is the numbers that `groups` says; `target` gives
    /// its cosine with each.
    pub fn add(&mut self, gradient: &[f32], groups: &[Range<usize>], target: Option<&Target>) {
        let number = self.draws % PARTS;
        for (sum, &g) in self.parts[number].iter_mut().zip(gradient) {
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
        for (at, group) in groups.iter().enumerate().take(self.norms.len()) {
            let gradient = &gradient[group.clone()];
            let square: f64 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum();
            self.norms[at][number] += square;
            let Some(target) = target.filter(|_| square > 0.0) else {
                continue;
            };
            let sums = &mut self.cosines[at][number];
            for ((sum, mean), norm) in sums.iter_mut().zip(&target.means).zip(&target.norms[at]) {
                if *norm > 0.0 {
                    let pairs = gradient.iter().zip(&mean[group.clone()]);
                    let dot: f64 = pairs.map(|(&g, mean)| f64::from(g) * mean).sum();
                    *sum += dot / (square.sqrt() * norm);
                }
            }
        }
    }

    /// The number of draws so far.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// The mean of the draws.
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

    /// The standard error of the mean of the numbers `group`: that of each, as a norm.
    pub(crate) fn error_of_mean(&self, group: &Range<usize>) -> f64 {
        let variance: f64 = group.clone().map(|i| self.variance(i)).sum();
        (variance / self.draws as f64).sqrt()
    }

    /// The norm of the mean of the numbers `group`.
    pub(crate) fn norm_of_mean(&self, group: &Range<usize>) -> f64 {
        norm(&self.mean[group.clone()])
    }

    /// The draws of a part.
    fn size(&self, part: usize) -> usize {
        (self.draws + PARTS - 1 - part) / PARTS
    }

    /// The mean of number `i` over the draws of a part; of an exact gradient, itself.
    pub(super) fn part(&self, part: usize, i: usize) -> f64 {
        match self.draws {
            1 => self.mean[i],
            _ => self.parts[part][i] / self.size(part) as f64,
        }
    }

    /// How many draws are left without a part.
    pub(super) fn rest(&self, part: usize) -> f64 {
        (self.draws - self.size(part)) as f64
    }

    /// The mean of number `i` without the draws of a part; of an exact gradient, itself.
    pub(super) fn without(&self, part: usize, i: usize) -> f64 {
        match self.draws {
            1 => self.mean[i],
            n => (self.mean[i] * n as f64 - self.parts[part][i]) / self.rest(part),
        }
    }

    /// The sum of the squared norms of the draws without those of a part.
    pub(super) fn norms_without(&self, group: usize, part: usize) -> f64 {
        let others = (0..PARTS).filter(|p| *p != part);
        others.map(|p| self.norms[group][p]).sum()
    }

    /// The mean cosine of a draw with the target.
    pub(super) fn cosine(&self, group: usize) -> f64 {
        let sums = self.cosines[group].iter().map(|part| part[PARTS]);
        sums.sum::<f64>() / self.draws as f64
    }

    /// The same where a part of the draws, and of the target's, is left out.
    pub(super) fn cosine_without(&self, group: usize, part: usize) -> f64 {
        let others = (0..PARTS).filter(|p| *p != part);
        let sums = others.map(|p| self.cosines[group][p][part]);
        sums.sum::<f64>() / self.rest(part)
    }

    /// What draws are compared with where this is the reference.
    pub fn target(&self, groups: &[Range<usize>]) -> Target {
        let of = |part: usize| {
            let mean = |i: usize| match part {
                PARTS => self.mean[i],
                _ => self.without(part, i),
            };
            (0..self.mean.len()).map(mean).collect::<Vec<f64>>()
        };
        let means: Vec<Vec<f64>> = (0..=PARTS).map(of).collect();
        let of = |group: &Range<usize>| means.iter().map(|m| norm(&m[group.clone()])).collect();
        let norms = groups.iter().map(of);
        Target {
            norms: norms.collect(),
            means,
        }
    }
}

fn norm(numbers: &[f64]) -> f64 {
    numbers.iter().map(|x| x.powi(2)).sum::<f64>().sqrt()
}
