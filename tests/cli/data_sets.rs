//! Which data set the program takes a folder for, and what it says of it.

use crate::common::{Place, SMALL, TEST, gzip};

/// Copies the small set under the names of a part of EMNIST.
fn emnist(place: &Place, folder: &str, part: &str) {
    std::fs::create_dir_all(place.path(folder)).unwrap();
    for (ours, theirs) in [("train", "train"), ("t10k", "test")] {
        for kind in ["images-idx3-ubyte", "labels-idx1-ubyte"] {
            let bytes = gzip(&place.bytes(&format!("data/{ours}-{kind}")));
            let name = format!("{folder}/emnist-{part}-{theirs}-{kind}.gz");
            std::fs::write(place.path(&name), bytes).unwrap();
        }
    }
}

#[test]
fn a_folder_does_not_make_a_set_mnist() {
    let place = Place::new();
    for (folder, named) in [
        ("MNIST", "MNIST (other data): good"),
        ("data/mnist", "mnist (other data): good"),
        ("MNIST/raw", "MNIST (other data): good"),
        ("FashionMNIST/raw", "FashionMNIST: good"),
    ] {
        place.write_data(folder);
        let out = place.good(&["data", "verify", "--dataset", "idx", "--data", folder]);
        assert!(out.out.starts_with(named), "{folder}: {}", out.out);
    }
    // Nor is it taken for MNIST where nothing is named.
    place.bad(&["data", "verify"], 1, "is not MNIST's train-images");
    // A run bears the set's name.
    let train = [
        "train",
        "--dataset",
        "idx",
        "--data",
        "MNIST",
        "--model",
        "mlp",
        "--epochs",
        "1",
        "--batch",
        "16",
        "--out",
        "run",
    ];
    place.good(&train);
    let config: serde_json::Value =
        serde_json::from_slice(&place.bytes("run/config.json")).unwrap();
    assert_eq!(config["dataset"]["name"], "MNIST (other data)");
}

/// MNIST is MNIST by `--dataset idx` too.
#[test]
fn mnist_is_known_by_its_content() {
    let Some(folder) = std::env::var("BNN_CPU_DATA").ok().filter(|f| !f.is_empty()) else {
        eprintln!("left out: mnist_is_known_by_its_content needs MNIST (set BNN_CPU_DATA)");
        return;
    };
    let place = Place::new();
    let verify = [
        "data",
        "verify",
        "--dataset",
        "idx",
        "--json",
        "--data",
        &folder,
    ];
    let found = place.good(&verify).json()[0].clone();
    assert_eq!(found["name"], "MNIST");
    let mean = found["mean"].as_f64().unwrap();
    assert_eq!(mean as f32, 0.1307);
}

#[cfg(unix)]
#[test]
fn a_folder_whose_name_is_no_text_is_read() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let name = std::ffi::OsStr::from_bytes(b"a\x1b[2J\xff");
    std::fs::rename(place.path("data"), place.path("x").with_file_name(name)).unwrap();
    let mut command = place.command(&["data", "verify", "--dataset", "idx", "--json", "--data"]);
    let output = command.arg(name).output().unwrap();
    assert!(output.status.success());
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["name"], "a\u{fffd}[2J\u{fffd}");
}

#[test]
fn emnist_is_put_upright_and_that_is_said_once() {
    let place = Place::new();
    emnist(&place, "set", "digits");
    emnist(&place, "set", "balanced");
    let said = "put upright";
    let verify = [
        "data",
        "verify",
        "--data",
        "set",
        "--dataset",
        "emnist-digits",
    ];
    let ended = place.good(&verify);
    assert!(
        ended.out.starts_with("EMNIST digits: good"),
        "{}",
        ended.out
    );
    assert_eq!(ended.err.matches(said).count(), 1, "{}", ended.err);
    let several = place.bad(
        &["data", "verify", "--dataset", "idx", "--data", "set"],
        1,
        "holds more than one set: EMNIST balanced (emnist-balanced), EMNIST digits (emnist-digits)",
    );
    assert!(several.contains("choose one"), "{several}");
    place.bad(&["data", "verify", "--data", "set"], 1, "(emnist-digits)");
    place.bad(
        &["data", "verify", "--dataset", "emnist-digits"],
        2,
        "needs a folder",
    );
    place.bad(
        &[
            "data",
            "verify",
            "--dataset",
            "emnist-letters",
            "--data",
            "set",
        ],
        1,
        "lacks emnist-letters-train-images-idx3-ubyte",
    );
    // A run remembers which of the sets it was made with.
    let train = [
        "train",
        "--dataset",
        "emnist-digits",
        "--data",
        "set",
        "--batch",
        "16",
        "--lr",
        "0.05",
        "--model",
        "mlp",
        "--epochs",
        "1",
        "--out",
        "run",
    ];
    let ended = place.good(&train);
    assert_eq!(ended.err.matches(said).count(), 1, "{}", ended.err);
    let eval = place
        .good(&["eval", "run", "--data", "set", "--json"])
        .json();
    let eval = eval.iter().find(|v| v["event"] == "eval").unwrap();
    assert_eq!(eval["dataset"], "EMNIST digits");
    // What was loaded lay on its side: the upright images are others.
    place.good(&[
        "data",
        "show",
        "--dataset",
        "idx",
        "--data",
        "data",
        "-o",
        "a.png",
    ]);
    let show = [
        "data",
        "show",
        "--dataset",
        "emnist-digits",
        "--data",
        "set",
        "-o",
        "b.png",
    ];
    place.good(&show);
    assert_ne!(place.bytes("a.png"), place.bytes("b.png"));
}

