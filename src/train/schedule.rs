//! Schedules of the learning rate (by step, or by validation), and of slope and temperature (by
//! epoch).

mod plateau;

pub use plateau::Plateau;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the learning rate changes. At step `t` of `T` (`t` from 0), in epoch `e` (from 1) and
/// with the learning rate `lr` of the configuration, it is
///
/// ```text
/// constant   lr
/// step       lr·factor^⌊(e-1)/every⌋
/// cosine     min + (lr - min)·(1 + cos(π·t/T))/2
/// one-cycle  from lr/25 up to lr over the first 30 % of the steps and down to
///            lr/25e4, both along a cosine (Smith 2018, arXiv 1803.09820); the peak
///            is at step p = 0.3·T - 1, the end at step T - 1, as in PyTorch. Where
///            p is 0 or less nothing goes up; the last step has the last rate
///            whatever p is
/// plateau    lr, multiplied by factor, and at least min, after patience + 1 epochs on end
///            whose validation loss is not below 0.9999 times the least so far
/// ```
///
/// The last is a rule on what the run has found, which [`Plateau`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LrSchedule {
    /// The rate is always the same.
    Constant,
    /// The rate is multiplied by `factor` after every `every` epochs.
    Step {
        /// Epochs between two changes.
        every: usize,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// The rate goes down to `min` along half a cosine.
    Cosine {
        /// The last rate.
        min: f64,
    },
    /// The rate goes up and down again within the run.
    OneCycle {
        /// Share of the steps that go up.
        rise: f64,
        /// The first rate is `lr / start_divisor`.
        start_divisor: f64,
        /// The last rate is the first one divided by this.
        final_divisor: f64,
    },
    /// The rate is lowered where the validation loss no longer falls.
    Plateau {
        /// What the rate is multiplied by.
        factor: f64,
        /// Epochs on end without a lower loss that are put up with.
        patience: usize,
        /// The rate never falls below this.
        min: f64,
    },
}

impl LrSchedule {
    /// One-cycle with PyTorch's default settings.
    pub const ONE_CYCLE: LrSchedule = LrSchedule::OneCycle {
        rise: 0.3,
        start_divisor: 25.0,
        final_divisor: 1e4,
    };

    /// Plateau with PyTorch's default settings.
    pub const PLATEAU: LrSchedule = LrSchedule::Plateau {
        factor: 0.1,
        patience: 10,
        min: 0.0,
    };

