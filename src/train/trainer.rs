//! The training loop.
//!
//! **Invariant.** A step depends on (configuration, weights, optimiser state, epoch, step)
//! and on nothing else, so a resumed run equals an unbroken one. The loop writes no file:
//! an [`Observer`] is given the best weights and the checkpoints, in an order that leaves
//! a resumable run if each is kept before the next.

mod end;
mod keep;
mod together;
mod troubles;

use std::path::PathBuf;
use std::time::Duration;

use super::activity::Activity;
use super::baseline::{Baseline, BaselineState};
use super::batch::{Scratch, fill};
use super::checkpoint::{Checkpoint, Progress};
use super::clip::clip;
use super::clock::{Instant, rate};
use super::config::Config;
use super::evaluate::{Evaluation, Evaluator, Reading};
use super::event::Event;
use super::few_shot::Lessons;
use super::flips::Flips;
use super::lints::warnings;
use super::observer::{Best, Observer};
use super::optimiser::Optimiser;
use super::record::{EpochRecord, TestRecord};
use super::schedule::Plateau;
use crate::data::{Dataset, epoch_order, validation_split};
use crate::error::Result;
use crate::kernels::Engine;
use crate::model::Network;
use crate::model::weights::Opened;
use crate::ranks::Ranks;
use crate::tape::{Mode, Noise, Units};

/// Time between two checkpoints within an epoch.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// What training leaves behind.
pub struct Trained {
    /// The network with the weights of the best epoch, ready to evaluate batches of up to
    /// [`Config::batch`] images, to be packed ([`crate::model::Network::pack`]) or saved.
    pub network: Network,
    /// What every epoch came to.
    pub history: Vec<EpochRecord>,
    /// The test of the best epoch.
    pub test: TestRecord,
}

/// Trains a network on a data set in memory, and tests the weights of the best epoch once.
/// Nothing is read from the disk or written there; what is to last, the observer keeps. A
/// closure that takes an [`Event`] is an observer.
///
/// # Errors
/// One line each: an impossible configuration; data that are not those of
/// [`Config::dataset`]; [`crate::Error::Diverged`] where the loss or a weight is no longer finite;
/// [`crate::Error::Interrupted`] where the observer stops it; and the observer's own.
pub fn train_in_memory(
    config: &Config,
    dataset: &Dataset,
    engine: Engine,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    train_in_memory_on(&Ranks::default(), config, dataset, engine, observer)
}

/// [`train_in_memory`] on several ranks, each of which calls it with the same configuration and
/// data and an observer of its own. All of them end with the same weights, records and test, whose
/// bits are those of one rank alone; the weights and checkpoints that observers are given are the
/// same too, so that one of them need keep them. Where any observer stops, all do.
///
/// # Errors
/// As [`train_in_memory`], and [`crate::Error::Lost`] where ranks are not alike or one is gone.
pub fn train_in_memory_on(
    ranks: &Ranks,
    config: &Config,
    dataset: &Dataset,
    engine: Engine,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    Training::fitted((config, ranks), dataset, engine, None, observer)?.test(observer)
}

/// Where an earlier run was left.
pub(super) struct Found {
    pub(super) checkpoint: Opened<Checkpoint>,
    /// The best weights so far, where an epoch is finished.
    pub(super) best: Option<Best>,
    /// The file that the checkpoint is from, for messages.
    pub(super) file: PathBuf,
}

pub(super) struct Training<'a> {
    config: &'a Config,
    dataset: &'a Dataset,
    net: Network,
    optimiser: Optimiser,
    baseline: Option<BaselineState>,
    flips: Flips,
    activity: Activity,
    progress: Progress,
    /// Where the learning rate stands, if it follows the validation loss.
    plateau: Option<Plateau>,
    train: Vec<u32>,
    validation: Vec<u32>,
    evaluator: Evaluator,
    /// The episodes of a few-shot run.
    lessons: Option<Lessons>,
    scratch: Vec<Scratch>,
    isa: String,
    /// The data set's fingerprint.
    data: String,
    saved: Instant,
    /// The best weights so far.
    best: Option<Best>,
    ranks: Ranks,
}

