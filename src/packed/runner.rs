//! Running a packed network: one image at a time without allocation, or many on
//! every core.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::PackedNet;
use super::op::Reading;
use super::plan::Plan;
use super::scratch::Scratch;
use crate::kernels::Engine;

/// Images that a thread takes at a time.
const CHUNK: usize = 16;

/// A network ready to run, with the working memory of one thread. A clone shares
/// the prepared weights and has working memory of its own.
pub struct Runner {
    plan: Arc<Plan>,
    scratch: Scratch,
    reading: Reading,
    pixels: usize,
    classes: usize,
}

impl Clone for Runner {
    fn clone(&self) -> Self {
        Self {
            plan: self.plan.clone(),
            scratch: self.plan.scratch(),
            ..*self
        }
    }
}

impl PackedNet {
    /// A runner on those kernels: the weights are brought into the order that the
    /// kernels want, once.
    pub fn runner(&self, engine: Engine) -> Runner {
        let plan = Arc::new(Plan::new(self, engine.kernels));
        Runner {
            scratch: plan.scratch(),
            plan,
            reading: Reading::default(),
            pixels: self.input().len(),
            classes: self.classes(),
        }
    }
}

impl Runner {
    /// Bytes of an image.
    pub fn pixels(&self) -> usize {
        self.pixels
    }

    /// Classes, that is logits of an image.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How stochastic units are read from now on; thresholds, unless told.
    pub fn read_as(&mut self, reading: Reading) {
        self.reading = reading;
    }

    /// The logits of an image, bytes stored (height, width, channel). Allocates
    /// nothing.
    ///
    /// # Panics
    /// If the image or `out` has another size.
    pub fn logits(&mut self, image: &[u8], out: &mut [f32]) {
        assert_eq!(image.len(), self.pixels, "an image of another size");
        self.plan
            .run(image, self.reading, &mut self.scratch, |_| {});
        out.copy_from_slice(self.plan.logits(&self.scratch));
    }

    /// The class with the largest logit, the first of equals; `None` if any is NaN.
    ///
    /// # Panics
    /// If the image has another size.
    pub fn classify(&mut self, image: &[u8]) -> Option<usize> {
        assert_eq!(image.len(), self.pixels, "an image of another size");
        self.plan
            .run(image, self.reading, &mut self.scratch, |_| {});
        largest(self.plan.logits(&self.scratch))
    }

    /// The logits of many images, one after the other, on all threads of the
    /// current pool. Where units are sampled, image `i` has the noise of row `row +
    /// i`.
    ///
    /// # Panics
    /// If `images` are not whole images or `out` has not a row for each.
    pub fn batch(&self, images: &[u8], out: &mut [f32]) {
        assert!(images.len().is_multiple_of(self.pixels), "whole images");
        assert_eq!(out.len() / self.classes, images.len() / self.pixels);
        assert!(out.len().is_multiple_of(self.classes), "whole rows");
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

    /// The operations of a run: the stage that each belongs to, and its kind.
    pub fn operations(&self) -> Vec<(usize, &'static str)> {
        self.plan.operations().collect()
    }

    /// Runs an image and adds the time that each operation took.
    ///
    /// # Panics
    /// If the image has another size or `times` has not one for each operation.
    pub fn profile(&mut self, image: &[u8], times: &mut [Duration]) {
        assert_eq!(image.len(), self.pixels, "an image of another size");
        let mut begun = Instant::now();
        self.plan.run(image, self.reading, &mut self.scratch, |i| {
            let now = Instant::now();
            times[i] += now - begun;
            begun = now;
        });
    }

    /// What stage `i` made of the last image, (height, width, channel); bits are 0
    /// and 1, signs -1 and +1.
    ///
    /// # Panics
    /// If there is no such stage.
    pub fn output(&self, i: usize, out: &mut Vec<f32>) {
        self.plan.output(i, &self.scratch, out);
    }
}

impl Reading {
    /// The noise of a later row.
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

/// The place of the largest number, the first of equals; `None` if any is NaN.
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
