//! The embeddings of many images, each computed once.

use crate::data::Split;
use crate::model::Network;
use crate::tape::{Mode, Noise, Units};

use super::super::evaluate::Reading;

/// Draws of evaluation passes start here, as those of other evaluations do.
const FIRST_DRAW: u64 = 1 << 32;

/// Embeddings of some images of a split.
pub(super) struct Embeddings {
    width: usize,
    /// For each image of the split, its place; `u32::MAX` for one that was not embedded.
    places: Vec<u32>,
    numbers: Vec<f32>,
}

impl Embeddings {
    /// The embeddings of `indices` by the trained network: draw `draw` of stochastic units,
    /// whose noise is addressed by (`seed`, `step`) and the place of an image in the batches.
    pub fn of(
        net: &mut Network,
        split: &Split,
        indices: &[u32],
        reading: Reading,
        ((seed, step), draw): ((u64, u64), u64),
    ) -> Self {
        let before = (net.pass().mode, net.pass().units, net.pass().noise);
        net.pass_mut().mode = Mode::Eval;
        net.pass_mut().units = match reading {
            Reading::Samples(_) => Units::Sample,
            Reading::Threshold => Units::Threshold,
        };
        let mut found = Self {
            width: 0,
            places: vec![u32::MAX; split.len()],
            numbers: Vec::new(),
        };
        for (number, chunk) in indices.chunks(net.capacity()).enumerate() {
            net.set_rows(chunk.len());
            for (row, &i) in chunk.iter().enumerate() {
                net.set_image(row, split.image(i as usize));
            }
            net.pass_mut().noise = Noise {
                seed,
                step: step << 32 | number as u64,
                draw: FIRST_DRAW + draw,
            };
            net.forward();
            found.numbers.extend(net.embeddings());
            found.width = net.embeddings().len() / chunk.len();
        }
        for (place, &image) in (0..).zip(indices) {
            found.places[image as usize] = place;
        }
        let pass = net.pass_mut();
        (pass.mode, pass.units, pass.noise) = before;
        found
    }

    /// Numbers of an embedding.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The embedding of an image of the split.
    ///
    /// # Panics
    /// If it was not embedded.
    pub fn image(&self, image: u32) -> &[f32] {
        let place = self.places[image as usize] as usize;
        &self.numbers[place * self.width..][..self.width]
    }
}
