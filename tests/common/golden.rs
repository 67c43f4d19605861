//! Golden files: safetensors written by the scripts in `tests/tools`, with a
//! JSON text for each case in the metadata.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value as Json;

/// A golden file. It remembers which tensors were asked for.
pub struct Golden {
    /// Where it lies.
    pub path: PathBuf,
    /// What the metadata says, by case.
    pub about: BTreeMap<String, Json>,
    tensors: BTreeMap<String, Tensor>,
    asked: RefCell<BTreeSet<String>>,
}

/// A tensor of a golden file. Every type in use widens to f64 without loss.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Golden {
    /// Reads `tests/golden/NAME`.
    pub fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name);
        let bytes = std::fs::read(&path).expect("the golden file can be read");
        let file = SafeTensors::deserialize(&bytes).expect("the golden file is whole");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("the golden file is whole");
        let about = header.metadata().clone().unwrap_or_default();
        let about = about.iter().map(|(k, v)| {
            (
                k.clone(),
                serde_json::from_str(v).expect("metadata is JSON"),
            )
        });
        let tensors = file.iter().map(|(name, view)| {
            let bytes = view.data();
            let values = match view.dtype() {
                Dtype::F32 => words(bytes, |w| f64::from(f32::from_le_bytes(w))),
                Dtype::F64 => words(bytes, f64::from_le_bytes),
                Dtype::I64 => words(bytes, |w| i64::from_le_bytes(w) as f64),
                Dtype::U8 => words(bytes, |[b]: [u8; 1]| f64::from(b)),
                other => panic!("{name} is of type {other:?}"),
            };
            let shape = view.shape().to_vec();
            (name.to_string(), Tensor { shape, values })
        });
        Self {
            path,
            about: about.collect(),
            tensors: tensors.collect(),
            asked: RefCell::default(),
        }
    }

    /// The tensor of that name, if the file has it.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.asked.borrow_mut().insert(name.to_string());
        self.tensors.get(name)
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> &Tensor {
        self.find(name)
            .unwrap_or_else(|| panic!("{} has no {name}", self.path.display()))
    }

    /// Its numbers as f32.
    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.get(name).f32()
    }

    /// Names of the tensors that begin with `prefix`.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let names = self.tensors.keys();
        names.filter(|n| n.starts_with(prefix)).cloned().collect()
    }

    /// Fails if a tensor whose name begins with `prefix` was never asked for.
    pub fn assert_all_asked(&self, prefix: &str) {
        let asked = self.asked.borrow();
        for name in self.names(prefix) {
            assert!(asked.contains(&name), "no test looked at {name}");
        }
    }
}

impl Tensor {
    /// The numbers as f32.
    pub fn f32(&self) -> Vec<f32> {
        self.values.iter().map(|&x| x as f32).collect()
    }

    /// The numbers as whole numbers.
    pub fn whole(&self) -> Vec<u32> {
        self.values.iter().map(|&x| x as u32).collect()
    }
}

fn words<const N: usize>(bytes: &[u8], from: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (whole, rest) = bytes.as_chunks::<N>();
    assert!(rest.is_empty(), "a tensor of broken length");
    whole.iter().map(|w| from(*w)).collect()
}

/// From PyTorch's (rows, channel, height, width) to the engine's (rows, height,
/// width, channel).
pub fn to_rows(x: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let image = |row: &[f32]| -> Vec<f32> {
        (0..pixels * channels)
            .map(|i| row[i % channels * pixels + i / channels])
            .collect()
    };
    x.chunks_exact(channels * pixels).flat_map(image).collect()
}

/// The inverse of [`to_rows`].
pub fn from_rows(x: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    to_rows(x, pixels, channels)
}

/// Fails unless every number lies within `tolerance` times the tensor's largest
/// number of what is wanted. Shorter or longer tensors, and NaN, fail too.
pub fn assert_close(what: &str, got: &[f32], want: &Tensor, tolerance: f64) {
    let scale = want.values.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    assert_within(what, got, &want.values, tolerance * scale);
}

/// Fails unless every number lies within `bound` of what is wanted.
pub fn assert_within(what: &str, got: &[f32], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len(), "{what}: another number of numbers");
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(got) - want).abs();
        assert!(
            error <= bound,
            "{what}[{i}]: {got} instead of {want}, {error:e} off; {bound:e} is allowed"
        );
    }
}
