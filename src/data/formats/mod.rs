//! Data sets in other formats than IDX: folders and archives of pictures, CIFAR's binary files,
//! NumPy's arrays and safetensors.
//!
//! The format is recognised by the content of the files. Names decide only what the content cannot
//! show: the class of a picture, and the part of the data set that a file holds.

pub mod album;
pub mod answers;
mod arrays;
mod cifar;
mod decoded;
pub mod held_out;
mod layout;
mod material;
mod npy;
mod numbers;
mod pictures;
mod sized;
mod tensors;
mod tree;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::event::Event;
use super::loaded::Loaded;
use super::reading::Options;
use super::{archive, gzip, place, raster};
use crate::error::{Error, Result};
use crate::files;
use tree::Tree;

/// The format of a file, recognised by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sniffed {
    Picture,
    Npy,
    Zip,
    Gzip,
    Tar,
    Safetensors,
    Other,
}

/// Number of bytes that are needed to recognise a format; a tar archive has its magic at byte 257.
const START: usize = 263;

/// The largest number of files in a folder that are checked for being archives.
const MAX_BESIDE: usize = 256;

fn sniff(start: &[u8]) -> Sniffed {
    let length = |bytes: &[u8; 8]| (2..1 << 30).contains(&u64::from_le_bytes(*bytes));
    if raster::is_picture(start) {
        Sniffed::Picture
    } else if start.starts_with(npy::MAGIC) {
        Sniffed::Npy
    } else if start.starts_with(&archive::MAGIC) {
        Sniffed::Zip
    } else if start.starts_with(&gzip::MAGIC) {
        Sniffed::Gzip
    } else if start.get(257..262) == Some(b"ustar") {
        Sniffed::Tar
    } else if start.get(8) == Some(&b'{') && start.first_chunk().is_some_and(length) {
        Sniffed::Safetensors
    } else {
        Sniffed::Other
    }
}

fn sniff_file(path: &Path) -> Result<Sniffed> {
    let mut start = Vec::with_capacity(START);
    place::open(path)?
        .take(START as u64)
        .read_to_end(&mut start)
        .map_err(Error::io("read", path))?;
    Ok(sniff(&start))
}

/// Returns the name of a file without the extension that states its format.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ends = [
        ".zip",
        ".npz",
        ".npy",
        ".tar.gz",
        ".tgz",
        ".tar",
        ".safetensors",
    ];
    let end = ends.iter().find_map(|end| name.strip_suffix(end));
    end.filter(|stem| !stem.is_empty())
        .unwrap_or(&name)
        .to_string()
}

/// Returns the name of a data set that is read from `place`.
pub(super) fn name_of(place: &Path) -> String {
    stem(place)
}

/// Returns whether `place` is a file that is not a zip archive, and which therefore holds no IDX
/// files.
pub(super) fn is_other_file(place: &Path) -> Result<bool> {
    Ok(match files::look(place)? {
        Some(there) if there.is_file() => sniff_file(place)? != Sniffed::Zip,
        _ => false,
    })
}

/// Returns whether `place` holds files of a supported format; pictures are not opened.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] if the place cannot be read.
pub(super) fn is_here(place: &Path) -> Result<bool> {
    match files::look(place)? {
        None => Ok(false),
        Some(there) if there.is_dir() => {
            let tree = Tree::of_folder(place)?;
            Ok(holds(&tree)? || !beside(&tree)?.is_empty())
        }
        Some(_) => match sniff_file(place)? {
            Sniffed::Other | Sniffed::Picture => Ok(false),
            Sniffed::Zip => holds(&Tree::of_zip(place)?),
            _ => Ok(true),
        },
    }
}

/// Returns whether a folder or a zip archive has files whose names are those of IDX files.
pub(super) fn has_idx_names(place: &Path) -> Result<bool> {
    let tree = match files::is_folder(place)? {
        true => Tree::of_folder(place)?,
        false => Tree::of_zip(place)?,
    };
    Ok(tree
        .entries
        .iter()
        .any(|entry| archive::is_idx(entry.file_name())))
}

fn holds(tree: &Tree) -> Result<bool> {
    Ok(cifar::is_here(tree) || arrays::is_here(tree) || pictures::is_here(tree)?)
}

