//! Execution of a packed network: one image at a time without allocation, or many on all threads.

use alloc::vec::Vec;

use alloc::sync::Arc;
#[cfg(feature = "std")]
use std::time::{Duration, Instant};

#[cfg(feature = "std")]
use rayon::prelude::*;

use super::PackedNet;
#[cfg(feature = "std")]
use super::geometry::window;
#[cfg(feature = "std")]
use super::layer::Weights;
use super::op::Reading;
use super::plan::Plan;
use super::scratch::Scratch;
#[cfg(feature = "std")]
use super::sliced::{self, SLICE, Slices};
use crate::kernels::Engine;

/// The largest number of images that a thread processes at a time, one after another.
#[cfg(feature = "std")]
const CHUNK: usize = 16;

/// The number of multiply-adds that a thread is given at a time, beside which the hand-over takes no
/// time. A network that has more of them for an image is handed over image by image.
#[cfg(feature = "std")]
const WORK: usize = 1 << 26;

/// A packed network ready to run, with the buffers of one thread. A clone shares the prepared
/// weights and has its own buffers.
pub struct Runner {
    plan: Arc<Plan>,
    #[cfg(feature = "std")]
    slices: Option<Arc<Slices>>,
    /// The buffers for slices, made when they are needed first.
    #[cfg(feature = "std")]
    buffers: Option<sliced::Buffers>,
    scratch: Scratch,
    reading: Reading,
    pixels: usize,
    classes: usize,
    /// Number of images that a thread processes at a time.
    #[cfg(feature = "std")]
    chunk: usize,
}

impl Clone for Runner {
    fn clone(&self) -> Self {
        Self {
            plan: self.plan.clone(),
            #[cfg(feature = "std")]
            slices: self.slices.clone(),
            #[cfg(feature = "std")]
            buffers: None,
            scratch: self.plan.scratch(),
            ..*self
        }
    }
}

impl PackedNet {
    /// Returns the number of images that a thread is given at a time.
    #[cfg(feature = "std")]
    fn chunk(&self) -> usize {
        let stages = self.stages().iter().zip(self.flows());
        let products = stages.filter(|(stage, _)| !matches!(stage.weights, Weights::None));
        let each = products.map(|(stage, flow)| {
            let inputs = window(stage, flow).depth();
            flow.values[0].0.len().saturating_mul(inputs)
        });
        let image = each.fold(1, usize::saturating_add);
        (WORK / image).clamp(1, CHUNK)
    }

    /// Makes a runner for the given kernels; this converts the weights to the layout of the
    /// kernels.
    pub fn runner(&self, engine: Engine) -> Runner {
        let plan = Arc::new(Plan::new(self, engine.kernels));
        Runner {
            #[cfg(feature = "std")]
            slices: Slices::of(self).map(Arc::new),
            #[cfg(feature = "std")]
            buffers: None,
            scratch: plan.scratch(),
            plan,
            reading: Reading::default(),
            pixels: self.input().len(),
            classes: self.classes(),
            #[cfg(feature = "std")]
            chunk: self.chunk(),
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
    /// are sampled, image `i` has the noise of row `row + i`. Where that is cheaper 64 images are
    /// computed at once ([`Self::is_sliced`]), with the logits of [`Self::logits`] bit for bit.
    ///
    /// # Panics
    /// Panics if the length of `images` is not a multiple of an image's, or `out` does not have one
    /// row of logits per image.
    #[cfg(feature = "std")]
    pub fn batch(&self, images: &[u8], out: &mut [f32]) {
        self.check_rows(images, out);
        let at_once = if self.is_sliced() { SLICE } else { self.chunk };
        let chunks = images.par_chunks(at_once * self.pixels);
        chunks
            .zip(out.par_chunks_mut(at_once * self.classes))
            .enumerate()
            .for_each_init(
                || self.clone(),
                |runner, (chunk, (images, out))| {
                    runner.reading = self.reading;
                    runner.rows(chunk * at_once, images, out);
                },
            );
    }

    /// As [`Self::batch`], on the calling thread.
    ///
    /// # Panics
    /// As [`Self::batch`].
    #[cfg(feature = "std")]
    pub fn batch_here(&mut self, images: &[u8], out: &mut [f32]) {
        self.check_rows(images, out);
        let reading = self.reading;
        self.rows(0, images, out);
        self.reading = reading;
    }

    #[cfg(feature = "std")]
    fn check_rows(&self, images: &[u8], out: &[f32]) {
        assert!(images.len().is_multiple_of(self.pixels), "whole images");
        assert_eq!(out.len() / self.classes, images.len() / self.pixels);
        assert!(out.len().is_multiple_of(self.classes), "whole rows");
    }

    /// Computes consecutive images, the first of which has the noise of row `row + first`.
    #[cfg(feature = "std")]
    fn rows(&mut self, first: usize, images: &[u8], out: &mut [f32]) {
        let slices = images.chunks(SLICE * self.pixels);
        let (reading, mut at) = (self.reading, first);
        for (images, out) in slices.zip(out.chunks_mut(SLICE * self.classes)) {
            if self.slice(images, out) {
                continue;
            }
            let rows = out.chunks_exact_mut(self.classes);
            for (image, out) in images.chunks_exact(self.pixels).zip(rows) {
                self.reading = reading.later(at);
                self.logits(image, out);
                at += 1;
            }
        }
    }

    /// Computes up to 64 images at once; returns false and does nothing where that is not cheaper.
    #[cfg(feature = "std")]
    fn slice(&mut self, images: &[u8], out: &mut [f32]) -> bool {
        let Some(slices) = &self.slices else {
            return false;
        };
        if images.len() / self.pixels < slices.least() {
            return false;
        }
        let Some(sliced) = slices.get(self.plan.kernels()) else {
            return false;
        };
        let buffers = self.buffers.get_or_insert_with(|| sliced.buffers());
        sliced.run(images, out, buffers);
        true
    }

    /// Returns whether [`Self::batch`] computes 64 images at once, and fewer where that is cheaper than
    /// one after another.
    #[cfg(feature = "std")]
    pub fn is_sliced(&self) -> bool {
        let get = |slices: &Arc<Slices>| slices.get(self.plan.kernels()).is_some();
        self.slices.as_ref().is_some_and(get)
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
