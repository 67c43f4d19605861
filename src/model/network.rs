//! A network ready to run: a spec recorded on a tape.

use std::time::{Duration, Instant};

use super::init::Init;
use super::record::{needs_probe, record, record_fused};
use super::spec::{LayerSpec, ModelSpec};
use crate::error::{Error, Result};
use crate::estimators::{BinaryUnit, Roles, Signal, samples};
use crate::kernels::Engine;
use crate::ops::{CrossEntropy, Linear};
use crate::tape::{Mode, Params, Pass, Phase, Tape, Value};

/// A network for batches of up to a fixed number of images.
///
/// A step is: [`set_rows`](Self::set_rows), [`set_row`](Self::set_row) for each
/// image, settings in [`pass_mut`](Self::pass_mut), [`forward`](Self::forward),
/// for a score-function estimator the [`baselines`](Pass::baselines),
/// [`backward`](Self::backward).
///
/// In training an image may have several rows from the first binary layer on:
/// samples, and what the estimators evaluate beside them ([`crate::tape::Group`]).
pub struct Network {
    spec: ModelSpec,
    tape: Tape,
    input: Value,
    /// The output of each layer of the spec; none where it is fused with the next.
    layers: Vec<Option<Value>>,
    /// The number of the node after each layer's last.
    ends: Vec<usize>,
    logits: Value,
    loss: Value,
    /// Samples of an image in training.
    samples: usize,
    /// For each replica in training, whether it is a sample of the network.
    replicas: Vec<bool>,
    /// Whether a gradient needs a probe first.
    probes: bool,
    /// Whether that probe is of the samples as well.
    probes_samples: bool,
    /// The adjoint of each row's loss.
    seeds: Vec<f32>,
    /// The input for each byte.
    pixels: Vec<f32>,
}

impl Network {
    /// Builds the network for batches of up to `batch` rows. With `training`
    /// false no memory is kept for adjoints, and `backward` panics.
    ///
    /// # Errors
    /// A spec that describes no network, or a batch of 0.
    pub fn new(spec: &ModelSpec, engine: Engine, batch: usize, training: bool) -> Result<Self> {
        Self::record(spec, engine, batch, training, 1)
    }

    /// A network in training that samples each image that many times.
    ///
    /// # Errors
    /// As [`Self::new`], and no sample at all.
    pub fn sampled(spec: &ModelSpec, engine: Engine, batch: usize, samples: usize) -> Result<Self> {
        Self::record(spec, engine, batch, true, samples)
    }

