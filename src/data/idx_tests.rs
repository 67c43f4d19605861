//! Tests of what the IDX reader accepts and of each error it returns.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::*;
use crate::data::Dataset;
use crate::data::Fault;
use crate::error::{Error, Result};

fn header(kind: u8, lengths: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, lengths.len() as u8];
    for length in lengths {
        bytes.extend(length.to_be_bytes());
    }
    bytes
}

fn image_file() -> Vec<u8> {
    let mut bytes = header(0x08, &[2, 2, 3]);
    bytes.extend(1..=12);
    bytes
}

/// The one-line message of a refused image file.
fn refused(bytes: &[u8]) -> String {
    message(parse_images(bytes).map(|_| ()))
}

fn refused_labels(bytes: &[u8]) -> String {
    message(parse_labels(bytes).map(|_| ()))
}

fn message(outcome: std::result::Result<(), Fault>) -> String {
    match outcome {
        Ok(()) => panic!("accepted"),
        Err(Fault::Read(error)) => panic!("blamed the disk: {error}"),
        Err(Fault::Format(what)) => {
            assert!(!what.contains('\n'), "{what}");
            assert!(what.contains(';'), "no remedy: {what}");
            what
        }
    }
}

#[test]
fn grey_images_raw_and_compressed() {
    let raw = image_file();
    let images = parse_images(&raw[..]).unwrap();
    assert_eq!(images.dim(), (2, 2, 3, 1));
    assert_eq!(images[(1, 1, 2, 0)], 12);
    assert_eq!(parse_images(&gzip(&raw)[..]).unwrap(), images);
    assert_eq!(encode_images(images.view()).unwrap(), raw);
}

#[test]
fn colour_images() {
    let mut raw = header(0x08, &[1, 2, 1, 3]);
    raw.extend(1..=6);
    let images = parse_images(&raw[..]).unwrap();
    assert_eq!(images.dim(), (1, 2, 1, 3));
    assert_eq!(images[(0, 1, 0, 2)], 6);
    assert_eq!(encode_images(images.view()).unwrap(), raw);
}

#[test]
fn two_gzip_members_are_one_file() {
    let raw = image_file();
    let mut parts = gzip(&raw[..9]);
    parts.extend(gzip(&raw[9..]));
    assert_eq!(parse_images(&parts[..]).unwrap().len(), 12);
}

#[test]
fn labels_of_each_width() {
    for labels in [
        vec![0, 9, 255],
        vec![3, 256, 32_767],
        vec![0, 65_536, 70_000],
    ] {
        let raw = encode_labels(&labels).unwrap();
        assert_eq!(parse_labels(&raw[..]).unwrap(), labels);
        assert_eq!(parse_labels(&gzip(&raw)[..]).unwrap(), labels);
    }
    let mut wide = header(0x0C, &[1]);
    wide.extend([0, 0, 1, 2]);
    assert_eq!(parse_labels(&wide[..]).unwrap(), [258]);
    assert!(encode_labels(&[u32::MAX]).is_err());
}

/// QMNIST: class, series, writer, digit, NIST class, NIST index, duplicate, unused.
#[test]
fn the_first_of_qmnists_columns_is_the_label() {
    let mut rows = header(0x0C, &[3, 8]);
    for class in [5, 0, 9] {
        for number in [class, 4, 2_313, 77, 35, 229_421, 0, 0_u32] {
            rows.extend(number.to_be_bytes());
        }
    }
    assert_eq!(parse_labels(&rows[..]).unwrap(), [5, 0, 9]);
    assert_eq!(parse_labels(&gzip(&rows)[..]).unwrap(), [5, 0, 9]);
    assert!(refused_labels(&rows[..rows.len() - 1]).contains("cut short"));
    rows[12 + 32] = 0xFF;
    assert!(refused_labels(&rows).contains("label 1 is -"));
    assert!(refused_labels(&header(0x0C, &[0, 8])).contains("no labels"));
}

#[test]
fn labels_of_other_shapes_are_called_what_they_are() {
    for (kind, lengths, what) in [
        (
            0x0C,
            &[60_000, 7][..],
            "60000x7 elements of type 0x0c (i32)",
        ),
        (0x08, &[10, 8], "10x8 elements of type 0x08 (u8)"),
        (0x08, &[10, 1], "10x1 elements of type 0x08 (u8)"),
        (0x08, &[2, 28, 28], "3 dimensions, as image files have"),
        (0x08, &[], "0 dimensions, as neither"),
        (0x08, &[1; 9], "9 dimensions, as neither"),
    ] {
        let line = refused_labels(&header(kind, lengths));
        assert!(line.contains(what), "{line}");
    }
}

