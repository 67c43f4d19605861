//! Why a data file could not be read: what parsers of bytes say, who know no file's name.

use std::io;

/// Why bytes could not be read as a data file.
#[derive(Debug)]
pub enum Fault {
    /// The bytes are not what they should be: what is wrong, and the remedy.
    Format(String),
    /// The bytes could not be fetched.
    Read(io::Error),
}

impl Fault {
    /// The error for the user, naming the file.
    #[cfg(feature = "idx")]
    pub(super) fn at(self, path: &std::path::Path) -> crate::error::Error {
        use crate::error::Error;
        match self {
            Self::Format(what) => Error::data(path, what),
            Self::Read(source) => Error::io("read", path)(source),
        }
    }
}
