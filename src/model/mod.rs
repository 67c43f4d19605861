//! Floor 5: what a network is, as data ([`ModelSpec`]), and the network itself
//! ([`Network`]), built on a tape.

mod agreement;
mod binarise;
mod blocks;
mod encoder;
mod encoding;
mod init;
mod memory;
mod network;
mod pack;
mod pixels;
mod place;
mod placement;
mod pool_form;
mod presets;
mod read;
mod receptive;
mod record;
mod spec;
mod stacks;
mod support;
mod table;
mod tensors;
mod topology;
mod units;
pub mod weights;

pub use agreement::{Difference, Verification, verify};
pub use blocks::Block;
pub use init::Init;
pub use network::{Network, argmax};
pub use pixels::{Normalise, Pixels};
pub use placement::{Placement, Places};
pub use pool_form::PoolForm;
pub use presets::{PRESETS, preset, usual_images, with_pool};
pub use receptive::{Field, Fields, Span};
pub use spec::ModelSpec;
pub use support::{MAX_PICTURES, Support, Taught};
pub use topology::{INPUT, Source, Topology};

pub use crate::layers::LayerSpec;
pub use table::{LayerRow, table};
