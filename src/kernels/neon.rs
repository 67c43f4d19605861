//! NEON.
use super::{Isa, Kernels, elementwise, scalar};
pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Neon,
    ew: elementwise::NEON,
    product: scalar::product,
    transposed: scalar::transposed,
};
