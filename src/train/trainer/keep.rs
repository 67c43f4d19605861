//! What a training loop gives its observer to keep, and how it ends early.

use super::{Progress, Training};
use crate::error::{Error, Result};
use crate::model::weights;
use crate::train::checkpoint::Checkpoint;
use crate::train::clock::Instant;
use crate::train::observer::{Best, Observer, State};
use crate::train::run::BestWeights;

impl Training<'_> {
    /// Keeps the weights as the best so far.
    pub(super) fn keep_best(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let (config, epoch) = (self.config, self.progress.epoch);
        let about = BestWeights {
            model: config.model.clone(),
            dataset: config.dataset.name.clone(),
            data_sha256: self.data.clone(),
            background: config.dataset.background,
            seed: config.seed,
            epoch,
            slope: config.slope.at(epoch, config.epochs),
            isa: self.isa.clone(),
        };
        let tensors = weights::export(self.net.params());
        let kept = self.best.insert(Best { tensors, about });
        observer.best(kept)
    }

    /// Whether the state can be gone on from.
    pub(super) fn check_numbers(&self, observer: &dyn Observer) -> Result<()> {
        let params = self.net.params();
        let finite = |numbers: &[f32]| numbers.iter().all(|x| x.is_finite());
        // A binary unit turns a NaN into a 0, so the loss alone does not show it.
        let what = if !finite(params.values()) || !finite(params.buffer_values()) {
            "a weight"
        } else if !self.optimiser.state().iter().all(|state| finite(state)) {
            "a number of the optimiser"
        } else {
            return Ok(());
        };
        Err(diverged(what, &self.progress, observer))
    }

    pub(super) fn save(&mut self, observer: &mut dyn Observer) -> Result<()> {
        self.check_numbers(observer)?;
        let tensors = || {
            let (net, baseline) = (self.net.params(), self.baseline.as_ref());
            let seen = (&self.flips, &self.activity);
            Checkpoint::tensors(net, &self.optimiser, baseline, seen)
        };
        observer.checkpoint(&State {
            about: Checkpoint {
                model: self.config.model.clone(),
                isa: self.isa.clone(),
                data: self.data.clone(),
                progress: self.progress.clone(),
            },
            tensors: &tensors,
        })?;
        self.saved = Instant::now();
        Ok(())
    }

    pub(super) fn interrupted(&self, observer: &dyn Observer) -> Error {
        let saved = match observer.kept_in() {
            Some(folder) => format!("; saved in {}", folder.display()),
            None => String::new(),
        };
        Error::Interrupted(format!(
            "interrupted in epoch {}, step {}{saved}",
            self.progress.epoch, self.progress.step
        ))
    }
}

/// The error of numbers that are no longer finite.
pub(super) fn diverged(what: &str, progress: &Progress, observer: &dyn Observer) -> Error {
    let kept = match observer.kept_in() {
        Some(folder) => format!("; the last good checkpoint is kept in {}", folder.display()),
        None => String::new(),
    };
    Error::Diverged(format!(
        "{what} is no longer finite in epoch {}, step {}{kept}; try a lower lr",
        progress.epoch,
        progress.step + 1
    ))
}
