//! Sets of IDX files: pairs of images and labels, with errors that name the file at
//! fault; see [`super::idx`] for the format.

use std::path::{Path, PathBuf};

use ndarray::Array4;

use super::idx_parse::{parse_images, parse_labels};
use super::place::{self, Place};
use super::{Dataset, Split, shape_text};
use crate::error::{Error, Result};

/// [`parse_images`] from a file.
///
/// # Errors
/// One line naming the file, as [`Error::Data`] or [`Error::Io`].
pub fn read_images(path: &Path) -> Result<Array4<u8>> {
    parse_images(place::open(path)?).map_err(|fault| fault.at(path))
}

/// [`parse_labels`] from a file.
///
/// # Errors
/// One line naming the file, as [`Error::Data`] or [`Error::Io`].
pub fn read_labels(path: &Path) -> Result<Vec<u32>> {
    parse_labels(place::open(path)?).map_err(|fault| fault.at(path))
}

/// Reads images and their labels; `classes` bounds the labels where known.
///
/// # Errors
/// As [`read_images`] and [`read_labels`]; also [`Error::Data`] when the counts
/// differ or a label is not below `classes`.
pub fn read_split(images: &Path, labels: &Path, classes: Option<u32>) -> Result<Split> {
    join(
        read_images(images)?,
        read_labels(labels)?,
        images,
        labels,
        classes,
    )
}

/// Pairs parsed images and labels, with errors that name the files.
pub(super) fn join(
    images: Array4<u8>,
    labels: Vec<u32>,
    images_path: &Path,
    labels_path: &Path,
    classes: Option<u32>,
) -> Result<Split> {
    if images.dim().0 != labels.len() {
        return Err(Error::data(
            labels_path,
            format!(
                "holds {} labels for the {} images in {}; give two files of one set",
                labels.len(),
                images.dim().0,
                images_path.display()
            ),
        ));
    }
    if let Some(classes) = classes
        && let Some(i) = labels.iter().position(|&label| label >= classes)
    {
        return Err(Error::data(
            labels_path,
            format!(
                "label {i} is {}, outside the {classes} classes 0..{classes}; correct the label file",
                labels[i]
            ),
        ));
    }
    Split::new(images, labels).map_err(|error| Error::data(images_path, error.to_string()))
}

/// Reads the four files of a set, finding the number of classes in its labels.
///
/// `files` are the training images and labels, then the test images and labels.
///
/// # Errors
/// As [`read_split`]; also [`Error::Data`] when the shapes of the two image
/// files differ, when the test set has a class that training never shows, or
/// when there is only one class.
pub fn read_dataset(name: &str, files: &[PathBuf; 4]) -> Result<Dataset> {
    let places = files.clone().map(Place::File);
    read_places(name, &places, |images| images)
}

/// [`read_dataset`] for files that may lie within a zip, whose images are `turned`.
pub(super) fn read_places(
    name: &str,
    files: &[Place; 4],
    turned: fn(Array4<u8>) -> Array4<u8>,
) -> Result<Dataset> {
    let paths = files.each_ref().map(Place::path);
    let [_, train_labels, test_images, test_labels] = &paths;
    let split = |images: usize, labels: usize| {
        let (pixels, classes) = (
            files[images].read(|reader| parse_images(reader))?,
            files[labels].read(|reader| parse_labels(reader))?,
        );
        let (images, labels) = (&paths[images], &paths[labels]);
        join(turned(pixels), classes, images, labels, None)
    };
    let (train, test) = rayon::join(|| split(0, 1), || split(2, 3));
    let (train, test) = (train?, test?);
    if train.shape() != test.shape() {
        return Err(Error::data(
            test_images,
            format!(
                "holds images of {} but the training images are {}; give two files of one set",
                shape_text(test.shape()),
                shape_text(train.shape())
            ),
        ));
    }
    let last = train.labels().iter().copied().max().unwrap_or(0);
    if last == 0 {
        return Err(Error::data(
            train_labels,
            "every label is 0; a classifier needs at least two classes",
        ));
    }
    if let Some(i) = test.labels().iter().position(|&label| label > last) {
        return Err(Error::data(
            test_labels,
            format!(
                "label {i} is {}, a class the training set never shows (its labels end at {last}); give two files of one set",
                test.label(i)
            ),
        ));
    }
    Dataset::new(name, last as usize + 1, train, test)
}
