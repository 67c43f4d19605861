//! Loss and accuracy on a split, by a sample, by the mean of several, or by
//! thresholds.

use serde::{Deserialize, Serialize};

use crate::data::Split;
use crate::layers::{loss_of_mean, softmax};
use crate::model::{Network, argmax};
use crate::tape::{Mode, Noise, Units};

/// How the bits of stochastic units are read in an evaluation. For a deterministic network all
/// ways are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Units are sampled, and the class probabilities are the mean over that many samples.
    Samples(usize),
    /// Every unit is 1 where `x > 0`, else 0.
    Threshold,
}

/// Loss and accuracy on a split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of images.
    pub images: usize,
    /// The mean negative log-likelihood of the labels, in nats.
    pub loss: f64,
    /// The share of images that are classified right, from 0 to 1.
    pub accuracy: f64,
}

/// Draws of evaluation passes start here, so that they never share noise with
/// a training step.
const FIRST_DRAW: u64 = 1 << 32;

/// Evaluates a network; its buffers are kept between calls.
#[derive(Debug, Default)]
pub struct Evaluator {
    probabilities: Vec<f32>,
    /// The class probabilities of one sample.
    of_sample: Vec<f32>,
    /// The loss of every sample of every image of a batch.
    losses: Vec<f32>,
}

impl Evaluator {
    /// Loss and accuracy of `net` on the images `indices` of `split`. Noise is
    /// addressed by (`seed`, `step`), and by the place of an image in the batches.
    ///
    /// # Panics
    /// If `indices` is empty or the split does not fit the network.
    pub fn evaluate(
        &mut self,
        net: &mut Network,
        split: &Split,
        indices: &[u32],
        reading: Reading,
        at: (u64, u64),
    ) -> Evaluation {
        self.watch(net, split, indices, reading, at, &mut |_, _| {})
    }

    /// [`Self::evaluate`], showing the network after each forward pass, and which
    /// images are in its rows.
    ///
    /// # Panics
    /// As [`Self::evaluate`].
    pub fn watch(
        &mut self,
        net: &mut Network,
        split: &Split,
        indices: &[u32],
        reading: Reading,
        (seed, step): (u64, u64),
        seen: &mut dyn FnMut(&Network, &[u32]),
    ) -> Evaluation {
        assert!(!indices.is_empty(), "nothing to evaluate");
        let batch = net.capacity();
        let before = (net.pass().mode, net.pass().units, net.pass().noise);
        net.pass_mut().mode = Mode::Eval;
        net.pass_mut().units = match reading {
            Reading::Samples(_) => Units::Sample,
            Reading::Threshold => Units::Threshold,
        };
        let samples = match reading {
            Reading::Samples(n) if net.spec().is_stochastic() => n.max(1),
            _ => 1,
        };
        let (mut loss, mut right) = (0.0, 0);
        for (number, chunk) in indices.chunks(batch).enumerate() {
            net.set_rows(chunk.len());
            for (row, &i) in chunk.iter().enumerate() {
                net.set_row(row, split.image(i as usize), split.label(i as usize));
            }
            let noise = Noise {
                seed,
                step: step << 32 | number as u64,
                draw: FIRST_DRAW,
            };
            let mut see = |net: &Network| seen(net, chunk);
            let (sum, correct) = match samples {
                1 => one_sample(net, noise, &mut see),
                _ => self.mean_of_samples(net, (chunk.len(), samples), noise, &mut see),
            };
            loss += sum;
            right += correct;
        }
        let pass = net.pass_mut();
        (pass.mode, pass.units, pass.noise) = before;
        Evaluation {
            images: indices.len(),
            loss: loss / indices.len() as f64,
            accuracy: right as f64 / indices.len() as f64,
        }
    }

    /// The losses' sum and the number of right answers where the probabilities of a batch of
    /// `rows` images are the mean over `samples` passes.
    fn mean_of_samples(
        &mut self,
        net: &mut Network,
        (rows, samples): (usize, usize),
        first: Noise,
        see: &mut dyn FnMut(&Network),
    ) -> (f64, usize) {
        let classes = net.classes();
        self.probabilities.clear();
        self.probabilities.resize(rows * classes, 0.0);
        self.of_sample.resize(classes, 0.0);
        self.losses.clear();
        self.losses.resize(rows * samples, 0.0);
        for sample in 0..samples {
            net.pass_mut().noise = Noise {
                draw: first.draw + sample as u64,
                ..first
            };
            net.forward();
            see(net);
            for (row, &loss) in net.losses().iter().enumerate() {
                self.losses[row * samples + sample] = loss;
            }
            let logits = net.logits().chunks_exact(classes);
            for (z, p) in logits.zip(self.probabilities.chunks_exact_mut(classes)) {
                softmax(z, &mut self.of_sample);
                for (p, &of_sample) in p.iter_mut().zip(&self.of_sample) {
                    *p += of_sample;
                }
            }
        }
        let labels = &net.batch().labels;
        let predicted = self.probabilities.chunks_exact(classes).map(argmax);
        let right = predicted
            .zip(labels)
            .filter(|(p, label)| *p == Some(**label as usize));
        let right = right.count();
        // Of the losses, not of the probabilities, which may be too small for floats.
        let loss = net.pass().samples().sum(|row| {
            let of_row = &self.losses[row * samples..][..samples];
            f64::from(loss_of_mean(of_row))
        });
        (loss, right)
    }
}

/// The losses' sum and the number of right answers in one pass over a batch.
fn one_sample(net: &mut Network, noise: Noise, see: &mut dyn FnMut(&Network)) -> (f64, usize) {
    net.pass_mut().noise = noise;
    net.forward();
    see(net);
    let losses = net.losses();
    let loss = net.pass().samples().sum(|row| f64::from(losses[row]));
    (loss, net.correct())
}
