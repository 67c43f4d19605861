//! What a run learns to do: to classify, or to learn classes from a few pictures.

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::data::episodes::{Characters, Held, Order};
use crate::data::reading::SplitBy;
use crate::error::{Error, Result};
use crate::layers::{Binary, Distance, Episode, FewShot, Head, LayerSpec};
use crate::model::ModelSpec;

/// What a run learns to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Task {
    /// To tell the classes of its data set apart.
    #[default]
    Classify,
    /// To tell classes apart that it has never seen, from a few pictures of each.
    FewShot(FewShotTask),
}

/// The settings of a few-shot run.
///
/// The classes of the data set, called characters, are cut by alphabet
/// ([`crate::data::episodes::Characters`]). A step is one episode or several of characters to
/// learn from; an evaluation is many episodes of characters never seen, drawn across
/// alphabets and not turned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewShotTask {
    /// Classes of an episode of an evaluation.
    pub way: usize,
    /// Pictures of each class in its support set.
    pub shot: usize,
    /// Queries of each class.
    pub queries: usize,
    /// Classes of an episode of training.
    pub train_way: usize,
    /// Pictures of each class in its support set.
    pub train_shot: usize,
    /// Queries of each class.
    pub train_queries: usize,
    /// Episodes of training in an epoch.
    pub episodes: usize,
    /// What the answer to a query is made of.
    pub head: Head,
    /// How far two embeddings are apart.
    pub distance: Distance,
    /// What similarities are multiplied by.
    pub scale: f32,
    /// Whether a character turned by 90, 180 and 270 degrees counts as three more characters
    /// in training.
    pub rotations: bool,
    /// Alphabets to test on.
    pub test_alphabets: usize,
    /// Alphabets for validation.
    pub val_alphabets: usize,
    /// Episodes of an evaluation.
    pub eval_episodes: usize,
}

impl Default for FewShotTask {
    /// 5-way 1-shot with 15 queries a class over 1,000 episodes, learned from 100 episodes an
    /// epoch of 20 classes, 1 picture and 5 queries, by a matching network on squared
    /// distances; 8 alphabets to test on, 3 for validation, no rotations.
    fn default() -> Self {
        let Episode { way, shot, queries } = Episode::default();
        Self {
            way,
            shot,
            queries,
            train_way: 20,
            train_shot: shot,
            train_queries: 5,
            episodes: 100,
            head: Head::default(),
            distance: Distance::default(),
            scale: Distance::default().usual_scale(),
            rotations: false,
            test_alphabets: 8,
            val_alphabets: 3,
            eval_episodes: 1000,
        }
    }
}

/// The most classes, pictures or queries of an episode, and the most episodes.
const MOST: usize = 1 << 20;

impl Task {
    /// Every task with its usual settings.
    pub const NAMES: [&'static str; 2] = ["classify", "few-shot"];

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Classify => Self::NAMES[0],
            Self::FewShot(_) => Self::NAMES[1],
        }
    }

    /// Whether the run is one of an ordinary classifier.
    pub fn is_classification(&self) -> bool {
        matches!(self, Self::Classify)
    }

    /// The settings of a few-shot run, where it is one.
    pub fn few_shot(&self) -> Option<&FewShotTask> {
        match self {
            Self::Classify => None,
            Self::FewShot(task) => Some(task),
        }
    }
}

impl FewShotTask {
    /// The head of the network in training.
    pub fn layer(&self) -> FewShot {
        FewShot {
            head: self.head,
            distance: self.distance,
            scale: Some(self.scale),
            way: self.train_way,
            shot: self.train_shot,
            queries: self.train_queries,
        }
    }

    /// How episodes of training are drawn.
    pub fn training(&self) -> Order {
        Order {
            way: self.train_way,
            shot: self.train_shot,
            queries: self.train_queries,
            rotations: self.rotations,
        }
    }

    /// How episodes of an evaluation are drawn.
    pub fn evaluation(&self) -> Order {
        Order {
            way: self.way,
            shot: self.shot,
            queries: self.queries,
            rotations: false,
        }
    }

    /// Queries of an evaluation in all.
    pub fn asked(&self) -> usize {
        let each = self.way.saturating_mul(self.queries);
        self.eval_episodes.saturating_mul(each)
    }

    /// How many alphabets are kept from training.
    pub fn held(&self) -> Held {
        Held {
            test: self.test_alphabets,
            validation: self.val_alphabets,
        }
    }