impl<'a> Training<'a> {
    /// Training at the end of its last epoch, begun anew or where it was left.
    pub(super) fn fitted(
        (config, ranks): (&'a Config, &Ranks),
        dataset: &'a Dataset,
        engine: Engine,
        found: Option<Found>,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let resumed = found.is_some();
        let made = Self::new((config, ranks), dataset, engine, found, observer);
        let mut work = together::compare(ranks, engine, made)?;
        observer.event(Event::Begin {
            config,
            epoch: work.progress.epoch,
            steps: config.steps_per_epoch(),
            resumed,
        })?;
        let epochs = work.config.epochs;
        while work.progress.epoch <= epochs {
            work.epoch(observer)?;
            work.finish_epoch(observer)?;
            let stops = work.agreed(observer)?.stops;
            if stops && work.progress.epoch <= epochs {
                return Err(work.interrupted(observer));
            }
        }
        Ok(work)
    }

    fn new(
        (config, ranks): (&'a Config, &Ranks),
        dataset: &'a Dataset,
        engine: Engine,
        found: Option<Found>,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        config.check(dataset)?;
        let net = Network::sampled(&config.model, engine, config.batch, config.samples)?;
        let baseline = match config.baseline {
            Baseline::None => None,
            kind => Some(BaselineState::new(kind, engine, &net, config.seed)?),
        };
        let lessons = Lessons::of(config, dataset)?;
        let (train, validation) = match &lessons {
            Some(lessons) => {
                let of = &lessons.characters;
                (of.train.images(), of.validation.images())
            }
            None => validation_split(dataset.train.len(), config.val_fraction, config.seed)?,
        };
        let scratch = (0..net.chunks()).map(|_| Scratch::default()).collect();
        let mut work = Self {
            config,
            dataset,
            optimiser: Optimiser::new(config.optimiser, net.params().values().len()),
            baseline,
            flips: Flips::of(net.params()),
            activity: Activity::default(),
            progress: Progress::new(),
            plateau: Plateau::new(config.lr_schedule, config.lr),
            train,
            validation,
            evaluator: Evaluator::default(),
            lessons,
            scratch,
            isa: engine.kernels.isa.name().to_string(),
            data: dataset.fingerprint(),
            saved: Instant::now(),
            best: None,
            ranks: ranks.clone(),
            net,
        };
        match found {
            Some(found) => work.resume(found, observer)?,
            None => work.begin(observer)?,
        }
        work.net.set_ranks(ranks.clone());
        Ok(work)
    }

    /// Draws the first weights, and warns of settings that hardly train.
    fn begin(&mut self, observer: &mut dyn Observer) -> Result<()> {
        for line in warnings(self.config) {
            observer.event(Event::Warning(line))?;
        }
        self.net.init(self.config.init, self.config.seed);
        self.flips = Flips::of(self.net.params());
        Ok(())
    }

    /// Goes on where an earlier run was left.
    fn resume(&mut self, found: Found, observer: &mut dyn Observer) -> Result<()> {
        let (file, checkpoint) = (&found.file, found.checkpoint);
        self.best = found.best;
        let checkpoint = Checkpoint::restore(
            (checkpoint.tensors, checkpoint.about),
            file,
            &self.config.model,
            self.net.params_mut(),
            &mut self.optimiser,
            self.baseline.as_mut(),
            (&mut self.flips, &mut self.activity),
        )?;
        let best = self.best.as_ref().map(|best| &best.about);
        checkpoint.check(self.config, &self.data, best, file)?;
        if checkpoint.isa != self.isa {
            observer.event(Event::Warning(format!(
                "the run was made with {} kernels and goes on with {}: its bits will differ from an unbroken run's; force the old ones to avoid that",
                checkpoint.isa, self.isa
            )))?;
        }
        self.progress = checkpoint.progress;
        let losses = self.progress.history.iter().filter_map(|r| r.val_loss);
        self.plateau = self.plateau.map(|plateau| plateau.after(losses));
        Ok(())
    }

    /// Trains what is left of the epoch under way.
    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let config = self.config;
        let epoch = self.progress.epoch;
        let order = match self.lessons {
            None => epoch_order(&self.train, config.seed, epoch as u64),
            Some(_) => Vec::new(),
        };
        let steps = config.steps_per_epoch();
        let (begun, seen_before) = (Instant::now(), self.progress.seen);
        let seconds_before = self.progress.seconds;
        while self.progress.step < steps {
            let first = (self.progress.step * config.batch).min(order.len());
            let batch = &order[first..(first + config.batch).min(order.len())];
            let (loss_before, seen) = (self.progress.loss_sum, self.progress.seen);
            self.step(batch, observer)?;
            self.progress.step += 1;
            let elapsed = begun.elapsed().as_secs_f64();
            self.progress.seconds = seconds_before + elapsed;
            observer.event(Event::Step {
                epoch,
                epochs: config.epochs,
                step: self.progress.step,
                steps,
                loss: self.progress.loss_sum / self.progress.seen as f64,
                step_loss: (self.progress.loss_sum - loss_before)
                    / (self.progress.seen - seen) as f64,
                accuracy: self.progress.right as f64 / self.sampled(),
                img_per_s: rate(self.progress.seen - seen_before, elapsed),
            })?;
            if self.progress.step < steps {
                let agreed = self.agreed(observer)?;
                if agreed.stops {
                    self.save(observer)?;
                    return Err(self.interrupted(observer));
                }
                if agreed.saves {
                    self.save(observer)?;
                }
            }
        }
        Ok(())
    }

    /// One optimiser step on the images `batch`.
    fn step(&mut self, batch: &[u32], observer: &dyn Observer) -> Result<()> {
        let (config, progress) = (self.config, &mut self.progress);
        let t = (progress.epoch - 1) * config.steps_per_epoch() + progress.step;
        match &mut self.lessons {
            Some(lessons) => lessons.fill(&mut self.net, config, t),
            None => fill(
                &mut self.net,
                &self.dataset.train,
                batch,
                &mut self.scratch,
                config,
                progress.epoch,
            ),
        }
        let pass = self.net.pass_mut();
        pass.mode = Mode::Train;
        pass.units = Units::Sample;
        pass.slope = config.slope.at(progress.epoch, config.epochs);
        pass.temperature = config.temperature.at(progress.epoch);
        pass.noise = Noise {
            seed: config.seed,
            step: t as u64,
            draw: 0,
        };
        self.net.forward();
        self.ranks.check()?;
        let net = &mut self.net;
        let losses = net.losses();
        let (loss, right) = match &self.lessons {
            Some(lessons) => (lessons.loss(net), lessons.right(net)),
            None => {
                let loss = net.pass().samples().sum(|row| f64::from(losses[row]));
                (loss, net.correct())
            }
        };
        if !loss.is_finite() {
            return Err(keep::diverged("the loss", progress, observer));
        }
        progress.loss_sum += loss / config.samples as f64;
        progress.right += right;
        progress.seen = config.judged(progress.step + 1);
        if let Some(lessons) = &self.lessons {
            lessons.weigh(&mut self.net);
        }
        if let Some(baseline) = &mut self.baseline {
            baseline.apply(&mut self.net);
        }
        self.net.backward();
        self.ranks.check()?;
        let lr = (self.plateau).map_or_else(|| config.learning_rate(t), |now| now.rate());
        let ew = &self.net.pass().engine.kernels.ew;
        if config.clip_norm > 0.0 {
            clip(self.net.params_mut().grads_mut(), config.clip_norm);
        }
        let (values, grads) = self.net.params_mut().values_and_grads();
        self.optimiser.step(ew, lr, t as u64 + 1, values, grads);
        self.net.params_mut().clip_latents();
        Ok(())
    }

    /// Samples of images seen in the epoch.
    fn sampled(&self) -> f64 {
        (self.progress.seen * self.config.samples) as f64
    }

    /// Validates, keeps the weights if they are the best, and saves.
    fn finish_epoch(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let epoch = self.progress.epoch;
        let begun = Instant::now();
        self.check_numbers(observer)?;
        let validation = self.validate(observer)?;
        let record = self.record(validation, begun);
        // Without validation images there is nothing to choose by: the last counts.
        let loss = record.val_loss.unwrap_or(f64::NEG_INFINITY);
        let best = validation.is_none() || self.progress.best.is_none_or(|(_, b)| loss < b);
        if best {
            self.progress.best = Some((epoch, record.val_loss.unwrap_or(record.train_loss)));
            self.keep_best(observer)?;
        }
        if let (Some(plateau), Some(loss)) = (&mut self.plateau, record.val_loss) {
            plateau.finish(loss);
        }
        let mut history = std::mem::take(&mut self.progress.history);
        history.push(record);
        self.progress = Progress {
            epoch: epoch + 1,
            best: self.progress.best,
            history,
            ..Progress::default()
        };
        self.save(observer)?;
        let Some(record) = self.progress.history.last() else {
            return Ok(());
        };
        observer.event(Event::Epoch { record, best })?;
        self.warn_of_troubles(record, observer)
    }

    /// Loss and accuracy on the validation images, where there are any.
    fn validate(&mut self, observer: &mut dyn Observer) -> Result<Option<Evaluation>> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let epoch = self.progress.epoch;
        observer.event(Event::Validating { epoch })?;
        let at = (self.config.seed, epoch as u64);
        let net = &mut self.net;
        let reading = Reading::Samples(1);
        let found = match &self.lessons {
            Some(lessons) => lessons.test(false).evaluate(net, reading, at).all,
            None => {
                let split = &self.dataset.train;
                self.evaluator
                    .evaluate(net, split, &self.validation, reading, at)
            }
        };
        self.ranks.check()?;
        match found.loss.is_finite() {
            true => Ok(Some(found)),
            false => Err(keep::diverged(
                "the validation loss",
                &self.progress,
                observer,
            )),
        }
    }

