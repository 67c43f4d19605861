//! The IDX format: the file format of MNIST and of many data sets modelled on it.
//!
//! A file is a four-byte magic (0, 0, element type, number of dimensions), one big-endian 32-bit
//! length per dimension, then the elements, big-endian, in row-major order, and nothing after them.
//! A file may be compressed by gzip, which is recognised by its first bytes and not by its name.
//!
//! Images are unsigned bytes in three dimensions (N, H, W) or four (N, H, W, C); labels have one
//! dimension and are u8, i16 or i32. QMNIST's labels have two dimensions, N rows of eight i32, of
//! which the first is the class.
//!
//! **Invariant:** the lengths that a header states are not trusted. Memory grows with the bytes
//! that are really there, and never beyond [`LIMIT`].

pub(super) use super::idx_files::{join, read_places};
pub use super::idx_files::{read_dataset, read_images, read_labels, read_split};
pub(super) use super::idx_parse::decompressed;
pub use super::idx_parse::{LIMIT, MAX_CLASSES, parse_images, parse_labels};
pub use super::idx_write::{encode_images, encode_labels, gzip, write_dataset};

#[cfg(test)]
#[path = "idx_tests.rs"]
mod tests;
