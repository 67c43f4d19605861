//! The lab's figures: an estimator a line, a point of training a colour. Every mark has its
//! standard error for a bar, where the record holds it.

use super::marks::{Mark, Marks, Name, Scale};
use crate::error::{Error, Result};
use crate::lab::{Figures, Measured, OwnPoint, Record, Scattered, Spread, around};

/// A number, and from where to where it may be.
type Shown = (f64, Option<(f64, f64)>);

/// A figure: its file, its title, what its axis shows, and the number of an estimator.
struct Plot {
    /// File name without extension.
    file: &'static str,
    title: &'static str,
    axis: &'static str,
    value: fn(&Measured, &Figures) -> Shown,
    log: bool,
}

/// A figure of trainings with each estimator.
struct OwnPlot {
    file: &'static str,
    title: &'static str,
    axis: &'static str,
    value: fn(&Spread) -> Shown,
}

/// Every figure of estimators at the same weights.
const PLOTS: [Plot; 6] = [
    Plot {
        file: "bias",
        title: "Bias",
        axis: "bias (share of the gradient's norm, logarithmic)",
        value: |_, f| (f.bias, Some(around(f.bias, f.bias_error))),
        log: true,
    },
    Plot {
        file: "variance",
        title: "Variance of a draw",
        axis: "variance, mean over parameters (squared nats per unit of weight, logarithmic)",
        value: |_, f| {
            let share = |x: f64| x * f.variance_per_parameter / f.variance;
            let error = f.errors.map(|e| share(e.variance));
            plus_minus(f.variance_per_parameter, error)
        },
        log: true,
    },
    Plot {
        file: "snr",
        title: "Signal-to-noise ratio of a draw",
        axis: "signal-to-noise ratio (no unit, logarithmic)",
        value: |_, f| (f.snr, f.errors.map(|e| around(f.snr, e.snr))),
        log: true,
    },
    Plot {
        file: "cosine",
        title: "Direction of a draw",
        axis: "cosine of a draw with the reference gradient, mean (no unit)",
        value: |_, f| plus_minus(f.cosine, f.errors.map(|e| e.cosine)),
        log: false,
    },
    Plot {
        file: "milliseconds",
        title: "Time of a draw",
        axis: "time of a draw, median (milliseconds, logarithmic)",
        value: |m, _| plus_minus(m.milliseconds, m.milliseconds_error),
        log: true,
    },
    Plot {
        file: "efficiency",
        title: "Signal for the time",
        axis: "squared signal-to-noise ratio for the time of a draw (per millisecond, logarithmic)",
        value: |m, f| {
            let value = f.snr.powi(2) / m.milliseconds;
            let error = f.errors.zip(m.milliseconds_error).map(|(e, time)| {
                // Two errors that have nothing to do with each other.
                let of_time = value * time / m.milliseconds;
                (e.snr.powi(2) / m.milliseconds).hypot(of_time)
            });
            plus_minus(value, error)
        },
        log: true,
    },
];

/// Every figure of estimators along their own trajectories.
const OWN: [OwnPlot; 2] = [
    OwnPlot {
        file: "own-variance",
        title: "Variance of a draw along each estimator's own training",
        axis: "variance, mean over parameters (squared nats per unit of weight, logarithmic)",
        value: |s| {
            let error = s.variance_error * s.variance_per_parameter / s.variance;
            plus_minus(s.variance_per_parameter, Some(error))
        },
    },
    OwnPlot {
        file: "own-snr",
        title: "Signal-to-noise ratio of a draw along each estimator's own training",
        axis: "signal-to-noise ratio (no unit, logarithmic)",
        value: |s| (s.snr, Some(around(s.snr, s.snr_error))),
    },
];

/// What the bars are.
const BARS: &str =
    "Bar: one standard error; what differs by less than two of them is not told apart.";
/// What a logarithmic axis has no place for.
const EDGE: &str = "What stands at the left edge is 0, and a bar that reaches it goes down to 0.";

fn plus_minus(value: f64, error: Option<f64>) -> Shown {
    (value, error.map(|error| (value - error, value + error)))
}

