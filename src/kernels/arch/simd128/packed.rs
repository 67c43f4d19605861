//! The kernels of packed inference that are written for simd128 alone.

use core::arch::wasm32::*;

use crate::kernels::arch::scalar;
use crate::kernels::packed::look_up::all;
use crate::kernels::packed::{self, Lookups, Packed};

pub(super) const PACKED: Packed = Packed {
    planes,
    ..packed::functions!([], v128, OTHERS)
};

const OTHERS: Packed = Packed {
    look_up,
    ..scalar::packed::PACKED
};

fn look_up(nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    // SAFETY: the lengths were checked; the widths are those of the rows.
    unsafe {
        match l.width {
            8 => all::<v128, 2, 2>(nibbles, l, out),
            16 => all::<v128, 2, 4>(nibbles, l, out),
            _ => all::<v128, 1, 8>(nibbles, l, out),
        }
    }
}

/// As [`packed::common::planes_of`], 16 bytes at a time.
fn planes(bytes: &[u8], b: usize, out: &mut [u8]) {
    let n = bytes.len() / b;
    let channel = |j: usize| &bytes[j * n..][..n];
    let first = &mut out[..n];
    first.fill(0);
    for j in 0..b {
        add_to(first, channel(j), |x, y| u8x16_add(x, u8x16_shr(y, 7)));
    }
    for j in 0..b - 1 {
        let (done, rest) = out.split_at_mut(n << j);
        for (done, out) in done.chunks_exact(n).zip(rest.chunks_exact_mut(n)) {
            out.copy_from_slice(done);
            add_to(out, channel(j), |x, y| u8x16_add(x, y));
        }
    }
}

/// Puts `of(x, y)` in the place of each `x`; both slices have one length.
#[inline(always)]
fn add_to(x: &mut [u8], y: &[u8], of: impl Fn(v128, v128) -> v128) {
    let (whole, rest) = x.as_chunks_mut::<16>();
    let (others, last) = y.as_chunks::<16>();
    let one = |x: &mut [u8; 16], y: &[u8; 16]| {
        // SAFETY: both have 16 bytes.
        unsafe {
            let sum = of(v128_load(x.as_ptr().cast()), v128_load(y.as_ptr().cast()));
            v128_store(x.as_mut_ptr().cast(), sum);
        }
    };
    for (x, y) in whole.iter_mut().zip(others) {
        one(x, y);
    }
    if !rest.is_empty() {
        let (mut a, mut b) = ([0; 16], [0; 16]);
        a[..rest.len()].copy_from_slice(rest);
        b[..rest.len()].copy_from_slice(last);
        one(&mut a, &b);
        rest.copy_from_slice(&a[..rest.len()]);
    }
}
