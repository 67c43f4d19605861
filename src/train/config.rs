//! What a run is: everything that its result depends on, stored as
//! `config.json` in its folder.

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::optimiser::OptimiserSpec;
use super::schedule::{LrSchedule, SlopeKind, SlopeSchedule, TemperatureSchedule};
use super::subject::{DatasetRecord, Subject};
use super::task::Task;
use crate::data::{Augment, Dataset};
use crate::error::{Error, Result};
use crate::layers::{BatchNorm, Input};
use crate::model::{Init, ModelSpec};

/// Everything that the result of a run depends on, beside the instruction set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network.
    pub model: ModelSpec,
    /// The data set.
    pub dataset: DatasetRecord,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images in a step.
    pub batch: usize,
    /// The optimiser.
    pub optimiser: OptimiserSpec,
    /// The learning rate (its peak, where it is scheduled).
    pub lr: f64,
    /// How the learning rate changes.
    pub lr_schedule: LrSchedule,
    /// How the slope changes.
    pub slope: SlopeSchedule,
    /// How the temperature of relaxed bits changes.
    #[serde(default)]
    pub temperature: TemperatureSchedule,
    /// The number of samples that a step draws of each image; above 1 for stochastic units
    /// only.
    #[serde(default = "one")]
    pub samples: usize,
    /// The baseline that score-function estimators subtract from a loss.
    #[serde(default)]
    pub baseline: Baseline,
    /// What is done to training images.
    pub augment: Augment,
    /// Share of the training images kept for validation.
    pub val_fraction: f64,
    /// The seed of weights, split, order, noise and augmentation.
    pub seed: u64,
    /// The initialiser of the weights.
    pub init: Init,
    /// The largest Euclidean norm that the gradient of a step may have; a longer one is made
    /// that short, with its direction kept. 0 leaves every gradient as it is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clip_norm: f64,
    /// What the run learns to do.
    #[serde(default, skip_serializing_if = "Task::is_classification")]
    pub task: Task,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

fn one() -> usize {
    1
}

/// The most epochs of a run: with any data set that a file can hold, their steps can be
/// counted in 64 bits.
pub const MAX_EPOCHS: usize = 1_000_000;

impl Config {
    /// The reference protocol for that network and data set: 10 epochs in batches of 64, SGD
    /// with momentum 0.9 at the constant rate 0.1, a slope of 1 throughout, 10 % of the
    /// training images for validation, seed 1, PyTorch's initialiser, no augmentation, and one
    /// sample without a baseline. Fields may be changed afterwards.
    pub fn reference(mut model: ModelSpec, dataset: DatasetRecord) -> Self {
        model.settle();
        Self {
            model,
            dataset,
            epochs: 10,
            batch: 64,
            optimiser: OptimiserSpec::ALL[0],
            lr: OptimiserSpec::ALL[0].usual_rate(),
            lr_schedule: LrSchedule::Constant,
            slope: SlopeSchedule::new(SlopeKind::None),
            temperature: TemperatureSchedule::default(),
            samples: 1,
            baseline: Baseline::None,
            augment: Augment::None,
            val_fraction: 0.1,
            seed: 1,
            init: Init::Pytorch,
            clip_norm: 0.0,
            task: Task::default(),
        }
    }

    /// Where the network does not say how pixels enter it, makes it normalise them by the mean
    /// and the deviation of this data set.
    pub fn normalise_by(&mut self, dataset: &Dataset) {
        Subject::of(dataset).describe_pixels(&mut self.model);
    }

    /// The data set that the configuration names, with pixels as they are to its network; `None`
    /// where the configuration does not say that.
    pub fn subject(&self) -> Option<Subject> {
        Some(Subject {
            record: self.dataset.clone(),
            input: self.model.input,
            pixels: self.model.pixels.clone()?,
        })
    }

