//! Data sets: labelled images in memory, the loaders that read them, and the built-in digits.
//!
//! All random choices are keyed ([`crate::random`]): the validation split, the order of an epoch,
//! an augmented image and a built-in digit are pure functions of a seed and a position.

pub mod augment;
mod background;
mod border;
mod dataset;
pub mod digits;
pub mod episodes;
mod ground;
mod known;
mod order;
pub mod reading;
mod strokes;
#[doc(hidden)]
pub mod testing_set;

// Data sets in files.
#[cfg(feature = "idx")]
mod archive;
#[cfg(feature = "idx")]
mod choice;
#[cfg(feature = "idx")]
pub mod download;
#[cfg(feature = "idx")]
pub mod emnist;
#[cfg(feature = "idx")]
mod event;
#[cfg(feature = "idx")]
mod family;
mod fault;
#[cfg(feature = "formats")]
mod formats;
#[cfg(feature = "idx")]
mod gzip;
#[cfg(feature = "idx")]
mod hashing;
#[cfg(feature = "download")]
mod https;
#[cfg(feature = "idx")]
pub mod idx;
#[cfg(feature = "idx")]
mod idx_files;
#[cfg(feature = "idx")]
mod idx_parse;
#[cfg(feature = "idx")]
mod idx_write;
#[cfg(feature = "idx")]
mod loaded;
#[cfg(feature = "idx")]
pub mod mnist;
#[cfg(feature = "idx")]
mod mnist_files;
#[cfg(feature = "idx")]
pub mod omniglot;
#[cfg(feature = "idx")]
mod opened;
// Modules that the command line uses.
#[cfg(feature = "idx")]
#[doc(hidden)]
pub mod place;
#[cfg(feature = "idx")]
pub mod public;
#[cfg(feature = "idx")]
pub mod recorded;
#[cfg(feature = "idx")]
mod sets;
#[cfg(feature = "idx")]
mod source;
#[cfg(feature = "idx")]
mod stream;
#[cfg(all(test, feature = "idx"))]
pub(crate) mod testing;
#[cfg(feature = "idx")]
pub mod web;

// Pictures given by the user, and pictures of samples.
#[cfg(feature = "pictures")]
pub mod contact_sheet;
#[cfg(feature = "pictures")]
mod orientation;
pub mod picture;
pub mod preprocess;
#[cfg(feature = "pictures")]
pub mod raster;

pub use augment::Augment;
pub use background::Background;
#[cfg(feature = "idx")]
pub use choice::DatasetChoice;
pub use dataset::{Contents, Dataset};
#[cfg(feature = "idx")]
pub use event::Event;
pub use fault::Fault;
#[cfg(feature = "formats")]
pub use formats::{album, answers, held_out};
pub use ground::Ground;
pub(crate) use known::FINGERPRINT as MNIST_FINGERPRINT;
#[cfg(feature = "idx")]
pub use loaded::Loaded;
pub use order::{epoch_order, validation_split};
#[cfg(feature = "idx")]
pub use source::{load, load_with, meant, read_files};

use ndarray::{Array4, ArrayView4};
use rayon::prelude::*;

use crate::error::{Error, Result};

/// Labelled images of one shape, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// (N, height, width, channels), in standard (row-major) layout.
    images: Array4<u8>,
    labels: Vec<u32>,
}

impl Split {
    /// Joins `images` (N, H, W, C) and their `labels`, one per image.
    ///
    /// # Errors
    /// [`Error::Spec`] if there are no pixels, the numbers of images and labels differ, or there
    /// are more than `u32::MAX` images.
    pub fn new(images: Array4<u8>, labels: Vec<u32>) -> Result<Self> {
        let count = images.dim().0;
        if images.is_empty() {
            return Err(Error::spec(format!(
                "images of shape {:?} hold no pixels; every dimension must be at least 1",
                images.dim()
            )));
        }
        if count != labels.len() {
            return Err(Error::spec(format!(
                "{count} images have {} labels; each image needs one",
                labels.len()
            )));
        }
        if u32::try_from(count).is_err() {
            return Err(Error::spec(format!(
                "{count} images are too many; the limit is {}",
                u32::MAX
            )));
        }
        let images = if images.is_standard_layout() {
            images
        } else {
            images.as_standard_layout().into_owned()
        };
        Ok(Self { images, labels })
    }

