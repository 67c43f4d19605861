//! Data sets of arrays: which arrays are images, which are labels, and which part of the data set
//! each is.
//!
//! An array of three or four dimensions holds images; an array of integers with one dimension holds
//! labels. A word in the name of an array states its part: `train_images`, `x_test`,
//! `kmnist-test-labels`. Without such a word the arrays are one part, of which some images are held
//! out for the test.

use std::io::Read;
use std::path::Path;

use super::super::event::Event;
use super::super::place::Place;
use super::super::reading::Options;
use super::material::{Material, classes_of};
use super::npy;
use super::numbers::{Array, Scale};
use super::tree::{Entry, Telling, Tree};
use super::without_effect;
use crate::error::{Error, Result};
use crate::files;

/// The name of an array, and the array.
pub(super) type Named = (String, Array);

/// The parts of a data set, and the words in the name of an array that state each part.
const PARTS: [(&str, &[&str]); 3] = [
    ("training", &["train", "training", "tr"]),
    ("validation", &["val", "valid", "validation", "dev"]),
    ("test", &["test", "testing", "t10k"]),
];

/// Words in the name of an array that state that it holds labels.
const LABELS: &[&str] = &[
    "label", "labels", "y", "target", "targets", "class", "classes",
];

/// Words that state images, and the words by which they are replaced in the name of the label file.
const BESIDE: [(&str, &str); 7] = [
    ("images", "labels"),
    ("image", "label"),
    ("imgs", "labels"),
    ("x", "y"),
    ("X", "y"),
    ("data", "labels"),
    ("pixels", "labels"),
];

fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .map(str::to_ascii_lowercase)
}

/// Returns the index in [`PARTS`] of the part that a name states.
fn part(name: &str) -> Option<usize> {
    let of = |word: String| PARTS.iter().position(|(_, known)| known.contains(&&*word));
    words(name).find_map(of)
}

fn is_npy(entry: &Entry) -> bool {
    entry.file_name().ends_with(".npy")
}

/// Returns whether the tree holds files of arrays.
pub(super) fn is_here(tree: &Tree) -> bool {
    tree.entries.iter().any(is_npy)
}

/// Reads all arrays of a folder or of `.npz` files.
pub(super) fn of_tree(
    tree: &Tree,
    place: &Path,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Material> {
    without_effect(options, "arrays")?;
    let mut arrays = Vec::new();
    for entry in tree.entries.iter().filter(|entry| is_npy(entry)) {
        let name = entry.parts.join("/");
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
        let path = entry.place.path();
        let read = |reader: &mut dyn Read| npy::read(Telling::new(reader, &path, events));
        arrays.push((name, entry.place.read(read)?));
    }
    joined(arrays, place, options, tree.skipped.notes())
}

/// Reads a single file of images, and the file of labels beside it.
pub(super) fn beside(path: &Path, options: &Options) -> Result<Material> {
    without_effect(options, "arrays")?;
    let stem = super::stem(path);
    let mut names: Vec<String> = BESIDE
        .iter()
        .filter_map(|(images, labels)| renamed(&stem, images, labels))
        .collect();
    names.extend([format!("{stem}_labels"), format!("{stem}-labels")]);
    let mut labels = None;
    for name in &names {
        let beside = path.with_file_name(format!("{name}.npy"));
        if files::look(&beside)?.is_some() {
            labels = Some(beside);
            break;
        }
    }
    let labels = labels.ok_or_else(|| {
        Error::data(
            path,
            format!(
                "has no labels beside it, in a file named {}.npy; or name the folder of the arrays",
                names.join(".npy or ")
            ),
        )
    })?;
    let read = |path: &Path| Place::File(path.to_path_buf()).read(|reader| npy::read(reader));
    // The two files are one part, even if their names state another.
    let arrays = vec![
        ("images".to_string(), read(path)?),
        ("labels".to_string(), read(&labels)?),
    ];
    joined(arrays, path, options, Vec::new())
}

/// Replaces the word `from` in a name by `to`; returns `None` if the name lacks the word.
fn renamed(name: &str, from: &str, to: &str) -> Option<String> {
    let whole = |at: usize| {
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        !letter(name[..at].chars().next_back()) && !letter(name[at + from.len()..].chars().next())
    };
    let (at, _) = name.match_indices(from).find(|(at, _)| whole(*at))?;
    Some(format!("{}{to}{}", &name[..at], &name[at + from.len()..]))
}

/// Makes a data set of its arrays.
pub(super) fn joined(
    arrays: Vec<Named>,
    place: &Path,
    options: &Options,
    mut notes: Vec<String>,
) -> Result<Material> {
    let at = |what: String| Error::data(place, what);
    let parts: [Vec<&Named>; 3] = [0, 1, 2].map(|wanted| {
        let of = |(name, _): &&Named| part(name).unwrap_or(0) == wanted;
        arrays.iter().filter(of).collect()
    });
    let pairs = [0, 1, 2].map(|i| pair(&parts[i], PARTS[i].0));
    let [train, validation, test] = pairs;
    let train = train.map_err(at)?.ok_or_else(|| {
        at("holds no images to learn from; give an array of (N, height, width) or (N, height, width, channels)".into())
    })?;
    let (mut validation, mut test) = (validation.map_err(at)?, test.map_err(at)?);
    if test.is_none() && validation.is_some() {
        test = validation.take();
        notes.push("there are no test images, so those for validation are tested on".into());
    } else if validation.is_some() {
        notes.push(
            "validation images are learned from as the training images are, and validation images are drawn from both"
                .into(),
        );
    }
    let used: Vec<&str> = [Some(train), validation, test]
        .iter()
        .flatten()
        .flat_map(|pair| [&*pair.images.0, &*pair.labels.0])
        .collect();
    let unused: Vec<&str> = arrays.iter().map(|(name, _)| &**name).collect();
    let unused: Vec<&&str> = unused.iter().filter(|name| !used.contains(name)).collect();
    if !unused.is_empty() {
        notes.push(format!("arrays left out: {unused:?}"));
    }
    let (joined, front) = stacked(train, validation, test, &mut notes).map_err(at)?;
    let (learned, tested) = joined.labels.split_at(front);
    Ok(Material {
        classes: classes_of(learned, tested).map_err(at)?,
        pixels: joined.pixels,
        labels: joined.labels,
        shape: joined.shape.unwrap_or_default(),
        train: test.is_some().then_some(front),
        names: Vec::new(),
        options: *options,
        notes,
    })
}

/// Concatenates the parts, training images first, and returns the number of training images.
fn stacked(
    train: Pair<'_>,
    validation: Option<Pair<'_>>,
    test: Option<Pair<'_>>,
    notes: &mut Vec<String>,
) -> std::result::Result<(Joined, usize), String> {
    let scale = train.images.1.scale();
    if scale == Scale::Unit {
        notes.push("pixels are whole numbers divided by 255, and were read as those".into());
    }
    if train.images.1.planes_first() {
        notes.push(format!(
            "images of shape {:?} were read as (N, channels, height, width)",
            train.images.1.shape
        ));
    }
    let mut joined = Joined {
        scale,
        ..Joined::default()
    };
    joined.add(train)?;
    if let Some(pair) = validation {
        joined.add(pair)?;
    }
    let front = joined.labels.len();
    if let Some(pair) = test {
        joined.add(pair)?;
    }
    Ok((joined, front))
}

/// An array of images and the array of their labels.
#[derive(Clone, Copy)]
struct Pair<'a> {
    images: &'a Named,
    labels: &'a Named,
}

