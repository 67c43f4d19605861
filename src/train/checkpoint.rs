//! The state of an unfinished run: weights, optimiser, and how far it got.
//!
//! Order, noise, augmentation and split are keyed by (seed, epoch, step), so
//! "how far" is all the random state there is.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::activity::Activity;
use super::baseline::BaselineState;
use super::config::Config;
use super::flips::Flips;
use super::optimiser::Optimiser;
use super::record::EpochRecord;
use super::run::BestWeights;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::model::weights::{self, Data, NamedTensor};
use crate::tape::Params;

/// How far a run has got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The epoch under way, from 1.
    pub epoch: usize,
    /// Steps done in it.
    pub step: usize,
    /// Sum of the losses of its images so far.
    pub loss_sum: f64,
    /// Its images classified right so far.
    pub right: usize,
    /// Its images so far.
    pub seen: usize,
    /// Seconds spent in it so far, before the last interruption.
    pub seconds: f64,
    /// The best epoch so far and its validation loss.
    pub best: Option<(usize, f64)>,
    /// The records of finished epochs.
    pub history: Vec<EpochRecord>,
}

impl Progress {
    /// The progress of a run that has done nothing.
    pub fn new() -> Self {
        Self {
            epoch: 1,
            ..Self::default()
        }
    }
}

impl Progress {
    /// Whether a run with that configuration can have made this progress.
    ///
    /// # Errors
    /// What it cannot have, in a few words.
    pub fn check(&self, config: &Config) -> std::result::Result<(), String> {
        let (steps, epochs) = (config.steps_per_epoch(), config.epochs);
        if !(1..=epochs + 1).contains(&self.epoch) {
            return Err(format!("epoch {} of {epochs}", self.epoch));
        }
        let over = self.epoch == epochs + 1;
        if self.step >= steps.max(1) || (over && self.step > 0) {
            return Err(format!(
                "step {} of {steps} in epoch {} of {epochs}",
                self.step, self.epoch
            ));
        }
        let images = config.judged(self.step);
        if self.seen != images {
            return Err(format!(
                "{} images in {} steps, which have {images}",
                self.seen, self.step
            ));
        }
        if self.right > self.seen.saturating_mul(config.samples) {
            return Err(format!(
                "{} right answers on {} images",
                self.right, self.seen
            ));
        }
        if !self.loss_sum.is_finite() || (self.seen == 0 && self.loss_sum != 0.0) {
            return Err(format!(
                "losses of {} on {} images",
                self.loss_sum, self.seen
            ));
        }
        if !(self.seconds.is_finite() && self.seconds >= 0.0) {
            return Err(format!("{} seconds in an epoch", self.seconds));
        }
        if self.history.len() + 1 != self.epoch {
            return Err(format!(
                "records of {} epochs before epoch {}",
                self.history.len(),
                self.epoch
            ));
        }
        self.check_history(config)
    }

    fn check_history(&self, config: &Config) -> std::result::Result<(), String> {
        let mut best: Option<(usize, f64)> = None;
        for (record, epoch) in self.history.iter().zip(1..) {
            if record.epoch != epoch {
                return Err(format!("epoch {} in the place of {epoch}", record.epoch));
            }
            record.check()?;
            if record.val_loss.is_some() != (config.split_sizes().1 > 0) {
                return Err(format!("the validation of epoch {epoch}"));
            }
            // The rule of the training loop: without validation the last epoch counts.
            let loss = record.val_loss.unwrap_or(record.train_loss);
            if record.val_loss.is_none() || best.is_none_or(|(_, known)| loss < known) {
                best = Some((epoch, loss));
            }
        }
        match best == self.best {
            true => Ok(()),
            false => Err(format!(
                "{:?} as the best epoch, where its records say {best:?}",
                self.best
            )),
        }
    }
}

/// What a checkpoint says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The network.
    pub model: ModelSpec,
    /// Instruction set: bits are promised for each.
    pub isa: String,
    /// [`crate::data::Dataset::fingerprint`] of the images; empty in older files.
    #[serde(default)]
    pub data: String,
    /// How far the run has got.
    pub progress: Progress,
}

/// Prefixes of the optimiser's tensors and of the baseline's.
const OPTIMISER: &str = "optimiser.";
const BASELINE: &str = "baseline.";

impl Checkpoint {
    /// The tensors of a checkpoint.
    pub fn tensors(
        params: &Params,
        optimiser: &Optimiser,
        baseline: Option<&BaselineState>,
        (flips, activity): (&Flips, &Activity),
    ) -> Vec<NamedTensor> {
        let mut tensors = weights::export(params);
        tensors.extend(flips.export());
        tensors.extend(activity.export());
        let mut push = |prefix: &str, states: &[Vec<f32>]| {
            for (i, state) in states.iter().enumerate() {
                tensors.push(NamedTensor {
                    name: format!("{prefix}{i}"),
                    shape: vec![state.len()],
                    data: Data::F32(state.clone()),
                });
            }
        };
        push(OPTIMISER, optimiser.state());
        if let Some(baseline) = baseline {
            push(BASELINE, &baseline.state());
        }
        tensors
    }