#[test]
fn zeros_after_the_gzip_data_are_padding_and_anything_else_is_garbage() {
    let raw = image_file();
    let images = parse_images(&raw[..]).unwrap();
    let padded = [gzip(&raw), vec![0; 4_000]].concat();
    assert_eq!(parse_images(&padded[..]).unwrap(), images);
    let spoiled = [gzip(&raw), b"\0\0<html>".to_vec()].concat();
    let line = refused(&spoiled);
    assert!(
        line.contains("8 bytes of garbage after the gzip data"),
        "{line}"
    );
}

#[test]
fn truncated_at_every_length() {
    let images = image_file();
    for end in 0..images.len() {
        assert!(refused(&images[..end]).contains("cut short"), "{end}");
    }
    let labels = encode_labels(&[1, 300]).unwrap();
    for end in 0..labels.len() {
        assert!(
            refused_labels(&labels[..end]).contains("cut short"),
            "{end}"
        );
    }
}

#[test]
fn trailing_bytes() {
    let mut images = image_file();
    images.push(0);
    assert!(refused(&images).contains("goes on after the 12 bytes"));
    assert!(refused(&gzip(&images)).contains("goes on after"));
    let mut labels = encode_labels(&[1, 2]).unwrap();
    labels.push(0);
    assert!(refused_labels(&labels).contains("goes on after"));
}

#[test]
fn gzip_cut_short_at_every_length() {
    let whole = gzip(&image_file());
    // Two bytes are enough to be recognised as gzip.
    for end in 2..whole.len() {
        assert!(refused(&whole[..end]).contains("cut short"), "{end}");
    }
}

#[test]
fn gzip_damaged() {
    let mut checksum = gzip(&image_file());
    let place = checksum.len() - 6;
    checksum[place] ^= 0x40;
    assert!(refused(&checksum).contains("damaged"));
    let mut tail = gzip(&image_file());
    tail.extend(b"garbage after the stream");
    assert!(refused(&tail).contains("24 bytes of garbage after the gzip data"));
    let mut method = gzip(&image_file());
    method[2] = 3;
    assert!(refused(&method).contains("gzip stream"));
}

#[test]
fn wrong_magic_type_and_rank() {
    assert!(refused(b"PK\x03\x04 a zip file").contains("not an IDX file"));
    assert!(refused(b"<!DOCTYPE html>").contains("starts with 3c 21"));
    assert!(refused(&header(0x0D, &[1, 1, 1])).contains("f32"));
    assert!(refused(&header(0x77, &[1, 1, 1])).contains("unknown type 0x77"));
    assert!(refused(&header(0x08, &[1])).contains("label file"));
    assert!(refused(&header(0x08, &[1, 1])).contains("2 dimensions"));
    assert!(refused(&header(0x08, &[])).contains("0 dimensions"));
    assert!(refused(&header(0x08, &[1; 255])).contains("255 dimensions"));
    assert!(refused_labels(&header(0x0D, &[1])).contains("f32"));
    assert!(refused_labels(&header(0x09, &[1])).contains("i8"));
    assert!(refused_labels(&image_file()).contains("image files"));
}

#[test]
fn empty_sets_and_empty_images() {
    assert!(refused(&header(0x08, &[0, 28, 28])).contains("no images"));
    assert!(refused(&header(0x08, &[3, 0, 28])).contains("size 0x28"));
    assert!(refused(&header(0x08, &[3, 2, 2, 0])).contains("at least 1"));
    assert!(refused_labels(&header(0x08, &[0])).contains("no labels"));
}

#[test]
fn labels_out_of_range() {
    let mut negative = header(0x0B, &[2]);
    negative.extend([0, 1, 0xFF, 0xFE]);
    assert!(refused_labels(&negative).contains("label 1 is -2"));
    let mut huge = header(0x0C, &[1]);
    huge.extend([0x7F, 0xFF, 0xFF, 0xFF]);
    assert!(refused_labels(&huge).contains("2147483647"));
}

/// Stated sizes above the limit are refused after the header; below it they take no more memory
/// than the bytes that are there. A reader that allocated what the header states would need 4 GiB
/// here; this test records the sizes of the buffers.
#[test]
fn headers_that_promise_billions() {
    assert!(refused(&header(0x08, &[u32::MAX; 3])).contains("4 GiB"));
    assert!(refused(&header(0x08, &[u32::MAX; 4])).contains("4 GiB"));
    assert!(refused(&header(0x08, &[u32::MAX, 2, 1])).contains("4 GiB"));
    assert!(refused_labels(&header(0x0C, &[u32::MAX])).contains("4 GiB"));
    let mut within = header(0x08, &[u32::MAX, 1, 1]);
    within.extend([7; 100]);
    let reader = Counting {
        inner: &within[..],
        largest: 0,
    };
    let mut reader = reader;
    assert!(message(parse_images(&mut reader).map(|_| ())).contains("100 are there"));
    assert!(reader.largest < 1 << 20, "a buffer of {}", reader.largest);
}

