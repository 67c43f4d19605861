//! The scalar kernel: the specification.

use super::{Limit, ROW, RowTerms, Rows};

pub(in crate::kernels) const ROWS: Rows = Rows {
    lanes: 1,
    cut_rows,
    gather,
};

pub(super) fn gather(x: &[u64], order: &[u16], out: &mut [u64]) {
    let row = |i: u16| x[usize::from(i / 4)] >> (i % 4 * 16) & 0xffff;
    for (out, order) in out.iter_mut().zip(order.chunks_exact(4)) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| row(order[i]));
        *out = a | b << 16 | c << 32 | d << 48;
    }
}

fn cut_rows(x: &[u8], terms: &RowTerms, limit: Limit, rows: usize, out: &mut [u64]) {
    out.fill(0);
    for r in 0..rows {
        let mut total = terms.edge;
        for (dx, (init, adds, subs)) in terms.columns().enumerate() {
            let mut part = [init; ROW];
            for &offset in adds {
                for (part, &x) in part.iter_mut().zip(&x[offset as usize + ROW * r..]) {
                    *part = part.wrapping_add(x);
                }
            }
            for &offset in subs {
                for (part, &x) in part.iter_mut().zip(&x[offset as usize + ROW * r..]) {
                    *part = part.wrapping_sub(x);
                }
            }
            for (total, &part) in total.iter_mut().zip(&part[dx..]) {
                *total = total.saturating_add(part);
            }
        }
        for (j, &total) in total.iter().enumerate() {
            let bit = match limit {
                Limit::AtLeast(t) => total >= t,
                Limit::AtMost(t) => total <= t,
            };
            out[r / 4] |= u64::from(bit) << (ROW * (r % 4) + j);
        }
    }
}
