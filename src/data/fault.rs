//! The error of parsers that read bytes and do not know the name of the file.

use std::io;

/// The reason why bytes could not be read as a data file.
#[derive(Debug)]
pub enum Fault {
    /// The bytes do not have the expected format. The text says what is wrong and what to do, in
    /// words that complete "the file ...".
    Format(String),
    /// The underlying reader failed.
    Read(io::Error),
}

impl Fault {
    /// Returns the error for the user, which names the file.
    #[cfg(feature = "idx")]
    pub(super) fn at(self, path: &std::path::Path) -> crate::error::Error {
        use crate::error::Error;
        match self {
            Self::Format(what) => Error::data(path, what),
            Self::Read(source) => Error::io("read", path)(source),
        }
    }
}
