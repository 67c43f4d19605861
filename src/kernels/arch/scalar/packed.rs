//! The scalar kernels of packed inference, which are the specification of all others.

use crate::kernels::packed::block_sums::BlockTerms;
use crate::kernels::packed::common::{
    even_bits, gather_rows_of, planes_of, pool_rows_of, pool2_of,
};
use crate::kernels::packed::rows::{Limit, ROW, RowTerms};
use crate::kernels::packed::{Lookups, Packed, ShortRows, TableRow, Terms};

pub(in crate::kernels::arch) const PACKED: Packed = Packed {
    sum8,
    sum16,
    add_sums,
    cut8,
    cut16,
    cut_sum16,
    unpack,
    planes: |bytes, b, out| planes_of(bytes, b, out),
    signed_sums,
    pool2: |bits, from, size, invert, out, to| {
        pool2_of(bits, from, size, invert, out, to, even_bits)
    },
    differ,
    dot,
    look_up,
    cut_pool2,
    look_up16,
    cut_pool16,
    row_lanes: 1,
    cut_rows,
    gather_rows: |x, order, out| gather_rows_of(x, order, out),
    pool_rows: |x, order, columns, invert, out, to| {
        pool_rows_of(x, order, columns, invert, out, to, even_bits)
    },
    #[cfg(feature = "std")]
    slices: super::slices::SLICES,
};

fn sum8(x: &[u8], terms: &Terms, out: &mut [u8]) {
    out.fill(terms.init as u8);
    for &offset in terms.adds() {
        for (out, &x) in out.iter_mut().zip(&x[offset as usize..]) {
            *out = out.wrapping_add(x);
        }
    }
    for &offset in terms.subs() {
        for (out, &x) in out.iter_mut().zip(&x[offset as usize..]) {
            *out = out.wrapping_sub(x);
        }
    }
}

fn sum16(x: &[i16], terms: &Terms, out: &mut [i16]) {
    out.fill(terms.init);
    for &offset in terms.adds() {
        for (out, &x) in out.iter_mut().zip(&x[offset as usize..]) {
            *out = out.wrapping_add(x);
        }
    }
    for &offset in terms.subs() {
        for (out, &x) in out.iter_mut().zip(&x[offset as usize..]) {
            *out = out.wrapping_sub(x);
        }
    }
}

fn add_sums(x: &[u8], terms: &BlockTerms, first: bool, out: &mut [i16]) {
    let n = out.len() / terms.outputs();
    for (o, out) in out.chunks_exact_mut(n).enumerate() {
        let (init, adds, subs) = terms.of(o);
        for (q, out) in out.iter_mut().enumerate() {
            let at = |offset: &u16| x[usize::from(*offset) + q];
            let sum = adds.iter().map(at).fold(init, u8::wrapping_add);
            let sum = subs.iter().map(at).fold(sum, u8::wrapping_sub);
            let before = if first { 0 } else { *out };
            *out = before.wrapping_add(i16::from(sum));
        }
    }
}

fn cut8(sums: &[u8], sections: usize, threshold: i32, out: &mut [u64]) {
    let n = sums.len() / sections;
    out.fill(0);
    for q in 0..n {
        let sum: i32 = (0..sections).map(|s| i32::from(sums[s * n + q])).sum();
        out[q / 64] |= u64::from(sum >= threshold) << (q % 64);
    }
}

fn cut16(x: &[i16], below: i16, out: &mut [u64]) {
    for (x, out) in x.chunks(64).zip(out) {
        let bits = x.iter().enumerate();
        *out = bits.fold(0, |word, (i, &x)| word | u64::from(x > below) << i);
    }
}

fn cut_sum16(x: &[i16], terms: &Terms, below: i16, n: usize, out: &mut [u64]) {
    let mut sums = [0; 64];
    for (q, out) in (0..n).step_by(64).zip(out) {
        let sums = &mut sums[..64.min(n - q)];
        sum16(&x[q..], terms, sums);
        cut16(sums, below, core::slice::from_mut(out));
    }
}

