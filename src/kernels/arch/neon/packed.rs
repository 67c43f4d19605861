//! The kernels of packed inference that are written for NEON alone. Functions that are neither here
//! nor written once for all instruction sets are the scalar ones, which the compiler vectorises.

use core::arch::aarch64::*;

use crate::kernels::arch::scalar;
use crate::kernels::compile::compiled;
use crate::kernels::packed::look_up::all;
use crate::kernels::packed::{self, Lookups, Packed};

pub(super) const PACKED: Packed = packed::functions!(["neon"], uint8x16_t, OTHERS);

const OTHERS: Packed = Packed {
    look_up,
    ..scalar::packed::PACKED
};

compiled! { ["neon"]
    fn look_up(nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) = look_up_of;
}

/// # Safety
/// The processor has NEON, and the lengths were checked.
#[inline(always)]
unsafe fn look_up_of(nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    // SAFETY: guaranteed by the caller; the widths are those of the rows.
    unsafe {
        match l.width {
            8 => all::<float32x4_t, 4, 2>(nibbles, l, out),
            16 => all::<float32x4_t, 4, 4>(nibbles, l, out),
            _ => all::<float32x4_t, 2, 8>(nibbles, l, out),
        }
    }
}
