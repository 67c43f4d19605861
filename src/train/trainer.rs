//! The training loop.
//!
//! **Invariants.** A step depends on (configuration, weights, optimiser state,
//! epoch, step) and on nothing else, so a resumed run equals an unbroken one.
//! Files are written in an order that leaves a resumable run after a kill at
//! any moment: best weights, then checkpoint, then metrics. A kill between two
//! of them repeats an epoch's end, with the same result.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::activity::Activity;
use super::baseline::{Baseline, BaselineState};
use super::batch::{Slot, fill};
use super::checkpoint::{Checkpoint, Progress};
use super::config::Config;
use super::evaluate::{Evaluator, Reading};
use super::event::Event;
use super::flips::Flips;
use super::optimiser::Optimiser;
use super::record::{EpochRecord, Provenance, TestRecord};
use super::run::{BEST, BestWeights, CHECKPOINT, RunFolder, TEST};
use super::starved::warnings;
use crate::data::{Dataset, epoch_order, validation_split};
use crate::error::{Error, Result};
use crate::kernels::Engine;
use crate::model::{Network, weights};
use crate::tape::{Mode, Noise, Units};

/// Time between two checkpoints within an epoch.
const SAVE_EVERY: Duration = Duration::from_secs(60);

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
    match run.test()? {
        Some(test) => Ok(test),
        None => Training::fitted(run, dataset, engine, stop, on)?.test(on),
    }
}

/// Trains the run, from where it stands to the end of its last epoch, without its test:
/// what settings are chosen by must not have seen the test images.
///
/// `stop` is looked at after each step: once it is set, the state is saved and
/// [`Error::Interrupted`] returned.
///
/// # Errors
/// An impossible configuration, a damaged checkpoint, a file that cannot be
/// written, an interruption, or [`Error::Diverged`] where the loss or a weight
/// is no longer finite (the last good checkpoint is kept).
pub fn fit(
    run: &mut RunFolder,
    dataset: &Dataset,
    engine: Engine,
    stop: &AtomicBool,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    match run.test()? {
        Some(_) => Ok(()),
        None => Training::fitted(run, dataset, engine, stop, on).map(drop),
    }
}

struct Training<'a> {
    run: &'a RunFolder,
    config: &'a Config,
    dataset: &'a Dataset,
    net: Network,
    optimiser: Optimiser,
    baseline: Option<BaselineState>,
    flips: Flips,
    activity: Activity,
    progress: Progress,
    train: Vec<u32>,
    validation: Vec<u32>,
    evaluator: Evaluator,
    slots: Vec<Slot>,
    isa: String,
    /// The data set's fingerprint.
    data: String,
    saved: Instant,
    /// Whether there is a checkpoint to go back to.
    kept: bool,
}

