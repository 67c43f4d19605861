//! Download of MNIST's four files from a public mirror; [`super::public`] downloads other data
//! sets.
//!
//! A file is written to the disk only if its decompressed content has the known SHA-256. Mirrors
//! therefore need not be trusted, and plain `http` is allowed. Without the cargo feature `download`
//! the same functions exist and return an error that says that the build cannot download.

use std::path::{Path, PathBuf};

use super::event::Event;
use super::mnist::{self, FILES, KnownFile};
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
        Some(mirror) if is_web_address(mirror) => Ok(vec![mirror]),
        Some(mirror) => Err(Error::spec(format!(
            "the mirror \"{mirror}\" is not an http:// or https:// address; for files on this machine name their folder"
        ))
        .mended_by(&["data"])),
        None => Ok(public.to_vec()),
    }
}

/// Returns the error of a build without the cargo feature `download`.
pub(super) fn no_downloader() -> Error {
    Error::Network(
        "this build has no downloader (it was made without the feature `download`); \
         fetch the files by other means and name their folder"
            .into(),
    )
}

fn is_web_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    })
}

fn fetch_all(
    folder: &Path,
    mirrors: &[&str],
    files: &[KnownFile],
    events: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    if !cfg!(feature = "download") {
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
#[cfg(feature = "download")]
fn fetch(
    url: &str,
    file: &str,
    events: &mut dyn FnMut(Event<'_>),
) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match stream(url, file, SIZE_LIMIT, &mut bytes, events) {
        Ok(()) => Ok(bytes),
        Err(Broken::Network(why)) => Err(why),
        Err(Broken::Disk(error)) => Err(error.to_string()),
    }
}

/// The reason why a response body was not received.
#[cfg(feature = "download")]
#[derive(Debug)]
pub(super) enum Broken {
    /// The server did not send it; the text says why.
    Network(String),
    /// It could not be written to the disk.
    Disk(std::io::Error),
}

#[cfg(feature = "download")]
impl From<String> for Broken {
    fn from(why: String) -> Self {
        Self::Network(why)
    }
}

/// Writes the response body at `url` to `sink`, and fails if it has more than `most` bytes.
#[cfg(feature = "download")]
pub(super) fn stream(
    url: &str,
    file: &str,
    most: u64,
    sink: &mut impl std::io::Write,
    events: &mut dyn FnMut(Event<'_>),
) -> std::result::Result<(), Broken> {
    use std::io::Read;

    let response = follow(url, most)?;
    let total = response.body().content_length();
    let too_long = || Broken::Network(format!("the file is larger than {most} bytes"));
    if total.is_some_and(|total| total > most) {
        return Err(too_long());
    }
    let mut body = response.into_body().into_reader();
    let mut received = 0;
    let mut block = vec![0; 1 << 16];
    loop {
        let n = body.read(&mut block).map_err(|e| plain(e.into()))?;
        if n == 0 {
            break;
        }
        received += n as u64;
        if received > most {
            return Err(too_long());
        }
        sink.write_all(&block[..n]).map_err(Broken::Disk)?;
        events(Event::Received {
            file,
            bytes: received,
            total,
        });
    }
    match total {
        Some(total) if total != received => Err(Broken::Network(format!(
            "the connection ended after {received} of {total} bytes"
        ))),
        _ => Ok(()),
    }
}

/// The largest number of redirects that are followed.
#[cfg(feature = "download")]
const MAX_REDIRECTS: usize = 5;

/// Returns the response at `url`, or at the address that `url` redirects to.
#[cfg(feature = "download")]
fn follow(url: &str, most: u64) -> std::result::Result<ureq::http::Response<ureq::Body>, String> {
    let mut url = url.to_string();
    for _ in 0..=MAX_REDIRECTS {
        let response = agent(&url, most).get(&url).call().map_err(plain)?;
        let status = response.status();
        if !status.is_redirection() {
            return Ok(response);
        }
        let location = response.headers().get("location");
        let location = location.and_then(|to| to.to_str().ok()).ok_or_else(|| {
            format!("the server answered with status {status} and no address to go on to")
        })?;
        url = redirected(&url, location)?;
    }
    Err(format!(
        "the server sent on to another address more than {MAX_REDIRECTS} times"
    ))
}

/// Returns the address that the header `location`, sent by the server at `url`, stands for.
#[cfg(feature = "download")]
fn redirected(url: &str, location: &str) -> std::result::Result<String, String> {
    if is_web_address(location) {
        return Ok(location.to_string());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (server, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let starts = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let before = location.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((other, _)) = before.split_once(':')
        && other.chars().all(starts)
    {
        return Err(format!(
            "the server sends on to \"{other}:\", which is no http:// or https:// address"
        ));
    }
    if let Some(server) = location.strip_prefix("//") {
        return Ok(format!("{scheme}://{server}"));
    }
    if location.starts_with('/') {
        return Ok(format!("{scheme}://{server}{location}"));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
    let between = if folder.is_empty() { "/" } else { folder };
    Ok(format!("{scheme}://{server}{between}{location}"))
}

/// Returns a network error in plain words, without the error number of the operating system.
#[cfg(feature = "download")]
fn plain(error: ureq::Error) -> String {
    let text = match error {
        ureq::Error::StatusCode(status) => format!("the server answered with status {status}"),
        ureq::Error::HostNotFound => "no such host, or no network".to_string(),
        ureq::Error::Io(source) => source.to_string(),
        other => other.to_string(),
    };
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

#[cfg(not(feature = "download"))]
fn fetch(_: &str, _: &str, _: &mut dyn FnMut(Event<'_>)) -> std::result::Result<Vec<u8>, String> {
    Err("this build has no downloader".into())
}

/// Makes an HTTP agent with time limits: seconds for a connection, half a minute without data, and
/// ten minutes in all, or longer for a file of which `most` bytes are expected at 100 kB a second.
#[cfg(feature = "download")]
fn agent(url: &str, most: u64) -> ureq::Agent {
    use std::time::Duration;

    let slow = Duration::from_secs((most / 100_000).max(600));
    let mut config = ureq::Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(5)))
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .timeout_global(Some(slow))
        // `follow` follows redirects itself and checks each address.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("bnn-cpu/", env!("CARGO_PKG_VERSION")));
    // A mirror on this machine is never reached through a proxy on another one.
    let on_this_machine = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    if on_this_machine.iter().any(|start| url.starts_with(start)) {
        config = config.proxy(None);
    }
    config.build().into()
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
