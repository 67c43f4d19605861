//! Tests of downloads from local servers: correct, faulty, absent and malicious ones.

use super::*;
use crate::data::https;
use crate::data::idx::gzip;
use crate::data::testing::{Reply, serve};
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

/// Runs a download of the two files. Returns its outcome, its events as text, and the names of the
/// files in the folder afterwards.
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

/// For each kind of faulty mirror followed by a correct one, the correct one serves both files, and
/// the faulty one is asked only once.
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
        line.contains("status 404") && line.contains("a folder that has the files"),
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
        let line = outcome.unwrap_err().to_string();
        assert!(
            line.contains("is not an http:// or https:// address"),
            "{line}"
        );
    }
}

/// A server that redirects requests for the first file: `step` gives the status and the address for
/// a path.
fn redirecting(step: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    serve(move |path| {
        let (status, location) = step(path);
        Reply::redirect(status, &location)
    })
    .url
}

#[test]
fn redirects_are_followed_to_another_path_and_another_server() {
    for status in [301, 302, 303, 307, 308] {
        let target = serve(good()).url;
        let moved = redirecting(move |path| (status, format!("{target}{path}")));
        let (outcome, log, left) = run(&[&moved]);
        outcome.unwrap();
        assert_eq!(left, ["one.gz", "two.gz"], "{status}");
        assert!(
            !log.iter().any(|line| line.starts_with("Failed")),
            "{log:?}"
        );
    }
    // There are three redirects, whose addresses are relative.
    let (_, packed) = two_files();
    let server = serve(move |path| match path {
        "/a/b/one.gz" => Reply::ok(&packed[0]),
        "/a/b/two.gz" => Reply::ok(&packed[1]),
        path => {
            let deeper = path.replacen("/a", "/a/b", 1);
            let next = if path.starts_with("/a") {
                deeper
            } else {
                format!("/a{path}")
            };
            Reply::redirect(302, &next)
        }
    });
    run(&[&server.url]).0.unwrap();
}

#[test]
fn an_address_that_a_server_sends_on_to_is_understood_as_a_browser_does() {
    let from = "http://host:8/a/b.gz?x=/y";
    for (location, to) in [
        ("https://other/c", "https://other/c"),
        ("//other/c", "http://other/c"),
        ("/c?d", "http://host:8/c?d"),
        ("c.gz", "http://host:8/a/c.gz"),
        ("../c:d", "http://host:8/a/../c:d"),
    ] {
        assert_eq!(https::redirected(from, location).unwrap(), to);
    }
    assert_eq!(
        https::redirected("http://host", "c").unwrap(),
        "http://host/c"
    );
    assert_eq!(
        https::redirected("http://host?q", "c").unwrap(),
        "http://host/c"
    );
    for location in [
        "file:///etc/passwd",
        "FTP://h/x",
        "javascript:1",
        "http:",
        "data:,x",
    ] {
        let why = https::redirected(from, location).unwrap_err();
        assert!(why.contains("is no http:// or https:// address"), "{why}");
    }
}

