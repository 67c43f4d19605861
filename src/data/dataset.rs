//! A data set: training images, test images, and what is known of them.
//!
//! **Invariant:** a data set is identified by its content and not by its name. The name, the
//! normalisation and the fingerprint are determined from the images when the data set is made, and
//! the images cannot be changed afterwards.

use std::ops::Deref;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::reading::Source;
use super::{Background, Ground, Normalisation, Split, border, known, shape_text};
use crate::error::{Error, Result};

/// The content of a data set. It is read through a [`Dataset`], which does not allow changes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Contents {
    /// Name of the data set, as reports show it.
    pub name: String,
    /// Number of classes; every label is below it.
    pub classes: usize,
    /// Names of the classes, in the order of their labels; empty if the files do not name the
    /// classes.
    pub class_names: Vec<String>,
    /// Where the data set was read, if that has to be stated to find it again.
    pub source: Option<Source>,
    /// Training images, of which some may be held out for validation.
    pub train: Split,
    /// Test images, which a run evaluates once.
    pub test: Split,
}

/// A training set and a test set of images with one shape.
///
/// A data set dereferences to [`Contents`], whose fields can be read and not changed:
///
/// ```
/// let digits = bnn_cpu::data::digits::generate(1, 20, 10);
/// assert_eq!((digits.train.len(), digits.test.len()), (20, 10));
/// ```
///
/// ```compile_fail
/// let mut digits = bnn_cpu::data::digits::generate(1, 20, 10);
/// digits.train = digits.test.clone();
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    contents: Contents,
    normalisation: Normalisation,
    fingerprint: OnceLock<String>,
    border: OnceLock<(Background, Ground)>,
}

impl Deref for Dataset {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.contents
    }
}

impl Dataset {
    /// Joins a training set and a test set of labelled images in memory ([`Split::new`] makes one
    /// from an array (n, height, width, channels), [`Split::from_pixels`] from bytes). `classes` is
    /// the number of classes; labels count from 0.
    ///
    /// If the images are MNIST's, the data set is named MNIST and has MNIST's published
    /// normalisation, whatever `name` is. Any other data set is normalised by the mean and the
    /// standard deviation of `train`; if `name` could be mistaken for MNIST or for the built-in
    /// digits, "(other data)" is appended.
    ///
    /// # Errors
    /// [`Error::Spec`] if the image shapes of the two sets differ or a label is not below
    /// `classes`.
    pub fn new(name: &str, classes: usize, train: Split, test: Split) -> Result<Self> {
        Ok(Self::named(name, classes, train, test)?.renamed(name))
    }

    /// As [`Dataset::new`], without a check of the name.
    pub(super) fn named(name: &str, classes: usize, train: Split, test: Split) -> Result<Self> {
        Self::identified(name, classes, train, test, OnceLock::new())
    }

    /// MNIST, of which a caller has compared the SHA-256 of each file. The files determine the
    /// fingerprint, which is therefore not computed again.
    #[cfg(feature = "idx")]
    pub(super) fn verified_mnist(train: Split, test: Split) -> Result<Self> {
        let fingerprint = OnceLock::from(known::FINGERPRINT.to_string());
        Self::identified(known::NAME, 10, train, test, fingerprint)
    }

    fn identified(
        name: &str,
        classes: usize,
        train: Split,
        test: Split,
        fingerprint: OnceLock<String>,
    ) -> Result<Self> {
        if train.shape() != test.shape() {
            return Err(Error::spec(format!(
                "training images are {} and test images {}; they must have one shape",
                shape_text(train.shape()),
                shape_text(test.shape())
            )));
        }
        for (part, split) in [("training", &train), ("test", &test)] {
            let beyond = |&label: &u32| label as usize >= classes;
            if let Some(i) = split.labels().iter().position(beyond) {
                return Err(Error::spec(format!(
                    "{part} label {} (image {i}) is outside the {classes} classes, which count from 0",
                    split.label(i)
                )));
            }
        }
        let contents = Contents {
            name: name.to_string(),
            classes,
            class_names: Vec::new(),
            source: None,
            train,
            test,
        };
        let mut dataset = Self {
            normalisation: known::NORMALISATION,
            contents,
            fingerprint,
            border: OnceLock::new(),
        };
        if !(dataset.may_be_mnist() && dataset.is_mnist()) {
            dataset.normalisation = Normalisation::of(&dataset.train);
        }
        Ok(dataset)
    }

