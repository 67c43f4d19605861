//! Measurements: as many draws as are asked for, or as bring a standard error down to what
//! is asked for.
//!
//! How many those are follows from the draws alone, which are the same for a seed on any
//! number of threads; so a measurement until a standard error is as repeatable as one of a
//! number of draws.

use std::ops::Range;
use std::time::Instant;

use super::draw::{Bench, LookedAt};
use super::moments::Target;
use super::{Contender, Lab, Measured, Moments, OwnPoint, PARTS, Point, Reference, Scattered};
use crate::error::{Error, Result};
use crate::estimators::SavedGrads;
use crate::model::Network;
use crate::tape::Params;

/// How much is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Draws before those that count, in which baselines and control variates settle.
    pub warm_up: usize,
    /// The number of draws of each contender.
    pub draws: usize,
    /// The number of draws of the reference, where that is a long run of an estimator.
    pub reference_draws: usize,
    /// Where stated, draws go on beyond both numbers until the standard error of the mean is
    /// below this share of the reference's norm.
    pub until: Option<f64>,
    /// With `until`, the draws are at most this many times `draws` and `reference_draws`.
    pub most: usize,
}

/// Is told of each draw: whose it is, its number, and of how many. An error that it returns
/// stops the measurement.
pub type On<'a> = &'a mut dyn FnMut(&str, usize, usize) -> Result<()>;

/// What one long row of draws came to.
struct Drawn {
    name: String,
    moments: Moments,
    /// Milliseconds of each draw.
    times: Vec<f64>,
}

impl Effort {
    /// How many draws a contender has in the end, after those that it has. One that cannot
    /// get there within the most draws stays at the draws it has: how many it would take is
    /// known by then.
    fn of_contender(&self, moments: &Moments, all: &Range<usize>, norm: f64) -> usize {
        let (n, most) = (moments.draws(), self.most.saturating_mul(self.draws));
        match self.needs(moments, all, norm) {
            Some(needs) if needs <= most => needs,
            _ => n.max(self.draws),
        }
    }

    /// The same of the long run, which goes on to its most draws.
    fn of_reference(&self, moments: &Moments, all: &Range<usize>) -> usize {
        let most = self.most.saturating_mul(self.reference_draws);
        let norm = moments.norm_of_mean(all);
        let needs = self.needs(moments, all, norm);
        needs.map_or(self.reference_draws, |needs| needs.min(most))
    }

    /// The draws that the standard error asked for takes, as far as is known by now; at most
    /// twice as many as there are, because the first of them know it badly.
    fn needs(&self, moments: &Moments, all: &Range<usize>, norm: f64) -> Option<usize> {
        let n = moments.draws();
        let until = self.until.filter(|_| n > 0)? * norm;
        let error = moments.error_of_mean(all);
        if error <= until {
            return Some(n);
        }
        // Without a gradient there is no share of it.
        let needs = (n as f64 * (error / until).powi(2)).ceil();
        let needs = (needs.min(1e15) as usize).next_multiple_of(PARTS);
        Some(needs.max(n + 1))
    }
}

