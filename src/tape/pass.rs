//! The settings, labels and signals of a pass over the tape.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::Rows;
use crate::kernels::Engine;
use crate::random;

/// The mode of a pass: which statistics batch norm uses, and whether buffers are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch norm uses batch statistics and updates its running statistics.
    Train,
    /// Batch norm uses its running statistics; no buffer is updated.
    Eval,
}

/// The mode in which stochastic binary units are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// A unit emits a Bernoulli sample.
    Sample,
    /// A unit emits its more likely bit, `[x > 0]`.
    Threshold,
}

/// The purpose of a backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The pass computes the gradient.
    Gradient,
    /// The pass is a preliminary one over the extra rows, in which binary units save the gradients
    /// of their outputs for a control variate. The gradients of parameters that it leaves are
    /// meaningless.
    ControlVariate,
}

/// The key of the noise of a pass. Every random number is a function of these three numbers, the
/// key of its layer and its sample, so that a pass can be repeated bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// Seed of the run.
    pub seed: u64,
    /// The optimiser step, or another number that identifies the pass.
    pub step: u64,
    /// Index of the draw at this step. By convention evaluation uses high numbers, so that it never
    /// reuses noise of training.
    pub draw: u64,
}

/// The relation between images and rows in values that depend on sampled units.
///
/// Row `(r·samples + k)·images + n` is particle `r` of sample `k` of image `n`. Particle 0 is the
/// sample itself; the *primary rows*, all of particle 0, come first. In the other particles the
/// network is evaluated at other values than the sample, as an estimator requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Number of images in use.
    pub images: usize,
    /// Number of samples per image.
    pub samples: usize,
    /// Number of particles per sample, which is the number of its rows.
    pub particles: usize,
}

impl Group {
    /// Returns the number of rows per image.
    pub fn size(&self) -> usize {
        self.samples * self.particles
    }

    /// Returns the number of rows in all.
    pub fn rows(&self) -> usize {
        self.images * self.size()
    }

    /// Returns the number of primary rows.
    pub fn primary(&self) -> usize {
        self.images * self.samples
    }

    /// Returns the index of the image that a row belongs to.
    pub fn image(&self, row: usize) -> usize {
        row % self.images
    }

    /// Returns the index of the particle that a row is.
    pub fn particle(&self, row: usize) -> usize {
        row / self.primary()
    }
}

/// The settings of a pass over the tape.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The kernels that are used.
    pub engine: Engine,
    /// The rows in use of the current node, and how they are split.
    pub rows: Rows,
    /// The relation between rows and images.
    pub group: Group,
    /// Training or evaluation mode.
    pub mode: Mode,
    /// Whether stochastic units are sampled or thresholded.
    pub units: Units,
    /// The purpose of a backward pass.
    pub phase: Phase,
    /// Whether a control-variate pass preceded this backward pass.
    pub grads_saved: bool,
    /// The slope `a` of every hard sigmoid, sigmoid and binary unit, by which their pre-activations
    /// are multiplied.
    pub slope: f32,
    /// The temperature of relaxed bits ([`crate::estimators::Gumbel`]).
    pub temperature: f32,
    /// The key of the noise.
    pub noise: Noise,
    /// Whether the samples of an image are all outcomes of its bits instead of draws: bit `i` of
    /// the network is bit `i` of the sample's index.
    pub enumerate: bool,
}

/// The labels of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// The class of each row. Callers set those of the images; those of further rows are copied
    /// from them.
    pub labels: Vec<u32>,
}

/// The learning signals of score-function estimators, with one number per row, which are set
/// between the forward and the backward pass ([`crate::estimators::Driver`]).
#[derive(Debug, Default)]
pub struct Signals {
    /// The loss of each row.
    pub losses: Vec<f32>,
    /// The baseline that score-function estimators subtract from the loss of each primary row.
    pub baselines: Vec<f32>,
    /// The weight of each primary row's loss in the objective: 1 / number of primary rows, or the
    /// probability of its outcome / number of images.
    pub weights: Vec<f32>,
    /// The gradient of the objective with respect to each row's loss.
    pub grad_output: Vec<f32>,
}

impl Pass {
    /// Returns the settings of a new tape for `capacity` images.
    pub fn new(engine: Engine, capacity: usize) -> Self {
        Self {
            engine,
            rows: Rows::new(capacity),
            group: Group {
                images: capacity,
                samples: 1,
                particles: 1,
            },
            mode: Mode::Train,
            units: Units::Sample,
            phase: Phase::Gradient,
            grads_saved: false,
            slope: 1.0,
            temperature: 1.0,
            noise: Noise {
                seed: 0,
                step: 0,
                draw: 0,
            },
            enumerate: false,
        }
    }

    /// Returns the primary rows in use, which are the samples.
    pub fn samples(&self) -> Rows {
        self.rows
            .with_live(self.rows.live.min(self.group.primary()))
    }

    /// Returns the generator of the noise of a sample, in the layer with that key. All particles of
    /// a sample share it; `row` may be any of their rows.
    pub fn noise(&self, key: usize, row: usize) -> Xoshiro256PlusPlus {
        let Noise { seed, step, draw } = self.noise;
        random::unit_noise((seed, step, draw), key, row % self.group.primary())
    }
}

impl Batch {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            labels: vec![0; rows],
        }
    }

    /// Copies the label of each image to all of its rows.
    pub(super) fn repeat_labels(&mut self, group: Group) {
        for row in group.images..group.rows() {
            self.labels[row] = self.labels[row - group.images];
        }
    }
}

impl Signals {
    pub(super) fn new(rows: usize) -> Self {
        let zeros = || vec![0.0; rows];
        Self {
            losses: zeros(),
            baselines: zeros(),
            weights: zeros(),
            grad_output: zeros(),
        }
    }
}
