//! A packed network as source text in other languages (floor 3).
//!
//! [`c99`] writes a network as one C file and its header, for processors without an operating
//! system as well as for programs in C. Nothing here reads or writes files.

pub mod c99;

/// What an exported file says of its network, in a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// SHA-256 of the packed file of the network, in hexadecimal.
    pub sha256: String,
    /// Further lines: the program, the run, the data, the accuracy.
    pub lines: Vec<String>,
}
