//! Seeds of the fuzzers: sound files of every kind that a target reads, and a few that
//! are refused late.

use std::io::Write;
use std::path::{Path, PathBuf};

use bnn_cpu::data::idx;
use bnn_cpu::estimators::{self, Firing};
use bnn_cpu::layers::FewShot;
use bnn_cpu::model::weights::{export, write};
use bnn_cpu::model::{ModelSpec, Network, PRESETS, Placement, Support, Taught, preset};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{
    Activity, Baseline, BestWeights, Config, DatasetRecord, Flips, SlopeKind, SlopeSchedule,
};
use serde_json::Value;

use crate::common::fastest;
use crate::common::packed::{Mix, RandomNet};
use crate::targets;

/// The seeds of a target.
pub fn of(name: &str) -> Vec<Vec<u8>> {
    match name {
        "idx" => idx_seeds(),
        "gzip" => gzip_seeds(),
        "archive" => archive_seeds(),
        "files" => file_seeds(),
        "raster" => raster_seeds(),
        "model" => specs().iter().map(json).collect(),
        "weights" => weights_seeds(),
        "checkpoint" => checkpoint_seeds(),
        "packed" => [packed_seeds(), packed_lies()].concat(),
        "support" => support_seeds(),
        "recipe" => recipe_seeds(),
        "suite" => files(Path::new("data/suites")),
        "onnx" => files(Path::new("tests/fuzz/corpus/onnx")),
        "picture" => picture_seeds(),
        "requests" => request_seeds(),
        _ => record_seeds(),
    }
}

/// A value as JSON.
pub fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON")
}

fn written(write: impl FnOnce(&Path)) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("file");
    write(&path);
    std::fs::read(&path).expect("the file")
}

/// What the files of a folder of the project hold, in the order of their names.
pub fn files(folder: &Path) -> Vec<Vec<u8>> {
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

/// Images and labels.
pub fn idx_seeds() -> Vec<Vec<u8>> {
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
    // As small as a network of the target `picture`: taken as they are.
    let own = ndarray::Array4::from_elem((2, 1, 1, 1), 9);
    // QMNIST's labels: eight numbers each.
    let mut qmnist = vec![0, 0, 0x0C, 2, 0, 0, 0, 2, 0, 0, 0, 8];
    qmnist.extend((0..16_u32).flat_map(|i| (i * i % 7).to_be_bytes()));
    vec![
        idx::encode_images(grey.view()).expect("a file"),
        idx::encode_images(colour.view()).expect("a file"),
        idx::encode_images(own.view()).expect("a file"),
        labels(0x08, 1),
        labels(0x0B, 2),
        labels(0x0C, 4),
        qmnist,
    ]
}

/// The same compressed: in one member, in two, padded with zeros, before garbage.
fn gzip_seeds() -> Vec<Vec<u8>> {
    let plain = idx_seeds();
    let mut seeds: Vec<Vec<u8>> = plain.iter().map(|bytes| idx::gzip(bytes)).collect();
    let (start, end) = plain[0].split_at(20);
    seeds.push([idx::gzip(start), idx::gzip(end)].concat());
    seeds.push([idx::gzip(&plain[3]), vec![0; 40]].concat());
    seeds.push([idx::gzip(&plain[3]), b"\0\x1f\x8b".to_vec()].concat());
    seeds
}

/// Zips of a set: members plain and compressed, stored and deflated, and a zip of others.
pub fn archive_seeds() -> Vec<Vec<u8>> {
    let grey = |n: usize| {
        let images = ndarray::Array4::from_shape_fn((n, 3, 3, 1), |(n, y, x, _)| (n * y + x) as u8);
        idx::encode_images(images.view()).expect("a file")
    };
    let labels = |n: u32| idx::encode_labels(&(1..=n).collect::<Vec<_>>()).expect("a file");
    let contents = [grey(4), labels(4), grey(2), labels(2)];
    let names = |start: [&str; 2]| {
        start.map(|s| {
            [
                format!("{s}-images-idx3-ubyte"),
                format!("{s}-labels-idx1-ubyte"),
            ]
        })
    };
    let usual = names(["train", "t10k"]).concat();
    let letters = names(["gzip/emnist-letters-train", "gzip/emnist-letters-test"]).concat();
    let zip = |names: &[String], packed: bool, deflated: bool| {
        let mut bytes = Vec::new();
        let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
        for (name, content) in names.iter().zip(&contents) {
            let (name, content) = match packed {
                true => (format!("{name}.gz"), idx::gzip(content)),
                false => (name.clone(), content.clone()),
            };
            let method = match deflated {
                true => rawzip::CompressionMethod::DEFLATE,
                false => rawzip::CompressionMethod::STORE,
            };
            let file = archive.new_file(&name).compression_method(method);
            let (mut entry, config) = file.start().expect("a member");
            let descriptor = if deflated {
                let level = flate2::Compression::default();
                let encoder = flate2::write::DeflateEncoder::new(&mut entry, level);
                let mut writer = config.wrap(encoder);
                writer.write_all(&content).expect("memory");
                let (encoder, descriptor) = writer.finish().expect("memory");
                encoder.finish().expect("memory");
                descriptor
            } else {
                let mut writer = config.wrap(&mut entry);
                writer.write_all(&content).expect("memory");
                writer.finish().expect("memory").1
            };
            entry.finish(descriptor).expect("memory");
        }
        archive.finish().expect("memory");
        bytes
    };
    vec![
        zip(&usual, false, false),
        zip(&letters, true, true),
        zip(&letters, false, true),
        zip(&["notes.txt".to_string()], false, false),
    ]
}

/// Data files of every kind, made by other programs.
pub fn file_seeds() -> Vec<Vec<u8>> {
    let names = [
        "grey.zip",
        "colour.zip",
        "jpeg.zip",
        "sizes.zip",
        "cifar-100.zip",
        "cifar-10.tar.gz",
        "keras.npz",
        "float.npz",
        "set.safetensors",
        "hostile.zip",
        "hostile.tar",
    ];
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let read = |name| std::fs::read(data.join(name)).expect("a file of tests/data");
    names.map(read).to_vec()
}

/// The pictures of two of them.
pub fn raster_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for zip in &file_seeds()[..3] {
        let archive = rawzip::ZipArchive::from_slice(&zip[..]).expect("a zip");
        let mut entries = archive.entries();
        while let Some(entry) = entries.next_entry().expect("an entry") {
            let member = archive.get_entry(entry.wayfinder()).expect("a member");
            let mut reader = flate2::read::DeflateDecoder::new(member.data());
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut bytes).expect("its content");
            if bnn_cpu::data::raster::is_picture(&bytes) {
                seeds.push(bytes);
            }
        }
    }
    seeds
}

