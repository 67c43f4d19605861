//! What training reports while it works.

use super::config::Config;
use super::record::{EpochRecord, TestRecord};

/// What the loop reports while it works.
#[derive(Debug)]
pub enum Event<'a> {
    /// Training begins (or goes on) with this epoch.
    Begin {
        /// What the run is.
        config: &'a Config,
        /// The epoch, from 1.
        epoch: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Whether a checkpoint was found.
        resumed: bool,
    },
    /// A step of the optimiser is done.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Steps done in the epoch.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Mean loss of the epoch so far.
        loss: f64,
        /// Mean loss of the step's images.
        step_loss: f64,
        /// Share classified right in the epoch so far.
        accuracy: f64,
        /// Training images a second in the epoch so far.
        img_per_s: f64,
    },
    /// An epoch is trained and is being validated.
    Validating {
        /// The epoch.
        epoch: usize,
    },
    /// An epoch is finished and saved.
    Epoch {
        /// Its record.
        record: &'a EpochRecord,
        /// Whether its weights are the best so far.
        best: bool,
    },
    /// Something that the user should know.
    Warning(String),
    /// The best weights are being tested.
    Testing {
        /// The epoch that they are of.
        epoch: usize,
    },
    /// The run is complete.
    Test(&'a TestRecord),
}
