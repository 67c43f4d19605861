//! Sums of real weights over bits in 16 bits, which estimate the sums of floats, and the decision which
//! pooled bits such estimates settle. Written once over a register of [`Bytes`].

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::shapes::{Lookups, ShortRows, TableRow};
use crate::kernels::vector::Bytes;

/// Number of bytes in a line of the cache.
const LINE: usize = 64;

/// Computes all sums of table entries, for rows of 16 or 32 integers.
///
/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn look_up<B: Bytes>(
    rows: &[TableRow],
    l: &Lookups<'_, i16>,
    out: &mut [i16],
) {
    // SAFETY: guaranteed by the caller; a row is that wide and fills that many registers, or half
    // of one of 64 bytes.
    unsafe {
        match (l.width, B::LEN) {
            (16, 16) => positions::<B, 4, 2, 16>(rows, l, out),
            (16, _) => positions::<B, 8, 1, 16>(rows, l, out),
            (_, 16) => positions::<B, 3, 4, 32>(rows, l, out),
            (_, 32) => positions::<B, 4, 2, 32>(rows, l, out),
            _ => positions::<B, 8, 1, 32>(rows, l, out),
        }
    }
}

/// Computes all positions, `P` of them at a time, for table rows of `W` registers and `N` integers.
///
/// # Safety
/// As for [`look_up`].
#[inline(always)]
unsafe fn positions<B: Bytes, const P: usize, const W: usize, const N: usize>(
    rows: &[TableRow],
    l: &Lookups<'_, i16>,
    out: &mut [i16],
) {
    let (n, mut p) = (l.starts.len(), 0);
    // The next call's table usually follows this one's. Its entries are used in any order, which no
    // processor foresees, so it is fetched meanwhile.
    let bytes = 32 * N * l.offsets.len();
    let each = (bytes * P / n).next_multiple_of(LINE);
    let next = l.table.as_ptr().wrapping_add(bytes / 2).cast::<u8>();
    // SAFETY: the positions lie within the caller's lengths.
    unsafe {
        while p + P <= n {
            for at in (0..each).step_by(LINE) {
                B::prefetch(next.wrapping_add(p / P * each + at));
            }
            block::<B, P, W, N>(rows, l, out, p);
            p += P;
        }
        while p < n {
            block::<B, 1, W, N>(rows, l, out, p);
            p += 1;
        }
    }
}

/// Computes `P` positions from position `p` on.
///
/// # Safety
/// As for [`look_up`].
#[inline(always)]
unsafe fn block<B: Bytes, const P: usize, const W: usize, const N: usize>(
    rows: &[TableRow],
    l: &Lookups<'_, i16>,
    out: &mut [i16],
    p: usize,
) {
    let last = const { if 2 * N < B::LEN { 2 * N } else { B::LEN } };
    // SAFETY: positions p .. p + P exist; every start plus offset lies within `rows`, 16 rows
    // of each look-up within the table, and a row at each position of `out`.
    unsafe {
        let mut sum = [[B::splat16(0); W]; P];
        let mut start = [rows.as_ptr(); P];
        for i in 0..P {
            start[i] = rows.as_ptr().add(l.starts[p + i] as usize);
            let from = out.as_ptr().add((p + i) * l.out_step).cast::<u8>();
            for v in 0..W {
                sum[i][v] = B::load_first(from.add(v * B::LEN), last);
            }
        }
        let mut table = l.table.as_ptr().cast::<u8>();
        for &offset in l.offsets {
            for i in 0..P {
                let row = (*start[i].add(offset as usize)).of(table, N);
                for v in 0..W {
                    sum[i][v] = sum[i][v].add16(B::load_first(row.add(v * B::LEN), last));
                }
            }
            table = table.add(32 * N);
        }
        for i in 0..P {
            let to = out.as_mut_ptr().add((p + i) * l.out_step).cast::<u8>();
            for v in 0..W {
                sum[i][v].store_first(to.add(v * B::LEN), last);
            }
        }
    }
}

/// Pools estimates by 2 x 2 windows, and tells which results are in doubt.
///
/// # Safety
/// The processor has the instruction set, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn cut_pool<B: Bytes>(
    rows: &[i16],
    s: &ShortRows<'_>,
    above: &mut [u8],
    doubt: &mut [u8],
) {
    let groups = s.channels / 4;
    let windows = above.chunks_exact_mut(groups);
    for (x, (above, doubt)) in windows.zip(doubt.chunks_exact_mut(groups)).enumerate() {
        for c in (0..s.channels).step_by(B::LEN) {
            // SAFETY: two pixels of each row lie at 2x, and both they and the margins have
            // `s.pixel` integers.
            let (over, near) = unsafe {
                let mut over = [B::splat16(i16::MIN); 2];
                let mut near = over;
                for half in 0..2 {
                    let first = c + half * (B::LEN / 2);
                    if first < s.pixel {
                        let bytes = (2 * (s.pixel - first)).min(B::LEN);
                        let load = |x: &[i16], at| B::load_first(x.as_ptr().add(at).cast(), bytes);
                        let at = 2 * x * s.pixel + first;
                        let top = load(rows, at).max16(load(rows, at + s.pixel));
                        let bottom = load(rows, at + s.row).max16(load(rows, at + s.row + s.pixel));
                        let (most, margin) = (top.max16(bottom), load(s.margin, first));
                        over[half] = most.sub16(margin);
                        near[half] = most.add16(margin);
                    }
                }
                let over = B::above16(over, B::splat16(0));
                (over, B::above16(near, B::splat16(-1)) & !over)
            };
            spread::<B>(over, &mut above[c / 4..]);
            spread::<B>(near, &mut doubt[c / 4..]);
        }
    }
}

/// Writes each 4 bits of a mask as a byte, as many as there is room for.
#[inline(always)]
fn spread<B: Bytes>(mask: u64, mut out: &mut [u8]) {
    for half in 0..(B::LEN / 32).max(1) {
        let mut x = mask >> (32 * half) & 0xffff_ffff;
        x = (x | x << 16) & 0x0000_ffff_0000_ffff;
        x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
        x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        let bytes = x.to_le_bytes();
        // Constant lengths: a copy of another length is a call.
        match out.len() {
            8.. if B::LEN >= 32 => {
                out[..8].copy_from_slice(&bytes);
                out = &mut out[8..];
            }
            4.. => {
                out[..4].copy_from_slice(&bytes[..4]);
                if B::LEN >= 32 {
                    let more = out.len() - 4;
                    out[4..].copy_from_slice(&bytes[4..4 + more]);
                }
                return;
            }
            few => return out.copy_from_slice(&bytes[..few]),
        }
    }
}
