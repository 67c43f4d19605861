//! NEON: register tiles of 6 x 16, whose accumulators take 24 of the 32 registers.

mod limits;
mod packed;
mod vector;

use core::arch::aarch64::*;

use super::{Isa, has, table};
use crate::kernels::tile::tiles;
use crate::kernels::{Kernels, tiling};

pub(super) static KERNELS: Kernels = table!(
    Isa::Neon, ["neon"], float32x4_t, Neon, 2,
    products: tiling::products!(Neon),
    packed: packed::PACKED,
    limits: || limits::LOOPS
);

// 6 x 4 accumulators, 4 registers of `B` and 1 of `A`; half as many registers a row if half a panel
// holds all columns.
tiles!(
    Neon, ["neon"], float32x4_t,
    panels: 1,
    wide: 4 x [1 2 3 4 5 6],
    narrow: 2 x [1 2 3 4 5 6 7 8]
);

/// Returns whether the processor has NEON.
pub(super) fn detected() -> bool {
    has!("neon")
}