/// Networks, nearly all of them possible.
pub fn specs() -> Vec<ModelSpec> {
    let small = [
        r#"{"name":"a","input":{"channels":1,"height":4,"width":5},"pixels":{"mean":0.1,"std":0.5},"layers":[{"type":"conv","name":"c","out":2,"kernel":3,"stride":1,"padding":1,"bias":false,"weights":"binary","scale":true},{"type":"batch_norm","name":"b","eps":1e-5,"momentum":0.1},{"type":"max_pool","kernel":2,"stride":1},{"type":"binary","mode":"det","estimator":"st"},{"type":"linear","name":"f","out":3}]}"#,
        r#"{"name":"r","input":{"channels":1,"height":4,"width":4},"pixels":{"mean":0.1,"std":0.5},"layers":[{"type":"conv","name":"c","out":2,"kernel":2,"stride":1,"padding":0,"bias":true},{"type":"max_pool","kernel":2,"stride":1},{"type":"activation","function":"relu"},{"type":"activation","function":"sigmoid"},{"type":"linear","name":"f","out":3}]}"#,
        r#"{"name":"b","input":{"channels":2,"height":3,"width":3},"pixels":"integer","layers":[{"type":"linear","name":"f","out":4,"bias":false,"weights":"binary"},{"type":"batch_norm","name":"n","statistics":"running"},{"type":"activation","function":"hard_sigmoid"},{"type":"linear","name":"g","out":2},{"type":"batch_norm","name":"m"}]}"#,
        r#"{"name":"g","input":{"channels":2,"height":5,"width":4},"pixels":{"mean":0.1,"std":0.5},"layers":[{"type":"conv","name":"c","out":4,"kernel":[3,1],"stride":[2,1],"padding":[1,0],"groups":2,"dilation":[1,2]},{"type":"prelu","name":"p"},{"type":"max_pool","kernel":[1,2],"stride":[1,2]},{"type":"linear","name":"f","out":3}]}"#,
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
        // Those for Omniglot have too many weights to be built over and over.
        if name.starts_with("omniglot") {
            continue;
        }
        let side = if name.starts_with("few-shot") { 16 } else { 12 };
        specs.push(preset(name, Shape::image(1, side, side), 3).expect("a preset"));
    }
    specs
}

