//! Every parser against damaged and hostile files: a bounded, repeatable part of what
//! the fuzzers of `tests/fuzz` do without end. Their corpora and regressions are
//! replayed here too.
//!
//! `BNN_CPU_MUTATIONS=100000 cargo test --release --test hostile_files` tries more;
//! `cargo test --test hostile_files -- --ignored` writes the seeds of the fuzzers.

mod common;
#[path = "fuzz/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};

use bnn_cpu::data::idx;
use bnn_cpu::estimators::{self, Firing};
use bnn_cpu::lower::lower;
use bnn_cpu::model::weights::{export, write};
use bnn_cpu::model::{ModelSpec, Network, PRESETS, Placement, preset};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{BestWeights, Config, DatasetRecord};
use common::fastest;
use common::packed::{Mix, RandomNet};
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
    let seeds = seeds(name);
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
            "weights" | "checkpoint" | "packed" => {
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

/// Sound files of every kind that a target reads.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    match name {
        "idx" => idx_seeds(),
        "gzip" => idx_seeds().iter().map(|bytes| idx::gzip(bytes)).collect(),
        "model" => specs().iter().map(json).collect(),
        "weights" => weights_seeds(),
        "checkpoint" => vec![written(targets::checkpoint_seed)],
        "packed" => packed_seeds(),
        "recipe" => files(Path::new("data/recipes")),
        "picture" => picture_seeds(),
        "requests" => request_seeds(),
        _ => record_seeds(),
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON")
}

fn written(write: impl FnOnce(&Path)) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("file");
    write(&path);
    std::fs::read(&path).expect("the file")
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("a file").path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths
        .iter()
        .map(|p| std::fs::read(p).expect("a file"))
        .collect()
}

fn idx_seeds() -> Vec<Vec<u8>> {
    let grey = ndarray::Array4::from_shape_fn((3, 4, 5, 1), |(n, y, x, _)| (n * y * x) as u8);
    let colour = ndarray::Array4::from_shape_fn((2, 2, 2, 3), |(n, y, x, c)| (n + y + x + c) as u8);
    let labels = |kind: u8, size: usize| {
        let mut bytes = vec![0, 0, kind, 1, 0, 0, 0, 3];
        for label in [1u8, 0, 2] {
            bytes.resize(bytes.len() + size - 1, 0);
            bytes.push(label);
        }
        bytes
    };
    vec![
        idx::encode_images(grey.view()).expect("a file"),
        idx::encode_images(colour.view()).expect("a file"),
        labels(0x08, 1),
        labels(0x0B, 2),
        labels(0x0C, 4),
    ]
}

fn specs() -> Vec<ModelSpec> {
    let small = [
        r#"{"name":"a","input":{"channels":1,"height":4,"width":5},"pixels":{"mean":0.1,"std":0.5},"layers":[{"type":"conv","name":"c","out":2,"kernel":3,"stride":1,"padding":1,"bias":false,"weights":"binary","scale":true},{"type":"batch_norm","name":"b","eps":1e-5,"momentum":0.1},{"type":"max_pool","kernel":2,"stride":1},{"type":"binary","mode":"det","estimator":"st"},{"type":"linear","name":"f","out":3}]}"#,
        r#"{"name":"b","input":{"channels":2,"height":3,"width":3},"pixels":"integer","layers":[{"type":"linear","name":"f","out":4,"bias":false,"weights":"binary"},{"type":"batch_norm","name":"n","statistics":"running"},{"type":"activation","function":"hard_sigmoid"},{"type":"linear","name":"g","out":2},{"type":"batch_norm","name":"m"}]}"#,
    ];
    let parse = |text: &&str| serde_json::from_str::<ModelSpec>(text).expect("a spec");
    let mut specs: Vec<ModelSpec> = small.iter().map(parse).collect();
    // The first names pixels although its first weights are binary: refused.
    for estimator in estimators::all() {
        for (mode, place) in [
            (Firing::Deterministic, Placement::Both),
            (Firing::Stochastic, Placement::Last),
        ] {
            let mut spec = preset("mlp", Shape::image(1, 2, 3), 3).expect("a preset");
            if spec.place(place, mode, estimator.info().name).is_ok() && spec.check().is_ok() {
                specs.push(spec);
            }
        }
    }
    for (name, _) in PRESETS {
        specs.push(preset(name, Shape::image(1, 12, 12), 3).expect("a preset"));
    }
    specs
}

