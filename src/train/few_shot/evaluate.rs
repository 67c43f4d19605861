//! Accuracy over episodes of characters never seen.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::evaluate::{Evaluation, Reading};
use super::super::task::FewShotTask;
use super::embeddings::Embeddings;
use crate::data::episodes::{Characters, Deck, Drawn, Part};
use crate::layers::{loss_of_mean, row_loss, softmax};
use crate::model::{Network, Support, argmax};

/// What many episodes came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewShotEvaluation {
    /// The mean loss and the accuracy over all queries; `images` are the queries.
    #[serde(flatten)]
    pub all: Evaluation,
    /// The episodes.
    pub episodes: usize,
    /// Half the width of the 95 % interval of the accuracy: `1.96·s/√n`, with `s` the
    /// deviation of the accuracies of the `n` episodes.
    pub interval: f64,
}

/// What a few-shot run was tested on, kept with its test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewShotRecord {
    /// Classes of an episode.
    pub way: usize,
    /// Pictures of each class in its support set.
    pub shot: usize,
    /// Queries of each class.
    pub queries: usize,
    /// Episodes.
    pub episodes: usize,
    /// Half the width of the 95 % interval of the accuracy.
    pub interval: f64,
    /// The alphabets that were tested on.
    pub test_alphabets: Vec<String>,
    /// Their characters.
    pub test_characters: usize,
    /// The alphabets that the best weights were chosen by.
    pub val_alphabets: Vec<String>,
    /// Their characters.
    pub val_characters: usize,
}

impl FewShotRecord {
    /// The record of a test of that task on those characters.
    pub fn of(task: &FewShotTask, characters: &Characters, found: &FewShotEvaluation) -> Self {
        Self {
            way: task.way,
            shot: task.shot,
            queries: task.queries,
            episodes: found.episodes,
            interval: found.interval,
            test_alphabets: characters.test.alphabets.clone(),
            test_characters: characters.test.names.len(),
            val_alphabets: characters.validation.alphabets.clone(),
            val_characters: characters.validation.names.len(),
        }
    }
}

/// An evaluation of a network over episodes.
#[derive(Clone, Copy, Debug)]
pub struct FewShotTest<'a> {
    /// The geometry and the number of the episodes, and the head.
    pub task: &'a FewShotTask,
    /// All characters.
    pub characters: &'a Characters,
    /// Whether episodes are drawn from the test part, rather than from the validation part.
    pub test: bool,
}

/// What one episode came to.
struct Outcome {
    loss: f64,
    right: usize,
}

impl FewShotTest<'_> {
    /// The seed of the episodes: the same for every run, so that runs are compared on the
    /// same episodes.
    const EPISODES: u64 = 0;

    fn part(&self) -> &Part {
        match self.test {
            true => &self.characters.test,
            false => &self.characters.validation,
        }
    }

    /// Evaluates the network. Every image is embedded once (once a sample); the noise of
    /// stochastic units is addressed by `at`, (seed, step). The episodes are the same whatever
    /// the run's seed is.
    pub fn evaluate(
        &self,
        net: &mut Network,
        reading: Reading,
        at: (u64, u64),
    ) -> FewShotEvaluation {
        let indices = self.part().images();
        let samples = match reading {
            Reading::Samples(n) if net.spec().is_stochastic() => n.max(1),
            _ => 1,
        };
        let images = &self.characters.images;
        let embedded: Vec<Embeddings> = (0..samples as u64)
            .map(|draw| Embeddings::of(net, images, &indices, reading, (at, draw)))
            .collect();
        let count = self.task.eval_episodes;
        let outcomes: Vec<Outcome> = (0..count)
            .into_par_iter()
            .map(|number| self.episode(&embedded, number as u64))
            .collect();
        let asked = self.task.way * self.task.queries;
        let share = |outcome: &Outcome| outcome.right as f64 / asked as f64;
        let accuracy = outcomes.iter().map(share).sum::<f64>() / count as f64;
        let squares = outcomes
            .iter()
            .map(|o| (share(o) - accuracy) * (share(o) - accuracy));
        let deviation = (squares.sum::<f64>() / (count.max(2) - 1) as f64).sqrt();
        let queries = (count * asked) as f64;
        FewShotEvaluation {
            all: Evaluation {
                images: count * asked,
                loss: outcomes.iter().map(|o| o.loss).sum::<f64>() / queries,
                accuracy,
            },
            episodes: count,
            interval: 1.96 * deviation / (count as f64).sqrt(),
        }
    }

    /// The queries of episode `number`, whose class probabilities are the mean over samples.
    fn episode(&self, embedded: &[Embeddings], number: u64) -> Outcome {
        let (way, order) = (self.task.way, self.task.evaluation());
        let mut drawn = Vec::new();
        let key = [Self::EPISODES, 2, u64::from(self.test), number];
        order.draw(self.part(), &key, &mut Deck::default(), &mut drawn);
        let (support, queries) = drawn.split_at(way * order.shot);
        let sets: Vec<Support> = embedded.iter().map(|e| self.taught(e, support)).collect();
        let mut outcome = Outcome {
            loss: 0.0,
            right: 0,
        };
        let (mut z, mut p, mut mean) = (vec![0.0; way], vec![0.0; way], vec![0.0; way]);
        let mut losses = vec![0.0; embedded.len()];
        for query in queries {
            mean.fill(0.0);
            for ((set, embedded), loss) in sets.iter().zip(embedded).zip(&mut losses) {
                set.logits(embedded.image(query.image), &mut z);
                *loss = row_loss(&z, query.class as usize);
                softmax(&z, &mut p);
                mean.iter_mut().zip(&p).for_each(|(mean, p)| *mean += p);
            }
            // Of one sample the logits decide: probabilities may round to equal numbers.
            let answer = argmax(if embedded.len() == 1 { &z } else { &mean });
            outcome.right += usize::from(answer == Some(query.class as usize));
            outcome.loss += f64::from(match &losses[..] {
                [loss] => *loss,
                all => loss_of_mean(all),
            });
        }
        outcome
    }

    fn taught(&self, embedded: &Embeddings, support: &[Drawn]) -> Support {
        let mut set = Support::new(self.task.layer().comparison(), embedded.width());
        for pictures in support.chunks_exact(self.task.shot) {
            let numbers: Vec<f32> = pictures
                .iter()
                .flat_map(|drawn| embedded.image(drawn.image))
                .copied()
                .collect();
            set.teach(&pictures[0].class.to_string(), &numbers)
                .expect("embeddings of trained weights, which are finite");
        }
        set
    }
}
