//! Files of weights that the user names.

#[cfg(feature = "onnx")]
use std::fs::File;
#[cfg(feature = "onnx")]
use std::io::Read;
use std::path::Path;

use bnn_cpu::Error;
use bnn_cpu::model::weights::{self, NamedTensor};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::train::BestWeights;
#[cfg(feature = "onnx")]
use bnn_cpu::{bounded, import};

use super::Outcome;

/// The largest ONNX file, in bytes; its numbers are in memory a second time while it is read.
#[cfg(feature = "onnx")]
const MAX_ONNX: u64 = 1 << 30;
#[cfg(feature = "onnx")]
const COPIES: u64 = 3;

/// The network in the ONNX file `path`; `None` if it is none.
///
/// # Errors
/// An ONNX file that is not understood.
#[cfg(feature = "onnx")]
pub fn onnx(path: &Path) -> Outcome<Option<import::Imported>> {
    let mut first = Vec::new();
    let read = |file: File| file.take(16).read_to_end(&mut first);
    // What cannot be read is reported by whoever reads it as a file of weights.
    if File::open(path).and_then(read).is_err() || !import::is_onnx(&first) {
        return Ok(None);
    }
    let bytes = bounded::read(path, MAX_ONNX, COPIES)?;
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let net = import::onnx(&bytes, &name.unwrap_or_default());
    Ok(Some(net.map_err(|what| Error::checkpoint(path, what))?))
}

/// The tensors of the file `path`, and what it says of the network that they are of, where it
/// was made by this program.
///
/// # Errors
/// A file that cannot be read or is none of weights; of a packed one, what reads it.
pub fn read(path: &Path) -> Outcome<(Vec<NamedTensor>, Option<BestWeights>)> {
    let (tensors, about) =
        weights::read_any(path).map_err(|error| match PackedNet::read(path) {
            Ok(_) => Error::checkpoint(
                path,
                "is a packed network, not a file of weights; `bnn-cpu infer --model` reads it",
            ),
            Err(_) if path.extension().is_some_and(|end| end == "onnx") => Error::checkpoint(
                path,
                "does not begin as an ONNX file, and is no file of weights either; export it again",
            ),
            Err(_) => error,
        })?;
    let best = match about {
        Some(_) => weights::read::<BestWeights>(path).ok().map(|read| read.1),
        None => None,
    };
    Ok((tensors, best))
}
