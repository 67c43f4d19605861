//! Packed files: safetensors with the tensors of every stage; the encoding is on
//! the page of [`super`].
//!
//! Nothing is allocated for a tensor before its type and shape have been compared
//! with what the stages ask for, so a file can claim no more than it holds.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::layer::{Pixels, Stage, Step, Weights};
use super::{PackedNet, layer::Cut};
use crate::bounded;
use crate::error::{Error, Result};
use crate::files::write_atomic_bytes;
use crate::tensor::Shape;

/// The metadata key of packed files.
const KEY: &str = "bnn-cpu-packed";

/// The newest format that this version reads and writes.
const FORMAT: u32 = 1;

/// No file larger than this is read.
const MOST_BYTES: u64 = 4 << 30;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    name: String,
    input: Shape,
    pixels: Pixels,
    stages: Vec<Stage>,
}

/// The numbers of one tensor, to write or to fill.
enum Slot<'a> {
    Words(&'a mut Vec<u64>),
    Reals(&'a mut Vec<f32>),
    Ints(&'a mut Vec<i32>),
    Flags(&'a mut Vec<bool>),
}

/// Calls `visit` for each tensor: its name, shape and numbers.
fn each_tensor(
    net: &mut PackedNet,
    mut visit: impl FnMut(String, Vec<usize>, Slot<'_>) -> Result<()>,
) -> Result<()> {
    let sums: Vec<usize> = {
        let pairs = net.stages.iter().zip(&net.flows);
        pairs.map(|(s, f)| net.sums(s, f)).collect()
    };
    for (i, (stage, flow)) in net.stages.iter_mut().zip(&net.flows).enumerate() {
        let depth = stage.product.depth(flow.input.0);
        let out = flow.values[0].0.channels;
        match &mut stage.weights {
            Weights::None => {}
            Weights::Binary { words } => {
                let shape = vec![out, depth.div_ceil(64)];
                visit(format!("{i}.weight"), shape, Slot::Words(words))?;
            }
            Weights::Real { values, bias } => {
                visit(format!("{i}.weight"), vec![out, depth], Slot::Reals(values))?;
                visit(format!("{i}.bias"), vec![out], Slot::Reals(bias))?;
            }
        }
        for (j, (step, (shape, _))) in stage.tail.iter_mut().zip(&flow.values).enumerate() {
            let c = shape.channels;
            let name = |what: &str| format!("{i}.{j}.{what}");
            match step {
                Step::Cut { cut } | Step::Draw { cut, .. } => {
                    let Cut { threshold, flip } = cut;
                    visit(name("threshold"), vec![c], Slot::Ints(threshold))?;
                    visit(name("flip"), vec![c], Slot::Flags(flip))?;
                }
                Step::PoolBits { and, .. } => visit(name("and"), vec![c], Slot::Flags(and))?,
                Step::PoolInts { min, .. } => visit(name("min"), vec![c], Slot::Flags(min))?,
                Step::Affine { scale, shift } => {
                    visit(name("scale"), vec![c], Slot::Reals(scale))?;
                    visit(name("shift"), vec![c], Slot::Reals(shift))?;
                }
                _ => {}
            }
            if let Step::Draw { p, .. } = step {
                visit(name("p"), vec![c, sums[i]], Slot::Reals(p))?;
            }
        }
    }
    Ok(())
}

impl PackedNet {
    /// The network as the bytes of a packed file. The same network always makes
    /// the same bytes.
    ///
    /// # Errors
    /// None that a network made by [`Self::new`] can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let fail = |e: String| Error::spec(format!("packed network: cannot be encoded: {e}"));
        let header = Header {
            format: FORMAT,
            name: self.name.clone(),
            input: self.input,
            pixels: self.pixels,
            stages: self.stages.clone(),
        };
        let text = serde_json::to_string(&header).map_err(|e| fail(e.to_string()))?;
        let mut tensors = Vec::new();
        each_tensor(&mut self.clone(), |name, shape, slot| {
            let (dtype, bytes): (_, Vec<u8>) = match slot {
                Slot::Words(x) => (Dtype::U64, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Slot::Reals(x) => (Dtype::F32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Slot::Ints(x) => (Dtype::I32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Slot::Flags(x) => (Dtype::U8, x.iter().map(|&x| u8::from(x)).collect()),
            };
            tensors.push((name, dtype, shape, bytes));
            Ok(())
        })?;
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
            })
            .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| fail(e.to_string()))?;
        let metadata = HashMap::from([(KEY.to_string(), text)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| fail(e.to_string()))
    }

    /// The network in the bytes of a packed file.
    ///
    /// # Errors
    /// Bytes that are no packed network, or a damaged, lying or newer one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let fail = |what: String| Error::spec(format!("packed network: {what}"));
        let cut_short = |e: safetensors::SafeTensorError| {
            fail(format!(
                "no whole safetensors file ({e}); it may be cut short"
            ))
        };
        let file = SafeTensors::deserialize(bytes).map_err(cut_short)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(cut_short)?;
        let text = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let text = text.ok_or_else(|| {
            fail(
                "this is a safetensors file of something else; make one with `bnn-cpu pack`".into(),
            )
        })?;
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |e: serde_json::Error| fail(format!("damaged metadata: {e}"));
        let Version { format } = serde_json::from_str(text).map_err(damaged)?;
        if format != FORMAT {
            return Err(fail(format!(
                "format {format}, where this program knows {FORMAT}; update bnn-cpu or pack the run again"
            )));
        }
        let header: Header = serde_json::from_str(text).map_err(damaged)?;
        let mut net = Self::outline(header.name, header.input, header.pixels, header.stages)?;
        let mut read = 0;
        each_tensor(&mut net, |name, shape, slot| {
            let view = file
                .tensor(&name)
                .map_err(|_| fail(format!("there is no tensor {name}")))?;
            let dtype = match slot {
                Slot::Words(_) => Dtype::U64,
                Slot::Reals(_) => Dtype::F32,
                Slot::Ints(_) => Dtype::I32,
                Slot::Flags(_) => Dtype::U8,
            };
            if view.shape() != shape || view.dtype() != dtype {
                return Err(fail(format!(
                    "tensor {name} is {:?} {:?} where its stage has {dtype:?} {shape:?}",
                    view.dtype(),
                    view.shape()
                )));
            }
            let data = view.data();
            match slot {
                Slot::Words(x) => *x = words(data, u64::from_le_bytes),
                Slot::Reals(x) => *x = words(data, f32::from_le_bytes),
                Slot::Ints(x) => *x = words(data, i32::from_le_bytes),
                Slot::Flags(x) => {
                    if let Some(&b) = data.iter().find(|&&b| b > 1) {
                        return Err(fail(format!("tensor {name} holds {b}, not 0 or 1")));
                    }
                    *x = data.iter().map(|&b| b == 1).collect();
                }
            }
            read += 1;
            Ok(())
        })?;
        if file.len() != read {
            let extra = file.len() - read;
            return Err(fail(format!("{extra} tensors belong to no stage")));
        }
        net.check_tensors()?;
        Ok(net)
    }

    /// Whether a file says of itself that it is a packed network. It may still
    /// be damaged.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn is_packed(path: &Path) -> Result<bool> {
        // The header is a length of 8 bytes and that much JSON.
        const MOST_HEADER: u64 = 1 << 20;
        let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
        let mut start = Vec::new();
        file.take(MOST_HEADER)
            .read_to_end(&mut start)
            .map_err(Error::io("read", path))?;
        let header = start.get(8..).unwrap_or_default();
        let end = start.first_chunk().map_or(0, |n| u64::from_le_bytes(*n));
        let header = &header[..header.len().min(end as usize)];
        let key = format!("\"{KEY}\"");
        Ok(header.windows(key.len()).any(|w| w == key.as_bytes()))
    }

    /// Reads a packed file.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], or a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        // Its bytes and the tensors made of them are there at once.
        let bytes = bounded::read(path, MOST_BYTES, 2)?;
        Self::from_bytes(&bytes).map_err(|e| Error::checkpoint(path, e.to_string()))
    }

    /// Writes a packed file, whole or not at all; returns its size in bytes.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<usize> {
        let bytes = self.to_bytes()?;
        write_atomic_bytes(path, &bytes)?;
        Ok(bytes.len())
    }
}

fn words<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|w| from(*w)).collect()
}
