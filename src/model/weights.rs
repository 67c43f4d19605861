//! Weights on the disk: safetensors with PyTorch's `state_dict` names and
//! shapes, everything else as one JSON text in the file's metadata.
//!
//! The metadata has the single key `bnn-cpu`, so that the same content always
//! makes the same bytes.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::error::{Error, Result};
use crate::files::write_atomic_bytes;
use crate::tape::{Entry, Params};

/// The metadata key of this program.
const KEY: &str = "bnn-cpu";

/// The newest file format that this version reads and writes.
const FORMAT: u32 = 1;

/// No file larger than this is read as weights.
const MOST_BYTES: u64 = 16 << 30;

/// While a file is read its bytes and the tensors made of them are both there.
const COPIES: u64 = 2;

/// What the metadata says of a file.
#[derive(Debug, Serialize, Deserialize)]
struct About<T> {
    format: u32,
    #[serde(flatten)]
    content: T,
}

/// A tensor on its way to or from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub data: Data,
}

/// The numbers of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit integers (batch counters).
    I64(Vec<i64>),
}

/// All parameters, buffers and counters under PyTorch's names.
pub fn export(params: &Params) -> Vec<NamedTensor> {
    let tensors = |entries: &[Entry], values: &[f32]| -> Vec<_> {
        let one = |e: &Entry| NamedTensor {
            name: e.name.clone(),
            shape: e.shape.clone(),
            data: Data::F32(values[e.span.clone()].to_vec()),
        };
        entries.iter().map(one).collect()
    };
    let mut all = tensors(params.entries(), params.values());
    all.extend(tensors(params.buffer_entries(), params.buffer_values()));
    all.extend(params.counters().iter().map(|(name, count)| NamedTensor {
        name: name.clone(),
        shape: Vec::new(),
        data: Data::I64(vec![*count as i64]),
    }));
    all
}

/// Puts tensors into parameters, buffers and counters of the same names.
/// Counters may be absent. Returns the tensors that nothing asked for.
///
/// # Errors
/// A missing tensor, or one of another shape; `path` is named in the message.
pub fn import(
    params: &mut Params,
    tensors: Vec<NamedTensor>,
    path: &Path,
) -> Result<Vec<NamedTensor>> {
    let mut by_name: HashMap<String, NamedTensor> =
        tensors.into_iter().map(|t| (t.name.clone(), t)).collect();
    let mut place = |entries: Vec<Entry>, values: &mut [f32]| -> Result<()> {
        for entry in entries {
            let tensor = by_name.remove(&entry.name).ok_or_else(|| {
                Error::checkpoint(
                    path,
                    format!("has no tensor {}; is it of another model?", entry.name),
                )
            })?;
            match tensor.data {
                Data::F32(data) if tensor.shape == entry.shape => {
                    values[entry.span].copy_from_slice(&data);
                }
                _ => {
                    return Err(Error::checkpoint(
                        path,
                        format!(
                            "tensor {} has shape {:?} where the model has {:?}; is it of another model?",
                            entry.name, tensor.shape, entry.shape
                        ),
                    ));
                }
            }
        }
        Ok(())
    };
    let (entries, buffers) = (params.entries().to_vec(), params.buffer_entries().to_vec());
    place(entries, params.values_mut())?;
    place(buffers, params.buffer_values_mut())?;
    for (name, count) in params.counters_mut() {
        match by_name.remove(name).map(|t| t.data) {
            Some(Data::I64(n)) if n.len() == 1 && n[0] >= 0 => *count = n[0] as u64,
            Some(_) => {
                return Err(Error::checkpoint(
                    path,
                    format!("tensor {name} is no count of batches"),
                ));
            }
            None => {}
        }
    }
    let mut rest: Vec<_> = by_name.into_values().collect();
    rest.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rest)
}

/// Writes tensors and what is said about them, as one atomic file.
///
/// # Errors
/// A file that cannot be written.
pub fn write(path: &Path, tensors: &[NamedTensor], about: &impl Serialize) -> Result<()> {
    let about = About {
        format: FORMAT,
        content: about,
    };
    let fail = |what: String| Error::checkpoint(path, format!("cannot be encoded: {what}"));
    let text = serde_json::to_string(&about).map_err(|e| fail(e.to_string()))?;
    let bytes: Vec<(Dtype, Vec<u8>)> = tensors.iter().map(|t| to_bytes(&t.data)).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(t, (dtype, bytes))| Ok((&t.name, TensorView::new(*dtype, t.shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| fail(e.to_string()))?;
    let metadata = HashMap::from([(KEY.to_string(), text)]);
    let file = safetensors::serialize(views, Some(metadata)).map_err(|e| fail(e.to_string()))?;
    write_atomic_bytes(path, &file)
}

/// Reads a file that [`write()`] wrote.
///
/// # Errors
/// A file that cannot be read, is cut short, is of a newer format, or says
/// nothing (or something else) about itself.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<(Vec<NamedTensor>, T)> {
    parse(&bounded::read(path, MOST_BYTES, COPIES)?, path)
}

/// The content of the file `path`, as [`read()`] gives it.
///
/// # Errors
/// As [`read()`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<(Vec<NamedTensor>, T)> {
    let (tensors, text) = parse_any(bytes, path)?;
    let text = text.ok_or_else(|| {
        Error::checkpoint(
            path,
            "holds weights alone; bring it in with `bnn-cpu import`",
        )
    })?;
    let about: About<T> = serde_json::from_str(&text)
        .map_err(|e| Error::checkpoint(path, format!("is not what was expected here: {e}")))?;
    Ok((tensors, about.content))
}

