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
        title: format!("{}: {}", table.dataset, table.suite),
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
        // From 40 to 90 with 3 % more at both ends: 50 lies (10 + 1.5)/53 along the area.
        let at = |x: f64| 230.0 + (x - 38.5) / 53.0 * 618.0;
        for x in [at(40.0), at(60.0)] {
            assert!(svg.contains(&format!("{:.1}\"", x)), "{x}: {svg}");
        }
        assert_eq!(svg.matches("class=\"bar\"").count(), 1);
        assert_eq!(svg.matches("fill=\"none\"").count(), 1);
        assert!(svg.contains("hollow: a single seed") && svg.contains("&lt;row&gt; &amp; "));
        assert!(figure(&table(&[])).is_err());
    }

    #[test]
    fn every_colour_has_one_for_the_dark() {
        let svg = figure(&table(&[(50.0, Some(10.0))])).unwrap();
        let (sheet, body) = svg.split_once("</style>").unwrap();
        for part in body
            .split("fill=\"")
            .skip(1)
            .chain(body.split("stroke=\"").skip(1))
        {
            let colour = part.split('"').next().unwrap();
            assert!(sheet.contains(&format!("\"{colour}\"]")), "{colour}");
        }
    }
}
