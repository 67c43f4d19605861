//! Every parser against damaged and hostile files: a bounded, repeatable part of what
//! the fuzzers of `tests/fuzz` do without end. Their corpora and regressions are
//! replayed here too.
//!
//! `BNN_CPU_MUTATIONS=100000 cargo test --release --test hostile_files` tries more;
//! `cargo test --test hostile_files -- --ignored` writes the seeds of the fuzzers.

// Not a `required-features` of Cargo.toml: a source distribution has that file and not this one.
#![cfg(feature = "cli")]

mod common;
#[path = "fuzz/seeds.rs"]
mod seeds;
#[path = "fuzz/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};

use bnn_cpu::data::idx;
use bnn_cpu::train::{BestWeights, Config};
use seeds::{
    archive_seeds, files, idx_seeds, json, packed_seeds, record_seeds, specs, weights_seeds,
};
use targets::{ALL, Target};

/// Random numbers that are the same everywhere (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Numbers at which programs err, as text.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "-1",
    "17",
    "65537",
    "1048576",
    "1048577",
    "2147483648",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "1e-320",
    "0.5",
];

/// A few damages to a file; `other` is one to take parts from.
fn damage(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(16)).min(bytes.len());
        match dice.below(10) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            1 if !bytes.is_empty() => bytes[at] = dice.one_of(&[0, 1, 0x7F, 0x80, 0xFF]),
            2 => {
                let some = [dice.roll() as u8; 3];
                bytes.splice(at..at, some);
            }
            3 if !bytes.is_empty() => drop(bytes.drain(at..end)),
            4 if !bytes.is_empty() => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            5 => bytes.truncate(at),
            6 if bytes.len() >= at + 4 => {
                let n = dice.one_of(&[0, 1, 0x7FFF_FFFF, 0x8000_0000u32, u32::MAX, 65_536]);
                let n = match dice.below(2) {
                    0 => n.to_be_bytes(),
                    _ => n.to_le_bytes(),
                };
                bytes[at..at + 4].copy_from_slice(&n);
            }
            7 if !other.is_empty() => {
                let from = dice.below(other.len());
                let to = (from + 1 + dice.below(64)).min(other.len());
                bytes.splice(at..end.min(bytes.len()), other[from..to].iter().copied());
            }
            // The next number in a text becomes another.
            _ => {
                let digit = |b: &u8| b.is_ascii_digit();
                if let Some(first) = bytes[at..].iter().position(digit).map(|i| at + i) {
                    let length = bytes[first..].iter().take_while(|b| digit(b)).count();
                    let number = dice.one_of(&NUMBERS).bytes();
                    bytes.splice(first..first + length, number);
                }
            }
        }
    }
}

/// Damages the seeds of a target and parses each.
fn hold(name: &str) {
    let target = ALL.iter().find(|t| t.name == name);
    let target = *target.expect("a target of that name");
    let count = std::env::var("BNN_CPU_MUTATIONS").map_or(2000, |n| n.parse().expect("a number"));
    let seeds = seeds::of(name);
    for seed in &seeds {
        parse(target, seed);
    }
    let mut dice = Dice(name.bytes().map(u64::from).sum());
    for _ in 0..count {
        let (seed, other) = (dice.below(seeds.len()), dice.below(seeds.len()));
        let (mut bytes, other) = (seeds[seed].clone(), &seeds[other]);
        let part = dice.roll() as u32;
        let mut change = |part: &mut Vec<u8>| damage(part, other, &mut dice);
        let in_part = match name {
            "weights" | "checkpoint" | "packed" | "support" => {
                targets::change_safetensors(&bytes, part, &mut change)
            }
            _ => None,
        };
        match in_part {
            Some(changed) => bytes = changed,
            None => change(&mut bytes),
        }
        parse(target, &bytes);
    }
}

