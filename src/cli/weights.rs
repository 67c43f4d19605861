//! Files of weights that the user names.

use std::path::Path;

use bnn_cpu::Error;
use bnn_cpu::model::weights::{self, NamedTensor};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::train::BestWeights;

use super::Outcome;

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
            Err(_) => error,
        })?;
    let best = match about {
        Some(_) => weights::read::<BestWeights>(path).ok().map(|read| read.1),
        None => None,
    };
    Ok((tensors, best))
}
