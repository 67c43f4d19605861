//! The lines of a lab's record: a table a point, in which no number stands without its
//! standard error and no bias without its resolution.

use bnn_cpu::lab::{Figures, Measured, Point, Record, Spread, Trajectory, error_of_root};
use serde_json::json;

use super::super::aligned::{Align, Table};
use super::super::output;
use super::super::{Context, Outcome};
use super::Args;

/// The standard error for which the draws are said that it takes.
const ASKED: f64 = 0.05;

/// Shows a record: a table for each point, or one event.
pub fn print(record: &Record, args: &Args, context: &Context) -> Outcome {
    if context.json {
        return output::json(&json!({ "event": "lab", "record": record }));
    }
    for point in &record.points {
        compare(record, point)?;
    }
    if !record.points.is_empty() {
        for line in [
            "+-: one standard error, in the unit of its number. resolution: the smallest bias that is",
            "told from chance, the reference's own error included. s.e.: standard error of the mean of",
            "the draws. bias, resolution, s.e. and draws for 5 % are of the gradient's norm.",
        ] {
            output::line(line)?;
        }
    }
    for trajectory in &record.own {
        own(record, trajectory)?;
    }
    if !record.own.is_empty() {
        for line in [
            "+-: one standard error, in the unit of its number. resolution: by how much the ratio has to",
            "differ from 1 to be told from chance, two of its standard errors.",
        ] {
            output::line(line)?;
        }
    }
    output::note(&format!("written: {}", args.record().display()));
    Ok(())
}

/// A number and its standard error.
fn with(number: String, error: Option<String>) -> String {
    match error {
        Some(error) => format!("{number} +- {error}"),
        None => format!("{number} +- ?"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// A standard error beside a number with three places; one that is there is never shown as 0.
fn error(of: f64) -> String {
    match of > 0.0 && of < 0.0005 {
        true => format!("{of:.0e}"),
        false => format!("{of:.3}"),
    }
}

fn compare(record: &Record, point: &Point) -> Outcome {
    let of = &point.reference;
    output::line(&output::bold(&format!(
        "{} on {}, epoch {}, {} probability function, {} images",
        record.network, record.dataset, point.epoch, record.probability, record.images
    )))?;
    let mut line = format!(
        "reference: {}, {} draws, standard error {} % of the gradient",
        of.name,
        of.draws,
        percent(of.error)
    );
    if of.error > 0.0 {
        let draws = (of.draws as f64 * (of.error / ASKED).powi(2)).ceil();
        line += &format!(", draws for 5 %: {draws:.0}");
    }
    if let Some(resolution) = of.resolution {
        let resolution = percent(resolution);
        line += &format!("; it alone keeps a bias below {resolution} % from being told");
    }
    output::line(&line)?;
    let mut table = Table::new(&[
        ("estimator", Align::Left),
        ("bias %", Align::Right),
        ("resolution %", Align::Right),
        ("told from chance", Align::Left),
        ("variance", Align::Right),
        ("SNR", Align::Right),
        ("cosine", Align::Right),
        ("of mean", Align::Right),
        ("draws", Align::Right),
        ("s.e. %", Align::Right),
        ("draws for 5 %", Align::Right),
        ("ms", Align::Right),
    ]);
    for measured in &point.estimators {
        if let Some((_, figures)) = measured.figures.last() {
            table.row(row(measured, figures, of.norm));
        }
    }
    table.print()
}

fn row(measured: &Measured, f: &Figures, norm: f64) -> Vec<String> {
    let errors = f.errors;
    let share = |x: f64| match f.variance > 0.0 {
        true => x * f.variance_per_parameter / f.variance,
        false => 0.0,
    };
    let told = if f.is_biased() { "yes" } else { "no" };
    let mean = (f.variance / measured.draws as f64).sqrt() / norm;
    vec![
        measured.name.clone(),
        with(percent(f.bias), Some(percent(f.error_of_bias()))),
        percent(f.resolution()),
        told.into(),
        with(
            format!("{:.2e}", f.variance_per_parameter),
            errors.map(|e| format!("{:.0e}", share(e.variance))),
        ),
        with(
            format!("{:.3}", f.snr),
            errors.map(|e| error(error_of_root(f.snr, e.snr))),
        ),
        with(format!("{:.3}", f.cosine), errors.map(|e| error(e.cosine))),
        with(
            format!("{:.3}", f.cosine_of_mean),
            errors.map(|e| error(e.cosine_of_mean)),
        ),
        measured.draws.to_string(),
        percent(mean),
        format!("{:.0}", f.draws_for(ASKED, norm)),
        with(
            format!("{:.2}", measured.milliseconds),
            measured.milliseconds_error.map(|e| format!("{e:.2}")),
        ),
    ]
}

fn own(record: &Record, trajectory: &Trajectory) -> Outcome {
    output::line(&output::bold(&format!(
        "{} on {}, trained with {}, {} probability function, {} images",
        record.network, record.dataset, trajectory.name, record.probability, record.images
    )))?;
    let mut table = Table::new(&[
        ("epoch", Align::Right),
        ("validation %", Align::Right),
        ("estimator", Align::Left),
        ("draws", Align::Right),
        ("variance", Align::Right),
        ("SNR", Align::Right),
        ("variance, ST's = 1", Align::Right),
        ("resolution", Align::Right),
        ("ms", Align::Right),
    ]);
    for point in &trajectory.points {
        let spread = |of: &bnn_cpu::lab::Scattered| of.figures.last().map(|(_, s)| *s);
        // ST comes last; along its own trajectory it is the only one.
        let st = point.estimators.last().and_then(spread);
        for (number, measured) in point.estimators.iter().enumerate() {
            let Some(s) = spread(measured) else { continue };
            let ratio = st.filter(|_| number == 0 && point.estimators.len() > 1);
            let (ratio, resolution) = ratio.map_or((String::new(), String::new()), |st| {
                let (ratio, error) = ratio_of(&s, &st);
                let shown = with(format!("{ratio:.1}"), Some(format!("{error:.1}")));
                (shown, format!("{:.1}", 2.0 * error))
            });
            let per = s.variance_per_parameter / s.variance.max(f64::MIN_POSITIVE);
            table.row(vec![
                point.epoch.to_string(),
                point
                    .val_accuracy
                    .map_or("-".into(), |a| format!("{:.2}", a * 100.0)),
                measured.name.clone(),
                measured.draws.to_string(),
                with(
                    format!("{:.2e}", s.variance_per_parameter),
                    Some(format!("{:.0e}", s.variance_error * per)),
                ),
                with(
                    format!("{:.3}", s.snr),
                    Some(error(error_of_root(s.snr, s.snr_error))),
                ),
                ratio,
                resolution,
                with(
                    format!("{:.2}", measured.milliseconds),
                    Some(format!("{:.2}", measured.milliseconds_error)),
                ),
            ]);
        }
    }
    table.print()
}

/// The ratio of two variances, and its standard error out of those of both.
fn ratio_of(a: &Spread, b: &Spread) -> (f64, f64) {
    let ratio = a.variance / b.variance;
    let of = |s: &Spread| s.variance_error / s.variance;
    (ratio, ratio * of(a).hypot(of(b)))
}