/// Finds the images and labels of a part; `None` if there are neither.
fn pair<'a>(arrays: &[&'a Named], part: &str) -> std::result::Result<Option<Pair<'a>>, String> {
    let named = |all: &[&Named]| {
        all.iter()
            .map(|a| a.0.clone())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let of = |wanted: fn(&Array) -> bool| -> Vec<&'a Named> {
        arrays.iter().copied().filter(|a| wanted(&a.1)).collect()
    };
    let (images, mut labels) = (of(Array::is_images), of(Array::is_labels));
    if labels.len() > 1 {
        labels.retain(|(name, _)| words(name).any(|word| LABELS.contains(&&*word)));
    }
    match (&images[..], &labels[..]) {
        ([], _) => Ok(None),
        ([images], [labels]) => Ok(Some(Pair { images, labels })),
        ([_], _) => Err(format!(
            "has {} arrays of {part} labels ({}), not one; give whole numbers, one for each image, in an array named labels or y",
            labels.len(),
            named(&labels)
        )),
        (several, _) => Err(format!(
            "has {} arrays of {part} images ({}), not one; name parts by train and test",
            several.len(),
            named(several)
        )),
    }
}

/// Concatenated images and labels.
struct Joined {
    scale: Scale,
    pixels: Vec<u8>,
    labels: Vec<u32>,
    shape: Option<(usize, usize, usize)>,
}

impl Default for Joined {
    fn default() -> Self {
        Self {
            scale: Scale::Whole,
            pixels: Vec::new(),
            labels: Vec::new(),
            shape: None,
        }
    }
}

impl Joined {
    fn add(&mut self, pair: Pair<'_>) -> std::result::Result<(), String> {
        let (name, images) = pair.images;
        let found = images.scale();
        if found != self.scale {
            return Err(format!(
                "has pixels up to 255 in one part and up to 1 in another ({name}); save all of them as numpy.uint8"
            ));
        }
        let in_name = |what: String| format!("{name}: {what}");
        let shape = images.pixels(found, &mut self.pixels).map_err(in_name)?;
        let first = *self.shape.get_or_insert(shape);
        if shape != first {
            return Err(format!(
                "has images of {first:?} in one part and of {shape:?} in another ({name}); give parts of one set"
            ));
        }
        let (name, labels) = pair.labels;
        let labels = labels.labels().map_err(|what| format!("{name}: {what}"))?;
        if labels.len() != images.shape[0] {
            return Err(format!(
                "has {} labels ({name}) for {} images ({}); give one for each",
                labels.len(),
                images.shape[0],
                pair.images.0
            ));
        }
        self.labels.extend(labels);
        Ok(())
    }
}
