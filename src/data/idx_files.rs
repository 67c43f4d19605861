//! Data sets of IDX files: pairs of an image file and a label file, read with errors that name the
//! faulty file. [`super::idx`] describes the format.

use std::path::{Path, PathBuf};

use ndarray::Array4;

use super::idx_parse::{parse_images, parse_labels};
use super::place::{self, Place};
use super::{Dataset, Split, shape_text};
use crate::error::{Error, Result};

/// Reads the images of an IDX file as an array (N, H, W, C), by [`parse_images`].
///
/// # Errors
/// One line that names the file, as [`Error::Data`] or [`Error::Io`].
pub fn read_images(path: &Path) -> Result<Array4<u8>> {
    parse_images(place::open(path)?).map_err(|fault| fault.at(path))
}

/// Reads the labels of an IDX file, by [`parse_labels`].
///
/// # Errors
/// One line that names the file, as [`Error::Data`] or [`Error::Io`].
pub fn read_labels(path: &Path) -> Result<Vec<u32>> {
    parse_labels(place::open(path)?).map_err(|fault| fault.at(path))
}

/// Reads an image file and its label file. Labels must be below `classes` if it is stated.
///
/// # Errors
/// As [`read_images`] and [`read_labels`]; also [`Error::Data`] if the numbers of images and labels
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

/// Joins parsed images and labels to a split, with errors that name the files.
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

/// Reads the four files of a data set. The number of classes is the largest training label plus
/// one.
///
/// `files` are the training images and labels, then the test images and labels.
///
/// # Errors
/// As [`read_split`]; also [`Error::Data`] if the shapes of the two image files differ, a test
/// label is above the largest training label, or all training labels are 0.
pub fn read_dataset(name: &str, files: &[PathBuf; 4]) -> Result<Dataset> {
    let places = files.clone().map(Place::File);
    read_places(name, &places, |images| images)
}

/// As [`read_dataset`], for files that may lie within a zip archive; `turned` is applied to the
/// images of both parts.
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
