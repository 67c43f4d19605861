//! Omniglot's background set: where it lies, and what it is known by.

use std::path::{Path, PathBuf};

use super::loaded::Loaded;
use super::public;
use crate::error::{Error, Result};
use crate::files;

pub use super::known::{
    OMNIGLOT as NAME, OMNIGLOT_28_FINGERPRINT as FINGERPRINT_28,
    OMNIGLOT_FINGERPRINT as FINGERPRINT,
};

/// The drawings of the background set, those to test on included.
const IMAGES: usize = 19_280;

/// The characters of its 30 alphabets.
const CHARACTERS: usize = 964;

/// What the archive is called where it comes from, and the folder within it.
const PARTS: [&str; 2] = ["images_background.zip", "images_background"];

/// Where the background set lies: in `data_dir`, else in `env` (`$BNN_CPU_OMNIGLOT`), else in
/// the folder that it is fetched into. A folder may hold the evaluation set as well.
///
/// # Errors
/// [`Error::Data`] where no place is named and nothing was fetched.
pub(super) fn place(base: &Path, data_dir: Option<&Path>, env: Option<&Path>) -> Result<PathBuf> {
    let fetched = public::find("omniglot").map(|set| base.join(set.folder()));
    let named = data_dir.or(env).map(Path::to_path_buf);
    let is_named = named.is_some();
    let folder = named.or(fetched).unwrap_or_default();
    for part in PARTS {
        let part = folder.join(part);
        if files::is_folder(&folder)? && files::look(&part)?.is_some() {
            return Ok(part);
        }
    }
    match is_named {
        true => Ok(folder),
        false => Err(Error::data(
            folder,
            "Omniglot is not here; fetch it with `bnn-cpu data fetch omniglot`, or name its folder or images_background.zip",
        )
        .mended_by(&["data"])),
    }
}

/// The set by its name, if it is the background set, in whatever size and however it is split.
///
/// # Errors
/// [`Error::Data`] for another set.
pub(super) fn named(loaded: Loaded, place: &Path) -> Result<Loaded> {
    let set = &loaded.dataset;
    let (images, classes) = (set.train.len() + set.test.len(), set.classes);
    let first = set.class_names.first().map(String::as_str);
    if (images, classes, first) != (IMAGES, CHARACTERS, Some("Alphabet_of_the_Magi/character01")) {
        return Err(Error::data(
            place,
            format!(
                "holds {images} images of {classes} classes, which are not the {IMAGES} of {CHARACTERS} characters of Omniglot's background set; name its images_background.zip, or read them as files"
            ),
        ));
    }
    Ok(Loaded {
        dataset: loaded.dataset.renamed(NAME),
        ..loaded
    })
}