impl<'a> Training<'a> {
    /// The run at the end of its last epoch.
    fn fitted(
        run: &'a RunFolder,
        dataset: &'a Dataset,
        engine: Engine,
        stop: &AtomicBool,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self> {
        let mut work = Self::new(run, dataset, engine, on)?;
        let epochs = work.config.epochs;
        while work.progress.epoch <= epochs {
            work.epoch(stop, on)?;
            work.finish_epoch(on)?;
            if stop.load(Ordering::Relaxed) && work.progress.epoch <= epochs {
                return Err(work.interrupted());
            }
        }
        Ok(work)
    }

    fn new(
        run: &'a RunFolder,
        dataset: &'a Dataset,
        engine: Engine,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self> {
        let config = run.config();
        config.check(dataset)?;
        let mut net = Network::sampled(&config.model, engine, config.batch, config.samples)?;
        let mut optimiser = Optimiser::new(config.optimiser, net.params().values().len());
        let mut baseline = match config.baseline {
            Baseline::None => None,
            kind => Some(BaselineState::new(kind, engine, &net, config.seed)?),
        };
        let mut flips = Flips::of(net.params());
        let mut activity = Activity::default();
        let isa = engine.kernels.isa.name().to_string();
        let data = dataset.fingerprint();
        let found = run.weights::<Checkpoint>(CHECKPOINT)?;
        let resumed = found.is_some();
        let progress = if let Some(found) = found {
            let file = run.file(CHECKPOINT);
            let (params, baseline) = (net.params_mut(), baseline.as_mut());
            let (model, seen) = (&config.model, (&mut flips, &mut activity));
            let found = Checkpoint::restore(
                (found.tensors, found.about),
                &file,
                model,
                params,
                &mut optimiser,
                baseline,
                seen,
            )?;
            let best = run.find_best()?;
            found.check(config, &data, best.as_ref().map(|best| &best.about), &file)?;
            if found.isa != isa {
                on(Event::Warning(format!(
                    "the run was made with {} kernels and goes on with {isa}: its bits will differ from an unbroken run's; force the old ones to avoid that",
                    found.isa
                )));
            }
            found.progress
        } else {
            for line in warnings(config) {
                on(Event::Warning(line));
            }
            net.init(config.init, config.seed);
            flips = Flips::of(net.params());
            Progress::new()
        };
        let (train, validation) =
            validation_split(dataset.train.len(), config.val_fraction, config.seed)?;
        on(Event::Begin {
            config,
            epoch: progress.epoch,
            steps: config.steps_per_epoch(),
            resumed,
        });
        let slots = (0..net.slots()).map(|_| Slot::default()).collect();
        Ok(Self {
            run,
            config,
            dataset,
            net,
            optimiser,
            baseline,
            flips,
            activity,
            progress,
            train,
            validation,
            evaluator: Evaluator::default(),
            slots,
            isa,
            data,
            saved: Instant::now(),
            kept: resumed,
        })
    }

    /// Trains what is left of the epoch under way.
    fn epoch(&mut self, stop: &AtomicBool, on: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let config = self.config;
        let epoch = self.progress.epoch;
        let order = epoch_order(&self.train, config.seed, epoch as u64);
        let steps = config.steps_per_epoch();
        let (begun, seen_before) = (Instant::now(), self.progress.seen);
        let seconds_before = self.progress.seconds;
        while self.progress.step < steps {
            let first = self.progress.step * config.batch;
            let batch = &order[first..(first + config.batch).min(order.len())];
            let loss_before = self.progress.loss_sum;
            self.step(batch)?;
            self.progress.step += 1;
            let elapsed = begun.elapsed().as_secs_f64();
            self.progress.seconds = seconds_before + elapsed;
            on(Event::Step {
                epoch,
                epochs: config.epochs,
                step: self.progress.step,
                steps,
                loss: self.progress.loss_sum / self.progress.seen as f64,
                step_loss: (self.progress.loss_sum - loss_before) / batch.len() as f64,
                accuracy: self.progress.right as f64 / self.sampled(),
                img_per_s: (self.progress.seen - seen_before) as f64 / elapsed,
            });
            if self.progress.step < steps {
                if stop.load(Ordering::Relaxed) {
                    self.save()?;
                    return Err(self.interrupted());
                }
                if self.saved.elapsed() >= SAVE_EVERY {
                    self.save()?;
                }
            }
        }
        Ok(())
    }

    /// One optimiser step on the images `batch`.
    fn step(&mut self, batch: &[u32]) -> Result<()> {
        let (config, progress) = (self.config, &mut self.progress);
        let t = (progress.epoch - 1) * config.steps_per_epoch() + progress.step;
        fill(
            &mut self.net,
            &self.dataset.train,
            batch,
            &mut self.slots,
            config,
            progress.epoch,
        );
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
        let losses = self.net.losses();
        let loss = self.net.pass().samples().sum(|row| f64::from(losses[row]));
        if !loss.is_finite() {
            return Err(diverged("the loss", progress, self.run, self.kept));
        }
        progress.loss_sum += loss / config.samples as f64;
        progress.right += self.net.correct();
        progress.seen += batch.len();
        if let Some(baseline) = &mut self.baseline {
            baseline.apply(&mut self.net);
        }
        self.net.backward();
        let lr = config.learning_rate(t);
        let ew = &self.net.pass().engine.kernels.ew;
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
    fn finish_epoch(&mut self, on: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let config = self.config;
        let epoch = self.progress.epoch;
        let begun = Instant::now();
        self.check_numbers()?;
        let validation = if self.validation.is_empty() {
            None
        } else {
            on(Event::Validating { epoch });
            let at = (config.seed, epoch as u64);
            let (net, split) = (&mut self.net, &self.dataset.train);
            Some(
                self.evaluator
                    .evaluate(net, split, &self.validation, Reading::Samples(1), at),
            )
        };
        if validation.is_some_and(|v| !v.loss.is_finite()) {
            return Err(diverged(
                "the validation loss",
                &self.progress,
                self.run,
                self.kept,
            ));
        }
        let watched = match self.validation.is_empty() {
            true => &self.train,
            false => &self.validation,
        };
        let (net, split) = (&mut self.net, &self.dataset.train);
        let (saturated, bit_flips) = self.activity.measure(net, split, watched);
        let seconds = self.progress.seconds + begun.elapsed().as_secs_f64();
        let flips = self.flips.measure(self.net.params());
        let record = EpochRecord {
            epoch,
            train_loss: self.progress.loss_sum / self.progress.seen as f64,
            train_accuracy: self.progress.right as f64 / self.sampled(),
            val_loss: validation.map(|v| v.loss),
            val_accuracy: validation.map(|v| v.accuracy),
            slope: f64::from(config.slope.at(epoch, config.epochs)),
            lr: config.learning_rate(epoch * config.steps_per_epoch() - 1),
            img_per_s: self.progress.seen as f64 / self.progress.seconds,
            seconds,
            flip_ratio: flips.as_ref().map(|f| f.all),
            flip_ratios: flips.map_or_else(Default::default, |f| f.layers),
            saturated: saturated.as_ref().map(|s| s.all),
            saturated_layers: saturated.map_or_else(Default::default, |s| s.layers),
            bit_flips: bit_flips.as_ref().map(|s| s.all),
            bit_flips_layers: bit_flips.map_or_else(Default::default, |s| s.layers),
        };
        // Without validation images there is nothing to choose by: the last counts.
        let loss = record.val_loss.unwrap_or(f64::NEG_INFINITY);
        let best = validation.is_none() || self.progress.best.is_none_or(|(_, b)| loss < b);
        if best {
            self.progress.best = Some((epoch, record.val_loss.unwrap_or(record.train_loss)));
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
            self.run.write_weights(BEST, &tensors, &about)?;
        }
        let mut history = std::mem::take(&mut self.progress.history);
        history.push(record);
        self.progress = Progress {
            epoch: epoch + 1,
            best: self.progress.best,
            history,
            ..Progress::default()
        };
        self.save()?;
        self.run.write_metrics(&self.progress.history)?;
        if let Some(record) = self.progress.history.last() {
            on(Event::Epoch { record, best });
        }
        Ok(())
    }

    /// Tests the best weights, once.
    fn test(&mut self, on: &mut dyn FnMut(Event<'_>)) -> Result<TestRecord> {
        let config = self.config;
        // A run that was killed after its last checkpoint may lack this file.
        self.run.write_metrics(&self.progress.history)?;
        let best = self.run.best()?;
        on(Event::Testing { epoch: best.epoch });
        let engine = self.net.pass().engine;
        let mut net = self.run.network(engine, config.batch)?;
        let all: Vec<u32> = (0..self.dataset.test.len() as u32).collect();
        let at = (config.seed, config.epochs as u64 + 1);
        let mut read = |reading| {
            self.evaluator
                .evaluate(&mut net, &self.dataset.test, &all, reading, at)
        };
        let tested = read(Reading::Samples(1));
        let stochastic = config.model.is_stochastic();
        let mean_of_16 = stochastic.then(|| read(Reading::Samples(16)));
        let threshold = stochastic.then(|| read(Reading::Threshold));
        let record = TestRecord {
            dataset: config.dataset.name.clone(),
            data_sha256: self.data.clone(),
            images: tested.images,
            epoch: best.epoch,
            loss: tested.loss,
            accuracy: tested.accuracy,
            mean_of_16,
            threshold,
            train_seconds: self.progress.history.iter().map(|r| r.seconds).sum(),
            provenance: Provenance::here(&self.isa),
        };
        self.run.write_json(TEST, &record)?;
        on(Event::Test(&record));
        Ok(record)
    }

    /// Whether the state can be gone on from.
    fn check_numbers(&self) -> Result<()> {
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
        Err(diverged(what, &self.progress, self.run, self.kept))
    }

    fn save(&mut self) -> Result<()> {
        self.check_numbers()?;
        let checkpoint = Checkpoint {
            model: self.config.model.clone(),
            isa: self.isa.clone(),
            data: self.data.clone(),
            progress: self.progress.clone(),
        };
        let (net, baseline) = (self.net.params(), self.baseline.as_ref());
        let tensors = Checkpoint::tensors(
            net,
            &self.optimiser,
            baseline,
            (&self.flips, &self.activity),
        );
        self.run.write_weights(CHECKPOINT, &tensors, &checkpoint)?;
        self.saved = Instant::now();
        self.kept = true;
        Ok(())
    }

    fn interrupted(&self) -> Error {
        Error::Interrupted(format!(
            "interrupted in epoch {}, step {}; saved in {}",
            self.progress.epoch,
            self.progress.step,
            self.run.path().display()
        ))
    }
}

fn diverged(what: &str, progress: &Progress, run: &RunFolder, kept: bool) -> Error {
    let kept = if kept {
        format!(
            "; the last good checkpoint is kept in {}",
            run.path().display()
        )
    } else {
        String::new()
    };
    Error::Diverged(format!(
        "{what} is no longer finite in epoch {}, step {}{kept}; try a lower lr",
        progress.epoch,
        progress.step + 1
    ))
}