/// The figures that there are of a record, each with its name.
///
/// # Errors
/// A record without a finite number to show.
pub fn figures(record: &Record) -> Result<Vec<(&'static str, Marks)>> {
    let mut all = Vec::new();
    if !record.points.is_empty() {
        all.extend(PLOTS.iter().map(|plot| (plot.file, plot.chart(record))));
    }
    if !record.own.is_empty() {
        all.extend(OWN.iter().map(|plot| (plot.file, plot.chart(record))));
    }
    let blank = |(_, chart): &&(_, Marks)| chart.marks.iter().all(|m| !m.value.is_finite());
    if let Some((file, _)) = all.iter().find(blank) {
        return Err(Error::spec(format!("figure {file}: no number to show")));
    }
    Ok(all)
}

fn titled(title: &str, record: &Record) -> String {
    format!("{title}: {}, {}", record.network, record.dataset)
}

impl Plot {
    fn chart(&self, record: &Record) -> Marks {
        let first = record.points.first();
        let names = first.map(|p| p.estimators.iter().map(|e| name(&e.name)).collect());
        let mut marks = Vec::new();
        for (series, point) in record.points.iter().enumerate() {
            for (line, of) in point.estimators.iter().enumerate() {
                let Some((_, figures)) = of.figures.last() else {
                    continue;
                };
                let (value, bar) = (self.value)(of, figures);
                // What has no noise at all has no place on a logarithmic axis.
                let bar = bar.filter(|bar| bar.0.is_finite() && bar.1.is_finite());
                let is_nothing = value <= 0.0 && bar.is_none_or(|bar| bar.1 <= 0.0);
                if self.log && is_nothing {
                    continue;
                }
                let is_bias = self.file == "bias";
                marks.push(Mark {
                    series,
                    line,
                    value,
                    bar,
                    resolution: is_bias.then(|| figures.resolution()),
                    hollow: is_bias && !figures.is_biased(),
                });
            }
        }
        let known = self.file == "bias" || marks.iter().any(|m| m.bar.is_some());
        let mut notes = vec![match (self.file, known) {
            ("bias", _) => "Bar: one standard error. Upright: the resolution, the least bias that is told from chance; hollow: not told from it.".to_string(),
            (_, true) => BARS.into(),
            (_, false) => "The record holds no standard error of this.".into(),
        }];
        if self.log && known {
            notes.push(EDGE.into());
        }
        Marks {
            title: titled(self.title, record),
            axis: self.axis.into(),
            notes,
            of: "estimator",
            names: names.unwrap_or_default(),
            series: epochs(record.points.iter().map(|p| p.epoch)),
            marks,
            scale: match self.log {
                true => Scale::Log,
                false => Scale::Share,
            },
        }
    }
}

impl OwnPlot {
    fn chart(&self, record: &Record) -> Marks {
        let (mut names, mut marks) = (Vec::new(), Vec::new());
        for trajectory in &record.own {
            let first = trajectory.points.first();
            let measured: &[Scattered] = first.map_or(&[], |p| &p.estimators);
            for (number, of) in measured.iter().enumerate() {
                names.push(match number {
                    0 => name(&of.name),
                    _ => Name {
                        text: format!("{} there", of.name),
                        under: true,
                    },
                });
                let line = names.len() - 1;
                marks.extend(self.marks(&trajectory.points, number, line));
            }
        }
        let points = record.own.first().map_or(&[][..], |t| &t.points);
        Marks {
            title: titled(self.title, record),
            axis: self.axis.into(),
            notes: vec![BARS.into(), EDGE.into()],
            of: "trained with",
            names,
            series: epochs(points.iter().map(|p| p.epoch)),
            marks,
            scale: Scale::Log,
        }
    }

    fn marks(&self, points: &[OwnPoint], number: usize, line: usize) -> Vec<Mark> {
        let of = |(series, point): (usize, &OwnPoint)| {
            let (_, spread) = point.estimators.get(number)?.figures.last()?;
            let (value, bar) = (self.value)(spread);
            Some(Mark {
                series,
                line,
                value,
                bar,
                resolution: None,
                hollow: false,
            })
        };
        points.iter().enumerate().filter_map(of).collect()
    }
}

fn name(text: &str) -> Name {
    Name {
        text: text.into(),
        under: false,
    }
}

fn epochs(of: impl Iterator<Item = usize>) -> Vec<String> {
    of.map(|epoch| format!("epoch {epoch}")).collect()
}
