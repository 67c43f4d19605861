//! A limit on the address space. Under one, files whose headers lie: what is claimed is
//! never reserved. Under many, honest work: wherever the memory runs out, the program
//! ends in one line and never by a signal.

use crate::common::{Ended, Place, ended, gzip, idx};
use bnn_cpu::packed::{PackedNet, Pixels, Product, Stage, Weights};
use bnn_cpu::tensor::Shape;
use serde_json::json;

/// The limit on the address space, in KiB: 640 MiB, of which the program itself with
/// two threads takes a quarter.
const LIMIT: &str = "655360";

impl Place {
    fn limited(&self, args: &[&str]) -> Ended {
        self.limited_to(LIMIT, &[&["--quiet", "--threads", "2"], args].concat())
    }

    /// Runs it with so many KiB of addresses.
    fn limited_to(&self, limit: &str, args: &[&str]) -> Ended {
        let program = self.command(&[]);
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", r#"ulimit -v "$0" && exec "$@""#, limit])
            .arg(program.get_program())
            .args(args)
            .current_dir(self.path("."))
            .env_remove("BNN_CPU_DATA")
            .stdin(std::process::Stdio::null());
        ended(command.output().unwrap())
    }

    /// The least limit, in KiB, under which the program gets as far as its own code:
    /// below it the system's loader, or Rust's start, ends it.
    fn least(&self) -> u32 {
        let mut limits = (4 << 10..256 << 10).step_by(256);
        let starts = |limit: &u32| {
            let limit = limit.to_string();
            self.limited_to(&limit, &["--version"]).code == Some(0)
        };
        limits.find(starts).expect("256 MiB are enough to start")
    }

    /// Under the limit it ends in one line.
    fn refused(&self, args: &[&str], mention: &str) {
        self.limited(args).assert_one_line(1, mention, args);
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }
}

const IMAGES: &str = "data/train-images-idx3-ubyte";

const SMALL_TRAIN: [&str; 7] = [
    "train",
    "--dataset",
    "idx",
    "--data",
    "data",
    "--epochs",
    "1",
];

