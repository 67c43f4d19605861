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

/// `count` of the numbers below `of`, evenly spread over them, so that a set in the order of its
/// classes shows all of them; every number where there are no more.
pub fn spread(of: usize, count: usize) -> Vec<u32> {
    let count = count.min(of);
    (0..count).map(|i| (i * of / count) as u32).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_spread_over_the_set_or_drawn_from_it() {
        assert_eq!(spread(10, 4), [0, 2, 5, 7]);
        assert_eq!((spread(3, 9), spread(0, 5).len()), (vec![0, 1, 2], 0));
        let drawn = draw(100, 10, &[1, 2]);
        assert!(drawn.len() == 10 && drawn.windows(2).all(|w| w[0] < w[1]));
        assert_eq!(drawn, draw(100, 10, &[1, 2]));
        assert_ne!(drawn, draw(100, 10, &[1, 3]));
        assert_eq!(draw(3, 9, &[1]), [0, 1, 2]);
    }
}