fn weights_seeds() -> Vec<Vec<u8>> {
    let mut spec = preset("mlp", Shape::image(1, 2, 3), 3).expect("a preset");
    spec.place(Placement::Both, Firing::Stochastic, "reinforce")
        .expect("two units");
    let net = Network::new(&spec, fastest(), 1, false).expect("a network");
    let best = BestWeights {
        model: spec,
        dataset: "digits".into(),
        seed: 1,
        epoch: 2,
        slope: 1.0,
        isa: "scalar".into(),
    };
    let file = written(|path| write(path, &export(net.params()), &best).expect("a file"));
    let about = serde_json::json!({"model": "another"});
    let other = written(|path| write(path, &export(net.params()), &about).expect("a file"));
    let strange = safetensors::serialize(
        [(
            "a",
            safetensors::tensor::TensorView::new(safetensors::Dtype::F16, vec![2], &[0; 4]),
        )]
        .map(|(n, t)| (n, t.expect("a tensor"))),
        None,
    );
    vec![file, other, strange.expect("a file")]
}

fn packed_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for seed in 0..80 {
        for firing in [Firing::Deterministic, Firing::Stochastic] {
            let mut random = RandomNet::new(seed, firing);
            let spec = random.spec(Mix::Either);
            let packed = lower(&random.net(&spec, fastest(), 1)).expect("a packed net");
            let bytes = packed.to_bytes().expect("bytes");
            if bytes.len() < 4000 {
                seeds.push(bytes);
            }
        }
    }
    assert!(seeds.len() > 5, "{} small nets", seeds.len());
    seeds
}

fn picture_seeds() -> Vec<Vec<u8>> {
    use png::BitDepth::{Eight, One, Sixteen};
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let mut seeds = idx_seeds();
    for (color, depth, width, height, bytes) in [
        (Grayscale, Eight, 28, 28, 784),
        (Grayscale, Eight, 40, 30, 1200),
        (Grayscale, One, 9, 7, 14),
        (Grayscale, Sixteen, 6, 5, 60),
        (GrayscaleAlpha, Eight, 7, 6, 84),
        (Rgb, Eight, 6, 6, 108),
        (Rgba, Eight, 5, 6, 120),
        (Indexed, Eight, 8, 8, 64),
        (Grayscale, Eight, 1, 1, 1),
    ] {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == Indexed {
            encoder.set_palette(vec![0, 0, 0, 255, 255, 255, 255, 0, 0]);
            encoder.set_trns(vec![255, 0, 9]);
        }
        let most = if color == Indexed { 3 } else { 256 };
        let data: Vec<u8> = (0..bytes).map(|i| (i * i % 251 % most) as u8).collect();
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&data).expect("pixels");
        writer.finish().expect("a picture");
        seeds.push(file);
    }
    seeds
}

