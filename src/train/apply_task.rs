//! How the settings of a task come into a configuration.

use super::apply::{no_effect, overlay};
use super::config::Config;
use super::optimiser::OptimiserSpec;
use super::partial::{PartialConfig, PartialTask};
use super::task::{FewShotTask, Task};
use crate::error::{Error, Result};

/// The paths of the settings of a few-shot task.
const FEW_SHOT: [&str; 14] = [
    "task.way",
    "task.shot",
    "task.queries",
    "task.train_way",
    "task.train_shot",
    "task.train_queries",
    "task.episodes",
    "task.head",
    "task.distance",
    "task.scale",
    "task.rotations",
    "task.test_alphabets",
    "task.val_alphabets",
    "task.eval_episodes",
];

impl PartialConfig {
    /// The task that is named, with its usual settings.
    ///
    /// # Errors
    /// A name that no task has.
    pub(super) fn task(&self) -> Result<Task> {
        let name = self.task.as_ref().and_then(|task| task.name.as_deref());
        match name {
            None => Ok(Task::default()),
            Some(name) if name == Task::NAMES[0] => Ok(Task::Classify),
            Some(name) if name == Task::NAMES[1] => Ok(Task::FewShot(FewShotTask::default())),
            Some(name) => Err(Error::field(
                "task.name",
                format!(
                    "there is no `{name}`; choose from {}",
                    Task::NAMES.join(", ")
                ),
            )),
        }
    }
}

impl Config {
    /// Takes the usual settings of a task: of a few-shot run those of the published one, Adam
    /// at 0.001 and gradients of norm 1 at most.
    fn begin_task(&mut self, task: Task) {
        self.task = task;
        if !task.is_classification() {
            self.optimiser = OptimiserSpec::ALL[1];
            self.lr = self.optimiser.usual_rate();
            self.clip_norm = 1.0;
            self.val_fraction = 0.0;
        }
    }

    /// Makes the run one of that task: its usual settings, its head and whole episodes in a
    /// step.
    pub(crate) fn take_task(&mut self, task: Task) {
        self.begin_task(task);
        if let Some(task) = task.few_shot() {
            self.model.set_few_shot(task.layer());
        }
        self.suit_batch();
    }

    /// Takes what is stated of the task, and gives the network its head.
    ///
    /// # Errors
    /// [`Error::Field`] for another task than the configuration's, or a setting without
    /// effect.
    pub(super) fn apply_task(&mut self, given: &PartialConfig) -> Result<()> {
        let nothing = PartialTask::default();
        let stated = given.task.as_ref().unwrap_or(&nothing);
        if let Some(name) = stated.name.as_deref()
            && name != self.task.name()
        {
            let what = format!("{name} is not the run's task, {}", self.task.name());
            return Err(Error::field("task.name", what));
        }
        if self.task.is_classification() {
            let field = FEW_SHOT.iter().find(|field| given.states(field));
            return match field {
                Some(field) => Err(no_effect(field, self.task.name(), Task::NAMES[1])),
                None => Ok(()),
            };
        }
        let all = [Task::FewShot(FewShotTask::default())];
        overlay(&mut self.task, &given.task, &FEW_SHOT, &all)?;
        let Task::FewShot(task) = &mut self.task else {
            return Ok(());
        };
        if let (Some(shot), None) = (stated.shot, stated.train_shot) {
            task.train_shot = shot;
        }
        if let (Some(distance), None) = (stated.distance, stated.scale) {
            task.scale = distance.usual_scale();
        }
        let head = task.layer();
        self.model.set_few_shot(head);
        Ok(())
    }

    /// Makes a step of one episode, where the run is a few-shot one.
    pub(super) fn suit_batch(&mut self) {
        if let Some(task) = self.task.few_shot() {
            self.batch = task.layer().episode().rows();
        }
    }
}
