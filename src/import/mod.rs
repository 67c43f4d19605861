//! Networks of other programs: ONNX files become a spec and its tensors (floor 6).
//!
//! Understood are the operators that trained networks of this crate's layers consist of, also in
//! QONNX; everything else is refused by the name of its node. Constants that a file computes from
//! others are computed here. A comparison is one of every float: `x >= 0` becomes a unit over `x + t`
//! with the least float `t` above 0. `Sign`, which is 0 of 0, becomes a unit that is -1 there; over
//! whole numbers, where that is often so, it is refused. Nothing here reads or writes files.

mod arithmetic;
mod array;
mod builder;
mod file;
mod operators;
mod product;
mod quantiser;
mod reader;
mod settings;
mod sides;
mod unit;
mod value;
mod window;
mod wire;

use crate::model::ModelSpec;
use crate::model::weights::NamedTensor;

/// A network that was read: what it is, and its weights under the names of that spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The network.
    pub spec: ModelSpec,
    /// Its parameters and running statistics.
    pub tensors: Vec<NamedTensor>,
}

/// Returns whether bytes look like an ONNX file and not like one of safetensors: the first field is
/// the version of the form.
pub fn is_onnx(bytes: &[u8]) -> bool {
    let fields = [0x12, 0x1a, 0x22, 0x2a, 0x32, 0x3a, 0x42, 0x72];
    let begins =
        matches!(bytes, [0x08, version, next, ..] if *version < 64 && fields.contains(next));
    begins && bytes.get(8) != Some(&b'{')
}

/// Reads an ONNX file; the network gets the name `name`.
///
/// # Errors
/// What is wrong, in words that complete "the file ...": bytes that are no such file, or the first
/// node that is not understood, by its name.
pub fn onnx(bytes: &[u8], name: &str) -> Result<Imported, String> {
    let graph = file::Graph::read(bytes)?;
    let mut from = reader::Reader::new(&graph)?;
    for (i, node) in graph.nodes.iter().enumerate() {
        let named = || match (node.name, node.outputs.first()) {
            ("", Some(output)) => shown(output),
            ("", None) => i.to_string(),
            (name, _) => shown(name),
        };
        let refused = |what| format!("holds node {} ({}), which {what}", named(), shown(node.op));
        operators::read(node, &mut from).map_err(refused)?;
    }
    from.finish(name)
}

/// Returns the beginning of a name of a file as a line can show it.
fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}