/// Weights of this program, the first those of the target's network, and of another.
pub fn weights_seeds() -> Vec<Vec<u8>> {
    let spec = targets::small_spec();
    let net = Network::new(&spec, fastest(), 1, false).expect("a network");
    let best = BestWeights {
        model: spec,
        dataset: "digits".into(),
        data_sha256: String::new(),
        background: None,
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

/// Checkpoints of the target's network: a sound one, and one whose tensors bear the names
/// of others.
fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let sound = written(targets::checkpoint_seed);
    let named = |from: &str, to: &str| {
        let length = u64::from_le_bytes(*sound.first_chunk().expect("a length")) as usize;
        let (header, numbers) = sound[8..].split_at(length);
        let mut header: Value = serde_json::from_slice(header).expect("a header");
        let all = header.as_object_mut().expect("tensors");
        let moved = all.remove(from).unwrap_or_else(|| panic!("no {from}"));
        all.insert(to.into(), moved);
        let header = json(&header);
        [&(header.len() as u64).to_le_bytes(), &header[..], numbers].concat()
    };
    let others = [
        named("optimiser.0", Activity::TENSOR),
        named(Flips::TENSOR, Activity::TENSOR),
    ];
    [vec![sound.clone()], others.to_vec()].concat()
}

/// The recipes of the project, and what none of them has.
fn recipe_seeds() -> Vec<Vec<u8>> {
    let more = [
        r#"{"nesterov":true,"momentum":0.9,"model":"other.json","lr":0.1}"#,
        r#"{"nesterov":false,"binary":"last"}"#,
        r#"{"lr":0.005,"lr-schedule":"one-cycle","optimizer":"adam","val-fraction":0.05}"#,
    ];
    let mut seeds = files(Path::new("data/recipes"));
    seeds.extend(more.map(|text| text.as_bytes().to_vec()));
    seeds
}

/// Support sets of bits, of signs and of reals.
fn support_seeds() -> Vec<Vec<u8>> {
    let made = |a: [f32; 6], b: [f32; 3]| {
        let mut support = Support::new(FewShot::default().comparison(), 3);
        support.teach("a", &a).expect("two embeddings");
        support.teach("b", &b).expect("an embedding");
        let net_sha256 = "ab".repeat(32);
        let taught = Taught {
            support,
            net_sha256,
        };
        taught.to_bytes().expect("bytes")
    };
    vec![
        made([0.0, 1.0, 1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0]),
        made([-1.0, 1.0, 1.0, 1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]),
        made([0.5, 1e30, 1.0, -3.0, 0.0, 0.0], [0.0, 7.0, 1.0]),
    ]
}

/// Small packed networks.
pub fn packed_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for seed in 0..80 {
        for firing in [Firing::Deterministic, Firing::Stochastic] {
            let mut random = RandomNet::new(seed, firing);
            let spec = random.spec(Mix::Either);
            let packed = random
                .net(&spec, fastest(), 1)
                .pack()
                .expect("a packed net");
            let bytes = packed.to_bytes().expect("bytes");
            if bytes.len() < 4000 {
                seeds.push(bytes);
            }
        }
    }
    // Joins, average pools and values with several readers.
    for seed in 0..60 {
        for firing in [Firing::Deterministic, Firing::Stochastic] {
            let mut random = RandomNet::new(4 << 32 | seed, firing);
            let spec = random.graph(Mix::Either);
            let packed = random.net(&spec, fastest(), 1).pack();
            let bytes = packed.expect("a packed net").to_bytes().expect("bytes");
            if bytes.len() < 5000 {
                seeds.push(bytes);
            }
        }
    }
    // Signs, and borders that are not 0.
    for seed in 0..60 {
        for firing in [Firing::Deterministic, Firing::Stochastic] {
            let mut random = RandomNet::new(5 << 32 | seed, firing);
            let mut spec = random.either(seed, Mix::Either);
            RandomNet::levels(&mut spec, seed);
            let packed = random.net(&spec, fastest(), 1).pack();
            let bytes = packed.expect("a packed net").to_bytes().expect("bytes");
            if bytes.len() < 4000 {
                seeds.push(bytes);
            }
        }
    }
    // Units on the pixels themselves.
    let spec = r#"{"name":"p","input":{"channels":1,"height":4,"width":4},"pixels":{"mean":0.1,"std":0.5},"layers":[{"type":"max_pool","kernel":2},{"type":"binary","mode":"det","estimator":"st"},{"type":"linear","name":"f","out":3}]}"#;
    let spec = serde_json::from_str(spec).expect("a spec");
    let net = Network::new(&spec, fastest(), 1, false).expect("a network");
    seeds.push(net.pack().expect("a packed net").to_bytes().expect("bytes"));
    assert!(seeds.len() > 5, "{} small nets", seeds.len());
    seeds
}

