//! The registers of NEON: 4 floats or 16 bytes.

use core::arch::aarch64::*;

use crate::kernels::vector::{Bytes, Vector, operations};

impl Vector for float32x4_t {
    const LANES: usize = 4;

    operations! {
        fn splat(x: f32) -> Self = vdupq_n_f32(x);
        fn load(from: *const f32) -> Self = vld1q_f32(from);
        fn load_first(from: *const f32, lanes: usize) -> Self = load_first(from, lanes);
        fn store(self, to: *mut f32) = vst1q_f32(to, self);
        fn store_first(self, to: *mut f32, lanes: usize) = store_first(self, to, lanes);
        fn add(self, other: Self) -> Self = vaddq_f32(self, other);
        fn sub(self, other: Self) -> Self = vsubq_f32(self, other);
        fn mul(self, other: Self) -> Self = vmulq_f32(self, other);
        fn fma(self, factor: Self, other: Self) -> Self = vfmaq_f32(other, self, factor);
        fn fnma(self, factor: Self, other: Self) -> Self = vfmsq_f32(other, self, factor);
        fn positive(self) -> u32 =
            vaddvq_u32(vandq_u32(vcgtzq_f32(self), vld1q_u32([1, 2, 4, 8].as_ptr())));
    }
}

/// # Safety
/// The processor has NEON; `lanes` numbers, at most 4, are readable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load_first(from: *const f32, lanes: usize) -> float32x4_t {
    let mut x = [0.0; 4];
    // SAFETY: guaranteed by the caller.
    unsafe {
        core::ptr::copy_nonoverlapping(from, x.as_mut_ptr(), lanes);
        vld1q_f32(x.as_ptr())
    }
}

/// # Safety
/// The processor has NEON; `lanes` numbers, at most 4, are writable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store_first(x: float32x4_t, mut to: *mut f32, lanes: usize) {
    // SAFETY: guaranteed by the caller: the parts stored add up to `lanes`.
    unsafe {
        if lanes >= 4 {
            return vst1q_f32(to, x);
        }
        let mut part = vget_low_f32(x);
        if lanes & 2 != 0 {
            vst1_f32(to, part);
            to = to.wrapping_add(2);
            part = vget_high_f32(x);
        }
        if lanes & 1 != 0 {
            vst1_lane_f32::<0>(to, part);
        }
    }
}

impl Bytes for uint8x16_t {
    const LEN: usize = 16;
    const SUMS: usize = 14;
    const ROWS: usize = 7;

    operations! {
        fn splat8(x: u8) -> Self = vdupq_n_u8(x);
        fn splat16(x: i16) -> Self = vreinterpretq_u8_s16(vdupq_n_s16(x));
        fn repeat(from: *const u8) -> Self = vld1q_u8(from);
        fn load(from: *const u8) -> Self = vld1q_u8(from);
        fn load_first(from: *const u8, _bytes: usize) -> Self = vld1q_u8(from);
        fn store(self, to: *mut u8) = vst1q_u8(to, self);
        fn store_first(self, to: *mut u8, _bytes: usize) = vst1q_u8(to, self);
        fn widen(self) -> [Self; 2] = [
            vreinterpretq_u8_u16(vmovl_u8(vget_low_u8(self))),
            vreinterpretq_u8_u16(vmovl_high_u8(self)),
        ];
        fn add8(self, other: Self) -> Self = vaddq_u8(self, other);
        fn sub8(self, other: Self) -> Self = vsubq_u8(self, other);
        fn top_bits(self) -> Self = vshrq_n_u8::<7>(self);
        fn add8_saturating(self, other: Self) -> Self = vqaddq_u8(self, other);
        fn add16(self, other: Self) -> Self = vreinterpretq_u8_u16(vaddq_u16(
            vreinterpretq_u16_u8(self),
            vreinterpretq_u16_u8(other),
        ));
        fn sub16(self, other: Self) -> Self = vreinterpretq_u8_u16(vsubq_u16(
            vreinterpretq_u16_u8(self),
            vreinterpretq_u16_u8(other),
        ));
        fn max16(self, other: Self) -> Self = vreinterpretq_u8_s16(vmaxq_s16(
            vreinterpretq_s16_u8(self),
            vreinterpretq_s16_u8(other),
        ));
        fn prefetch(_at: *const u8) = ();
        fn not(self) -> Self = vmvnq_u8(self);
        fn shift_down(self, n: usize) -> Self = shift_down(self, n);
        fn where_bits(self, bits: u64, ones: Self) -> Self =
            vbslq_u8(bytes_of(bits as u16), ones, self);
        fn at_least(self, other: Self) -> u64 = mask(vcgeq_u8(self, other));
        fn at_most(self, other: Self) -> u64 = mask(vcleq_u8(self, other));
        fn above16(pair: [Self; 2], t: Self) -> u64 = above16(pair, t);
    }
}

/// The bit that stands for each byte, within its half of 8 bytes.
const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

/// Returns one bit of each byte, which must be 255 or 0.
#[inline]
#[target_feature(enable = "neon")]
fn mask(x: uint8x16_t) -> u64 {
    // SAFETY: 16 bytes.
    let bits = unsafe { vandq_u8(x, vld1q_u8(BITS.as_ptr())) };
    let low = u64::from(vaddv_u8(vget_low_u8(bits)));
    low | u64::from(vaddv_u8(vget_high_u8(bits))) << 8
}

/// Returns a byte for each bit: 255 for 1, 0 for 0.
#[inline]
#[target_feature(enable = "neon")]
fn bytes_of(bits: u16) -> uint8x16_t {
    let [low, high] = bits.to_le_bytes();
    // SAFETY: 16 bytes.
    let each = unsafe { vld1q_u8(BITS.as_ptr()) };
    vtstq_u8(vcombine_u8(vdup_n_u8(low), vdup_n_u8(high)), each)
}

#[inline]
#[target_feature(enable = "neon")]
fn shift_down(x: uint8x16_t, n: usize) -> uint8x16_t {
    let zero = vdupq_n_u8(0);
    match n {
        0 => x,
        1 => vextq_u8::<1>(x, zero),
        2 => vextq_u8::<2>(x, zero),
        3 => vextq_u8::<3>(x, zero),
        4 => vextq_u8::<4>(x, zero),
        5 => vextq_u8::<5>(x, zero),
        6 => vextq_u8::<6>(x, zero),
        _ => vextq_u8::<7>(x, zero),
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn above16([a, b]: [uint8x16_t; 2], t: uint8x16_t) -> u64 {
    let t = vreinterpretq_s16_u8(t);
    let above = |x| vmovn_u16(vcgtq_s16(vreinterpretq_s16_u8(x), t));
    mask(vcombine_u8(above(a), above(b)))
}
