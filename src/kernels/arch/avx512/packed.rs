//! The kernels of packed inference that are written for AVX-512 alone.
//!
//! VPOPCNTDQ counts the differing bits of linear layers and VNNI computes the dot products of
//! pixels, if the processor has them. BITALG's 16-bit counts are not used: an XOR, a count and an
//! addition do 512 bit operations, whereas one addition of planes does 64 lanes times 5 or 6 bits.

use crate::kernels::arch::has;
use core::arch::x86_64::*;

use crate::kernels::arch::avx2;
use crate::kernels::packed::look_up::all;
use crate::kernels::packed::{self, BitRows, Lookups, Packed};

pub(super) const PACKED: Packed =
    packed::functions!(["avx512f,avx512bw,avx512vl"], __m512i, OTHERS);

const OTHERS: Packed = Packed {
    differ,
    dot,
    look_up,
    gather_rows,
    pool_rows,
    ..avx2::packed::PACKED
};

/// Size of a register in bytes.
const BYTES: usize = 64;

fn differ(x: &[u64], w: &[u64], out: &mut [i32]) {
    if has!("avx512vpopcntdq") {
        // SAFETY: the machine has AVX-512 and VPOPCNTDQ.
        unsafe { differ_of(x, w, out) }
    } else {
        (avx2::packed::PACKED.differ)(x, w, out);
    }
}

fn dot(x: &[u8], w: &[i8], out: &mut [i32]) {
    if has!("avx512vnni") {
        // SAFETY: the machine has AVX-512 and VNNI; lengths are checked.
        unsafe { dot_of(x, w, out) }
    } else {
        (avx2::packed::PACKED.dot)(x, w, out);
    }
}

fn look_up(nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    if l.width == 8 {
        return (avx2::packed::PACKED.look_up)(nibbles, l, out);
    }
    // SAFETY: the machine has AVX-512; lengths are checked.
    unsafe { look_up_of(nibbles, l, out) }
}

fn gather_rows(x: &[u64], order: &[u16], out: &mut [u64]) {
    if x.len() > 8 {
        return (avx2::packed::PACKED.gather_rows)(x, order, out);
    }
    // SAFETY: the machine has AVX-512 BW; `x` fits one vector.
    unsafe { gather_of(x, order, out) }
}

fn pool_rows(x: &[u64], order: &[u16], columns: usize, invert: bool, out: &mut [u64], to: BitRows) {
    if x.len() > 8 || order.len() > 32 {
        return (avx2::packed::PACKED.pool_rows)(x, order, columns, invert, out, to);
    }
    let mut rows = [0; 32];
    rows[..order.len()].copy_from_slice(order);
    let mut bits = [0; 8];
    // SAFETY: the machine has AVX-512 BW; `x` fits one vector.
    unsafe { gather_of(x, &rows, &mut bits) };
    let from = BitRows {
        origin: 0,
        step: 16,
    };
    let size = (order.len() / 2, columns);
    (avx2::packed::PACKED.pool2)(&bits, from, size, invert, out, to);
}

/// # Safety
/// The processor has AVX-512 BW; `x` has at most 8 words, and `order` 4 numbers for each of `out`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn gather_of(x: &[u64], order: &[u16], out: &mut [u64]) {
    let words = |n: usize| ((1u32 << n) - 1) as u8;
    // SAFETY: the live words of `x`.
    let x = unsafe { _mm512_maskz_loadu_epi64(words(x.len()), x.as_ptr().cast()) };
    for (out, order) in out.chunks_mut(8).zip(order.chunks(32)) {
        let live = words(out.len());
        // SAFETY: the live words of `out`, and as many of `order`.
        unsafe {
            let order = _mm512_maskz_loadu_epi64(live, order.as_ptr().cast());
            let y = _mm512_permutexvar_epi16(order, x);
            _mm512_mask_storeu_epi64(out.as_mut_ptr().cast(), live, y);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,popcnt")]
fn differ_of(x: &[u64], w: &[u64], out: &mut [i32]) {
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        let mut sum = _mm512_setzero_si512();
        for (x, w) in x.chunks(8).zip(row.chunks(8)) {
            let live = (1u32 << x.len()) as u8;
            let live = if x.len() == 8 { u8::MAX } else { live - 1 };
            // SAFETY: the live words of both chunks.
            let (x, w) = unsafe {
                (
                    _mm512_maskz_loadu_epi64(live, x.as_ptr().cast()),
                    _mm512_maskz_loadu_epi64(live, w.as_ptr().cast()),
                )
            };
            sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, w)));
        }
        *out = _mm512_reduce_add_epi64(sum) as i32;
    }
}

/// # Safety
/// The processor has AVX-512, the lengths were checked, and rows have 16 or 32 numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn look_up_of(nibbles: &[u8], l: &Lookups<'_>, out: &mut [f32]) {
    // SAFETY: guaranteed by the caller; the widths are those of the rows.
    unsafe {
        match l.width {
            16 => all::<__m512, 8, 1>(nibbles, l, out),
            _ => all::<__m512, 4, 2>(nibbles, l, out),
        }
    }
}

/// # Safety
/// The processor has AVX-512 BW and VNNI, and the lengths were checked.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn dot_of(x: &[u8], w: &[i8], out: &mut [i32]) {
    for (o, out) in out.iter_mut().enumerate() {
        let row = &w[o * x.len()..][..x.len()];
        let mut sum = _mm512_setzero_si512();
        for (x, w) in x.chunks(BYTES).zip(row.chunks(BYTES)) {
            let live = u64::MAX >> (BYTES - x.len());
            // SAFETY: the live bytes of both chunks.
            let (x, w) = unsafe {
                (
                    _mm512_maskz_loadu_epi8(live, x.as_ptr().cast()),
                    _mm512_maskz_loadu_epi8(live, w.as_ptr()),
                )
            };
            sum = _mm512_dpbusd_epi32(sum, x, w);
        }
        *out = _mm512_reduce_add_epi32(sum);
    }
}
