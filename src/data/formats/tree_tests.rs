//! Tests of which files of folders and tar archives are listed.

use super::*;
use crate::data::idx::gzip;

fn names(tree: &Tree) -> Vec<String> {
    let name = |entry: &Entry| entry.parts.join("/");
    tree.entries.iter().map(name).collect()
}

#[test]
fn a_folder_without_its_links_and_hidden_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("b/c")).unwrap();
    std::fs::create_dir_all(at(".git")).unwrap();
    for name in ["b/c/1", "a", ".hidden", ".git/x", "b/Thumbs.db"] {
        std::fs::write(at(name), b"x").unwrap();
    }
    #[cfg(unix)]
    {
        // One link leads out of the folder, the other to the folder itself.
        std::os::unix::fs::symlink("/etc", at("b/out")).unwrap();
        std::os::unix::fs::symlink(folder.path(), at("round")).unwrap();
    }
    let tree = Tree::of_folder(folder.path()).unwrap();
    assert_eq!(names(&tree), ["a", "b/c/1"]);
    let mut links = tree.skipped.links;
    links.sort();
    assert_eq!(
        links,
        if cfg!(unix) {
            vec!["b/out", "round"]
        } else {
            vec![]
        }
    );
}

#[test]
fn folders_that_are_too_deep_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/".repeat(DEEPEST));
    std::fs::create_dir_all(&deep).unwrap();
    let line = Tree::of_folder(folder.path()).unwrap_err().to_string();
    assert!(line.contains("more than 8 folders deep;"), "{line}");
}

#[test]
fn a_reader_tells_how_far_it_has_come() {
    let mut told = Vec::new();
    let mut tell = |event: Event<'_>| match event {
        Event::Unpacked { bytes, .. } => told.push(bytes),
        other => panic!("{other:?}"),
    };
    let three = io::repeat(7).take(3 * REPORT + 5);
    let mut reader = Telling::new(three, Path::new("a"), &mut tell);
    let copied = io::copy(&mut reader, &mut io::sink()).unwrap();
    assert_eq!(copied, 3 * REPORT + 5);
    assert_eq!(told.len(), 3);
    assert!(told.is_sorted() && told[0] >= REPORT);
}

/// A tar of one member whose header states `size`.
fn tar_of(content: &[u8], size: u64, kind: tar::EntryType) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("a/b.bin").unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes
}

fn tar_line(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    std::fs::write(&path, bytes).unwrap();
    let line = Tree::of_tar(&path, &mut |_| ()).unwrap_err().to_string();
    assert!(line.contains("a.tar: ") && line.contains(';'), "{line}");
    line
}

#[test]
fn a_tar_is_read_compressed_or_not_and_its_sizes_are_claims() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let mut whole = tar_of(&[7; 512], 512, tar::EntryType::Regular);
    whole.extend([0; 1024]);
    for bytes in [whole.clone(), gzip(&whole)] {
        std::fs::write(&path, bytes).unwrap();
        let tree = Tree::of_tar(&path, &mut |_| ()).unwrap();
        assert_eq!(names(&tree), ["a/b.bin"]);
        assert_eq!(tree.entries[0].bytes(512).unwrap(), [7; 512]);
        let line = tree.entries[0].bytes(511).unwrap_err().to_string();
        assert!(line.contains("larger than 511 bytes"), "{line}");
    }
    // The headers state sizes larger than the content.
    let claims = |size| tar_line(&tar_of(&[7; 512], size, tar::EntryType::Regular));
    assert!(claims(5 << 30).contains("more than 4 GiB"));
    assert!(claims(1 << 20).contains("cut short"));
    assert!(tar_line(&whole[..300]).contains("cut short"));
    assert!(tar_line(&gzip(&whole)[..60]).contains("cut short"));
    // A hole in a sparse file takes memory without bytes in the archive.
    let mut sparse = tar_of(&[], 0, tar::EntryType::GNUSparse);
    sparse.extend([0; 1024]);
    std::fs::write(&path, sparse).unwrap();
    assert!(Tree::of_tar(&path, &mut |_| ()).map_or(true, |tree| tree.entries.is_empty()));
}
