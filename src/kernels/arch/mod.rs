//! Instruction sets: which ones the processor has, and which one is used.

use alloc::format;
use alloc::vec::Vec;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(super) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

use super::Kernels;
use crate::error::{Error, Result};

/// Whether the processor has a feature; without the standard library, whether the program was
/// compiled for processors that have it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! has {
    ($feature:tt) => {{
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        let has = std::arch::is_x86_feature_detected!($feature);
        #[cfg(all(feature = "std", target_arch = "aarch64"))]
        let has = std::arch::is_aarch64_feature_detected!($feature);
        #[cfg(not(feature = "std"))]
        let has = cfg!(target_feature = $feature);
        has
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use has;

/// Makes the table of an instruction set from its features, its register types, its tiles, the
/// depths of a tile of [`super::treed`], and the functions that are written for it alone.
macro_rules! table {
    ($isa:expr, $features:tt, $vector:ty, $tiles:ty, $depths:literal,
     products: $products:expr, packed: $packed:expr, limits: $limits:expr) => {{
        use $crate::kernels::Inference;
        use $crate::kernels::elementwise::{self, Elementwise};
        use $crate::kernels::gemm::Products;

        const EW: Elementwise = elementwise::functions!($features);
        const PRODUCTS: Products = $products;
        // A static of its own, so that a program which does not train has no kernels of training.
        static INFERENCE: Inference = Inference {
            packed: $packed,
            product: PRODUCTS.product,
            affine: EW.affine,
            relu: EW.relu,
            hard_sigmoid: EW.hard_sigmoid,
            sigmoid: EW.sigmoid,
            max_pool: EW.max_pool,
        };
        $crate::kernels::Kernels {
            isa: $isa,
            ew: EW,
            products: PRODUCTS,
            inference: &INFERENCE,
            lookup: $crate::kernels::lookup::functions!($features, $vector),
            winograd: $crate::kernels::winograd::functions!($features, $vector, $tiles),
            treed: $crate::kernels::treed::function!($features, $vector, $depths),
            limits: $limits,
        }
    }};
}
use table;

/// An instruction set for which there are kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// Plain Rust, which runs on every machine and is the specification of all other kernels.
    Scalar,
    /// WebAssembly that was compiled with simd128: inference; training has the scalar kernels.
    Simd128,
    /// x86-64 with AVX2 and FMA (and BMI2 and POPCNT, which all such processors have).
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL (and AVX2 and FMA).
    Avx512,
    /// arm64 with NEON.
    Neon,
}

impl Isa {
    /// All instruction sets, in ascending order of speed.
    pub const ALL: [Isa; 5] = [Isa::Scalar, Isa::Simd128, Isa::Neon, Isa::Avx2, Isa::Avx512];

    /// Returns the name that is used by `--isa`, `BNN_CPU_ISA` and run records.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Simd128 => "simd128",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
        }
    }

    /// Returns the instruction set of that name, or an error that lists the names.
    pub fn parse(name: &str) -> Result<Isa> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| {
                Error::spec(format!(
                    "unknown instruction set `{name}`; choose scalar, avx2, avx512, neon or simd128"
                ))
            })
    }

    /// Returns the instruction sets that this machine has, in ascending order of speed.
    pub fn available() -> Vec<Isa> {
        Isa::ALL
            .into_iter()
            .filter(|isa| isa.kernels().is_some())
            .collect()
    }

    /// Returns the kernels of this instruction set, or `None` if the machine lacks it.
    pub fn kernels(self) -> Option<&'static Kernels> {
        match self {
            Isa::Scalar => Some(&scalar::KERNELS),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => Some(&simd128::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::detected().then_some(&avx2::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::detected().then_some(&avx512::KERNELS),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::detected().then_some(&neon::KERNELS),
            #[allow(unreachable_patterns, reason = "the other architectures' sets")]
            _ => None,
        }
    }
}

/// The kernels that are used, and whether the user chose their instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// The kernels of the instruction set.
    pub kernels: &'static Kernels,
    /// Whether the instruction set was chosen by name. Then all matrix products use the kernels of
    /// this crate, because the matrixmultiply crate chooses an instruction set by itself.
    pub forced: bool,
}

/// Selects the kernels: those of `name` if it is stated, else of `$BNN_CPU_ISA`, else of the
/// fastest instruction set of this machine.
///
/// # Errors
/// If the name is unknown, or this machine lacks the instruction set.
pub fn select(name: Option<&str>) -> Result<Engine> {
    let from_env = from_environment();
    let Some(name) = name.or(from_env.as_deref()) else {
        let best = Isa::available().pop().unwrap_or(Isa::Scalar);
        return Ok(Engine {
            kernels: best.kernels().unwrap_or(&scalar::KERNELS),
            forced: false,
        });
    };
    let isa = Isa::parse(name)?;
    match isa.kernels() {
        Some(kernels) => Ok(Engine {
            kernels,
            forced: true,
        }),
        None => {
            let have: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
            Err(Error::spec(format!(
                "this machine has no {name}; it has {}",
                have.join(", ")
            )))
        }
    }
}

/// The instruction set that the environment names.
#[cfg(feature = "std")]
fn from_environment() -> Option<String> {
    // A value that is not Unicode counts as an unknown name, and not as unset.
    let name = std::env::var_os("BNN_CPU_ISA").filter(|s| !s.is_empty());
    name.map(|s| s.to_string_lossy().into_owned())
}

/// Nothing: without the standard library there is no environment.
#[cfg(not(feature = "std"))]
fn from_environment() -> Option<alloc::string::String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_set_is_refused_by_name() {
        let error = select(Some("avx9")).expect_err("no such set").to_string();
        assert!(
            error.contains("`avx9`") && error.contains("choose"),
            "{error}"
        );
        assert!(!error.contains('\n'));
    }

    #[test]
    fn every_set_is_either_given_or_refused() {
        let available = Isa::available();
        assert_eq!(available[0], Isa::Scalar);
        for isa in Isa::ALL {
            match select(Some(isa.name())) {
                Ok(engine) => {
                    assert!(available.contains(&isa) && engine.forced);
                    assert_eq!(engine.kernels.isa, isa);
                }
                Err(error) => {
                    assert!(!available.contains(&isa));
                    let error = error.to_string();
                    assert!(error.contains(&format!("no {}", isa.name())), "{error}");
                    assert!(error.contains("scalar"), "{error}");
                }
            }
        }
    }
}
