//! AVX-512: for now the kernels of AVX2, which every such machine has.

pub(in crate::kernels) use super::avx2::PACKED;
