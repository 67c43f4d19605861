//! Products of real weights with bits as sums of table entries, written once over a [`Vector`];
//! [`Lookups`] describes the tables.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

use super::shapes::Lookups;
use crate::kernels::vector::Vector;

/// Computes all positions, `P` of them at a time, for table rows of `W` registers.
///
/// # Safety
/// The processor has the instruction set, rows have that width, and the lengths were checked.
#[inline(always)]
pub(in crate::kernels) unsafe fn all<V: Vector, const P: usize, const W: usize>(
    nibbles: &[u8],
    l: &Lookups<'_>,
    out: &mut [f32],
) {
    debug_assert_eq!(l.width, W * V::LANES);
    let (n, mut p) = (l.starts.len(), 0);
    // SAFETY: the positions lie within the caller's lengths.
    unsafe {
        while p + P <= n {
            block::<V, P, W>(nibbles, l, out, p);
            p += P;
        }
        while p < n {
            block::<V, 1, W>(nibbles, l, out, p);
            p += 1;
        }
    }
}

/// Computes `P` positions from position `p` on.
///
/// # Safety
/// As for [`all`].
#[inline(always)]
unsafe fn block<V: Vector, const P: usize, const W: usize>(
    nibbles: &[u8],
    l: &Lookups<'_>,
    out: &mut [f32],
    p: usize,
) {
    // SAFETY: positions p .. p + P exist; every start plus offset lies within
    // `nibbles`, 16 rows of each look-up within the table, and rows of W registers
    // at each position of `out`.
    unsafe {
        let mut sum = [[V::splat(0.0); W]; P];
        let mut start = [nibbles.as_ptr(); P];
        for i in 0..P {
            start[i] = nibbles.as_ptr().add(l.starts[p + i] as usize);
            for v in 0..W {
                sum[i][v] = V::load(out.as_ptr().add((p + i) * l.out_step + v * V::LANES));
            }
        }
        let mut table = l.table.as_ptr();
        for &offset in l.offsets {
            for i in 0..P {
                let nibble = usize::from(*start[i].add(offset as usize) & 15);
                let row = table.add(nibble * W * V::LANES);
                for v in 0..W {
                    sum[i][v] = sum[i][v].add(V::load(row.add(v * V::LANES)));
                }
            }
            table = table.add(16 * W * V::LANES);
        }
        for i in 0..P {
            for v in 0..W {
                let to = out.as_mut_ptr().add((p + i) * l.out_step + v * V::LANES);
                sum[i][v].store(to);
            }
        }
    }
}
