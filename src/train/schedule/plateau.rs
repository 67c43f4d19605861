//! [`Plateau`]: the learning rate of a run that lowers it by its validation losses.

use super::LrSchedule;

/// Share of the least loss by which another has to be below it to count as lower.
const THRESHOLD: f64 = 1e-4;

/// Changes of the rate that are smaller than this are not made.
const LEAST_CHANGE: f64 = 1e-8;

/// Where a run stands with [`LrSchedule::Plateau`]: PyTorch's `ReduceLROnPlateau` in its usual
/// mode (the lower the better, a relative threshold of 1e-4, no cooldown).
///
/// It is a function of the validation losses of all finished epochs, which a checkpoint has in
/// its records, so a resumed run has the rates of an unbroken one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plateau {
    factor: f64,
    patience: usize,
    min: f64,
    rate: f64,
    least: f64,
    /// Epochs on end without a lower loss.
    waited: usize,
}

impl Plateau {
    /// The state in front of the first epoch; `None` for another schedule.
    pub fn new(schedule: LrSchedule, lr: f64) -> Option<Self> {
        let LrSchedule::Plateau {
            factor,
            patience,
            min,
        } = schedule
        else {
            return None;
        };
        Some(Self {
            factor,
            patience,
            min,
            rate: lr,
            least: f64::INFINITY,
            waited: 0,
        })
    }

    /// The rate of the epoch under way.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Takes the validation loss of the epoch that is finished.
    pub fn finish(&mut self, loss: f64) {
        if loss < self.least * (1.0 - THRESHOLD) {
            (self.least, self.waited) = (loss, 0);
        } else {
            self.waited += 1;
        }
        if self.waited > self.patience {
            self.waited = 0;
            let lower = (self.rate * self.factor).max(self.min);
            if self.rate - lower > LEAST_CHANGE {
                self.rate = lower;
            }
        }
    }

    /// The state behind the epochs with those validation losses.
    #[must_use]
    pub fn after(mut self, losses: impl Iterator<Item = f64>) -> Self {
        losses.for_each(|loss| self.finish(loss));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: LrSchedule, lr: f64, losses: &[f64]) -> Vec<f64> {
        let mut plateau = Plateau::new(schedule, lr).unwrap();
        let after = losses.iter().map(|&loss| {
            plateau.finish(loss);
            plateau.rate()
        });
        after.collect()
    }

    fn of(factor: f64, patience: usize, min: f64) -> LrSchedule {
        LrSchedule::Plateau {
            factor,
            patience,
            min,
        }
    }

    /// Worked out by hand: a patience of 1 puts up with one bad epoch, and the second lowers
    /// the rate.
    #[test]
    fn the_rate_falls_after_one_bad_epoch_more_than_the_patience() {
        let losses = [1.0, 0.5, 0.6, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4];
        let halves = [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1];
        assert_eq!(rates(of(0.5, 1, 0.0), 0.8, &losses), halves);
        let at_once = [0.8, 0.8, 0.4, 0.2, 0.2, 0.1, 0.05, 0.025, 0.0125];
        assert_eq!(rates(of(0.5, 0, 0.0), 0.8, &losses), at_once);
        assert_eq!(rates(of(0.5, 8, 0.0), 0.8, &losses), [0.8; 9]);
    }

    /// A loss counts as lower where it is below 0.9999 times the least that counted.
    #[test]
    fn a_loss_that_is_hardly_lower_is_none() {
        let schedule = of(0.5, 0, 0.0);
        assert_eq!(rates(schedule, 1.0, &[1.0, 0.99991]), [1.0, 0.5]);
        assert_eq!(rates(schedule, 1.0, &[1.0, 0.99989]), [1.0, 1.0]);
        // Losses that creep down are compared with the same least one.
        let creeping = [1.0, 0.99995, 0.99990, 0.99985];
        assert_eq!(rates(schedule, 1.0, &creeping), [1.0, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn the_rate_never_falls_below_the_least_nor_by_next_to_nothing() {
        let same = [1.0; 4];
        assert_eq!(rates(of(0.5, 0, 0.3), 1.0, &same), [1.0, 0.5, 0.3, 0.3]);
        let tiny = [1.5e-8, 1.5e-8, 1.5e-8, 1.5e-8];
        assert_eq!(rates(of(0.5, 0, 0.0), 1.5e-8, &same), tiny);
    }

    #[test]
    fn other_schedules_have_no_such_state() {
        assert!(Plateau::new(LrSchedule::Constant, 0.1).is_none());
        assert!(Plateau::new(LrSchedule::PLATEAU, 0.1).is_some());
    }
}
