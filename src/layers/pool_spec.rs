//! What pools say in a spec: the size of their windows, and the step from one to the next.

/// Makes the layer of a spec.
macro_rules! pool_spec {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Height and width of the window.
            pub kernel: Sides,
            /// Pixels from one window to the next; `kernel` where absent.
            #[serde(default)]
            pub stride: Option<Sides>,
        }

        impl $name {
            /// Windows of that size, side by side.
            pub fn new(kernel: impl Into<Sides>) -> Self {
                let kernel = kernel.into();
                Self {
                    kernel,
                    stride: Some(kernel),
                }
            }

            /// Pixels from one window to the next.
            pub fn step(&self) -> Sides {
                self.stride.unwrap_or(self.kernel)
            }
        }
    };
}
pub(super) use pool_spec;
