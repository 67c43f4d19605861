//! Warnings of a training that fails, while it works.

use super::Training;
use crate::error::Result;
use crate::train::event::Event;
use crate::train::observer::Observer;
use crate::train::record::EpochRecord;
use crate::train::trouble::{self, Guess};

impl Training<'_> {
    /// Says what the epoch shows of a training that fails, where the one before did not.
    pub(super) fn warn_of_troubles(
        &self,
        record: &EpochRecord,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let guess = self.guess(false);
        let before = self.progress.history.iter().rev().nth(1);
        let before = before.map_or_else(Vec::new, |record| trouble::of_epoch(record, &guess));
        let known = |sign| before.iter().any(|trouble| trouble.sign == sign);
        let mut troubles = trouble::of_epoch(record, &guess);
        troubles.retain(|trouble| !known(trouble.sign));
        let seen: Vec<String> = troubles.into_iter().map(|trouble| trouble.seen).collect();
        if seen.is_empty() {
            return Ok(());
        }
        observer.event(Event::Warning(format!(
            "epoch {}: {}; {}",
            record.epoch,
            seen.join(", and "),
            trouble::advice(self.config)
        )))
    }

    /// What a guess comes to on the images of the validation, or of the test.
    pub(super) fn guess(&self, test: bool) -> Guess {
        if let Some(task) = self.config.task.few_shot() {
            return Guess::of(task.way, &vec![task.asked() / task.way; task.way]);
        }
        let classes = self.config.dataset.classes;
        let mut counts = vec![0; classes];
        let mut count = |label: u32| counts[label as usize] += 1;
        let (train, test_split) = (&self.dataset.train, &self.dataset.test);
        match test {
            true => (0..test_split.len()).for_each(|i| count(test_split.label(i))),
            false => (self.validation.iter()).for_each(|&i| count(train.label(i as usize))),
        }
        Guess::of(classes, &counts)
    }
}
