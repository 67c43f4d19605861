//! The images of a step on their way into the network.

use super::config::Config;
use crate::data::augment;
use crate::data::{Augment, Split};
use crate::model::Network;

/// One image on its way into a batch, and what augmentation needs.
#[derive(Default)]
pub(super) struct Scratch {
    image: Vec<u8>,
    augment: augment::Scratch,
}

/// Puts the images `batch` into the network, augmented as the run says.
pub(super) fn fill(
    net: &mut Network,
    split: &Split,
    batch: &[u32],
    scratch: &mut [Scratch],
    config: &Config,
    epoch: usize,
) {
    net.set_rows(batch.len());
    let labels = &mut net.batch_mut().labels;
    for (label, &i) in labels.iter_mut().zip(batch) {
        *label = split.label(i as usize);
    }
    let (height, width, channels) = split.shape();
    net.set_images(scratch, |row, scratch, put| {
        let i = batch[row] as usize;
        let image = split.image(i);
        if config.augment == Augment::None {
            return put(image);
        }
        scratch.image.resize(image.len(), 0);
        config.augment.apply(
            config.seed,
            epoch as u64,
            i as u64,
            image,
            (height, width, channels),
            &config.dataset.ground,
            &mut scratch.image,
            &mut scratch.augment,
        );
        put(&scratch.image);
    });
}