fn unpack(bits: &[u64], out: &mut [u8]) {
    for (q, out) in out.iter_mut().enumerate() {
        *out = if bits[q / 64] >> (q % 64) & 1 == 1 {
            1
        } else {
            255
        };
    }
}

fn signed_sums(x: &[i16], k: usize, pitch: usize, lanes: usize, out_rows: usize, out: &mut [i16]) {
    let pattern = out_rows * lanes;
    for (r, x) in x.chunks_exact(pitch).enumerate() {
        let row = &mut out[r * lanes..][..lanes];
        row.copy_from_slice(&x[..lanes]);
        for j in 1..k {
            for (out, &x) in row.iter_mut().zip(&x[j..][..lanes]) {
                *out = out.wrapping_add(x);
            }
        }
        for j in 1..k {
            let x = &x[j..][..lanes];
            for m in 0..1 << (j - 1) {
                let (done, rest) = out.split_at_mut((m | 1 << (j - 1)) * pattern);
                let done = &done[m * pattern + r * lanes..][..lanes];
                let out = &mut rest[r * lanes..][..lanes];
                for ((out, &done), &x) in out.iter_mut().zip(done).zip(x) {
                    *out = done.wrapping_sub(x.wrapping_mul(2));
                }
            }
        }
    }
}

fn differ(x: &[u64], w: &[u64], out: &mut [i32]) {
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        *out = x
            .iter()
            .zip(row)
            .map(|(x, w)| (x ^ w).count_ones() as i32)
            .sum();
    }
}

fn dot(x: &[u8], w: &[i8], out: &mut [i32]) {
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        *out = x
            .iter()
            .zip(row)
            .map(|(&x, &w)| i32::from(x) * i32::from(w))
            .sum();
    }
}

fn look_up(nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    for (p, &start) in l.starts.iter().enumerate() {
        let out = &mut out[p * l.out_step..][..l.width];
        for (table, &offset) in l.table.chunks_exact(16 * l.width).zip(l.offsets) {
            let nibble = usize::from(nibbles[(start + offset) as usize] & 15);
            for (out, &x) in out.iter_mut().zip(&table[nibble * l.width..]) {
                *out += x;
            }
        }
    }
}

fn cut_pool2(rows: &[f32], step: usize, channels: usize, threshold: &[f32], out: &mut [u8]) {
    for (x, nibbles) in out.chunks_exact_mut(channels / 4).enumerate() {
        let at = 2 * x * channels;
        for (g, nibble) in nibbles.iter_mut().enumerate() {
            *nibble = (0..4).fold(0, |nibble, j| {
                let c = 4 * g + j;
                let place = [at, at + channels, at + step, at + step + channels];
                let above = place.iter().any(|&p| rows[p + c] > threshold[c]);
                nibble | u8::from(above) << j
            });
        }
    }
}

fn look_up16(rows: &[TableRow], l: &Lookups<'_, i16>, out: &mut [i16]) {
    for (p, &start) in l.starts.iter().enumerate() {
        let out = &mut out[p * l.out_step..][..l.width];
        for (table, &offset) in l.table.chunks_exact(16 * l.width).zip(l.offsets) {
            let row = rows[(start + offset) as usize].index();
            for (out, &x) in out.iter_mut().zip(&table[row * l.width..]) {
                *out = out.wrapping_add(x);
            }
        }
    }
}

fn cut_pool16(rows: &[i16], s: &ShortRows<'_>, above: &mut [u8], doubt: &mut [u8]) {
    let groups = s.channels / 4;
    let windows = above.chunks_exact_mut(groups);
    for (x, (above, doubt)) in windows.zip(doubt.chunks_exact_mut(groups)).enumerate() {
        above.fill(0);
        doubt.fill(0);
        let at = 2 * x * s.pixel;
        for c in 0..s.channels {
            let places = [at, at + s.pixel, at + s.row, at + s.row + s.pixel];
            let most = places
                .map(|p| rows[p + c])
                .into_iter()
                .fold(i16::MIN, i16::max);
            let (over, near) = (most > s.margin[c], most >= -s.margin[c]);
            above[c / 4] |= u8::from(over) << (c % 4);
            doubt[c / 4] |= u8::from(near && !over) << (c % 4);
        }
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
