//! A network ready to run: a spec recorded on a tape.

use std::time::{Duration, Instant};

use super::init::Init;
use super::spec::{LayerSpec, ModelSpec};
use crate::error::{Error, Result};
use crate::estimators::{self, BinaryUnit};
use crate::kernels::Engine;
use crate::ops::{Activation, BatchNorm, Conv, CrossEntropy, Linear, MaxPool, Terms, Window};
use crate::tape::{Params, Pass, Tape, Value};

/// A network for batches of up to a fixed number of rows.
///
/// A step is: [`set_rows`](Self::set_rows), [`set_row`](Self::set_row) for each
/// row, settings in [`pass_mut`](Self::pass_mut), [`forward`](Self::forward),
/// [`backward`](Self::backward).
pub struct Network {
    spec: ModelSpec,
    tape: Tape,
    input: Value,
    /// The output of each layer of the spec.
    layers: Vec<Value>,
    /// The number of the node after each layer's last.
    ends: Vec<usize>,
    loss: Value,
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
        spec.check()?;
        if batch == 0 {
            return Err(Error::spec("the batch size must be at least 1"));
        }
        let mut tape = Tape::new(engine, batch);
        let input = tape.input(spec.input, false);
        let (mut layers, mut ends) = (Vec::new(), Vec::new());
        let mut x = input;
        for layer in &spec.layers {
            x = record(&mut tape, layer, x)?;
            layers.push(x);
            ends.push(tape.nodes());
        }
        let loss = CrossEntropy::record(&mut tape, x);
        tape.seal(training);
        let encoding = spec.pixel_encoding();
        Ok(Self {
            spec: spec.clone(),
            tape,
            input,
            layers,
            ends,
            loss,
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

    /// The live rows of the input, as pixels enter, stored (row, height, width,
    /// channel): for callers whose input is not bytes.
    pub fn input_mut(&mut self) -> &mut [f32] {
        self.tape.value_mut(self.input)
    }

    /// Runs the network on the live rows.
    pub fn forward(&mut self) {
        self.tape.forward();
    }

    /// [`Self::forward`], adding the time that each layer took to `times`.
    ///
    /// # Panics
    /// If `times` has not one for each layer of the spec.
    pub fn profile(&mut self, times: &mut [Duration]) {
        let (ends, mut layer, mut begun) = (&self.ends, 0, Instant::now());
        assert_eq!(times.len(), ends.len(), "a time for each layer");
        self.tape.forward_watched(|node| {
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

    /// Clears the gradients and computes those of the mean loss of the live rows.
    ///
    /// # Panics
    /// If the network was not built for training.
    pub fn backward(&mut self) {
        self.tape.params.grads_mut().fill(0.0);
        let rows = self.tape.pass.rows.live as f32;
        self.tape.backward(self.loss, 1.0 / rows);
    }

    /// The loss of each live row.
    pub fn losses(&self) -> &[f32] {
        self.tape.value(self.loss)
    }

    /// The logits of each live row, (rows, classes).
    pub fn logits(&self) -> &[f32] {
        self.tape.value(self.layers[self.layers.len() - 1])
    }

    /// The output of layer `i` of the spec: live rows, (height, width, channel).
    pub fn layer_output(&self, i: usize) -> &[f32] {
        self.tape.value(self.layers[i])
    }

    /// The classes that the network tells apart.
    pub fn classes(&self) -> usize {
        self.tape.shape(self.layers[self.layers.len() - 1]).len()
    }

    /// How many live rows are classified as labelled. The first of equal logits
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

/// Records one layer.
fn record(tape: &mut Tape, layer: &LayerSpec, x: Value) -> Result<Value> {
    Ok(match layer {
        LayerSpec::Conv {
            name,
            out,
            kernel,
            stride,
            padding,
            bias,
            weights,
            scale,
        } => {
            let terms = Terms {
                bias: *bias,
                weights: *weights,
                scale: *scale,
            };
            let window = Window {
                kernel: *kernel,
                stride: *stride,
                padding: *padding,
            };
            Conv::record(tape, name, x, *out, window, terms)?
        }
        LayerSpec::BatchNorm {
            name,
            eps,
            momentum,
        } => BatchNorm::record(tape, name, x, *eps, *momentum)?,
        LayerSpec::MaxPool { kernel, stride } => {
            MaxPool::record(tape, "max_pool", x, *kernel, stride.unwrap_or(*kernel))?
        }
        LayerSpec::Activation { function } => Activation::record(tape, x, *function),
        LayerSpec::Binary { mode, estimator } => {
            BinaryUnit::record(tape, x, *mode, estimators::by_name(estimator)?)
        }
        LayerSpec::Linear {
            name,
            out,
            bias,
            weights,
            scale,
        } => {
            let terms = Terms {
                bias: *bias,
                weights: *weights,
                scale: *scale,
            };
            Linear::record(tape, name, x, *out, terms)?
        }
    })
}
