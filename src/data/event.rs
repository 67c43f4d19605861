//! Progress events of downloading and reading a data set.

use std::path::Path;

/// One step of a download, or of reading files. The library prints nothing itself; a program can
/// show these events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A file is requested from a server.
    Asking {
        /// Name of the file.
        file: &'a str,
        /// Address of the file.
        url: &'a str,
    },
    /// More bytes of a file have been received.
    Received {
        /// Name of the file.
        file: &'a str,
        /// Number of compressed bytes received so far.
        bytes: u64,
        /// Size of the file in bytes, if the server states it.
        total: Option<u64>,
    },
    /// A server did not send the file; the next mirror, if any, is tried.
    Failed {
        /// Name of the file.
        file: &'a str,
        /// Address of the file.
        url: &'a str,
        /// The reason, in one line.
        why: &'a str,
    },
    /// More pictures of a data set have been read.
    Reading {
        /// The folder or archive.
        place: &'a Path,
        /// Number of pictures read so far.
        done: usize,
        /// Number of pictures in all.
        total: usize,
    },
    /// More bytes of a file that holds many images have been decompressed.
    Unpacked {
        /// The file.
        place: &'a Path,
        /// Number of decompressed bytes so far.
        bytes: u64,
    },
    /// A file has been verified and written to the disk.
    Saved {
        /// Path of the written file.
        path: &'a Path,
    },
}
