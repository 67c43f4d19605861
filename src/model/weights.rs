//! Weights on the disk: safetensors with PyTorch's `state_dict` names and
//! shapes, everything else as one JSON text in the file's metadata.
//!
//! The text stands under the key `bnn-cpu`, behind the seal of the whole file
//! ([`crate::container`]). The same content always makes the same bytes.

use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::write_atomic_bytes;
use crate::model::ModelSpec;
use crate::seal::{self, Origin};
use crate::tape::{Entry, Params};
use crate::{bounded, container, notice};

/// The metadata key of this program.
const KEY: &str = "bnn-cpu";

/// The newest file format that this version reads and writes. Format 1 had no seal.
const FORMAT: u32 = seal::FORMAT;

/// The bytes of the largest file that is read as weights.
pub const MAX_BYTES: u64 = 16 << 30;

/// How many times the size of a file is in memory while it is read: its bytes, and the tensors
/// made of them.
pub const COPIES: u64 = 2;

/// What the metadata says of a file.
#[derive(Debug, Serialize, Deserialize)]
struct About<T> {
    format: u32,
    #[serde(flatten)]
    origin: Option<Origin>,
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
            let tensor = by_name.remove(&entry.name);
            let tensor = tensor.ok_or_else(|| missing(&entry.name, path))?;
            match &tensor.data {
                Data::F32(data) if tensor.shape == entry.shape => {
                    values[entry.span].copy_from_slice(data);
                }
                _ => return Err(other_shape(&tensor, &entry.shape, path)),
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

/// Whether tensors have the names and shapes that the network asks for. Nothing of
/// their size is allocated.
///
/// # Errors
/// A missing tensor, or one of another shape; `path` is named in the message.
pub fn check(model: &ModelSpec, tensors: &[NamedTensor], path: &Path) -> Result<()> {
    let wanted = model.tensors()?;
    let found: HashMap<&str, &NamedTensor> = tensors.iter().map(|t| (&*t.name, t)).collect();
    for want in wanted.params.iter().chain(&wanted.buffers) {
        match found.get(&*want.name) {
            None => return Err(missing(&want.name, path)),
            Some(t) if t.shape != want.shape => {
                return Err(other_shape(t, &want.shape, path));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whether all numbers are finite.
///
/// # Errors
/// A tensor with one that is not; `path` is named in the message.
pub(crate) fn check_finite(tensors: &[NamedTensor], path: &Path) -> Result<()> {
    let wrong = tensors.iter().find(|t| match &t.data {
        Data::F32(x) => x.iter().any(|x| !x.is_finite()),
        Data::I64(_) => false,
    });
    match wrong {
        Some(t) => Err(Error::checkpoint(
            path,
            format!("tensor {} holds a number that is not finite", t.name),
        )),
        None => Ok(()),
    }
}

fn missing(name: &str, path: &Path) -> Error {
    Error::checkpoint(
        path,
        format!("has no tensor {name}; is it of another model?"),
    )
}

fn other_shape(tensor: &NamedTensor, wanted: &[usize], path: &Path) -> Error {
    Error::checkpoint(
        path,
        format!(
            "tensor {} has shape {:?} where the model has {wanted:?}; is it of another model?",
            tensor.name, tensor.shape
        ),
    )
}

/// What a file of weights holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened<T> {
    /// The tensors.
    pub tensors: Vec<NamedTensor>,
    /// What the file says about them; of [`decode_any`] a JSON text, or nothing in a
    /// file of another program.
    pub about: T,
    /// The run that the file says it is of.
    pub origin: Option<Origin>,
    /// Whether the file has a seal, which was found sound ([`crate::container`]).
    pub sealed: bool,
}

/// The bytes of a sealed file with tensors and what is said about them, for a run's
/// file with the run that it is of.
///
/// # Errors
/// Tensors or texts that cannot be encoded; `path` is named in the message.
pub(crate) fn encode(
    path: &Path,
    tensors: &[NamedTensor],
    about: &impl Serialize,
    origin: Option<&Origin>,
) -> Result<Vec<u8>> {
    let about = About {
        format: FORMAT,
        origin: origin.cloned(),
        content: about,
    };
    let fail = |what: String| Error::checkpoint(path, format!("cannot be encoded: {what}"));
    let text = serde_json::to_string(&about).map_err(|e| fail(e.to_string()))?;
    let raw: Vec<container::Raw> = tensors
        .iter()
        .map(|t| {
            let (dtype, bytes) = to_bytes(&t.data);
            (t.name.clone(), dtype, t.shape.clone(), bytes)
        })
        .collect();
    container::write(&raw, KEY, text).map_err(fail)
}

/// Writes tensors and what is said about them, as one atomic file that is of no run.
///
/// # Errors
/// A file that cannot be written.
pub fn write(path: &Path, tensors: &[NamedTensor], about: &impl Serialize) -> Result<()> {
    write_atomic_bytes(path, &encode(path, tensors, about, None)?)
}

/// Reads a file of this program.
///
/// # Errors
/// A file that cannot be read, is cut short, damaged or of a newer format, or says
/// nothing (or something else) about itself.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<(Vec<NamedTensor>, T)> {
    let opened = open(path)?;
    Ok((opened.tensors, opened.about))
}

/// [`read()`], with everything that the file says.
///
/// # Errors
/// As [`read()`].
pub fn open<T: DeserializeOwned>(path: &Path) -> Result<Opened<T>> {
    let opened = decode(&bounded::read(path, MAX_BYTES, COPIES)?, path)?;
    say_unsealed(path, opened.sealed, true);
    Ok(opened)
}

/// The content of the file `path`, as [`read()`] gives it.
///
/// # Errors
/// As [`read()`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<(Vec<NamedTensor>, T)> {
    let opened = decode(bytes, path)?;
    Ok((opened.tensors, opened.about))
}

/// The content of the file `path`, as [`open`] gives it.
///
/// # Errors
/// As [`read()`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<Opened<T>> {
    let opened = decode_any(bytes, path)?;
    let text = opened.about.ok_or_else(|| {
        Error::checkpoint(
            path,
            "holds weights alone; bring it in with `bnn-cpu import`",
        )
    })?;
    let about: About<T> = serde_json::from_str(&text)
        .map_err(|e| Error::checkpoint(path, format!("is not what was expected here: {e}")))?;
    Ok(Opened {
        tensors: opened.tensors,
        about: about.content,
        origin: opened.origin,
        sealed: opened.sealed,
    })
}

/// Reads any safetensors file of 32-bit floats (and 64-bit counts), with this
/// program's metadata where it has some.
///
/// # Errors
/// As [`read`], or a tensor of another kind.
pub fn read_any(path: &Path) -> Result<(Vec<NamedTensor>, Option<String>)> {
    let opened = open_any(path)?;
    Ok((opened.tensors, opened.about))
}

/// [`read_any`], with everything that the file says.
///
/// # Errors
/// As [`read_any`].
pub(crate) fn open_any(path: &Path) -> Result<Opened<Option<String>>> {
    let opened = decode_any(&bounded::read(path, MAX_BYTES, COPIES)?, path)?;
    say_unsealed(path, opened.sealed, opened.about.is_some());
    Ok(opened)
}

/// Says that nothing vouches for the content of a file without a seal.
fn say_unsealed(path: &Path, sealed: bool, ours: bool) {
    let why = match (sealed, ours) {
        (true, _) => return,
        (false, true) => "this file was made before files had seals",
        (false, false) => "this file has no seal, as another program made it",
    };
    notice::once(
        &path.display().to_string(),
        &format!(
            "{}: {why}, so damage to its numbers would not be noticed",
            path.display()
        ),
    );
}

/// The content of the file `path`, as [`read_any`] gives it.
///
/// # Errors
/// As [`read_any`].
pub fn parse_any(bytes: &[u8], path: &Path) -> Result<(Vec<NamedTensor>, Option<String>)> {
    let opened = decode_any(bytes, path)?;
    Ok((opened.tensors, opened.about))
}

/// The content of the file `path`, as [`read_any`] gives it, with everything that the file
/// says.
///
/// # Errors
/// As [`read_any`].
pub fn decode_any(bytes: &[u8], path: &Path) -> Result<Opened<Option<String>>> {
    let file = container::read(bytes).map_err(|what| Error::checkpoint(path, what))?;
    let text = file.text(KEY).map(String::from);
    if text.is_none() && file.is_ours() {
        return Err(Error::checkpoint(
            path,
            "is no file of weights, but another of this program's, such as a packed network",
        ));
    }
    let mut origin = None;
    if let Some(text) = &text {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            #[serde(flatten)]
            origin: Option<Origin>,
        }
        let version: Version = serde_json::from_str(text)
            .map_err(|e| Error::checkpoint(path, format!("has damaged metadata: {e}")))?;
        let format = version.format;
        if format > FORMAT {
            return Err(Error::checkpoint(
                path,
                format!("has format {format}, newer than this program's {FORMAT}; update bnn-cpu"),
            ));
        }
        origin = version.origin;
    }
    let mut tensors = Vec::new();
    for (name, view) in file.tensors.iter() {
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
    Ok(Opened {
        tensors,
        about: text,
        origin,
        sealed: file.sealed,
    })
}

/// SHA-256 of tensors, their names and shapes: the same weights have the same one,
/// whichever run's file holds them and in whatever order.
pub fn digest(tensors: &[NamedTensor]) -> String {
    let mut sorted: Vec<&NamedTensor> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut bytes = Vec::new();
    for tensor in sorted {
        let (_, data) = to_bytes(&tensor.data);
        let head = format!("{:?} {:?} {}\n", tensor.name, tensor.shape, data.len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&data);
    }
    seal::sha256(&bytes)
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

        let newer = serde_json::json!({ "format": 9, "what": "a test" }).to_string();
        let bytes = container::write(&[], KEY, newer).unwrap();
        let error = parse::<Said>(&bytes, &path).unwrap_err().to_string();
        assert!(error.contains("format 9, newer"), "{error}");
    }
}
