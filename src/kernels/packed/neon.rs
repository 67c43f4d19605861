//! NEON: for now the scalar kernels.

pub(in crate::kernels) use super::scalar::PACKED;
