//! The program on sets that are not four IDX files: pictures, CIFAR's files, arrays.

use std::path::Path;

use crate::common::Place;

fn fixture(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A short run on a set, in `run`.
fn train<'a>(data: &'a [&'a str]) -> Vec<&'a str> {
    let flags = [
        "train",
        "--model",
        "mlp",
        "--epochs",
        "1",
        "--batch",
        "1",
        "--val-fraction",
        "0.3",
        "--out",
        "run",
    ];
    [&flags[..], data].concat()
}

fn event(ended: &crate::common::Ended, name: &str) -> serde_json::Value {
    let found = ended.json().into_iter().find(|v| v["event"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {}", ended.out))
}

#[test]
fn a_run_finds_its_pictures_again_and_reads_them_as_it_did() {
    let place = Place::new();
    std::fs::copy(fixture("sizes.zip"), place.path("pets.zip")).unwrap();
    let flags = ["--data", "pets.zip", "--size", "8x6", "--resize", "fit"];
    let ended = place.good(&train(&flags));
    assert!(ended.err.contains("there are no test images: 2 of 4"));
    let config: serde_json::Value =
        serde_json::from_slice(&place.bytes("run/config.json")).unwrap();
    let source = &config["dataset"]["source"];
    assert_eq!(config["dataset"]["name"], "pets");
    assert!(Path::new(source["place"].as_str().unwrap()).is_absolute());
    let options = serde_json::json!({
        "size": "8x6", "resize": "fit", "backdrop": "light", "split_by": "image",
    });
    assert_eq!(source["options"], options);
    // Neither the place nor how it was read is named again, not even from elsewhere.
    let eval = event(&place.good(&["eval", "run", "--json"]), "eval");
    assert_eq!(
        (&eval["dataset"], &eval["images"]),
        (&"pets".into(), &2.into())
    );
    let mut elsewhere = place.command(&["eval", "--json"]);
    let run = place.path("run");
    let there = elsewhere.arg(&run).current_dir(place.path("data")).output();
    assert!(there.unwrap().status.success());
    // A set that was moved is named; one that is another is refused.
    std::fs::rename(place.path("pets.zip"), place.path("moved.zip")).unwrap();
    let line = place.bad(
        &["eval", "run"],
        1,
        "and is there no more; name its files with --data",
    );
    assert!(line.contains("pets.zip"), "{line}");
    let eval = event(
        &place.good(&["eval", "run", "--json", "--data", "moved.zip"]),
        "eval",
    );
    assert_eq!(eval["dataset"], "pets");
    let other = place.run(&["eval", "run", "--data", "moved.zip", "--resize", "crop"]);
    assert_eq!(other.code, Some(1));
    let refusal = "the run was made with other data";
    assert!(other.err.contains(refusal), "{}", other.err);
    place.good(&["verify", "run"]);
}

#[test]
fn an_unfinished_run_goes_on_with_its_pictures() {
    let place = Place::new();
    std::fs::copy(fixture("colour.zip"), place.path("set.zip")).unwrap();
    let flags = ["--data", "set.zip", "--no-test"];
    place.good(&train(&flags));
    place.good(&["train", "--resume", "--out", "run"]);
    assert!(place.path("run/test.json").exists());
}

#[test]
fn verify_says_what_there_is() {
    let place = Place::new();
    let grey = fixture("grey.zip");
    let verify = |data: &str, more: &[&str]| {
        let args = [&["data", "verify", "--data", data], more].concat();
        place.good(&args)
    };
    let out = verify(&grey, &[]).out;
    for part in [
        "grey: good (every file was read)",
        "2: a, b",
        "6 to train, 2 to test",
        "3 to train, 1 to test",
        "5x4, 1 channel(s)",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let found = event(
        &verify(&fixture("cifar-10.tar.gz"), &["--json"]),
        "verified",
    );
    assert_eq!(found["class_names"][9], "truck");
    assert_eq!(found["channels"], 3);
    assert_eq!(found["sha256"].as_str().unwrap().len(), 64);
    // The environment names files of any kind, too.
    let mut command = place.command(&["data", "verify", "--json"]);
    let output = command.env("BNN_CPU_DATA", fixture("keras.npz")).output();
    let output = output.unwrap();
    assert!(output.status.success());
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["name"], "keras");
    let list = place.good(&["data", "list", "--data", &grey]).out;
    assert!(list.contains("grey.zip"), "{list}");
    for set in ["cifar10", "omniglot", "fashion-mnist", "kmnist", "emnist"] {
        assert!(
            list.lines().any(|line| line.starts_with(set)),
            "{set}: {list}"
        );
    }
}

#[test]
fn recorded_digests_are_compared() {
    let place = Place::new();
    std::fs::create_dir(place.path("set")).unwrap();
    std::fs::copy(fixture("keras.npz"), place.path("set/keras.npz")).unwrap();
    let sums = "0".repeat(64) + "  keras.npz\n";
    std::fs::write(place.path("set/sha256sums.txt"), sums).unwrap();
    place.bad(
        &["data", "verify", "--data", "set"],
        1,
        "keras.npz: is not what it was when it was recorded",
    );
    std::fs::remove_file(place.path("set/sha256sums.txt")).unwrap();
    place.good(&["data", "verify", "--data", "set"]);
}

/// A contact sheet is in colour where the set is.
#[test]
fn a_sheet_of_pictures_in_colour_is_in_colour() {
    let place = Place::new();
    for (set, colour) in [("colour.zip", true), ("grey.zip", false)] {
        let data = fixture(set);
        place.good(&[
            "data", "show", "--data", &data, "--scale", "1", "-o", "a.png",
        ]);
        let file = std::io::BufReader::new(std::fs::File::open(place.path("a.png")).unwrap());
        let reader = png::Decoder::new(file).read_info().unwrap();
        let expected = match colour {
            true => png::ColorType::Rgb,
            false => png::ColorType::Grayscale,
        };
        assert_eq!(reader.info().color_type, expected);
    }
}

#[test]
fn what_cannot_be_is_refused_in_a_line() {
    let place = Place::new();
    let sizes = fixture("sizes.zip");
    let line = place.bad(&["data", "verify", "--data", &sizes], 1, "4 sizes: ");
    assert!(line.contains("(--size)"), "{line}");
    let bomb = fixture("bomb.zip");
    place.bad(&["data", "verify", "--data", &bomb], 1, "30000x30000");
    let size = ["data", "verify", "--data", &sizes, "--size"];
    place.bad(&[&size[..], &["huge"]].concat(), 2, "is no size of images");
    place.bad(
        &[
            "data",
            "verify",
            "--dataset",
            "idx",
            "--data",
            "data",
            "--size",
            "8",
        ],
        1,
        "size has no effect on the data set in IDX files",
    );
    place.bad(
        &["data", "verify", "--dataset", "files", "--data", "nowhere"],
        1,
        "nowhere: no such file or folder;",
    );
    place.bad(&["data", "fetch", "imagenet"], 2, "imagenet");
    // Without a network: one line that says which addresses were tried.
    let mirror = "http://127.0.0.1:9";
    let fetch = ["data", "fetch", "cifar10", "--quiet", "--mirror", mirror];
    place.bad(&fetch, 1, "cannot fetch cifar-10-binary.tar.gz");
    assert!(!place.path("data/cifar10").exists());
}

/// A recipe states how pictures are read, as flags do.
#[test]
fn a_recipe_states_the_size() {
    let place = Place::new();
    let recipe = serde_json::json!({
        "dataset": { "folder": fixture("sizes.zip"), "size": "6", "resize": "crop" },
    });
    std::fs::write(place.path("r.json"), recipe.to_string()).unwrap();
    place.good(&train(&["--recipe", "r.json"]));
    let config: serde_json::Value =
        serde_json::from_slice(&place.bytes("run/config.json")).unwrap();
    assert_eq!(config["dataset"]["source"]["options"]["size"], "6x6");
}
