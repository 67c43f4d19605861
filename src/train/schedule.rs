//! Schedules of the learning rate (by step) and of the slope (by epoch).
//!
//! ```text
//! learning rate at step t of T (t from 0), e the epoch of t (from 1):
//!   constant   lr
//!   step       lr·factor^⌊(e-1)/every⌋
//!   cosine     min + (lr - min)·(1 + cos(π·t/T))/2
//!   one-cycle  from lr/25 up to lr over the first 30 % of the steps and down to
//!              lr/25e4, both along a cosine (Smith 2018, arXiv 1803.09820)
//! slope at epoch e of E (e from 1):
//!   none       start
//!   linear     min(max, start + rate·(e-1))        Chung et al. (arXiv 1609.01704)
//!   exp        min(max, start·rate^(e-1))
//!   step       min(max, start·2^⌊(e-1)/rate⌋)
//!   cosine     start + (max - start)·(1 - cos(π·(e-1)/(E-1)))/2
//! temperature of epoch e:
//!              max(min, start·rate^(e-1))
//! ```

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the learning rate changes; see the module's page.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LrSchedule {
    /// Always the same.
    Constant,
    /// Multiplied by `factor` after every `every` epochs.
    Step {
        /// Epochs between two changes.
        every: usize,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Down to `min` along half a cosine.
    Cosine {
        /// The last rate.
        min: f64,
    },
    /// Up and down again within the run.
    OneCycle {
        /// Share of the steps that go up.
        rise: f64,
        /// The first rate is `lr / start_divisor`.
        start_divisor: f64,
        /// The last rate is the first one divided by this.
        final_divisor: f64,
    },
}

