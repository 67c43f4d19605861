//! The common result of all loaders: images, labels and names, from which a data set is made.

use std::path::Path;

use super::super::idx::MAX_CLASSES;
use super::super::loaded::{Loaded, printable, source};
use super::super::reading::{Options, SplitBy};
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};

/// Images and labels, training images first.
pub(super) struct Material {
    pub(super) pixels: Vec<u8>,
    pub(super) labels: Vec<u32>,
    /// Height, width and channels of every image.
    pub(super) shape: (usize, usize, usize),
    /// Number of training images; `None` if the files do not state which images are test images.
    pub(super) train: Option<usize>,
    pub(super) classes: usize,
    /// Names of the classes; empty if the files state none.
    pub(super) names: Vec<String>,
    /// The options by which the files were read.
    pub(super) options: Options,
    /// What the user should know, as phrases that are joined to one line.
    pub(super) notes: Vec<String>,
}

impl Material {
    /// Makes the data set `name`; test images are held out if the files state none.
    pub(super) fn finish(mut self, name: &str, place: &Path) -> Result<Loaded> {
        let mut held_out = None;
        let front = match self.train {
            Some(front) => front,
            None => {
                let test = super::held_out::by_image(&self.pixels, &self.labels);
                let all = self.labels.len();
                let front = super::held_out::put_behind(&mut self.pixels, &mut self.labels, &test);
                self.options.split_by = Some(SplitBy::Image);
                held_out = Some(format!(
                    "there are no test images: {} of {all}, a tenth of every class and one at least, chosen by their content, were held out to test on",
                    all - front
                ));
                front
            }
        };
        if front == 0 || front == self.labels.len() {
            return Err(Error::data(
                place,
                "has too few images to hold some out; give two of every class at least",
            ));
        }
        let size = self.shape.0 * self.shape.1 * self.shape.2;
        let test_pixels = self.pixels.split_off(front * size);
        let test_labels = self.labels.split_off(front);
        let at = |error: Error| Error::data(place, error.to_string());
        let train = Split::from_pixels(self.shape, self.pixels, self.labels).map_err(at)?;
        let test = Split::from_pixels(self.shape, test_pixels, test_labels).map_err(at)?;
        let names = self.names.iter().map(|name| printable(name)).collect();
        let dataset = Dataset::new(name, self.classes, train, test).map_err(at)?;
        let dataset = dataset.with_class_names(names).map_err(at)?;
        Ok(Loaded {
            dataset: dataset.read_from(source(place, self.options)),
            notice: (!self.notes.is_empty()).then(|| self.notes.join("; ")),
            held_out,
        })
    }
}

/// Returns the number of classes: the largest training label plus one.
///
/// # Errors
/// What is wrong with the labels, in words that complete "the file ...".
pub(super) fn classes_of(train: &[u32], test: &[u32]) -> std::result::Result<usize, String> {
    let last = train.iter().copied().max().unwrap_or(0);
    if last == 0 {
        return Err("has the label 0 alone; a classifier needs at least two classes".into());
    }
    if last >= MAX_CLASSES {
        return Err(format!(
            "has the label {last}; labels count from 0 and stay below {MAX_CLASSES}"
        ));
    }
    if let Some(i) = test.iter().position(|&label| label > last) {
        return Err(format!(
            "has the test label {} (image {i}), a class that training never shows (its labels end at {last}); give two parts of one set",
            test[i]
        ));
    }
    Ok(last as usize + 1)
}
