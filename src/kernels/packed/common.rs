//! Functions of packed inference that are written once and compiled for each instruction set.

use super::shapes::BitRows;

/// Returns 64 bits of a stream from bit `at` on; bits beyond its end are 0.
#[inline(always)]
pub fn window(bits: &[u64], at: usize) -> u64 {
    let (word, shift) = (at / 64, at % 64);
    let low = bits.get(word).map_or(0, |w| w >> shift);
    if shift == 0 {
        return low;
    }
    low | bits.get(word + 1).map_or(0, |w| w << (64 - shift))
}

/// Combines up to 64 bits into a stream at bit `at` by OR.
#[inline(always)]
pub fn deposit(bits: &mut [u64], at: usize, value: u64) {
    let (word, shift) = (at / 64, at % 64);
    bits[word] |= value << shift;
    if shift != 0 && value >> (64 - shift) != 0 {
        bits[word + 1] |= value >> (64 - shift);
    }
}

/// Rows that are collected to a word before they are written to a stream.
pub(in crate::kernels) struct Target<'a> {
    out: &'a mut [u64],
    at: usize,
    word: u64,
    filled: usize,
}

impl<'a> Target<'a> {
    /// Makes a target whose first row starts at bit `at`.
    #[inline(always)]
    pub fn new(out: &'a mut [u64], at: usize) -> Self {
        Self {
            out,
            at,
            word: 0,
            filled: 0,
        }
    }

    /// Adds a row; the row after it starts `step` bits later.
    #[inline(always)]
    pub fn push(&mut self, row: u64, step: usize) {
        if self.filled + step > 64 {
            deposit(self.out, self.at, self.word);
            (self.at, self.word, self.filled) = (self.at + self.filled, 0, 0);
        }
        self.word |= row << self.filled;
        self.filled += step;
    }

    /// Writes the remaining rows.
    #[inline(always)]
    pub fn end(self) {
        deposit(self.out, self.at, self.word);
    }
}

/// Returns the even bits of a word, moved together.
#[inline(always)]
pub fn even_bits(mut x: u64) -> u64 {
    x &= 0x5555_5555_5555_5555;
    x = (x | x >> 1) & 0x3333_3333_3333_3333;
    x = (x | x >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    x = (x | x >> 4) & 0x00ff_00ff_00ff_00ff;
    x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
    (x | x >> 16) & 0x0000_0000_ffff_ffff
}

/// Pools bits by 2 x 2 windows; `even` moves the even bits of a word together.
#[inline(always)]
pub(in crate::kernels) fn pool2_of(
    bits: &[u64],
    from: BitRows,
    (rows, columns): (usize, usize),
    invert: bool,
    out: &mut [u64],
    to: BitRows,
    even: impl Fn(u64) -> u64,
) {
    let inverted = if invert { u64::MAX } else { 0 };
    // For rows of 32 or 16 bits, a word holds both rows of one window or of two; rows that are
    // close in the target are written together.
    let mask = 1u64.checked_shl(columns as u32).map_or(u64::MAX, |m| m - 1);
    let mut target = Target::new(&mut *out, to.origin);
    if from.origin == 0 && from.step == 32 {
        for &x in &bits[..rows] {
            let x = x | x >> 32;
            target.push((even(x | x >> 1) ^ inverted) & mask, to.step);
        }
        return target.end();
    }
    if from.origin == 0 && from.step == 16 {
        for (i, &x) in bits[..rows.div_ceil(2)].iter().enumerate() {
            let x = x | x >> 16;
            let pooled = even(x | x >> 1) ^ inverted;
            target.push(pooled & mask, to.step);
            if 2 * i + 1 < rows {
                target.push(pooled >> 16 & mask, to.step);
            }
        }
        return target.end();
    }
    for first in (0..columns).step_by(32) {
        let width = 32.min(columns - first);
        let mask = (1u64 << width) - 1;
        for y in 0..rows {
            let at = from.origin + 2 * y * from.step + 2 * first;
            let x = window(bits, at) | window(bits, at + from.step);
            let pooled = (even(x | x >> 1) ^ inverted) & mask;
            deposit(out, to.origin + y * to.step + first, pooled);
        }
    }
}

/// Pools rows of 16 bits by 2 x 2 windows; rows `order[2y]` and `order[2y + 1]` of `bits` are those
/// of window row `y`. `even` moves the even bits of a word together.
#[inline(always)]
pub(in crate::kernels) fn pool_rows_of(
    bits: &[u64],
    order: &[u16],
    columns: usize,
    invert: bool,
    out: &mut [u64],
    to: BitRows,
    even: impl Fn(u64) -> u64,
) {
    let inverted = if invert { u64::MAX } else { 0 };
    let mask = (1 << columns) - 1;
    let row = |r: u16| bits[usize::from(r / 4)] >> (r % 4 * 16) & 0xffff;
    let mut target = Target::new(out, to.origin);
    for four in order.chunks(8) {
        let mut word = 0;
        for (i, pair) in four.chunks_exact(2).enumerate() {
            word |= (row(pair[0]) | row(pair[1])) << (16 * i);
        }
        // The bit that a row receives from the next one is not an even one.
        let mut pooled = even(word | word >> 1) ^ inverted;
        for _ in four.chunks_exact(2) {
            target.push(pooled & mask, to.step);
            pooled >>= 8;
        }
    }
    target.end();
}

/// Reorders rows of 16 bits.
#[inline(always)]
pub(in crate::kernels) fn gather_rows_of(x: &[u64], order: &[u16], out: &mut [u64]) {
    for (out, order) in out.iter_mut().zip(order.chunks_exact(4)) {
        *out = 0;
        for (i, &r) in order.iter().enumerate() {
            *out |= (x[usize::from(r / 4)] >> (r % 4 * 16) & 0xffff) << (16 * i);
        }
    }
}

#[inline(always)]
pub(in crate::kernels) fn planes_of(bytes: &[u8], b: usize, out: &mut [u8]) {
    let n = bytes.len() / b;
    let channel = |j: usize| &bytes[j * n..][..n];
    let first = &mut out[..n];
    // 255 stands for a bit 0, which equals the bit of pattern 0.
    for (out, &x) in first.iter_mut().zip(channel(0)) {
        *out = x >> 7;
    }
    for j in 1..b {
        for (out, &x) in first.iter_mut().zip(channel(j)) {
            *out += x >> 7;
        }
    }
    for j in 0..b - 1 {
        let (done, rest) = out.split_at_mut(n << j);
        for (done, out) in done.chunks_exact(n).zip(rest.chunks_exact_mut(n)) {
            for ((out, &done), &x) in out.iter_mut().zip(done).zip(channel(j)) {
                *out = done.wrapping_add(x);
            }
        }
    }
}
