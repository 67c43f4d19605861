//! The interface of the operations of a packed network.

use super::scratch::Scratch;
use crate::kernels::Inference;
use crate::random;

/// The mode in which stochastic units are evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// A unit emits `[x > 0]`.
    #[default]
    Threshold,
    /// A unit emits random bits, whose noise has the key (seed, step, draw, unit, row); see
    /// [`crate::random::unit_noise`].
    Sample {
        /// Seed of the run.
        seed: u64,
        /// Index of the forward pass.
        step: u64,
        /// Index of the draw within the forward pass.
        draw: u64,
        /// Index of the row in the batch.
        row: usize,
    },
}

impl Reading {
    pub(super) fn noise(self, node: usize) -> Option<rand_xoshiro::Xoshiro256PlusPlus> {
        match self {
            Reading::Threshold => None,
            Reading::Sample {
                seed,
                step,
                draw,
                row,
            } => Some(random::unit_noise((seed, step, draw), node, row)),
        }
    }
}

/// The arguments of an operation: image, kernels, mode and buffers.
pub(super) struct Cx<'a> {
    pub image: &'a [u8],
    pub kernels: &'static Inference,
    pub reading: Reading,
    pub s: &'a mut Scratch,
}

/// An operation on one image.
pub(super) trait Op: Send + Sync {
    /// Returns the name of the operation's kind, for profiles.
    fn name(&self) -> &'static str;

    /// Executes the operation.
    fn run(&self, cx: &mut Cx<'_>);
}
