//! Data files that are not what they should be.

use crate::common::{Place, SIDE, SMALL, TEST, TRAIN, gzip, idx};

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// Replaces a file of the small set and expects one line that names it.
#[test]
fn a_damaged_file_is_named_in_one_line() {
    let place = Place::new();
    let [images, labels] = [TRAIN_IMAGES, TRAIN_LABELS].map(|n| place.bytes(&format!("data/{n}")));
    let zipped = gzip(&images);
    let side = SIDE as u32;
    let mut longer = images.clone();
    longer.push(0);
    let mut other_magic = images.clone();
    other_magic[0] = 0x50;
    let mut other_type = images.clone();
    other_type[2] = 0x0D;
    let mut damaged_gzip = zipped.clone();
    let middle = zipped.len() / 2;
    damaged_gzip[middle..middle + 40].fill(0xA5);
    let billions = idx(&[4_000_000_000, 28, 28], &[0; 100]);
    let empty = idx(&[0, side, side], &[]);
    let mut outside = place.bytes(&format!("data/{TEST_LABELS}"));
    outside[8 + 5] = 3;
    let negative_free = idx(&[TRAIN as u32], &[0; TRAIN]);
    let cases: [(&str, &str, &[u8], &str); 15] = [
        (
            "cut short",
            TRAIN_IMAGES,
            &images[..images.len() - 1],
            "cut short",
        ),
        ("cut in its header", TRAIN_IMAGES, &images[..7], "cut short"),
        ("no bytes at all", TRAIN_IMAGES, &[], "cut short"),
        ("too long", TRAIN_IMAGES, &longer, "goes on after"),
        (
            "gzip cut short",
            TRAIN_IMAGES,
            &zipped[..zipped.len() / 2],
            "cut short",
        ),
        ("gzip damaged", TRAIN_IMAGES, &damaged_gzip, "gzip"),
        ("wrong magic", TRAIN_IMAGES, &other_magic, "not an IDX file"),
        ("wrong type", TRAIN_IMAGES, &other_type, "unsigned bytes"),
        ("labels for images", TRAIN_IMAGES, &labels, "dimension"),
        ("images for labels", TRAIN_LABELS, &images, "dimension"),
        ("billions of images", TRAIN_IMAGES, &billions, "4000000000"),
        ("no images", TRAIN_IMAGES, &empty, "no images"),
        (
            "counts that differ",
            TRAIN_LABELS,
            &labels_of(TRAIN - 1),
            "labels for the",
        ),
        (
            "a label out of range",
            TEST_LABELS,
            &outside,
            "label 5 is 3",
        ),
        (
            "one class",
            TRAIN_LABELS,
            &negative_free,
            "every label is 0",
        ),
    ];
    for (what, file, content, mention) in cases {
        place.write_data("data");
        std::fs::write(place.path(&format!("data/{file}")), content).unwrap();
        let mut args = SMALL.to_vec();
        args.extend(["--out", "run"]);
        let line = place.bad(&args, 1, mention);
        assert!(line.contains(file), "{what}: {line}");
        assert!(!place.path("run").exists(), "{what}");
        let verify = ["data", "verify", "--dataset", "idx", "--data", "data"];
        place.bad(&verify, 1, file);
    }
    place.write_data("data");
    let other_size = idx(&[TEST as u32, 2, 2], &[7; TEST * 4]);
    std::fs::write(place.path(&format!("data/{TEST_IMAGES}")), other_size).unwrap();
    place.bad(&SMALL, 1, TEST_IMAGES);
}

fn labels_of(count: usize) -> Vec<u8> {
    let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
    idx(&[count as u32], &labels)
}

#[test]
fn a_missing_file_or_folder_is_named() {
    let place = Place::new();
    place.bad(
        &["train", "--dataset", "idx", "--data", "nowhere"],
        1,
        "nowhere",
    );
    place.bad(&["train", "--data", "nowhere"], 1, "nowhere");
    place.bad(&["train", "--dataset", "idx"], 1, "--data");
    std::fs::remove_file(place.path("data").join(TEST_LABELS)).unwrap();
    let line = place.bad(&SMALL, 1, TEST_LABELS);
    assert!(line.contains("data"), "{line}");
    let mut command = place.command(&["train"]);
    command.env("BNN_CPU_DATA", "elsewhere");
    let ended = crate::common::ended(command.output().unwrap());
    ended.assert_one_line(1, "BNN_CPU_DATA", &["BNN_CPU_DATA"]);
}

#[test]
fn files_that_are_not_mnist_are_not_taken_for_it() {
    let place = Place::new();
    for dataset in ["auto", "mnist"] {
        let line = place.bad(
            &["train", "--dataset", dataset, "--data", "data"],
            1,
            "SHA-256",
        );
        assert!(
            line.contains("train-images")
                && line.contains("idx takes any other IDX set (--dataset)"),
            "{line}"
        );
    }
}

#[test]
fn without_a_network_mnist_is_an_error_and_auto_says_what_it_uses() {
    let place = Place::new();
    let dead = "http://127.0.0.1:9";
    let args = ["train", "--quiet", "--dataset", "mnist", "--mirror", dead];
    place.bad(&args, 1, "--mirror");
    let args = ["train", "--dataset", "mnist", "--mirror", "ftp://x"];
    place.bad(&args, 1, "ftp://x");
    place.bad(&["data", "fetch", "--quiet", "--mirror", dead], 1, dead);
    assert!(!place.path("data/mnist").exists());
    // Auto falls back; no step is needed to see what it says.
    let args = ["data", "show", "--quiet", "--mirror", dead, "--count", "1"];
    let ended = place.good(&args);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    assert!(ended.err.contains("NOT MNIST"), "{}", ended.err);
    assert!(ended.out.contains("built-in digits"), "{}", ended.out);
}

#[test]
fn impossible_batches_and_networks_are_refused_before_a_folder_is_made() {
    let place = Place::new();
    let small = |flags: &[&str], mention: &str| {
        let mut args = SMALL.to_vec();
        args.retain(|arg| !["--batch", "16"].contains(arg));
        args.extend(["--out", "run"]);
        args.extend(flags);
        place.bad(&args, 1, mention);
        assert!(!place.path("run").exists());
    };
    small(&["--batch", "271"], "--batch");
    small(&["--val-fraction", "0.999"], "--val-fraction");
    // Batch norm on vectors: a batch of one has one value a channel.
    let net = r#"{"name": "bn", "input": {"channels": 1, "height": 12, "width": 12}, "layers": [
        {"type": "linear", "name": "fc1", "out": 4}, {"type": "batch_norm", "name": "bn1"},
        {"type": "binary", "mode": "det"}, {"type": "linear", "name": "fc2", "out": 3}]}"#;
    std::fs::write(place.path("net.json"), net).unwrap();
    small(&["--model", "net.json", "--batch", "1"], "bn1");
    small(&["--model", "net.json", "--batch", "269"], "--batch");
    std::fs::write(place.path("wide.json"), net.replace("12}", "13}")).unwrap();
    small(&["--model", "wide.json"], "--model");
    std::fs::write(
        place.path("few.json"),
        net.replace(r#""out": 3"#, r#""out": 2"#),
    )
    .unwrap();
    small(&["--model", "few.json"], "--model");
    std::fs::write(place.path("broken.json"), &net[..100]).unwrap();
    small(&["--model", "broken.json"], "broken.json");
    std::fs::write(place.path("typo.json"), net.replace("linear", "liner")).unwrap();
    small(&["--model", "typo.json"], "typo.json");
    small(&["--model", "absent.json"], "absent.json");
}
