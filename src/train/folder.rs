//! Training that lasts: a run's folder watches the loop and keeps what it is given.
//!
//! Files are written in an order that leaves a resumable run after a kill at any moment:
//! best weights, then checkpoint, then metrics. A kill between two of them repeats an
//! epoch's end, with the same result.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::event::Event;
use super::observer::{Best, Observer, State};
use super::record::{EpochRecord, TestRecord};
use super::run::{BEST, BestWeights, CHECKPOINT, RunFolder, TEST};
use super::trainer::{Found, Training};
use crate::data::Dataset;
use crate::error::{Error, Result};
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
    train_on(&Ranks::default(), run, dataset, engine, stop, on)
}

/// [`train`] on several ranks: rank 0 has the run and calls this, the others call [`follow`]. A
/// run may be begun on one number of ranks and be continued on another.
///
/// # Errors
/// As [`train`], and [`crate::Error::Lost`] where ranks are not alike or one is gone.
pub fn train_on(
    ranks: &Ranks,
    run: &mut RunFolder,
    dataset: &Dataset,
    engine: Engine,
    stop: &AtomicBool,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<TestRecord> {
    if let Some(test) = run.test()? {
        return Ok(test);
    }
    let (training, mut keeper) = fitted(ranks, run, (dataset, engine), stop, on)?;
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
    fit_on(&Ranks::default(), run, dataset, engine, stop, on)
}

/// [`fit`] on several ranks, as [`train_on`].
///
/// # Errors
/// As [`train_on`].
pub fn fit_on(
    ranks: &Ranks,
    run: &mut RunFolder,
    dataset: &Dataset,
    engine: Engine,
    stop: &AtomicBool,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    if run.test()?.is_some() {
        return Ok(());
    }
    fitted(ranks, run, (dataset, engine), stop, on).map(drop)
}

/// Takes part in the training of rank 0's run, from where it stands, which writes its files;
/// `tests` says whether rank 0 calls [`train_on`] rather than [`fit_on`]. A `stop` that is set
/// ends the training on all ranks.
///
/// # Errors
/// As [`train_on`].
pub fn follow(
    ranks: &Ranks,
    config: &Config,
    dataset: &Dataset,
    engine: Engine,
    stop: &AtomicBool,
    tests: bool,
) -> Result<()> {
    let said = ranks.from_first(&[])?;
    let found = Left::found(&said, config)?;
    let mut watch = Follower { stop };
    let training = Training::fitted((config, ranks), dataset, engine, found, &mut watch)?;
    match tests {
        true => training.test(&mut watch).map(drop),
        false => Ok(()),
    }
}

/// Watches on a rank that keeps nothing.
struct Follower<'a> {
    stop: &'a AtomicBool,
}

impl Observer for Follower<'_> {
    fn event(&mut self, _event: Event<'_>) -> Result<()> {
        Ok(())
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The files that a run goes on from, as rank 0 sends them: the length of the first, and both.
struct Left;

impl Left {
    /// What rank 0 sends of a run: nothing before its first checkpoint.
    fn of(run: &RunFolder) -> Result<Vec<u8>> {
        let read = |name| run.read(name, weights::MAX_BYTES);
        let Some(checkpoint) = read(CHECKPOINT)? else {
            return Ok(Vec::new());
        };
        let mut all = (checkpoint.len() as u64).to_le_bytes().to_vec();
        all.extend(checkpoint);
        all.extend(read(BEST)?.unwrap_or_default());
        Ok(all)
    }

    fn found(said: &[u8], config: &Config) -> Result<Option<Found>> {
        let file = |name: &str| PathBuf::from(format!("{name} of rank 0"));
        let cut = || Error::Lost("rank 0 sent a state that is cut short; report this".into());
        let Some((len, files)) = said.split_first_chunk() else {
            return Ok(None);
        };
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let (checkpoint, best) = files.split_at_checked(len).ok_or_else(cut)?;
        let checkpoint = weights::decode::<Checkpoint>(checkpoint, &file(CHECKPOINT))?;
        let best = match best {
            [] => None,
            best => {
                let best = weights::decode::<BestWeights>(best, &file(BEST))?;
                weights::check(&config.model, &best.tensors, &file(BEST))?;
                Some(Best {
                    tensors: best.tensors,
                    about: best.about,
                })
            }
        };
        Ok(Some(Found {
            checkpoint,
            best,
            file: file(CHECKPOINT),
        }))
    }
}

/// The run at the end of its last epoch, and who keeps what becomes of it.
fn fitted<'a>(
    ranks: &Ranks,
    run: &'a RunFolder,
    (dataset, engine): (&'a Dataset, Engine),
    stop: &'a AtomicBool,
    on: &'a mut dyn FnMut(Event<'_>),
) -> Result<(Training<'a>, Keeper<'a>)> {
    let (found, mut keeper) = begin(run, stop, on)?;
    if !ranks.is_alone() {
        ranks.from_first(&Left::of(run)?)?;
    }
    match Training::fitted((run.config(), ranks), dataset, engine, found, &mut keeper) {
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