    /// Makes a split from consecutive images: `pixels` holds the bytes of each image, of `shape`
    /// (height, width, channels), stored as (height, width, channel); `labels` holds one class per
    /// image, counted from 0. Slices are copied.
    ///
    /// ```
    /// use bnn_cpu::data::Split;
    ///
    /// # fn main() -> bnn_cpu::Result<()> {
    /// // Two grey images of two rows and three columns, of the classes 0 and 1.
    /// let pixels = [0, 0, 0, 255, 255, 255, 9, 0, 9, 0, 9, 0];
    /// let split = Split::from_pixels((2, 3, 1), pixels, [0, 1])?;
    /// assert_eq!((split.len(), split.image(1)), (2, &pixels[6..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Spec`] if the number of pixels is not that of one image per label, and as
    /// [`Split::new`].
    pub fn from_pixels(
        shape: (usize, usize, usize),
        pixels: impl Into<Vec<u8>>,
        labels: impl Into<Vec<u32>>,
    ) -> Result<Self> {
        let (pixels, labels) = (pixels.into(), labels.into());
        let (height, width, channels) = shape;
        let found = pixels.len();
        // This also refuses a shape whose size in bytes overflows.
        let images = Array4::from_shape_vec((labels.len(), height, width, channels), pixels);
        let images = images.map_err(|_| {
            Error::spec(format!(
                "{found} pixels are not those of {} images of {}, one for each label; give height·width·channels pixels an image",
                labels.len(),
                shape_text(shape)
            ))
        })?;
        Self::new(images, labels)
    }

    /// Returns the number of images, which is at least one.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns false always: a split without images cannot be made.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns (height, width, channels) of every image.
    pub fn shape(&self) -> (usize, usize, usize) {
        let (_, height, width, channels) = self.images.dim();
        (height, width, channels)
    }

    /// Returns all images as an array (N, H, W, C).
    pub fn images(&self) -> ArrayView4<'_, u8> {
        self.images.view()
    }

    /// Returns all pixels, stored as (N, H, W, C).
    pub fn pixels(&self) -> &[u8] {
        self.images
            .as_slice()
            .expect("the constructor keeps standard layout")
    }

    /// Returns the pixels of image `i`, stored as (H, W, C). Panics if `i >= len()`.
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.pixels().len() / self.len();
        &self.pixels()[i * size..][..size]
    }

    /// Returns the label of image `i`. Panics if `i >= len()`.
    pub fn label(&self, i: usize) -> u32 {
        self.labels[i]
    }

    /// Returns all labels, one per image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
}

/// The normalisation of pixels x of 0..=255: `(x / 255 - mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Mean of x / 255 over the training pixels.
    pub mean: f32,
    /// Standard deviation of x / 255 over the training pixels; positive.
    pub std: f32,
}

impl Normalisation {
    /// Computes mean and standard deviation of `split`, over all pixels and channels together.
    ///
    /// The sums are exact integers, so the result does not depend on the order of summation. If all
    /// pixels have the same value, `std` is 1, so that no division by 0 occurs.
    pub fn of(split: &Split) -> Self {
        Self::of_histogram(&histogram(split.pixels()))
    }

    /// Computes mean and standard deviation of each channel of `split`.
    pub fn of_each(split: &Split) -> Vec<Self> {
        let (_, _, channels) = split.shape();
        let mut histograms = vec![[0_u64; 256]; channels];
        for pixel in split.pixels().chunks_exact(channels.max(1)) {
            for (histogram, &byte) in histograms.iter_mut().zip(pixel) {
                histogram[usize::from(byte)] += 1;
            }
        }
        histograms.iter().map(Self::of_histogram).collect()
    }

    /// Computes mean and standard deviation from the number of occurrences of each byte.
    fn of_histogram(histogram: &[u64; 256]) -> Self {
        let (mut count, mut sum, mut squares) = (0_u128, 0_u128, 0_u128);
        for (value, &times) in (0_u128..).zip(histogram) {
            count += u128::from(times);
            sum += value * u128::from(times);
            squares += value * value * u128::from(times);
        }
        // Variance = (count * squares - sum^2) / count^2; up to here all numbers are exact.
        let spread = (count * squares - sum * sum) as f64;
        let std = spread.sqrt() / count as f64 / 255.0;
        Self {
            mean: (sum as f64 / count as f64 / 255.0) as f32,
            std: if std > 0.0 { std as f32 } else { 1.0 },
        }
    }
}

/// Returns how often each byte occurs.
fn histogram(bytes: &[u8]) -> [u64; 256] {
    // A counter that the byte before has raised has to be waited for, and most pixels of a digit are
    // black: eight tables take turns.
    const TABLES: usize = 8;
    let of_part = |part: &[u8]| {
        let mut tables = [[0_u32; 256]; TABLES];
        for bytes in part.chunks(TABLES) {
            for (table, &byte) in tables.iter_mut().zip(bytes) {
                table[usize::from(byte)] += 1;
            }
        }
        std::array::from_fn(|byte| tables.iter().map(|table| u64::from(table[byte])).sum())
    };
    let sum = |a: [u64; 256], b: [u64; 256]| std::array::from_fn(|byte| a[byte] + b[byte]);
    bytes
        .par_chunks(1 << 20)
        .map(of_part)
        .reduce(|| [0; 256], sum)
}

