//! The figure of a sweep: a row a line, its mean accuracy over seeds, and the 95 % interval
//! of that mean for a bar.

use super::marks::{Mark, Marks, Name, Scale};
use super::paint::Theme;
use crate::error::Result;
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
    let name = |row: &TableRow| Name {
        text: format!("{} (n = {})", row.title, row.seeds.len()),
        under: false,
    };
    let chart = Marks {
        title: format!("{}: {}", table.dataset, table.suite),
        axis: format!("{of} accuracy (%)"),
        notes: vec![format!(
            "Bar: 95 % t-interval of the mean over n seeds{hollow}"
        )],
        of: "row",
        names: table.rows.iter().map(name).collect(),
        series: Vec::new(),
        marks,
        scale: Scale::Shown,
    };
    Ok(chart.draw()?.svg(Theme::Reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of rows with that mean and half width.
    fn table(rows: &[(f64, Option<f64>)]) -> Table {
        let row = |(mean, half): &(f64, Option<f64>)| {
            serde_json::json!({
                "id": "r", "title": "<row> & \"r\"", "estimator": null, "repeats": null,
                "seeds": [1, 2], "loss": null, "percent_of_16": null, "percent_threshold": null,
                "seconds": null, "published_percent": null, "published_loss": null,
                "percent": {"n": 2, "mean": mean, "deviation": half, "half_width": half},
            })
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        let table = serde_json::json!({
            "suite": "s", "about": "", "dataset": "d", "machines": [], "command": "", "rows": rows,
        });
        serde_json::from_value(table).unwrap()
    }

    #[test]
    fn a_row_is_a_point_with_its_interval() {
        let svg = figure(&table(&[(50.0, Some(10.0)), (90.0, None)])).unwrap();
        assert_eq!(svg.matches("class=\"bar\"").count(), 1);
        assert_eq!(svg.matches("class=\"mark\"").count(), 2);
        assert!(svg.contains("hollow: a single seed") && svg.contains("&lt;row&gt; &amp; "));
        assert!(svg.contains("prefers-color-scheme: dark"));
        let number = |text: &str, of: &str| -> f64 {
            let value = text.split_once(&format!(" {of}=\"")).unwrap().1;
            value.split_once('"').unwrap().0.parse().unwrap()
        };
        // 40, 60 and 90 as far from each other as they should be: the interval of one row, and
        // the point of the other.
        let bar = svg.split_once("class=\"bar\"").unwrap().1;
        let point = svg.rsplit_once("class=\"mark\"").unwrap().1;
        let (from, to, at) = (number(bar, "x1"), number(bar, "x2"), number(point, "cx"));
        assert!(
            ((at - to) / (to - from) - 1.5).abs() < 1e-3,
            "{from} {to} {at}"
        );
        assert!(figure(&table(&[])).is_err());
    }
}
