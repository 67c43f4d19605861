//! A network in a program's own training loop.

use super::Optimise;
use crate::error::{Error, Result};
use crate::kernels::{self, Engine};
use crate::model::{Init, ModelSpec, Network, argmax};
use crate::packed::PackedNet;
use crate::tape::{Mode, Noise, Units};
use crate::train::{Baseline, BaselineState};

/// How a [`Model`] is made.
#[derive(Clone, Copy)]
pub struct Options {
    /// The kernels to use; where absent, the fastest that this machine has.
    pub engine: Option<Engine>,
    /// Samples of an image in a step, at least as many as the estimators need.
    pub samples: usize,
    /// The baseline that score-function estimators subtract from a loss; where absent, one
    /// that suits the estimators and the number of samples.
    pub baseline: Option<Baseline>,
    /// The initialiser of the weights.
    pub init: Init,
    /// The seed of the initial weights and of the noise of stochastic units.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: None,
            samples: 1,
            baseline: None,
            init: Init::Pytorch,
            seed: 1,
        }
    }
}

/// Rows of images, one after the other, each stored (height, width, channel): bytes, which
/// become the network's input as its spec says, or numbers, which are the input.
pub trait Rows {
    /// How many bytes or numbers all rows have together.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the rows into the network's input, whose live rows they are.
    fn set(&self, net: &mut Network);
}

impl Rows for [u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn set(&self, net: &mut Network) {
        let len = net.spec().input.len();
        for (row, image) in self.chunks_exact(len).enumerate() {
            net.set_image(row, image);
        }
    }
}

impl Rows for [f32] {
    fn len(&self) -> usize {
        <[f32]>::len(self)
    }

    fn set(&self, net: &mut Network) {
        net.input_mut().copy_from_slice(self);
    }
}

impl Rows for Vec<u8> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn set(&self, net: &mut Network) {
        self.as_slice().set(net);
    }
}

impl Rows for Vec<f32> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn set(&self, net: &mut Network) {
        self.as_slice().set(net);
    }
}

/// A network together with what a training step needs beside it: noise, baselines and the
/// number of the step. [`crate::graph`] has an example.
pub struct Model {
    net: Network,
    baseline: BaselineState,
    seed: u64,
    steps: u64,
}

impl Model {
    /// Builds the network of that spec for batches of up to `batch` images.
    ///
    /// # Errors
    /// A spec that describes no network, or a batch of 0.
    pub fn new(spec: &ModelSpec, batch: usize, options: Options) -> Result<Self> {
        let engine = match options.engine {
            Some(engine) => engine,
            None => kernels::select(None)?,
        };
        let samples = options.samples.max(spec.min_samples());
        let mut net = Network::sampled(spec, engine, batch, samples)?;
        net.init(options.init, options.seed);
        let baseline = options.baseline.unwrap_or(match spec.takes_baseline() {
            true if samples > 1 => Baseline::Loo,
            true => Baseline::Batch,
            false => Baseline::None,
        });
        Ok(Self {
            baseline: BaselineState::new(baseline, engine, &net, options.seed)?,
            net,
            seed: options.seed,
            steps: 0,
        })
    }