    /// Whether a run with that configuration can go on from here, with the images whose
    /// fingerprint is `data` and the best weights `best`; `path` is named in messages.
    ///
    /// # Errors
    /// Other images than the run's, best weights that are gone or of another epoch, or
    /// progress that the run cannot have made.
    pub fn check(
        &self,
        config: &Config,
        data: &str,
        best: Option<&BestWeights>,
        path: &Path,
    ) -> Result<()> {
        if !self.data.is_empty() && self.data != data {
            return Err(Error::checkpoint(
                path,
                "was made with other images than those at hand, though there are as many; name the right folder",
            )
            .mended_by(&["data"]));
        }
        self.progress
            .check(config)
            .map_err(|what| Error::checkpoint(path, format!("is damaged: {what}")))?;
        let Some((epoch, _)) = self.progress.best else {
            return Ok(());
        };
        let Some(best) = best else {
            return Err(Error::checkpoint(
                path.parent().unwrap_or(path),
                "has lost its best.safetensors, which no later epoch need write again; put it back, or train anew",
            )
            .mended_by(&["force"]));
        };
        // A run that was killed between the two files has the best weights of the epoch
        // whose end it repeats.
        if best.epoch != epoch && best.epoch != self.progress.epoch {
            return Err(Error::checkpoint(
                path,
                format!(
                    "names epoch {epoch} as the best, but best.safetensors is of epoch {}; put the right one back",
                    best.epoch
                ),
            ));
        }
        Ok(())
    }

    /// Puts what was read from `path` into the parameters and optimiser of the same
    /// network.
    ///
    /// # Errors
    /// A checkpoint of another model, optimiser or baseline than the run's.
    pub fn restore(
        (tensors, checkpoint): (Vec<NamedTensor>, Self),
        path: &Path,
        model: &ModelSpec,
        params: &mut Params,
        optimiser: &mut Optimiser,
        baseline: Option<&mut BaselineState>,
        (flips, activity): (&mut Flips, &mut Activity),
    ) -> Result<Self> {
        if checkpoint.model != *model {
            return Err(Error::checkpoint(
                path,
                format!(
                    "is of another model ({}) than the run's config.json",
                    checkpoint.model.name
                ),
            ));
        }
        weights::check_finite(&tensors, path)?;
        let mut rest = weights::import(params, tensors, path)?;
        let signs = rest.iter().position(|t| t.name == Flips::TENSOR);
        if !flips.import(signs.map(|i| rest.remove(i))) {
            return Err(Error::checkpoint(
                path,
                "has other binary weights than the run's config.json",
            ));
        }
        let bits = rest.iter().position(|t| t.name == Activity::TENSOR);
        if !activity.import(bits.map(|i| rest.remove(i))) {
            return Err(Error::checkpoint(path, "holds no sound bits of its units"));
        }
        let (states, learned) = (numbered(&rest, OPTIMISER), numbered(&rest, BASELINE));
        let none_left = states.len() + learned.len() == rest.len();
        if !none_left || !restore_optimiser(optimiser, &states) {
            return Err(Error::checkpoint(
                path,
                "is of another optimiser than the run's config.json",
            ));
        }
        let kept = match baseline {
            Some(baseline) => baseline.restore(&learned),
            None => learned.is_empty(),
        };
        if !kept {
            return Err(Error::checkpoint(
                path,
                "is of another baseline than the run's config.json",
            ));
        }
        Ok(checkpoint)
    }
}

/// The states that are called `prefix` and a number, from 0 on.
fn numbered(tensors: &[NamedTensor], prefix: &str) -> Vec<Vec<f32>> {
    let states = (0..tensors.len()).map_while(|i| {
        let name = format!("{prefix}{i}");
        match tensors.iter().find(|t| t.name == name).map(|t| &t.data) {
            Some(Data::F32(data)) => Some(data.clone()),
            _ => None,
        }
    });
    states.collect()
}

/// Gives the optimiser its states; whether they are as many and as long as its own.
fn restore_optimiser(optimiser: &mut Optimiser, found: &[Vec<f32>]) -> bool {
    let state = optimiser.state_mut();
    let same_length = |(a, b): (&Vec<f32>, &Vec<f32>)| a.len() == b.len();
    if found.len() != state.len() || !found.iter().zip(&*state).all(same_length) {
        return false;
    }
    for (state, found) in state.iter_mut().zip(found) {
        state.copy_from_slice(found);
    }
    true
}
