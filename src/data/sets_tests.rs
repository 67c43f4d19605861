//! Tests of which data sets are found in a place, and of the messages if there are none or several.

use super::*;
use crate::data::DatasetChoice::{Auto, Emnist, Idx, Mnist, Qmnist};
use crate::data::emnist::Part;
use crate::data::idx::{encode_images, encode_labels, gzip};
use crate::data::testing::zip;
use crate::data::{Loaded, load};
use crate::data::{Split, digits};

/// The files of a small set, whose labels count from `first`.
fn four(names: [&str; 4], first: u32) -> Vec<(String, Vec<u8>)> {
    let data = digits::generate(7, 30, 20);
    let labels = |split: &Split| -> Vec<u32> { split.labels().iter().map(|l| l + first).collect() };
    let of = |split: &Split| {
        [
            encode_images(split.images()).unwrap(),
            encode_labels(&labels(split)).unwrap(),
        ]
    };
    let contents = [of(&data.train), of(&data.test)].concat();
    names.iter().map(|n| n.to_string()).zip(contents).collect()
}

fn emnist(part: &str) -> Vec<(String, Vec<u8>)> {
    let name = |end: &str| format!("emnist-{part}-{end}");
    let names = [
        name("train-images-idx3-ubyte"),
        name("train-labels-idx1-ubyte"),
        name("test-images-idx3-ubyte"),
        name("test-labels-idx1-ubyte"),
    ];
    four(
        names.each_ref().map(String::as_str),
        u32::from(part == "letters"),
    )
}

const USUAL: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

fn put(folder: &Path, files: &[(String, Vec<u8>)]) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
}

fn open(choice: DatasetChoice, place: &Path) -> Result<Loaded> {
    load(choice, Some(place), None, None, &mut |_| ())
}

fn refused(choice: DatasetChoice, place: &Path) -> String {
    let line = open(choice, place).unwrap_err().to_string();
    assert!(!line.contains('\n') && line.contains(';'), "{line}");
    line
}

#[test]
fn emnist_is_found_by_its_names_and_put_upright() {
    let base = tempfile::tempdir().unwrap();
    for part in Part::ALL {
        let folder = base.path().join(part.name());
        put(&folder, &emnist(part.name()));
        for choice in [Idx, Emnist(part)] {
            let loaded = open(choice, &folder).unwrap();
            let data = &loaded.dataset;
            assert_eq!(data.name, format!("EMNIST {}", part.name()));
            let stored = digits::generate(7, 30, 20);
            let (image, upright) = (stored.train.image(3), data.train.image(3));
            for (y, x) in (0..784).map(|i| (i / 28, i % 28)) {
                assert_eq!(upright[y * 28 + x], image[x * 28 + y]);
            }
            let notice = loaded.notice.unwrap();
            assert!(notice.contains("put upright"), "{notice}");
            let shifted = part == Part::Letters;
            assert_eq!(notice.contains("class 0 stays empty"), shifted);
            assert_eq!(data.classes, if shifted { 11 } else { 10 });
            assert_eq!(data.train.label(0), u32::from(shifted));
        }
    }
}

#[test]
fn packed_and_dotted_names_are_found_too() {
    let base = tempfile::tempdir().unwrap();
    let packed = emnist("digits").into_iter();
    let packed = packed.map(|(name, content)| (name + ".gz", gzip(&content)));
    put(&base.path().join("packed"), &packed.collect::<Vec<_>>());
    let dotted = emnist("digits").into_iter();
    let dotted = dotted.map(|(name, content)| (name.replace("-idx", ".idx"), content));
    put(&base.path().join("dotted"), &dotted.collect::<Vec<_>>());
    for folder in ["packed", "dotted"] {
        let loaded = open(Emnist(Part::Digits), &base.path().join(folder)).unwrap();
        assert_eq!(loaded.dataset.name, "EMNIST digits");
    }
}

#[test]
fn qmnist_is_found_with_either_kind_of_labels() {
    let base = tempfile::tempdir().unwrap();
    let names = [
        "qmnist-train-images-idx3-ubyte.gz",
        "qmnist-train-labels-idx2-int.gz",
        "qmnist-test-images-idx3-ubyte.gz",
        "qmnist-test-labels-idx1-ubyte.gz",
    ];
    let mut files = four(names, 0);
    let extended: Vec<u8> = [0, 0, 0x0C, 2, 0, 0, 0, 30, 0, 0, 0, 8]
        .into_iter()
        .chain((0..240_u32).flat_map(|i| match i % 8 {
            0 => (i / 8 % 10).to_be_bytes(),
            _ => 2_000_u32.to_be_bytes(),
        }))
        .collect();
    files[1].1 = extended;
    for (_, content) in &mut files {
        *content = gzip(content);
    }
    put(base.path(), &files);
    for choice in [Idx, Qmnist] {
        let loaded = open(choice, base.path()).unwrap();
        assert_eq!((&*loaded.dataset.name, loaded.notice), ("QMNIST", None));
        assert_eq!(loaded.dataset.classes, 10);
        // The images are not transposed.
        let stored = digits::generate(7, 30, 20);
        assert_eq!(loaded.dataset.train, stored.train);
    }
}

