//! Floor 6: what runs amount to, put beside what others published.

pub mod reference;

pub use reference::{Published, Row};
