//! A network ready to run: a spec recorded on a tape.

use std::time::{Duration, Instant};

use super::init::Init;
use super::record::record;
use super::spec::ModelSpec;
use super::topology::Source;
use crate::error::{Error, Result};
use crate::estimators::{Driver, Plan};
use crate::kernels::Engine;
use crate::layers::{Input, LayerSpec};
use crate::ranks::Ranks;
use crate::tape::{Batch, Params, Pass, Signals, Tape, Value};

/// What a network is built for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Values alone.
    Evaluation,
    /// Gradients of parameters, with that many samples of an image.
    Training(usize),
    /// Gradients of images, in evaluation: every layer has an output of its own.
    InputGradient,
}

/// A network for batches of up to a fixed number of images.
///
/// A step is: [`set_rows`](Self::set_rows), [`set_row`](Self::set_row) for each
/// image, settings in [`pass_mut`](Self::pass_mut), [`forward`](Self::forward),
/// for a score-function estimator the [`baselines`](Signals::baselines),
/// [`backward`](Self::backward).
///
/// In training an image may have several rows from the first binary layer on:
/// samples, and what the estimators evaluate beside them ([`crate::tape::Group`]).
pub struct Network {
    spec: ModelSpec,
    tape: Tape,
    input: Value,
    /// What each layer of the spec reads.
    inputs: Vec<Vec<Source>>,
    /// The output of each layer of the spec; none where it is fused with the next.
    layers: Vec<Option<Value>>,
    /// The number of the node after each layer's last.
    ends: Vec<usize>,
    /// The logits of a classifier.
    logits: Option<Value>,
    driver: Driver,
    /// The input for each byte: one table, or one a channel.
    pixels: Tables,
}

impl Network {
    /// Builds the network for batches of up to `batch` rows. With `training`
    /// false no memory is kept for gradients, and `backward` panics.
    ///
    /// # Errors
    /// A spec that describes no network, or a batch of 0.
    pub fn new(spec: &ModelSpec, engine: Engine, batch: usize, training: bool) -> Result<Self> {
        let purpose = match training {
            true => Purpose::Training(1),
            false => Purpose::Evaluation,
        };
        Self::record(spec, engine, batch, purpose)
    }

