//! Tests of sound and of malicious zip archives.

use std::path::PathBuf;

use super::*;
use crate::data::idx::{encode_labels, gzip, parse_labels};
use crate::data::testing::zip;

/// Writes a zip archive to the disk.
fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn labels() -> Vec<u32> {
    (0..5_000).map(|i| i * i % 251).collect()
}

/// Returns the message with which reading the directory or the first member of a zip archive fails.
fn refused(bytes: &[u8]) -> String {
    let (_folder, path) = written(bytes);
    let read = members(&path).and_then(|all| match all.first() {
        Some(member) => member.read(|reader| parse_labels(reader)),
        None => panic!("nothing is in it"),
    });
    let line = read.unwrap_err().to_string();
    assert!(line.contains("a.zip") && !line.contains('\n'), "{line}");
    assert!(line.contains(';'), "no remedy: {line}");
    line
}

#[test]
fn members_stored_and_deflated_are_read_where_they_are() {
    let plain = encode_labels(&labels()).unwrap();
    let packed = gzip(&plain);
    let files: [(&str, &[u8]); 5] = [
        ("gzip/", b""),
        ("gzip/x-idx1-ubyte.gz", &packed),
        ("__MACOSX/._x", b"?"),
        ("x-idx1-ubyte", &plain),
        ("y-idx2-int", &plain),
    ];
    for deflated in [false, true] {
        let (folder, path) = written(&zip(&files, deflated));
        let all = members(&path).unwrap();
        let names: Vec<_> = all.iter().map(Member::file_name).collect();
        assert_eq!(names, ["x-idx1-ubyte.gz", "x-idx1-ubyte", "y-idx2-int"]);
        assert_eq!(all[0].path(), path.join("gzip/x-idx1-ubyte.gz"));
        for member in &all {
            let read = member.read(|reader| parse_labels(reader)).unwrap();
            assert_eq!(read, labels());
        }
        // Nothing was unpacked beside it.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn what_is_cut_short_or_damaged_is_refused() {
    let plain = encode_labels(&labels()).unwrap();
    let whole = zip(&[("x-idx1-ubyte", &plain)], true);
    for end in (0..whole.len()).step_by(37) {
        assert!(refused(&whole[..end]).contains("cut short"), "{end}");
    }
    // A checksum covers every part of the data.
    for at in (60..whole.len() - 150).step_by(101) {
        let mut spoiled = whole.clone();
        spoiled[at] ^= 0x10;
        refused(&spoiled);
    }
    let mut method = whole;
    for (magic, place) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let at = method.windows(4).position(|w| w == magic).unwrap();
        method[at + place] = 12;
    }
    assert!(refused(&method).contains("by method 12;"));
}

/// Sizes and counts that the archive states are not trusted.
#[test]
fn claims_take_no_memory() {
    let plain = encode_labels(&labels()).unwrap();
    let whole = zip(&[("x-idx1-ubyte", &plain)], true);
    let at = |magic: &[u8]| whole.windows(4).position(|w| w == magic).unwrap();
    let (entry, end) = (at(b"PK\x01\x02"), at(b"PK\x05\x06"));
    // The stated size of the decompressed content is nearly 4 GiB.
    let mut large = whole.clone();
    large[entry + 24..entry + 28].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
    refused(&large);
    // The stated number of entries is too large.
    let mut many = whole.clone();
    many[end + 8..end + 12].copy_from_slice(&[0xFE, 0xFF, 0xFE, 0xFF]);
    let (_folder, path) = written(&many);
    if let Ok(all) = members(&path) {
        assert_eq!(all.len(), 1);
    }
}

#[test]
fn an_archive_of_very_many_files_is_refused() {
    let names: Vec<String> = (0..101).map(|i| format!("{i}-idx1-ubyte")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b""[..])).collect();
    let listed = |files: &[(&str, &[u8])]| {
        let (_folder, path) = written(&zip(files, false));
        super::listed(File::open(&path).unwrap(), &path, 100)
    };
    assert_eq!(listed(&files[1..]).unwrap().0.len(), 100);
    let Err(Fault::Format(line)) = listed(&files) else {
        panic!("101 files were taken");
    };
    assert!(line.contains("more than 100 files;"), "{line}");
}

#[test]
fn names_that_lead_out_and_names_that_stand_twice() {
    let files: [(&str, &[u8]); 8] = [
        ("a/../../x-idx1-ubyte", b"1"),
        ("/x-idx1-ubyte", b"1"),
        ("a\\x-idx1-ubyte", b"1"),
        ("C:x-idx1-ubyte", b"1"),
        ("..", b"1"),
        ("./x-idx1-ubyte", b"1"),
        ("a/x..y-idx1-ubyte", b"1"),
        ("a/x-idx1-ubyte", b"1"),
    ];
    // The writer normalises names that it is given as text.
    for name in files.map(|(name, _)| name) {
        let inside = matches!(name, "a/x..y-idx1-ubyte" | "a/x-idx1-ubyte");
        assert_eq!(climbs(name), !inside, "{name}");
    }
    let (_folder, path) = written(&zip(&[files[7], files[7]], false));
    let line = members(&path).unwrap_err().to_string();
    assert!(line.contains("holds \"a/x-idx1-ubyte\" twice"), "{line}");
}
