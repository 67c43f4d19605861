//! Hints to bring memory into the near caches before it is read.
//!
//! The processor sees by itself that a run of numbers is read from its beginning to its end. It does
//! not see that two rows of an image are read side by side and then the two rows below them: each
//! pair begins two new runs, whose first lines come from afar.

/// Numbers of a cache line.
const LINE: usize = 16;

/// Asks for the cache lines of `len` numbers that lie `ahead` numbers behind the beginning of
/// `from`, where there need not be any: a hint reads nothing.
#[inline(always)]
pub(super) fn fetch(from: &[f32], ahead: usize, len: usize) {
    for i in (0..len).step_by(LINE) {
        line(from.as_ptr().wrapping_add(ahead + i));
    }
}

/// Asks for the cache line of an address.
#[cfg(all(target_arch = "x86_64", target_feature = "sse"))]
#[inline(always)]
fn line(address: *const f32) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction set is part of the target, and the hint has no effect but on the
    // caches, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
}

/// Asks for the cache line of an address.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn line(address: *const f32) {
    // SAFETY: the hint has no effect but on the caches, whatever the address.
    unsafe {
        core::arch::asm!(
            "prfm pldl1keep, [{0}]",
            in(reg) address,
            options(nostack, preserves_flags, readonly)
        );
    }
}

/// Without a hint the same numbers are read, later.
#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse"),
    target_arch = "aarch64"
)))]
#[inline(always)]
fn line(_address: *const f32) {}
