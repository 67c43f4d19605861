//! Running the program, and small data sets for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A working folder of its own, with a small IDX data set in `data/`.
pub struct Place {
    dir: TempDir,
}

/// How a call ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The images of the small set: 12x12, three classes.
pub const SIDE: usize = 12;
pub const TRAIN: usize = 300;
pub const TEST: usize = 60;

/// Flags of a small run on the small set.
pub const SMALL: [&str; 9] = [
    "train",
    "--dataset",
    "idx",
    "--data",
    "data",
    "--batch",
    "16",
    "--lr",
    "0.05",
];

/// A table of a single cell on the small set, in `results/cells/mlp-data-1-epochs`.
pub const TABLE: [&str; 14] = [
    "table",
    "--quiet",
    "--suite",
    "mlp",
    "--rows",
    "none",
    "--seeds",
    "1",
    "--epochs",
    "1",
    "--dataset",
    "idx",
    "--data",
    "data",
];

impl Place {
    pub fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        place.write_data("data");
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the small set into the folder `name`.
    pub fn write_data(&self, name: &str) {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (part, count, seed) in [("train", TRAIN, 1), ("t10k", TEST, 2)] {
            let (images, labels) = samples(count, seed);
            std::fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
            std::fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
        }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bnn-cpu"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        for name in ["BNN_CPU_DATA", "BNN_CPU_MIRROR", "BNN_CPU_ISA", "NO_COLOR"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args).output().unwrap())
    }

    /// Runs it, and insists that it succeeds.
    pub fn good(&self, args: &[&str]) -> Ended {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}{}", ended.err, ended.out);
        ended
    }

    /// Runs it, and insists on that exit code and on one line on the standard
    /// error that holds `mention`, with nothing on the standard output.
    pub fn bad(&self, args: &[&str], code: i32, mention: &str) -> String {
        let ended = self.run(args);
        ended.assert_one_line(code, mention, args);
        ended.err
    }

    /// Changes a small JSON file as if it had been written so: with a seal that fits.
    pub fn rewrite(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let text = String::from_utf8(self.bytes(name)).unwrap();
        let mut opened = bnn_cpu::seal::open(&text).unwrap();
        change(&mut opened.content);
        let text = bnn_cpu::seal::text(&opened.content, opened.origin.as_ref()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The content of a file.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// A JSON file.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// A run's metrics without what a clock says, and without which run they are of.
    pub fn metrics(&self, run: &str) -> Vec<Value> {
        let text = String::from_utf8(self.bytes(&format!("{run}/metrics.jsonl"))).unwrap();
        let records = text.lines().map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            let fields = record.as_object_mut().unwrap();
            assert!(fields.remove("seconds").is_some());
            assert!(fields.remove("img_per_s").is_some());
            for seal in ["sha256", "run_id", "config_sha256"] {
                fields.remove(seal);
            }
            record
        });
        records.collect()
    }

    /// A run's test result without what a clock says.
    pub fn test(&self, run: &str) -> (u64, f64, f64) {
        let test: Value = serde_json::from_slice(&self.bytes(&format!("{run}/test.json"))).unwrap();
        (
            test["epoch"].as_u64().unwrap(),
            test["loss"].as_f64().unwrap(),
            test["accuracy"].as_f64().unwrap(),
        )
    }

    /// Insists that two runs came to the same bits.
    pub fn assert_same_run(&self, one: &str, other: &str) {
        assert_eq!(self.metrics(one), self.metrics(other), "{one}, {other}");
        assert_eq!(self.test(one), self.test(other), "{one}, {other}");
        let best = |run: &str| numbers(&self.bytes(&format!("{run}/best.safetensors")));
        assert!(best(one) == best(other), "{one}, {other}: other weights");
    }
}

/// The tensors of a safetensors file: what two runs of one configuration share.
pub fn numbers(file: &[u8]) -> Vec<u8> {
    let header = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    file[8 + header..].to_vec()
}

impl Ended {
    pub fn assert_one_line(&self, code: i32, mention: &str, what: &[&str]) {
        let err = &self.err;
        assert_eq!(self.code, Some(code), "{what:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{what:?}: {err}");
        assert!(err.starts_with("error: "), "{what:?}: {err}");
        assert!(err.contains(mention), "{what:?}: `{mention}` in: {err}");
        assert_eq!(self.out, "", "{what:?}");
    }

    /// The lines of the standard output as JSON.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert!(value["event"].is_string(), "{line}");
            value
        };
        self.out.lines().map(parse).collect()
    }
}

pub fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Image and label file of `count` noisy samples; the class is where the bar is.
fn samples(count: usize, seed: u32) -> (Vec<u8>, Vec<u8>) {
    let mut state = seed;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 25) as u8
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for i in 0..count {
        let class = i % 3;
        labels.push(class as u8);
        for y in 0..SIDE {
            for _ in 0..SIDE {
                let ink = if y / 4 == class { 120 } else { 40 };
                pixels.push(ink + noise());
            }
        }
    }
    (
        idx(&[count as u32, SIDE as u32, SIDE as u32], &pixels),
        idx(&[count as u32], &labels),
    )
}

/// An IDX file of bytes.
pub fn idx(sides: &[u32], content: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sides.len() as u8];
    for side in sides {
        file.extend(side.to_be_bytes());
    }
    file.extend(content);
    file
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// All files below a folder, relative, without the lock.
pub fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != ".lock").collect();
    names.sort();
    names
}
