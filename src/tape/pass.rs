//! What a pass over the tape is told.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::Rows;
use crate::kernels::Engine;
use crate::random;

/// Which statistics batch norm uses, and whether buffers are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics are updated.
    Train,
    /// Running statistics; nothing is updated.
    Eval,
}

/// What a stochastic binary unit emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// A Bernoulli sample.
    Sample,
    /// The more likely bit: the deterministic reading `[x > 0]`.
    Threshold,
}

/// What a replay backwards is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The gradient.
    Gradient,
    /// A first replay of the extra rows alone, in which binary units save the
    /// gradients of their outputs for a control variate; the gradients of
    /// parameters that it leaves behind mean nothing.
    ControlVariate,
}

/// Which noise a pass draws. Every random number is a function of these three, the key of its
/// layer and its sample, so that a pass can be repeated to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step, or any number that tells passes apart.
    pub step: u64,
    /// Which draw of several at the same step (and, by convention, high numbers
    /// for evaluation, so that it never reuses training noise).
    pub draw: u64,
}

/// How the rows above the first sampling layer belong to images.
///
/// Row `(r·samples + k)·images + n` is particle `r` of sample `k` of image `n`.
/// Particle 0 is the sample itself; the *primary rows*, all of particle 0, come
/// first. The other particles evaluate the network at something else than the
/// sample, for an estimator's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The number of live images.
    pub images: usize,
    /// The number of samples of an image.
    pub samples: usize,
    /// The number of particles of a sample, and so of its rows.
    pub particles: usize,
}

impl Group {
    /// The number of rows of an image.
    pub fn size(&self) -> usize {
        self.samples * self.particles
    }

    /// The number of rows in all.
    pub fn rows(&self) -> usize {
        self.images * self.size()
    }

    /// The number of primary rows.
    pub fn primary(&self) -> usize {
        self.images * self.samples
    }

    /// The image of a row.
    pub fn image(&self, row: usize) -> usize {
        row % self.images
    }

    /// The particle that a row is.
    pub fn particle(&self, row: usize) -> usize {
        row / self.primary()
    }
}

/// Everything that a pass over the tape is told beside its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The kernels in use.
    pub engine: Engine,
    /// The live rows of the node at work, and how they are cut.
    pub rows: Rows,
    /// How rows belong to images.
    pub group: Group,
    /// Training or evaluation.
    pub mode: Mode,
    /// Samples or thresholds.
    pub units: Units,
    /// What a replay backwards is for.
    pub phase: Phase,
    /// Whether a control-variate pass came before this replay.
    pub grads_saved: bool,
    /// The slope `a` of every hard sigmoid, sigmoid and binary unit: their pre-activations are
    /// multiplied by it.
    pub slope: f32,
    /// The temperature of relaxed bits ([`crate::estimators::Gumbel`]).
    pub temperature: f32,
    /// Which noise the pass draws.
    pub noise: Noise,
    /// Whether the samples of an image are all outcomes of its bits instead of draws:
    /// bit `i` of the network is bit `i` of the sample's number.
    pub enumerate: bool,
}

/// What a batch is labelled with.
#[derive(Debug, Default)]
pub struct Batch {
    /// The class of each row; those of the images are set, the rest follows.
    pub labels: Vec<u32>,
}

/// What score-function estimators learn from, a number for each row; set between
/// `forward` and `backward` ([`crate::estimators::Driver`]).
#[derive(Debug, Default)]
pub struct Signals {
    /// The loss of each row.
    pub losses: Vec<f32>,
    /// The baseline that score-function estimators subtract from the loss of each primary row.
    pub baselines: Vec<f32>,
    /// The weight of each primary row's loss in the objective: one over the primary rows,
    /// or the probability of its outcome over the images.
    pub weights: Vec<f32>,
    /// The gradient of the objective with respect to each row's loss.
    pub grad_output: Vec<f32>,
}

impl Pass {
    /// The settings of a new tape for `capacity` images.
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

    /// The live primary rows: samples, not what an estimator evaluates beside them.
    pub fn samples(&self) -> Rows {
        self.rows
            .with_live(self.rows.live.min(self.group.primary()))
    }

    /// The generator of the noise of a sample in the layer with that key. All particles
    /// of a sample share it; `row` may be any of their rows.
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

    /// Gives every row its image's label.
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
