//! Download of MNIST's four files from a public mirror; [`super::public`] downloads other data
//! sets.
//!
//! A file is written to the disk only if its decompressed content has the known SHA-256. Mirrors
//! therefore need not be trusted, and plain `http` is allowed. Where nothing opens addresses
//! ([`super::web`]) the functions return an error that says so.

use std::path::{Path, PathBuf};

use super::event::Event;
use super::mnist::{self, FILES, KnownFile};
use super::{stream, web};
use crate::bounded;
use crate::error::{Error, Result};
use crate::files::{self, create_folder, write_atomic_bytes};

/// The public mirrors, in the order in which they are tried.
pub const MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];

/// The largest size of a compressed file, in bytes; MNIST's largest has 9.9 million.
const SIZE_LIMIT: u64 = 64 << 20;

/// Downloads the four gzip files of MNIST into `folder`, which is created if it does not exist.
///
/// `mirror` (`--mirror`, `$BNN_CPU_MIRROR`) replaces the public [`MIRRORS`]; the names of the files
/// with `.gz` are appended to it. A file that is already in `folder` and intact is not downloaded
/// again. `events` is called with the progress.
///
/// # Errors
/// [`Error::Network`] if a file cannot be downloaded from any mirror, or the build has no
/// downloader; [`Error::Spec`] if `mirror` is not an `http` or `https` address; [`Error::Io`] if
/// `folder` cannot be written.
pub fn download(
    folder: &Path,
    mirror: Option<&str>,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    let mirrors = mirrors(mirror, &MIRRORS)?;
    fetch_all(folder, &mirrors, &FILES, events)
}

/// Returns the addresses to try: the one that was `named`, else the `public` ones.
///
/// # Errors
/// [`Error::Spec`] if `named` is not an `http` or `https` address.
pub(super) fn mirrors<'a>(named: Option<&'a str>, public: &[&'a str]) -> Result<Vec<&'a str>> {
    match named {
        Some(mirror) if web::is_address(mirror) => Ok(vec![mirror]),
        Some(mirror) => Err(Error::spec(format!(
            "the mirror \"{mirror}\" is not an http:// or https:// address; for files on this machine name their folder"
        ))
        .mended_by(&["data"])),
        None => Ok(public.to_vec()),
    }
}

/// Returns the error of a program in which nothing opens addresses.
pub(super) fn no_downloader() -> Error {
    Error::Network(
        "this build has no downloader (it was made without the feature `download`); \
         fetch the files by other means and name their folder"
            .into(),
    )
}

fn fetch_all(
    folder: &Path,
    mirrors: &[&str],
    files: &[KnownFile],
    events: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    if !stream::is_there() {
        return Err(no_downloader());
    }
    // The mirror that gave the last file is asked first for the next one.
    let mut mirrors = mirrors.to_vec();
    for known in files {
        let path = packed_path(folder, known);
        if is_intact(&path, known)? {
            continue;
        }
        let (bytes, served_by) = fetch_from_any(&mirrors, known, events)?;
        mirrors.swap(0, served_by);
        create_folder(folder)?;
        write_atomic_bytes(&path, &bytes)?;
        events(Event::Saved { path: &path });
    }
    Ok(())
}

/// Returns whether the file is already there and intact. A damaged file, or one that is too large,
/// is not.
///
/// # Errors
/// [`Error::Data`] if something other than a file is in its place; [`Error::Io`] if it cannot be
/// read, because then it cannot be told whether it is intact.
fn is_intact(path: &Path, known: &KnownFile) -> Result<bool> {
    match files::look(path)? {
        None => Ok(false),
        Some(there) if !there.is_file() => Err(Error::data(
            path,
            "is in the place of a data file and is none; move it away, or name another folder",
        )),
        Some(there) if there.len() > SIZE_LIMIT => Ok(false),
        Some(_) => {
            let bytes = bounded::read(path, SIZE_LIMIT, 1)?;
            Ok(mnist::check(&bytes, known).is_ok())
        }
    }
}

fn packed_path(folder: &Path, known: &KnownFile) -> PathBuf {
    folder.join(format!("{}.gz", known.name))
}

/// Returns the verified bytes of a file, and the index of the mirror that gave them.
fn fetch_from_any(
    mirrors: &[&str],
    known: &KnownFile,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<(Vec<u8>, usize)> {
    let file = format!("{}.gz", known.name);
    let mut reasons = Vec::new();
    for (place, mirror) in mirrors.iter().enumerate() {
        let url = format!("{}/{file}", mirror.trim_end_matches('/'));
        events(Event::Asking {
            file: &file,
            url: &url,
        });
        let outcome = fetch(&url, &file, events).and_then(|bytes| {
            mnist::check(&bytes, known).map_err(|what| format!("what it sent {what}"))?;
            Ok(bytes)
        });
        match outcome {
            Ok(bytes) => return Ok((bytes, place)),
            Err(why) => {
                // Texts from the network may hold line breaks.
                let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
                events(Event::Failed {
                    file: &file,
                    url: &url,
                    why: &why,
                });
                reasons.push(format!("{mirror}: {why}"));
            }
        }
    }
    Err(Error::Network(format!(
        "cannot fetch {file} ({}); check the connection, name another mirror, or name a folder that has the files",
        reasons.join(" | ")
    )))
}

/// Returns the response body at `url`, or the reason why there is none.
fn fetch(
    url: &str,
    file: &str,
    events: &mut dyn FnMut(Event<'_>),
) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match stream::stream(url, file, SIZE_LIMIT, &mut bytes, events) {
        Ok(()) => Ok(bytes),
        Err(stream::Broken::Network(why)) => Err(why),
        Err(stream::Broken::Disk(error)) => Err(error.to_string()),
    }
}

#[cfg(all(test, feature = "download"))]
#[path = "download_tests.rs"]
mod tests;

#[cfg(all(test, not(feature = "download")))]
mod tests_without {
    use super::*;

    #[test]
    fn the_build_says_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let error = download(folder.path(), None, &mut |_| ()).unwrap_err();
        assert!(matches!(error, Error::Network(_)));
        assert!(error.to_string().contains("no downloader"));
    }
}
