//! The kernels of packed inference that are written for AVX2 alone.

use core::arch::x86_64::*;

use crate::kernels::arch::scalar;
use crate::kernels::compile::compiled;
use crate::kernels::packed::common::{Target, gather_rows_of, pool_rows_of, pool2_of};
use crate::kernels::packed::look_up::all;
use crate::kernels::packed::{self, BitRows, Lookups, Packed};

pub(in crate::kernels::arch) const PACKED: Packed = packed::functions!(["avx2"], __m256i, OTHERS);

/// Size of a register in bytes.
const BYTES: usize = 32;

const OTHERS: Packed = Packed {
    pool2,
    gather_rows,
    pool_rows,
    differ,
    dot,
    look_up,
    cut_pool2,
    ..scalar::packed::PACKED
};

compiled! { ["avx2,bmi2,popcnt"]
    fn pool2(
        bits: &[u64],
        from: BitRows,
        size: (usize, usize),
        invert: bool,
        out: &mut [u64],
        to: BitRows,
    ) = pool2_by_extraction;
    fn gather_rows(x: &[u64], order: &[u16], out: &mut [u64]) = gather_rows_of;
    fn pool_rows(
        x: &[u64],
        order: &[u16],
        columns: usize,
        invert: bool,
        out: &mut [u64],
        to: BitRows,
    ) = pool_rows_by_extraction;
    fn differ(x: &[u64], w: &[u64], out: &mut [i32]) = differing;
    fn dot(x: &[u8], w: &[i8], out: &mut [i32]) = dot_products;
    fn look_up(nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) = sums_of_entries;
    fn cut_pool2(rows: &[f32], step: usize, channels: usize, threshold: &[f32], out: &mut [u8]) =
        cut_windows;
}

#[target_feature(enable = "avx2,bmi2")]
fn pool2_by_extraction(
    bits: &[u64],
    from: BitRows,
    size: (usize, usize),
    invert: bool,
    out: &mut [u64],
    to: BitRows,
) {
    let even = |x| _pext_u64(x, 0x5555_5555_5555_5555);
    pool2_of(bits, from, size, invert, out, to, even);
}

/// # Safety
/// The processor has BMI2, and the lengths were checked.
#[target_feature(enable = "avx2,bmi2")]
unsafe fn pool_rows_by_extraction(
    x: &[u64],
    order: &[u16],
    columns: usize,
    invert: bool,
    out: &mut [u64],
    to: BitRows,
) {
    if to.step < columns || to.step > 16 {
        let even = |x| _pext_u64(x, 0x5555_5555_5555_5555);
        return pool_rows_of(x, order, columns, invert, out, to, even);
    }
    // The even bits of the columns in four rows of 16 bits, and their places in four rows of the
    // target.
    let ones = (1u64 << columns) - 1;
    let four =
        |bits: u64, step: usize| bits | bits << step | bits << (2 * step) | bits << (3 * step);
    let even = four(0x5555 & ((1 << (2 * columns)) - 1), 16);
    let places = four(ones, to.step);
    let inverted = if invert { u64::MAX } else { 0 };
    let rows = x.as_ptr().cast::<u16>();
    let mut target = Target::new(out, to.origin);
    for order in order.chunks(8) {
        let mut word = 0;
        for (i, pair) in order.chunks_exact(2).enumerate() {
            // SAFETY: the rows exist, and the processor stores the lowest bits of a word first.
            let row = |r: u16| u64::from(unsafe { *rows.add(usize::from(r)) });
            word |= (row(pair[0]) | row(pair[1])) << (16 * i);
        }
        let live = (1u64 << (order.len() / 2 * columns)) - 1;
        let pooled = (_pext_u64(word | word >> 1, even) ^ inverted) & live;
        target.push(_pdep_u64(pooled, places), 4 * to.step);
    }
    target.end();
}

#[target_feature(enable = "avx2,popcnt")]
fn differing(x: &[u64], w: &[u64], out: &mut [i32]) {
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        let each = x
            .iter()
            .zip(row)
            .map(|(x, w)| u64::from((x ^ w).count_ones()));
        *out = each.sum::<u64>() as i32;
    }
}

/// # Safety
/// The processor has AVX2, and the lengths were checked.
#[target_feature(enable = "avx2")]
unsafe fn dot_products(x: &[u8], w: &[i8], out: &mut [i32]) {
    let whole = x.len() / BYTES * BYTES;
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        let mut sum = _mm256_setzero_si256();
        for i in (0..whole).step_by(BYTES) {
            // SAFETY: both rows have `whole` bytes.
            let (x, w) = unsafe {
                (
                    _mm256_loadu_si256(x.as_ptr().add(i).cast()),
                    _mm256_loadu_si256(row.as_ptr().add(i).cast()),
                )
            };
            // Weights are -1, 0 or 1, so the sum of two products is within ±510.
            let pairs = _mm256_maddubs_epi16(x, w);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        }
        let half = _mm_add_epi32(
            _mm256_castsi256_si128(sum),
            _mm256_extracti128_si256::<1>(sum),
        );
        let half = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        let half = _mm_add_epi32(half, _mm_shuffle_epi32::<0b10_11_00_01>(half));
        let tail = x[whole..].iter().zip(&row[whole..]);
        let tail: i32 = tail.map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
        *out = _mm_cvtsi128_si32(half) + tail;
    }
}

/// # Safety
/// The processor has AVX2, and the lengths were checked.
#[target_feature(enable = "avx2")]
unsafe fn sums_of_entries(nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    // SAFETY: guaranteed by the caller; the widths are those of the rows.
    unsafe {
        match l.width {
            8 => all::<__m256, 4, 1>(nibbles, l, out),
            16 => all::<__m256, 4, 2>(nibbles, l, out),
            _ => all::<__m256, 2, 4>(nibbles, l, out),
        }
    }
}

/// # Safety
/// The processor has AVX2, and the lengths were checked.
#[target_feature(enable = "avx2")]
unsafe fn cut_windows(
    rows: &[f32],
    step: usize,
    channels: usize,
    threshold: &[f32],
    out: &mut [u8],
) {
    for (x, nibbles) in out.chunks_exact_mut(channels / 4).enumerate() {
        for c in (0..channels).step_by(8) {
            // SAFETY: two pixels of each row lie at 2x, and 8 numbers from `c` in
            // each pixel and in the thresholds.
            let mask = unsafe {
                let p = rows.as_ptr().add(2 * x * channels + c);
                let load = |at: usize| _mm256_loadu_ps(p.add(at));
                let t = _mm256_loadu_ps(threshold.as_ptr().add(c));
                // The comparisons are combined by OR instead of taking a maximum, so that a NaN
                // does not hide the other numbers.
                let above = |at| _mm256_cmp_ps::<_CMP_GT_OQ>(load(at), t);
                let top = _mm256_or_ps(above(0), above(channels));
                let bottom = _mm256_or_ps(above(step), above(step + channels));
                _mm256_movemask_ps(_mm256_or_ps(top, bottom)) as u8
            };
            nibbles[c / 4] = mask & 15;
            nibbles[c / 4 + 1] = mask >> 4;
        }
    }
}