    fn record(
        spec: &ModelSpec,
        engine: Engine,
        batch: usize,
        training: bool,
        per_image: usize,
    ) -> Result<Self> {
        spec.check()?;
        if batch == 0 || per_image == 0 {
            return Err(Error::spec(
                "the batch size and the samples of an image must be at least 1",
            ));
        }
        let estimators = spec.estimators()?;
        let roles = if training {
            spec.roles()?
        } else {
            vec![Roles::plain(); estimators.len()]
        };
        let per_sample = roles.iter().map(Roles::replicas).max().unwrap_or(1);
        spec.check_memory(batch, per_image.saturating_mul(per_sample), training)?;
        let mut tape = Tape::new(engine, batch);
        let input = tape.input(spec.input, false);
        let (mut layers, mut ends) = (Vec::new(), Vec::new());
        let mut x = input;
        let mut units = estimators.iter().zip(&roles).enumerate();
        let (mut flips, mut units_below) = (false, 0);
        let any_notes = estimators.iter().any(|e| e.probes());
        while let Some(layer) = spec.layers.get(layers.len()) {
            let rest = &spec.layers[layers.len()..];
            if training && let Some((fused, count)) = record_fused(&mut tape, rest, x)? {
                x = fused;
                layers.resize(layers.len() + count - 1, None);
                layers.push(Some(x));
                ends.resize(layers.len(), tape.nodes());
                continue;
            }
            x = match (layer, flips) {
                (LayerSpec::Binary { mode, .. }, _) => {
                    let Some((number, (estimator, roles))) = units.next() else {
                        return Err(Error::spec("a binary layer without an estimator"));
                    };
                    let name = format!("estimator{}", number + 1);
                    let first = (number == 0).then_some(per_image);
                    let (estimator, roles) = (estimator.clone(), roles.clone());
                    flips = estimator.flips();
                    let unasked = estimator.signal() == Signal::Loss && !any_notes;
                    let below = units_below;
                    units_below += tape.shape(x).len();
                    let h = BinaryUnit::record_as(
                        &mut tape, x, *mode, estimator, roles, &name, first, below,
                    );
                    if unasked {
                        tape.declare_unasked(h);
                    }
                    h
                }
                (
                    LayerSpec::Linear {
                        name, out, bias, ..
                    },
                    true,
                ) => Linear::record_flips(&mut tape, name, x, *out, *bias)?,
                _ => record(&mut tape, layer, x)?,
            };
            layers.push(Some(x));
            ends.push(tape.nodes());
        }
        let loss = CrossEntropy::record(&mut tape, x);
        tape.seal(training);
        let rows = tape.most_rows();
        let encoding = spec.pixel_encoding();
        Ok(Self {
            spec: spec.clone(),
            tape,
            input,
            layers,
            ends,
            logits: x,
            loss,
            samples: per_image,
            replicas: samples(&roles),
            probes: training && needs_probe(&estimators),
            probes_samples: estimators.iter().any(|e| e.probes_samples()),
            seeds: vec![0.0; rows],
            pixels: (0..=255u8).map(|p| encoding.value(p)).collect(),
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

    /// Rows that a batch may have.
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

    /// Sets one live row: an image of bytes (height, width, channel) and its class.
    ///
    /// # Panics
    /// If the row is not live, or the image or label does not fit the network.
    pub fn set_row(&mut self, row: usize, image: &[u8], label: u32) {
        let len = self.spec.input.len();
        assert_eq!(image.len(), len, "an image of another size");
        assert!(
            (label as usize) < self.classes(),
            "a label outside the classes"
        );
        let pixels = &self.pixels;
        let x = &mut self.tape.value_mut(self.input)[row * len..][..len];
        for (x, &p) in x.iter_mut().zip(image) {
            *x = pixels[usize::from(p)];
        }
        self.tape.pass.labels[row] = label;
    }

    /// Sets the images of all live rows, in parallel. `image(row, slot, put)`
    /// calls `put` once with the bytes of that row's image; `slots` are its
    /// working memory, [`Self::slots`] of them.
    ///
    /// # Panics
    /// If there are too few slots, or an image has another size.
    pub fn set_images<S: Send>(
        &mut self,
        slots: &mut [S],
        image: impl Fn(usize, &mut S, &mut dyn FnMut(&[u8])) + Sync,
    ) {
        let (len, rows, pixels) = (self.spec.input.len(), self.tape.pass.rows, &self.pixels);
        let all = self.tape.value_mut(self.input);
        rows.write(all, len, slots, |rows, x, slot| {
            for (row, x) in rows.zip(x.chunks_exact_mut(len)) {
                image(row, slot, &mut |bytes| {
                    assert_eq!(bytes.len(), len, "an image of another size");
                    for (x, &p) in x.iter_mut().zip(bytes) {
                        *x = pixels[usize::from(p)];
                    }
                });
            }
        });
    }

    /// Chunks that the rows are cut into, at most: slots that parallel work needs.
    pub fn slots(&self) -> usize {
        self.tape.slots()
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

    /// Runs the network on the live images: in training on all rows of an image,
    /// else on one.
    pub fn forward(&mut self) {
        self.forward_watched(|_| {});
    }

    fn forward_watched(&mut self, done: impl FnMut(usize)) {
        let (samples, replicas) = match self.tape.pass.mode {
            Mode::Train => (self.samples, self.replicas.len()),
            Mode::Eval => (1, 1),
        };
        self.tape.set_group(samples, replicas);
        self.tape.forward_watched(done);
        let (tape, loss) = (&mut self.tape, self.loss);
        let rows = tape.pass.group.rows();
        let mut losses = std::mem::take(&mut tape.pass.losses);
        losses[..rows].copy_from_slice(tape.value(loss));
        tape.pass.losses = losses;
        let main = tape.pass.group.main();
        tape.pass.weights[..main].fill(1.0 / main as f32);
    }

    /// After a pass that enumerated outcomes: weighs each by its probability, so that
    /// [`Self::backward`] of `reinforce` gives the exact gradient of the expected loss.
    ///
    /// # Panics
    /// If the pass enumerated nothing.
    pub fn weigh_outcomes(&mut self) {
        assert!(self.tape.pass.enumerate, "no outcomes were enumerated");
        let group = self.tape.pass.group;
        let mut weights = vec![1.0 / group.images as f64; group.main()];
        let mut bit = 0;
        let units = self.spec.estimators().unwrap_or_default();
        let binary = (0..self.spec.layers.len())
            .filter(|&i| matches!(self.spec.layers[i], LayerSpec::Binary { .. }));
        for (i, unit) in binary.zip(units) {
            let len = self.tape.shape(self.output(i)).len();
            let x = match i {
                0 => self.tape.value(self.input),
                _ => self.tape.value(self.output(i - 1)),
            };
            for (row, weight) in weights.iter_mut().enumerate() {
                // Below the first binary layer an image has one row.
                let from = row % (x.len() / len) * len;
                for (k, &x) in x[from..from + len].iter().enumerate() {
                    let p = f64::from(unit.link().probability(self.tape.pass.slope, x));
                    let one = (row / group.images) >> (bit + k) & 1 == 1;
                    *weight *= if one { p } else { 1.0 - p };
                }
            }
            bit += len;
        }
        for (to, weight) in self.tape.pass.weights.iter_mut().zip(weights) {
            *to = weight as f32;
        }
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
        if self.probes && self.tape.pass.mode == Mode::Train {
            self.tape.pass.phase = Phase::Probe;
            self.replay(false);
            self.tape.pass.phase = Phase::Gradient;
            self.tape.pass.probed = true;
        } else {
            self.tape.pass.probed = false;
        }
        self.tape.params.grads_mut().fill(0.0);
        self.replay(true);
    }

    /// Replays backwards from the losses of the replicas that are samples, which
    /// share the weight of their sample, or of those that are not.
    fn replay(&mut self, samples: bool) {
        let group = self.tape.pass.group;
        let of = &self.replicas[..group.replicas];
        let sharing = of.iter().filter(|&&s| s).count() as f32;
        for row in 0..group.rows() {
            let (replica, weight) = (
                group.replica(row),
                self.tape.pass.weights[row % group.main()],
            );
            self.seeds[row] = match samples {
                true if of[replica] => weight / sharing,
                false if !of[replica] || (replica == 0 && self.probes_samples) => weight,
                _ => 0.0,
            };
        }
        let seeds = &self.seeds[..group.rows()];
        self.tape.pass.seeds[..seeds.len()].copy_from_slice(seeds);
        self.tape
            .backward_from(self.loss, |adjoint| adjoint.copy_from_slice(seeds));
    }

    /// The loss of each sample: image by image for the first samples, then for the
    /// second ones.
    pub fn losses(&self) -> &[f32] {
        &self.tape.value(self.loss)[..self.tape.pass.group.main()]
    }

    /// The logits of each sample, (samples, classes), in the order of [`Self::losses`].
    pub fn logits(&self) -> &[f32] {
        let main = self.tape.pass.group.main() * self.classes();
        &self.tape.value(self.logits)[..main]
    }

    /// The output of layer `i` of the spec: all its rows, (height, width, channel).
    ///
    /// # Panics
    /// If the network was built for training and layer `i` is a batch norm that is
    /// computed together with the max-pool behind it.
    pub fn layer_output(&self, i: usize) -> &[f32] {
        self.tape.value(self.output(i))
    }

    /// The output of layer `i`, which must have one of its own.
    fn output(&self, i: usize) -> Value {
        self.layers[i].expect("a layer with an output of its own")
    }

    /// The classes that the network tells apart.
    pub fn classes(&self) -> usize {
        self.tape.shape(self.logits).len()
    }

    /// How many samples are classified as labelled. The first of equal logits
    /// wins; a row with a NaN is never right.
    pub fn correct(&self) -> usize {
        let classes = self.classes();
        let rows = self.logits().chunks_exact(classes);
        rows.zip(&self.tape.pass.labels)
            .filter(|(z, label)| argmax(z) == Some(**label as usize))
            .count()
    }

    /// Settings of the next pass.
    pub fn pass(&self) -> &Pass {
        &self.tape.pass
    }

    /// Settings of the next pass, to write.
    pub fn pass_mut(&mut self) -> &mut Pass {
        &mut self.tape.pass
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
