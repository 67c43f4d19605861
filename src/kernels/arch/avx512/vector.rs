//! The registers of AVX-512: 16 floats or 64 bytes. Comparisons give bit masks directly.

use core::arch::x86_64::*;

use crate::kernels::vector::{Bytes, Vector, operations};

impl Vector for __m512 {
    const LANES: usize = 16;

    operations! {
        fn splat(x: f32) -> Self = _mm512_set1_ps(x);
        fn load(from: *const f32) -> Self = _mm512_loadu_ps(from);
        fn load_first(from: *const f32, lanes: usize) -> Self =
            _mm512_maskz_loadu_ps(first(lanes) as u16, from);
        fn store(self, to: *mut f32) = _mm512_storeu_ps(to, self);
        fn store_first(self, to: *mut f32, lanes: usize) =
            _mm512_mask_storeu_ps(to, first(lanes) as u16, self);
        fn add(self, other: Self) -> Self = _mm512_add_ps(self, other);
        fn sub(self, other: Self) -> Self = _mm512_sub_ps(self, other);
        fn mul(self, other: Self) -> Self = _mm512_mul_ps(self, other);
        fn fma(self, factor: Self, other: Self) -> Self = _mm512_fmadd_ps(self, factor, other);
        fn fnma(self, factor: Self, other: Self) -> Self = _mm512_fnmadd_ps(self, factor, other);
        fn positive(self) -> u32 =
            u32::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(self, _mm512_setzero_ps()));
    }
}

/// Returns a mask of the lowest `n` bits, for `n` from 1 to 64.
#[inline(always)]
fn first(n: usize) -> u64 {
    u64::MAX >> (64 - n)
}

impl Bytes for __m512i {
    const LEN: usize = 64;
    const SUMS: usize = 4;
    const ROWS: usize = 4;

    operations! {
        fn splat8(x: u8) -> Self = _mm512_set1_epi8(x as i8);
        fn splat16(x: i16) -> Self = _mm512_set1_epi16(x);
        fn repeat(from: *const u8) -> Self = _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast()));
        fn load(from: *const u8) -> Self = _mm512_loadu_si512(from.cast());
        fn load_first(from: *const u8, bytes: usize) -> Self =
            _mm512_maskz_loadu_epi8(first(bytes), from.cast());
        fn store(self, to: *mut u8) = _mm512_storeu_si512(to.cast(), self);
        fn store_first(self, to: *mut u8, bytes: usize) =
            _mm512_mask_storeu_epi8(to.cast(), first(bytes), self);
        fn widen(self) -> [Self; 2] = [
            _mm512_cvtepu8_epi16(_mm512_castsi512_si256(self)),
            _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(self)),
        ];
        fn add8(self, other: Self) -> Self = _mm512_add_epi8(self, other);
        fn sub8(self, other: Self) -> Self = _mm512_sub_epi8(self, other);
        fn top_bits(self) -> Self =
            _mm512_and_si512(_mm512_srli_epi16::<7>(self), _mm512_set1_epi8(1));
        fn add8_saturating(self, other: Self) -> Self = _mm512_adds_epu8(self, other);
        fn add16(self, other: Self) -> Self = _mm512_add_epi16(self, other);
        fn sub16(self, other: Self) -> Self = _mm512_sub_epi16(self, other);
        fn max16(self, other: Self) -> Self = _mm512_max_epi16(self, other);
        fn prefetch(at: *const u8) = _mm_prefetch::<_MM_HINT_T0>(at.cast());
        fn not(self) -> Self = _mm512_xor_si512(self, _mm512_set1_epi8(-1));
        fn shift_down(self, n: usize) -> Self = match n {
            0 => self,
            1 => _mm512_bsrli_epi128::<1>(self),
            2 => _mm512_bsrli_epi128::<2>(self),
            3 => _mm512_bsrli_epi128::<3>(self),
            4 => _mm512_bsrli_epi128::<4>(self),
            5 => _mm512_bsrli_epi128::<5>(self),
            6 => _mm512_bsrli_epi128::<6>(self),
            _ => _mm512_bsrli_epi128::<7>(self),
        };
        fn where_bits(self, bits: u64, ones: Self) -> Self =
            _mm512_mask_blend_epi8(bits, self, ones);
        fn at_least(self, other: Self) -> u64 = _mm512_cmpge_epu8_mask(self, other);
        fn at_most(self, other: Self) -> u64 = _mm512_cmple_epu8_mask(self, other);
        fn above16(pair: [Self; 2], t: Self) -> u64 =
            u64::from(_mm512_cmpgt_epi16_mask(pair[0], t))
                | u64::from(_mm512_cmpgt_epi16_mask(pair[1], t)) << 32;
    }
}
