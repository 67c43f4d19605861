//! The episodes of a step.

use rayon::prelude::*;

use super::super::config::Config;
use super::super::task::FewShotTask;
use super::FewShotTest;
use crate::data::augment;
use crate::data::episodes::{Characters, Deck, Drawn, turn};
use crate::data::{Augment, Background, Dataset, Ground};
use crate::error::Result;
use crate::model::{Network, argmax};

/// What a run learns from and is judged by, one episode after the other.
pub(in crate::train) struct Lessons {
    pub characters: Characters,
    pub task: FewShotTask,
    /// Whether the images are dark ink on a light ground.
    light: bool,
    /// The images of the step.
    drawn: Vec<Drawn>,
    deck: Deck,
    scratch: Vec<Scratch>,
}

/// What an image passes through on its way into a batch.
#[derive(Default)]
struct Scratch {
    turned: Vec<u8>,
    dark: Vec<u8>,
    varied: Vec<u8>,
    augment: augment::Scratch,
}

impl Lessons {
    /// The lessons of a few-shot run; `None` for any other.
    ///
    /// # Errors
    /// Too few characters or pictures for the episodes.
    pub fn of(config: &Config, dataset: &Dataset) -> Result<Option<Self>> {
        let Some(task) = config.task.few_shot() else {
            return Ok(None);
        };
        let lessons = Self {
            characters: task.characters(dataset)?,
            task: *task,
            light: dataset.background() == Background::Light,
            drawn: Vec::new(),
            deck: Deck::default(),
            scratch: Vec::new(),
        };
        Ok(Some(lessons))
    }

    /// Puts the episodes of step `t` of the run into the network, turned and varied as the
    /// run says. They are a function of the seed and the step.
    pub fn fill(&mut self, net: &mut Network, config: &Config, t: usize) {
        let order = self.task.training();
        self.drawn.clear();
        for number in 0..config.batch / self.rows() {
            let key = [config.seed, 1, t as u64, number as u64];
            order.draw(
                &self.characters.train,
                &key,
                &mut self.deck,
                &mut self.drawn,
            );
        }
        net.set_rows(self.drawn.len());
        for (label, drawn) in net.batch_mut().labels.iter_mut().zip(&self.drawn) {
            *label = drawn.class;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize_with(net.chunks(), Scratch::default);
        net.set_images(&mut scratch, |row, scratch, put| {
            self.image(row, scratch, config, t, put);
        });
        self.scratch = scratch;
    }

    /// Hands on the image of a row.
    fn image(
        &self,
        row: usize,
        scratch: &mut Scratch,
        config: &Config,
        t: usize,
        put: &mut dyn FnMut(&[u8]),
    ) {
        let (height, width, channels) = self.characters.images.shape();
        let drawn = self.drawn[row];
        let mut image = self.characters.images.image(drawn.image as usize);
        if drawn.quarters > 0 {
            scratch.turned.resize(image.len(), 0);
            turn(
                image,
                (height, channels),
                drawn.quarters,
                &mut scratch.turned,
            );
            image = &scratch.turned;
        }
        if config.augment == Augment::None {
            return put(image);
        }
        // What augmentation moves in from outside is 0, which has to be ground, not ink.
        let invert = |pixels: &mut [u8]| {
            if self.light {
                pixels.iter_mut().for_each(|p| *p = 255 - *p);
            }
        };
        scratch.dark.clear();
        scratch.dark.extend(image);
        invert(&mut scratch.dark);
        scratch.varied.resize(scratch.dark.len(), 0);
        config.augment.apply(
            config.seed,
            t as u64,
            row as u64,
            &scratch.dark,
            (height, width, channels),
            &Ground::default(),
            &mut scratch.varied,
            &mut scratch.augment,
        );
        invert(&mut scratch.varied);
        put(&scratch.varied);
    }

    /// The evaluation on the test part, or on the validation part.
    pub fn test(&self, test: bool) -> FewShotTest<'_> {
        FewShotTest {
            task: &self.task,
            characters: &self.characters,
            test,
        }
    }

    fn rows(&self) -> usize {
        self.task.layer().episode().rows()
    }

    /// Whether a row is a query: rows of support sets have no loss of their own.
    pub fn is_asked(&self, row: usize) -> bool {
        row % self.rows() >= self.task.layer().episode().support()
    }

    /// The sum of the losses of all queries, after a pass over whole episodes.
    pub fn loss(&self, net: &Network) -> f64 {
        let (losses, images) = (net.losses(), net.pass().group.images);
        net.pass()
            .samples()
            .sum(|row| match self.is_asked(row % images) {
                true => f64::from(losses[row]),
                false => 0.0,
            })
    }

    /// How many queries are answered right, after such a pass.
    pub fn right(&self, net: &Network) -> usize {
        let images = net.pass().group.images;
        let rows = net.logits().par_chunks_exact(net.classes());
        let labels = &net.batch().labels;
        let right = rows.enumerate().filter(|(row, z)| {
            self.is_asked(row % images) && argmax(z) == Some(labels[*row] as usize)
        });
        right.count()
    }

    /// Gives the rows of support sets no weight in the loss, and the queries one share each.
    pub fn weigh(&self, net: &mut Network) {
        let group = net.pass().group;
        let asked = (0..group.images).filter(|&row| self.is_asked(row)).count();
        let share = 1.0 / (asked * group.samples) as f32;
        let weights = &mut net.signals_mut().weights[..group.primary()];
        for (row, weight) in weights.iter_mut().enumerate() {
            *weight = match self.is_asked(row % group.images) {
                true => share,
                false => 0.0,
            };
        }
    }
}
