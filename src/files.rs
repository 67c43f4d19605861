//! Files that are either whole or absent, and folders with a single writer.

use std::ffi::OsString;
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
/// temporary file is removed and what stood at `path` stays as it was.
pub fn write_atomic<F>(path: &Path, fill: F) -> Result<()>
where
    F: FnOnce(&mut BufWriter<File>) -> io::Result<()>,
{
    let written = temporary_beside(path).and_then(|temporary| {
        let outcome = write_and_rename(&temporary, path, fill);
        if outcome.is_err() {
            // Best effort: the error worth reporting is the first one.
            let _ = fs::remove_file(&temporary);
        }
        outcome
    });
    written.map_err(Error::io("write", path))
}

/// [`write_atomic`] for content that is already in memory.
///
/// # Errors
/// As [`write_atomic`].
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

fn write_and_rename<F>(temporary: &Path, path: &Path, fill: F) -> io::Result<()>
where
    F: FnOnce(&mut BufWriter<File>) -> io::Result<()>,
{
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(temporary)?;
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    // Windows refuses to rename a file that is still open.
    drop(file);
    fs::rename(temporary, path)?;
    sync_folder(folder_of(path))
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
    let mut hidden = OsString::from(".");
    hidden.push(name);
    let serial = COUNTER.fetch_add(1, Ordering::Relaxed);
    hidden.push(format!(".{}-{serial}.tmp", std::process::id()));
    Ok(folder_of(path).join(hidden))
}

/// A rename is durable only once the folder's own entry is on the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file; the file itself is synced.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
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
        let path = folder.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse {
                folder: folder.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(Error::Io {
                action: "lock",
                path,
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_a_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        write_atomic_bytes(&path, b"old").unwrap();
        write_atomic(&path, |w| w.write_all(b"new and longer")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new and longer");
        assert_eq!(names(folder.path()), ["run.json"]);
    }

    #[test]
    fn the_temporary_is_hidden_beside_the_target_and_ends_in_tmp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let mut during = Vec::new();
        write_atomic(&path, |w| {
            during = names(folder.path());
            w.write_all(b"x")
        })
        .unwrap();
        assert_eq!(during.len(), 1);
        assert!(during[0].starts_with(".run.json.") && during[0].ends_with(".tmp"));
    }

    #[test]
    fn a_failed_write_keeps_the_old_content_and_removes_the_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        write_atomic_bytes(&path, b"old").unwrap();
        let error = write_atomic(&path, |w| {
            w.write_all(b"half")?;
            Err(io::Error::other("disk on fire"))
        })
        .unwrap_err();
        assert!(matches!(error, Error::Io { .. }));
        let line = error.to_string();
        assert!(
            line.contains("run.json") && line.contains("disk on fire"),
            "{line}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["run.json"]);
    }

    #[test]
    fn a_failed_rename_removes_the_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"x").unwrap();
        assert!(write_atomic_bytes(&path, b"new").is_err());
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let line = write_atomic_bytes(&folder.path().join("no/such.json"), b"x")
            .unwrap_err()
            .to_string();
        assert!(line.contains("such.json") && !line.contains('\n'), "{line}");
        assert!(write_atomic_bytes(Path::new("/"), b"x").is_err());
    }

    #[test]
    fn a_folder_has_one_owner_until_the_lock_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::acquire(folder.path()).unwrap();
        let line = FolderLock::acquire(folder.path()).unwrap_err().to_string();
        assert!(
            line.ends_with("is in use by another process; wait for it or choose another --out"),
            "{line}"
        );
        drop(lock);
        FolderLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn locking_a_missing_folder_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = FolderLock::acquire(&folder.path().join("absent")).unwrap_err();
        assert!(error.to_string().contains("absent"));
    }
}
