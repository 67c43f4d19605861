//! Sums of neighbouring pixels under every pattern of signs, written once over a register of
//! [`Bytes`].

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use crate::kernels::vector::Bytes;

/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn signed_sums<B: Bytes>(
    x: &[i16],
    k: usize,
    pitch: usize,
    lanes: usize,
    rows: usize,
    out: &mut [i16],
) {
    // SAFETY: guaranteed by the caller, whatever `k` is.
    unsafe {
        match k {
            1 => patterns::<B, 1, 1>(x, 0, pitch, lanes, rows, out),
            2 => patterns::<B, 2, 2>(x, 0, pitch, lanes, rows, out),
            3 => patterns::<B, 3, 4>(x, 0, pitch, lanes, rows, out),
            4 => patterns::<B, 4, 8>(x, 0, pitch, lanes, rows, out),
            5 => patterns::<B, 5, 16>(x, 0, pitch, lanes, rows, out),
            _ => {
                patterns::<B, 5, 16>(x, k - 5, pitch, lanes, rows, out);
                further_patterns::<B>(x, k, pitch, lanes, rows, out);
            }
        }
    }
}

/// Computes the patterns of `k` neighbours from those of the first five.
///
/// # Safety
/// As for [`signed_sums`].
#[inline(always)]
unsafe fn further_patterns<B: Bytes>(
    x: &[i16],
    k: usize,
    pitch: usize,
    lanes: usize,
    rows: usize,
    out: &mut [i16],
) {
    for (r, j) in (0..x.len() / pitch).flat_map(|r| (5..k).map(move |j| (r, j))) {
        for lane in (0..lanes).step_by(B::LEN / 2) {
            // SAFETY: as in `patterns`.
            unsafe {
                let x = B::load(x.as_ptr().add(r * pitch + lane + j).cast());
                let twice = x.add16(x);
                let out = out.as_mut_ptr().add(r * lanes + lane).cast::<u8>();
                for m in 0..1 << (j - 1) {
                    let sum = B::load(out.add(2 * m * rows * lanes)).sub16(twice);
                    sum.store(out.add(2 * (m | 1 << (j - 1)) * rows * lanes));
                }
            }
        }
    }
}

/// Computes the `P` patterns of the first `K` neighbours; the `further` neighbours after them have
/// positive signs.
///
/// # Safety
/// As for [`signed_sums`].
#[inline(always)]
unsafe fn patterns<B: Bytes, const K: usize, const P: usize>(
    x: &[i16],
    further: usize,
    pitch: usize,
    lanes: usize,
    rows: usize,
    out: &mut [i16],
) {
    for r in 0..x.len() / pitch {
        for lane in (0..lanes).step_by(B::LEN / 2) {
            // SAFETY: a row has `lanes + K - 1` numbers, and `out` row `r` of every
            // pattern.
            unsafe {
                let load = |j: usize| B::load(x.as_ptr().add(r * pitch + lane + j).cast());
                let to = out.as_mut_ptr().add(r * lanes + lane);
                let (mut sum, mut twice) = ([load(0); P], [B::splat16(0); K]);
                for j in 1..K {
                    let x = load(j);
                    sum[0] = sum[0].add16(x);
                    twice[j] = x.add16(x);
                }
                for j in K..K + further {
                    sum[0] = sum[0].add16(load(j));
                }
                for j in 1..K {
                    for m in 0..1 << (j - 1) {
                        sum[m | 1 << (j - 1)] = sum[m].sub16(twice[j]);
                    }
                }
                for m in 0..P {
                    sum[m].store(to.add(m * rows * lanes).cast());
                }
            }
        }
    }
}