    /// Returns the same data set under another name, by the rules of [`Dataset::new`].
    #[must_use]
    pub fn renamed(mut self, name: &str) -> Self {
        self.contents.name = if self.may_be_mnist() && self.is_mnist() {
            known::NAME.into()
        } else if [known::NAME, known::DIGITS]
            .iter()
            .any(|other| letters(other) == letters(name))
        {
            format!("{name} (other data)")
        } else {
            name.into()
        };
        self
    }

    /// Returns the same data set with a remark appended to its name in brackets, as in `digits (not
    /// the run's MNIST)`.
    #[must_use]
    pub fn marked(mut self, remark: &str) -> Self {
        self.contents.name += &format!(" ({remark})");
        self
    }

    /// Returns the same data set with a name for each class, in the order of the labels. An empty
    /// `names` removes the names.
    ///
    /// # Errors
    /// [`Error::Spec`] if `names` is not empty and its length is not the number of classes.
    pub fn with_class_names(mut self, names: Vec<String>) -> Result<Self> {
        if !names.is_empty() && names.len() != self.classes {
            return Err(Error::spec(format!(
                "{} names were given for {} classes; give one for each",
                names.len(),
                self.classes
            )));
        }
        self.contents.class_names = names;
        Ok(self)
    }

    /// Returns the same data set with the place where it was read.
    #[must_use]
    pub fn read_from(mut self, source: Option<Source>) -> Self {
        self.contents.source = source;
        self
    }

    /// Returns the SHA-256 of all images and labels, in hexadecimal. Two data sets with the same
    /// fingerprint are the same to a network. It is computed at the first call and kept.
    pub fn fingerprint(&self) -> String {
        self.kept_fingerprint().to_string()
    }

    fn kept_fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| {
            let mut hash = Sha256::new();
            for split in [&self.train, &self.test] {
                let (height, width, channels) = split.shape();
                for size in [split.len(), height, width, channels] {
                    hash.update((size as u64).to_le_bytes());
                }
                hash.update(split.pixels());
                for label in split.labels() {
                    hash.update(label.to_le_bytes());
                }
            }
            hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
        })
    }

    /// Returns whether all images and labels are MNIST's, in MNIST's order.
    pub fn is_mnist(&self) -> bool {
        self.kept_fingerprint() == known::FINGERPRINT
    }

    /// Returns whether the counts and the image shape are MNIST's. If they are not, the set is not
    /// MNIST and its fingerprint need not be computed.
    fn may_be_mnist(&self) -> bool {
        (self.train.len(), self.test.len(), self.shape()) == (60_000, 10_000, (28, 28, 1))
    }

    /// Returns the normalisation of each channel of the input. For images of one channel this is
    /// [`Self::normalisation`] alone; otherwise each has the mean and deviation of its channel in
    /// the training images.
    pub fn normalisations(&self) -> Vec<Normalisation> {
        match self.shape() {
            (_, _, 1) => vec![self.normalisation],
            _ => Normalisation::of_each(&self.train),
        }
    }

    /// Returns the normalisation that is common to all channels of the input.
    pub fn normalisation(&self) -> Normalisation {
        self.normalisation
    }

    /// Returns the background of the training images, by [`Background::of`]. It is computed at the
    /// first call and kept, together with [`Self::ground`].
    pub fn background(&self) -> Background {
        self.border().0
    }

    /// Returns the ground of the training images, by [`Ground::of`].
    pub fn ground(&self) -> &Ground {
        &self.border().1
    }

    fn border(&self) -> &(Background, Ground) {
        self.border.get_or_init(|| {
            let counts = border::counts(&self.train);
            (Background::of_counts(&counts), Ground::of_counts(&counts))
        })
    }

    /// Returns (height, width, channels) of every image.
    pub fn shape(&self) -> (usize, usize, usize) {
        self.train.shape()
    }
}

/// Returns the letters and digits of a name in lower case, by which similar names are recognised.
fn letters(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
