//! Execution of a packed network: one image at a time without allocation, or many on all threads.

use alloc::vec::Vec;

use alloc::sync::Arc;
#[cfg(feature = "std")]
use std::sync::OnceLock;
#[cfg(feature = "std")]
use std::time::{Duration, Instant};

#[cfg(feature = "std")]
use rayon::prelude::*;

use super::PackedNet;
use super::op::Reading;
use super::plan::Plan;
use super::scratch::Scratch;
#[cfg(feature = "std")]
use super::sliced::{SLICE, Sliced};
use crate::kernels::Engine;

/// Number of images that a thread processes at a time, one after another.
#[cfg(feature = "std")]
const CHUNK: usize = 16;

/// The operations on 64 images at once, made when they are needed first; `None` for a network that
/// has none.
#[cfg(feature = "std")]
type Slices = Option<Arc<(PackedNet, OnceLock<Option<Sliced>>)>>;

/// A packed network ready to run, with the buffers of one thread. A clone shares the prepared
/// weights and has its own buffers.
pub struct Runner {
    plan: Arc<Plan>,
    #[cfg(feature = "std")]
    slices: Slices,
    scratch: Scratch,
    reading: Reading,
    pixels: usize,
    classes: usize,
}

impl Clone for Runner {
    fn clone(&self) -> Self {
        Self {
            plan: self.plan.clone(),
            #[cfg(feature = "std")]
            slices: self.slices.clone(),
            scratch: self.plan.scratch(),
            ..*self
        }
    }
}

impl PackedNet {
    /// Makes a runner for the given kernels; this converts the weights to the layout of the
    /// kernels.
    pub fn runner(&self, engine: Engine) -> Runner {
        let plan = Arc::new(Plan::new(self, engine.kernels));
        Runner {
            #[cfg(feature = "std")]
            slices: Sliced::suits(self).then(|| Arc::new((self.clone(), OnceLock::new()))),
            scratch: plan.scratch(),
            plan,
            reading: Reading::default(),
            pixels: self.input().len(),
            classes: self.classes(),
        }
    }
}

impl Runner {
    /// Returns the number of bytes of an image.
    pub fn pixels(&self) -> usize {
        self.pixels
    }

    /// Returns the number of classes, which is the number of logits per image.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Sets the mode in which stochastic units are evaluated; it is [`Reading::Threshold`] at
    /// first.
    pub fn read_as(&mut self, reading: Reading) {
        self.reading = reading;
    }

    /// Computes the logits of an image, whose bytes are stored as (height, width, channel), without
    /// allocation.
    ///
    /// # Panics
    /// Panics if the length of `image` or `out` is not that of the input or of the logits.
    pub fn logits(&mut self, image: &[u8], out: &mut [f32]) {
        assert_eq!(image.len(), self.pixels, "an image of another size");
        self.plan
            .run(image, self.reading, &mut self.scratch, |_| {});
        out.copy_from_slice(self.plan.logits(&self.scratch));
    }

    /// Returns the class with the largest logit, the lowest index among equals; `None` if a logit
    /// is NaN.
    ///
    /// # Panics
    /// Panics if the length of `image` is not that of the input.
    pub fn classify(&mut self, image: &[u8]) -> Option<usize> {
        assert_eq!(image.len(), self.pixels, "an image of another size");
        self.plan
            .run(image, self.reading, &mut self.scratch, |_| {});
        largest(self.plan.logits(&self.scratch))
    }

    /// Computes the logits of consecutive images on all threads of the current rayon pool. If units
    /// are sampled, image `i` has the noise of row `row + i`. A network of narrow layers is computed on
    /// 64 images at once, with the logits of [`Self::logits`] bit for bit.
    ///
    /// # Panics
    /// Panics if the length of `images` is not a multiple of an image's, or `out` does not have one
    /// row of logits per image.
    #[cfg(feature = "std")]
    pub fn batch(&self, images: &[u8], out: &mut [f32]) {
        assert!(images.len().is_multiple_of(self.pixels), "whole images");
        assert_eq!(out.len() / self.classes, images.len() / self.pixels);
        assert!(out.len().is_multiple_of(self.classes), "whole rows");
        if let Some(sliced) = self.sliced() {
            let slices = images.par_chunks(SLICE * self.pixels);
            return slices
                .zip(out.par_chunks_mut(SLICE * self.classes))
                .for_each_init(
                    || sliced.buffers(),
                    |b, (images, out)| sliced.run(images, out, b),
                );
        }
        let chunks = images.par_chunks(CHUNK * self.pixels);
        chunks
            .zip(out.par_chunks_mut(CHUNK * self.classes))
            .enumerate()
            .for_each_init(
                || self.clone(),
                |runner, (chunk, (images, out))| {
                    let rows = out.chunks_exact_mut(self.classes);
                    for (i, (image, out)) in images.chunks_exact(self.pixels).zip(rows).enumerate()
                    {
                        runner.reading = self.reading.later(chunk * CHUNK + i);
                        runner.logits(image, out);
                    }
                },
            );
    }

    /// Returns whether [`Self::batch`] computes 64 images at once.
    #[cfg(feature = "std")]
    pub fn is_sliced(&self) -> bool {
        self.sliced().is_some()
    }

    /// Returns the operations on 64 images at once, if there are any for the network.
    #[cfg(feature = "std")]
    fn sliced(&self) -> Option<&Sliced> {
        let (net, made) = &**self.slices.as_ref()?;
        made.get_or_init(|| Sliced::new(net, self.plan.kernels()))
            .as_ref()
    }

    /// Returns the stage and the name of each operation, in the order of execution.
    pub fn operations(&self) -> Vec<(usize, &'static str)> {
        self.plan.operations().collect()
    }

    /// Computes an image and adds the time of each operation to `times`.
    ///
    /// # Panics
    /// Panics if the length of `image` is not that of the input, or `times` does not have one
    /// element per operation.
    #[cfg(feature = "std")]
    pub fn profile(&mut self, image: &[u8], times: &mut [Duration]) {
        assert_eq!(image.len(), self.pixels, "an image of another size");
        let mut begun = Instant::now();
        self.plan.run(image, self.reading, &mut self.scratch, |i| {
            let now = Instant::now();
            times[i] += now - begun;
            begun = now;
        });
    }

    /// Writes the result of stage `i` for the last image to `out`, stored as (height, width,
    /// channel); bits are 0 and 1, signs -1 and +1.
    ///
    /// # Panics
    /// Panics if there is no stage `i`.
    pub fn output(&self, i: usize, out: &mut Vec<f32>) {
        self.plan.output(i, &self.scratch, out);
    }
}

#[cfg(feature = "std")]
impl Reading {
    /// Returns the mode with the noise of a row that is `rows` later.
    fn later(self, rows: usize) -> Self {
        match self {
            Reading::Threshold => Reading::Threshold,
            Reading::Sample {
                seed,
                step,
                draw,
                row,
            } => Reading::Sample {
                seed,
                step,
                draw,
                row: row + rows,
            },
        }
    }
}

/// Returns the index of the largest number, the lowest among equals; `None` if a number is NaN.
fn largest(z: &[f32]) -> Option<usize> {
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
