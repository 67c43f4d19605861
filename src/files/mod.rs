//! Atomic writes of files, folders with a single writer, and checks of paths that distinguish an
//! absent file from a failed check.

mod dir;
mod lock;
mod temporary;

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, plain};
use crate::{bounded, notice};

pub use dir::{Dir, Kind};
pub use lock::FolderLock;

/// Returns the metadata of what is at `path`, following links; `None` if there is nothing.
///
/// Only the error "not found" means absent. Every other error of the operating system is returned:
/// if a disk does not respond or a folder may not be entered, it is unknown what is there.
///
/// # Errors
/// [`Error::Io`] for every error other than "not found", and for a symbolic link whose target does
/// not exist.
pub fn look(path: &Path) -> Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Ok(_) => Err(Error::io("follow", path)(nowhere())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("look at", path)(e)),
        },
        Err(e) => Err(Error::io("look at", path)(e)),
    }
}

/// Returns whether a folder is at `path`, by [`look`].
///
/// # Errors
/// As [`look`].
pub fn is_folder(path: &Path) -> Result<bool> {
    Ok(look(path)?.is_some_and(|found| found.is_dir()))
}

/// Reads the regular file `path`, of at most `most` bytes, for a caller that will hold its content
/// `copies` times in memory ([`bounded::read`]); `None` if there is nothing at `path`.
///
/// A pipe or a device is refused without blocking.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Data`] if it is too large.
pub fn read(path: &Path, most: u64, copies: u64) -> Result<Option<Vec<u8>>> {
    let Some((folder, name)) = parts(path) else {
        return Err(Error::io("read", path)(no_name()));
    };
    if look(path)?.is_none() {
        return Ok(None);
    }
    let dir = Dir::open(folder).map_err(Error::io("read", path))?;
    read_in(&dir, &name, path, (most, copies))
}

/// As [`read`], for the file `name` in an open folder; messages show `path`.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_in(
    dir: &Dir,
    name: &Path,
    path: &Path,
    (most, copies): (u64, u64),
) -> Result<Option<Vec<u8>>> {
    let file = match dir.open_regular(name) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // A name that exists nevertheless is a symbolic link whose target does not exist.
            return match dir.kind(name).map_err(Error::io("look at", path))? {
                None => Ok(None),
                Some(_) => Err(Error::io("follow", path)(nowhere())),
            };
        }
        Err(e) => return Err(Error::io("read", path)(e)),
    };
    bounded::read_open(file, path, most, copies).map(Some)
}

/// Writes `path` atomically: a reader, or a crash at any moment, finds either the old or the new
/// content and never a part of it.
///
/// `fill` writes to a hidden temporary file in the same folder; the file is then synced to the disk
/// and renamed to `path`. The folder must exist. A symbolic link is followed to its target; the
/// permissions of a replaced file are kept. Temporary files that killed writers of the same path
/// left are removed.
///
/// # Errors
/// [`Error::Io`] that names `path`, if `fill` or the operating system fails, or something other
/// than a regular file is there. The temporary file is removed. The file at `path` is not changed,
/// unless only the last step failed, which syncs the folder: then the whole new file is there, but
/// may be lost in a power failure.
pub(crate) fn write_atomic<F>(path: &Path, fill: F) -> Result<()>
where
    F: FnOnce(&mut BufWriter<File>) -> io::Result<()>,
{
    let write = || {
        let target = followed(path)?;
        let (folder, name) = parts(&target).ok_or_else(no_name)?;
        let dir = Dir::open(folder)?;
        temporary::remove_leftovers(&dir, &name);
        replace(&dir, &name, fill)
    };
    write().map_err(Error::io("write", path))
}

/// As `write_atomic`, for content in memory.
///
/// # Errors
/// As `write_atomic`.
pub fn write_atomic_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |writer| writer.write_all(bytes))
}

/// Creates the folder `path` and all missing folders above it.
///
/// # Errors
/// [`Error::Io`] that names `path`.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create folder", path))
}

/// Replaces the file `name` in an open folder atomically.
fn replace<F>(dir: &Dir, name: &Path, fill: F) -> io::Result<()>
where
    F: FnOnce(&mut BufWriter<File>) -> io::Result<()>,
{
    let mode = match dir.kind(name)? {
        Some(found) if found.is_regular() => Some(found),
        Some(found) => return Err(found.refusal()),
        None => None,
    };
    write_on(dir, name, |writer| {
        if let Some(mode) = &mode {
            mode.give_to(writer.get_ref())?;
        }
        fill(writer)
    })
}

/// Returns the path to be written for `path`: the target of a symbolic link, else `path`.
fn followed(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => fs::canonicalize(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => nowhere(),
            _ => e,
        }),
        Ok(_) => Ok(path.to_path_buf()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(path.to_path_buf()),
        Err(e) => Err(e),
    }
}

/// The operations of a disk that an atomic write uses. Tests implement it to let any of them fail,
/// or to simulate a power failure between two. All names are in one folder.
trait Disk {
    type File: Write;
    /// Creates a file that does not exist yet.
    fn create(&self, name: &Path) -> io::Result<Self::File>;
    /// Syncs the content of a file to the disk.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Renames a file, replacing the file `to`, and closes it.
    fn rename(&self, file: Self::File, from: &Path, to: &Path) -> io::Result<()>;
    /// Syncs the names in the folder to the disk.
    fn sync_folder(&self) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &Path) -> io::Result<()>;
}

fn write_on<D: Disk, F>(disk: &D, name: &Path, fill: F) -> io::Result<()>
where
    F: FnOnce(&mut BufWriter<D::File>) -> io::Result<()>,
{
    let (temporary, file) = temporary::create(disk, name)?;
    let steps = || {
        let mut writer = BufWriter::new(file);
        fill(&mut writer)?;
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        disk.sync(&file)?;
        disk.rename(file, &temporary, name)?;
        // A rename is durable only after the folder was synced.
        disk.sync_folder()
    };
    let outcome = steps();
    if outcome.is_err() {
        // The temporary file may not exist any more; the first error is the one to report.
        let _ = disk.remove(&temporary);
    }
    outcome
}

/// Returns the folder of a path and the name within it; a path without a folder is in the working
/// directory.
fn parts(path: &Path) -> Option<(&Path, PathBuf)> {
    let name = PathBuf::from(path.file_name()?);
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Some((folder, name))
}

fn nowhere() -> io::Error {
    io::Error::other("this symbolic link leads nowhere; remove it, or make what it names")
}

fn no_name() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the path does not end in a file name",
    )
}

/// Notifies the user once that a folder cannot be synced.
fn cannot_sync(folder: &Path, why: &io::Error) {
    notice::once(
        "sync",
        &format!(
            "{}: this file system cannot force a folder to the disk ({}); a loss of power may undo the last write",
            folder.display(),
            plain(why)
        ),
    );
}

#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod tests;
