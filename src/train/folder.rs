//! Training that lasts: a run's folder watches the loop and keeps what it is given.
//!
//! Files are written in an order that leaves a resumable run after a kill at any moment:
//! best weights, then checkpoint, then metrics. A kill between two of them repeats an
//! epoch's end, with the same result.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::checkpoint::Checkpoint;
use super::event::Event;
use super::observer::{Best, Observer, State};
use super::record::{EpochRecord, TestRecord};
use super::run::{BEST, CHECKPOINT, RunFolder, TEST};
use super::trainer::{Found, Training};
use crate::data::Dataset;
use crate::error::Result;
use crate::kernels::Engine;
use crate::model::weights;
use crate::ranks::Ranks;

/// Carries out the run, from where it stands to its test: [`fit`], and one test of the
/// best weights.
///
/// # Errors
/// As [`fit`].
pub fn train(
    run: &mut RunFolder,
    dataset: &Dataset,
    engine: Engine,
    stop: &AtomicBool,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<TestRecord> {
    if let Some(test) = run.test()? {
        return Ok(test);
    }
    let (training, mut keeper) = fitted(run, dataset, engine, stop, on)?;
    Ok(training.test(&mut keeper)?.test)
}

/// Trains the run, from where it stands to the end of its last epoch, without its test:
/// what settings are chosen by must not have seen the test images.
///
/// `stop` is looked at after each step: once it is set, the state is saved and
/// [`crate::Error::Interrupted`] returned.
///
/// # Errors
/// An impossible configuration, a damaged checkpoint, a file that cannot be
/// written, an interruption, or [`crate::Error::Diverged`] where the loss
/// or a weight is no longer finite (the last good checkpoint is kept).
pub fn fit(
    run: &mut RunFolder,
    dataset: &Dataset,
    engine: Engine,
    stop: &AtomicBool,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    if run.test()?.is_some() {
        return Ok(());
    }
    fitted(run, dataset, engine, stop, on).map(drop)
}

/// The run at the end of its last epoch, and who keeps what becomes of it.
fn fitted<'a>(
    run: &'a RunFolder,
    dataset: &'a Dataset,
    engine: Engine,
    stop: &'a AtomicBool,
    on: &'a mut dyn FnMut(Event<'_>),
) -> Result<(Training<'a>, Keeper<'a>)> {
    let (found, mut keeper) = begin(run, stop, on)?;
    match Training::fitted((run.config(), &Ranks::default()), dataset, engine, found, &mut keeper) {
        Ok(training) => Ok((training, keeper)),
        Err(error) => Err(error),
    }
}

/// Where the run was left, and who keeps what becomes of it.
fn begin<'a>(
    run: &'a RunFolder,
    stop: &'a AtomicBool,
    on: &'a mut dyn FnMut(Event<'_>),
) -> Result<(Option<Found>, Keeper<'a>)> {
    let mut keeper = Keeper {
        run,
        stop,
        on,
        kept: false,
        history: Vec::new(),
    };
    let Some(checkpoint) = run.weights::<Checkpoint>(CHECKPOINT)? else {
        return Ok((None, keeper));
    };
    keeper.kept = true;
    keeper
        .history
        .clone_from(&checkpoint.about.progress.history);
    let best = match run.find_best()? {
        Some(best) => {
            weights::check(&run.config().model, &best.tensors, &run.file(BEST))?;
            Some(Best {
                tensors: best.tensors,
                about: best.about,
            })
        }
        None => None,
    };
    let file = run.file(CHECKPOINT);
    let found = Found {
        checkpoint,
        best,
        file,
    };
    Ok((Some(found), keeper))
}

/// Keeps a training loop in a run's folder.
struct Keeper<'a> {
    run: &'a RunFolder,
    stop: &'a AtomicBool,
    on: &'a mut dyn FnMut(Event<'_>),
    /// Whether there is a checkpoint to go back to.
    kept: bool,
    /// The records of the epochs that are finished.
    history: Vec<EpochRecord>,
}

impl Observer for Keeper<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match &event {
            // A run that was killed after its last checkpoint may lack this file.
            Event::Testing { .. } => self.run.write_metrics(&self.history)?,
            Event::Test(test) => self.run.write_json(TEST, test)?,
            _ => {}
        }
        (self.on)(event);
        Ok(())
    }

    fn best(&mut self, best: &Best) -> Result<()> {
        self.run.write_weights(BEST, &best.tensors, &best.about)
    }

    fn checkpoint(&mut self, state: &State<'_>) -> Result<()> {
        let about = state.about();
        self.run
            .write_weights(CHECKPOINT, &state.tensors(), about)?;
        self.kept = true;
        if about.progress.step == 0 {
            self.history.clone_from(&about.progress.history);
            self.run.write_metrics(&self.history)?;
        }
        Ok(())
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn kept_in(&self) -> Option<&Path> {
        self.kept.then(|| self.run.path())
    }
}
