//! The curves of one run or of several: loss, accuracy, slope, learning rate, changed
//! bits and saturated units, epoch by epoch.

use maud::{Markup, html};

use super::chart::{Chart, Line, SIZE, Style, sheet};
use crate::error::{Error, Result};
use crate::train::EpochRecord;

/// A run's epochs and the line that it is drawn as; runs that differ in their seed
/// alone may share one.
#[derive(Clone, Debug)]
pub struct Course<'a> {
    /// The line.
    pub line: usize,
    /// The epochs.
    pub history: &'a [EpochRecord],
}

/// A curve: its title, its unit, whether it spans orders of magnitude, its number.
type Curve = (
    &'static str,
    &'static str,
    bool,
    fn(&EpochRecord) -> Option<f64>,
);

const CURVES: [Curve; 8] = [
    ("Validation loss", "nats", true, |r| r.val_loss),
    ("Training loss", "nats", true, |r| Some(r.train_loss)),
    ("Validation accuracy", "%", false, |r| {
        r.val_accuracy.map(|a| a * 100.0)
    }),
    (
        "Bits changed by the epoch",
        "% of binary units",
        true,
        |r| r.bit_flips.map(|b| b * 100.0),
    ),
    ("Units saturated", "%", false, |r| {
        r.saturated.map(|s| s * 100.0)
    }),
    ("Weight signs changed by the epoch", "%", true, |r| {
        r.flip_ratio.map(|f| f * 100.0)
    }),
    ("Slope", "", false, |r| Some(r.slope)),
    ("Learning rate", "", true, |r| Some(r.lr)),
];

/// The charts that the runs have numbers for.
pub fn charts(courses: &[Course<'_>]) -> Vec<Chart> {
    let chart = |&(title, unit, log, number): &Curve| {
        let lines = courses.iter().map(|course| {
            let points = course.history.iter();
            let points = points.filter_map(|r| Some((r.epoch as f64, number(r)?)));
            Line {
                run: course.line,
                points: points.collect(),
            }
        });
        let lines: Vec<Line> = lines.filter(|line| !line.points.is_empty()).collect();
        (!lines.is_empty()).then_some(Chart {
            title,
            unit,
            log,
            along: "epoch",
            along_log: false,
            lines,
        })
    };
    CURVES.iter().filter_map(chart).collect()
}

/// All charts in one SVG file with a legend: `names[i]` is what line `i` is.
///
/// # Errors
/// Runs without a finished epoch.
pub fn figure(courses: &[Course<'_>], names: &[String], style: Style) -> Result<String> {
    let charts = charts(courses);
    if charts.is_empty() {
        return Err(Error::spec("there is no finished epoch to draw"));
    }
    Ok(sheet(&charts, names, style))
}

/// One chart for a page, which scales and colours it.
pub fn inline(chart: &Chart) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {} {}", SIZE.0, SIZE.1)) role="img" aria-label=(chart.title)
            font-size="12" { (chart.body(Style::Page)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize) -> EpochRecord {
        let line = format!(
            r#"{{"epoch":{epoch},"train_loss":0.5,"train_accuracy":0.9,"val_loss":0.4,"val_accuracy":0.91,"slope":1.0,"lr":0.1,"img_per_s":1.0,"seconds":1.0}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    fn course(history: &[EpochRecord]) -> [Course<'_>; 1] {
        [Course { line: 0, history }]
    }

    #[test]
    fn curves_without_numbers_are_left_out_and_names_escaped() {
        let mut history = vec![record(1), record(2)];
        assert_eq!(charts(&course(&history)).len(), 5);
        history[1].bit_flips = Some(0.02);
        history[1].saturated = Some(0.5);
        assert_eq!(charts(&course(&history)).len(), 7);
        let names = ["<b> & \"c\"".to_string()];
        let svg = figure(&course(&history), &names, Style::Dark).unwrap();
        assert!(svg.contains("&lt;b&gt; &amp; "), "{svg}");
        assert!(svg.starts_with("<svg xmlns=") && svg.trim_end().ends_with("</svg>"));
        // Every element is closed: it is XML.
        for tag in ["line", "polyline", "circle", "rect", "text", "g", "tspan"] {
            let opened = svg.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, svg.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(figure(&course(&[]), &names, Style::Light).is_err());
    }
}
