//! The figure of a sweep: a row a line, its mean accuracy over seeds, and the 95 % interval
//! of that mean for a bar.

use super::chart::for_both;
use super::marks::{Mark, Marks, Scale};
use crate::error::{Error, Result};
use crate::study::Table;
use crate::study::table::TableRow;

/// The figure as SVG, light or dark as the reader prefers.
///
/// # Errors
/// A table without a finished cell.
pub fn figure(table: &Table) -> Result<String> {
    let of = if table.validation {
        "validation"
    } else {
        "test"
    };
    let marks = table.rows.iter().enumerate().filter_map(|(line, row)| {
        let percent = row.percent?;
        let bar = percent
            .half_width
            .map(|half| (percent.mean - half, percent.mean + half));
        Some(Mark {
            series: 0,
            line,
            value: percent.mean,
            bar,
            resolution: None,
            hollow: bar.is_none(),
        })
    });
    let marks: Vec<Mark> = marks.collect();
    let single = marks.iter().any(|mark| mark.hollow);
    let hollow = if single {
        "; hollow: a single seed"
    } else {
        ""
    };
    let name = |row: &TableRow| format!("{}  n = {}", row.title, row.seeds.len());
    let chart = Marks {
        title: format!("{}: sweep {}", table.dataset, table.suite),
        axis: format!("{of} accuracy, %; bar: 95 % t-interval of the mean over n seeds{hollow}"),
        names: table.rows.iter().map(name).collect(),
        series: Vec::new(),
        marks,
        scale: Scale::Shown,
    };
    let svg = chart
        .svg()
        .map_err(|what| Error::spec(format!("the figure: {what}")))?;
    Ok(for_both(&svg))
}