    /// Builds a network through which gradients reach the images
    /// ([`Self::input_gradient`]), for batches of up to `batch` of them. Set its pass to
    /// evaluation: no row depends on another one then.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_input_gradient(spec: &ModelSpec, engine: Engine, batch: usize) -> Result<Self> {
        Self::record(spec, engine, batch, Purpose::InputGradient)
    }

    /// Builds a network for training that samples each image `samples` times.
    ///
    /// # Errors
    /// As [`Self::new`], and no sample at all.
    pub fn sampled(spec: &ModelSpec, engine: Engine, batch: usize, samples: usize) -> Result<Self> {
        Self::record(spec, engine, batch, Purpose::Training(samples))
    }

    fn record(spec: &ModelSpec, engine: Engine, batch: usize, purpose: Purpose) -> Result<Self> {
        spec.check()?;
        let (training, per_image) = match purpose {
            Purpose::Training(samples) => (true, samples),
            _ => (false, 1),
        };
        let gradients = purpose != Purpose::Evaluation;
        if batch == 0 || per_image == 0 {
            return Err(Error::spec(
                "the batch size and the samples of an image must be at least 1",
            ));
        }
        let units = spec.units()?;
        let plan = match training {
            true => Plan::new(units),
            false => Plan::evaluation(units),
        };
        // Without a sampled layer every sample of an image is the same.
        let samples = if plan.units().is_empty() {
            1
        } else {
            per_image
        };
        let size = samples.saturating_mul(plan.particles());
        spec.check_memory(batch, size, gradients)?;
        let mut tape = Tape::with_group(engine, batch, size);
        let input = tape.input(spec.input, purpose == Purpose::InputGradient);
        let (topology, keys) = (spec.topology()?, spec.noise_keys());
        let on = record(
            &mut tape,
            &spec.layers,
            &topology,
            &keys,
            &plan,
            input,
            training,
        )?;
        tape.seal(gradients);
        let encoding = spec.pixel_encoding();
        Ok(Self {
            logits: spec.logits()?.and_then(|i| on.layers[i]),
            spec: spec.clone(),
            driver: Driver::new(&tape, &plan, on.loss, samples, on.units),
            tape,
            input,
            inputs: topology.inputs,
            layers: on.layers,
            ends: on.ends,
            pixels: Tables(encoding.tables()),
        })
    }

    /// What the network was built from.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Initialises the weights from a seed; latent ones within [-1, 1].
    pub fn init(&mut self, init: Init, seed: u64) {
        init.apply(&mut self.tape.params, seed);
        self.tape.params.clip_latents();
    }

    /// The most images that a batch may have.
    pub fn capacity(&self) -> usize {
        self.tape.capacity()
    }

    /// Sets the number of live rows.
    ///
    /// # Panics
    /// If it is 0 or above the capacity.
    pub fn set_rows(&mut self, rows: usize) {
        self.tape.set_rows(rows);
    }

    /// Sets one live row: an image of bytes (height, width, channel) and its class,
    /// which a network that is no classifier does not read.
    ///
    /// # Panics
    /// If the row is not live, or the image or label does not fit the network.
    pub fn set_row(&mut self, row: usize, image: &[u8], label: u32) {
        self.set_image(row, image);
        let classes = self.classes();
        assert!(
            classes == 0 || (label as usize) < classes,
            "a label outside the classes"
        );
        self.tape.batch.labels[row] = label;
    }

    /// Sets the image of one live row, bytes (height, width, channel).
    ///
    /// # Panics
    /// If the row is not live, or the image has another size.
    pub fn set_image(&mut self, row: usize, image: &[u8]) {
        let len = self.spec.input.len();
        assert_eq!(image.len(), len, "an image of another size");
        let pixels = &self.pixels;
        let x = &mut self.tape.value_mut(self.input)[row * len..][..len];
        pixels.put(image, x);
    }

    /// Sets the images of all live rows, in parallel. `image(row, scratch, put)`
    /// calls `put` once with the bytes of that row's image; `scratch` are its
    /// working memory, [`Self::chunks`] of them.
    ///
    /// # Panics
    /// If there are too few scratch, or an image has another size.
    pub fn set_images<S: Send>(
        &mut self,
        scratch: &mut [S],
        image: impl Fn(usize, &mut S, &mut dyn FnMut(&[u8])) + Sync,
    ) {
        let (len, rows, pixels) = (self.spec.input.len(), self.tape.pass.rows, &self.pixels);
        let all = self.tape.value_mut(self.input);
        rows.write(all, len, scratch, |rows, x, scratch| {
            for (row, x) in rows.zip(x.chunks_exact_mut(len)) {
                image(row, scratch, &mut |bytes| {
                    assert_eq!(bytes.len(), len, "an image of another size");
                    pixels.put(bytes, x);
                });
            }
        });
    }

    /// The most chunks that the rows are cut into, and so the number of scratches that
    /// [`Self::set_images`] needs.
    pub fn chunks(&self) -> usize {
        self.tape.chunks(self.input)
    }

    /// The live images, as pixels enter, stored (row, height, width, channel).
    pub fn input(&self) -> &[f32] {
        self.tape.value(self.input)
    }

    /// The live rows of the input, as pixels enter, stored (row, height, width,
    /// channel): for callers whose input is not bytes.
    pub fn input_mut(&mut self) -> &mut [f32] {
        self.tape.value_mut(self.input)
    }

    /// The live rows of the further input `name` ([`crate::layers::Input`]), one an image,
    /// to write; `None` where the network has no such input.
    pub fn input_of_mut(&mut self, name: &str) -> Option<&mut [f32]> {
        let is = |l: &LayerSpec| l.name.as_deref() == Some(name) && l.is::<Input>();
        let value = self.layers[self.spec.layers.iter().position(is)?]?;
        Some(self.tape.value_mut(value))
    }

    /// Runs the network on the live images: in training on all rows of an image,
    /// else on one.
    pub fn forward(&mut self) {
        self.forward_watched(|_| {});
    }

    fn forward_watched(&mut self, done: impl FnMut(usize)) {
        self.driver.forward_watched(&mut self.tape, done);
        if let Some(logits) = self.logits {
            self.tape.gather(logits);
        }
    }

    /// Shares the rows of each batch out among ranks, or (with the default) does all of them here.
    /// All ranks must have the same network and weights, and run the same passes with the same
    /// labels. Losses, logits, embeddings, gradients and statistics are then the same on all of
    /// them, to the bit, as on one; of the images and of other layers' outputs
    /// ([`Self::layer_output`]) a rank has its own rows.
    pub fn set_ranks(&mut self, ranks: Ranks) {
        self.tape.set_ranks(ranks);
    }

    /// Returns the ranks that share the rows.
    pub fn ranks(&self) -> &Ranks {
        self.tape.ranks()
    }

    /// Brings the images of the last forward pass to all ranks.
    pub(crate) fn gather_input(&mut self) {
        self.tape.gather(self.input);
    }

    /// Weighs each outcome by its probability, after a pass that enumerated all outcomes of
    /// the bits ([`Driver::weigh_outcomes`]).
    ///
    /// # Panics
    /// If the pass enumerated nothing.
    pub fn weigh_outcomes(&mut self) {
        self.driver.weigh_outcomes(&mut self.tape);
    }

    /// How each layer is computed that can be in several ways, with its name, in order.
    pub fn ways(&self) -> Vec<(&str, String)> {
        let layer_of = |node: usize| self.ends.iter().position(|end| node < *end);
        let ways = self.tape.ways().enumerate();
        let named = ways.filter_map(|(node, way)| {
            let layer = self.spec.layers.get(layer_of(node)?)?;
            Some((layer.label(), way?))
        });
        named.collect()
    }

    /// [`Self::forward`], adding the time that each layer took to `times`.
    ///
    /// # Panics
    /// If `times` has not one for each layer of the spec.
    pub fn profile(&mut self, times: &mut [Duration]) {
        let (ends, mut layer, mut begun) = (self.ends.clone(), 0, Instant::now());
        assert_eq!(times.len(), ends.len(), "a time for each layer");
        self.forward_watched(|node| {
            while ends.get(layer).is_some_and(|&end| end <= node) {
                layer += 1;
            }
            let now = Instant::now();
            if let Some(time) = times.get_mut(layer) {
                *time += now - begun;
            }
            begun = now;
        });
    }

    /// Clears the gradients and computes those of the mean loss of the samples of
    /// the last [`Self::forward`], as the estimators see them.
    ///
    /// # Panics
    /// If the network was not built for training.
    pub fn backward(&mut self) {
        self.driver.backward(&mut self.tape);
    }

    /// Computes the gradient of what `set` makes of the output of layer `i`: it is given the
    /// gradient of all rows of that output to write. Read it with [`Self::input_gradient`].
    ///
    /// # Panics
    /// If the network was not built by [`Self::with_input_gradient`].
    pub fn backward_from(&mut self, i: usize, set: impl FnOnce(&mut [f32])) {
        let output = self.output(i);
        self.tape.params.grads_mut().fill(0.0);
        self.tape.backward_from(output, set);
    }

    /// The gradient of the live images after [`Self::backward_from`], stored as
    /// [`Self::input`].
    pub fn input_gradient(&self) -> &[f32] {
        self.tape.grad(self.input)
    }

    /// The loss of each sample: image by image for the first samples, then for the
    /// second ones.
    pub fn losses(&self) -> &[f32] {
        self.driver.losses(&self.tape)
    }

    /// The logits of each sample, (samples, classes), in the order of [`Self::losses`].
    pub fn logits(&self) -> &[f32] {
        let primary = self.tape.pass.group.primary() * self.classes();
        self.logits.map_or(&[], |z| &self.tape.value(z)[..primary])
    }

    /// The embeddings of the live rows, where the network ends in a few-shot head: what the
    /// head reads, (rows, width); the logits of any other network.
    pub fn embeddings(&self) -> &[f32] {
        match self.spec.few_shot() {
            Some(_) => self.layer_input(self.spec.layers.len() - 1),
            None => self.logits(),
        }
    }

    /// The output of layer `i` of the spec: all its rows, (height, width, channel).
    ///
    /// # Panics
    /// If the network was built for training and layer `i` is a batch norm that is
    /// computed together with the max-pool behind it.
    pub fn layer_output(&self, i: usize) -> &[f32] {
        self.tape.value(self.output(i))
    }

    /// Whether [`Self::layer_output`] has an output of layer `i` of the spec: in training some
    /// layers are computed together with the one that follows.
    pub fn has_output(&self, i: usize) -> bool {
        self.layers.get(i).is_some_and(Option::is_some)
    }

    /// The first input of layer `i` of the spec: all its rows, (height, width, channel).
    ///
    /// # Panics
    /// As [`Self::layer_output`], of the layer that it reads.
    pub fn layer_input(&self, i: usize) -> &[f32] {
        match self.inputs[i].first() {
            Some(Source::Layer(j)) => self.layer_output(*j),
            _ => self.input(),
        }
    }

    /// What layer `i` reads.
    pub(super) fn sources(&self, i: usize) -> &[Source] {
        &self.inputs[i]
    }

    /// The output of layer `i`, which must have one of its own.
    fn output(&self, i: usize) -> Value {
        self.layers[i].expect("a layer with an output of its own")
    }

    /// The classes that the network tells apart; 0 where it is no classifier.
    pub fn classes(&self) -> usize {
        self.logits.map_or(0, |z| self.tape.shape(z).len())
    }

    /// How many samples are classified as labelled. The first of equal logits
    /// wins; a row with a NaN is never right.
    pub fn correct(&self) -> usize {
        let classes = self.classes();
        let rows = self.logits().chunks_exact(classes.max(1));
        rows.zip(&self.tape.batch.labels)
            .filter(|(z, label)| argmax(z) == Some(**label as usize))
            .count()
    }

    /// The settings of the next pass.
    pub fn pass(&self) -> &Pass {
        &self.tape.pass
    }

    /// The settings of the next pass, to write.
    pub fn pass_mut(&mut self) -> &mut Pass {
        &mut self.tape.pass
    }

    /// The labels of the next pass.
    pub fn batch(&self) -> &Batch {
        &self.tape.batch
    }

    /// The labels of the next pass, to write.
    pub fn batch_mut(&mut self) -> &mut Batch {
        &mut self.tape.batch
    }

    /// Losses of the last pass, and what score-function estimators make of them.
    pub fn signals(&self) -> &Signals {
        &self.tape.signals
    }

    /// What score-function estimators learn from, to write between [`Self::forward`] and
    /// [`Self::backward`].
    pub fn signals_mut(&mut self) -> &mut Signals {
        &mut self.tape.signals
    }

    /// Parameters and buffers.
    pub fn params(&self) -> &Params {
        &self.tape.params
    }

    /// Parameters and buffers, to write.
    pub fn params_mut(&mut self) -> &mut Params {
        &mut self.tape.params
    }
}

/// The input for each byte, 256 numbers for all channels or for each one.
struct Tables(Vec<f32>);

impl Tables {
    /// The input for an image, bytes (height, width, channel).
    fn put(&self, image: &[u8], x: &mut [f32]) {
        let (tables, _) = self.0.as_chunks::<256>();
        if let [table] = tables {
            for (x, &p) in x.iter_mut().zip(image) {
                *x = table[usize::from(p)];
            }
            return;
        }
        let pixels = x.chunks_exact_mut(tables.len());
        for (x, bytes) in pixels.zip(image.chunks_exact(tables.len())) {
            for ((x, &p), table) in x.iter_mut().zip(bytes).zip(tables) {
                *x = table[usize::from(p)];
            }
        }
    }
}

/// The place of the largest number, the first of equals; `None` if any is NaN.
pub fn argmax(z: &[f32]) -> Option<usize> {
    let mut best = 0;
    for (i, &x) in z.iter().enumerate() {
        if x.is_nan() {
            return None;
        }
        if x > z[best] {
            best = i;
        }
    }
    (!z.is_empty()).then_some(best)
}
