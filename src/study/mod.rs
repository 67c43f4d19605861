//! Floor 7: tables of runs, beside what others published: suites of rows, their cells, the
//! runner that trains them, and what they amount to.

pub mod cell;
pub mod columns;
mod finish;
mod merge;
pub mod notes;
pub mod product;
mod protocol;
pub mod recipes;
pub mod reference;
pub mod row;
pub mod runner;
pub mod settings;
pub mod spread;
pub mod suite;
mod sweep;
pub mod table;
pub mod tables;
mod tidy;
pub mod timing;
pub mod written;

pub use cell::{Cell, CellRecord, Plan};
pub use finish::{Finish, ValidationRecord};
pub use merge::{Merged, merge};
pub use product::{Axis, product};
pub use reference::Published;
pub use row::{Controls, SuiteRow};
pub use runner::{CellEvent, run_cells};
pub use settings::{Varied, varied};
pub use suite::Suite;
pub use table::Table;

/// `29034` as `29,034`.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