    /// The record of the epoch, whose end began at `begun`.
    fn record(&mut self, validation: Option<Evaluation>, begun: Instant) -> EpochRecord {
        let (config, epoch) = (self.config, self.progress.epoch);
        let watched = match self.validation.is_empty() {
            true => &self.train,
            false => &self.validation,
        };
        let split = match &self.lessons {
            Some(lessons) => &lessons.characters.images,
            None => &self.dataset.train,
        };
        let net = &mut self.net;
        let seen = self.activity.measure(net, split, watched);
        let seconds = self.progress.seconds + begun.elapsed().as_secs_f64();
        let flips = self.flips.measure(self.net.params());
        EpochRecord {
            epoch,
            train_loss: self.progress.loss_sum / self.progress.seen as f64,
            train_accuracy: self.progress.right as f64 / self.sampled(),
            val_loss: validation.map(|v| v.loss),
            val_accuracy: validation.map(|v| v.accuracy),
            slope: f64::from(config.slope.at(epoch, config.epochs)),
            lr: match self.plateau {
                Some(plateau) => plateau.rate(),
                None => config.learning_rate(epoch * config.steps_per_epoch() - 1),
            },
            img_per_s: rate(self.progress.seen, self.progress.seconds),
            seconds,
            flip_ratio: flips.as_ref().map(|f| f.all),
            flip_ratios: flips.map_or_else(Default::default, |f| f.layers),
            saturated: seen.saturated.as_ref().map(|s| s.all),
            saturated_layers: seen.saturated.map_or_else(Default::default, |s| s.layers),
            dead_layers: seen.dead,
            bit_flips: seen.changed.as_ref().map(|s| s.all),
            bit_flips_layers: seen.changed.map_or_else(Default::default, |s| s.layers),
        }
    }
}