/// Reads any safetensors file of 32-bit floats (and 64-bit counts), with this
/// program's metadata where it has some.
///
/// # Errors
/// As [`read`], or a tensor of another kind.
pub fn read_any(path: &Path) -> Result<(Vec<NamedTensor>, Option<String>)> {
    parse_any(&bounded::read(path, MOST_BYTES, COPIES)?, path)
}

/// The content of the file `path`, as [`read_any`] gives it.
///
/// # Errors
/// As [`read_any`].
pub fn parse_any(bytes: &[u8], path: &Path) -> Result<(Vec<NamedTensor>, Option<String>)> {
    let damaged = |e| {
        Error::checkpoint(
            path,
            format!("is no whole safetensors file ({e}); it may be cut short"),
        )
    };
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let text = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .cloned();
    if let Some(text) = &text {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text)
            .map_err(|e| Error::checkpoint(path, format!("has damaged metadata: {e}")))?;
        if format > FORMAT {
            return Err(Error::checkpoint(
                path,
                format!("has format {format}, newer than this program's {FORMAT}; update bnn-cpu"),
            ));
        }
    }
    let mut tensors = Vec::new();
    for (name, view) in file.iter() {
        let data = match view.dtype() {
            Dtype::F32 => Data::F32(words(view.data(), f32::from_le_bytes)),
            Dtype::I64 => Data::I64(words(view.data(), i64::from_le_bytes)),
            other => {
                return Err(Error::checkpoint(
                    path,
                    format!("tensor {name} is of type {other:?}; save it as 32-bit floats"),
                ));
            }
        };
        tensors.push(NamedTensor {
            name: name.to_string(),
            shape: view.shape().to_vec(),
            data,
        });
    }
    Ok((tensors, text))
}

fn to_bytes(data: &Data) -> (Dtype, Vec<u8>) {
    match data {
        Data::F32(x) => (Dtype::F32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::I64(x) => (Dtype::I64, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
    }
}

fn words<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|w| from(*w)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Said {
        what: String,
    }

    fn params() -> Params {
        let mut params = Params::default();
        params.add("conv.weight", &[2, 1, 1, 2]);
        params.add_buffer("bn.running_var", &[2], 1.0);
        params.add_counter("bn.num_batches_tracked");
        params
    }

    fn said() -> Said {
        Said {
            what: "a test".into(),
        }
    }

    #[test]
    fn a_file_round_trips_to_the_bit_and_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let mut from = params();
        from.values_mut()
            .copy_from_slice(&[1.0, -0.0, f32::MIN_POSITIVE, 1e30]);
        from.count(0);
        write(&a, &export(&from), &said()).unwrap();
        let (tensors, about) = read::<Said>(&a).unwrap();
        assert_eq!(about, said());
        let mut to = params();
        assert_eq!(import(&mut to, tensors, &a).unwrap(), []);
        let bits = |p: &Params| p.values().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&to), bits(&from));
        assert_eq!(to.counters()[0].1, 1);
        write(&b, &export(&to), &said()).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    }

    #[test]
    fn damaged_files_are_refused_at_every_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights");
        write(&path, &export(&params()), &said()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read::<Said>(&path).unwrap_err().to_string();
            assert!(error.contains("cut short"), "{error}");
        }
    }

    #[test]
    fn other_models_and_newer_formats_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights");
        let message = |tensors: Vec<NamedTensor>| {
            import(&mut params(), tensors, &path)
                .unwrap_err()
                .to_string()
        };
        let mut tensors = export(&params());
        tensors[0].shape = vec![4];
        assert!(message(tensors.clone()).contains("tensor conv.weight has shape [4]"));
        tensors.remove(0);
        assert!(message(tensors).contains("no tensor conv.weight"));

        write(&path, &export(&params()), &said()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes
            .windows(10)
            .position(|w| w == b"format\\\":1")
            .unwrap();
        bytes[at + 9] = b'9';
        std::fs::write(&path, &bytes).unwrap();
        let error = read::<Said>(&path).unwrap_err().to_string();
        assert!(error.contains("format 9, newer"), "{error}");
    }
}
