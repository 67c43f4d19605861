//! Fetching MNIST's four files from a public mirror.
//!
//! A file reaches the disk only after its decompressed content has the known
//! SHA-256, so a mirror needs no trust and plain `http` is safe to allow.
//! Without the feature `download` the same functions exist and say that the
//! build cannot fetch.

use std::path::{Path, PathBuf};

use super::event::Event;
use super::mnist::{self, FILES, KnownFile};
use crate::error::{Error, Result};
use crate::files::{create_folder, write_atomic_bytes};

/// The mirrors, in the order in which they are tried.
pub const MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];

/// The most bytes a compressed file may have; the largest has 9.9 million.
#[cfg(feature = "download")]
const SIZE_LIMIT: u64 = 64 << 20;

/// Fetches the four gzip'd files of MNIST into `folder`, making it if needed.
///
/// `mirror` (`--mirror`, `$BNN_CPU_MIRROR`) replaces the public [`MIRRORS`];
/// the files' names with `.gz` are appended to it. A file that is already in
/// `folder` and intact is not fetched again.
///
/// # Errors
/// [`Error::Network`] when no mirror gives one of the files, or the build has
/// no downloader; [`Error::Spec`] when `mirror` is not an `http` or `https`
/// address; [`Error::Io`] when `folder` cannot be written.
pub fn download(
    folder: &Path,
    mirror: Option<&str>,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    let mirrors = match mirror {
        Some(mirror) if is_web_address(mirror) => vec![mirror],
        Some(mirror) => {
            return Err(Error::spec(format!(
                "the mirror \"{mirror}\" is not an http:// or https:// address; for files on this machine use --data"
            )));
        }
        None => MIRRORS.to_vec(),
    };
    fetch_all(folder, &mirrors, &FILES, events)
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
        return Err(Error::Network(
            "this build has no downloader (it was made without the feature `download`); \
             fetch the four files by other means and name their folder with --data"
                .into(),
        ));
    }
    // The mirror that worked last is asked first for the next file.
    let mut mirrors = mirrors.to_vec();
    for known in files {
        let path = packed_path(folder, known);
        if std::fs::read(&path).is_ok_and(|bytes| mnist::check(&bytes, known).is_ok()) {
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

fn packed_path(folder: &Path, known: &KnownFile) -> PathBuf {
    folder.join(format!("{}.gz", known.name))
}

/// The verified bytes of a file, and the place of the mirror that gave them.
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
        "cannot fetch {file} ({}); check the connection, name another --mirror, or name a folder that has the files with --data",
        reasons.join(" | ")
    )))
}

/// The body at `url`, or why there is none.
#[cfg(feature = "download")]
fn fetch(
    url: &str,
    file: &str,
    events: &mut dyn FnMut(Event<'_>),
) -> std::result::Result<Vec<u8>, String> {
    use std::io::Read;

    let response = agent(url).get(url).call().map_err(plain)?;
    let total = response.body().content_length();
    let too_long = || format!("the file is larger than {SIZE_LIMIT} bytes");
    if total.is_some_and(|total| total > SIZE_LIMIT) {
        return Err(too_long());
    }
    let mut body = response.into_body().into_reader();
    let mut bytes = Vec::new();
    let mut block = vec![0; 1 << 16];
    loop {
        let n = body.read(&mut block).map_err(|e| plain(e.into()))?;
        if n == 0 {
            break;
        }
        bytes.extend_from_slice(&block[..n]);
        if bytes.len() as u64 > SIZE_LIMIT {
            return Err(too_long());
        }
        events(Event::Received {
            file,
            bytes: bytes.len() as u64,
            total,
        });
    }
    match total {
        Some(total) if total != bytes.len() as u64 => Err(format!(
            "the connection ended after {} of {total} bytes",
            bytes.len()
        )),
        _ => Ok(bytes),
    }
}

/// A network error in plain words, without the system's error number.
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

/// An agent that gives up: on a dead address after seconds, on a silent server
/// after half a minute, on a slow one after ten minutes.
#[cfg(feature = "download")]
fn agent(url: &str) -> ureq::Agent {
    use std::time::Duration;

    let mut config = ureq::Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(5)))
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .timeout_global(Some(Duration::from_secs(600)))
        .max_redirects(5)
        .user_agent(concat!("bnn-cpu/", env!("CARGO_PKG_VERSION")));
    // A mirror on this machine is not reachable through a proxy elsewhere.
    let on_this_machine = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    if on_this_machine.iter().any(|start| url.starts_with(start)) {
        config = config.proxy(None);
    }
    config.build().into()
}

#[cfg(all(test, feature = "download"))]
mod tests {
    use super::super::idx::gzip;
    use super::super::testing::{Reply, serve};
    use super::*;
    use sha2::{Digest, Sha256};

    fn known(name: &'static str, content: &[u8]) -> KnownFile {
        let hash = Sha256::digest(content);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        KnownFile {
            name,
            dotted: name,
            size: content.len() as u64,
            sha256: Box::leak(hex.into_boxed_str()),
        }
    }

