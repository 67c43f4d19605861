//! One register of floats: the few operations that kernels written once for all
//! instruction sets are made of. Each set implements it beside its tiles; plain
//! `f32` is the register of one lane.

/// A register of `LANES` floats.
pub(super) trait Vector: Copy {
    /// Floats in a register; [`super::NR`] is a multiple of it.
    const LANES: usize;

    /// The same number in every lane.
    ///
    /// # Safety
    /// The machine has the instruction set, here and in every other function.
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

    /// `self + other`
    ///
    /// # Safety
    /// See [`Self::splat`].
    unsafe fn add(self, other: Self) -> Self;

    /// `self - other`
    ///
    /// # Safety
    /// See [`Self::splat`].
    unsafe fn sub(self, other: Self) -> Self;

    /// `self * other`
    ///
    /// # Safety
    /// See [`Self::splat`].
    unsafe fn mul(self, other: Self) -> Self;

    /// `self * factor + other`, in one rounding where the hardware has it.
    ///
    /// # Safety
    /// See [`Self::splat`].
    unsafe fn fma(self, factor: Self, other: Self) -> Self;

    /// Bit `i` is whether lane `i` is above zero.
    ///
    /// # Safety
    /// See [`Self::splat`].
    unsafe fn positive(self) -> u32;

    /// `other - self * factor`, likewise.
    ///
    /// # Safety
    /// See [`Self::splat`].
    unsafe fn fnma(self, factor: Self, other: Self) -> Self;
}

/// Implements [`Vector`] for a register type from its intrinsics; `$fma` and
/// `$fnma` take (self, factor, other),
/// `$positive` takes self.
macro_rules! vector {
    ($name:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident,
     $add:ident, $sub:ident, $mul:ident, |$a:ident, $b:ident, $c:ident| $fma:expr, $fnma:expr,
     |$x:ident| $positive:expr) => {
        impl $crate::kernels::vector::Vector for $name {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: the caller's promises, here and below.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: see above.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: see above.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $sub(self, other) }
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $mul(self, other) }
            }
            #[inline(always)]
            unsafe fn fma(self, $b: Self, $c: Self) -> Self {
                let $a = self;
                // SAFETY: see above.
                unsafe { $fma }
            }
            #[inline(always)]
            unsafe fn fnma(self, $b: Self, $c: Self) -> Self {
                let $a = self;
                // SAFETY: see above.
                unsafe { $fnma }
            }
            #[inline(always)]
            unsafe fn positive(self) -> u32 {
                let $x = self;
                // SAFETY: see above.
                unsafe { $positive }
            }
        }
    };
}
pub(super) use vector;

impl Vector for f32 {
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        x
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { *from }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { *to = self }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self - other
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self * other
    }

    #[inline(always)]
    unsafe fn fma(self, factor: Self, other: Self) -> Self {
        self * factor + other
    }

    #[inline(always)]
    unsafe fn fnma(self, factor: Self, other: Self) -> Self {
        other - self * factor
    }

    #[inline(always)]
    unsafe fn positive(self) -> u32 {
        u32::from(self > 0.0)
    }
}