/// Lists the archives and the files of tensors that are in a folder.
fn beside(tree: &Tree) -> Result<Vec<(PathBuf, Sniffed)>> {
    let mut found = Vec::new();
    let direct = tree.entries.iter().filter(|entry| entry.parts.len() == 1);
    for entry in direct.take(MAX_BESIDE) {
        let what = sniff(&entry.start(START as u64)?);
        let wanted = [
            Sniffed::Zip,
            Sniffed::Gzip,
            Sniffed::Tar,
            Sniffed::Safetensors,
        ];
        // A compressed IDX file is not an archive.
        if wanted.contains(&what) && !archive::is_idx(entry.file_name()) {
            found.push((entry.place.path(), what));
        }
    }
    Ok(found)
}

/// Reads the data set `name` in `place`; `asked_by` is the name of the setting that named the
/// place.
///
/// # Errors
/// [`Error::Data`] if the place holds no data set, or a damaged one; [`Error::Spec`] for options
/// that have no effect on it; [`Error::Io`] from the operating system.
pub(super) fn read(
    place: &Path,
    name: &str,
    asked_by: &str,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Loaded> {
    let unknown = |what: &str| {
        Err(Error::data(
            place,
            format!("{what}; {}", accepted(asked_by)),
        ))
    };
    let material = match files::look(place)? {
        None => return unknown("no such file or folder"),
        Some(there) if there.is_dir() => {
            let tree = Tree::of_folder(place)?;
            if holds(&tree)? {
                of_tree(&tree, place, options, events)?
            } else {
                match &beside(&tree)?[..] {
                    [] => return unknown("holds no data set that is known"),
                    [(file, Sniffed::Safetensors)] => tensors::read(file, options)?,
                    several if several.iter().any(|(_, s)| *s == Sniffed::Safetensors) => {
                        return unknown("holds a safetensors file beside other archives");
                    }
                    archives => {
                        let paths: Vec<PathBuf> = archives.iter().map(|a| a.0.clone()).collect();
                        of_archives(&paths, place, asked_by, options, events)?
                    }
                }
            }
        }
        Some(_) => match sniff_file(place)? {
            Sniffed::Npy => arrays::beside(place, options)?,
            Sniffed::Safetensors => tensors::read(place, options)?,
            Sniffed::Zip | Sniffed::Gzip | Sniffed::Tar => {
                of_archives(&[place.to_path_buf()], place, asked_by, options, events)?
            }
            Sniffed::Picture => return unknown("is a single picture"),
            Sniffed::Other => return unknown("is no file of a kind that is known"),
        },
    };
    material.finish(name, place)
}

fn of_archives(
    archives: &[PathBuf],
    place: &Path,
    asked_by: &str,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<material::Material> {
    let tree = Tree::of_all(archives, events)?;
    if !holds(&tree)? {
        let what = format!("holds no data set that is known; {}", accepted(asked_by));
        return Err(Error::data(place, what));
    }
    of_tree(&tree, place, options, events)
}

fn of_tree(
    tree: &Tree,
    place: &Path,
    options: &Options,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<material::Material> {
    if cifar::is_here(tree) {
        return cifar::read(tree, place, options);
    }
    if arrays::is_here(tree) {
        return arrays::of_tree(tree, place, options, events);
    }
    pictures::read(tree, place, options, events)
}

fn accepted(asked_by: &str) -> String {
    format!(
        "{asked_by} must name IDX files, a folder of pictures with a sub-folder for each class, CIFAR's binary files, .npy or .npz arrays, safetensors, or an archive of these"
    )
}

/// Returns an error if an option is stated that has no effect on files of this format.
fn without_effect(options: &Options, kind: &str) -> Result<()> {
    let pictures_only = [
        ("size", options.size.is_some()),
        ("resize", options.resize.is_some()),
        ("backdrop", options.backdrop.is_some()),
    ];
    if let Some((name, _)) = pictures_only.iter().find(|(_, stated)| *stated) {
        return Err(Error::spec(format!(
            "{name} has no effect on {kind}, whose images are taken as they are; leave it out"
        )));
    }
    if options.split_by == Some(super::reading::SplitBy::Alphabet) {
        return Err(Error::spec(format!(
            "split-by alphabet has no effect on {kind}, which has no alphabets; leave it out"
        )));
    }
    Ok(())
}
