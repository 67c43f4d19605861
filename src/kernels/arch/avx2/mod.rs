//! AVX2 and FMA: register tiles of 6 x 16, whose accumulators take 12 of the 16 registers.

pub(super) mod limits;
pub(super) mod packed;
mod vector;

use core::arch::x86_64::*;

use super::{Isa, has, table};
use crate::kernels::tile::tiles;
use crate::kernels::{Kernels, tiling};

pub(super) static KERNELS: Kernels = table!(
    Isa::Avx2, ["avx2,fma"], __m256, Avx2, 2,
    products: tiling::products!(Avx2),
    packed: packed::PACKED,
    limits: || limits::LOOPS
);

// 6 x 2 accumulators, 2 registers of `B` and 1 of `A`; if one register holds all columns, 8 x 1
// accumulators are enough to hide the latency of the FMA.
tiles!(
    Avx2, ["avx2,fma"], __m256,
    panels: 1,
    wide: 2 x [1 2 3 4 5 6],
    narrow: 1 x [1 2 3 4 5 6 7 8]
);

/// Returns whether the processor has AVX2, FMA, BMI2 and POPCNT.
pub(super) fn detected() -> bool {
    ![has!("avx2"), has!("fma"), has!("bmi2"), has!("popcnt")].contains(&false)
}
