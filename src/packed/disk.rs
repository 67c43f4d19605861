//! Packed files on the disk.

use std::path::Path;

use super::PackedNet;
use crate::error::{Error, Result};
use crate::files::write_atomic_bytes;
use crate::{bounded, notice};

/// The largest size of a file that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 4 << 30;

/// While a file is read, its bytes and the tensors made of them are both in memory.
const COPIES: u64 = 2;

impl PackedNet {
    /// Reads a packed file.
    ///
    /// # Errors
    /// As [`Self::from_bytes`]; also [`Error::Io`] if the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self::open(path)?.0)
    }

    /// As [`Self::read`]; also returns whether the file has a seal, which was verified.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn open(path: &Path) -> Result<(Self, bool)> {
        let bytes = bounded::read(path, MAX_BYTES, COPIES)?;
        let (net, sealed) =
            Self::decode(&bytes).map_err(|e| Error::checkpoint(path, e.to_string()))?;
        if !sealed {
            let path = path.display().to_string();
            notice::once(
                &path,
                &format!(
                    "{path}: this packed file was made before files had seals, so damage to it would not be noticed; pack the run again"
                ),
            );
        }
        Ok((net, sealed))
    }

    /// Writes a packed file atomically; returns its size in bytes.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<usize> {
        let bytes = self.to_bytes()?;
        write_atomic_bytes(path, &bytes)?;
        Ok(bytes.len())
    }
}