/// Parses a file; where that panics, says which file it was.
fn parse(target: Target, bytes: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| (target.run)(bytes)) {
        eprintln!("target {} failed on: {}", target.name, bytes.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn idx_files() {
    hold("idx");
}

#[test]
fn gzip_files() {
    hold("gzip");
}

#[test]
fn archives() {
    hold("archive");
}

#[test]
fn data_files() {
    hold("files");
}

#[test]
fn pictures_of_sets() {
    hold("raster");
}

#[test]
fn model_files() {
    hold("model");
}

#[test]
fn weights_files() {
    hold("weights");
}

#[test]
fn checkpoints() {
    hold("checkpoint");
}

#[test]
fn packed_files() {
    hold("packed");
}

#[cfg(feature = "onnx")]
#[test]
fn networks_of_other_programs() {
    hold("onnx");
}

#[test]
fn support_sets() {
    hold("support");
}

#[test]
fn recipes() {
    hold("recipe");
}

#[test]
fn suites() {
    hold("suite");
}

#[test]
fn pictures() {
    hold("picture");
}

#[test]
fn records() {
    hold("records");
}

#[cfg(feature = "serve")]
#[test]
fn requests() {
    hold("requests");
}

/// What the fuzzers found is parsed again: every file of the corpora, which reach all
/// that they know to reach, and every file that once failed.
#[test]
fn corpora_and_regressions_are_replayed() {
    for &target in ALL {
        let folder = |kind: &str| PathBuf::from(format!("tests/fuzz/{kind}/{}", target.name));
        let corpus = files(&folder("corpus"));
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        for bytes in corpus.iter().chain(&files(&folder("regressions"))) {
            parse(target, bytes);
        }
    }
}

/// Sound seeds are accepted: a seed that is refused at the door tests nothing.
#[test]
fn seeds_are_sound() {
    for bytes in idx_seeds() {
        let ok = idx::parse_images(&bytes[..]).is_ok() || idx::parse_labels(&bytes[..]).is_ok();
        assert!(ok);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let sound = archive_seeds().into_iter().filter(|bytes| {
        let path = folder.path().join("seed.zip");
        std::fs::write(&path, bytes).expect("a file");
        let choice = bnn_cpu::data::DatasetChoice::Idx;
        bnn_cpu::data::load(choice, Some(&path), None, None, &mut |_| ()).is_ok()
    });
    assert_eq!(sound.count(), 3, "all zips but that of other files");
    let read = seeds::file_seeds().into_iter().filter(|bytes| {
        let path = folder.path().join("seed");
        std::fs::write(&path, bytes).expect("a file");
        let choice = bnn_cpu::data::DatasetChoice::Files;
        bnn_cpu::data::load(choice, Some(&path), None, None, &mut |_| ()).is_ok()
    });
    assert_eq!(read.count(), 10, "all but the pictures of several sizes");
    for bytes in seeds::raster_seeds() {
        bnn_cpu::data::raster::decode(&bytes).expect("a picture");
    }
    for bytes in packed_seeds() {
        bnn_cpu::packed::PackedNet::from_bytes(&bytes).expect("a packed seed");
    }
    #[cfg(feature = "onnx")]
    for bytes in seeds::of("onnx") {
        assert!(bnn_cpu::import::is_onnx(&bytes));
        bnn_cpu::import::onnx(&bytes, "net").expect("a network");
    }
    let here = Path::new("seed");
    let accepted = specs().iter().filter(|s| s.check().is_ok()).count();
    assert!(accepted >= 10, "{accepted} specs");
    let (tensors, _) =
        bnn_cpu::model::weights::parse::<BestWeights>(&weights_seeds()[0], here).expect("weights");
    assert!(!tensors.is_empty());
    let [config, test, metrics, cell, ..] = &record_seeds()[..] else {
        panic!("four records and more");
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let possible = |bytes: &[u8]| {
        let config = bnn_cpu::train::parse_json::<Config>(&text(bytes), here);
        config.is_ok_and(|config| config.check(targets::small_data()).is_ok())
    };
    assert!(possible(config));
    let runs = record_seeds()
        .iter()
        .filter(|bytes| possible(bytes))
        .count();
    assert_eq!(
        runs, 4,
        "the first, one with samples, one with pairs of them, the first with a seal"
    );
    bnn_cpu::train::parse_json::<bnn_cpu::train::TestRecord>(&text(test), here).expect("a test");
    assert_eq!(
        bnn_cpu::train::metrics_lines(metrics, here)
            .expect("epochs")
            .len(),
        2
    );
    bnn_cpu::study::CellRecord::parse(&text(cell), here).expect("a cell");
}

#[test]
#[ignore = "writes the seeds of the fuzzers"]
fn write_the_seeds() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in ALL {
        let kept = project.join("tests/fuzz/corpus").join(target.name);
        // Many, of which `fuzz.sh --minimise` keeps those that reach something new.
        let work = project.join("tests/fuzz/target/corpus").join(target.name);
        for folder in [&kept, &work] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        for (i, bytes) in seeds::of(target.name).iter().enumerate() {
            std::fs::write(kept.join(format!("seed-{i:02}")), bytes).expect("a file");
            let mut count = 0;
            variants(target.name, bytes, &mut |bytes| {
                let path = work.join(format!("variant-{i:02}-{count:04}"));
                std::fs::write(path, bytes).expect("a file");
                count += 1;
            });
        }
    }
}

/// Gives what differs from a sound file in one place.
fn variants(name: &str, bytes: &[u8], give: &mut dyn FnMut(Vec<u8>)) {
    match name {
        "weights" | "checkpoint" | "packed" | "support" => {
            common::variants::of_safetensors(bytes, give);
        }
        _ => {
            if let Ok(value) = serde_json::from_slice(bytes) {
                common::variants::of_json(&value, &mut |other| give(json(&other)));
            }
        }
    }
}