    /// Raises [`Self::samples`] to the least number that the estimators work with.
    pub fn suit_samples(&mut self) {
        self.samples = self.samples.max(self.model.min_samples());
    }

    /// Sets the baseline that suits the estimators: the other samples of an image where there
    /// are any, else the other rows of the batch, and none where no estimator takes one.
    pub fn suit_baseline(&mut self) {
        self.baseline = match self.model.takes_baseline() {
            true if self.samples > 1 => Baseline::Loo,
            true => Baseline::Batch,
            false => Baseline::None,
        };
    }

    /// The number of rows of an image that pass through the network in a step: for each sample
    /// one, and what the estimators ask for beside it ([`crate::estimators::Plan`]).
    ///
    /// # Errors
    /// An unknown estimator.
    pub fn evaluations(&self) -> Result<usize> {
        Ok(self.samples * self.model.plan()?.particles())
    }

    /// The number of images used for training, and of those for validation; of a few-shot run
    /// those of an epoch's episodes, and the queries of a validation.
    pub fn split_sizes(&self) -> (usize, usize) {
        if let Some(task) = self.task.few_shot() {
            let images = task.episodes.saturating_mul(task.layer().episode().rows());
            return (images, task.asked());
        }
        let validation = (self.dataset.train as f64 * self.val_fraction).round() as usize;
        (self.dataset.train.saturating_sub(validation), validation)
    }

