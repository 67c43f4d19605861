//! The place of a data file: on the disk, within a zip archive or in memory.

use std::io::Read;
use std::path::PathBuf;

use super::archive::Member;
use super::fault::Fault;
use crate::error::Result;

pub use super::opened::{is_file, open};

/// A data file at its place.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A file on the disk.
    File(PathBuf),
    /// A member of a zip archive.
    Member(Member),
    /// A file unpacked from a tar archive: the path that messages show, and the content.
    #[cfg(feature = "formats")]
    Memory(PathBuf, std::sync::Arc<[u8]>),
}

impl Place {
    /// Returns the path that messages show.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Member(member) => member.path(),
            #[cfg(feature = "formats")]
            Self::Memory(path, _) => path.clone(),
        }
    }

    /// Gives the content of the file to `parse` and returns its result.
    ///
    /// # Errors
    /// One line that names the file, if it cannot be read or `parse` returns a [`Fault`].
    pub(super) fn read<T>(
        &self,
        parse: impl FnOnce(&mut dyn Read) -> std::result::Result<T, Fault>,
    ) -> Result<T> {
        match self {
            Self::File(path) => parse(&mut open(path)?).map_err(|fault| fault.at(path)),
            Self::Member(member) => member.read(parse),
            #[cfg(feature = "formats")]
            Self::Memory(path, bytes) => parse(&mut &bytes[..]).map_err(|fault| fault.at(path)),
        }
    }
}