impl LrSchedule {
    /// One-cycle with PyTorch's default settings.
    pub const ONE_CYCLE: LrSchedule = LrSchedule::OneCycle {
        rise: 0.3,
        start_divisor: 25.0,
        final_divisor: 1e4,
    };

    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step { .. } => "step",
            Self::Cosine { .. } => "cosine",
            Self::OneCycle { .. } => "one-cycle",
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn check(&self) -> Result<()> {
        let fail = |what: &str| Err(Error::spec(format!("learning-rate schedule: {what}")));
        let positive = |x: f64| x.is_finite() && x > 0.0;
        match *self {
            Self::Constant => Ok(()),
            Self::Step { every: 0, .. } => fail("the epochs between two steps must be at least 1"),
            Self::Step { factor, .. } if !positive(factor) => fail("the factor must be above 0"),
            Self::Step { .. } => Ok(()),
            Self::Cosine { min } if !(min.is_finite() && min >= 0.0) => {
                fail("the last rate must be 0 or more")
            }
            Self::Cosine { .. } => Ok(()),
            Self::OneCycle {
                rise,
                start_divisor,
                final_divisor,
            } => {
                if !(rise > 0.0 && rise < 1.0) {
                    fail("the rising share must lie between 0 and 1")
                } else if !positive(start_divisor) || !positive(final_divisor) {
                    fail("the divisors must be above 0")
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The rate at step `t` (from 0) of `total` steps, `per_epoch` in an epoch.
    pub fn at(&self, lr: f64, t: u64, per_epoch: u64, total: u64) -> f64 {
        match *self {
            Self::Constant => lr,
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
                if t <= peak {
                    between(first, lr, t / peak)
                } else {
                    let share = (t - peak) / (last - peak).max(f64::MIN_POSITIVE);
                    between(lr, first / final_divisor, share.min(1.0))
                }
            }
        }
    }
}

/// From `a` to `b` along half a cosine.
fn between(a: f64, b: f64, share: f64) -> f64 {
    b + (a - b) * (1.0 + libm::cos(std::f64::consts::PI * share)) / 2.0
}

/// The form of a slope schedule; see the module's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlopeKind {
    /// No annealing.
    None,
    /// A constant step an epoch.
    Linear,
    /// A constant factor an epoch.
    Exp,
    /// Doubled every `rate` epochs.
    Step,
    /// From `start` to `max` over the run along half a cosine.
    Cosine,
}

/// How the slope of hard sigmoids and binary units changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlopeSchedule {
    /// The form.
    pub kind: SlopeKind,
    /// The slope of the first epoch.
    pub start: f64,
    /// What `kind` makes of it.
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
        let fail = |what: &str| Err(Error::spec(format!("slope annealing: {what}")));
        // What the kernels are given are 32-bit floats.
        let usable = |x: f64| (x as f32).is_finite() && x as f32 > 0.0;
        if !usable(self.start) {
            return fail("the first slope must be above 0 and a 32-bit float");
        }
        if !self.rate.is_finite() || !(self.max as f32).is_finite() {
            return fail("rate and maximum must be finite");
        }
        match self.kind {
            SlopeKind::None => return Ok(()),
            SlopeKind::Linear if self.rate < 0.0 => return fail("a linear rate must be 0 or more"),
            SlopeKind::Exp if self.rate < 1.0 => {
                return fail("an exponential rate must be 1 or more");
            }
            SlopeKind::Step if self.rate < 1.0 => {
                return fail("the epochs between two doublings must be at least 1");
            }
            _ => {}
        }
        if self.max < self.start {
            return fail("the maximum must not be below the first slope");
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

/// How the temperature of relaxed bits changes; see the module's page.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemperatureSchedule {
    /// The temperature of the first epoch.
    pub start: f64,
    /// What it is multiplied by from epoch to epoch.
    pub rate: f64,
    /// It never falls below this.
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
    /// Whether it is the default one.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn check(&self) -> Result<()> {
        let fail = |what: &str| Err(Error::spec(format!("temperature: {what}")));
        let positive = |x: f64| (x as f32).is_finite() && x as f32 > 0.0;
        if !positive(self.start) || !positive(self.min) {
            return fail("the first and the least temperature must be above 0");
        }
        if !(positive(self.rate) && self.rate <= 1.0) {
            return fail("the rate must be above 0 and at most 1");
        }
        if self.min > self.start {
            return fail("the least temperature must not be above the first");
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
mod tests {
    use super::*;

    #[test]
    fn slopes_follow_their_formulas() {
        let at = |kind, epoch| SlopeSchedule::new(kind).at(epoch, 11);
        assert_eq!(at(SlopeKind::None, 9), 1.0);
        assert_eq!(at(SlopeKind::Linear, 1), 1.0);
        assert_eq!(at(SlopeKind::Linear, 2), 1.04);
        assert_eq!(at(SlopeKind::Linear, 1000), 5.0);
        assert_eq!(at(SlopeKind::Exp, 3), (1.005f64 * 1.005) as f32);
        assert_eq!(
            [3, 4, 6, 7].map(|e| at(SlopeKind::Step, e)),
            [1.0, 2.0, 2.0, 4.0]
        );
        assert_eq!(
            [1, 6, 11].map(|e| at(SlopeKind::Cosine, e)),
            [1.0, 3.0, 5.0]
        );
        assert_eq!(SlopeSchedule::new(SlopeKind::Cosine).at(1, 1), 1.0);
    }

    #[test]
    fn temperatures_fall_to_their_least() {
        let schedule = TemperatureSchedule::default();
        assert_eq!(schedule.at(1), 1.0);
        assert_eq!(schedule.at(3), (0.9f64 * 0.9) as f32);
        assert_eq!(schedule.at(100), 0.5);
        for bad in [
            TemperatureSchedule {
                start: 0.0,
                ..schedule
            },
            TemperatureSchedule {
                rate: 1.1,
                ..schedule
            },
            TemperatureSchedule {
                min: 2.0,
                ..schedule
            },
            TemperatureSchedule {
                min: f64::NAN,
                ..schedule
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        schedule.check().unwrap();
    }

    #[test]
    fn impossible_settings_are_refused() {
        let good = SlopeSchedule::new(SlopeKind::Linear);
        for bad in [
            SlopeSchedule { start: 0.0, ..good },
            SlopeSchedule { rate: -1.0, ..good },
            SlopeSchedule { max: 0.5, ..good },
            SlopeSchedule {
                max: f64::NAN,
                ..good
            },
            SlopeSchedule {
                rate: 0.5,
                ..SlopeSchedule::new(SlopeKind::Step)
            },
            SlopeSchedule {
                rate: 0.5,
                ..SlopeSchedule::new(SlopeKind::Exp)
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        for kind in [
            SlopeKind::None,
            SlopeKind::Linear,
            SlopeKind::Exp,
            SlopeKind::Step,
            SlopeKind::Cosine,
        ] {
            SlopeSchedule::new(kind).check().unwrap();
        }
        assert!(
            LrSchedule::Step {
                every: 0,
                factor: 0.5
            }
            .check()
            .is_err()
        );
        assert!(
            LrSchedule::Step {
                every: 1,
                factor: 0.0
            }
            .check()
            .is_err()
        );
        assert!(LrSchedule::Cosine { min: -1.0 }.check().is_err());
        LrSchedule::ONE_CYCLE.check().unwrap();
    }
}
