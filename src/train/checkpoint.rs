//! The state of an unfinished run: weights, optimiser, and how far it got.
//!
//! Order, noise, augmentation and split are keyed by (seed, epoch, step), so
//! "how far" is all the random state there is.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::activity::Activity;
use super::baseline::BaselineState;
use super::flips::Flips;
use super::optimiser::Optimiser;
use super::record::EpochRecord;
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
    /// A run that has done nothing.
    pub fn new() -> Self {
        Self {
            epoch: 1,
            ..Self::default()
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
    /// Writes a checkpoint as one atomic file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(
        &self,
        path: &Path,
        params: &Params,
        optimiser: &Optimiser,
        baseline: Option<&BaselineState>,
        (flips, activity): (&Flips, &Activity),
    ) -> Result<()> {
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
        weights::write(path, &tensors, self)
    }

    /// Whether the run in `folder` can go on from here, with the images whose
    /// fingerprint is `data`.
    ///
    /// # Errors
    /// Other images than the run's, or best weights that are gone.
    pub fn check(&self, folder: &Path, data: &str) -> Result<()> {
        if !self.data.is_empty() && self.data != data {
            return Err(Error::checkpoint(
                folder.join("checkpoint.safetensors"),
                "was made with other images than those at hand, though there are as many; name the right folder with --data",
            ));
        }
        if self.progress.best.is_some() && !folder.join("best.safetensors").exists() {
            return Err(Error::checkpoint(
                folder,
                "has lost its best.safetensors, which no later epoch need write again; put it back, or train anew with --force",
            ));
        }
        Ok(())
    }

    /// Reads a checkpoint into the parameters and optimiser of the same network.
    ///
    /// # Errors
    /// A file that cannot be read, is cut short, or is of another model,
    /// optimiser or a newer format.
    pub fn read(
        path: &Path,
        model: &ModelSpec,
        params: &mut Params,
        optimiser: &mut Optimiser,
        baseline: Option<&mut BaselineState>,
        (flips, activity): (&mut Flips, &mut Activity),
    ) -> Result<Self> {
        let content = weights::read::<Self>(path)?;
        let seen = (flips, activity);
        Self::restore(content, path, model, params, optimiser, baseline, seen)
    }

    /// Puts what was read from `path` into the parameters and optimiser of the same
    /// network.
    ///
    /// # Errors
    /// As [`Self::read`].
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
        let of = |prefix: &str| -> Vec<Vec<f32>> {
            let states = (0..rest.len()).map_while(|i| {
                let name = format!("{prefix}{i}");
                match rest.iter().find(|t| t.name == name).map(|t| &t.data) {
                    Some(Data::F32(data)) => Some(data.clone()),
                    _ => None,
                }
            });
            states.collect()
        };
        let (found, learned) = (of(OPTIMISER), of(BASELINE));
        let state = optimiser.state_mut();
        let fits = found.len() + learned.len() == rest.len()
            && found.len() == state.len()
            && found.iter().zip(&*state).all(|(a, b)| a.len() == b.len());
        if !fits {
            return Err(Error::checkpoint(
                path,
                "is of another optimiser than the run's config.json",
            ));
        }
        for (state, found) in state.iter_mut().zip(&found) {
            state.copy_from_slice(found);
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
