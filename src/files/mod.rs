//! Files that are either whole or absent, folders with a single writer, and looks at
//! files that tell "absent" from "cannot be looked at".

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

/// What is at `path`, links followed; `None` where nothing is.
///
/// Only "not found" means absent. Every other failure of the operating system is an
/// error: a disk that does not answer, or a folder that may not be entered, says
/// nothing of what is there.
///
/// # Errors
/// [`Error::Io`] for every failure but "not found", and for a symbolic link that leads
/// nowhere.
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

/// Whether a folder is at `path`; see [`look`].
///
/// # Errors
/// As [`look`].
pub fn is_folder(path: &Path) -> Result<bool> {
    Ok(look(path)?.is_some_and(|found| found.is_dir()))
}

/// The bytes of the regular file `path`, at most `most`, for a caller that will hold its
/// content `copies` times ([`bounded::read`]); `None` where nothing is.
///
/// A pipe or a device in the place of a file is refused; it is not waited for.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::Data`] when it is larger.
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

/// [`read`] of the file `name` in an open folder; `path` is named in messages.
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
            // A name that is there all the same is a link that leads nowhere.
            return match dir.kind(name).map_err(Error::io("look at", path))? {
                None => Ok(None),
                Some(_) => Err(Error::io("follow", path)(nowhere())),
            };
        }
        Err(e) => return Err(Error::io("read", path)(e)),
    };
    bounded::read_open(file, path, most, copies).map(Some)
}

/// Writes `path` so that a reader, or a crash at any moment, finds the old
/// content or the new, never a part of it.
///
/// `fill` writes into a hidden temporary file in the same folder; the file is
/// then forced to the disk and renamed over `path`. The folder must exist. A symbolic
/// link is followed to the file that it names; the mode of a file that is replaced is
/// kept. What earlier writers of the same path left when they were killed is removed.
///
/// # Errors
/// [`Error::Io`] naming `path`, when `fill` or the operating system fails, or when
/// something other than a regular file is there. The temporary file is removed. What
/// stood at `path` stays as it was, unless the last step failed, which makes the new
/// name durable: then the whole new file stands there, but might not outlive a loss of
/// power.
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

/// `write_atomic` for content that is already in memory.
///
/// # Errors
/// As `write_atomic`.
pub fn write_atomic_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |writer| writer.write_all(bytes))
}

/// Makes the folder `path` and the folders above it, where they are missing.
///
/// # Errors
/// [`Error::Io`] naming `path`.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create folder", path))
}

/// Replaces the file `name` in an open folder, whole or not at all.
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

/// The file that is written for `path`: where a symbolic link leads, else the path.
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

/// What an atomic write asks of a disk, step by step: a test lets any of them
/// fail, or takes the power away between two. All names lie in one folder.
trait Disk {
    type File: Write;
    /// Makes a file that is not there yet.
    fn create(&self, name: &Path) -> io::Result<Self::File>;
    /// Forces the content to the disk.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Gives a file the name of another, which is replaced, and closes it.
    fn rename(&self, file: Self::File, from: &Path, to: &Path) -> io::Result<()>;
    /// Forces the names in the folder to the disk.
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
        // A rename is durable only once the folder's own entry is on the disk.
        disk.sync_folder()
    };
    let outcome = steps();
    if outcome.is_err() {
        // The temporary file may be gone already; the error worth reporting is the first.
        let _ = disk.remove(&temporary);
    }
    outcome
}

/// The folder of a path, and the name in it; a bare file name lies in the working
/// folder.
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

/// Says once that a folder cannot be synced.
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
