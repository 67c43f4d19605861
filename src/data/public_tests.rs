//! Tests of downloading public data sets from a local server.

use super::*;
use crate::data::recorded;
use crate::data::testing::{Reply, serve};

/// "abc" has the MD5 of RFC 1321 and the SHA-256 of FIPS 180-2.
const ABC_MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const ABC_SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn known(md5: Option<&'static str>) -> [PublicFile; 1] {
    [PublicFile {
        name: "a.zip",
        md5,
        most: 100,
    }]
}

fn run(
    folder: &Path,
    md5: Option<&'static str>,
    body: &'static [u8],
) -> (Result<Vec<(PathBuf, Check)>>, usize) {
    let server = serve(move |path| match path {
        "/sets/a.zip" => Reply::ok(body),
        _ => Reply::status(404),
    });
    let mirror = format!("{}/sets/", server.url);
    let mut asked = 0;
    let outcome = fetch_files(&known(md5), folder, &[&mirror], &mut |event| {
        asked += usize::from(matches!(event, Event::Asking { .. }));
    });
    (outcome, asked)
}

fn left(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_published_digest_is_compared_and_the_better_one_recorded() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("deep/set");
    let (outcome, asked) = run(&folder, Some(ABC_MD5), b"abc");
    let path = folder.join("a.zip");
    assert_eq!(outcome.unwrap(), [(path.clone(), Check::Published)]);
    assert_eq!(asked, 1);
    assert_eq!(left(&folder), ["a.zip", recorded::FILE]);
    assert_eq!(recorded::read(&folder).unwrap()["a.zip"], ABC_SHA256);
    assert_eq!(recorded::check(&folder).unwrap(), 1);
    // A file that is there is not downloaded again, unless it is damaged.
    let (outcome, asked) = run(&folder, Some(ABC_MD5), b"abc");
    assert_eq!((outcome.unwrap().len(), asked), (1, 0));
    std::fs::write(&path, b"abd").unwrap();
    let (outcome, asked) = run(&folder, Some(ABC_MD5), b"abc");
    assert_eq!((outcome.unwrap().len(), asked), (1, 1));
    assert_eq!(std::fs::read(&path).unwrap(), b"abc");
}

#[test]
fn another_file_never_takes_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, _) = run(folder.path(), Some(ABC_MD5), b"<html>");
    let line = outcome.unwrap_err().to_string();
    assert!(line.contains("its MD5 differs"), "{line}");
    assert!(left(folder.path()).is_empty());
    let new = folder.path().join("new");
    assert!(run(&new, Some(ABC_MD5), b"<html>").0.is_err() && !new.exists());
    let long: &[u8] = &[7; 200];
    let (outcome, _) = run(folder.path(), Some(ABC_MD5), long);
    let line = outcome.unwrap_err().to_string();
    assert!(line.contains("larger than 100 bytes"), "{line}");
    assert!(left(folder.path()).is_empty());
}

#[test]
fn without_a_published_digest_the_first_use_counts() {
    let folder = tempfile::tempdir().unwrap();
    let check = |body| run(folder.path(), None, body).0;
    assert_eq!(check(b"abc").unwrap()[0].1, Check::FirstUse);
    assert_eq!(check(b"abc").unwrap()[0].1, Check::Recorded);
    std::fs::remove_file(folder.path().join("a.zip")).unwrap();
    let line = check(b"abd").unwrap_err().to_string();
    assert!(
        line.contains("not what a.zip was when it was first fetched"),
        "{line}"
    );
    assert_eq!(left(folder.path()), [recorded::FILE]);
    assert_eq!(check(b"abc").unwrap()[0].1, Check::Recorded);
}

/// A downloaded file is the file that a loader reads, and every digest has the right form.
#[test]
fn every_set_has_files_with_digests_and_addresses() {
    for set in SETS {
        assert!(find(set.name).is_some_and(|found| found.title == set.title));
        assert!(!set.mirrors.is_empty() && !set.files.is_empty());
        for file in set.files {
            let md5 = file.md5.unwrap();
            assert!(md5.len() == 32 && md5.bytes().all(|b| b.is_ascii_hexdigit()));
            assert!(!file.name.contains('/'));
        }
        for mirror in set.mirrors {
            assert!(mirror.starts_with("http") && mirror.ends_with('/'));
        }
    }
}