    /// Two files of pseudo-random bytes, so that gzip cannot make them tiny.
    fn two_files() -> ([KnownFile; 2], [Vec<u8>; 2]) {
        let contents = [1_u32, 7].map(|seed| {
            (0..100_000_u32)
                .map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8)
                .collect::<Vec<u8>>()
        });
        let files = [known("one", &contents[0]), known("two", &contents[1])];
        (files, contents.map(|content| gzip(&content)))
    }

    /// Runs a download of the two files and returns its outcome, its events as
    /// text, and the names of what it left in the folder.
    fn run(mirrors: &[&str]) -> (Result<()>, Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/mnist");
        let mut log = Vec::new();
        let outcome = fetch_all(&target, mirrors, &two_files().0, &mut |event| {
            log.push(format!("{event:?}"));
        });
        let mut left: Vec<String> = std::fs::read_dir(&target)
            .map(|entries| {
                entries
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .collect()
            })
            .unwrap_or_default();
        left.sort();
        (outcome, log, left)
    }

    fn good() -> impl Fn(&str) -> Reply + Send + 'static {
        let (_, packed) = two_files();
        move |path| match path {
            "/one.gz" => Reply::ok(&packed[0]),
            "/two.gz" => Reply::ok(&packed[1]),
            _ => Reply::status(404),
        }
    }

    #[test]
    fn a_good_mirror() {
        let server = serve(good());
        let (outcome, log, left) = run(&[&server.url]);
        outcome.unwrap();
        assert_eq!(left, ["one.gz", "two.gz"]);
        let count = |word: &str| log.iter().filter(|line| line.starts_with(word)).count();
        assert_eq!(
            (count("Asking"), count("Saved"), count("Failed")),
            (2, 2, 0)
        );
        let total = format!("total: Some({})", two_files().1[0].len());
        assert!(log.iter().any(|line| line.contains(&total)), "{log:?}");
    }

    #[test]
    fn intact_files_are_kept_and_damaged_ones_fetched() {
        let server = serve(good());
        let folder = tempfile::tempdir().unwrap();
        let (files, packed) = two_files();
        std::fs::write(folder.path().join("one.gz"), &packed[0]).unwrap();
        std::fs::write(folder.path().join("two.gz"), b"damaged").unwrap();
        let mut asked = Vec::new();
        fetch_all(folder.path(), &[&server.url], &files, &mut |event| {
            if let Event::Asking { file, .. } = event {
                asked.push(file.to_string());
            }
        })
        .unwrap();
        assert_eq!(asked, ["two.gz"]);
        assert_eq!(
            std::fs::read(folder.path().join("two.gz")).unwrap(),
            packed[1]
        );
    }

    /// Each kind of bad mirror, then a good one: the good one serves both
    /// files, and the bad one is asked once only.
    #[test]
    fn the_next_mirror_stands_in_for_a_bad_one() {
        type Bad = fn(&str) -> Reply;
        let cases: [(&str, Bad); 6] = [
            ("404", |_| Reply::status(404)),
            ("500", |_| Reply::status(500)),
            ("SHA-256 differs", |_| {
                Reply::ok(b"<html>log in first</html>")
            }),
            ("SHA-256 differs", |_| Reply::ok(&gzip(&[9; 100_000]))),
            ("damaged", |_| {
                let mut packed = two_files().1[0].clone();
                let middle = packed.len() - 5;
                packed[middle] ^= 1;
                Reply::ok(&packed)
            }),
            ("", |_| Reply::cut_short(&two_files().1[0], 40_000)),
        ];
        for (why, bad) in cases {
            let (bad, good) = (serve(bad), serve(good()));
            let (outcome, log, left) = run(&[&bad.url, &good.url]);
            outcome.unwrap();
            assert_eq!(left, ["one.gz", "two.gz"]);
            let failed: Vec<_> = log.iter().filter(|l| l.starts_with("Failed")).collect();
            assert_eq!(failed.len(), 1, "{log:?}");
            assert!(failed[0].contains(why), "{why}: {}", failed[0]);
        }
    }

    #[test]
    fn all_mirrors_failing_is_one_line_and_leaves_nothing() {
        let (gone, cut) = (
            serve(|_| Reply::status(404)),
            serve(|_| Reply::cut_short(&two_files().1[0], 10)),
        );
        let (outcome, _, left) = run(&[&gone.url, &cut.url]);
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Network(_)));
        let line = error.to_string();
        assert!(
            line.contains("status 404") && line.contains("--data"),
            "{line}"
        );
        assert!(!line.contains('\n'));
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn a_claimed_size_beyond_the_limit_is_refused_unread() {
        let server = serve(|_| Reply::claiming(b"short", SIZE_LIMIT + 1));
        let line = run(&[&server.url]).0.unwrap_err().to_string();
        assert!(line.contains("larger than"), "{line}");
    }

    #[test]
    fn nobody_listening_fails_at_once() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let start = std::time::Instant::now();
        let outcome = run(&[&format!("http://127.0.0.1:{port}")]).0;
        let line = outcome.unwrap_err().to_string();
        assert!(
            line.contains("refused") && !line.contains("os error"),
            "{line}"
        );
        assert!(start.elapsed().as_secs() < 10);
    }

    #[test]
    fn a_mirror_must_be_a_web_address() {
        for text in ["", "/srv/mnist", "ftp://host/x", "http://", "https:///x"] {
            let outcome = download(Path::new("unused"), Some(text), &mut |_| ());
            assert!(matches!(outcome, Err(Error::Spec(_))), "{text}");
        }
    }
}

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
