//! MNIST on the disk: finding its four files, verifying them and loading them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ndarray::Array4;

use super::hashing::Hashing;
use super::{Dataset, Fault, Split, idx, place, sets};
use crate::error::{Error, Result};
use crate::files;

pub use super::known::{FINGERPRINT, NAME, NORMALISATION};
pub(super) use super::mnist_files::{FILES, KnownFile};

/// The folders in which MNIST is looked for if no folder is named; it is downloaded into the first.
pub const FOLDERS: [&str; 2] = ["data/mnist", "data/MNIST/raw"];

/// The paths of the four files of a data set, and their folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folder that holds the files.
    pub folder: PathBuf,
    /// Training images and labels, then test images and labels.
    pub files: [PathBuf; 4],
}

/// Looks for MNIST's four files in `explicit` (`--data`), else in `env` (`$BNN_CPU_DATA`), else in
/// each of [`FOLDERS`] below the working directory.
///
/// Only names are compared. The result is `None` if no folder was named and none of [`FOLDERS`] has
/// the files.
///
/// # Errors
/// [`Error::Data`] if the named folder lacks one of the files; a named folder is never replaced by
/// another.
pub fn find(explicit: Option<&Path>, env: Option<&Path>) -> Result<Option<Found>> {
    find_below(Path::new(""), explicit, env)
}

