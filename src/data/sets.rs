//! Search for data sets in a folder or a zip archive, by the names of their files.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::archive::{self, Member};
use super::emnist;
use super::family::{EMNIST, Family, QMNIST};
use super::mnist_files::FILES;
use super::place::{self, Place};
use super::{Dataset, DatasetChoice, idx};
use crate::error::{Error, Result};
use crate::files;

/// The names of EMNIST's archive on its servers.
const ARCHIVES: [&str; 2] = ["gzip.zip", "emnist-gzip.zip"];

impl Family {
    /// Returns the name of the data set, and the option that selects it.
    fn described(self) -> String {
        match self {
            Self::Usual => "files named as MNIST's (idx)".into(),
            Self::Emnist(part) => {
                let choice = DatasetChoice::Emnist(part).name();
                format!("EMNIST {} ({choice})", part.name())
            }
            Self::Qmnist => "QMNIST (qmnist)".into(),
        }
    }

    /// Returns the possible names of each of the four files, without `.gz`.
    fn names(self) -> [Vec<String>; 4] {
        let both = |name: String| vec![name.clone(), name.replacen("-idx", ".idx", 1)];
        match self {
            Self::Usual => [0, 1, 2, 3].map(|i| both(FILES[i].name.into())),
            Self::Emnist(part) => [
                "train-images-idx3-ubyte",
                "train-labels-idx1-ubyte",
                "test-images-idx3-ubyte",
                "test-labels-idx1-ubyte",
            ]
            .map(|end| both(format!("emnist-{}-{end}", part.name()))),
            // QMNIST has label files with eight columns, and others like MNIST's.
            Self::Qmnist => {
                let images = |part| both(format!("qmnist-{part}-images-idx3-ubyte"));
                let labels = |part| {
                    let name = |end| both(format!("qmnist-{part}-labels-{end}"));
                    [name("idx2-int"), name("idx1-ubyte")].concat()
                };
                [
                    images("train"),
                    labels("train"),
                    images("test"),
                    labels("test"),
                ]
            }
        }
    }
}

/// A folder or the content of a zip archive.
enum Store {
    Folder(PathBuf),
    Zip(Vec<Member>),
}