/// The content is verified, however many redirects lead to it.
#[test]
fn a_redirect_to_another_file_is_found_out() {
    let other = serve(|_| Reply::ok(&gzip(b"another file"))).url;
    let moved = redirecting(move |path| (302, format!("{other}{path}")));
    let (outcome, _, left) = run(&[&moved]);
    let line = outcome.unwrap_err().to_string();
    assert!(line.contains("SHA-256 differs"), "{line}");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn redirects_without_end_and_to_nowhere_are_one_line_each() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let circle = redirecting(move |path| {
        count.fetch_add(1, Ordering::Relaxed);
        (302, path.into())
    });
    let secret = tempfile::tempdir().unwrap();
    let secret = secret.path().join("one.gz");
    std::fs::write(&secret, &two_files().1[0]).unwrap();
    let here = format!("file://{}", secret.display());
    let to_file = redirecting(move |_| (302, here.clone()));
    let to_ftp = redirecting(|path| (302, format!("ftp://127.0.0.1{path}")));
    let without = serve(|_| Reply::status(302)).url;
    let broken = redirecting(|_| (302, "http://[".into()));
    for (mirror, why) in [
        (circle, "sent on to another address more than 5 times"),
        (to_file, "sends on to \"file:\", which is no http:// or"),
        (to_ftp, "sends on to \"ftp:\", which is no http:// or"),
        (without, "status 302 Found and no address to go on to"),
        (broken, "invalid authority"),
    ] {
        let (outcome, log, left) = run(&[&mirror]);
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Network(_)), "{error}");
        let line = error.to_string();
        assert!(line.contains(why) && !line.contains('\n'), "{why}: {line}");
        assert!(left.is_empty() && log.len() == 2, "{log:?}");
        // A correct mirror replaces it.
        let good = serve(good()).url;
        run(&[&mirror, &good]).0.unwrap();
    }
    let most = asked.load(Ordering::Relaxed);
    // Each of the downloads asks for one file.
    assert_eq!(most, 2 * (https::MAX_REDIRECTS + 1));
}

/// An answer that is cut off anywhere leaves no file and gives an error that says so.
#[test]
fn an_answer_cut_off_anywhere_leaves_nothing() {
    let whole = &two_files().1[0];
    for sent in [0, 1, 9, whole.len() / 2, whole.len() - 1] {
        let server = serve(move |_| Reply::cut_short(&two_files().1[0], sent));
        let (outcome, _, left) = run(&[&server.url]);
        let line = outcome.unwrap_err().to_string();
        assert!(line.contains("one.gz") && !line.contains('\n'), "{line}");
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A file of 3 GB (sparse on the disk) is downloaded again without being read.
#[test]
fn a_file_too_large_to_be_the_one_is_fetched_anew() {
    let server = serve(good());
    let folder = tempfile::tempdir().unwrap();
    let (files, packed) = two_files();
    let path = folder.path().join("one.gz");
    let large = std::fs::File::create(&path).unwrap();
    large.set_len(3 << 30).unwrap();
    fetch_all(folder.path(), &[&server.url], &files, &mut |_| ()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), packed[0]);
    // The right file padded with zeros up to the largest size that is read is intact. One more byte
    // is not read, so the file cannot be verified.
    for (length, intact) in [(SIZE_LIMIT, true), (SIZE_LIMIT + 1, false)] {
        std::fs::write(&path, &packed[0]).unwrap();
        let padded = std::fs::File::options().write(true).open(&path).unwrap();
        padded.set_len(length).unwrap();
        assert_eq!(is_intact(&path, &files[0]).unwrap(), intact);
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_looked_at_is_not_overwritten() {
    let server = serve(good());
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = two_files();
    let path = folder.path().join("one.gz");
    let line = || {
        fetch_all(folder.path(), &[&server.url], &files, &mut |_| ())
            .unwrap_err()
            .to_string()
    };
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert!(line().contains("cannot look at"), "{}", line());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(line().contains("one.gz: is in the place of"), "{}", line());
    std::fs::remove_dir(&path).unwrap();
    crate::data::opened::tests::pipe(&path);
    assert!(line().contains("one.gz: is in the place of"), "{}", line());
}

/// A file has all its bytes before it gets its name: no partial file is ever seen under that name.
#[test]
fn files_are_written_whole() {
    let server = serve(good());
    let folder = tempfile::tempdir().unwrap();
    let (files, packed) = two_files();
    std::fs::write(folder.path().join("one.gz"), b"the old one").unwrap();
    // A hard link to the old file shows that the file was replaced and not overwritten.
    let old = folder.path().join("old");
    std::fs::hard_link(folder.path().join("one.gz"), &old).unwrap();
    fetch_all(folder.path(), &[&server.url], &files, &mut |_| ()).unwrap();
    assert_eq!(std::fs::read(&old).unwrap(), b"the old one");
    assert_eq!(
        std::fs::read(folder.path().join("one.gz")).unwrap(),
        packed[0]
    );
    let mut left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["old", "one.gz", "two.gz"]);
}
