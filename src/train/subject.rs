//! [`Subject`] and [`DatasetRecord`]: data sets as records name them.

use serde::{Deserialize, Serialize};

use crate::data::reading::Source;
use crate::data::{Background, Dataset, Ground, MNIST_FINGERPRINT};
use crate::model::{ModelSpec, Pixels};
use crate::tensor::Shape;

/// The data set that a run was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetRecord {
    /// Its name, shown beside every figure.
    pub name: String,
    /// [`Dataset::fingerprint`]: what the set is. Empty in records from before it was
    /// noted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Whether the fingerprint was not noted by the run, but taken later from a set with
    /// the name and the counts that the run did note.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sha256_inferred: bool,
    /// Training images, those for validation included.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Classes.
    pub classes: usize,
    /// Whether the training images have a dark or a light background, by which pictures
    /// of one's own are inverted; absent in records from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// By what augmentation continues images beyond their border; absent where it is 0, as it
    /// was for every set before it was noted.
    #[serde(default, skip_serializing_if = "Ground::is_black")]
    pub ground: Ground,
    /// Where the set was read, and how, where files had to be named: a hint that finds it
    /// again. What is found there is compared by its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

impl DatasetRecord {
    /// The record of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        Self {
            name: dataset.name.clone(),
            sha256: dataset.fingerprint(),
            sha256_inferred: false,
            train: dataset.train.len(),
            test: dataset.test.len(),
            classes: dataset.classes,
            background: Some(dataset.background()),
            ground: dataset.ground().clone(),
            source: dataset.source.clone(),
        }
    }

    /// The record of a run of weights from elsewhere, of which nobody says what data they were
    /// trained on: images of any set can be put into it that has as many classes.
    pub fn unstated(classes: usize) -> Self {
        Self {
            name: "data that the run does not state".into(),
            sha256: String::new(),
            sha256_inferred: false,
            train: 0,
            test: 0,
            classes,
            background: None,
            ground: Ground::default(),
            source: None,
        }
    }

    /// Whether it is [`Self::unstated`].
    pub fn is_unstated(&self) -> bool {
        self.sha256.is_empty() && self.train == 0 && self.test == 0
    }

    /// Whether the images and labels are MNIST's, by their fingerprint alone.
    pub fn is_mnist(&self) -> bool {
        self.sha256 == MNIST_FINGERPRINT
    }

    /// What tells another set from this one, in a line; `None` where nothing does. The
    /// fingerprint decides; where either has none, the counts must do. Data that are not stated
    /// may be any of as many classes.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.is_unstated() {
            let same = self.classes == other.classes;
            return (!same).then(|| {
                let has = self.classes;
                format!("{} has not {has} classes, as the network", other.words())
            });
        }
        let counts = |record: &Self| (record.train, record.test, record.classes);
        let known = !self.sha256.is_empty() && !other.sha256.is_empty();
        let same = match known {
            true => self.sha256 == other.sha256,
            false => counts(self) == counts(other),
        };
        (!same).then(|| format!("{} is not {}", other.words(), self.words()))
    }

    /// `MNIST (sha256 5ac2405e…, 60000 + 10000 images, 10 classes)`
    pub fn words(&self) -> String {
        if self.is_unstated() {
            return format!("{}, of {} classes", self.name, self.classes);
        }
        let sha256 = match self.sha256.get(..12) {
            Some(start) => format!("sha256 {start}..., "),
            None => String::new(),
        };
        format!(
            "{} ({sha256}{} + {} images, {} classes)",
            self.name, self.train, self.test, self.classes
        )
    }
}

/// What runs are of: a data set as far as their configurations name it, so that a
/// configuration can be made from records alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The data set.
    pub record: DatasetRecord,
    /// The shape of its images.
    pub input: Shape,
    /// What its pixels are to a network that does not say so itself: of several channels
    /// each has its own mean and deviation.
    pub pixels: Pixels,
}

impl Subject {
    /// A data set at hand.
    pub fn of(dataset: &Dataset) -> Self {
        let (height, width, channels) = dataset.shape();
        let of = dataset.normalisations();
        let mean = of.iter().map(|of| of.mean).collect();
        let std = of.iter().map(|of| of.std).collect();
        Self {
            record: DatasetRecord::of(dataset),
            input: Shape::image(channels, height, width),
            pixels: Pixels::normalised_each(mean, std),
        }
    }

    /// Says what the pixels are where the network does not; before binary weights they are
    /// integers.
    pub(crate) fn describe_pixels(&self, model: &mut ModelSpec) {
        let pixels = match model.binary_first() {
            Some(_) => Pixels::Integer,
            None => self.pixels.clone(),
        };
        model.pixels.get_or_insert(pixels);
    }

    /// The name of the data set in the names of files: `mnist`, or the letters and digits
    /// of its name.
    pub fn slug(&self) -> String {
        match self.record.is_mnist() {
            true => "mnist".into(),
            false => slug(&self.record.name),
        }
    }
}

/// The letters and digits of a name, in lower case, with hyphens between them.
pub fn slug(name: &str) -> String {
    let words: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}