    /// Every schedule with its usual settings.
    pub const ALL: [LrSchedule; 5] = [
        LrSchedule::Constant,
        LrSchedule::Step {
            every: 3,
            factor: 0.5,
        },
        LrSchedule::Cosine { min: 0.0 },
        LrSchedule::ONE_CYCLE,
        LrSchedule::PLATEAU,
    ];

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step { .. } => "step",
            Self::Cosine { .. } => "cosine",
            Self::OneCycle { .. } => "one-cycle",
            Self::Plateau { .. } => "plateau",
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn check(&self) -> Result<()> {
        let fail = |field, what: &str| Err(Error::field(field, what));
        let positive = |x: f64| x.is_finite() && x > 0.0;
        match *self {
            Self::Constant => Ok(()),
            Self::Step { every: 0, .. } => fail("lr_schedule.every", "must be at least 1 epoch"),
            Self::Step { factor, .. } if !positive(factor) => {
                fail("lr_schedule.factor", "must be above 0")
            }
            Self::Step { .. } => Ok(()),
            Self::Cosine { min } if !((min as f32).is_finite() && min >= 0.0) => {
                fail("lr_schedule.min", "must be 0 or more and a 32-bit float")
            }
            Self::Cosine { .. } => Ok(()),
            Self::Plateau { factor, .. } if !(factor > 0.0 && factor < 1.0) => {
                fail("lr_schedule.factor", "must be above 0 and below 1")
            }
            Self::Plateau { min, .. } if !((min as f32).is_finite() && min >= 0.0) => {
                fail("lr_schedule.min", "must be 0 or more and a 32-bit float")
            }
            Self::Plateau { .. } => Ok(()),
            Self::OneCycle {
                rise,
                start_divisor,
                final_divisor,
            } => {
                if !(rise > 0.0 && rise < 1.0) {
                    fail("lr_schedule.rise", "must be above 0 and below 1")
                } else if !positive(start_divisor) {
                    fail("lr_schedule.start_divisor", "must be above 0")
                } else if !positive(final_divisor) {
                    fail("lr_schedule.final_divisor", "must be above 0")
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Whether every rate of a run with the learning rate `lr` and that many epochs
    /// is a 32-bit float: the optimisers compute with these.
    ///
    /// # Errors
    /// One line with the rate that is none.
    pub(crate) fn check_rates(&self, lr: f64, epochs: usize) -> Result<()> {
        let extremes = match *self {
            Self::Constant => [lr; 3],
            Self::Step { every, factor } => {
                let times = epochs.saturating_sub(1) / every.max(1);
                [lr, lr, lr * libm::pow(factor, times as f64)]
            }
            Self::Cosine { min } | Self::Plateau { min, .. } => [lr, lr, min],
            Self::OneCycle {
                start_divisor,
                final_divisor,
                ..
            } => {
                let first = lr / start_divisor;
                [first, lr, first / final_divisor]
            }
        };
        match extremes.iter().find(|rate| !(**rate as f32).is_finite()) {
            None => Ok(()),
            Some(rate) => Err(Error::field(
                "lr_schedule",
                format!(
                    "the rate would become {rate:e}, which is no 32-bit float; choose settings that keep it smaller"
                ),
            )),
        }
    }

    /// The rate at step `t` (from 0) of `total` steps, `per_epoch` in an epoch; of a plateau the
    /// rate that it begins with, for what follows is not known from the step. It is
    /// finite and not negative where [`Self::check`] finds
    /// nothing wrong, however few the steps are.
    pub fn at(&self, lr: f64, t: u64, per_epoch: u64, total: u64) -> f64 {
        match *self {
            Self::Constant | Self::Plateau { .. } => lr,
            Self::Step { every, factor } => {
                let times = t / per_epoch.max(1) / every.max(1) as u64;
                lr * libm::pow(factor, times as f64)
            }
            Self::Cosine { min } => between(lr, min, t as f64 / total.max(1) as f64),
            Self::OneCycle {
                rise,
                start_divisor,
                final_divisor,
            } => {
                let first = lr / start_divisor;
                let last = total.saturating_sub(1) as f64;
                let peak = rise * total as f64 - 1.0;
                let t = t as f64;
                // The peak is divided by only where it lies behind the first step, and
                // what follows it only where the last step does.
                if t >= last {
                    first / final_divisor
                } else if t < peak {
                    between(first, lr, t / peak)
                } else if t == peak {
                    lr
                } else {
                    between(lr, first / final_divisor, (t - peak) / (last - peak))
                }
            }
        }
    }
}

/// From `a` to `b` along half a cosine.
fn between(a: f64, b: f64, share: f64) -> f64 {
    b + (a - b) * (1.0 + libm::cos(std::f64::consts::PI * share)) / 2.0
}

/// The form of a [`SlopeSchedule`]. The slope of epoch `e` of `E` (`e` from 1) is
///
/// ```text
/// none       start
/// linear     min(max, start + rate·(e-1))        Chung et al. (arXiv 1609.01704)
/// exp        min(max, start·rate^(e-1))
/// step       min(max, start·2^⌊(e-1)/rate⌋)
/// cosine     start + (max - start)·(1 - cos(π·(e-1)/(E-1)))/2; start where E = 1
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlopeKind {
    /// The slope is `start` throughout.
    None,
    /// The slope grows by `rate` an epoch.
    Linear,
    /// The slope is multiplied by `rate` an epoch.
    Exp,
    /// The slope is doubled every `rate` epochs.
    Step,
    /// The slope goes from `start` to `max` over the run, along half a cosine.
    Cosine,
}

impl SlopeKind {
    /// Every form.
    pub const ALL: [SlopeKind; 5] = [
        SlopeKind::None,
        SlopeKind::Linear,
        SlopeKind::Exp,
        SlopeKind::Step,
        SlopeKind::Cosine,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            SlopeKind::None => "none",
            SlopeKind::Linear => "linear",
            SlopeKind::Exp => "exp",
            SlopeKind::Step => "step",
            SlopeKind::Cosine => "cosine",
        }
    }
}

/// How the slope of hard sigmoids and binary units changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlopeSchedule {
    /// The form.
    pub kind: SlopeKind,
    /// The slope of the first epoch.
    pub start: f64,
    /// The number that the formula of [`SlopeKind`] calls `rate`.
    pub rate: f64,
    /// The slope never passes this.
    pub max: f64,
}

impl SlopeSchedule {
    /// The schedule of that form with its default settings.
    pub fn new(kind: SlopeKind) -> Self {
        let rate = match kind {
            SlopeKind::None | SlopeKind::Cosine => 0.0,
            SlopeKind::Linear => 0.04,
            SlopeKind::Exp => 1.005,
            SlopeKind::Step => 3.0,
        };
        Self {
            kind,
            start: 1.0,
            rate,
            max: 5.0,
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn check(&self) -> Result<()> {
        let fail = |field, what: &str| Err(Error::field(field, what));
        // What the kernels are given are 32-bit floats.
        let usable = |x: f64| (x as f32).is_finite() && x as f32 > 0.0;
        if !usable(self.start) {
            return fail("slope.start", "must be above 0 and a 32-bit float");
        }
        if !self.rate.is_finite() {
            return fail("slope.rate", "must be finite");
        }
        if !(self.max as f32).is_finite() {
            return fail("slope.max", "must be finite");
        }
        match self.kind {
            SlopeKind::None => return Ok(()),
            SlopeKind::Linear if self.rate < 0.0 => {
                return fail("slope.rate", "must be 0 or more where the slope is linear");
            }
            SlopeKind::Exp if self.rate < 1.0 => {
                return fail(
                    "slope.rate",
                    "must be 1 or more where the slope is exponential",
                );
            }
            SlopeKind::Step if self.rate < 1.0 => {
                return fail(
                    "slope.rate",
                    "must be 1 or more epochs between two doublings",
                );
            }
            _ => {}
        }
        if self.max < self.start {
            return fail("slope.max", "must not be below the first slope");
        }
        Ok(())
    }

    /// The slope of epoch `epoch` (from 1) of `epochs`.
    pub fn at(&self, epoch: usize, epochs: usize) -> f32 {
        let done = epoch.saturating_sub(1) as f64;
        let slope = match self.kind {
            SlopeKind::None => return self.start as f32,
            SlopeKind::Linear => self.start + self.rate * done,
            SlopeKind::Exp => self.start * libm::pow(self.rate, done),
            SlopeKind::Step => self.start * libm::exp2((done / self.rate).floor()),
            SlopeKind::Cosine => {
                let share = done / epochs.saturating_sub(1).max(1) as f64;
                between(self.start, self.max, share.min(1.0))
            }
        };
        slope.min(self.max) as f32
    }
}

/// How the temperature of relaxed bits changes: in epoch `e` (from 1) it is
/// `max(min, start·rate^(e-1))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemperatureSchedule {
    /// The temperature of the first epoch.
    pub start: f64,
    /// The number that the temperature is multiplied by from epoch to epoch.
    pub rate: f64,
    /// The temperature never falls below this.
    pub min: f64,
}

impl Default for TemperatureSchedule {
    fn default() -> Self {
        Self {
            start: 1.0,
            rate: 0.9,
            min: 0.5,
        }
    }
}

impl TemperatureSchedule {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn check(&self) -> Result<()> {
        let fail = |field, what: &str| Err(Error::field(field, what));
        let positive = |x: f64| (x as f32).is_finite() && x as f32 > 0.0;
        if !positive(self.start) {
            return fail("temperature.start", "must be above 0");
        }
        if !positive(self.min) {
            return fail("temperature.min", "must be above 0");
        }
        if !(positive(self.rate) && self.rate <= 1.0) {
            return fail("temperature.rate", "must be above 0 and at most 1");
        }
        if self.min > self.start {
            return fail("temperature.min", "must not be above the first temperature");
        }
        Ok(())
    }

    /// The temperature of epoch `epoch` (from 1).
    pub fn at(&self, epoch: usize) -> f32 {
        let done = epoch.saturating_sub(1) as f64;
        (self.start * libm::pow(self.rate, done)).max(self.min) as f32
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
