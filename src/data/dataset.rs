//! A data set: images to learn from, images to test on, and what they are.
//!
//! **Invariant:** a set is what its content says, never what it is called. Its name,
//! its normalisation and its fingerprint are settled from the images when it is made,
//! and the images cannot be changed afterwards.

use std::ops::Deref;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::reading::Source;
use super::{Normalisation, Split, known, shape_text};
use crate::error::{Error, Result};

/// What a data set holds. It is read through a [`Dataset`], which lets nobody change it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Contents {
    /// What a report calls it.
    pub name: String,
    /// How many classes there are; every label is below it.
    pub classes: usize,
    /// What the classes are called, in the order of their numbers; empty where the files
    /// do not say.
    pub class_names: Vec<String>,
    /// Where the set was read, where that has to be named to find it again.
    pub source: Option<Source>,
    /// The images to learn from (and to hold some out of, for validation).
    pub train: Split,
    /// The images to test on, once.
    pub test: Split,
}

/// A training set and a test set of one image shape.
///
/// Its fields are those of [`Contents`], for reading only:
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
}

impl Deref for Dataset {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.contents
    }
}

impl Dataset {
    /// Joins a training and a test set, each of labelled images in memory
    /// ([`Split::new`] from an array (n, height, width, channels), [`Split::from_pixels`]
    /// from bytes); `classes` is how many classes there are, and labels count from 0.
    ///
    /// MNIST's images are called MNIST and have its published normalisation, whatever
    /// `name` is. Any other set has the normalisation of `train`, and a name that would
    /// make it pass for MNIST or for the built-in digits gets "(other data)" after it.
    ///
    /// # Errors
    /// [`Error::Spec`] when the image shapes differ or a label is not below
    /// `classes`.
    pub fn new(name: &str, classes: usize, train: Split, test: Split) -> Result<Self> {
        Ok(Self::named(name, classes, train, test)?.renamed(name))
    }

    /// [`Dataset::new`] for a set that may bear any name.
    pub(super) fn named(name: &str, classes: usize, train: Split, test: Split) -> Result<Self> {
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
            normalisation: Normalisation::of(&contents.train),
            contents,
            fingerprint: OnceLock::new(),
        };
        if dataset.may_be_mnist() && dataset.is_mnist() {
            dataset.normalisation = known::NORMALISATION;
        }
        Ok(dataset)
    }

    /// The same set under another name, by the rules of [`Dataset::new`].
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

    /// The same set with a remark behind its name, as in `digits (not the run's MNIST)`.
    #[must_use]
    pub fn marked(mut self, remark: &str) -> Self {
        self.contents.name += &format!(" ({remark})");
        self
    }

    /// The same set with a name for each class; none at all where `names` is empty.
    ///
    /// # Errors
    /// [`Error::Spec`] when there are names, and not one for each class.
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

    /// The same set with where it was read.
    #[must_use]
    pub fn read_from(mut self, source: Option<Source>) -> Self {
        self.contents.source = source;
        self
    }

    /// SHA-256 of all images and labels, in hexadecimal: two sets with the same one
    /// are the same to a network. It is computed when it is first asked for, and kept.
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

    /// Whether the images and labels are MNIST's, all of them in their order.
    pub fn is_mnist(&self) -> bool {
        self.kept_fingerprint() == known::FINGERPRINT
    }

    /// Whether it is worth computing the fingerprint to learn if the set is MNIST: the
    /// fingerprint covers these numbers too.
    fn may_be_mnist(&self) -> bool {
        (self.train.len(), self.test.len(), self.shape()) == (60_000, 10_000, (28, 28, 1))
    }

    /// What a network's input is shifted and scaled by, channel by channel; of one channel
    /// it is [`Self::normalisation`].
    pub fn normalisations(&self) -> Vec<Normalisation> {
        match self.shape() {
            (_, _, 1) => vec![self.normalisation],
            _ => Normalisation::of_each(&self.train),
        }
    }

    /// What a network's input is shifted and scaled by where all channels have the same.
    pub fn normalisation(&self) -> Normalisation {
        self.normalisation
    }

    /// (height, width, channels) of every image.
    pub fn shape(&self) -> (usize, usize, usize) {
        self.train.shape()
    }
}

/// The letters and digits of a name, in lower case: what a hasty reader sees of it.
fn letters(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
