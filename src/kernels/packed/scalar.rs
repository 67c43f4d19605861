//! The scalar kernels: the specification that the others are tested against.

use super::common::{even_bits, planes_of, pool2_of, signed_sums_of};
use super::{Lookups, Packed, Terms, rows};

pub(in crate::kernels) const PACKED: Packed = Packed {
    sum8,
    sum16,
    cut8,
    cut16,
    cut_sum16,
    spread,
    planes: |spread, b, out| planes_of(spread, b, out),
    signed_sums: |x, k, pitch, lanes, rows, out| signed_sums_of(x, k, pitch, lanes, rows, out),
    pool2: |bits, from, size, invert, out, to| {
        pool2_of(bits, from, size, invert, out, to, even_bits)
    },
    differ,
    dot,
    look_up,
    rows: rows::scalar::ROWS,
    cut_pool2,
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
    cut_sum16_by(sum16, x, terms, below, n, out);
}

/// [`cut_sum16`] with a kernel for the sums.
pub(super) fn cut_sum16_by(
    sum16: fn(&[i16], &Terms, &mut [i16]),
    x: &[i16],
    terms: &Terms,
    below: i16,
    n: usize,
    out: &mut [u64],
) {
    let mut sums = [0; 64];
    for (q, out) in (0..n).step_by(64).zip(out) {
        let sums = &mut sums[..64.min(n - q)];
        sum16(&x[q..], terms, sums);
        cut16(sums, below, std::slice::from_mut(out));
    }
}

fn spread(bits: &[u64], out: &mut [u8]) {
    for (q, out) in out.iter_mut().enumerate() {
        *out = if bits[q / 64] >> (q % 64) & 1 == 1 {
            1
        } else {
            255
        };
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

fn look_up(cells: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    for (p, &start) in l.starts.iter().enumerate() {
        let out = &mut out[p * l.out_step..][..l.width];
        for (table, &offset) in l.table.chunks_exact(16 * l.width).zip(l.offsets) {
            let cell = usize::from(cells[(start + offset) as usize] & 15);
            for (out, &x) in out.iter_mut().zip(&table[cell * l.width..]) {
                *out += x;
            }
        }
    }
}

fn cut_pool2(rows: &[f32], step: usize, channels: usize, threshold: &[f32], out: &mut [u8]) {
    for (x, cells) in out.chunks_exact_mut(channels / 4).enumerate() {
        let at = 2 * x * channels;
        for (g, cell) in cells.iter_mut().enumerate() {
            *cell = (0..4).fold(0, |cell, j| {
                let c = 4 * g + j;
                let place = [at, at + channels, at + step, at + step + channels];
                let above = place.iter().any(|&p| rows[p + c] > threshold[c]);
                cell | u8::from(above) << j
            });
        }
    }
}