#[test]
fn the_limit_leaves_room_for_honest_work() {
    let place = Place::new();
    let ended = place.limited(&[&SMALL_TRAIN[..], &["--batch", "16", "--model", "mlp"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

/// Twelve pictures of twelve pixels, asked for at a size of which they take 600 MB.
#[test]
fn pictures_that_are_asked_for_too_large() {
    let place = Place::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/colour.zip");
    let verify = ["data", "verify", "--data", data, "--size"];
    place.refused(
        &[&verify[..], &["4096"]].concat(),
        "12 images of 50331648 bytes, more than this machine has memory for",
    );
    let ended = place.limited(&[&verify[..], &["40"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[test]
fn image_files_that_claim_gigabytes() {
    let place = Place::new();
    place.put(IMAGES, idx(&[5_000_000, 28, 28], &[0; 100]));
    place.refused(&SMALL_TRAIN, "train-images");
    // Little enough that it might be true, and yet there is nothing behind it.
    place.put(IMAGES, idx(&[60_000, 28, 28], &[0; 100]));
    place.refused(&SMALL_TRAIN, "cut short");
    // Compressed, and all of it there: 64 members of 16 MiB.
    let mut bomb = gzip(&idx(&[1 << 20, 32, 32], &[]));
    let member = gzip(&vec![0; 16 << 20]);
    for _ in 0..64 {
        bomb.extend_from_slice(&member);
    }
    assert!(bomb.len() < 32 << 20, "{} bytes", bomb.len());
    place.put(IMAGES, bomb);
    place.refused(&SMALL_TRAIN, "memory");
    // The bomb behind a header that promises little.
    let mut bomb = gzip(&idx(&[300, 12, 12], &[]));
    for _ in 0..64 {
        bomb.extend_from_slice(&member);
    }
    place.put(IMAGES, bomb);
    place.refused(&SMALL_TRAIN, "goes on after");
}

#[test]
fn archives_that_claim_gigabytes() {
    use std::io::Write;
    let place = Place::new();
    let zip = |images: &[u8]| {
        let mut bytes = Vec::new();
        let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
        for name in crate::common::files(&place.path("data")) {
            let content = match name.starts_with("train-images") {
                true => images.to_vec(),
                false => place.bytes(&format!("data/{name}")),
            };
            let method = rawzip::CompressionMethod::DEFLATE;
            let file = archive.new_file(&name).compression_method(method);
            let (mut entry, config) = file.start().unwrap();
            let level = flate2::Compression::fast();
            let mut writer = config.wrap(flate2::write::DeflateEncoder::new(&mut entry, level));
            writer.write_all(&content).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
        archive.finish().unwrap();
        bytes
    };
    let verify = ["data", "verify", "--dataset", "idx", "--data", "set.zip"];
    let sound = zip(&place.bytes(IMAGES));
    place.put("set.zip", &sound);
    assert_eq!(place.limited(&verify).code, Some(0));
    // Images that claim a gigabyte, and a gigabyte of them, in little.
    place.put("set.zip", zip(&idx(&[1 << 20, 32, 32], &[0; 100])));
    place.refused(&verify, "set.zip/train-images-idx3-ubyte: ");
    let mut much = idx(&[300, 12, 12], &[]);
    much.resize(1 << 30, 0);
    let bomb = zip(&much);
    assert!(bomb.len() < 32 << 20, "{} bytes", bomb.len());
    place.put("set.zip", bomb);
    place.refused(&verify, "goes on after");
    // What the archive says of its members and of their number.
    let end = sound.windows(4).position(|w| w == b"PK\x05\x06").unwrap();
    let mut lies = sound.clone();
    lies[end + 8..end + 12].copy_from_slice(&[0xFE; 4]);
    place.put("set.zip", &lies);
    let ended = place.limited(&verify);
    assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.err);
    let mut lies = sound;
    let first = lies.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    lies[first + 24..first + 28].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
    place.put("set.zip", &lies);
    place.refused(&verify, "set.zip/");
}

#[test]
fn networks_of_enormous_layers() {
    let place = Place::new();
    let linear = |name: &str, out: usize| json!({"type": "linear", "name": name, "out": out});
    let net = |layers: serde_json::Value| {
        json!({"name": "giant", "input": {"channels": 1, "height": 12, "width": 12}, "layers": layers})
            .to_string()
    };
    let train = |model| [&SMALL_TRAIN[..], &["--model", model]].concat();
    place.put(
        "wide.json",
        net(json!([linear("a", 1 << 20), linear("b", 3)])),
    );
    place.refused(&train("wide.json"), "memory are free");
    place.put(
        "wider.json",
        net(json!([linear("a", usize::MAX), linear("b", 3)])),
    );
    place.refused(&train("wider.json"), "too large");
    let conv = json!({"type": "conv", "name": "c", "out": 1 << 20, "kernel": 1 << 20, "padding": (1 << 20) - 1});
    place.put("conv.json", net(json!([conv, linear("b", 3)])));
    place.refused(&train("conv.json"), "too large");
    let many: Vec<_> = (0..4000).map(|i| linear(&format!("l{i}"), 1000)).collect();
    place.put("deep.json", net(many.into()));
    place.refused(&train("deep.json"), "memory are free");
    place.put("nested.json", "[".repeat(1 << 20));
    place.refused(&train("nested.json"), "not a model file");
    // What takes no place on the disk, and what has no end.
    let file = std::fs::File::create(place.path("sparse.json")).unwrap();
    file.set_len(1 << 40).unwrap();
    place.refused(&train("sparse.json"), "larger than");
    let recipe = [&SMALL_TRAIN[..], &["--recipe", "sparse.json"]].concat();
    place.refused(&recipe, "larger than");
    std::os::unix::fs::symlink("/dev/zero", place.path("endless.json")).unwrap();
    place.refused(&train("endless.json"), "larger than");
}

#[test]
fn weights_that_claim_more_than_they_hold() {
    let place = Place::new();
    let import = |name| {
        [
            "import",
            name,
            "--model",
            "mlp",
            "--dataset",
            "idx",
            "--data",
            "data",
        ]
    };
    let mut file = (1u64 << 62).to_le_bytes().to_vec();
    file.extend(b"{}");
    place.put("header", &file);
    place.refused(&import("header"), "safetensors");
    let header = br#"{"fc1.weight":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    place.put("tensor", &file);
    place.refused(&import("tensor"), "safetensors");
    let sparse = std::fs::File::create(place.path("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    place.refused(&import("sparse"), "larger than");
}

/// A packed network whose one layer makes `out` numbers of an image of that shape.
fn packed(input: Shape, kernel: usize, out: usize) -> bnn_cpu::Result<PackedNet> {
    let stage = |name: &str, product, weights| Stage {
        name: name.into(),
        layer: 0,
        inputs: Vec::new(),
        product,
        weights,
        tail: Vec::new(),
    };
    let conv = Product::Conv {
        out,
        kernel,
        stride: 1,
        padding: 0,
        border: 0,
        groups: 1,
    };
    let real = |depth: usize, out: usize| Weights::Real {
        values: vec![0.0; depth * out],
        bias: vec![0.0; out],
    };
    let pixels = (input.height - kernel + 1) * (input.width - kernel + 1);
    let stages = vec![
        stage("c", conv, real(kernel * kernel * input.channels, out)),
        stage("f", Product::Linear { out: 1 }, real(pixels * out, 1)),
    ];
    let pixels = Pixels::Normalised {
        mean: 0.0.into(),
        std: 1.0.into(),
    };
    PackedNet::new("giant".into(), input, pixels, stages)
}

#[test]
fn packed_networks_of_enormous_values() {
    let place = Place::new();
    let small = packed(Shape::image(1, 12, 12), 3, 2).unwrap();
    let bytes = small.to_bytes().unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains(r#"\"out\":2"#) && text.contains(r#"\"height\":12"#));
    let with = |from: &str, to: &str| {
        let text: Vec<u8> = bytes[8..].to_vec();
        let at = text
            .windows(from.len())
            .position(|w| w == from.as_bytes())
            .unwrap();
        let mut header = text[..at].to_vec();
        header.extend(to.bytes());
        header.extend(&text[at + from.len()..]);
        let length =
            u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize + to.len() - from.len();
        let mut file = (length as u64).to_le_bytes().to_vec();
        file.extend(header);
        file
    };
    place.put("picture.idx", idx(&[1, 12, 12], &[9; 144]));
    let infer = ["infer", "--packed", "--model", "net", "picture.idx"];
    place.put("net", &bytes);
    assert_eq!(
        place.limited(&infer).code,
        Some(0),
        "{}",
        place.limited(&infer).err
    );
    for (from, to) in [
        (r#"\"out\":2"#, r#"\"out\":65536"#),
        (r#"\"height\":12"#, r#"\"height\":16384"#),
        (r#"\"out\":2"#, r#"\"out\":18446744073709551615"#),
    ] {
        place.put("net", with(from, to));
        place.refused(&infer, "net: ");
    }
}

#[test]
fn pictures_of_enormous_sides() {
    let place = Place::new();
    let net = packed(Shape::image(1, 12, 12), 3, 2).unwrap();
    net.write(&place.path("net")).unwrap();
    let infer = ["infer", "--packed", "--model", "net", "picture.png"];
    let picture = |side: u32, rows: u32| {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side, rows);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer
            .write_image_data(&vec![0; (side * rows) as usize])
            .unwrap();
        writer.finish().unwrap();
        file
    };
    // All there: as large as a picture may be, in little.
    let whole = picture(8192, 4096);
    assert!(whole.len() < 1 << 20, "{} bytes", whole.len());
    place.put("picture.png", &whole);
    place.refused(&infer, "nothing that stands out");
    // A header that claims it, and one that claims far more.
    let mut lie = picture(28, 28);
    for side in [5792u32, 1 << 30] {
        lie[16..20].copy_from_slice(&side.to_be_bytes());
        lie[20..24].copy_from_slice(&side.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&lie[12..29]);
        lie[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        place.put("picture.png", &lie);
        place.refused(&infer, "picture.png: ");
    }
}

#[test]
fn records_of_runs_that_have_no_end() {
    let place = Place::new();
    std::fs::create_dir(place.path("run")).unwrap();
    let config = std::fs::File::create(place.path("run/config.json")).unwrap();
    config.set_len(1 << 40).unwrap();
    place.refused(
        &["eval", "run", "--dataset", "idx", "--data", "data"],
        "larger than",
    );
    place.put("run/config.json", "[".repeat(1 << 20));
    place.refused(
        &["eval", "run", "--dataset", "idx", "--data", "data"],
        "damaged",
    );
}

#[test]
fn wherever_the_memory_runs_out_there_is_one_line_and_no_signal() {
    let place = Place::new();
    let ended = place.limited(&[&SMALL_TRAIN[..], &["--batch", "16", "--out", "run"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    place.put("picture.idx", idx(&[1, 12, 12], &[9; 144]));
    place.good(&["pack", "run", "-o", "net"]);
    let data = ["--dataset", "idx", "--data", "data"];
    let train = ["--batch", "16", "--force", "--out", "again"];
    let table = [
        "--suite",
        "mlp",
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--rows",
        "stoch-reinforce",
    ];
    let commands: [&[&str]; 7] = [
        &[&SMALL_TRAIN[..], &train].concat(),
        &[&["eval", "run"], &data[..]].concat(),
        &["infer", "--packed", "--model", "net", "picture.idx"],
        &["infer", "--model", "run", "picture.idx"],
        &[&["data", "show", "-o", "sheet.png"], &data[..]].concat(),
        &["data", "show", "-o", "sheet.png", "--dataset", "digits"],
        &[&["table"], &data[..], &table].concat(),
    ];
    let least = place.least();
    // From where it starts to where two threads have room for everything, and on to where
    // the C library would take addresses for each of them.
    let narrow = (0..14).map(|i| least + (i << 11) + 37 * i);
    let wide = (0..6).map(|i| least + ((40 + 32 * i) << 10));
    let mut outcomes = [0; 2];
    for (i, limit) in narrow.chain(wide).enumerate() {
        for command in commands {
            let results = format!("results-{i}");
            let results: &[&str] = match command[0] {
                "table" => &["--results", &results],
                _ => &[],
            };
            let args = [&["--quiet", "--threads", "2"], command, results].concat();
            let ended = place.limited_to(&limit.to_string(), &args);
            match ended.code {
                Some(0) => assert_eq!(ended.err, "", "{limit} KiB, {args:?}"),
                Some(1) => {
                    let one = ended.err.lines().count() == 1 && ended.err.starts_with("error: ");
                    assert!(one, "{limit} KiB, {args:?}: {}", ended.err);
                }
                other => panic!("{limit} KiB, {args:?}: {other:?}, {}", ended.err),
            }
            outcomes[usize::from(ended.code == Some(0))] += 1;
        }
    }
    assert!(outcomes.iter().all(|&n| n > 20), "{outcomes:?}");
}

#[test]
fn an_allocation_that_fails_is_one_line() {
    let place = Place::new();
    // The built-in digits are 47 MB of pixels: there is room for the program alone.
    let limit = (place.least() + (24 << 10)).to_string();
    let show = ["--threads", "1", "data", "show", "-o", "sheet.png"];
    let ended = place.limited_to(&limit, &[&show[..], &["--dataset", "digits"]].concat());
    let mention = "the memory is used up: 47040000 bytes more are not to be had; ";
    ended.assert_one_line(1, mention, &show);
}

#[test]
fn threads_without_room_for_their_stacks() {
    let place = Place::new();
    // Three seeds of fourteen rows are 42 jobs at most, each with a thread to work on.
    for (limit, command, mention) in [
        (
            LIMIT,
            &["--threads", "1024"][..],
            "cannot start 1024 threads",
        ),
        (
            "200000",
            &["--threads", "2", "--jobs", "900", "--suite", "mlp"],
            "cannot start 84 threads",
        ),
    ] {
        let table = ["table", "--dataset", "idx", "--data", "data", "--quiet"];
        let ended = place.limited_to(limit, &[&table[..], command].concat());
        ended.assert_one_line(1, mention, command);
        assert!(ended.err.contains("raise the limit"), "{}", ended.err);
    }
}

#[test]
fn files_are_compared_with_the_memory_before_they_are_read() {
    let place = Place::new();
    let import = |name| {
        [
            "import",
            name,
            "--model",
            "mlp",
            "--dataset",
            "idx",
            "--data",
            "data",
        ]
    };
    // Its bytes would find room, and the tensors that are made of them would not.
    let sparse = std::fs::File::create(place.path("sparse")).unwrap();
    sparse.set_len(400 << 20).unwrap();
    let takes = "sparse: has 400.0 MiB, reading it takes 800.0 MiB of memory, and ";
    place.refused(&import("sparse"), takes);
    // The same of a packed file, which is one by its header.
    let net = packed(Shape::image(1, 12, 12), 3, 2).unwrap();
    net.write(&place.path("net")).unwrap();
    let file = std::fs::OpenOptions::new()
        .append(true)
        .open(place.path("net"));
    file.unwrap().set_len(400 << 20).unwrap();
    let infer = ["infer", "--packed", "--model", "net", "picture.idx"];
    place.put("picture.idx", idx(&[1, 12, 12], &[9; 144]));
    place.refused(
        &infer,
        "net: has 400.0 MiB, reading it takes 800.0 MiB of memory, and ",
    );
    // Images are there as the file has them, taken out of it, and fitted.
    let images = std::fs::File::create(place.path("images.idx")).unwrap();
    images.set_len(250 << 20).unwrap();
    net.write(&place.path("net")).unwrap();
    place.refused(
        &["infer", "--packed", "--model", "net", "images.idx"],
        "images.idx: has 250.0 MiB, reading it takes 750.0 MiB of memory, and ",
    );
    // Little enough for both: what is wrong with it is found by reading.
    sparse.set_len(64 << 20).unwrap();
    place.refused(&import("sparse"), "safetensors");
}

#[test]
fn a_configuration_that_describes_a_giant_takes_no_memory_for_it() {
    let place = Place::new();
    let train = [
        &SMALL_TRAIN[..],
        &["--batch", "16", "--model", "mlp", "--out", "run"],
    ]
    .concat();
    place.good(&train);
    for out in [4_000_000usize, 1 << 40] {
        place.rewrite("run/config.json", |config| {
            config["model"]["layers"][0]["out"] = out.into();
        });
        for args in [
            &["eval", "run", "--data", "data"][..],
            &["pack", "run"],
            &["filters", "run"],
            &["confusion", "run", "--data", "data"],
        ] {
            let ended = place.limited(args);
            assert!(matches!(ended.code, Some(1 | 2)), "{args:?}: {}", ended.err);
            assert_eq!(ended.err.lines().count(), 1, "{args:?}: {}", ended.err);
            assert!(!ended.err.contains("memory is used up"), "{}", ended.err);
        }
    }
}
