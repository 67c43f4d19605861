//! AVX-512.
use super::{Isa, Kernels, elementwise, scalar};
pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Avx512,
    ew: elementwise::AVX512,
    product: scalar::product,
    transposed: scalar::transposed,
};
