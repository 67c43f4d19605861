//! The figure of a table: a row a line, its mean accuracy over seeds, the 95 % interval of that
//! mean for a bar, and the published accuracy where there is one.

use super::marks::{Mark, Marks, Name, Scale};
use crate::study::Table;
use crate::study::table::TableRow;

/// The figure. One of a table without a finished cell cannot be drawn.
pub fn figure(table: &Table) -> Marks {
    let of = if table.validation {
        "validation"
    } else {
        "test"
    };
    let mark = |series, line, value, bar: Option<(f64, f64)>| Mark {
        series,
        line,
        value,
        bar,
        resolution: None,
        hollow: series == 0 && bar.is_none(),
    };
    let ours = |(line, row): (usize, &TableRow)| {
        let percent = row.percent?;
        let around = |half| (percent.mean - half, percent.mean + half);
        Some(mark(0, line, percent.mean, percent.half_width.map(around)))
    };
    let theirs = |(line, row): (usize, &TableRow)| {
        let published = row.published_percent?;
        Some(mark(1, line, published, None))
    };
    let rows = || table.rows.iter().enumerate();
    let mut marks: Vec<Mark> = rows().filter_map(ours).collect();
    let single = marks.iter().any(|mark| mark.hollow);
    let hollow = if single {
        "; hollow: a single seed"
    } else {
        ""
    };
    // What others published alone is no figure of this table.
    if !marks.is_empty() {
        marks.extend(rows().filter_map(theirs));
    }
    let beside = marks.iter().any(|mark| mark.series == 1);
    let (names, n) = names(&table.rows);
    Marks {
        title: format!("{}: {}", table.dataset, table.suite),
        axis: format!("{of} accuracy (%)"),
        notes: vec![format!(
            "Bar: 95 % t-interval of the mean over n seeds{hollow}{n}"
        )],
        of: "row",
        names,
        series: match beside {
            true => vec!["here".into(), "published".into()],
            false => Vec::new(),
        },
        marks,
        scale: Scale::Shown,
    }
}

/// The rows' names, and what a note says of their seeds: how many a row has is said there once
/// where all have as many, and behind each name where they do not.
fn names(rows: &[TableRow]) -> (Vec<Name>, String) {
    let same = rows
        .windows(2)
        .all(|two| two[0].seeds.len() == two[1].seeds.len());
    let n = match rows.first() {
        Some(row) if same => format!(", n = {}", row.seeds.len()),
        _ => String::new(),
    };
    let name = |row: &TableRow| Name {
        text: match same {
            true => row.title.clone(),
            false => format!("{} (n = {})", row.title, row.seeds.len()),
        },
        under: false,
    };
    (rows.iter().map(name).collect(), n)
}

#[cfg(test)]
mod tests {
    use super::super::paint::Theme;
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

    fn svg(table: &Table) -> String {
        figure(table).draw().unwrap().svg(Theme::Reader)
    }

    #[test]
    fn what_was_published_stands_beside_what_was_trained() {
        let mut of = table(&[(50.0, Some(10.0)), (90.0, Some(1.0))]);
        of.rows[1].published_percent = Some(80.0);
        let marks = figure(&of).marks;
        let [.., published] = marks.as_slice() else {
            panic!("{marks:?}");
        };
        assert_eq!(marks.len(), 3);
        assert_eq!((published.series, published.line), (1, 1));
        assert_eq!((published.value, published.hollow), (80.0, false));
        assert!(svg(&of).contains("published") && !svg(&of).contains("hollow"));
        // Nothing was trained, and so there is nothing to draw.
        of.rows[0].percent = None;
        of.rows[1].percent = None;
        assert!(figure(&of).draw().is_err());
    }

    #[test]
    fn the_number_of_seeds_is_said_once_where_all_rows_have_it() {
        let mut of = table(&[(50.0, Some(10.0)), (90.0, Some(1.0))]);
        assert_eq!(svg(&of).matches("n = ").count(), 1);
        of.rows[1].seeds.push(3);
        assert_eq!(svg(&of).matches("n = ").count(), 2);
    }

    #[test]
    fn a_row_is_a_point_with_its_interval() {
        let svg = svg(&table(&[(50.0, Some(10.0)), (90.0, None)]));
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
        assert!(figure(&table(&[])).draw().is_err());
    }
}
