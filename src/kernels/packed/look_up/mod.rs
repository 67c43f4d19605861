//! Real weights over bits: look-ups in tables of partial sums, and what becomes of the
//! sums; see [`super::Lookups`]. The scalar code is beside the other scalar kernels.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
