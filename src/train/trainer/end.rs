//! The end of a run: one test of its best weights.

use super::{Trained, Training};
use crate::error::{Error, Result};
use crate::model::{Network, weights};
use crate::ranks::Ranks;
use crate::train::evaluate::Reading;
use crate::train::event::Event;
use crate::train::few_shot::FewShotRecord;
use crate::train::observer::Observer;
use crate::train::record::{Provenance, TestRecord};
use crate::train::trouble;

impl Training<'_> {
    /// Tests the best weights, once.
    pub(in crate::train) fn test(mut self, observer: &mut dyn Observer) -> Result<Trained> {
        let config = self.config;
        let Some(best) = self.best.take() else {
            return Err(Error::spec(
                "no epoch is finished, so there is nothing to test",
            ));
        };
        let epoch = best.about.epoch;
        observer.event(Event::Testing { epoch })?;
        let engine = self.net.pass().engine;
        let mut net = Network::new(&config.model, engine, config.batch, false)?;
        weights::import(net.params_mut(), best.tensors, "the best weights".as_ref())?;
        net.pass_mut().slope = best.about.slope;
        net.set_ranks(self.ranks.clone());
        let all: Vec<u32> = (0..self.dataset.test.len() as u32).collect();
        let at = (config.seed, config.epochs as u64 + 1);
        let (mut few_shot, lessons) = (None, self.lessons.as_ref());
        let mut read = |reading| match lessons {
            Some(lessons) => {
                let found = lessons.test(true).evaluate(&mut net, reading, at);
                let of = || FewShotRecord::of(&lessons.task, &lessons.characters, &found);
                few_shot.get_or_insert_with(of);
                found.all
            }
            None => self
                .evaluator
                .evaluate(&mut net, &self.dataset.test, &all, reading, at),
        };
        let tested = read(Reading::Samples(1));
        self.ranks.check()?;
        let stochastic = config.model.is_stochastic();
        let mean_of_16 = stochastic.then(|| read(Reading::Samples(16)));
        let threshold = stochastic.then(|| read(Reading::Threshold));
        self.ranks.check()?;
        net.set_ranks(Ranks::default());
        let mut test = TestRecord {
            dataset: config.dataset.name.clone(),
            data_sha256: self.data.clone(),
            images: tested.images,
            epoch,
            loss: tested.loss,
            accuracy: tested.accuracy,
            mean_of_16,
            threshold,
            few_shot,
            troubles: Vec::new(),
            train_seconds: self.progress.history.iter().map(|r| r.seconds).sum(),
            provenance: Provenance::here(&self.isa),
        };
        let guesses = [false, true].map(|test| self.guess(test));
        let history = &self.progress.history;
        test.troubles = trouble::of_test(history, &guesses[0], &test, &guesses[1]);
        observer.event(Event::Test(&test))?;
        Ok(Trained {
            network: net,
            history: self.progress.history,
            test,
        })
    }
}
