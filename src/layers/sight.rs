//! [`Sight`]: what of its inputs a number of a layer's output depends on.

use super::sides::Sides;
use super::window::Window;

/// What of its inputs a number of a layer's output depends on, in evaluation. The pixels of
/// the image that a unit sees follow from it, layer by layer
/// ([`crate::model::ModelSpec::receptive_field`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The number at the same place, in the same channel of each input.
    Place,
    /// The number at the same place of the one input that its channel was taken from: the
    /// channels of the inputs stand one after the other.
    Joined,
    /// The numbers under a window at its place: of all channels, or of its own alone.
    Window {
        /// The window.
        window: Window,
        /// Whether it sees no channel but its own.
        own_channel: bool,
    },
    /// The one number that stands there in PyTorch's order (channel, height, width).
    Flattened,
    /// All numbers, or what is not said more closely.
    Whole,
}

impl Sight {
    /// The sight of a pool: a window without a border over the channel itself.
    pub(crate) fn pool(kernel: Sides, stride: Sides) -> Self {
        Self::Window {
            window: Window {
                kernel,
                stride,
                padding: Sides::both(0),
                border: 0,
                dilation: Sides::ONE,
            },
            own_channel: true,
        }
    }
}