/// As [`find`], with [`FOLDERS`] below `base`.
pub(super) fn find_below(
    base: &Path,
    explicit: Option<&Path>,
    env: Option<&Path>,
) -> Result<Option<Found>> {
    if let Some(folder) = explicit {
        return find_in(folder, "data").map(Some);
    }
    if let Some(folder) = env {
        return find_in(folder, "BNN_CPU_DATA").map(Some);
    }
    for folder in FOLDERS {
        if let Ok(found) = files_in(&base.join(folder))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Finds MNIST's four files in `folder`; `asked_by` is the name of the setting that named it.
///
/// # Errors
/// [`Error::Data`] that names the folder and the first file that is missing, or the other data sets
/// that the folder holds; [`Error::Io`] if the folder cannot be read.
pub fn find_in(folder: &Path, asked_by: &str) -> Result<Found> {
    let missing = match files_in(folder)? {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    let what = match sets::others(folder, asked_by)? {
        Some(sets) => format!("has not MNIST's four files, but {sets}; choose one of them"),
        None => format!(
            "lacks {0}, {0}.gz and {1}; {asked_by} must name a folder with the four IDX files",
            missing.name, missing.dotted
        ),
    };
    Err(Error::data(folder, what))
}

/// Returns the four files in `folder`, or the first one that is missing. An uncompressed file is
/// preferred to a compressed one, because it is read faster.
fn files_in(folder: &Path) -> Result<std::result::Result<Found, &'static KnownFile>> {
    if !files::look(folder)?.is_some_and(|there| there.is_dir()) {
        return Ok(Err(&FILES[0]));
    }
    let mut found = Vec::with_capacity(FILES.len());
    for known in &FILES {
        let (name, dotted) = (known.name, known.dotted);
        let names = [
            name.to_string(),
            dotted.to_string(),
            format!("{name}.gz"),
            format!("{dotted}.gz"),
        ];
        let before = found.len();
        for path in names.map(|name| folder.join(name)) {
            if place::is_file(&path)? {
                found.push(path);
                break;
            }
        }
        if found.len() == before {
            return Ok(Err(known));
        }
    }
    let files = <[PathBuf; 4]>::try_from(found).map_err(|_| &FILES[0]);
    Ok(files.map(|files| Found {
        folder: folder.to_path_buf(),
        files,
    }))
}

/// Loads MNIST and verifies the SHA-256 of each decompressed file.
///
/// # Errors
/// [`Error::Data`] that names the file, if it is not an IDX file or not the original; [`Error::Io`]
/// if it cannot be read.
pub fn load(found: &Found) -> Result<Dataset> {
    let [train_images, train_labels, test_images, test_labels] = &found.files;
    let (train, test) = rayon::join(
        || load_split(train_images, train_labels, &FILES[0], &FILES[1]),
        || load_split(test_images, test_labels, &FILES[2], &FILES[3]),
    );
    Dataset::verified_mnist(train?, test?)
}

fn load_split(
    images_path: &Path,
    labels_path: &Path,
    images_known: &KnownFile,
    labels_known: &KnownFile,
) -> Result<Split> {
    let images: Array4<u8> = verified(images_path, images_known, |reader| {
        idx::parse_images(reader)
    })?;
    let labels = verified(labels_path, labels_known, |reader| {
        idx::parse_labels(reader)
    })?;
    idx::join(images, labels, images_path, labels_path, Some(10))
}

/// Parses a file and hashes the decompressed bytes that the parser reads.
fn verified<T>(
    path: &Path,
    known: &KnownFile,
    parse: impl FnOnce(&mut Hashing<Box<dyn Read>>) -> std::result::Result<T, Fault>,
) -> Result<T> {
    let plain = idx::decompressed(place::open(path)?).map_err(|fault| fault.at(path))?;
    let mut hashing = Hashing::beside(plain);
    let value = parse(&mut hashing).map_err(|fault| fault.at(path))?;
    if hashing.sha256() != known.sha256 {
        return Err(Error::data(
            path,
            format!(
                "is not MNIST's {}: its SHA-256 differs; the choice idx takes any other IDX set",
                known.name
            ),
        )
        .mended_by(&["dataset"]));
    }
    Ok(value)
}

/// Checks that `bytes`, compressed by gzip or not, are the file `known`.
///
/// # Errors
/// What is wrong, in words that complete "the file ...".
pub(super) fn check(bytes: &[u8], known: &KnownFile) -> std::result::Result<(), String> {
    let describe = |fault| match fault {
        Fault::Format(what) => what,
        Fault::Read(error) => error.to_string(),
    };
    let plain = idx::decompressed(bytes).map_err(describe)?;
    let mut hashing = Hashing::new(plain.take(known.size + 1));
    io::copy(&mut hashing, &mut io::sink()).map_err(|error| describe(error.into()))?;
    if hashing.sha256() == known.sha256 {
        Ok(())
    } else {
        Err(format!(
            "is not MNIST's {}: its SHA-256 differs",
            known.name
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::mnist_folder;

    fn fill(folder: &Path, names: &[&str]) {
        std::fs::create_dir_all(folder).unwrap();
        for name in names {
            std::fs::write(folder.join(name), b"x").unwrap();
        }
    }

    const PLAIN: [&str; 4] = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ];
    const MIXED: [&str; 4] = [
        "train-images.idx3-ubyte",
        "train-labels-idx1-ubyte.gz",
        "t10k-images.idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte",
    ];

    fn found(base: &Path, explicit: Option<&Path>, env: Option<&Path>) -> Option<PathBuf> {
        find_below(base, explicit, env).unwrap().map(|f| f.folder)
    }

    #[test]
    fn either_naming_packed_or_not() {
        let base = tempfile::tempdir().unwrap();
        fill(base.path(), &MIXED);
        let found = find_in(base.path(), "data").unwrap();
        assert_eq!(found.files, MIXED.map(|name| base.path().join(name)));
        fill(base.path(), &PLAIN);
        let found = find_in(base.path(), "data").unwrap();
        assert_eq!(found.files, PLAIN.map(|name| base.path().join(name)));
    }

    #[test]
    fn the_order_of_the_folders() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path();
        let (explicit, env) = (base.join("explicit"), base.join("env"));
        assert_eq!(found(base, None, None), None);
        fill(&base.join("data/MNIST/raw"), &PLAIN);
        assert_eq!(found(base, None, None), Some(base.join("data/MNIST/raw")));
        // A folder with only some of the files is skipped.
        fill(&base.join("data/mnist"), &PLAIN[..3]);
        assert_eq!(found(base, None, None), Some(base.join("data/MNIST/raw")));
        fill(&base.join("data/mnist"), &PLAIN);
        assert_eq!(found(base, None, None), Some(base.join("data/mnist")));
        fill(&env, &PLAIN);
        assert_eq!(found(base, None, Some(&env)), Some(env.clone()));
        fill(&explicit, &PLAIN);
        assert_eq!(found(base, Some(&explicit), Some(&env)), Some(explicit));
    }

    #[test]
    fn a_named_folder_is_never_replaced() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path();
        fill(&base.join("data/mnist"), &PLAIN);
        let part = base.join("part");
        fill(&part, &PLAIN[..3]);
        let line = |explicit, env| find_below(base, explicit, env).unwrap_err().to_string();
        let text = line(Some(&*part), None);
        assert!(
            text.contains("part: lacks t10k-labels-idx1-ubyte"),
            "{text}"
        );
        assert!(text.contains("data must name"), "{text}");
        let gone = base.join("gone");
        let text = line(None, Some(&*gone));
        assert!(
            text.contains("gone: no such folder; BNN_CPU_DATA"),
            "{text}"
        );
        let text = line(Some(&part.join(PLAIN[0])), None);
        assert!(text.contains(": is a file; data must name"), "{text}");
        assert!(find_below(base, Some(&gone), Some(&base.join("data/mnist"))).is_err());
    }

    #[test]
    fn another_set_under_the_names_of_mnist_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = super::super::digits::generate(1, 20, 10);
        idx::write_dataset(&data, folder.path()).unwrap();
        let line = load(&find_in(folder.path(), "data").unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            line.contains("train-images-idx3-ubyte.gz: is not MNIST's"),
            "{line}"
        );
        assert!(
            line.contains("the choice idx takes any other IDX set"),
            "{line}"
        );
    }

    #[test]
    fn check_names_what_is_wrong() {
        let why = |bytes: &[u8]| check(bytes, &FILES[3]).unwrap_err();
        assert!(why(b"<html>").contains("SHA-256 differs"));
        let packed = idx::gzip(&[0; 100]);
        assert!(why(&packed).contains("SHA-256 differs"));
        assert!(why(&packed[..packed.len() - 3]).contains("cut short"));
    }

    #[test]
    fn mnist_is_mnist_by_whatever_name() {
        let Some(folder) = mnist_folder("mnist_is_mnist_by_whatever_name") else {
            return;
        };
        let found = find_in(&folder, "BNN_CPU_DATA").unwrap();
        let data = idx::read_dataset("letters", &found.files).unwrap();
        assert_eq!(data.fingerprint(), FINGERPRINT);
        assert!(data.is_mnist());
        // The loader of verified files takes the fingerprint as known: it has the same content.
        let verified = load(&found).unwrap();
        assert_eq!(verified.fingerprint(), data.fingerprint());
        assert!((&verified.train, &verified.test) == (&data.train, &data.test));
        assert_eq!((&*data.name, data.classes), (NAME, 10));
        assert_eq!(data.normalisation(), NORMALISATION);
        assert_eq!(data.renamed("built-in digits").name, NAME);
        // A set that differs from MNIST in one label is not MNIST.
        let data = idx::read_dataset("letters", &found.files).unwrap();
        let mut labels = data.test.labels().to_vec();
        labels[9_999] = (labels[9_999] + 1) % 10;
        let test = Split::new(data.test.images().to_owned(), labels).unwrap();
        let other = Dataset::new("MNIST", 10, data.train.clone(), test).unwrap();
        assert!(!other.is_mnist());
        assert_eq!(other.name, "MNIST (other data)");
        assert_ne!(other.normalisation(), NORMALISATION);
    }
}
