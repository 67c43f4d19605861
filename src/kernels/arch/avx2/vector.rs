//! The registers of AVX2: 8 floats or 32 bytes.

use core::arch::x86_64::*;

use crate::kernels::vector::{Bytes, Vector, operations};

impl Vector for __m256 {
    const LANES: usize = 8;

    operations! {
        fn splat(x: f32) -> Self = _mm256_set1_ps(x);
        fn load(from: *const f32) -> Self = _mm256_loadu_ps(from);
        fn load_first(from: *const f32, lanes: usize) -> Self =
            _mm256_maskload_ps(from, below(lanes));
        fn store(self, to: *mut f32) = _mm256_storeu_ps(to, self);
        fn store_first(self, to: *mut f32, lanes: usize) = store_first(self, to, lanes);
        fn add(self, other: Self) -> Self = _mm256_add_ps(self, other);
        fn sub(self, other: Self) -> Self = _mm256_sub_ps(self, other);
        fn mul(self, other: Self) -> Self = _mm256_mul_ps(self, other);
        fn fma(self, factor: Self, other: Self) -> Self = _mm256_fmadd_ps(self, factor, other);
        fn fnma(self, factor: Self, other: Self) -> Self = _mm256_fnmadd_ps(self, factor, other);
        fn positive(self) -> u32 =
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(self, _mm256_setzero_ps())) as u32;
    }
}

/// Returns the mask for `maskload` that selects the first `lanes` lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn below(lanes: usize) -> __m256i {
    let each = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes as i32), each)
}

/// Stores the first `lanes` floats in parts. (The equivalent masked store takes dozens of cycles on
/// some AMD processors.)
///
/// # Safety
/// The processor has AVX2; `lanes` floats are writable.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store_first(x: __m256, mut to: *mut f32, lanes: usize) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if lanes >= 8 {
            return _mm256_storeu_ps(to, x);
        }
        let mut part = _mm256_castps256_ps128(x);
        if lanes & 4 != 0 {
            _mm_storeu_ps(to, part);
            to = to.wrapping_add(4);
            part = _mm256_extractf128_ps(x, 1);
        }
        if lanes & 2 != 0 {
            // `_mm_store_sd` is not used, because it takes a pointer that is aligned for a double.
            _mm_storeu_si64(to.cast(), _mm_castps_si128(part));
            to = to.wrapping_add(2);
            part = _mm_movehl_ps(part, part);
        }
        if lanes & 1 != 0 {
            _mm_store_ss(to, part);
        }
    }
}

impl Bytes for __m256i {
    const LEN: usize = 32;
    const SUMS: usize = 8;
    const ROWS: usize = 7;

    operations! {
        fn splat8(x: u8) -> Self = _mm256_set1_epi8(x as i8);
        fn splat16(x: i16) -> Self = _mm256_set1_epi16(x);
        fn repeat(from: *const u8) -> Self =
            _mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast()));
        fn load(from: *const u8) -> Self = _mm256_loadu_si256(from.cast());
        fn load_first(from: *const u8, _bytes: usize) -> Self = _mm256_loadu_si256(from.cast());
        fn store(self, to: *mut u8) = _mm256_storeu_si256(to.cast(), self);
        fn store_first(self, to: *mut u8, _bytes: usize) = _mm256_storeu_si256(to.cast(), self);
        fn widen(self) -> [Self; 2] = [
            _mm256_cvtepu8_epi16(_mm256_castsi256_si128(self)),
            _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(self)),
        ];
        fn add8(self, other: Self) -> Self = _mm256_add_epi8(self, other);
        fn sub8(self, other: Self) -> Self = _mm256_sub_epi8(self, other);
        fn top_bits(self) -> Self =
            _mm256_and_si256(_mm256_srli_epi16::<7>(self), _mm256_set1_epi8(1));
        fn add8_saturating(self, other: Self) -> Self = _mm256_adds_epu8(self, other);
        fn add16(self, other: Self) -> Self = _mm256_add_epi16(self, other);
        fn sub16(self, other: Self) -> Self = _mm256_sub_epi16(self, other);
        fn max16(self, other: Self) -> Self = _mm256_max_epi16(self, other);
        fn prefetch(at: *const u8) = _mm_prefetch::<_MM_HINT_T0>(at.cast());
        fn not(self) -> Self = _mm256_xor_si256(self, _mm256_set1_epi8(-1));
        fn shift_down(self, n: usize) -> Self = match n {
            0 => self,
            1 => _mm256_bsrli_epi128::<1>(self),
            2 => _mm256_bsrli_epi128::<2>(self),
            3 => _mm256_bsrli_epi128::<3>(self),
            4 => _mm256_bsrli_epi128::<4>(self),
            5 => _mm256_bsrli_epi128::<5>(self),
            6 => _mm256_bsrli_epi128::<6>(self),
            _ => _mm256_bsrli_epi128::<7>(self),
        };
        fn where_bits(self, bits: u64, ones: Self) -> Self =
            _mm256_blendv_epi8(self, ones, bytes_of(bits as u32));
        // AVX2 has no unsigned comparison of bytes, so the maximum (minimum) is compared for
        // equality.
        fn at_least(self, other: Self) -> u64 =
            mask(_mm256_cmpeq_epi8(self, _mm256_max_epu8(self, other)));
        fn at_most(self, other: Self) -> u64 =
            mask(_mm256_cmpeq_epi8(self, _mm256_min_epu8(self, other)));
        fn above16(pair: [Self; 2], t: Self) -> u64 = above16(pair, t);
    }
}

/// Returns the top bit of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn mask(x: __m256i) -> u64 {
    u64::from(_mm256_movemask_epi8(x) as u32)
}

/// Returns a byte for each bit: 255 for 1, 0 for 0.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes_of(bits: u32) -> __m256i {
    let byte = _mm256_setr_epi8(
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3,
        3, 3,
    );
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    let x = _mm256_shuffle_epi8(_mm256_set1_epi32(bits as i32), byte);
    _mm256_cmpeq_epi8(_mm256_and_si256(x, bit), bit)
}

#[inline]
#[target_feature(enable = "avx2")]
fn above16([a, b]: [__m256i; 2], t: __m256i) -> u64 {
    let both = _mm256_packs_epi16(_mm256_cmpgt_epi16(a, t), _mm256_cmpgt_epi16(b, t));
    // The packing instruction works on each half of the register.
    mask(_mm256_permute4x64_epi64::<0b11_01_10_00>(both))
}
