//! The interface of one vector register, of floats ([`Vector`]) or of bytes ([`Bytes`]): the
//! operations that kernels written once for all instruction sets use. Each instruction set
//! implements them in its folder; plain `f32` is a register of one lane.
//!
//! All functions are unsafe because the processor must have the instruction set. Each function
//! requires this, in addition to what its comment states.

/// A vector register of `LANES` floats.
#[allow(clippy::missing_safety_doc, reason = "said at the head of the file")]
pub(super) trait Vector: Copy {
    /// Number of floats in a register; [`super::NR`] is a multiple of it.
    const LANES: usize;

    /// Returns a register with the same number in every lane.
    unsafe fn splat(x: f32) -> Self;

    /// Reads `LANES` floats.
    ///
    /// # Safety
    /// The floats are readable; no alignment is required.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes `LANES` floats.
    ///
    /// # Safety
    /// The floats are writable; no alignment is required.
    unsafe fn store(self, to: *mut f32);

    /// Reads the first `lanes` floats, at least one; the other lanes are 0.
    ///
    /// # Safety
    /// `lanes` floats are readable.
    unsafe fn load_first(from: *const f32, lanes: usize) -> Self;

    /// Writes the first `lanes` floats, at least one.
    ///
    /// # Safety
    /// `lanes` floats are writable.
    unsafe fn store_first(self, to: *mut f32, lanes: usize);

    /// Returns `self + other`.
    unsafe fn add(self, other: Self) -> Self;

    /// Returns `self - other`.
    unsafe fn sub(self, other: Self) -> Self;

    /// Returns `self * other`.
    unsafe fn mul(self, other: Self) -> Self;

    /// Returns `self * factor + other`, rounded once if the processor has a fused multiply-add.
    unsafe fn fma(self, factor: Self, other: Self) -> Self;

    /// Returns `other - self * factor`, rounded once if the processor has a fused multiply-add.
    unsafe fn fnma(self, factor: Self, other: Self) -> Self;

    /// Returns a mask in which bit `i` is 1 if lane `i` is above zero.
    unsafe fn positive(self) -> u32;
}

/// A vector register of `LEN` bytes, or of half as many 16-bit integers. All arithmetic wraps
/// unless the name says otherwise. An argument `bytes` is 32 or `LEN`; an instruction set whose
/// register has at most 32 bytes may ignore it.
#[allow(clippy::missing_safety_doc, reason = "said at the head of the file")]
pub(super) trait Bytes: Copy {
    /// Number of bytes in a register: 16, 32 or 64.
    const LEN: usize;
    /// Number of registers of sums that [`super::packed::sums`] holds at a time: at most 8, or 14.
    const SUMS: usize;
    /// Number of registers of totals that [`super::packed::rows`] holds at a time: 4 or 7.
    const ROWS: usize;

    /// Returns a register in which all bytes are `x`.
    unsafe fn splat8(x: u8) -> Self;

    /// Returns a register in which all 16-bit integers are `x`.
    unsafe fn splat16(x: i16) -> Self;

    /// Returns a register that repeats 16 bytes.
    ///
    /// # Safety
    /// 16 bytes are readable.
    unsafe fn repeat(from: *const u8) -> Self;

    /// Reads `LEN` bytes.
    ///
    /// # Safety
    /// The bytes are readable; no alignment is required.
    unsafe fn load(from: *const u8) -> Self;

    /// Reads the first `bytes` bytes; the others are 0.
    ///
    /// # Safety
    /// `bytes` bytes are readable.
    unsafe fn load_first(from: *const u8, bytes: usize) -> Self;

    /// Writes `LEN` bytes.
    ///
    /// # Safety
    /// The bytes are writable; no alignment is required.
    unsafe fn store(self, to: *mut u8);

    /// Writes the first `bytes` bytes.
    ///
    /// # Safety
    /// `bytes` bytes are writable.
    unsafe fn store_first(self, to: *mut u8, bytes: usize);

    /// Zero-extends the bytes to 16-bit integers: the first half of them, and the second half.
    unsafe fn widen(self) -> [Self; 2];

    /// Returns the sums of bytes.
    unsafe fn add8(self, other: Self) -> Self;

    /// Returns the differences of bytes.
    unsafe fn sub8(self, other: Self) -> Self;

    /// Returns 1 for each byte whose top bit is 1, else 0.
    unsafe fn top_bits(self) -> Self;

    /// Returns the saturating sums of unsigned bytes (at most 255).
    unsafe fn add8_saturating(self, other: Self) -> Self;

    /// Returns the sums of 16-bit integers.
    unsafe fn add16(self, other: Self) -> Self;

    /// Returns the differences of 16-bit integers.
    unsafe fn sub16(self, other: Self) -> Self;

    /// Returns the larger of the 16-bit integers, signed.
    unsafe fn max16(self, other: Self) -> Self;

    /// Asks for the line of the cache at an address, which need not be readable. An instruction set
    /// without such an instruction does nothing.
    unsafe fn prefetch(at: *const u8);

    /// Inverts every bit.
    unsafe fn not(self) -> Self;

    /// Shifts each run of 16 bytes by `n`: position `j` gets byte `j + n`, or 0 beyond the last
    /// one; `n` is at most 7.
    unsafe fn shift_down(self, n: usize) -> Self;

    /// Returns byte `i` of `ones` if bit `i` is 1, else byte `i` of `self`.
    unsafe fn where_bits(self, bits: u64, ones: Self) -> Self;

    /// Returns a mask in which bit `i` is 1 if byte `i` is at least that of `other`, both unsigned.
    unsafe fn at_least(self, other: Self) -> u64;

    /// Returns a mask in which bit `i` is 1 if byte `i` is at most that of `other`, both unsigned.
    unsafe fn at_most(self, other: Self) -> u64;

    /// Returns a mask in which bit `i` is 1 if 16-bit integer `i` of the two registers is above
    /// that of `t`, both signed.
    unsafe fn above16(pair: [Self; 2], t: Self) -> u64;
}

/// Declares methods of a register that are one expression each; the trait states what they compute
/// and require.
macro_rules! operations {
    ($(fn $name:ident($($arg:ident $(: $type:ty)?),*) $(-> $out:ty)? = $body:expr;)*) => {$(
        #[inline(always)]
        #[allow(unused_unsafe, reason = "plain numbers need no promises")]
        unsafe fn $name($($arg $(: $type)?),*) $(-> $out)? {
            // SAFETY: guaranteed by the caller, which the trait asks for.
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
