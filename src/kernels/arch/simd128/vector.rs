//! The registers of simd128: 4 floats or 16 bytes.

use core::arch::wasm32::*;

use crate::kernels::vector::{Bytes, Vector, operations};

impl Vector for v128 {
    const LANES: usize = 4;

    operations! {
        fn splat(x: f32) -> Self = f32x4_splat(x);
        fn load(from: *const f32) -> Self = v128_load(from.cast());
        fn load_first(from: *const f32, lanes: usize) -> Self = load_first(from, lanes);
        fn store(self, to: *mut f32) = v128_store(to.cast(), self);
        fn store_first(self, to: *mut f32, lanes: usize) = store_first(self, to, lanes);
        fn add(self, other: Self) -> Self = f32x4_add(self, other);
        fn sub(self, other: Self) -> Self = f32x4_sub(self, other);
        fn mul(self, other: Self) -> Self = f32x4_mul(self, other);
        fn fma(self, factor: Self, other: Self) -> Self = f32x4_add(f32x4_mul(self, factor), other);
        fn fnma(self, factor: Self, other: Self) -> Self = f32x4_sub(other, f32x4_mul(self, factor));
        fn positive(self) -> u32 = u32::from(i32x4_bitmask(f32x4_gt(self, f32x4_splat(0.0))));
    }
}

/// # Safety
/// `lanes` numbers, at most 4, are readable.
#[inline(always)]
unsafe fn load_first(from: *const f32, lanes: usize) -> v128 {
    let mut x = [0.0f32; 4];
    // SAFETY: guaranteed by the caller.
    unsafe {
        core::ptr::copy_nonoverlapping(from, x.as_mut_ptr(), lanes);
        v128_load(x.as_ptr().cast())
    }
}

/// # Safety
/// `lanes` numbers, at most 4, are writable.
#[inline(always)]
unsafe fn store_first(x: v128, to: *mut f32, lanes: usize) {
    let mut all = [0.0f32; 4];
    // SAFETY: guaranteed by the caller.
    unsafe {
        v128_store(all.as_mut_ptr().cast(), x);
        core::ptr::copy_nonoverlapping(all.as_ptr(), to, lanes);
    }
}

impl Bytes for v128 {
    const LEN: usize = 16;
    const SUMS: usize = 8;
    const ROWS: usize = 4;

    operations! {
        fn splat8(x: u8) -> Self = u8x16_splat(x);
        fn splat16(x: i16) -> Self = i16x8_splat(x);
        fn repeat(from: *const u8) -> Self = v128_load(from.cast());
        fn load(from: *const u8) -> Self = v128_load(from.cast());
        fn load_first(from: *const u8, _bytes: usize) -> Self = v128_load(from.cast());
        fn store(self, to: *mut u8) = v128_store(to.cast(), self);
        fn store_first(self, to: *mut u8, _bytes: usize) = v128_store(to.cast(), self);
        fn widen(self) -> [Self; 2] = [u16x8_extend_low_u8x16(self), u16x8_extend_high_u8x16(self)];
        fn add8(self, other: Self) -> Self = u8x16_add(self, other);
        fn sub8(self, other: Self) -> Self = u8x16_sub(self, other);
        fn top_bits(self) -> Self = u8x16_shr(self, 7);
        fn add8_saturating(self, other: Self) -> Self = u8x16_add_sat(self, other);
        fn add16(self, other: Self) -> Self = i16x8_add(self, other);
        fn sub16(self, other: Self) -> Self = i16x8_sub(self, other);
        fn max16(self, other: Self) -> Self = i16x8_max(self, other);
        fn prefetch(_at: *const u8) = ();
        fn not(self) -> Self = v128_not(self);
        fn shift_down(self, n: usize) -> Self = shift_down(self, n);
        fn where_bits(self, bits: u64, ones: Self) -> Self =
            v128_bitselect(ones, self, bytes_of(bits as u16));
        fn at_least(self, other: Self) -> u64 = u64::from(u8x16_bitmask(u8x16_ge(self, other)));
        fn at_most(self, other: Self) -> u64 = u64::from(u8x16_bitmask(u8x16_le(self, other)));
        fn above16(pair: [Self; 2], t: Self) -> u64 =
            u64::from(i16x8_bitmask(i16x8_gt(pair[0], t)))
                | u64::from(i16x8_bitmask(i16x8_gt(pair[1], t))) << 8;
    }
}

/// Returns a byte for each bit: 255 for 1, 0 for 0.
#[inline(always)]
fn bytes_of(bits: u16) -> v128 {
    let each = u8x16(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
    let spread = i8x16_shuffle::<0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1>(
        u16x8_splat(bits),
        u16x8_splat(0),
    );
    u8x16_eq(v128_and(spread, each), each)
}

#[inline(always)]
fn shift_down(x: v128, n: usize) -> v128 {
    // A place beyond the last byte gives 0.
    let places = u8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    u8x16_swizzle(x, u8x16_add(places, u8x16_splat(n as u8)))
}
