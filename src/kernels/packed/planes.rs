//! Planes of a group of channels, written once over a register of [`Bytes`];
//! [`super`] describes them.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use crate::kernels::vector::Bytes;

/// The number of channels whose patterns are computed in registers, all at once.
const FIRST: usize = 3;

/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn planes<B: Bytes>(bytes: &[u8], b: usize, out: &mut [u8]) {
    // SAFETY: guaranteed by the caller; K is at most b - 1.
    unsafe {
        match b {
            1 => patterns::<B, 0, 1>(bytes, b, out),
            2 => patterns::<B, 1, 2>(bytes, b, out),
            3 => patterns::<B, 2, 4>(bytes, b, out),
            _ => {
                patterns::<B, FIRST, 8>(bytes, b, out);
                further_patterns::<B>(bytes, b, out);
            }
        }
    }
}

/// Computes the `P` planes of the patterns in which only the first `K` channels may be 1. A byte of
/// a channel is 1 for a bit 1, and 255, which is -1, for a bit 0.
///
/// # Safety
/// As for [`planes`].
#[inline(always)]
unsafe fn patterns<B: Bytes, const K: usize, const P: usize>(
    bytes: &[u8],
    b: usize,
    out: &mut [u8],
) {
    let n = bytes.len() / b;
    for at in (0..n).step_by(B::LEN) {
        let len = (n - at).min(B::LEN);
        // SAFETY: each channel and each plane have `len` bytes from `at` on.
        unsafe {
            let load = |j: usize| B::load_first(bytes.as_ptr().add(j * n + at), len);
            let mut plane = [B::splat8(0); P];
            let mut x = [B::splat8(0); K];
            for j in 0..K {
                x[j] = load(j);
                plane[0] = plane[0].add8(x[j].top_bits());
            }
            for j in K..b {
                plane[0] = plane[0].add8(load(j).top_bits());
            }
            for j in 0..K {
                for m in 0..1 << j {
                    plane[m | 1 << j] = plane[m].add8(x[j]);
                }
            }
            for m in 0..P {
                plane[m].store_first(out.as_mut_ptr().add(m * n + at), len);
            }
        }
    }
}

/// Computes the planes of the patterns in which a channel after the first ones is 1, from those in
/// which it is 0.
///
/// # Safety
/// As for [`planes`].
#[inline(always)]
unsafe fn further_patterns<B: Bytes>(bytes: &[u8], b: usize, out: &mut [u8]) {
    let n = bytes.len() / b;
    for (j, at) in (FIRST..b - 1).flat_map(|j| (0..n).step_by(B::LEN).map(move |at| (j, at))) {
        let len = (n - at).min(B::LEN);
        // SAFETY: as in `patterns`.
        unsafe {
            let x = B::load_first(bytes.as_ptr().add(j * n + at), len);
            let out = out.as_mut_ptr().add(at);
            for m in 0..1 << j {
                let plane = B::load_first(out.add(m * n), len).add8(x);
                plane.store_first(out.add((m | 1 << j) * n), len);
            }
        }
    }
}
