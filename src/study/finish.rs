//! How the run of a cell ended: with the one test of its best epoch, or, where settings are
//! being chosen, with the validation of that epoch and no test at all.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::train::{Config, EpochRecord, Provenance, RunFolder, TestRecord};

/// How the run of a cell ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Finish {
    /// The test of its best epoch.
    Test(TestRecord),
    /// The validation of its best epoch; no test image was evaluated.
    Validation(ValidationRecord),
}

/// The validation of a run's best epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationRecord {
    /// Name of the data set.
    pub dataset: String,
    /// Fingerprint of the data set.
    pub data_sha256: String,
    /// The epoch with the lowest validation loss.
    pub epoch: usize,
    /// Its validation loss.
    pub loss: f64,
    /// Share of the validation images classified right.
    pub accuracy: f64,
    /// Seconds of training and validation, summed over the epochs.
    pub train_seconds: f64,
    /// The machine and the build that the figures come from.
    pub provenance: Provenance,
}

impl ValidationRecord {
    /// The record of a run whose last epoch is finished, made with kernels of that
    /// instruction set.
    ///
    /// # Errors
    /// A run without validation images.
    pub fn of(run: &RunFolder, isa: &str) -> Result<Self> {
        let (config, history) = (run.config(), run.metrics()?);
        let Some((epoch, loss, accuracy)) = best(&history) else {
            return Err(Error::checkpoint(run.path(), "has no validation images"));
        };
        Ok(Self {
            dataset: config.dataset.name.clone(),
            data_sha256: config.dataset.sha256.clone(),
            epoch,
            loss,
            accuracy,
            train_seconds: history.iter().map(|record| record.seconds).sum(),
            provenance: Provenance::here(isa),
        })
    }
}

/// The epoch with the lowest validation loss, the first of several, with its loss and
/// accuracy.
fn best(history: &[EpochRecord]) -> Option<(usize, f64, f64)> {
    let validated = history
        .iter()
        .filter_map(|record| Some((record.epoch, record.val_loss?, record.val_accuracy?)));
    validated.min_by(|a, b| a.1.total_cmp(&b.1))
}

impl Finish {
    /// What a record calls it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Test(_) => "test",
            Self::Validation(_) => "validation",
        }
    }

    /// The test, if there was one.
    pub fn test(&self) -> Option<&TestRecord> {
        match self {
            Self::Test(test) => Some(test),
            Self::Validation(_) => None,
        }
    }

    /// The loss that a table shows.
    pub fn loss(&self) -> f64 {
        match self {
            Self::Test(of) => of.loss,
            Self::Validation(of) => of.loss,
        }
    }

    /// The share classified right that a table shows.
    pub fn accuracy(&self) -> f64 {
        match self {
            Self::Test(of) => of.accuracy,
            Self::Validation(of) => of.accuracy,
        }
    }

    /// The epoch that the figures are of.
    pub fn epoch(&self) -> usize {
        match self {
            Self::Test(of) => of.epoch,
            Self::Validation(of) => of.epoch,
        }
    }

    /// Seconds of training and validation.
    pub fn train_seconds(&self) -> f64 {
        match self {
            Self::Test(of) => of.train_seconds,
            Self::Validation(of) => of.train_seconds,
        }
    }

    /// The machine and the build that the figures come from.
    pub fn provenance(&self) -> &Provenance {
        match self {
            Self::Test(of) => &of.provenance,
            Self::Validation(of) => &of.provenance,
        }
    }

    /// [`Self::provenance`], to be completed.
    pub fn provenance_mut(&mut self) -> &mut Provenance {
        match self {
            Self::Test(of) => &mut of.provenance,
            Self::Validation(of) => &mut of.provenance,
        }
    }

    /// The fingerprint of the data set, to be completed.
    pub fn data_sha256_mut(&mut self) -> &mut String {
        match self {
            Self::Test(of) => &mut of.data_sha256,
            Self::Validation(of) => &mut of.data_sha256,
        }
    }

    /// Whether it can be of a run with that configuration and those epochs.
    ///
    /// # Errors
    /// What cannot be, in words that complete "the file ...".
    pub(super) fn check(
        &self,
        config: &Config,
        history: &[EpochRecord],
    ) -> std::result::Result<(), String> {
        match self {
            Self::Test(test) => test.check(config),
            Self::Validation(of) => match best(history) {
                Some(best) if best == (of.epoch, of.loss, of.accuracy) => Ok(()),
                _ => Err(format!(
                    "is damaged: its validation is of epoch {}, which is not the best of its epochs",
                    of.epoch
                )),
            },
        }
    }
}
