//! What the features of `Cargo.toml` bring: with `std` alone the library is the engine, and without
//! any it is packed inference.

use std::path::Path;
use std::process::Command;

/// Crates of the program, its pictures, pages, servers and files. None may stand below the
/// library without features.
const PROGRAM: [&str; 22] = [
    "base64",
    "clap",
    "clap_complete",
    "colorous",
    "console",
    "ctrlc",
    "flate2",
    "httparse",
    "indicatif",
    "kamadak-exif",
    "maud",
    "md-5",
    "png",
    "prost",
    "rawzip",
    "signal-hook",
    "skrifa",
    "statrs",
    "tar",
    "tiny-skia",
    "ureq",
    "zune-jpeg",
];

/// What the engine stands on.
const ENGINE: [&str; 7] = [
    "matrixmultiply",
    "ndarray",
    "rand",
    "rand_xoshiro",
    "rayon",
    "safetensors",
    "serde",
];

/// What of these needs an operating system, or trains.
const TRAINING: [&str; 5] = ["erased-serde", "matrixmultiply", "ndarray", "rand", "rayon"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// The names of all crates that the library is built with under these features.
fn tree(features: &[&str]) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--offline", "--prefix", "none", "--edges", "normal"])
        .arg("--no-default-features")
        .args(features)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.map(String::from).collect()
}

#[test]
fn without_features_the_library_is_packed_inference_alone() {
    let inference = tree(&[]);
    for name in TRAINING {
        assert!(inference.iter().all(|n| n != name), "{name} is there");
    }
}

#[test]
fn with_the_standard_library_alone_it_is_the_engine() {
    let engine = tree(&["--features", "std"]);
    for name in ENGINE {
        assert!(engine.iter().any(|n| n == name), "{name} is gone");
    }
    let heavy: Vec<_> = engine
        .iter()
        .filter(|name| PROGRAM.contains(&name.as_str()))
        .collect();
    assert!(
        heavy.is_empty(),
        "{heavy:?}: `optional = true`, and a feature"
    );
    assert!(engine.len() < 100, "{} lines of tree", engine.len());
}

/// A name that no feature brings would be looked for in vain.
#[test]
fn the_program_has_every_crate_that_the_engine_lacks() {
    let program = tree(&["--features", "cli,download,onnx,serve"]);
    for name in PROGRAM {
        // Only systems that are no Unix have ctrlc, and they alone lack signal-hook.
        let elsewhere = name == if cfg!(unix) { "ctrlc" } else { "signal-hook" };
        assert!(
            elsewhere || program.iter().any(|n| n == name),
            "{name} stands nowhere; take it out of the list"
        );
    }
}

/// The keys of the tables of `Cargo.toml` whose headings end in `table`.
fn keys(table: &str) -> Vec<String> {
    let manifest = read("Cargo.toml");
    let mut keys = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with(&format!("{table}]")) && !line.contains("dev-");
        } else if inside && let Some((key, _)) = line.split_once(" = ") {
            keys.push(key.to_string());
        }
    }
    keys
}

#[test]
fn every_dependency_and_feature_has_its_line() {
    let page = read("ARCHITECTURE.md");
    let rows: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .collect();
    let in_row = |key: &String| {
        let parts = rows.iter().flat_map(|row| row.split([',', ' ', '`']));
        parts.into_iter().any(|word| word == key)
    };
    let (dependencies, features) = (keys("dependencies"), keys("[features"));
    assert!(dependencies.contains(&"nix".into()) && features.contains(&"idx".into()));
    let all = dependencies.iter().chain(&features);
    let missing: Vec<_> = all.filter(|key| !in_row(key)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md lacks {missing:?}");
}
