//! Files that are either whole or absent, and folders with a single writer.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Writes `path` so that a reader, or a crash at any moment, finds the old
/// content or the new, never a part of it.
///
/// `fill` writes into a hidden temporary file in the same folder; the file is
/// then forced to the disk and renamed over `path`. The folder must exist.
///
/// # Errors
/// [`Error::Io`] naming `path`, when `fill` or the operating system fails. The
/// temporary file is removed. What stood at `path` stays as it was, unless the
/// last step failed, which makes the new name durable: then the whole new file
/// stands there, but might not outlive a loss of power.
pub fn write_atomic<F>(path: &Path, fill: F) -> Result<()>
where
    F: FnOnce(&mut BufWriter<File>) -> io::Result<()>,
{
    write_on(&OperatingSystem, path, fill).map_err(Error::io("write", path))
}

/// [`write_atomic`] for content that is already in memory.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |writer| writer.write_all(bytes))
}

/// What is at `path`, links followed; `None` where nothing is.
///
/// # Errors
/// [`Error::Io`] naming `path`, when that cannot be found out.
pub fn look(path: &Path) -> Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}

/// Makes the folder `path` and the folders above it, where they are missing.
///
/// # Errors
/// [`Error::Io`] naming `path`.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create folder", path))
}

/// Removes what writers of `path` left beside it when they were killed. Only for
/// the one process that may write `path`: another's write would fail.
///
/// A temporary file that cannot be removed does no harm, so nothing is reported.
pub fn remove_leftovers(path: &Path) {
    let Some(prefix) = path.file_name().map(hidden_prefix) else {
        return;
    };
    let prefix = prefix.to_string_lossy().into_owned();
    for entry in fs::read_dir(folder_of(path))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| {
            let serial = name.strip_prefix(&prefix)?.strip_suffix(".tmp")?;
            serial.split_once('-')
        });
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if number.is_some_and(|(process, serial)| digits(process) && digits(serial)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What an atomic write asks of a disk, step by step: a test lets any of them
/// fail, or takes the power away between two.
trait Disk {
    type File: Write;
    /// Makes a file that is not there yet.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Forces the content to the disk, and closes the file.
    fn sync(&self, file: Self::File) -> io::Result<()>;
    /// Gives a file the name of another, which is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Forces the names in a folder to the disk.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

struct OperatingSystem;

impl Disk for OperatingSystem {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn sync(&self, file: File) -> io::Result<()> {
        // Windows refuses to rename a file that is still open: it is closed here.
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    #[cfg(unix)]
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Elsewhere a folder cannot be opened as a file; the file itself is synced.
    #[cfg(not(unix))]
    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

fn write_on<D: Disk, F>(disk: &D, path: &Path, fill: F) -> io::Result<()>
where
    F: FnOnce(&mut BufWriter<D::File>) -> io::Result<()>,
{
    let temporary = temporary_beside(path)?;
    let steps = || {
        let mut writer = BufWriter::new(disk.create(&temporary)?);
        fill(&mut writer)?;
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        disk.sync(file)?;
        disk.rename(&temporary, path)?;
        // A rename is durable only once the folder's own entry is on the disk.
        disk.sync_folder(folder_of(path))
    };
    let outcome = steps();
    if outcome.is_err() {
        // Best effort: the error worth reporting is the first one.
        let _ = disk.remove(&temporary);
    }
    outcome
}

/// The folder that holds `path`; a bare file name lies in the working folder.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A hidden name beside `path` that no other writer uses: the process and a
/// counter are part of it.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path does not end in a file name",
        ));
    };
    let mut hidden = hidden_prefix(name);
    let serial = COUNTER.fetch_add(1, Ordering::Relaxed);
    hidden.push(format!("{}-{serial}.tmp", std::process::id()));
    Ok(folder_of(path).join(hidden))
}

/// How the names of the temporary files for `name` begin.
fn hidden_prefix(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden
}

/// Sole ownership of a folder, for as long as the value lives.
///
/// The lock is the operating system's on `<folder>/.lock`, so it vanishes with
/// the process however that ends; the empty file itself stays, because removing
/// it would let two later processes lock two different files of that name.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `folder`, which must exist, without waiting.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds the lock;
    /// [`Error::Io`] when the lock file cannot be made or locked.
    pub fn acquire(folder: &Path) -> Result<Self> {
        let (file, path) = Self::file(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse {
                folder: folder.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
        }
    }

    /// Locks `folder`, which must exist, as soon as nobody else has it. For work
    /// of a moment: nobody is told what is being waited for.
    ///
    /// # Errors
    /// [`Error::Io`] when the lock file cannot be made or locked.
    pub fn wait(folder: &Path) -> Result<Self> {
        let (file, path) = Self::file(folder)?;
        file.lock().map_err(Error::io("lock", path))?;
        Ok(Self { _file: file })
    }

    fn file(folder: &Path) -> Result<(File, PathBuf)> {
        let path = folder.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        Ok((file, path))
    }
}

#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod tests;
