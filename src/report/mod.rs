//! Floor 6: what runs amount to, put beside what others published.

pub mod cell;
pub mod columns;
pub mod lab;
pub mod notes;
pub mod page;
pub mod pictures;
pub mod reference;
pub mod row;
pub mod runner;
pub mod spread;
pub mod subject;
pub mod suite;
pub mod survey;
pub mod table;
pub mod timing;
pub mod tuned;
pub mod written;

pub use cell::{Cell, CellRecord, Plan};
pub use reference::{Published, Row};
pub use row::SuiteRow;
pub use runner::{CellEvent, run_cells};
pub use subject::Subject;
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