    /// Builds the network of another one, with its weights, its slope and its temperature, to be
    /// trained further in batches as large: a network of an evaluation has no gradients.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_weights_of(net: &Network) -> Result<Self> {
        let options = Options {
            engine: Some(net.pass().engine),
            ..Options::default()
        };
        let mut made = Self::new(net.spec(), net.capacity(), options)?;
        let (from, to) = (net.params(), made.net.params_mut());
        to.values_mut().copy_from_slice(from.values());
        to.buffer_values_mut().copy_from_slice(from.buffer_values());
        to.counters_mut().clone_from_slice(from.counters());
        let (slope, temperature) = (net.pass().slope, net.pass().temperature);
        let pass = made.net.pass_mut();
        (pass.slope, pass.temperature) = (slope, temperature);
        Ok(made)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.net
    }

    /// The network, to change its weights or the settings of its passes: the slope, the
    /// temperature.
    pub fn network_mut(&mut self) -> &mut Network {
        &mut self.net
    }

    /// Sets the further input `name` of the next step, one row an image. The batch must
    /// have as many images as the last one, or as [`Self::set_images`] has set.
    ///
    /// # Errors
    /// A network without that input, or another number of numbers.
    pub fn set_input(&mut self, name: &str, rows: &[f32]) -> Result<()> {
        let Some(to) = self.net.input_of_mut(name) else {
            return Err(Error::spec(format!(
                "the network has no further input `{name}`"
            )));
        };
        if to.len() != rows.len() {
            return Err(Error::spec(format!(
                "input {name}: {} numbers for rows of {} in all",
                rows.len(),
                to.len()
            )));
        }
        to.copy_from_slice(rows);
        Ok(())
    }

    /// Sets the images of the next pass, and returns how many they are.
    ///
    /// # Errors
    /// No whole image, or more than a batch may have.
    pub fn set_images<R: Rows + ?Sized>(&mut self, images: &R) -> Result<usize> {
        let len = self.net.spec().input.len();
        let count = images.len() / len;
        if count == 0 || !images.len().is_multiple_of(len) || count > self.net.capacity() {
            return Err(Error::spec(format!(
                "a batch of {} numbers is not 1 to {} images of {len}",
                images.len(),
                self.net.capacity()
            )));
        }
        self.net.set_rows(count);
        images.set(&mut self.net);
        Ok(count)
    }

    /// Sets the labels of the images; those of a network that is no classifier are not
    /// read, and may be left out.
    fn set_labels(&mut self, labels: &[u32], count: usize) -> Result<()> {
        let classes = self.net.classes();
        if classes == 0 && labels.is_empty() {
            return Ok(());
        }
        let wrong = labels
            .iter()
            .find(|&&l| classes > 0 && l as usize >= classes);
        if labels.len() != count || wrong.is_some() {
            return Err(Error::spec(format!(
                "{} labels for {count} images; each must have one below {classes}",
                labels.len()
            )));
        }
        self.net.batch_mut().labels[..count].copy_from_slice(labels);
        Ok(())
    }

    /// One training step: forwards, backwards, and a step of the optimiser. Returns the
    /// mean loss.
    ///
    /// # Errors
    /// Images or labels that do not fit, or [`Error::Diverged`] where the loss is no
    /// longer finite (the weights are those before the step).
    pub fn step<R: Rows + ?Sized>(
        &mut self,
        images: &R,
        labels: &[u32],
        opt: &mut impl Optimise,
    ) -> Result<f64> {
        let loss = self.forward(images, labels)?;
        if !loss.is_finite() {
            let step = self.steps + 1;
            return Err(Error::Diverged(format!(
                "the loss of step {step} is {loss}; choose a smaller learning rate"
            )));
        }
        self.backward();
        opt.step(&mut self.net);
        Ok(loss)
    }

    /// The forward pass of a training step: batch norms take the statistics of the batch, and
    /// stochastic units are sampled. Returns the mean loss, and leaves logits and losses in
    /// [`Self::network`].
    ///
    /// # Errors
    /// Images or labels that do not fit.
    pub fn forward<R: Rows + ?Sized>(&mut self, images: &R, labels: &[u32]) -> Result<f64> {
        let count = self.set_images(images)?;
        self.set_labels(labels, count)?;
        let pass = self.net.pass_mut();
        (pass.mode, pass.units) = (Mode::Train, Units::Sample);
        pass.noise = Noise {
            seed: self.seed,
            step: self.steps,
            draw: 0,
        };
        self.net.forward();
        Ok(self.mean_loss())
    }

    /// The mean loss of the samples of the last forward pass.
    fn mean_loss(&self) -> f64 {
        let losses = self.net.losses();
        let sum = self.net.pass().samples().sum(|row| f64::from(losses[row]));
        sum / losses.len() as f64
    }

    /// The backward pass of [`Self::forward`], which it must follow: the network's gradients
    /// become those of the mean loss, and the step is counted, so that the next one draws other
    /// samples.
    pub fn backward(&mut self) {
        self.baseline.apply(&mut self.net);
        self.net.backward();
        self.steps += 1;
    }

    /// A forward pass that learns nothing: batch norms take their running statistics, and every
    /// binary unit is read as `[x > 0]`. Leaves logits, embeddings and losses in
    /// [`Self::network`].
    ///
    /// # Errors
    /// Images or labels that do not fit; without labels there are no losses.
    pub fn evaluate<R: Rows + ?Sized>(&mut self, images: &R, labels: &[u32]) -> Result<usize> {
        let count = self.set_images(images)?;
        if !labels.is_empty() {
            self.set_labels(labels, count)?;
        }
        let pass = self.net.pass_mut();
        (pass.mode, pass.units) = (Mode::Eval, Units::Threshold);
        self.net.forward();
        Ok(count)
    }

    /// The number of steps of the training so far, which numbers the noise of the next one.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Continues the count of steps from another number, as after weights were loaded.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// The class of each image, with every binary unit read as `[x > 0]`; `None` where a logit
    /// is not a number.
    ///
    /// # Errors
    /// Images that do not fit, or a network that is no classifier.
    pub fn predict<R: Rows + ?Sized>(&mut self, images: &R) -> Result<Vec<Option<usize>>> {
        let classes = self.net.classes();
        if classes == 0 {
            return Err(Error::spec("the network is no classifier"));
        }
        self.evaluate(images, &[])?;
        Ok(self
            .net
            .logits()
            .chunks_exact(classes)
            .map(argmax)
            .collect())
    }

    /// Packs the network into bits: a [`PackedNet`] classifies images with integer sums
    /// instead of floats, wherever weights are binary.
    ///
    /// # Errors
    /// One line that names the layer that cannot be packed, and why.
    pub fn pack(&self) -> Result<PackedNet> {
        self.net.pack()
    }
}

