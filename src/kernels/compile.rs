//! Compilation of functions that are written once for each instruction set.

/// Makes a safe function of each `fn name(arguments) = body;`. It runs `body` with its arguments,
/// compiled with the features in brackets; an instruction set without features gives `[]`. The body
/// must be `#[inline(always)]`, because only inlined code is compiled with the features.
macro_rules! compiled {
    ($features:tt $(fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? = $body:expr;)*) => {
        $( $crate::kernels::compile::compiled!(@ $features $name ($($arg: $ty),*) ($($out)?) $body); )*
    };
    (@ [$($features:literal)?] $name:ident ($($arg:ident: $ty:ty),*) ($($out:ty)?) $body:expr) => {
        fn $name($($arg: $ty),*) $(-> $out)? {
            $(#[target_feature(enable = $features)])?
            #[allow(unused_unsafe, reason = "some bodies are safe")]
            unsafe fn with_features($($arg: $ty),*) $(-> $out)? {
                // SAFETY: the caller guarantees what the body requires.
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
