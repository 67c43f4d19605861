//! Weights of other programs become runs: with answers to check them by, and without a data set.

use crate::common::{Ended, Place};

/// A network of PyTorch with sign activations (`tests/tools/golden_signs.py`).
fn golden(name: &str) -> String {
    format!("{}/tests/golden/signs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Imports it, as that model file, with those flags.
fn import(place: &Place, model: &str, flags: &[&str]) -> Ended {
    let weights = golden("weights.safetensors");
    // Nothing may be fetched: there is no network behind this address.
    let mut command = place.command(&[&["import", &weights, "--model", model], flags].concat());
    command.env("BNN_CPU_MIRROR", "http://127.0.0.1:9/");
    crate::common::ended(command.output().unwrap())
}

const NORMALISED: [&str; 4] = ["--mean", "0.5", "--std", "0.25"];

#[test]
fn a_network_of_signs_answers_as_in_pytorch() {
    let place = Place::new();
    for answers in ["bytes.safetensors", "numbers.safetensors"] {
        let check = golden(answers);
        let flags = [&NORMALISED[..], &["--check", &check, "--out", answers]].concat();
        let ended = import(&place, &golden("net.json"), &flags);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(
            ended
                .err
                .contains("answers as given on 40 of 40 examples, with the class of 40"),
            "{}",
            ended.err
        );
        assert_eq!(
            place.json(&format!("{answers}/config.json"))["dataset"]["train"],
            0
        );
    }
    place.good(&["pack", "bytes.safetensors"]);
    place.good(&["verify", "bytes.safetensors"]);
    place.bad(
        &["eval", "bytes.safetensors"],
        1,
        "without a data set; name one",
    );
}

#[test]
fn a_network_that_answers_otherwise_is_refused() {
    let place = Place::new();
    let check = golden("bytes.safetensors");
    let net = String::from_utf8(std::fs::read(golden("net.json")).unwrap()).unwrap();
    let bits = net.replace("-1/+1", "0/1");
    std::fs::write(place.path("bits.json"), bits).unwrap();
    let other_eps = net.replace("\"name\": \"bn2\"", "\"name\": \"bn2\", \"eps\": 2.0");
    assert_ne!(other_eps, net);
    std::fs::write(place.path("eps.json"), other_eps).unwrap();
    let signs = golden("net.json");
    for (model, pixels, what) in [
        (
            "bits.json",
            &NORMALISED[..],
            "with --levels=-1/+1 it is the same",
        ),
        ("eps.json", &NORMALISED[..], "the eps of batch norms"),
        (&signs, &["--pixels", "unit"][..], "is of another network"),
    ] {
        let flags = [pixels, &["--check", &check, "--out", "run"]].concat();
        let ended = import(&place, model, &flags);
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert!(ended.err.contains(what), "{}", ended.err);
        assert!(
            !place.path("run").exists(),
            "nothing is left of a refused network"
        );
    }
}

#[test]
fn without_a_data_set_pixels_have_to_be_said() {
    let place = Place::new();
    let ended = import(&place, &golden("net.json"), &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(
        ended.err.contains("nothing says what pixels were"),
        "{}",
        ended.err
    );
    let both = [&NORMALISED[..], &["--pixels", "unit"]].concat();
    let ended = import(&place, &golden("net.json"), &both);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    let ended = import(
        &place,
        &golden("net.json"),
        &["--pixels", "unit", "--out", "run"],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.err.contains("bnn-cpu eval run --data"),
        "{}",
        ended.err
    );
}

#[cfg(feature = "onnx")]
#[test]
fn an_onnx_file_says_of_which_network_it_is() {
    let place = Place::new();
    let file = format!(
        "{}/tests/golden/onnx/signs.onnx",
        env!("CARGO_MANIFEST_DIR")
    );
    place.good(&["import", &file, "--pixels", "unit", "--out", "run"]);
    let model = &place.json("run/config.json")["model"];
    let kind = |layer: &serde_json::Value| layer["type"].as_str().unwrap().to_string();
    let kinds: Vec<_> = model["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(kind)
        .collect();
    let wanted = "conv batch_norm max_pool binary conv batch_norm binary linear";
    assert_eq!(kinds.join(" "), wanted);
    assert_eq!(model["layers"][3]["levels"], "-1/+1");
    assert_eq!(model["layers"][4]["weights"], "binary");
    assert_eq!(model["name"], "signs");
    place.good(&["pack", "run"]);
    place.bad(&["import", &file, "--out", "a"], 2, "--pixels unit");
    let named = ["import", &file, "--model", "seed-net", "--out", "a"];
    place.bad(&named, 2, "--model has no effect");
    // Another operator, and a file that ends early.
    let bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(4).position(|w| w == b"Sign").unwrap();
    let mut other = bytes.clone();
    other[at..at + 4].copy_from_slice(b"Sinh");
    std::fs::write(place.path("other.onnx"), other).unwrap();
    let unit = ["--pixels", "unit", "--out", "a"];
    place.bad(
        &[&["import", "other.onnx"][..], &unit].concat(),
        1,
        "holds node n3 (Sinh)",
    );
    std::fs::write(place.path("cut.onnx"), &bytes[..900]).unwrap();
    place.bad(
        &[&["import", "cut.onnx"][..], &unit].concat(),
        1,
        "cut short",
    );
    std::fs::write(place.path("none.onnx"), "no network").unwrap();
    let none = [&["import", "none.onnx"][..], &unit].concat();
    place.bad(&none, 1, "does not begin as an ONNX file");
    assert!(!place.path("a").exists());
}
