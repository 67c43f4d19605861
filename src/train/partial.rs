//! [`PartialConfig`]: a configuration of which only some settings are stated.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::baseline::Baseline;
use super::model_source::ModelSource;
use super::partial_model::{PartialModel, partial};
use super::schedule::SlopeKind;
use crate::data::reading::{Resize, Size, SplitBy};
use crate::data::{Augment, Background};
use crate::error::{Error, Result};
use crate::layers::{Distance, Head};
use crate::model::Init;

partial! {
    /// A configuration of which only some settings are stated: a recipe, a row of a suite, or
    /// what a command line overrides. Its fields are nested as [`super::Config`]'s are, and written as
    /// JSON:
    ///
    /// ```json
    /// {"about": "...", "model": {"from": "xnor-net"}, "lr": 0.005,
    ///  "optimiser": {"name": "adam"}, "lr_schedule": {"name": "one-cycle", "rise": 0.1}}
    /// ```
    PartialConfig {
        /// What it is for, in a line.
        about: String,
        /// The network.
        model: PartialModel,
        /// The data set.
        dataset: PartialData,
        /// Passes over the training images.
        epochs: usize,
        /// Images in a step.
        batch: usize,
        /// The optimiser.
        optimiser: PartialOptimiser,
        /// The learning rate (its peak, where it is scheduled).
        lr: f64,
        /// How the learning rate changes.
        lr_schedule: PartialLrSchedule,
        /// How the slope changes.
        slope: PartialSlope,
        /// How the temperature of relaxed bits changes.
        temperature: PartialTemperature,
        /// Samples of an image in a step.
        samples: usize,
        /// What score-function estimators take from a loss.
        baseline: Baseline,
        /// What is done to training images.
        augment: Augment,
        /// Share of the training images kept for validation.
        val_fraction: f64,
        /// The seed of weights, split, order, noise and augmentation.
        seed: u64,
        /// How weights begin.
        init: Init,
        /// The largest norm of a gradient.
        clip_norm: f64,
        /// What is learned.
        task: PartialTask,
    }
}

partial! {
    /// Settings of a [`super::Task`].
    PartialTask {
        /// `classify` or `few-shot`.
        name: String,
        /// Classes of an episode of an evaluation.
        way: usize,
        /// Pictures of each class in its support set.
        shot: usize,
        /// Queries of each class.
        queries: usize,
        /// Classes of an episode of training.
        train_way: usize,
        /// Pictures of each class in its support set; as many as in an evaluation where absent.
        train_shot: usize,
        /// Queries of each class.
        train_queries: usize,
        /// Episodes of training in an epoch.
        episodes: usize,
        /// What the answer to a query is made of.
        head: Head,
        /// How far two embeddings are apart.
        distance: Distance,
        /// What similarities are multiplied by; the distance's usual scale where absent.
        scale: f32,
        /// Whether turned characters are further characters in training.
        rotations: bool,
        /// Alphabets to test on.
        test_alphabets: usize,
        /// Alphabets for validation.
        val_alphabets: usize,
        /// Episodes of an evaluation.
        eval_episodes: usize,
    }
}

partial! {
    /// The settings that say where images come from.
    PartialData {
        /// The name of the choice, such as `mnist` or `idx`.
        set: String,
        /// The folder of its files, or the file.
        folder: std::path::PathBuf,
        /// The size of all images, made of pictures of any.
        size: Size,
        /// How pictures get that size.
        resize: Resize,
        /// What transparent pictures and margins stand on.
        backdrop: Background,
        /// How images to test on are held out.
        split_by: SplitBy,
        /// The address that a public set is fetched from.
        mirror: String,
    }
}

partial! {
    /// Settings of an [`super::OptimiserSpec`].
    PartialOptimiser {
        /// `sgd`, `adam` or `adamw`.
        name: String,
        /// The momentum of `sgd`.
        momentum: f64,
        /// Whether `sgd` looks ahead, after Nesterov.
        nesterov: bool,
        /// L2 penalty; for adamw the decay of the weight itself.
        weight_decay: f64,
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        eps: f64,
    }
}

partial! {
    /// Settings of an [`super::LrSchedule`].
    PartialLrSchedule {
        /// `constant`, `step`, `cosine`, `one-cycle` or `plateau`.
        name: String,
        /// For `step`: the epochs between two changes.
        every: usize,
        /// For `step` and `plateau`: what the rate is multiplied by.
        factor: f64,
        /// For `plateau`: the epochs on end without a lower validation loss that are put up
        /// with.
        patience: usize,
        /// For `cosine`: the last rate; for `plateau`: the least one.
        min: f64,
        /// For `one-cycle`: the share of the steps that go up.
        rise: f64,
        /// For `one-cycle`: the first rate is the peak divided by this.
        start_divisor: f64,
        /// For `one-cycle`: the last rate is the first divided by this.
        final_divisor: f64,
    }
}