/// Writes a shape (height, width, channels) as "28x28" or, with several channels, "32x32x3".
pub(crate) fn shape_text((height, width, channels): (usize, usize, usize)) -> String {
    if channels == 1 {
        format!("{height}x{width}")
    } else {
        format!("{height}x{width}x{channels}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(values: &[u8], labels: &[u32]) -> Split {
        let images = Array4::from_shape_vec((labels.len(), 1, 2, 1), values.to_vec()).unwrap();
        Split::new(images, labels.to_vec()).unwrap()
    }

    #[test]
    fn every_byte_is_counted() {
        for len in [0_u64, 1, 7, 8, 9, (1 << 20) + 5] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * i % 251) as u8).collect();
            let mut wanted = [0; 256];
            bytes
                .iter()
                .for_each(|&byte| wanted[usize::from(byte)] += 1);
            assert_eq!(histogram(&bytes), wanted, "{len} bytes");
        }
    }

    #[test]
    fn a_split_hands_out_its_images_and_labels() {
        let split = split(&[1, 2, 3, 4, 5, 6], &[7, 8, 9]);
        assert_eq!((split.len(), split.shape()), (3, (1, 2, 1)));
        assert_eq!((split.image(1), split.label(1)), (&[3, 4][..], 8));
        assert_eq!(split.images()[(2, 0, 1, 0)], 6);
    }

    #[test]
    fn a_transposed_array_is_laid_out_anew() {
        let planar = Array4::from_shape_vec((1, 2, 1, 2), vec![1, 2, 3, 4]).unwrap();
        let images = planar.permuted_axes([0, 2, 3, 1]);
        let split = Split::new(images, vec![0]).unwrap();
        assert_eq!(split.shape(), (1, 2, 2));
        assert_eq!(split.image(0), [1, 3, 2, 4]);
    }

    #[test]
    fn impossible_splits_are_refused() {
        assert!(Split::new(Array4::zeros((2, 1, 1, 1)), vec![0]).is_err());
        assert!(Split::new(Array4::zeros((0, 1, 1, 1)), vec![]).is_err());
        assert!(Split::new(Array4::zeros((1, 0, 1, 1)), vec![0]).is_err());
    }

    #[test]
    fn pixels_that_are_no_images_are_refused_in_a_line() {
        let line = |shape, pixels: usize, labels: usize| {
            let split = Split::from_pixels(shape, vec![0; pixels], vec![0; labels]);
            split.unwrap_err().to_string()
        };
        assert_eq!(
            line((2, 3, 1), 11, 2),
            "11 pixels are not those of 2 images of 2x3, one for each label; give height·width·channels pixels an image"
        );
        assert!(line((2, 3, 4), 12, 2).contains("2 images of 2x3x4"));
        assert!(line((usize::MAX, 2, 2), 0, 2).contains("0 pixels"));
        assert!(line((2, 0, 1), 0, 2).contains("no pixels"));
        assert!(line((2, 2, 1), 0, 0).contains("no pixels"));
        let split = Split::from_pixels((1, 2, 2), [1, 2, 3, 4], [5]).unwrap();
        assert_eq!((split.shape(), split.label(0)), ((1, 2, 2), 5));
        assert_eq!(split.images()[(0, 0, 1, 0)], 3);
    }

    #[test]
    fn each_channel_has_figures_of_its_own() {
        // Two pixels of three channels in each of two images.
        let bytes = [255, 0, 51, 0, 0, 51, 255, 255, 51, 255, 0, 51];
        let images = Array4::from_shape_vec((2, 1, 2, 3), bytes.to_vec()).unwrap();
        let colour = Split::new(images, vec![0, 1]).unwrap();
        let each = Normalisation::of_each(&colour);
        for (c, figures) in each.iter().enumerate() {
            let own: Vec<u8> = bytes.iter().skip(c).step_by(3).copied().collect();
            assert_eq!(*figures, Normalisation::of(&split(&own, &[0, 0])));
        }
        assert_eq!((each[0].mean, each[2].std), (0.75, 1.0));
        let grey = split(&[0, 255, 7, 9], &[0, 0]);
        assert_eq!(Normalisation::of_each(&grey), [Normalisation::of(&grey)]);
    }

    #[test]
    fn normalisation_is_the_mean_and_the_population_deviation() {
        let figures = Normalisation::of(&split(&[0, 255, 0, 255, 255, 255], &[0, 0, 0]));
        assert!((figures.mean - 4.0 / 6.0).abs() < 1e-6);
        assert!((figures.std - (2.0_f32 / 9.0).sqrt()).abs() < 1e-6);
        let flat = Normalisation::of(&split(&[51, 51], &[0]));
        assert!((flat.mean - 0.2).abs() < 1e-6);
        assert_eq!(flat.std, 1.0);
    }
}
