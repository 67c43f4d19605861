//! The project itself: its sources, its features, its data.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/tokens.rs"]
mod tokens;

mod circles;
mod features;
mod layering;
#[cfg(feature = "report")]
mod recipes;
mod sizes;
#[cfg(feature = "report")]
mod suites;