partial! {
    /// Settings of a [`super::SlopeSchedule`].
    PartialSlope {
        /// The form.
        kind: SlopeKind,
        /// The slope of the first epoch.
        start: f64,
        /// What `kind` makes of it.
        rate: f64,
        /// The slope never passes this.
        max: f64,
    }
}

partial! {
    /// Settings of a [`super::TemperatureSchedule`].
    PartialTemperature {
        /// The temperature of the first epoch.
        start: f64,
        /// What it is multiplied by from epoch to epoch.
        rate: f64,
        /// It never falls below this.
        min: f64,
    }
}

impl PartialConfig {
    /// The settings in the text of the file `path`; the file of a network is named as seen
    /// from there.
    ///
    /// # Errors
    /// A text that is no object of settings, with the field's name.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let value = serde_json::from_str(text).map_err(|e| {
            Error::data(
                path,
                format!("not a recipe, a JSON object of settings: {e}"),
            )
        })?;
        Self::of_value(value, path)
    }

    /// [`Self::parse`] of a text that is read as JSON already.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of_value(value: Value, path: &Path) -> Result<Self> {
        let fail = |what: String| Error::data(path, format!("not a recipe: {what}"));
        let Value::Object(fields) = value else {
            return Err(fail("it is no JSON object of settings".into()));
        };
        // One by one, so that the field of a mistake is known.
        for (field, value) in &fields {
            let one = Map::from_iter([(field.clone(), value.clone())]);
            serde_json::from_value::<Self>(one.into())
                .map_err(|e| fail(format!("{field}: {e}")))?;
        }
        let mut partial: Self =
            serde_json::from_value(fields.into()).map_err(|e| fail(e.to_string()))?;
        let from = partial.model.as_mut().and_then(|model| model.from.as_mut());
        if let (Some(ModelSource::Named(name)), Some(folder)) = (from, path.parent())
            && name.extension().is_some_and(|e| e == "json")
        {
            *name = folder.join(&*name);
        }
        Ok(partial)
    }

    /// These settings, and what they do not state as `under` has it.
    #[must_use]
    pub fn over(mut self, mut under: Self) -> Self {
        // A path need not be Unicode, which JSON cannot hold.
        let take = |of: &mut Self| of.model.as_mut().and_then(|model| model.from.take());
        let from = take(&mut self);
        let from = from.or(take(&mut under));
        let mut value = Value::Object(stated(&under));
        merge(&mut value, Value::Object(stated(&self)));
        let mut merged: Self = serde_json::from_value(value).unwrap_or_default();
        if from.is_some() {
            merged.model.get_or_insert_default().from = from;
        }
        merged
    }

    /// Whether the field with that path, such as `slope.max`, is stated.
    pub fn states(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    /// The paths of all that is stated, such as `slope.max`.
    pub fn paths(&self) -> Vec<String> {
        fn walk(before: &str, map: &Map<String, Value>, found: &mut Vec<String>) {
            for (key, value) in map {
                match value {
                    Value::Object(below) => walk(&format!("{before}{key}."), below, found),
                    _ => found.push(format!("{before}{key}")),
                }
            }
        }
        // A path need not be Unicode, which JSON cannot hold, and a network is one value.
        let mut rest = self.clone();
        let from = rest.model.as_mut().and_then(|model| model.from.take());
        let mut found: Vec<String> = from.iter().map(|_| "model.from".to_string()).collect();
        walk("", &stated(&rest), &mut found);
        found
    }

    /// What is stated at that path.
    pub fn get(&self, field: &str) -> Option<Value> {
        // A path need not be Unicode, which JSON cannot hold.
        let mut rest = self.clone();
        let from = rest.model.as_mut().and_then(|model| model.from.take());
        match (field, from) {
            ("model.from", Some(ModelSource::Named(name))) => Some(name.to_string_lossy().into()),
            ("model.from", Some(ModelSource::Own(spec))) => serde_json::to_value(spec).ok(),
            _ => {
                let pointer = format!("/{}", field.replace('.', "/"));
                Value::Object(stated(&rest)).pointer(&pointer).cloned()
            }
        }
    }
}

/// What is stated, as JSON.
pub(super) fn stated(of: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(of) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Puts what `over` has over what `value` has, object by object.
fn merge(value: &mut Value, over: Value) {
    match (value, over) {
        (Value::Object(map), Value::Object(over)) => {
            for (key, over) in over {
                merge(map.entry(key).or_insert(Value::Null), over);
            }
        }
        (value, over) => *value = over,
    }
}
