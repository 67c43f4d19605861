//! What a run reports: a record for each epoch, and one for the test.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evaluate::Evaluation;

/// One epoch's line of `metrics.jsonl` and `metrics.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Mean loss of the training batches, each before its step.
    pub train_loss: f64,
    /// Share of training images classified right, each before its step.
    pub train_accuracy: f64,
    /// Mean validation loss after the epoch; absent without validation images.
    pub val_loss: Option<f64>,
    /// Share of validation images classified right.
    pub val_accuracy: Option<f64>,
    /// Slope of hard sigmoids and binary units.
    pub slope: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Training images a second.
    pub img_per_s: f64,
    /// Seconds of the epoch, validation included.
    pub seconds: f64,
    /// Share of binary weights whose sign the epoch changed; absent where no
    /// weight is binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flip_ratio: Option<f64>,
    /// The same for each layer, by the name of its parameter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flip_ratios: BTreeMap<String, f64>,
    /// Share of units that are saturated after the epoch
    /// ([`Activity`](super::Activity)); absent where no unit saturates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturated: Option<f64>,
    /// The same for each layer of units: `activation1`, `activation2`, ...
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub saturated_layers: BTreeMap<String, f64>,
    /// Share of the binary units' bits that the epoch changed; absent where no unit
    /// is binary, and in the first epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_flips: Option<f64>,
    /// The same for each binary layer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bit_flips_layers: BTreeMap<String, f64>,
}

/// The machine and build that produced a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this program.
    pub version: String,
    /// Instruction set of the kernels; bits are promised for each.
    pub isa: String,
    /// Threads in use; results do not depend on them.
    pub threads: usize,
    /// Processor architecture and operating system.
    pub machine: String,
}

impl Provenance {
    /// Of this process.
    pub fn here(isa: &str) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            isa: isa.into(),
            threads: rayon::current_num_threads(),
            machine: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
        }
    }
}

/// `test.json`: the one test of the best epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestRecord {
    /// Name of the data set.
    pub dataset: String,
    /// Test images.
    pub images: usize,
    /// The epoch whose weights were tested: the best validation loss.
    pub epoch: usize,
    /// Mean loss (for stochastic units, of one sample).
    pub loss: f64,
    /// Share classified right.
    pub accuracy: f64,
    /// With the mean probabilities of 16 samples; absent without stochastic units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_of_16: Option<Evaluation>,
    /// With stochastic units read as thresholds; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Evaluation>,
    /// Seconds of training and validation, summed over the epochs.
    pub train_seconds: f64,
    /// Where the figures come from.
    pub provenance: Provenance,
}