impl Store {
    /// Finds a file with one of these names, or with one of them and `.gz`. An uncompressed file is
    /// preferred, because it is read faster.
    fn file(&self, names: &[String]) -> Result<Option<Place>> {
        let packed = names.iter().map(|name| format!("{name}.gz"));
        for name in names.iter().cloned().chain(packed) {
            match self {
                Self::Folder(folder) => {
                    let path = folder.join(name);
                    if place::is_file(&path)? {
                        return Ok(Some(Place::File(path)));
                    }
                }
                Self::Zip(members) => {
                    if let Some(member) = members.iter().find(|m| m.file_name() == name) {
                        return Ok(Some(Place::Member(member.clone())));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Finds the four files of a data set, or returns the name of the first that is missing.
    fn set(&self, family: Family) -> Result<std::result::Result<[Place; 4], String>> {
        let mut files = Vec::with_capacity(4);
        for names in family.names() {
            match self.file(&names)? {
                Some(place) => files.push(place),
                None => return Ok(Err(names.into_iter().next().unwrap_or_default())),
            }
        }
        let files = <[Place; 4]>::try_from(files);
        Ok(files.map_err(|_| String::new()))
    }
}

/// The four files of a data set.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) family: Family,
    files: [Place; 4],
}

impl Set {
    /// Reads the files. `name` is the name of the data set if its family does not determine one.
    ///
    /// # Errors
    /// As [`idx::read_dataset`].
    pub(super) fn read(&self, name: &str) -> Result<Dataset> {
        match self.family {
            Family::Usual => idx::read_places(name, &self.files, |images| images),
            Family::Qmnist => idx::read_places(QMNIST, &self.files, |images| images),
            Family::Emnist(part) => {
                let name = format!("{EMNIST}{}", part.name());
                idx::read_places(&name, &self.files, emnist::upright)
            }
        }
    }

    /// Returns what the user has to be told about how the data set was read.
    pub(super) fn notice(&self) -> Option<String> {
        match self.family {
            Family::Emnist(part) => Some(part.notice()),
            Family::Usual | Family::Qmnist => None,
        }
    }
}

/// Finds the data set of `family` in `place`, a folder or a zip archive, or the only one there if
/// `family` is `None`. `asked_by` is the name of the setting that named the place.
///
/// # Errors
/// [`Error::Data`] if it is not there, or there are several and `family` is `None`; [`Error::Io`]
/// from the operating system.
pub(super) fn find(place: &Path, asked_by: &str, family: Option<Family>) -> Result<Set> {
    let mut sets = all(place, asked_by)?;
    if let Some(family) = family {
        if let Some(i) = sets.iter().position(|set| set.family == family) {
            return Ok(sets.swap_remove(i));
        }
    } else if sets.len() == 1 {
        return Ok(sets.swap_remove(0));
    } else if sets.len() > 1 {
        return Err(Error::data(
            place,
            format!(
                "holds more than one set: {}; choose one of them{}",
                list(&sets),
                match sets.iter().any(|set| set.family == Family::Usual) {
                    true => ", or move those named as MNIST's to a folder of their own",
                    false => "",
                }
            ),
        )
        .mended_by(&["dataset"]));
    }
    let missing = match stores(place, asked_by)?.first() {
        Some(store) => store.set(family.unwrap_or(Family::Usual))?.err(),
        None => None,
    };
    let missing = missing.unwrap_or_default();
    let what = match sets.is_empty() {
        true => format!(
            "lacks {missing}, {missing}.gz and {}; {asked_by} must name a folder with the four IDX files",
            missing.replacen("-idx", ".idx", 1)
        ),
        false => format!("lacks {missing} and {missing}.gz; it holds {}", list(&sets)),
    };
    Err(Error::data(place, what))
}

/// Names the data sets other than one with MNIST's names that `place` holds, for a message; `None`
/// if there are none.
///
/// # Errors
/// As [`find`].
pub(super) fn others(place: &Path, asked_by: &str) -> Result<Option<String>> {
    let sets = all(place, asked_by)?;
    Ok((!sets.is_empty()).then(|| list(&sets)))
}

fn list(sets: &[Set]) -> String {
    let described: Vec<String> = sets.iter().map(|set| set.family.described()).collect();
    described.join(", ")
}

/// Lists all complete data sets in a folder and in EMNIST's archive within it, or in a zip archive.
fn all(place: &Path, asked_by: &str) -> Result<Vec<Set>> {
    let mut sets: Vec<Set> = Vec::new();
    for store in stores(place, asked_by)? {
        for family in Family::all() {
            if !sets.iter().any(|set| set.family == family)
                && let Ok(files) = store.set(family)?
            {
                sets.push(Set { family, files });
            }
        }
    }
    Ok(sets)
}

fn stores(place: &Path, asked_by: &str) -> Result<Vec<Store>> {
    if files::look(place)?.is_some_and(|there| there.is_dir()) {
        let mut stores = vec![Store::Folder(place.to_path_buf())];
        for name in ARCHIVES {
            let path = place.join(name);
            if place::is_file(&path)? {
                stores.push(Store::Zip(archive::members(&path)?));
            }
        }
        return Ok(stores);
    }
    let what = match place::is_file(place)? {
        true if is_zip(place)? => return Ok(vec![Store::Zip(archive::members(place)?)]),
        true => "is a file; ASKED must name a folder with the four IDX files, or a zip of them",
        false => "no such folder; ASKED must name a data set's files, their folder or an archive",
    };
    Err(Error::data(place, what.replacen("ASKED", asked_by, 1)))
}

fn is_zip(path: &Path) -> Result<bool> {
    let mut start = Vec::with_capacity(4);
    let file = place::open(path)?;
    file.take(4)
        .read_to_end(&mut start)
        .map_err(Error::io("read", path))?;
    Ok(start == archive::MAGIC)
}

#[cfg(test)]
#[path = "sets_tests.rs"]
mod tests;