fn record_seeds() -> Vec<Vec<u8>> {
    let data = DatasetRecord {
        name: "data".into(),
        train: 20,
        test: 6,
        classes: 3,
    };
    let mut spec = preset("mlp", Shape::image(1, 2, 3), 3).expect("a preset");
    spec.place(Placement::Both, Firing::Stochastic, "st")
        .expect("two units");
    let mut config = Config::reference(spec, data);
    config.batch = 6;
    config.slope.kind = bnn_cpu::train::SlopeKind::Exp;
    let config = json(&config);
    let provenance = r#"{"version":"0.1.0","isa":"avx2","threads":2,"machine":"x86_64 linux"}"#;
    let test = format!(
        r#"{{"dataset":"data","images":6,"epoch":1,"loss":0.5,"accuracy":0.9,"train_seconds":1.5,"provenance":{provenance}}}"#
    );
    let epoch = r#"{"epoch":1,"train_loss":0.5,"train_accuracy":0.9,"val_loss":null,"val_accuracy":0.5,"slope":1.0,"lr":0.1,"img_per_s":10.0,"seconds":1.0,"flip_ratio":0.1,"flip_ratios":{"a.weight":0.1}}"#;
    let cell = format!(
        r#"{{"suite":"reference","row":"a","config":{},"test":{test},"history":[{epoch}]}}"#,
        String::from_utf8_lossy(&config)
    );
    let metrics = format!("{epoch}\n{epoch}\n");
    vec![
        config,
        test.into_bytes(),
        metrics.into_bytes(),
        cell.into_bytes(),
    ]
}

/// Requests that are answered in every way there is.
fn request_seeds() -> Vec<Vec<u8>> {
    let read = |body: &str, fields: &str| {
        let length = body.len();
        format!(
            "POST /read HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        )
    };
    let own = r#"{"width":3,"height":4,"ink":[0,9,0,0,200,0,0,255,0,0,30,0]}"#;
    let other = r#"{"width":2,"height":1,"ink":[0,7]}"#;
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    [
        get("/", "localhost:4000"),
        get("/network", "127.0.0.1:4000") + &read(own, ""),
        read(
            own,
            "Origin: http://127.0.0.1:4000\r\nConnection: close\r\n",
        ),
        read(other, "Expect: 100-continue\r\n"),
        read(own, "Origin: http://elsewhere\r\n"),
        read(r#"{"width":1,"height":1,"ink":[0]}"#, ""),
        get("/nothing", "[::1]:4000") + &get("/", "elsewhere"),
        "HEAD / HTTP/1.0\r\n\r\n".into(),
        "PUT / HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .into(),
    ]
    .map(String::into_bytes)
    .to_vec()
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

#[test]
fn recipes() {
    hold("recipe");
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
    for bytes in packed_seeds() {
        bnn_cpu::packed::PackedNet::from_bytes(&bytes).expect("a packed seed");
    }
    let here = Path::new("seed");
    let accepted = specs().iter().filter(|s| s.check().is_ok()).count();
    assert!(accepted >= 10, "{accepted} specs");
    let (tensors, _) =
        bnn_cpu::model::weights::parse::<BestWeights>(&weights_seeds()[0], here).expect("weights");
    assert!(!tensors.is_empty());
    let [config, test, metrics, cell] = &record_seeds()[..] else {
        panic!("four records");
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    bnn_cpu::train::parse_json::<Config>(&text(config), here).expect("a configuration");
    bnn_cpu::train::parse_json::<bnn_cpu::train::TestRecord>(&text(test), here).expect("a test");
    assert_eq!(
        bnn_cpu::train::parse_metrics(&text(metrics), here)
            .expect("epochs")
            .len(),
        2
    );
    bnn_cpu::report::CellRecord::parse(&text(cell), here).expect("a cell");
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
        for (i, bytes) in seeds(target.name).iter().enumerate() {
            std::fs::write(kept.join(format!("seed-{i:02}")), bytes).expect("a file");
            for (j, bytes) in variants(target.name, bytes).iter().enumerate() {
                let path = work.join(format!("variant-{i:02}-{j:04}"));
                std::fs::write(path, bytes).expect("a file");
            }
        }
    }
}

/// What differs from a sound file in one place.
fn variants(name: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
    match name {
        "weights" | "checkpoint" | "packed" => common::variants::of_safetensors(bytes),
        _ => match serde_json::from_slice(bytes) {
            Ok(value) => common::variants::of_json(&value).iter().map(json).collect(),
            Err(_) => Vec::new(),
        },
    }
}
