//! The built program from outside: what it prints, what it leaves on the disk,
//! how it ends.

mod bad_input;
mod bad_runs;
mod binary_weights;
mod commands;
mod common;
#[cfg(unix)]
mod crash;
mod data_sets;
#[cfg(unix)]
mod disks;
mod estimators;
mod export;
mod few_shot;
mod identity;
mod import;
mod infer;
mod infer_pictures;
mod inside;
#[cfg(unix)]
mod interruption;
mod json_events;
mod lab;
mod loaders;
mod losses;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(unix)]
mod odd_names;
mod pictures;
mod recipes;
mod refusals;
mod report;
#[cfg(all(unix, feature = "serve"))]
mod serve;
#[cfg(unix)]
mod signals;
mod sweep;
mod table;
#[cfg(unix)]
mod terminal;
mod troubles;
mod usage;
