//! Data sets in files that other programs made (`tests/tools/data_fixtures.py`: Pillow,
//! NumPy, zipfile, tarfile, safetensors), against what those programs read out of them.

use std::path::{Path, PathBuf};

use bnn_cpu::data::reading::{Options, Resize, SplitBy};
use bnn_cpu::data::{
    Background, Dataset, DatasetChoice, Event, Loaded, Split, load_with, omniglot,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn expected(name: &str) -> Value {
    let text = std::fs::read_to_string(fixture("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    assert!(all[name].is_object(), "{name}");
    all[name].clone()
}

fn load(place: &Path, options: Options) -> bnn_cpu::Result<Loaded> {
    let places = (Some(place), None);
    load_with(
        DatasetChoice::Auto,
        places,
        None,
        &options,
        &mut |_: Event<'_>| (),
    )
}

fn good(name: &str, options: Options) -> Loaded {
    load(&fixture(name), options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(place: &Path, options: Options) -> String {
    let line = match load(place, options) {
        Ok(loaded) => panic!("{} was read: {:?}", place.display(), loaded.notice),
        Err(error) => error.to_string(),
    };
    assert!(!line.contains('\n') && line.contains(';'), "{line}");
    line
}

/// Labels and images of a set, sorted: what is in it, in whatever parts.
fn content(splits: &[&Split]) -> Vec<(u32, Vec<u8>)> {
    let of = |split: &&Split| -> Vec<(u32, Vec<u8>)> {
        let image = |i| (split.label(i), split.image(i).to_vec());
        (0..split.len()).map(image).collect()
    };
    let mut all: Vec<_> = splits.iter().flat_map(of).collect();
    all.sort();
    all
}

fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

fn shape_of(value: &Value) -> (usize, usize, usize) {
    let side = |i: usize| value["shape"][i].as_u64().unwrap() as usize;
    (side(0), side(1), side(2))
}

fn labels_of(value: &Value) -> Vec<u32> {
    let labels = value["labels"].as_array().unwrap();
    labels.iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

/// A part is exactly what the other program reads.
fn same(split: &Split, value: &Value, what: &str) {
    assert_eq!(split.shape(), shape_of(value), "{what}");
    assert_eq!(split.labels(), labels_of(value), "{what}");
    assert_eq!(sha256(split.pixels()), value["sha256"], "{what}");
}

fn names(data: &Dataset, value: &Value) {
    let names: Vec<&str> = data.class_names.iter().map(String::as_str).collect();
    let classes = value["classes"].as_array().unwrap();
    let classes: Vec<&str> = classes.iter().map(|v| v.as_str().unwrap()).collect();
    assert_eq!(names, classes);
    if !classes.is_empty() {
        assert_eq!(data.classes, classes.len());
    }
}

/// A set with a part to learn from and one to test on.
fn two_parts(file: &str, key: &str, options: Options) -> Loaded {
    let (loaded, value) = (good(file, options), expected(key));
    same(&loaded.dataset.train, &value["train"], file);
    same(&loaded.dataset.test, &value["test"], file);
    names(&loaded.dataset, &value);
    loaded
}

const NONE: Options = Options {
    size: None,
    resize: None,
    backdrop: None,
    split_by: None,
};

#[test]
fn grey_pictures_of_every_kind_stay_grey() {
    for (shade, backdrop) in [("light", Background::Light), ("dark", Background::Dark)] {
        let options = Options {
            backdrop: Some(backdrop),
            ..NONE
        };
        let loaded = two_parts("grey.zip", &format!("grey.zip {shade}"), options);
        assert_eq!(loaded.dataset.name, "grey");
        assert_eq!(loaded.dataset.shape().2, 1);
        let notice = loaded.notice.unwrap();
        let left_out = "1 files that are no PNG or JPEG pictures left out (\"grey/README.txt\")";
        assert_eq!(notice, left_out);
    }
    // Light is what is taken where nothing is stated.
    let plain = good("grey.zip", NONE).dataset;
    let source = plain.source.clone().unwrap();
    assert_eq!(source.options.backdrop, Some(Background::Light));
    assert!(source.place.ends_with("tests/data/grey.zip"));
    same(
        &plain.train,
        &expected("grey.zip light")["train"],
        "without an option",
    );
}

/// All images of a set of which some were held out, against the other program's.
fn all_in(data: &Dataset, value: &Value) {
    let all = &value["all"];
    assert_eq!(data.shape(), shape_of(all));
    names(data, value);
    // In the order of the files, each part keeps its order.
    let mut labels = [data.train.labels(), data.test.labels()].concat();
    labels.sort_unstable();
    let mut expected = labels_of(all);
    expected.sort_unstable();
    assert_eq!(labels, expected);
}

#[test]
fn one_picture_in_colour_makes_the_set_one_of_three_channels() {
    let (loaded, value) = (good("colour.zip", NONE), expected("colour.zip"));
    all_in(&loaded.dataset, &value);
    assert_eq!(loaded.dataset.shape().2, 3);
    // One of four of each class is held out, and that is said.
    assert_eq!(loaded.dataset.test.labels(), [0, 1, 2]);
    let notice = loaded.held_out.unwrap();
    assert!(
        notice.contains("there are no test images: 3 of 12,"),
        "{notice}"
    );
    // Their pixels, put in order again, are Pillow's.
    let (height, width, channels) = loaded.dataset.shape();
    let size = height * width * channels;
    let folder = unpacked("colour.zip");
    let sorted = content(&[&loaded.dataset.train, &loaded.dataset.test]);
    let again = good_at(folder.path(), NONE).dataset;
    assert_eq!(content(&[&again.train, &again.test]), sorted);
    assert!(sorted.iter().all(|(_, image)| image.len() == size));
    let digest = |images: &mut dyn Iterator<Item = &[u8]>| {
        sha256(&images.flat_map(<[u8]>::to_vec).collect::<Vec<u8>>())
    };
    // Try where each held-out image stood in its class: one arrangement is Pillow's.
    let (train, test) = (&loaded.dataset.train, &loaded.dataset.test);
    let arrangement = |places: [usize; 3]| {
        let mut order = Vec::new();
        for (class, place) in places.into_iter().enumerate() {
            let mut rows: Vec<&[u8]> = (0..3).map(|i| train.image(3 * class + i)).collect();
            rows.insert(place, test.image(class));
            order.extend(rows);
        }
        digest(&mut order.into_iter()) == value["all"]["sha256"]
    };
    let found = (0..64).filter(|i| arrangement([i % 4, i / 4 % 4, i / 16]));
    assert_eq!(found.count(), 1);
}

fn good_at(place: &Path, options: Options) -> Loaded {
    load(place, options).unwrap_or_else(|error| panic!("{}: {error}", place.display()))
}

/// A zip unpacked into a folder, by the zip's own names.
fn unpacked(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::read(fixture(name)).unwrap();
    let archive = rawzip::ZipArchive::from_slice(&file[..]).unwrap();
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().unwrap() {
        let path = entry.file_path().try_normalize().unwrap();
        let path = folder.path().join(path.as_str());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let data = archive.get_entry(entry.wayfinder()).unwrap();
        let mut inflated = Vec::new();
        let mut reader = flate2::read::DeflateDecoder::new(data.data());
        std::io::Read::read_to_end(&mut reader, &mut inflated).unwrap();
        std::fs::write(path, inflated).unwrap();
    }
    folder
}

#[test]
fn a_zip_and_its_folder_are_one_set() {
    for name in ["grey.zip", "colour.zip", "jpeg.zip", "cifar-100.zip"] {
        let folder = unpacked(name);
        let (zip, there) = (good(name, NONE), good_at(folder.path(), NONE));
        assert_eq!(zip.dataset.fingerprint(), there.dataset.fingerprint());
        assert_eq!(zip.dataset.class_names, there.dataset.class_names);
        // The name is that of the place, and no part of the set.
        assert_ne!(zip.dataset.name, there.dataset.name);
    }
}

/// Decoders of JPEG may round differently, and no further.
#[test]
fn jpeg_pictures_are_what_pillow_sees() {
    let (loaded, value) = (good("jpeg.zip", NONE), expected("jpeg.zip"));
    all_in(&loaded.dataset, &value);
    near(&loaded.dataset, &value, 6.0, 1.0);
}

/// Every image of a set is near one of the other program's of its class.
fn near(data: &Dataset, value: &Value, most: f64, mean: f64) {
    all_near(&[&data.train, &data.test], &value["all"], most, mean);
}

/// Every image of these parts is near one of the other program's of its class: at no pixel farther
/// than `most`, and `mean` on average.
fn all_near(splits: &[&Split], value: &Value, most: f64, mean: f64) {
    let pixels = value["pixels"].as_array().unwrap();
    let pixels: Vec<f64> = pixels.iter().map(|v| v.as_f64().unwrap()).collect();
    let labels = labels_of(value);
    let size = pixels.len() / labels.len();
    let mut taken = vec![false; labels.len()];
    for (label, image) in content(splits) {
        let apart = |i: usize| -> (f64, f64) {
            let other = &pixels[i * size..][..size];
            let each = image.iter().zip(other);
            let each: Vec<f64> = each.map(|(a, b)| (f64::from(*a) - b).abs()).collect();
            let largest = each.iter().fold(0.0, |m: f64, &v| m.max(v));
            (largest, each.iter().sum::<f64>() / size as f64)
        };
        let all = (0..labels.len()).filter(|&i| labels[i] == label && !taken[i]);
        let nearest = all.min_by(|&a, &b| apart(a).1.total_cmp(&apart(b).1));
        let nearest = nearest.expect("an image of that class");
        let (largest, average) = apart(nearest);
        assert!(
            largest <= most && average <= mean,
            "image {nearest} of class {label}: {largest} at most, {average} on average"
        );
        taken[nearest] = true;
    }
    assert!(taken.iter().all(|&t| t));
}

/// The part of a picture is what its folders say: those to validate on are learned from, unless
/// there are none to test on.
#[test]
fn pictures_in_parts_are_told_by_their_folders() {
    for (name, notice) in [
        ("parts.zip", "pictures in val are learned from"),
        ("valid.zip", "those in val are tested on"),
    ] {
        let value = expected(name);
        let folder = unpacked(name);
        for loaded in [good(name, NONE), good_at(folder.path(), NONE)] {
            let data = &loaded.dataset;
            for (split, part) in [(&data.train, "train"), (&data.test, "test")] {
                assert_eq!(split.shape(), shape_of(&value[part]), "{name} {part}");
                assert_eq!(split.len(), labels_of(&value[part]).len(), "{name} {part}");
                all_near(&[split], &value[part], 6.0, 1.0);
            }
            names(data, &value);
            let said = loaded.notice.unwrap();
            assert!(said.contains(notice), "{name}: {said}");
        }
    }
}

#[test]
fn idx_files_that_numpy_wrote() {
    let value = expected("idx");
    let (file, folder) = (fixture("idx"), unpacked("idx.zip"));
    for place in [&*file, folder.path()] {
        let places = (Some(place), None);
        let loaded = load_with(DatasetChoice::Idx, places, None, &NONE, &mut |_| ());
        let data = loaded.unwrap().dataset;
        same(&data.train, &value["train"], "to learn from");
        same(&data.test, &value["test"], "to test on");
    }
    // Under MNIST's names they are not taken for MNIST.
    let line = refused(&file, NONE);
    assert!(line.contains("is not MNIST's"), "{line}");
}

#[test]
fn pictures_of_several_sizes_are_cropped_or_fitted() {
    let line = refused(&fixture("sizes.zip"), NONE);
    for part in ["4 sizes: 6x8 (1), 12x16 (1), 16x12 (1), 24x24 (1)", "size"] {
        assert!(line.contains(part), "{line}");
    }
    for (how, resize) in [("crop", Resize::Crop), ("fit", Resize::Fit)] {
        let options = Options {
            size: Some("8".parse().unwrap()),
            resize: Some(resize),
            ..NONE
        };
        let data = good("sizes.zip", options).dataset;
        let value = expected(&format!("sizes.zip {how}"));
        all_in(&data, &value);
        near(&data, &value, 1.0, 0.5);
        let source = data.source.clone().unwrap();
        assert_eq!(source.options.resize, Some(resize));
    }
    let lonely = Options {
        resize: Some(Resize::Fit),
        ..NONE
    };
    let line = refused(&fixture("colour.zip"), lonely);
    assert!(
        line.contains("resize has no effect without a size"),
        "{line}"
    );
}

#[test]
fn omniglot_is_split_by_character_or_by_alphabet() {
    let (loaded, value) = (good("omniglot", NONE), expected("omniglot"));
    let data = &loaded.dataset;
    all_in(data, &value);
    assert_eq!(data.classes, 9);
    // A tenth of every character.
    for class in 0..9 {
        let count = |split: &Split| split.labels().iter().filter(|&&l| l == class).count();
        assert_eq!((count(&data.train), count(&data.test)), (9, 1));
    }
    // Ink is 0.
    assert!(data.train.pixels().iter().all(|&v| v == 0 || v == 255));
    // With both parts, the second one's alphabets are tested on.
    let by_alphabet = Options {
        split_by: Some(SplitBy::Alphabet),
        ..NONE
    };
    let loaded = good("omniglot", by_alphabet);
    let tested = |data: &Dataset| -> Vec<String> {
        let mut names: Vec<String> = data
            .test
            .labels()
            .iter()
            .map(|&l| data.class_names[l as usize].clone())
            .collect();
        names.dedup();
        names
    };
    assert_eq!(
        tested(&loaded.dataset),
        ["Tibetan/character01", "Tibetan/character02"]
    );
    assert_eq!(loaded.dataset.test.len(), 20);
    assert!(
        loaded
            .notice
            .unwrap()
            .contains("1 of 4 alphabets are held out")
    );
    assert!(loaded.dataset.train.labels().iter().all(|&l| l < 7));
    // Of one part alone, an alphabet by its name.
    let one = good("omniglot/images_background.zip", by_alphabet).dataset;
    assert_eq!((one.train.len() + one.test.len(), one.classes), (70, 7));
    let alphabets: std::collections::BTreeSet<String> = tested(&one)
        .iter()
        .map(|name| name.split('/').next().unwrap().to_string())
        .collect();
    assert_eq!(alphabets.len(), 1);
    let line = refused(&fixture("colour.zip"), by_alphabet);
    assert!(line.contains("has no alphabets"), "{line}");
    let line = refused(&fixture("grey.zip"), by_alphabet);
    assert!(line.contains("has test pictures of its own"), "{line}");
}

#[test]
fn cifar_in_a_tar_and_in_a_zip() {
    let ten = two_parts("cifar-10.tar.gz", "cifar-10.tar.gz", NONE).dataset;
    assert_eq!((&*ten.name, ten.classes), ("cifar-10", 10));
    let hundred = two_parts("cifar-100.zip", "cifar-100.zip", NONE).dataset;
    assert_eq!((hundred.classes, hundred.shape()), (100, (32, 32, 3)));
    let sized = Options {
        size: Some("8".parse().unwrap()),
        ..NONE
    };
    let line = refused(&fixture("cifar-10.tar.gz"), sized);
    assert!(
        line.contains("size has no effect on CIFAR's binary files"),
        "{line}"
    );
    // A file that lost a byte is refused.
    let folder = unpacked("cifar-100.zip");
    let train = folder.path().join("cifar-100-binary/train.bin");
    let bytes = std::fs::read(&train).unwrap();
    std::fs::write(&train, &bytes[1..]).unwrap();
    let line = refused(folder.path(), NONE);
    assert!(
        line.contains("train.bin: has 6147 bytes, no whole number of images"),
        "{line}"
    );
}

#[test]
fn arrays_of_every_kind_of_number() {
    two_parts("keras.npz", "keras.npz", NONE);
    two_parts("npy", "npy", NONE);
    let loaded = two_parts("float.npz", "float.npz", NONE);
    let notice = loaded.notice.unwrap();
    for part in [
        "pixels are whole numbers divided by 255",
        "images of shape [4, 3, 6, 5] were read as (N, channels, height, width)",
        "validation images are learned from",
    ] {
        assert!(notice.contains(part), "{notice}");
    }
    let bits = good("x_bits.npy", NONE).dataset;
    all_in(&bits, &expected("x_bits.npy"));
    assert!(bits.train.pixels().iter().all(|&v| v == 0 || v == 255));
    let line = refused(&fixture("normalised.npz"), NONE);
    assert!(
        line.contains("which is no pixel") && line.contains("numpy.round(255 * x)"),
        "{line}"
    );
    // A single file is a set by itself, with the labels that its name leads to.
    let one = good("npy/train_images.npy", NONE).dataset;
    assert_eq!((one.train.len(), one.test.len()), (3, 3));
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("x.npy");
    std::fs::copy(fixture("x_bits.npy"), &alone).unwrap();
    let line = refused(&alone, NONE);
    assert!(
        line.contains("has no labels beside it, in a file named y.npy or"),
        "{line}"
    );
}

#[test]
fn tensors_are_read_as_arrays_are() {
    let loaded = two_parts("set.safetensors", "set.safetensors", NONE);
    assert_eq!(loaded.notice.unwrap(), "arrays left out: [\"scale\"]");
    let same = good("keras.npz", NONE).dataset;
    assert_eq!(loaded.dataset.fingerprint(), same.fingerprint());
}

#[test]
fn names_that_climb_and_links_are_left_out_and_named() {
    for name in ["hostile.zip", "hostile.tar"] {
        let loaded = good(name, NONE);
        let data = &loaded.dataset;
        assert_eq!((data.classes, data.train.len(), data.test.len()), (2, 2, 2));
        assert_eq!(data.class_names, ["a", "b"]);
        let notice = loaded.notice.unwrap();
        let zip = name.ends_with("zip");
        let climbing = if zip { 4 } else { 2 };
        for part in [
            format!("{climbing} names that lead out of the archive left out (\"../up/2.png\")"),
            format!(
                "{} symbolic links left out (\"a/link.png\")",
                if zip { 1 } else { 2 }
            ),
        ] {
            assert!(notice.contains(&part), "{name}: {notice}");
        }
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    for size in [None, Some("8".parse().unwrap())] {
        let line = refused(&fixture("bomb.zip"), Options { size, ..NONE });
        let part = "bomb.zip/b/0.png: is a picture of 30000x30000; the limit is";
        assert!(line.contains(part), "{line}");
    }
}

/// What is there is told by its content, and what is not known is refused with a list.
#[test]
fn names_do_not_tell_what_a_file_is() {
    let folder = tempfile::tempdir().unwrap();
    for (fixture_name, odd) in [
        ("keras.npz", "a.zip"),
        ("grey.zip", "b.tar"),
        ("cifar-10.tar.gz", "c.bin"),
        ("set.safetensors", "d"),
    ] {
        let path = folder.path().join(odd);
        std::fs::copy(fixture(fixture_name), &path).unwrap();
        let (odd, own) = (good_at(&path, NONE), good(fixture_name, NONE));
        assert_eq!(odd.dataset.fingerprint(), own.dataset.fingerprint());
    }
    for (name, content, said) in [
        ("empty", &b""[..], "is no file of a kind that is known"),
        ("text.png", b"hello", "is no file of a kind that is known"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let line = refused_files(&path);
        assert!(
            line.contains(said) && line.contains("must name IDX files"),
            "{line}"
        );
    }
    let line = refused_files(&folder.path().join("nowhere"));
    assert!(line.contains("no such file or folder;"), "{line}");
    let empty = tempfile::tempdir().unwrap();
    let line = refused_files(empty.path());
    assert!(line.contains("holds no data set that is known;"), "{line}");
    // A picture that is none is damaged, not passed over.
    for class in ["a", "b"] {
        std::fs::create_dir(empty.path().join(class)).unwrap();
        std::fs::write(empty.path().join(class).join("0.png"), b"hello").unwrap();
    }
    let line = refused(empty.path(), NONE);
    assert!(
        line.contains("a/0.png: is no PNG or JPEG picture;"),
        "{line}"
    );
}

/// Without a choice, what is named and is no set is told as what it is.
#[test]
fn what_is_no_set_is_told_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("empty")).unwrap();
    let zip = std::fs::read(fixture("grey.zip")).unwrap();
    std::fs::write(at("short.zip"), &zip[..zip.len() / 2]).unwrap();
    let pictures = unpacked("colour.zip");
    let picture = pictures.path().join("x/0.png");
    for (place, said) in [
        (at("empty"), "holds no data set that is known;"),
        (at("short.zip"), "is a zip file cut short;"),
        (picture, "is a single picture;"),
        (
            fixture("expected.json"),
            "is no file of a kind that is known;",
        ),
    ] {
        let line = refused(&place, NONE);
        assert!(line.contains(said), "{line}");
    }
    // Three of four IDX files are a set that lacks one.
    std::fs::create_dir(at("part")).unwrap();
    std::fs::write(at("part").join("train-images-idx3-ubyte"), b"x").unwrap();
    let line = refused(&at("part"), NONE);
    assert!(line.contains("lacks train-labels-idx1-ubyte"), "{line}");
    let line = refused(&at("nowhere"), NONE);
    assert!(line.contains("no such folder;"), "{line}");
}

fn refused_files(place: &Path) -> String {
    let places = (Some(place), None);
    let loaded = load_with(DatasetChoice::Files, places, None, &NONE, &mut |_| ());
    let line = loaded.unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

/// The folder or file that an environment variable names, or `None` after saying which test
/// is left out. The line goes past the test harness's capture.
fn real(variable: &str, test: &str, what: &str) -> Option<PathBuf> {
    let place = std::env::var_os(variable).filter(|value| !value.is_empty());
    if place.is_none() {
        let line = format!("left out: {test} needs {what} (set {variable})\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }
    place.map(PathBuf::from)
}

#[test]
fn the_real_omniglot() {
    let what = "Omniglot's images_background.zip";
    let Some(place) = real("BNN_CPU_OMNIGLOT", "the_real_omniglot", what) else {
        return;
    };
    let data = good_at(&place, NONE).dataset;
    assert_eq!((data.classes, data.shape()), (964, (105, 105, 1)));
    assert_eq!((data.train.len(), data.test.len()), (17_352, 1_928));
    assert_eq!(data.class_names[0], "Alphabet_of_the_Magi/character01");
    assert_eq!(data.fingerprint(), omniglot::FINGERPRINT);
    let places = (Some(&*place), None);
    let named = load_with(DatasetChoice::Omniglot, places, None, &NONE, &mut |_| ());
    assert_eq!(named.unwrap().dataset.name, omniglot::NAME);
    let by_alphabet = Options {
        split_by: Some(SplitBy::Alphabet),
        size: Some("28".parse().unwrap()),
        ..NONE
    };
    let data = good_at(&place, by_alphabet).dataset;
    assert_eq!(data.train.len() + data.test.len(), 19_280);
    assert_eq!(data.shape(), (28, 28, 1));
}

#[test]
fn the_real_cifar() {
    let what = "cifar-10-binary.tar.gz";
    let Some(place) = real("BNN_CPU_CIFAR", "the_real_cifar", what) else {
        return;
    };
    let data = good_at(&place, NONE).dataset;
    assert_eq!((data.classes, data.shape()), (10, (32, 32, 3)));
    assert_eq!((data.train.len(), data.test.len()), (50_000, 10_000));
    assert_eq!(data.class_names[9], "truck");
    // Five thousand images of each class.
    for class in 0..10 {
        let count = data.train.labels().iter().filter(|&&l| l == class).count();
        assert_eq!(count, 5_000);
    }
}
