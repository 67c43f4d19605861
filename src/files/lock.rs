//! Locks of folders that only one process at a time may write.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use super::{Dir, replace, temporary};
use crate::error::{Error, Result};

/// The name of the file that is locked.
const NAME: &str = ".lock";

/// Exclusive ownership of a folder, for as long as the value exists.
///
/// The lock is one of the operating system on the file `.lock` in the folder, so it is released
/// when the process ends in any way. The empty file is not removed, because then two later
/// processes could lock two different files of that name.
///
/// Files are written to the folder that is locked, even if another folder has its path by then;
/// nothing is written any more after the folder was moved, removed or replaced.
#[derive(Debug)]
pub struct FolderLock {
    dir: Dir,
    file: File,
}

impl FolderLock {
    /// Locks `folder`, which must exist, without waiting.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process holds the lock; [`Error::Io`] if the lock file cannot be
    /// created or locked.
    pub fn acquire(folder: &Path) -> Result<Self> {
        let lock = Self::open(folder)?;
        match lock.file.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(Error::InUse {
                folder: folder.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(Error::io("lock", folder.join(NAME))(source)),
        }
    }

    /// Locks `folder`, which must exist, and waits until no other process holds the lock. To tell
    /// the user about the wait, call [`Self::acquire`] first.
    ///
    /// # Errors
    /// [`Error::Io`] if the lock file cannot be created or locked.
    pub fn wait(folder: &Path) -> Result<Self> {
        let lock = Self::open(folder)?;
        lock.file
            .lock()
            .map_err(Error::io("lock", folder.join(NAME)))?;
        Ok(lock)
    }

    fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let dir = Dir::open(folder).map_err(Error::io("create", &path))?;
        let file = dir
            .open_or_create(Path::new(NAME))
            .map_err(Error::io("create", &path))?;
        Ok(Self { dir, file })
    }

    /// Returns the locked folder.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Checks that the folder's path still leads to the locked folder.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the folder or its lock file was moved, removed or replaced;
    /// [`Error::Io`] if the check fails.
    pub fn check(&self) -> Result<()> {
        let path = self.dir.path();
        let look = || -> io::Result<bool> {
            Ok(self.dir.is_in_place()? && self.dir.still_names(Path::new(NAME), &self.file)?)
        };
        match look().map_err(Error::io("look at", path))? {
            true => Ok(()),
            false => Err(Error::checkpoint(
                path,
                "this folder (or the .lock in it) was moved, removed or replaced while it was written; nothing more is written. Put it back to continue",
            )),
        }
    }

    /// Replaces the file `name` in the folder atomically.
    ///
    /// # Errors
    /// As [`Self::check`]; also [`Error::Io`] that names the file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.check()?;
        replace(&self.dir, Path::new(name), |writer| writer.write_all(bytes))
            .map_err(Error::io("write", self.dir.path().join(name)))
    }

    /// Checks that a file with that content can be written beside `name`, by writing and removing
    /// it. This is called before other files are removed to make space for it.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn try_write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.check()?;
        let attempt = || {
            let (temporary, mut file) = temporary::create(&self.dir, Path::new(name))?;
            let written = file.write_all(bytes).and_then(|()| file.sync_all());
            self.dir.remove_name(&temporary)?;
            written
        };
        attempt().map_err(Error::io("write", self.dir.path().join(name)))
    }

    /// Removes the file `name` from the folder, if it exists.
    ///
    /// # Errors
    /// As [`Self::check`]; also [`Error::Io`] that names the file.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.check()?;
        match self.dir.remove_name(Path::new(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", self.dir.path().join(name))(e))
            }
            _ => Ok(()),
        }
    }

    /// Removes temporary files that killed writers of the file `name` left in the folder.
    pub fn sweep(&self, name: &str) {
        temporary::remove_leftovers(&self.dir, Path::new(name));
    }
}
