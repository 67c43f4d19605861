//! One error type for the whole crate, by the party at fault.
//!
//! Every message is a single line that says what is wrong, where, and (after
//! a semicolon) what to do about it.

use alloc::boxed::Box;
use alloc::string::String;

#[cfg(feature = "std")]
use std::path::{Path, PathBuf};

/// What went wrong, grouped by who can mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[cfg(feature = "std")]
    #[error("cannot {action} {}: {}", path.display(), plain(source))]
    Io {
        /// What was being done, as a verb phrase: "read", "create folder".
        action: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A data file is missing or does not hold what it should.
    #[cfg(feature = "std")]
    #[error("{}: {what}", path.display())]
    Data {
        /// The file (or folder) at fault.
        path: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
    /// The caller asked for something impossible: a model, a setting, a combination.
    #[error("{0}")]
    Spec(String),
    /// A setting of a configuration is impossible, or has no effect beside the others.
    #[error("{field}: {what}")]
    Field {
        /// The setting as a path of the configuration, such as `slope.max`.
        field: &'static str,
        /// What is wrong and what to do.
        what: String,
    },
    /// An error that another choice of something the caller gave would mend.
    #[error("{error}")]
    Mended {
        /// What went wrong.
        error: Box<Error>,
        /// The names of what to choose otherwise: fields of a configuration, such as
        /// `model.binary`, or arguments, such as `out`.
        by: &'static [&'static str],
    },
    /// A saved run, checkpoint or weight file cannot be used.
    #[cfg(feature = "std")]
    #[error("{}: {what}", path.display())]
    Checkpoint {
        /// The file (or run folder) at fault.
        path: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
    /// Another process is writing the folder.
    #[cfg(feature = "std")]
    #[error("{}: this folder is in use by another process; wait for it or choose another", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// Nothing at that address, or the network is not there.
    #[error("{0}")]
    Network(String),
    /// Another rank of a training on many processes cannot be reached, or is not like this one.
    #[error("{0}")]
    Lost(String),
    /// Training produced a loss that is not a finite number.
    #[error("{0}")]
    Diverged(String),
    /// The user interrupted the work; what was done is saved.
    #[error("{0}")]
    Interrupted(String),
}

/// The crate's result type.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] for `path`; use as `.map_err(Error::io("read", path))`.
    #[cfg(feature = "std")]
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// An [`Error::Data`].
    #[cfg(feature = "std")]
    pub fn data(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Self::Data {
            path: path.as_ref().to_path_buf(),
            what: what.into(),
        }
    }

    /// An [`Error::Checkpoint`].
    #[cfg(feature = "std")]
    pub fn checkpoint(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Self::Checkpoint {
            path: path.as_ref().to_path_buf(),
            what: what.into(),
        }
    }

    /// An [`Error::Field`].
    pub fn field(field: &'static str, what: impl Into<String>) -> Self {
        Self::Field {
            field,
            what: what.into(),
        }
    }

    /// This error as an [`Error::Mended`].
    #[must_use]
    pub fn mended_by(self, by: &'static [&'static str]) -> Self {
        Self::Mended {
            error: Box::new(self),
            by,
        }
    }

    /// An [`Error::Spec`].
    pub fn spec(what: impl Into<String>) -> Self {
        Self::Spec(what.into())
    }
}

/// The operating system's message without Rust's "(os error N)" tail.
#[cfg(feature = "std")]
pub(crate) fn plain(source: &std::io::Error) -> String {
    let text = source.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}