#[cfg(test)]
mod tests {
    use super::Model;
    use crate::graph::{Graph, Sgd};

    #[test]
    fn a_regression_on_a_further_input_learns_and_says_what_does_not_fit() {
        let g = Graph::new(3);
        let target = g.further_input("t", 2);
        g.input().linear("fc", 2).mse(&target);
        let mut model = g.compile(4).unwrap();
        let (x, t) = (vec![0.5f32; 12], vec![1.0f32; 8]);
        let mut opt = Sgd::new(0.1, 0.0);
        let mut losses = Vec::new();
        for _ in 0..50 {
            model.set_images(&x).unwrap();
            model.set_input("t", &t).unwrap();
            losses.push(model.step(&x, &[], &mut opt).unwrap());
        }
        assert!(losses[49] < 1e-3 * losses[0], "{losses:?}");
        for error in [
            model.set_input("u", &t).unwrap_err(),
            model.set_input("t", &t[1..]).unwrap_err(),
            model.set_images(&x[1..]).unwrap_err(),
            model.set_images(&vec![0.0f32; 15]).unwrap_err(),
            model.predict(&x).unwrap_err(),
            model.pack().unwrap_err(),
        ] {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_network_with_the_weights_of_another_answers_as_that_and_learns_on() {
        let g = Graph::new([1, 4, 4]);
        let h = g.input().conv("c", 3, 3).batch_norm("n").binary("st");
        h.linear("fc", 2).cross_entropy();
        let mut first = g.compile(4).unwrap();
        let x: Vec<u8> = (0..64).map(|i| (i * 37 % 251) as u8).collect();
        let mut opt = Sgd::new(0.1, 0.9);
        for _ in 0..5 {
            first.step(&x, &[0, 1, 1, 0], &mut opt).unwrap();
        }
        first.network_mut().pass_mut().slope = 2.0;
        let mut second = Model::with_weights_of(first.network()).unwrap();
        assert_eq!(second.network().pass().slope, 2.0);
        for model in [&mut first, &mut second] {
            assert_eq!(model.evaluate(&x, &[]).unwrap(), 4);
        }
        assert_eq!(first.network().logits(), second.network().logits());
        let counters = |m: &Model| m.network().params().counters().to_vec();
        assert_eq!(counters(&first), counters(&second));
        assert_eq!(counters(&first)[0].1, 5);
        let before = second.network().params().values().to_vec();
        let mut opt = Sgd::new(0.1, 0.9);
        let loss = second.forward(&x, &[0, 1, 1, 0]).unwrap();
        second.backward();
        assert!(loss.is_finite() && second.steps() == 1);
        assert_eq!(before, second.network().params().values());
        crate::graph::Optimise::step(&mut opt, second.network_mut());
        assert_ne!(before, second.network().params().values());
    }

    #[test]
    fn labels_are_checked_also_where_their_loss_is_one_of_several() {
        let g = Graph::new(3);
        let logits = g.input().linear("fc", 2);
        let loss = logits.cross_entropy();
        let weights = vec![0.5];
        g.layer(crate::layers::WeightedSum { weights }, &[&loss]);
        let mut model = g.compile(2).unwrap();
        let (x, mut opt) = (vec![0.5f32; 6], Sgd::new(0.1, 0.0));
        model.step(&x, &[0, 1], &mut opt).unwrap();
        for labels in [&[0u32, 2][..], &[0], &[]] {
            assert!(model.step(&x, labels, &mut opt).is_err(), "{labels:?}");
        }
        assert_eq!(model.predict(&x).unwrap().len(), 2);
    }
}
