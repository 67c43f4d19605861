//! Floor 7: what is inside a trained network, in numbers: the patches that excite a channel
//! most ([`regions`]), how its activations are distributed ([`histogram`]), how far each
//! layer's representation tells classes apart ([`neighbours`]), and images made to excite a
//! channel ([`maximise`]).
//!
//! A [`Site`] is where one looks: the output of a layer. Each of these reads a network and a
//! set of images and returns plain numbers, which `draw` makes pictures of and `--json`
//! prints.

mod ascent;
pub mod histogram;
pub mod maximise;
pub mod neighbours;
mod pooled;
pub mod regions;
mod site;
mod watch;

pub use histogram::Histogram;
pub use maximise::Maximised;
pub use neighbours::Neighbours;
pub use regions::Regions;
pub use site::Site;
pub use watch::{Pass, spread};