#[test]
fn of_several_sets_one_is_chosen() {
    let base = tempfile::tempdir().unwrap();
    put(base.path(), &emnist("letters"));
    put(base.path(), &emnist("digits"));
    let line = refused(Idx, base.path());
    assert!(
        line.contains("holds more than one set: EMNIST letters (emnist-letters), EMNIST digits (emnist-digits);"),
        "{line}"
    );
    let loaded = open(Emnist(Part::Digits), base.path()).unwrap();
    assert_eq!(loaded.dataset.name, "EMNIST digits");
    // The message names the data set that is missing and those that are there.
    let line = refused(Qmnist, base.path());
    assert!(
        line.contains("lacks qmnist-train-images-idx3-ubyte and"),
        "{line}"
    );
    assert!(line.contains("it holds EMNIST letters ("), "{line}");
    for choice in [Auto, Mnist] {
        let line = refused(choice, base.path());
        assert!(
            line.contains("has not MNIST's four files, but EMNIST"),
            "{line}"
        );
        assert!(line.contains("(emnist-digits)"), "{line}");
    }
    // A data set that lacks a file is not found.
    std::fs::remove_file(base.path().join("emnist-letters-test-labels-idx1-ubyte")).unwrap();
    let line = refused(Emnist(Part::Letters), base.path());
    assert!(
        line.contains("lacks emnist-letters-test-labels-idx1-ubyte"),
        "{line}"
    );
    assert_eq!(
        open(Idx, base.path()).unwrap().dataset.name,
        "EMNIST digits"
    );
    put(base.path(), &four(USUAL, 0));
    let line = refused(Idx, base.path());
    assert!(
        line.contains("one set: files named as MNIST's (idx), EMNIST")
            && line.contains("or move those named as MNIST's to a folder of their own"),
        "{line}"
    );
}

#[test]
fn emnists_archive_is_read_as_it_is() {
    let base = tempfile::tempdir().unwrap();
    let files: Vec<(String, Vec<u8>)> = ["balanced", "letters"]
        .into_iter()
        .flat_map(emnist)
        .map(|(name, content)| (format!("gzip/{name}.gz"), gzip(&content)))
        .collect();
    let entries: Vec<(&str, &[u8])> = files.iter().map(|(n, c)| (&**n, &**c)).collect();
    let bytes = zip(&entries, true);
    for (folder, name, direct) in [
        ("a", "gzip.zip", false),
        ("b", "emnist-gzip.zip", false),
        ("c", "any name", true),
    ] {
        let folder = base.path().join(folder);
        put(&folder, &[(name.into(), bytes.clone())]);
        let place = if direct {
            folder.join(name)
        } else {
            folder.clone()
        };
        let loaded = open(Emnist(Part::Letters), &place).unwrap();
        assert_eq!(
            (&*loaded.dataset.name, loaded.dataset.classes),
            ("EMNIST letters", 11)
        );
        assert!(loaded.notice.unwrap().contains("upright"));
        let line = refused(Idx, &place);
        assert!(
            line.contains("EMNIST balanced (emnist-balanced), "),
            "{line}"
        );
        let line = refused(Emnist(Part::Digits), &place);
        assert!(line.contains("lacks emnist-digits-train-images"), "{line}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
    // Files beside the archive are preferred to those in it.
    put(&base.path().join("a"), &emnist("letters")[..3]);
    open(Emnist(Part::Letters), &base.path().join("a")).unwrap();
}

#[test]
fn a_set_of_the_usual_names_within_a_zip_is_called_by_the_zip() {
    let base = tempfile::tempdir().unwrap();
    let files = four(USUAL, 0);
    let entries: Vec<(&str, &[u8])> = files.iter().map(|(n, c)| (&**n, &**c)).collect();
    let path = base.path().join("cats and dogs.zip");
    std::fs::write(&path, zip(&entries, false)).unwrap();
    let loaded = open(Idx, &path).unwrap();
    assert_eq!(
        (&*loaded.dataset.name, loaded.notice),
        ("cats and dogs", None)
    );
    let line = refused(Mnist, &path);
    assert!(line.contains("but files named as MNIST's (idx);"), "{line}");
    // Within the archive, the faulty member is named.
    let mut spoiled = entries.clone();
    spoiled[3].1 = b"\0\0\x08\x03";
    std::fs::write(&path, zip(&spoiled, false)).unwrap();
    let line = refused(Idx, &path);
    assert!(
        line.contains("cats and dogs.zip/t10k-labels-idx1-ubyte: "),
        "{line}"
    );
    std::fs::write(&path, b"no zip").unwrap();
    assert!(refused(Idx, &path).contains("is a file; data must name"));
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_looked_at_is_not_an_absent_one() {
    let base = tempfile::tempdir().unwrap();
    put(base.path(), &four(USUAL, 0));
    let path = base.path().join(USUAL[2]);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    for choice in [Idx, Auto] {
        let error = open(choice, base.path()).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    crate::data::opened::tests::pipe(&path);
    for choice in [Idx, Auto] {
        assert!(refused(choice, base.path()).contains("is a pipe, a socket or a device"));
    }
}
