//! The validation split, and the order in which an epoch visits the training samples.

use super::Split;
use crate::error::{Error, Result};
use crate::random::{keyed, purpose, shuffle};

/// Splits `0..n` at random into `(train, validation)`, both in ascending order.
///
/// The validation part has `round(n * fraction)` members. The split depends on `n`, `fraction` and
/// `seed` only.
///
/// # Errors
/// [`Error::Spec`] if `fraction` is not in `[0, 1)`, or no training sample would be left.
pub fn validation_split(n: usize, fraction: f64, seed: u64) -> Result<(Vec<u32>, Vec<u32>)> {
    if !(0.0..1.0).contains(&fraction) {
        return Err(Error::spec(format!(
            "a validation fraction of {fraction} is impossible; choose one from 0 up to but not including 1"
        )));
    }
    let count = u32::try_from(n).map_err(|_| {
        Error::spec(format!(
            "{n} samples are too many; the limit is {}",
            u32::MAX
        ))
    })?;
    let held_out = (n as f64 * fraction).round() as usize;
    if held_out >= n {
        return Err(Error::spec(format!(
            "a validation fraction of {fraction} leaves none of {n} samples to train on; choose a smaller one"
        )));
    }
    let mut validation: Vec<u32> = (0..count).collect();
    shuffle(&mut keyed(&[purpose(b"validate"), seed]), &mut validation);
    let mut train = validation.split_off(held_out);
    train.sort_unstable();
    validation.sort_unstable();
    Ok((train, validation))
}

/// Returns the order in which epoch number `epoch` visits `indices`.
///
/// The order depends on `(seed, epoch)` and `indices` only, so a resumed run needs no state of a
/// random number generator to continue exactly as an uninterrupted one.
pub fn epoch_order(indices: &[u32], seed: u64, epoch: u64) -> Vec<u32> {
    let mut order = indices.to_vec();
    shuffle(
        &mut keyed(&[purpose(b"epoch\0\0\0"), seed, epoch]),
        &mut order,
    );
    order
}

impl Split {
    /// Returns an iterator over batches of up to `size` images in a random order that `seed`
    /// determines. A batch is its pixels, stored as (N, height, width, channel), and its labels.
    /// The last batch may be smaller.
    ///
    /// # Panics
    /// Panics if `size` is 0.
    pub fn batches(
        &self,
        size: usize,
        seed: u64,
    ) -> impl Iterator<Item = (Vec<u8>, Vec<u32>)> + '_ {
        assert!(size > 0, "a batch has an image at least");
        let all: Vec<u32> = (0..self.len() as u32).collect();
        let order = epoch_order(&all, seed, 0);
        let count = order.len().div_ceil(size);
        (0..count).map(move |i| {
            let batch = &order[i * size..order.len().min((i + 1) * size)];
            let images = batch.iter().flat_map(|&i| self.image(i as usize));
            let labels = batch.iter().map(|&i| self.label(i as usize)).collect();
            (images.copied().collect(), labels)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_a_partition_of_the_asked_size() {
        let (train, validation) = validation_split(60_000, 0.1, 3).unwrap();
        assert_eq!((train.len(), validation.len()), (54_000, 6_000));
        let mut all = [train, validation].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..60_000));
    }

    #[test]
    fn a_split_rounds_and_spreads_and_is_keyed() {
        let (train, validation) = validation_split(15, 0.1, 0).unwrap();
        assert_eq!((train.len(), validation.len()), (13, 2));
        let (_, validation) = validation_split(10_000, 0.5, 1).unwrap();
        let low = validation.iter().filter(|&&i| i < 5_000).count();
        assert!(low.abs_diff(2_500) < 250, "{low}");
        let (_, again) = validation_split(10_000, 0.5, 1).unwrap();
        let (_, other) = validation_split(10_000, 0.5, 2).unwrap();
        assert_eq!(validation, again);
        assert_ne!(validation, other);
    }

    #[test]
    fn impossible_fractions_are_refused() {
        for fraction in [-0.1, 1.0, 2.0, f64::NAN, f64::INFINITY] {
            assert!(validation_split(10, fraction, 0).is_err(), "{fraction}");
        }
        assert!(validation_split(1, 0.6, 0).is_err());
        assert!(validation_split(0, 0.0, 0).is_err());
        assert_eq!(
            validation_split(3, 0.0, 0).unwrap(),
            (vec![0, 1, 2], vec![])
        );
    }

    #[test]
    fn an_epoch_visits_each_index_once_in_its_own_order() {
        let indices: Vec<u32> = (100..1_100).collect();
        let first = epoch_order(&indices, 5, 1);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, indices);
        assert_ne!(first, indices);
        assert_eq!(first, epoch_order(&indices, 5, 1));
        assert_ne!(first, epoch_order(&indices, 5, 2));
        assert_ne!(first, epoch_order(&indices, 6, 1));
        assert!(epoch_order(&[], 5, 1).is_empty());
    }
}