impl Lab<'_> {
    /// Draws while `wanted` says that more are wanted than there are.
    fn run(
        &self,
        (contender, bench): (&Contender, &mut Bench),
        (looked_at, target): (&LookedAt, Option<&Target>),
        (name, first, warm_up): (&str, u64, usize),
        wanted: impl Fn(&Moments) -> usize,
        on: On<'_>,
    ) -> Result<Drawn> {
        let groups = &looked_at.groups;
        let label = contender.label(bench.net.spec());
        let told = if name.is_empty() { &label } else { name };
        let mut moments = Moments::new(looked_at.len(), groups.len());
        let (mut times, mut numbers) = (Vec::new(), Vec::new());
        let mut step = 0;
        loop {
            let end = wanted(&moments);
            let end = match moments.draws() {
                0 => end,
                n => end.min(2 * n),
            };
            if moments.draws() >= end {
                break;
            }
            while moments.draws() < end {
                on(told, step, warm_up + end)?;
                let begun = Instant::now();
                self.draw(bench, first | step as u64);
                step += 1;
                if step > warm_up {
                    times.push(begun.elapsed().as_secs_f64() * 1e3);
                    let grads = bench.net.params().grads();
                    finite(&label, step - 1, grads)?;
                    looked_at.of(grads, &mut numbers);
                    moments.add(&numbers, groups, target);
                }
            }
        }
        Ok(Drawn {
            name: label,
            moments,
            times,
        })
    }

    /// Measures estimators at the weights `params`, against all outcomes (`None`) or a
    /// long run of an estimator.
    ///
    /// # Errors
    /// Estimators that do not fit, too many bits to enumerate, or an interruption.
    pub fn measure(
        &self,
        epoch: usize,
        params: &Params,
        contenders: &[Contender],
        effort: &Effort,
        long: Option<&Contender>,
        on: On<'_>,
    ) -> Result<Point> {
        enough(long.map_or(effort.draws, |_| effort.draws.min(effort.reference_draws)))?;
        let looked_at = self.looked_at(params)?;
        let all = &looked_at.all();
        let (reference, target_name) = self.reference(params, &looked_at, effort, long, on)?;
        let target = reference.target(&looked_at.groups);
        let norm = reference.norm_of_mean(all);
        let share = |x: f64| if norm > 0.0 { x / norm } else { 0.0 };
        let mut estimators = Vec::new();
        for contender in contenders {
            let mut bench = self.bench(contender, params)?;
            let drawn = self.run(
                (contender, &mut bench),
                (&looked_at, Some(&target)),
                ("", 0, effort.warm_up),
                |moments| effort.of_contender(moments, all, norm),
                on,
            )?;
            estimators.push(measured(drawn, &bench.net, &looked_at, &reference)?);
        }
        let error = match long {
            Some(_) => share(reference.error_of_mean(all)),
            None => 0.0,
        };
        Ok(Point {
            epoch,
            slope: f64::from(self.slope),
            reference: Reference {
                name: target_name,
                draws: reference.draws(),
                norm,
                error,
                resolution: Some(share(reference.resolution(all, &nothing(all.len())))),
            },
            estimators,
        })
    }

    /// The moments that the estimators are measured against, and what they are of: all
    /// outcomes (`None`), or draws of an estimator.
    fn reference(
        &self,
        params: &Params,
        looked_at: &LookedAt,
        effort: &Effort,
        long: Option<&Contender>,
        on: On<'_>,
    ) -> Result<(Moments, String)> {
        let Some(contender) = long else {
            on("enumeration", 0, 1)?;
            return Ok((self.enumerate(params, looked_at)?, "enumeration".into()));
        };
        let all = &looked_at.all();
        let drawn = self.run(
            (contender, &mut self.bench(contender, params)?),
            (looked_at, None),
            ("the reference", 1 << 40, effort.warm_up),
            |moments| effort.of_reference(moments, all),
            on,
        )?;
        Ok((drawn.moments, drawn.name))
    }

    /// Measures what needs no reference at weights that a contender was trained to: its
    /// own variance, and after it that of `others`, at the same weights.
    ///
    /// # Errors
    /// Estimators that do not fit, or an interruption.
    pub fn measure_own(
        &self,
        epoch: usize,
        params: &Params,
        (own, others): (&Contender, &[Contender]),
        effort: &Effort,
        on: On<'_>,
    ) -> Result<OwnPoint> {
        enough(effort.draws)?;
        let looked_at = self.looked_at(params)?;
        let mut estimators = Vec::new();
        for contender in std::iter::once(own).chain(others.iter().filter(|other| *other != own)) {
            let drawn = self.run(
                (contender, &mut self.bench(contender, params)?),
                (&looked_at, None),
                ("", 0, effort.warm_up),
                |_| effort.draws,
                on,
            )?;
            let groups = looked_at.names.iter().zip(&looked_at.groups);
            let figures = groups.enumerate().map(|(number, (name, group))| {
                let spread = drawn.moments.spread(number, group);
                (name.clone(), spread)
            });
            let (milliseconds, milliseconds_error) = median(&drawn.times);
            estimators.push(Scattered {
                name: drawn.name,
                draws: drawn.moments.draws(),
                milliseconds,
                milliseconds_error,
                figures: figures.collect(),
            });
        }
        Ok(OwnPoint {
            epoch,
            slope: f64::from(self.slope),
            val_accuracy: None,
            estimators,
        })
    }
}

