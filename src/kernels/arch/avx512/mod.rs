//! AVX-512: tiles of 8 x 32 (two panels side by side) in 16 of the 32 registers,
//! 8 x 16 where one panel is left. More rows would fit the registers of vectors,
//! but not the pointers to the rows those of addresses.

mod limits;
mod packed;
mod vector;

use std::arch::x86_64::*;

use super::{Isa, avx2, table};
use crate::kernels::tile::tiles;
use crate::kernels::{Kernels, tiling};

pub(super) static KERNELS: Kernels = table!(
    Isa::Avx512, ["avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"], __m512, Avx512, 8,
    products: tiling::products!(Avx512),
    packed: packed::PACKED,
    limits: limits::loops
);

tiles!(
    Avx512, ["avx512f"], __m512,
    panels: 2,
    wide: 2 x [1 2 3 4 5 6 7 8],
    narrow: 1 x [1 2 3 4 5 6 7 8]
);

/// Whether the machine has F, BW, DQ and VL, and AVX2 with what comes with that.
pub(super) fn detected() -> bool {
    avx2::detected()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}
