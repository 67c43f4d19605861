//! Where a data file lies, on the disk or within an archive.

use std::io::Read;
use std::path::PathBuf;

use super::archive::Member;
use super::fault::Fault;
use crate::error::Result;

pub use super::opened::{is_file, open};

/// A data file.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// On the disk.
    File(PathBuf),
    /// Within a zip.
    Member(Member),
    /// Unpacked from a tar: what messages call it, and its content.
    #[cfg(feature = "formats")]
    Memory(PathBuf, std::sync::Arc<[u8]>),
}

impl Place {
    /// What messages call it.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Member(member) => member.path(),
            #[cfg(feature = "formats")]
            Self::Memory(path, _) => path.clone(),
        }
    }

    /// What `parse` makes of its content.
    ///
    /// # Errors
    /// One line naming the file, when it cannot be read or `parse` refuses it.
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
