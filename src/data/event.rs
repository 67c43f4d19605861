//! What happens while a data set is fetched or read, for a caller that shows progress.

use std::path::Path;

/// One step of a download, or of reading. The library prints nothing; a program may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A file is being asked for.
    Asking {
        /// The file's name.
        file: &'a str,
        /// The address.
        url: &'a str,
    },
    /// More of a file has come in.
    Received {
        /// The file's name.
        file: &'a str,
        /// Bytes so far, compressed.
        bytes: u64,
        /// Bytes in all, where the server says so.
        total: Option<u64>,
    },
    /// An address did not give the file; the next one, if any, is tried.
    Failed {
        /// The file's name.
        file: &'a str,
        /// The address.
        url: &'a str,
        /// Why, in one line.
        why: &'a str,
    },
    /// More pictures of a set have been read.
    Reading {
        /// The folder or archive.
        place: &'a Path,
        /// Pictures so far.
        done: usize,
        /// Pictures in all.
        total: usize,
    },
    /// More of a file that holds many images has been read.
    Unpacked {
        /// The file.
        place: &'a Path,
        /// Bytes so far, decompressed.
        bytes: u64,
    },
    /// A file has been verified and is on the disk.
    Saved {
        /// Where it was written.
        path: &'a Path,
    },
}