/// A reader that records the size of the largest buffer it was asked to fill.
struct Counting<'a> {
    inner: &'a [u8],
    largest: usize,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.largest = self.largest.max(buffer.len());
        self.inner.read(buffer)
    }
}

#[test]
fn a_small_gzip_file_cannot_fill_the_memory() {
    // A megabyte of zeros follows a header that states twelve bytes.
    let mut bomb = header(0x08, &[2, 2, 3]);
    bomb.resize(1 << 20, 0);
    assert!(refused(&gzip(&bomb)).contains("goes on after"));
}

#[test]
fn a_failing_disk_is_not_called_damage() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    assert!(matches!(parse_images(Broken), Err(Fault::Read(_))));
}

fn set(folder: &Path, train: &[u32], test: &[u32]) -> [PathBuf; 4] {
    let paths = ["a", "b", "c", "d"].map(|name| folder.join(name));
    for (i, labels) in [train, test].into_iter().enumerate() {
        let images = ndarray::Array4::<u8>::zeros((labels.len(), 3, 2, 1));
        std::fs::write(&paths[2 * i], encode_images(images.view()).unwrap()).unwrap();
        std::fs::write(&paths[2 * i + 1], encode_labels(labels).unwrap()).unwrap();
    }
    paths
}

#[test]
fn a_set_of_any_size_and_class_count() {
    let folder = tempfile::tempdir().unwrap();
    let files = set(folder.path(), &[0, 499, 3], &[2]);
    let data = read_dataset("five hundred", &files).unwrap();
    assert_eq!((data.classes, data.shape()), (500, (3, 2, 1)));
    assert_eq!((data.train.len(), data.test.len()), (3, 1));
}

#[test]
fn a_set_whose_files_disagree() {
    let folder = tempfile::tempdir().unwrap();
    let line = |outcome: Result<Dataset>| {
        let line = outcome.unwrap_err().to_string();
        assert!(
            line.contains(&*folder.path().to_string_lossy()),
            "no file: {line}"
        );
        assert!(!line.contains('\n'));
        line
    };
    let files = set(folder.path(), &[0, 1, 2], &[3]);
    assert!(line(read_dataset("x", &files)).contains("never shows"));
    let files = set(folder.path(), &[0, 0], &[0]);
    assert!(line(read_dataset("x", &files)).contains("at least two classes"));
    let files = set(folder.path(), &[0, 1], &[1]);
    let [images, labels, test_images, test_labels] = &files;
    let crossed = [images, test_labels, test_images, labels].map(PathBuf::clone);
    assert!(line(read_dataset("x", &crossed)).contains("1 labels for the 2 images"));
    let out = read_split(images, labels, Some(1)).unwrap_err().to_string();
    assert!(out.contains("label 1 is 1, outside"), "{out}");
    let wide = ndarray::Array4::<u8>::zeros((1, 3, 3, 1));
    std::fs::write(test_images, encode_images(wide.view()).unwrap()).unwrap();
    assert!(line(read_dataset("x", &files)).contains("3x3"));
}

#[test]
fn a_missing_file_and_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let line = read_images(&folder.path().join("gone"))
        .unwrap_err()
        .to_string();
    assert!(line.contains("gone: no such file;"), "{line}");
    // Opening or reading a folder fails with the message of the operating system.
    assert!(matches!(
        read_images(folder.path()),
        Err(Error::Data { .. })
    ));
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let files = set(folder.path(), &[0, 1, 2], &[1, 0]);
    let data = read_dataset("x", &files).unwrap();
    write_dataset(&data, folder.path()).unwrap();
    let names = [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ];
    let again = read_dataset("x", &names.map(|name| folder.path().join(name))).unwrap();
    assert_eq!(again.train, data.train);
    assert_eq!(again.test, data.test);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes: Vec<u8>, kind in 0_u8..16, rank in 0_u8..6) {
        let _ = parse_images(&bytes[..]);
        let _ = parse_labels(&bytes[..]);
        bytes.splice(0..0, [0, 0, kind, rank]);
        let _ = parse_images(&bytes[..]);
        let _ = parse_labels(&bytes[..]);
        let _ = parse_images(&gzip(&bytes)[..]);
    }
}
