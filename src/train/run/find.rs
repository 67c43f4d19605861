//! Where runs lie: names for new ones, and the newest first.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{CHECKPOINT, CONFIG, RunFolder};
use crate::error::{Error, Result};
use crate::files::{self, create_folder};

impl RunFolder {
    /// Makes the folder `parent/base-n` for the smallest `n` from 1 that is free.
    /// Of two processes that do so at once, each gets its own.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn claim(parent: &Path, base: &str) -> Result<PathBuf> {
        create_folder(parent)?;
        let mut n = 1u64;
        loop {
            let path = parent.join(format!("{base}-{n}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => n += 1,
                Err(e) => return Err(Error::io("create folder", path)(e)),
            }
        }
    }

    /// The runs in `parent`, the one whose checkpoint (or configuration) is the newest
    /// first. They may be damaged.
    ///
    /// # Errors
    /// A folder or file that cannot be looked at.
    pub fn newest_first(parent: &Path) -> Result<Vec<PathBuf>> {
        if files::look(parent)?.is_none() {
            return Ok(Vec::new());
        }
        let read = || Error::io("read", parent);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(parent).map_err(read())? {
            let path = entry.map_err(read())?.path();
            if !files::is_folder(&path)? {
                continue;
            }
            if let Some(configured) = time(&path.join(CONFIG))? {
                let saved = time(&path.join(CHECKPOINT))?;
                found.push((configured.max(saved.unwrap_or(configured)), path));
            }
        }
        found.sort();
        Ok(found.into_iter().rev().map(|(_, path)| path).collect())
    }

    /// The newest run in `parent`: the first of [`Self::newest_first`]; `None` without any.
    ///
    /// # Errors
    /// As [`Self::newest_first`].
    pub fn newest(parent: &Path) -> Result<Option<PathBuf>> {
        Ok(Self::newest_first(parent)?.into_iter().next())
    }
}

/// When a file was last written; `None` where it is not there.
fn time(path: &Path) -> Result<Option<SystemTime>> {
    match files::look(path)? {
        Some(found) => Ok(Some(found.modified().map_err(Error::io("look at", path))?)),
        None => Ok(None),
    }
}
