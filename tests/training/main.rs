//! Training runs.

#[path = "../common/mod.rs"]
mod common;

mod colour;
mod digits_difficulty;
mod few_shot;
mod learning;
mod network_schema;
mod ranks;
mod registering;
mod resume;
mod threads;
mod trainer;
