//! What a run reports: a record for each epoch, and one for the test.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::evaluate::Evaluation;
use super::few_shot::FewShotRecord;
use super::sign::Trouble;

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
    /// That share in each layer, by the name of its parameter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flip_ratios: BTreeMap<String, f64>,
    /// Share of units that are saturated after the epoch
    /// ([`Activity`](super::Activity)); absent where no unit saturates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturated: Option<f64>,
    /// That share in each layer of units: `activation1`, `activation2`, ...
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub saturated_layers: BTreeMap<String, f64>,
    /// Layers of units none of which tells any two images apart: the probabilities or bits of
    /// each are the same for every image that [`Activity`](super::Activity) looks at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_layers: Vec<String>,
    /// Share of the binary units' bits that the epoch changed; absent where no unit
    /// is binary, and in the first epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_flips: Option<f64>,
    /// That share in each binary layer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bit_flips_layers: BTreeMap<String, f64>,
}

impl EpochRecord {
    /// Whether the numbers can be those of an epoch.
    ///
    /// # Errors
    /// The first that cannot, in words that complete "the file ...".
    pub fn check(&self) -> Result<(), String> {
        let fail = |what: &str, x: f64| {
            let epoch = self.epoch;
            Err(format!("is damaged: the {what} of epoch {epoch} is {x}"))
        };
        let losses = [Some(self.train_loss), self.val_loss];
        if let Some(x) = losses.into_iter().flatten().find(|x| !x.is_finite()) {
            return fail("loss", x);
        }
        let shares = [
            Some(self.train_accuracy),
            self.val_accuracy,
            self.flip_ratio,
            self.saturated,
            self.bit_flips,
        ];
        let layers = [
            &self.flip_ratios,
            &self.saturated_layers,
            &self.bit_flips_layers,
        ];
        let layers = layers.into_iter().flat_map(|map| map.values().copied());
        let mut shares = shares.into_iter().flatten().chain(layers);
        if let Some(x) = shares.find(|x| !(0.0..=1.0).contains(x)) {
            return fail("share", x);
        }
        if !(self.slope.is_finite() && self.slope > 0.0) {
            return fail("slope", self.slope);
        }
        if !(self.lr.is_finite() && self.lr >= 0.0) {
            return fail("learning rate", self.lr);
        }
        if !(self.seconds.is_finite() && self.seconds >= 0.0) {
            return fail("duration", self.seconds);
        }
        Ok(())
    }
}

/// The machine and build that produced a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this program.
    pub version: String,
    /// The commit that it was built from, with `, changed` behind it where the sources
    /// differed from that commit's; `unknown` where it was not built from a checkout, and
    /// absent in records from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Instruction set of the kernels; bits are promised for each.
    pub isa: String,
    /// Threads in use; results do not depend on them.
    pub threads: usize,
    /// Processor architecture and operating system.
    pub machine: String,
    /// Model of the processor; absent in records from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
}

impl Provenance {
    /// What this process and machine are, with kernels of that instruction set.
    pub fn here(isa: &str) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: Some(COMMIT.into()),
            isa: isa.into(),
            threads: rayon::current_num_threads(),
            machine: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
            cpu: Some(processor()),
        }
    }

    /// The system, the processor, the kernels and the threads, in words.
    pub fn words(&self) -> String {
        let threads = if self.threads == 1 {
            "thread"
        } else {
            "threads"
        };
        let mut words = self.machine.clone();
        if let Some(cpu) = self.cpu.as_ref().filter(|cpu| *cpu != "unknown") {
            words += &format!(", {cpu}");
        }
        words + &format!(", {} kernels, {} {threads} a run", self.isa, self.threads)
    }

    /// The commit with the first 12 digits of its hash.
    pub fn short_commit(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or("unknown");
        match commit.split_once(", ") {
            None => commit.chars().take(12).collect(),
            Some((hash, changed)) => format!("{} ({changed})", hash.get(..12).unwrap_or(hash)),
        }
    }
}

