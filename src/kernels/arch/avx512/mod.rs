//! AVX-512: register tiles of 8 x 32 (two panels side by side), whose accumulators take 16 of the
//! 32 registers, and tiles of 8 x 16 if one panel is left. More rows would fit the vector
//! registers, but the pointers to the rows would not fit the general-purpose registers.

mod limits;
mod packed;
mod vector;

use core::arch::x86_64::*;

use super::{Isa, avx2, has, table};
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

/// Returns whether the processor has AVX-512 F, BW, DQ and VL, and all that AVX2 kernels need.
pub(super) fn detected() -> bool {
    let own = [
        has!("avx512f"),
        has!("avx512bw"),
        has!("avx512dq"),
        has!("avx512vl"),
    ];
    avx2::detected() && !own.contains(&false)
}
