//! One register, of floats ([`Vector`]) or of bytes ([`Bytes`]): the few operations that
//! kernels written once for all instruction sets are made of. Each set implements them in
//! its folder; plain `f32` is the register of one lane.
//!
//! Every function is unsafe for the same reason: the machine must have the instruction
//! set, which is not said again.

/// A register of `LANES` floats.
#[allow(clippy::missing_safety_doc, reason = "said at the head of the file")]
pub(super) trait Vector: Copy {
    /// Floats in a register; [`super::NR`] is a multiple of it.
    const LANES: usize;

    /// The same number in every lane.
    unsafe fn splat(x: f32) -> Self;

    /// Reads `LANES` numbers.
    ///
    /// # Safety
    /// They are readable; no alignment is needed.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes `LANES` numbers.
    ///
    /// # Safety
    /// They are writable; no alignment is needed.
    unsafe fn store(self, to: *mut f32);

    /// Reads the first `lanes` numbers, at least one; the other lanes are 0.
    ///
    /// # Safety
    /// So many are readable.
    unsafe fn load_first(from: *const f32, lanes: usize) -> Self;

    /// Writes the first `lanes` numbers, at least one.
    ///
    /// # Safety
    /// So many are writable.
    unsafe fn store_first(self, to: *mut f32, lanes: usize);

    /// `self + other`
    unsafe fn add(self, other: Self) -> Self;

    /// `self - other`
    unsafe fn sub(self, other: Self) -> Self;

    /// `self * other`
    unsafe fn mul(self, other: Self) -> Self;

    /// `self * factor + other`, in one rounding where the hardware has it.
    unsafe fn fma(self, factor: Self, other: Self) -> Self;

    /// `other - self * factor`, likewise.
    unsafe fn fnma(self, factor: Self, other: Self) -> Self;

    /// Bit `i` is whether lane `i` is above zero.
    unsafe fn positive(self) -> u32;
}

/// A register of `LEN` bytes, or of half as many 16-bit numbers. All arithmetic wraps
/// unless it says otherwise. Where a number of bytes is asked for, it is 32 or `LEN`:
/// a set whose register is no longer than 32 bytes may take no notice of it.
#[allow(clippy::missing_safety_doc, reason = "said at the head of the file")]
pub(super) trait Bytes: Copy {
    /// Bytes in a register: 16, 32 or 64.
    const LEN: usize;
    /// Registers of sums that [`super::packed::sums`] holds at once: at most 8, or 14.
    const SUMS: usize;
    /// Registers of totals that [`super::packed::rows`] holds at once: 4 or 7.
    const ROWS: usize;

    /// The same byte everywhere.
    unsafe fn splat8(x: u8) -> Self;

    /// The same 16-bit number everywhere.
    unsafe fn splat16(x: i16) -> Self;

    /// These 16 bytes, again and again.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn repeat(from: *const u8) -> Self;

    /// Reads `LEN` bytes.
    ///
    /// # Safety
    /// They are readable; no alignment is needed.
    unsafe fn load(from: *const u8) -> Self;

    /// Reads the first `bytes`; the others are 0.
    ///
    /// # Safety
    /// So many are readable.
    unsafe fn load_first(from: *const u8, bytes: usize) -> Self;

    /// Writes `LEN` bytes.
    ///
    /// # Safety
    /// They are writable; no alignment is needed.
    unsafe fn store(self, to: *mut u8);

    /// Writes the first `bytes`.
    ///
    /// # Safety
    /// So many are writable.
    unsafe fn store_first(self, to: *mut u8, bytes: usize);

    /// The bytes as 16-bit numbers: the first half of them, and the second.
    unsafe fn widen(self) -> [Self; 2];

    /// Sum of bytes.
    unsafe fn add8(self, other: Self) -> Self;

    /// Difference of bytes.
    unsafe fn sub8(self, other: Self) -> Self;

    /// Sum of bytes, 255 where it would be more.
    unsafe fn add8_saturating(self, other: Self) -> Self;

    /// Sum of 16-bit numbers.
    unsafe fn add16(self, other: Self) -> Self;

    /// Difference of 16-bit numbers.
    unsafe fn sub16(self, other: Self) -> Self;

    /// Every bit inverted.
    unsafe fn not(self) -> Self;

    /// In each run of 16 bytes, byte `j + n` at place `j`, and 0 beyond the last one;
    /// `n` is at most 7.
    unsafe fn shift_down(self, n: usize) -> Self;

    /// Byte `i` of `ones` where bit `i` is 1, else that of `self`.
    unsafe fn where_bits(self, bits: u64, ones: Self) -> Self;

    /// Bit `i` is whether byte `i` is at least that of `other`, both without sign.
    unsafe fn at_least(self, other: Self) -> u64;

    /// Bit `i` is whether byte `i` is at most that of `other`, both without sign.
    unsafe fn at_most(self, other: Self) -> u64;

    /// Bit `i` is whether 16-bit number `i` of the two registers is above the one of `t`,
    /// both with their signs.
    unsafe fn above16(pair: [Self; 2], t: Self) -> u64;
}

/// Methods of a register, each of one expression: what they promise and ask for is said
/// by the trait.
macro_rules! operations {
    ($(fn $name:ident($($arg:ident $(: $type:ty)?),*) $(-> $out:ty)? = $body:expr;)*) => {$(
        #[inline(always)]
        #[allow(unused_unsafe, reason = "plain numbers need no promises")]
        unsafe fn $name($($arg $(: $type)?),*) $(-> $out)? {
            // SAFETY: the caller's promises, which the trait asks for.
            unsafe { $body }
        }
    )*};
}
pub(super) use operations;

impl Vector for f32 {
    const LANES: usize = 1;

    operations! {
        fn splat(x: f32) -> Self = x;
        fn load(from: *const f32) -> Self = *from;
        fn load_first(from: *const f32, _lanes: usize) -> Self = *from;
        fn store(self, to: *mut f32) = *to = self;
        fn store_first(self, to: *mut f32, _lanes: usize) = *to = self;
        fn add(self, other: Self) -> Self = self + other;
        fn sub(self, other: Self) -> Self = self - other;
        fn mul(self, other: Self) -> Self = self * other;
        fn fma(self, factor: Self, other: Self) -> Self = self * factor + other;
        fn fnma(self, factor: Self, other: Self) -> Self = other - self * factor;
        fn positive(self) -> u32 = u32::from(self > 0.0);
    }
}