/// The commit that this program was built from; see [`Provenance::commit`].
pub const COMMIT: &str = env!("BNN_CPU_COMMIT");

/// The processor's model, as the system calls it; `unknown` where it does not say.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    processor_of(&text).unwrap_or_else(|| "unknown".into())
}

/// The model in Linux's `/proc/cpuinfo`. Virtual machines may hide the name's end, so
/// the numbers of family, model and stepping stand behind it.
fn processor_of(cpuinfo: &str) -> Option<String> {
    let field = |name: &str| {
        let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.trim() == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|v| !v.is_empty())
    };
    if let Some(name) = field("model name") {
        let numbers = ["cpu family", "model", "stepping"].map(|key| (key, field(key)));
        let numbers: Vec<String> = numbers
            .iter()
            .filter_map(|(key, value)| {
                Some(format!("{} {}", key.trim_start_matches("cpu "), (*value)?))
            })
            .collect();
        return Some(match numbers.is_empty() {
            true => name.into(),
            false => format!("{name} ({})", numbers.join(", ")),
        });
    }
    // Arm's processors have numbers alone.
    let (vendor, part) = (field("CPU implementer")?, field("CPU part")?);
    Some(format!("implementer {vendor}, part {part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_named_by_name_and_numbers() {
        let x86 = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: A (R) B\nstepping\t: 8\n\nprocessor\t: 1\n";
        assert_eq!(
            processor_of(x86).unwrap(),
            "A (R) B (family 6, model 143, stepping 8)"
        );
        let arm = "processor : 0\nCPU implementer : 0x41\nCPU part : 0xd0c\n";
        assert_eq!(processor_of(arm).unwrap(), "implementer 0x41, part 0xd0c");
        assert_eq!(processor_of("model name : only\n").unwrap(), "only");
        assert_eq!(processor_of("model name :\n"), None);
        assert_eq!(processor_of(""), None);
    }

    #[test]
    fn the_build_names_its_commit() {
        let (commit, changed) = COMMIT.split_at(COMMIT.len().min(40));
        let hash = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(COMMIT == "unknown" || hash && ["", ", changed"].contains(&changed));
    }
}

/// `test.json`: the one test of the best epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestRecord {
    /// Name of the data set.
    pub dataset: String,
    /// Fingerprint of the data set; empty in records from before it was noted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_sha256: String,
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
    /// What a few-shot run was tested on; absent in other runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<FewShotRecord>,
    /// Signs that the training failed: those of the last epoch, and an accuracy at chance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
    /// Seconds of training and validation, summed over the epochs.
    pub train_seconds: f64,
    /// The machine and the build that the figures come from.
    pub provenance: Provenance,
}

impl TestRecord {
    /// Whether the record can be of a run with that configuration.
    ///
    /// # Errors
    /// What cannot be, in words that complete "the file ...".
    pub fn check(&self, config: &Config) -> Result<(), String> {
        let data = &config.dataset;
        if !data.sha256.is_empty() && self.data_sha256 != data.sha256 {
            return Err("is of a test on other data than the run's config.json names".into());
        }
        let images = config
            .task
            .few_shot()
            .map_or(data.test, |task| task.asked());
        if self.images != images || self.few_shot.is_some() == config.task.is_classification() {
            return Err(format!(
                "is of a test on {} images, but the run's has {images}",
                self.images
            ));
        }
        if self.epoch > config.epochs {
            return Err(format!(
                "is of a test of epoch {}, but the run has {}",
                self.epoch, config.epochs
            ));
        }
        let own = Evaluation {
            images: self.images,
            loss: self.loss,
            accuracy: self.accuracy,
        };
        let all = [Some(own), self.mean_of_16, self.threshold];
        let unsound = |e: &Evaluation| {
            !e.loss.is_finite() || !(0.0..=1.0).contains(&e.accuracy) || e.images != self.images
        };
        match all.into_iter().flatten().find(unsound) {
            Some(e) => Err(format!(
                "is damaged: loss {}, accuracy {} on {} images",
                e.loss, e.accuracy, e.images
            )),
            None => Ok(()),
        }
    }
}
