//! What an operation of a packed network is.

use super::scratch::Scratch;
use crate::kernels::Kernels;
use crate::random;

/// How stochastic units are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As `[x > 0]`.
    #[default]
    Threshold,
    /// As samples, whose noise has this address; see [`crate::random::unit_noise`].
    Sample {
        /// The run's seed.
        seed: u64,
        /// Which pass.
        step: u64,
        /// Which draw of the pass.
        draw: u64,
        /// Which row of the batch.
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

/// What an operation is given.
pub(super) struct Cx<'a> {
    pub image: &'a [u8],
    pub kernels: &'static Kernels,
    pub reading: Reading,
    pub s: &'a mut Scratch,
}

/// One operation on one image.
pub(super) trait Op: Send + Sync {
    /// Its kind, for profiles.
    fn name(&self) -> &'static str;

    /// Does it.
    fn run(&self, cx: &mut Cx<'_>);
}
