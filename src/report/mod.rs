//! Floor 6: what runs amount to, put beside what others published.

pub mod cell;
pub mod lab;
pub mod page;
pub mod pictures;
pub mod reference;
pub mod runner;
pub mod suite;
pub mod survey;
pub mod table;
pub mod timing;
pub mod tuned;

pub use cell::{Cell, CellRecord, Plan};
pub use reference::{Published, Row};
pub use runner::{CellEvent, run_cells};
pub use suite::{Suite, SuiteRow};
pub use table::Table;
