//! CIFAR-10 and CIFAR-100 in their binary format.
//!
//! ```text
//! CIFAR-10    3073 bytes per image: label, then red, green and blue planes of 32x32
//! CIFAR-100   3074 bytes per image: coarse label, fine label, planes; the fine label is used
//! ```
//!
//! A file has no header, so its length determines which of the two it is; the names
//! `data_batch_1.bin`, `test_batch.bin`, `train.bin` and `test.bin` determine the part.
//!
//! Source: Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

use std::path::Path;

use super::super::reading::Options;
use super::decoded::room;
use super::material::Material;
use super::tree::{Entry, Tree};
use super::without_effect;
use crate::error::{Error, Result};

/// Height and width of an image, in pixels.
const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// The largest size of a file in bytes: ten times that of CIFAR-100's.
const MAX_OF_FILE: u64 = 2 << 30;

/// The largest size of the file with the names of the classes, in bytes.
const MAX_NAMES: u64 = 1 << 16;

/// The part of the data set that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Test,
}

fn part(name: &str) -> Option<Part> {
    let stem = name.strip_suffix(".bin")?;
    let batch = stem.strip_prefix("data_batch_");
    match stem {
        "train" => Some(Part::Train),
        "test" | "test_batch" => Some(Part::Test),
        _ if batch.is_some_and(|n| n.parse::<u32>().is_ok()) => Some(Part::Train),
        _ => None,
    }
}

fn files(tree: &Tree, wanted: Part) -> Vec<&Entry> {
    let of_part = |entry: &&Entry| part(entry.file_name()) == Some(wanted);
    tree.entries.iter().filter(of_part).collect()
}

/// Returns whether the tree holds a file of either data set.
pub(super) fn is_here(tree: &Tree) -> bool {
    tree.entries
        .iter()
        .any(|entry| part(entry.file_name()).is_some())
}

/// Reads the files of one of the two sets.
pub(super) fn read(tree: &Tree, place: &Path, options: &Options) -> Result<Material> {
    without_effect(options, "CIFAR's binary files")?;
    let (train, test) = (files(tree, Part::Train), files(tree, Part::Test));
    for group in [&train, &test] {
        let mut names: Vec<&str> = group.iter().map(|entry| entry.file_name()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let what = format!("holds {} twice; name the folder of one set", pair[0]);
            return Err(Error::data(place, what));
        }
    }
    if train.is_empty() {
        return Err(Error::data(
            place,
            "holds CIFAR's test file and none to learn from; add data_batch_1.bin and its like, or train.bin",
        ));
    }
    let mut images = Images::default();
    for entry in &train {
        images.read(entry, place)?;
    }
    let front = images.labels.len();
    for entry in &test {
        images.read(entry, place)?;
    }
    let coarse = images.labels_of_each == Some(2);
    let names = names(tree, if coarse { FINE } else { TEN })?;
    let least = if coarse { 100 } else { 10 };
    let classes = match names.len() {
        0 => least,
        n => n,
    };
    if let Some(&label) = images.labels.iter().find(|&&l| l as usize >= classes) {
        return Err(Error::data(
            place,
            format!(
                "has the label {label} and {classes} classes, counted from 0; is it another file?"
            ),
        ));
    }
    Ok(Material {
        pixels: images.pixels,
        labels: images.labels,
        shape: (SIDE, SIDE, 3),
        train: (!test.is_empty()).then_some(front),
        classes,
        names,
        options: *options,
        notes: tree.skipped.notes(),
    })
}

#[derive(Default)]
struct Images {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    /// Number of labels per image: 1 for CIFAR-10, 2 for CIFAR-100; `None` until a file was read.
    labels_of_each: Option<usize>,
}

impl Images {
    fn read(&mut self, entry: &Entry, place: &Path) -> Result<()> {
        let at = |what: String| Error::data(entry.place.path(), what);
        let bytes = entry.bytes(MAX_OF_FILE)?;
        let of_ten = bytes.len().is_multiple_of(1 + 3 * PLANE);
        let of_hundred = bytes.len().is_multiple_of(2 + 3 * PLANE);
        let labels = match (of_ten, of_hundred) {
            _ if bytes.is_empty() => return Err(at("is empty; fetch or copy it again".into())),
            (true, true) if entry.file_name().contains("batch") => 1,
            (_, true) => 2,
            (true, false) => 1,
            (false, false) => {
                return Err(at(format!(
                    "has {} bytes, no whole number of images of 3073 (CIFAR-10) or 3074 (CIFAR-100); it may be cut short, fetch or copy it again",
                    bytes.len()
                )));
            }
        };
        if *self.labels_of_each.get_or_insert(labels) != labels {
            return Err(at(
                "is of CIFAR-10 and the files before it of CIFAR-100, or the reverse; name the folder of one set"
                    .into(),
            ));
        }
        let record = labels + 3 * PLANE;
        let count = bytes.len() / record;
        let mut block = room(count, 3 * PLANE, place)?;
        for (image, record) in block
            .chunks_exact_mut(3 * PLANE)
            .zip(bytes.chunks_exact(record))
        {
            self.labels.push(u32::from(record[labels - 1]));
            let planes = &record[labels..];
            for (i, pixel) in image.chunks_exact_mut(3).enumerate() {
                pixel.copy_from_slice(&[planes[i], planes[PLANE + i], planes[2 * PLANE + i]]);
            }
        }
        self.pixels.append(&mut block);
        Ok(())
    }
}

/// The name of the file with the names of CIFAR-10's classes.
const TEN: &str = "batches.meta.txt";
const FINE: &str = "fine_label_names.txt";

/// Reads the names of the classes, one per line; the result is empty if the file does not exist.
fn names(tree: &Tree, file: &str) -> Result<Vec<String>> {
    let Some(entry) = tree.entries.iter().find(|e| e.file_name() == file) else {
        return Ok(Vec::new());
    };
    let bytes = entry.bytes(MAX_NAMES)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(String::from).collect())
}
