//! What a table's runs are of: a data set as far as their configurations name it, so that
//! a table can be drawn from its records alone.

use super::cell::CellRecord;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::Pixels;
use crate::tensor::Shape;
use crate::train::DatasetRecord;

/// See the module's page.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The data set.
    pub record: DatasetRecord,
    /// The shape of its images.
    pub input: Shape,
    /// What its pixels are to a network that does not say so itself.
    pub pixels: Pixels,
}

impl Subject {
    /// A data set at hand.
    pub fn of(dataset: &Dataset) -> Self {
        let (height, width, channels) = dataset.shape();
        let of = dataset.normalisation();
        Self {
            record: DatasetRecord::of(dataset),
            input: Shape::image(channels, height, width),
            pixels: Pixels::normalised(of.mean, of.std),
        }
    }

    /// The data set that a record names. Records of a table must agree on it.
    ///
    /// # Errors
    /// A network that does not say what its pixels are.
    pub fn noted(record: &CellRecord) -> Result<Self> {
        let model = &record.config.model;
        Ok(Self {
            record: record.config.dataset.clone(),
            input: model.input,
            pixels: model.pixels.ok_or_else(|| {
                Error::spec(format!("{}: its pixels are not described", record.row))
            })?,
        })
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
