//! How a function that is written once is compiled for each instruction set.

/// Makes a safe function of each `fn name(arguments) = body;`. It runs `body` with its
/// arguments, compiled with the features in brackets; a set without any gives `[]`. The
/// body must be `#[inline(always)]`, for only what is inlined is compiled with them.
macro_rules! compiled {
    ($features:tt $(fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $body:expr;)*) => {
        $( $crate::kernels::compile::compiled!(@ $features $name ($($arg: $ty),*) $body); )*
    };
    (@ [$($features:literal)?] $name:ident ($($arg:ident: $ty:ty),*) $body:expr) => {
        fn $name($($arg: $ty),*) {
            $(#[target_feature(enable = $features)])?
            #[allow(unused_unsafe, reason = "some bodies are safe")]
            unsafe fn with_features($($arg: $ty),*) {
                // SAFETY: the caller's promises are those that the body asks for.
                unsafe { $body($($arg),*) }
            }
            // SAFETY: `Isa::kernels` alone hands out the tables that hold these functions,
            // after it has found the features; the methods of `Kernels` have checked the
            // lengths of the slices.
            unsafe { with_features($($arg),*) }
        }
    };
}
pub(super) use compiled;

/// The table of an instruction set: its features, its registers, its tiles, the depths of
/// a tile of [`super::treed`], and what is written for it alone.
macro_rules! table {
    ($isa:expr, $features:tt, $vector:ty, $tiles:ty, $depths:literal,
     products: $products:expr, packed: $packed:expr, limits: $limits:expr) => {
        $crate::kernels::Kernels {
            isa: $isa,
            ew: $crate::kernels::elementwise::functions!($features),
            products: $products,
            packed: $packed,
            lookup: $crate::kernels::lookup::functions!($features, $vector),
            winograd: $crate::kernels::winograd::functions!($features, $vector, $tiles),
            treed: $crate::kernels::treed::function!($features, $vector, $depths),
            limits: $limits,
        }
    };
}
pub(super) use table;
