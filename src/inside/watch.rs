//! Showing images to a network, batch by batch.

use crate::data::Split;
use crate::model::Network;
use crate::tape::{Mode, Noise, Units};

/// How images are shown to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Stochastic units emit the likelier bit.
    Threshold,
    /// Stochastic units are sampled, with the noise of (seed, step). With those of a run's own
    /// test, bits are those that the test saw.
    Sample {
        /// The run's seed.
        seed: u64,
        /// The step that tells passes apart.
        step: u64,
    },
}

/// Draws of evaluation passes start here, as those of [`crate::train::Evaluator`] do.
const FIRST_DRAW: u64 = 1 << 32;

/// Shows the images of those numbers to the network, in evaluation, and calls `seen` after each
/// pass with the numbers of the images in its rows.
///
/// # Panics
/// If the split does not fit the network.
pub(super) fn watch(
    net: &mut Network,
    split: &Split,
    images: &[u32],
    pass: Pass,
    seen: &mut dyn FnMut(&Network, &[u32]),
) {
    let before = (net.pass().mode, net.pass().units, net.pass().noise);
    net.pass_mut().mode = Mode::Eval;
    for (number, chunk) in images.chunks(net.capacity()).enumerate() {
        match pass {
            Pass::Threshold => net.pass_mut().units = Units::Threshold,
            Pass::Sample { seed, step } => {
                net.pass_mut().units = Units::Sample;
                net.pass_mut().noise = Noise {
                    seed,
                    step: step << 32 | number as u64,
                    draw: FIRST_DRAW,
                };
            }
        }
        net.set_rows(chunk.len());
        for (row, &i) in chunk.iter().enumerate() {
            net.set_image(row, split.image(i as usize));
        }
        net.forward();
        seen(net, chunk);
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units, pass.noise) = before;
}

/// Draws `count` of the numbers below `of` without repetition, in ascending order; all of them
/// where there are no more.
pub(super) fn draw(of: usize, count: usize, key: &[u64]) -> Vec<u32> {
    let mut all: Vec<u32> = (0..of as u32).collect();
    if count < of {
        crate::random::shuffle(&mut crate::random::keyed(key), &mut all);
        all.truncate(count);
        all.sort_unstable();
    }
    all
}