    /// The number of steps in an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.split_sizes().0.div_ceil(self.batch.max(1))
    }

    /// The images that the first `steps` steps of an epoch answer for: all of them, or the
    /// queries of episodes.
    pub fn judged(&self, steps: usize) -> usize {
        let images = (steps * self.batch).min(self.split_sizes().0);
        match self.task.few_shot() {
            None => images,
            Some(task) => {
                let episode = task.layer().episode();
                images / episode.rows() * episode.asked()
            }
        }
    }

    /// The learning rate of step `t` of the run, from 0, where it is known before the run is
    /// made ([`LrSchedule::at`]).
    pub fn learning_rate(&self, t: usize) -> f64 {
        let per_epoch = self.steps_per_epoch();
        let total = per_epoch * self.epochs;
        self.lr_schedule
            .at(self.lr, t as u64, per_epoch as u64, total as u64)
    }

    /// Whether the run can be carried out on that data set: [`Self::check_settings`],
    /// [`Self::check_data`], and that the split leaves enough for every step.
    ///
    /// # Errors
    /// One line that says which setting is impossible and what to do.
    pub fn check(&self, dataset: &Dataset) -> Result<()> {
        let fail = |field, what: String| Err(Error::field(field, what));
        self.check_settings()?;
        if let Some(task) = self.task.few_shot() {
            self.check_same_data(dataset)?;
            self.check_shape(dataset)?;
            return task.characters(dataset).map(drop);
        }
        self.check_data(dataset)?;
        let (train, validation) = self.split_sizes();
        if train == 0 || (self.val_fraction > 0.0 && validation == 0) {
            return fail(
                "val_fraction",
                format!(
                    "{} leaves {train} of {} images for training and {validation} for validation; choose another share",
                    self.val_fraction, self.dataset.train
                ),
            );
        }
        if self.batch > train {
            return fail(
                "batch",
                format!(
                    "{} images are more than the {train} training images; choose fewer",
                    self.batch
                ),
            );
        }
        self.check_batch_norm(train)
    }

    /// Whether the settings are possible on some data set, and together: what can be
    /// said before any image is read.
    ///
    /// # Errors
    /// One line that says which setting is impossible and what to do.
    pub fn check_settings(&self) -> Result<()> {
        let fail = |field, what: String| Err(Error::field(field, what));
        self.model.check()?;
        self.check_inputs()?;
        self.optimiser.check()?;
        self.lr_schedule.check()?;
        self.slope.check()?;
        self.temperature.check()?;
        self.check_samples()?;
        self.check_counts()?;
        self.check_ground()?;
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return fail("lr", format!("must be above 0, not {}", self.lr));
        }
        self.lr_schedule.check_rates(self.lr, self.epochs)?;
        let validated = self.val_fraction > 0.0 || !self.task.is_classification();
        if matches!(self.lr_schedule, LrSchedule::Plateau { .. }) && !validated {
            let what = "plateau follows the validation loss, and nothing is kept for validation; choose a val_fraction above 0, or another schedule";
            return fail("lr_schedule.name", what.into());
        }
        if !(0.0..1.0).contains(&self.val_fraction) {
            let what = format!("must be at least 0 and below 1, not {}", self.val_fraction);
            return fail("val_fraction", what);
        }
        if !(self.clip_norm.is_finite() && self.clip_norm >= 0.0) {
            return fail(
                "clip_norm",
                format!("must be 0 or more, not {}", self.clip_norm),
            );
        }
        self.check_task()
    }

    /// Whether network and settings suit the task.
    fn check_task(&self) -> Result<()> {
        match (&self.task, self.model.few_shot()) {
            (Task::FewShot(task), _) => task.check(&self.model, (self.batch, self.val_fraction)),
            (Task::Classify, None) => Ok(()),
            (Task::Classify, Some(_)) => Err(Error::field(
                "task.name",
                format!(
                    "{} ends in a few-shot head, which tells classes of episodes apart; choose few-shot",
                    self.model.name
                ),
            )),
        }
    }

    /// Whether weights of the run can be evaluated on that data set, which must be the
    /// run's own: by its fingerprint, and as [`Self::check_images`].
    ///
    /// # Errors
    /// One line that says what does not fit and what to do.
    pub fn check_data(&self, dataset: &Dataset) -> Result<()> {
        self.check_same_data(dataset)?;
        self.check_images(dataset)
    }

    /// Whether weights of the run can be evaluated on images of that shape and number of
    /// classes, whatever set they are of: by its network, its slope and temperature, in its
    /// batches, with noise that is numbered by its epochs. Nothing is asked of how it is
    /// trained, nor of how many images there are for that.
    ///
    /// # Errors
    /// One line that says what does not fit and what to do.
    pub fn check_images(&self, dataset: &Dataset) -> Result<()> {
        let fail = |field, what: String| Err(Error::field(field, what));
        if self.model.few_shot().is_some() {
            return Err(self.no_classes());
        }
        self.check_shape(dataset)?;
        if self.model.classes() < dataset.classes {
            return fail(
                "model",
                format!(
                    "{} tells {} classes apart, but {} has {}",
                    self.model.name,
                    self.model.classes(),
                    dataset.name,
                    dataset.classes
                ),
            );
        }
        Ok(())
    }

    /// What a command that asks a run for the classes of its data set says to a few-shot run.
    pub fn no_classes(&self) -> Error {
        Error::spec(format!(
            "{} has a few-shot head and no classes of its own, so there is nothing to compare here; evaluate it over episodes, or give it a support set",
            self.model.name
        ))
    }

    /// Whether weights of the run can read images of that shape.
    ///
    /// # Errors
    /// One line that says what does not fit and what to do.
    pub fn check_shape(&self, dataset: &Dataset) -> Result<()> {
        self.model.check()?;
        self.slope.check()?;
        self.temperature.check()?;
        self.check_counts()?;
        let (height, width, channels) = dataset.shape();
        let input = self.model.input;
        if (input.height, input.width, input.channels) != (height, width, channels) {
            return Err(Error::field(
                "model",
                format!(
                    "{} takes images of {input}, but those of {} are {channels},{height},{width}",
                    self.model.name, dataset.name
                ),
            ));
        }
        Ok(())
    }

    /// Whether the data set is the one that the run was made with.
    ///
    /// # Errors
    /// One line that says which differs.
    pub(crate) fn check_same_data(&self, dataset: &Dataset) -> Result<()> {
        match self.dataset.difference(&DatasetRecord::of(dataset)) {
            Some(what) => Err(Error::spec(format!(
                "the data at hand is not what the run was made with: {what}; name the right folder"
            ))
            .mended_by(&["data"])),
            None => Ok(()),
        }
    }

    /// Whether epochs and batches can be counted.
    fn check_counts(&self) -> Result<()> {
        if !(1..=MAX_EPOCHS).contains(&self.epochs) {
            let what = format!("must be from 1 to {MAX_EPOCHS}, not {}", self.epochs);
            return Err(Error::field("epochs", what));
        }
        if self.batch == 0 {
            return Err(Error::field("batch", "must be at least 1 image"));
        }
        Ok(())
    }

    /// Whether the images can have that ground.
    fn check_ground(&self) -> Result<()> {
        let (ground, channels) = (&self.dataset.ground, self.model.input.channels);
        match ground.fits(channels) {
            true => Ok(()),
            false => Err(Error::field(
                "dataset.ground",
                format!(
                    "must be one value for each of the {channels} channels of an image, not {}",
                    ground.words()
                ),
            )),
        }
    }

    /// Whether samples and baseline have a meaning for the estimators.
    fn check_samples(&self) -> Result<()> {
        let fail = |field, what: String| Err(Error::field(field, what));
        let all = self.model.estimators()?;
        if !(1..=4096).contains(&self.samples) {
            let what = format!("must be from 1 to 4096, not {}", self.samples);
            return fail("samples", what);
        }
        let least = self.model.min_samples();
        if self.samples < least {
            return fail(
                "samples",
                format!(
                    "an estimator of the network needs at least {least} samples of an image, not {}",
                    self.samples
                ),
            );
        }
        let sampled =
            self.model.is_stochastic() || all.iter().any(|estimator| estimator.explores());
        if self.samples > 1 && !sampled {
            return fail(
                "samples",
                format!(
                    "{} samples of an image would all be the same: no binary unit is sampled in training",
                    self.samples
                ),
            );
        }
        if self.baseline != Baseline::None && !self.model.takes_baseline() {
            let name = self.baseline.name();
            let what =
                format!("{name} has no effect: no estimator of the network takes a baseline");
            return fail("baseline", what);
        }
        if self.baseline == Baseline::Loo && self.samples < 2 {
            let what = "loo needs at least 2 samples of an image";
            return fail("baseline", what.into());
        }
        Ok(())
    }

    /// A run has images and classes, and nothing else to give a network.
    fn check_inputs(&self) -> Result<()> {
        let name = &self.model.name;
        if let Some(input) = self.model.layers.iter().find(|l| l.is::<Input>()) {
            let what = format!(
                "{name} has the further input {}, which a program must set; a run has images alone",
                input.label()
            );
            return Err(Error::field("model", what));
        }
        if self.model.classes() == 0 {
            let what = format!(
                "{name} is no classifier: its loss compares no logits with labels; a run trains and tests classifiers"
            );
            return Err(Error::field("model", what));
        }
        Ok(())
    }

    /// Batch statistics need more than one value a channel.
    fn check_batch_norm(&self, train: usize) -> Result<()> {
        let smallest = match train % self.batch {
            0 => self.batch,
            rest => rest,
        };
        let shapes = self.model.layer_shapes()?;
        for (layer, shapes) in self.model.layers.iter().zip(shapes) {
            if let Some(norm) = layer.get::<BatchNorm>()
                && norm.statistics.is_batch()
                && smallest * shapes.output.pixels() < 2
            {
                let name = layer.label();
                let more = match self.batch {
                    1 => "",
                    _ => ", so that the last batch has more than one image",
                };
                let what = format!(
                    "a batch of {smallest} leaves batch norm {name} one value a channel; choose another than {}{more}",
                    self.batch
                );
                return Err(Error::field("batch", what));
            }
        }
        Ok(())
    }
}