/// The figures of an estimator of the network `net`, parameter by parameter, and its cost.
fn measured(
    drawn: Drawn,
    net: &Network,
    looked_at: &LookedAt,
    reference: &Moments,
) -> Result<Measured> {
    let all = net.spec().estimators()?;
    let groups = looked_at.names.iter().zip(&looked_at.groups);
    let figures = groups.enumerate().map(|(number, (name, group))| {
        let figures = drawn.moments.figures(number, group, reference);
        (name.clone(), figures)
    });
    let (milliseconds, milliseconds_error) = median(&drawn.times);
    Ok(Measured {
        unbiased: all.iter().all(|e| e.info().unbiased),
        draws: drawn.moments.draws(),
        forward: net.pass().group.size(),
        backward: 1 + usize::from(all.iter().any(|e| e.saved_grads() != SavedGrads::None)),
        milliseconds,
        milliseconds_error: Some(milliseconds_error),
        figures: figures.collect(),
        name: drawn.name,
    })
}

/// A gradient of `len` zeros that is known exactly.
fn nothing(len: usize) -> Moments {
    let mut zeros = Moments::new(len, 0);
    zeros.add(&vec![0.0; len], &[], None);
    zeros
}

/// Refuses draws that no error could be known by.
fn enough(draws: usize) -> Result<()> {
    if draws >= PARTS {
        return Ok(());
    }
    Err(Error::spec(format!(
        "{draws} draws are too few to know an error by; take at least {PARTS}"
    )))
}

/// The median of times, and its standard error out of the medians of [`PARTS`] parts.
fn median(times: &[f64]) -> (f64, f64) {
    let middle = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(0.0)
    };
    let part = |part: usize| times.iter().skip(part).step_by(PARTS).copied().collect();
    let parts: Vec<f64> = (0..PARTS).map(|p| middle(part(p))).collect();
    let mean = parts.iter().sum::<f64>() / PARTS as f64;
    let spread: f64 = parts.iter().map(|x| (x - mean).powi(2)).sum();
    let error = (spread / (PARTS * (PARTS - 1)) as f64).sqrt();
    (middle(times.to_vec()), error)
}

/// Refuses a gradient of which there is no mean.
fn finite(name: &str, draw: usize, gradient: &[f32]) -> Result<()> {
    if gradient.iter().all(|g| g.is_finite()) {
        return Ok(());
    }
    Err(Error::Diverged(format!(
        "draw {draw} of {name} is no finite gradient; measure at other weights, or leave it out"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(draws: usize) -> Moments {
        let mut moments = Moments::new(2, 1);
        for i in 0..draws {
            let both = std::slice::from_ref(&(0..2));
            moments.add(&[1.0 + (i % 2) as f32, 1.0], both, None);
        }
        moments
    }

    #[test]
    fn draws_go_on_until_the_error_asked_for_or_not_at_all() {
        let effort = Effort {
            warm_up: 0,
            draws: 20,
            reference_draws: 20,
            until: Some(0.05),
            most: 10,
        };
        let none = Moments::new(2, 1);
        assert_eq!(effort.of_contender(&none, &(0..2), 1.0), 20);
        assert_eq!(effort.of_reference(&none, &(0..2)), 20);
        // Variance 20 * 0.25 / 19, so a standard error of 0.115 after 20 draws.
        let some = noisy(20);
        assert!((some.error_of_mean(&(0..2)) - (0.25f64 / 19.0).sqrt()).abs() < 1e-12);
        assert_eq!(effort.of_contender(&some, &(0..2), 3.0), 20, "it is there");
        // 5 / 19 / 0.05^2 is 105.3: the next whole ten.
        assert_eq!(effort.of_contender(&some, &(0..2), 1.0), 110);
        assert_eq!(effort.of_contender(&some, &(0..2), 0.5), 20, "out of reach");
        assert_eq!(effort.of_contender(&some, &(0..2), 0.0), 20, "no gradient");
        // The long run goes to its most draws: its mean has the norm 1.8.
        let close = Effort {
            until: Some(0.001),
            ..effort
        };
        assert_eq!(close.of_reference(&some, &(0..2)), 200);
        let never = Effort {
            until: None,
            ..effort
        };
        assert_eq!(never.of_reference(&some, &(0..2)), 20);
        assert_eq!(never.of_contender(&some, &(0..2), 1.0), 20);
    }

    #[test]
    fn a_median_has_the_error_of_the_medians_of_its_parts() {
        let times: Vec<f64> = (0..30).map(|i| f64::from(i % 10)).collect();
        // Part p has the median p; the variance of 0 .. 9 is 55 / 6.
        let (middle, error) = median(&times);
        assert_eq!(middle, 5.0);
        assert!((error - (55.0f64 / 60.0).sqrt()).abs() < 1e-12);
    }
}