/// Packed networks that cannot be, refused before a tensor is looked for.
fn packed_lies() -> Vec<Vec<u8>> {
    let conv = |weights: &str| {
        let product = r#"{"type":"conv","out":200,"kernel":1,"stride":1,"padding":0}"#;
        format!(
            r#"{{"name":"c","layer":1,"product":{product},"weights":{{"type":"{weights}"}},"tail":[]}}"#
        )
    };
    // A stage without weights that reads the image or stages of those numbers.
    let read = |layer: usize, product: &str, inputs: &[&str]| {
        let inputs: Vec<String> = inputs
            .iter()
            .map(|input| match *input {
                "image" => r#""image""#.into(),
                stage => format!(r#"{{"stage":{stage}}}"#),
            })
            .collect();
        format!(
            r#"{{"name":"j","layer":{layer},"inputs":[{}],"product":{{"type":"{product}"}},"weights":{{"type":"none"}},"tail":[]}}"#,
            inputs.join(",")
        )
    };
    // Each stage joins the one before it with itself, more often than a value can grow.
    let doubled = |product: &str| {
        let first = read(0, product, &["image", "image"]);
        let more = (1..24).map(|i| {
            let before = (i - 1).to_string();
            read(i, product, &[&before, &before])
        });
        std::iter::once(first)
            .chain(more)
            .collect::<Vec<_>>()
            .join(",")
    };
    let input =
        r#"{"name":"i","layer":1,"product":{"type":"input"},"weights":{"type":"none"},"tail":[]}"#;
    let stages = [
        conv("real"),
        conv("none"),
        format!("{input},{input}"),
        // A stage that reads itself, one behind it, one that none reads, and joins of one
        // value, of two shapes, and of more than a float holds.
        read(0, "add", &["image", "0"]),
        read(0, "concat", &["image", "1"]),
        read(0, "input", &["image"]) + "," + &read(1, "input", &["image"]),
        read(0, "add", &["image"]),
        read(0, "input", &["image"]) + "," + &conv("binary") + "," + &read(2, "add", &["0", "1"]),
        doubled("add"),
        doubled("concat"),
        format!("{input},{}", conv("binary")),
    ];
    let file = |stages: &String| {
        let sides = r#"{"channels":2,"height":16384,"width":64}"#;
        let text = format!(
            r#"{{"format":3,"name":"lie","input":{sides},"pixels":"raw","stages":[{stages}]}}"#
        );
        let about = [("bnn-cpu-packed".to_string(), text)].into();
        safetensors::serialize::<&str, safetensors::tensor::TensorView<'_>, _>([], Some(about))
    };
    stages.iter().map(|s| file(s).expect("a file")).collect()
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
    // Turned by Exif data, in either order of bytes, before and behind the pixels.
    let stored = seeds[seeds.len() - 7].clone();
    for (number, little, mark) in [(6, true, b"IDAT"), (3, false, b"IEND")] {
        let mut chunk = b"eXIf".to_vec();
        chunk.extend(match little {
            true => *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0",
            false => *b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01",
        });
        chunk.extend(if little { [number, 0] } else { [0, number] });
        chunk.extend([0; 6]);
        let at = stored.windows(4).position(|w| w == mark).expect("a chunk") - 4;
        let mut crc = flate2::Crc::new();
        crc.update(&chunk);
        let mut file = stored[..at].to_vec();
        file.extend((chunk.len() as u32 - 4).to_be_bytes());
        file.extend(&chunk);
        file.extend(crc.sum().to_be_bytes());
        file.extend(&stored[at..]);
        seeds.push(file);
    }
    let jpeg = |bytes: &Vec<u8>| bytes.starts_with(&[0xFF, 0xD8]);
    seeds.extend(raster_seeds().into_iter().filter(jpeg));
    seeds
}

/// A configuration, a test, epochs and a cell, then more configurations.
pub fn record_seeds() -> Vec<Vec<u8>> {
    let data = DatasetRecord::of(targets::small_data());
    let mut spec = preset("mlp", Shape::image(1, 2, 3), 3).expect("a preset");
    spec.place(Placement::Both, Firing::Stochastic, "st")
        .expect("two units");
    let mut config = Config::reference(spec, data);
    config.batch = 6;
    config.slope = SlopeSchedule::new(SlopeKind::Exp);
    let others = more_configs(&config);
    let config = json(&config);
    let sha256 = targets::small_data().fingerprint();
    let provenance = r#"{"version":"0.1.0","isa":"avx2","threads":2,"machine":"x86_64 linux"}"#;
    let test = format!(
        r#"{{"dataset":"data","data_sha256":"{sha256}","images":6,"epoch":1,"loss":0.5,"accuracy":0.9,"train_seconds":1.5,"provenance":{provenance}}}"#
    );
    let epoch = r#"{"epoch":1,"train_loss":0.5,"train_accuracy":0.9,"val_loss":null,"val_accuracy":0.5,"slope":1.0,"lr":0.1,"img_per_s":10.0,"seconds":1.0,"flip_ratio":0.1,"flip_ratios":{"a.weight":0.1}}"#;
    let cell = format!(
        r#"{{"suite":"reference","row":"a","config":{},"test":{test},"history":[{epoch}]}}"#,
        String::from_utf8_lossy(&config).replace("\"epochs\":10", "\"epochs\":1")
    );
    let metrics = format!("{epoch}\n{epoch}\n");
    let first = [config, test.into(), metrics.into(), cell.into()];
    let sealed: Vec<Vec<u8>> = first.iter().filter_map(|bytes| with_seal(bytes)).collect();
    first.into_iter().chain(others).chain(sealed).collect()
}

/// A record as it is written now, of a run.
fn with_seal(bytes: &[u8]) -> Option<Vec<u8>> {
    let content: Value = serde_json::from_slice(bytes).ok()?;
    let origin = bnn_cpu::seal::Origin {
        run_id: "5".repeat(32),
        config_sha256: bnn_cpu::seal::sha256(b"a configuration"),
    };
    let text = bnn_cpu::seal::text(&content, Some(&origin)).expect("an object");
    Some(text.into_bytes())
}

/// Configurations near which the checks of samples and of batch norm find something.
fn more_configs(config: &Config) -> Vec<Vec<u8>> {
    let mut sampled = config.clone();
    let mut spec = preset("mlp", Shape::image(1, 2, 3), 3).expect("a preset");
    spec.place(Placement::Both, Firing::Stochastic, "reinforce")
        .expect("two units");
    sampled.model = spec;
    (sampled.samples, sampled.baseline) = (4, Baseline::Loo);
    let mut pathwise = sampled.clone();
    pathwise.model = config.model.clone();
    let mut paired = sampled.clone();
    let mut spec = preset("mlp", Shape::image(1, 2, 3), 3).expect("a preset");
    spec.place(Placement::Both, Firing::Stochastic, "disarm")
        .expect("two units");
    paired.model = spec;
    paired.baseline = Baseline::None;
    // Of 20 images 19 are trained on, and one is left for the last batch.
    let mut lone = config.clone();
    lone.model = targets::small_spec();
    (lone.batch, lone.val_fraction) = (6, 0.05);
    let mut one = lone.clone();
    one.batch = 1;
    let mut none_left = config.clone();
    none_left.val_fraction = 0.99;
    [sampled, pathwise, paired, lone, one, none_left]
        .iter()
        .map(json)
        .collect()
}

/// Requests that are answered in every way there is.
fn request_seeds() -> Vec<Vec<u8>> {
    let post = |path: &str, body: &str, fields: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        )
    };
    let read = |body: &str, fields: &str| post("/read", body, fields);
    let compare = |support: &str| {
        let body = r#"{"drawing":{"width":2,"height":1,"ink":[0,7]},"support":[S]}"#;
        post("/compare", &body.replace('S', support), "")
    };
    let bits = format!("[{}]", ["0", "1"].repeat(32).join(","));
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
        get("http://127.0.0.1:4000/network?x", "elsewhere") + &get("https://[::1]/", ""),
        compare("") + &compare(&format!("{bits},{bits}")) + &compare("[1.5]"),
        "HEAD / HTTP/1.0\r\n\r\n".into(),
        "PUT / HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .into(),
    ]
    .map(String::into_bytes)
    .to_vec()
}