    /// Whether the settings are possible on some data set.
    ///
    /// # Errors
    /// One line that says which setting is impossible and what to do.
    pub(super) fn check(&self, model: &ModelSpec, step: (usize, f64)) -> Result<()> {
        let counts = [
            ("task.way", self.way, 2),
            ("task.shot", self.shot, 1),
            ("task.queries", self.queries, 1),
            ("task.train_way", self.train_way, 2),
            ("task.train_shot", self.train_shot, 1),
            ("task.train_queries", self.train_queries, 1),
            ("task.episodes", self.episodes, 1),
            ("task.test_alphabets", self.test_alphabets, 1),
            ("task.val_alphabets", self.val_alphabets, 1),
            ("task.eval_episodes", self.eval_episodes, 2),
        ];
        for (field, count, least) in counts {
            if !(least..=MOST).contains(&count) {
                let what = format!("must be from {least} to {MOST}, not {count}");
                return Err(Error::field(field, what));
            }
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            let what = format!("must be above 0, not {}", self.scale);
            return Err(Error::field("task.scale", what));
        }
        if model.few_shot() != Some(&self.layer()) {
            let what = format!(
                "{} does not end in the head of the task; give a network whose last layer is {{\"type\": \"few_shot\"}}",
                model.name
            );
            return Err(Error::field("model", what));
        }
        self.check_steps(step)?;
        check_estimators(model)
    }

    /// Whether steps of so many images are whole episodes, and nothing else is held out.
    fn check_steps(&self, (batch, val_fraction): (usize, f64)) -> Result<()> {
        let each = self.layer().episode().rows();
        if !batch.is_multiple_of(each) {
            let what = format!(
                "{} images are no whole episodes of {each}; choose a multiple, or leave it out",
                batch
            );
            return Err(Error::field("batch", what));
        }
        let in_step = batch / each;
        if !self.episodes.is_multiple_of(in_step) {
            let what = format!(
                "{} episodes an epoch are no whole steps of {in_step}; choose a multiple of that",
                self.episodes
            );
            return Err(Error::field("task.episodes", what));
        }
        if val_fraction != 0.0 {
            let what = "has no effect on few-shot runs, which are validated on whole alphabets; leave it out";
            return Err(Error::field("val_fraction", what));
        }
        Ok(())
    }

    /// The characters of a data set in three parts, if they are enough for the episodes.
    ///
    /// # Errors
    /// One line that says what there is too little of and what to do.
    pub fn characters(&self, dataset: &Dataset) -> Result<Characters> {
        let split_by = dataset.source.as_ref().and_then(|s| s.options.split_by);
        if split_by == Some(SplitBy::Alphabet) {
            return Err(Error::spec(
                "split-by has no effect on few-shot runs, which keep whole alphabets from training by themselves; leave it out",
            )
            .mended_by(&["split-by"]));
        }
        let characters = Characters::of(dataset, self.held())?;
        let (height, width, _) = dataset.shape();
        if self.rotations && height != width {
            let what = format!("needs square images, not {height}x{width}; give a size");
            return Err(Error::field("task.rotations", what));
        }
        let parts = [
            ("train", &characters.train, self.training(), TRAINING),
            (
                "validation",
                &characters.validation,
                self.evaluation(),
                EVALUATION,
            ),
            ("test", &characters.test, self.evaluation(), EVALUATION),
        ];
        for (name, part, order, [way, queries]) in parts {
            let classes = order.classes_of(part);
            if classes < order.way {
                let what = format!(
                    "{} classes are more than the {classes} of the {name} part ({}); choose fewer, or cut the alphabets otherwise",
                    order.way,
                    part.alphabets.join(", ")
                );
                return Err(Error::field(way, what));
            }
            let (fewest, character) = part.fewest();
            if fewest < order.shot + order.queries {
                let what = format!(
                    "{} and a shot of {} need {} pictures of a character, but {character} has {fewest}; choose fewer",
                    order.queries,
                    order.shot,
                    order.shot + order.queries
                );
                return Err(Error::field(queries, what));
            }
        }
        Ok(characters)
    }
}

/// The settings to blame for too few classes and too few pictures.
const TRAINING: [&str; 2] = ["task.train_way", "task.train_queries"];
const EVALUATION: [&str; 2] = ["task.way", "task.queries"];

/// An episode's loss depends on all of its images together, so no bit of one image can be
/// blamed for the loss of a row: rules that learn from losses have no meaning here, and those
/// that follow gradients have.
fn check_estimators(model: &ModelSpec) -> Result<()> {
    let binary = model.layers.iter().filter_map(LayerSpec::get::<Binary>);
    for unit in binary {
        let rule = unit.rule()?;
        if rule.score_function().is_some() || rule.needs_differences() {
            let what = format!(
                "{} learns from the loss of each image by itself, and an episode has one loss of all its images; choose a rule that follows gradients, such as st",
                rule.info().name
            );
            return Err(Error::field("model.estimator", what));
        }
    }
    Ok(())
}