#[test]
fn the_list_names_every_set_that_can_be_asked_for() {
    let place = Place::new();
    let list = place.good(&["data", "list"]).out;
    for flag in [
        "mnist",
        "digits",
        "idx",
        "emnist-byclass",
        "emnist-letters",
        "qmnist",
    ] {
        assert!(
            list.lines().any(|line| line.starts_with(flag)),
            "{flag}: {list}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for() {
    let place = Place::new();
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo")
            .arg(place.path(name))
            .status();
        assert!(made.unwrap().success());
    };
    place.good(
        &[
            &SMALL[..],
            &["--model", "mlp", "--epochs", "1", "--out", "runs/net"],
        ]
        .concat(),
    );
    pipe("pipe.png");
    place.bad(
        &["infer", "pipe.png"],
        1,
        "pipe.png: is a pipe, a socket or a device;",
    );
    place.bad(
        &["infer", "/dev/zero"],
        1,
        "/dev/zero: is a pipe, a socket or a device;",
    );
    std::fs::create_dir(place.path("scans")).unwrap();
    pipe("scans/a.png");
    place.bad(&["infer", "scans"], 1, "a.png: is a pipe");
    std::fs::remove_file(place.path("scans/a.png")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("scans/b.png")).unwrap();
    place.bad(
        &["infer", "scans"],
        1,
        "b.png: this symbolic link leads nowhere",
    );
    std::fs::remove_file(place.path("data/t10k-labels-idx1-ubyte")).unwrap();
    pipe("data/t10k-labels-idx1-ubyte");
    let verify = ["data", "verify", "--dataset", "idx", "--data", "data"];
    place.bad(&verify, 1, "t10k-labels-idx1-ubyte: is a pipe");
}

/// Pictures of the network's own size need no flag: whatever their edge is, they are
/// images as the test images are.
#[test]
fn pictures_of_the_networks_size_are_taken_as_they_are() {
    let place = Place::new();
    place.good(
        &[
            &SMALL[..],
            &["--model", "mlp", "--epochs", "1", "--out", "runs/net"],
        ]
        .concat(),
    );
    let idx = place
        .good(&["infer", "--csv", "data/t10k-images-idx3-ubyte"])
        .out;
    let images = place.bytes("data/t10k-images-idx3-ubyte");
    std::fs::create_dir(place.path("scans")).unwrap();
    for (i, image) in images[16..].chunks_exact(144).enumerate() {
        let file = std::fs::File::create(place.path(&format!("scans/{i:03}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, 12, 12);
        encoder.set_color(png::ColorType::Grayscale);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(image)
            .unwrap();
    }
    let answers = |csv: &str| -> Vec<String> {
        let lines = csv.lines().skip(1);
        lines
            .map(|line| line.split_once(',').unwrap().1.to_string())
            .collect()
    };
    let scans = place.good(&["infer", "--csv", "scans"]).out;
    assert_eq!(answers(&scans).len(), TEST);
    assert_eq!(answers(&scans), answers(&idx));
}

#[cfg(feature = "download")]
#[test]
fn a_fetch_that_fails_is_one_line() {
    let place = Place::new();
    let failed = |args: &[&str]| {
        let mut command = place.command(args);
        // Nothing listens there.
        command.env("BNN_CPU_MIRROR", "http://127.0.0.1:9/");
        let ended = crate::common::ended(command.output().unwrap());
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        let told = ended
            .err
            .lines()
            .filter(|line| !line.starts_with("fetching "));
        told.map(str::to_string).collect::<Vec<_>>()
    };
    let told = failed(&["train", "--dataset", "mnist"]);
    assert!(
        told.len() == 1 && told[0].starts_with("error: cannot fetch"),
        "{told:?}"
    );
    let told = failed(&["data", "fetch", "-v"]);
    assert!(
        told.iter()
            .any(|line| line.starts_with("http://127.0.0.1:9/")),
        "{told:?}"
    );
}
