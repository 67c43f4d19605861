//! Floor 6: packing under its older name.

use crate::error::Result;
use crate::model::Network;
use crate::packed::PackedNet;

pub use crate::model::{Difference, Verification, verify};

/// [`Network::pack`].
///
/// # Errors
/// As [`Network::pack`].
pub fn lower(net: &Network) -> Result<PackedNet> {
    net.pack()
}
