//! AVX2 and FMA.
use super::{Isa, Kernels, elementwise, scalar};
pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Avx2,
    ew: elementwise::AVX2,
    product: scalar::product,
    transposed: scalar::transposed,
};
