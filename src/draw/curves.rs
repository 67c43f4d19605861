//! The curves of one run or of many: loss, accuracy, slope, learning rate, changed bits and
//! saturated units, epoch by epoch. Runs that differ in their seed alone are one line, their
//! mean, in the band between the least and the greatest of them.

use super::chart::{Block, Figure, Line, Panel};
use super::facets::{Facets, Setting};
use crate::error::{Error, Result};
use crate::train::EpochRecord;

/// A run's epochs and the line that it is part of.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// The number of its setting; runs that differ in their seed alone share one.
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

/// The figure of the runs; setting `i` is what the runs of line `i` are.
///
/// # Errors
/// Runs without a finished epoch.
pub fn figure(courses: &[Course<'_>], settings: &[Setting]) -> Result<Figure> {
    let facets = Facets::of(settings);
    let (mut blocks, mut constant, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for curve in &CURVES {
        let (title, unit, log, number) = *curve;
        let lines: Vec<(usize, Line)> = (0..settings.len())
            .filter_map(|i| Some((i, line(courses, i, &facets, number)?)))
            .collect();
        counts.extend(lines.iter().map(|(_, line)| line.n));
        if let Some(value) = one_value(&lines) {
            constant.push(format!("{title}: {value} throughout."));
            continue;
        }
        let panel = |(number, title): (usize, &String)| Panel {
            title: title.clone(),
            lines: lines
                .iter()
                .filter(|(i, _)| facets.places[*i].panel == number)
                .map(|(_, line)| line.clone())
                .collect(),
        };
        let panels = facets.panels.iter().enumerate().map(panel);
        let panels: Vec<Panel> = panels.filter(|panel| !panel.lines.is_empty()).collect();
        if !panels.is_empty() {
            blocks.push(Block {
                quantity: title.into(),
                unit,
                log,
                along: "epoch".into(),
                along_log: false,
                panels,
            });
        }
    }
    if counts.is_empty() {
        return Err(Error::spec("there is no finished epoch to draw"));
    }
    let mut notes = constant;
    notes.extend(band(&counts));
    Ok(Figure {
        title: match facets.common.is_empty() {
            true => format!("{} settings", settings.len()),
            false if settings.len() > 1 => {
                format!("{}: {} settings", facets.common, settings.len())
            }
            false => facets.common,
        },
        notes,
        blocks,
    })
}

/// What the band is, where a line has one.
fn band(counts: &[usize]) -> Option<String> {
    let (least, most) = (counts.iter().min()?, counts.iter().max()?);
    let seeds = match least == most {
        true => format!("n = {most}"),
        false => format!("n = {least} to {most}"),
    };
    (*most > 1).then(|| {
        format!("Line: the mean over seeds, {seeds}. Band: from the least to the greatest of them, as far as all have come.")
    })
}

/// The only number of lines that never change.
fn one_value(lines: &[(usize, Line)]) -> Option<f64> {
    let mut all = lines
        .iter()
        .flat_map(|(_, line)| line.points.iter().map(|p| p.1));
    let first = all.next()?;
    // A single epoch has not shown that it stays.
    let several = lines.iter().all(|(_, line)| line.points.len() > 1);
    // A mean of equal numbers may differ from them in its last bits.
    let same = |v: f64| (v - first).abs() <= 1e-9 * first.abs();
    let rounded = (first * 1e9).round() / 1e9;
    (several && all.all(same)).then_some(rounded)
}

/// The mean of the runs of a setting, over the epochs that all of them have a number for.
fn line(
    courses: &[Course<'_>],
    setting: usize,
    facets: &Facets,
    number: fn(&EpochRecord) -> Option<f64>,
) -> Option<Line> {
    let own = courses.iter().filter(|course| course.line == setting);
    let points = |course: &Course<'_>| {
        let points = course.history.iter();
        let points = points.filter_map(|r| Some((r.epoch, number(r)?)));
        points.collect::<Vec<(usize, f64)>>()
    };
    let runs: Vec<Vec<(usize, f64)>> = own.map(points).filter(|p| !p.is_empty()).collect();
    let n = runs.len();
    let (mut means, mut band) = (Vec::new(), Vec::new());
    for &(epoch, _) in runs.first()? {
        let there = runs.iter().map(|run| run.iter().find(|p| p.0 == epoch));
        let Some(values) = there.map(|p| Some(p?.1)).collect::<Option<Vec<f64>>>() else {
            continue;
        };
        let along = epoch as f64;
        means.push((along, values.iter().sum::<f64>() / n as f64));
        if n > 1 {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            band.push((along, least, most));
        }
    }
    let place = &facets.places[setting];
    (!means.is_empty()).then(|| Line {
        run: setting,
        colour: place.colour,
        name: place.label.clone(),
        n,
        points: means,
        band,
    })
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{assert_apart, assert_within, texts};
    use super::super::paint::Theme;
    use super::*;

    fn record(epoch: usize, loss: f64) -> EpochRecord {
        let line = format!(
            r#"{{"epoch":{epoch},"train_loss":{loss},"train_accuracy":0.9,"val_loss":{},"val_accuracy":0.91,"slope":1.0,"lr":0.1,"img_per_s":1.0,"seconds":1.0}}"#,
            loss * 0.8
        );
        serde_json::from_str(&line).unwrap()
    }

    fn history(first: f64, epochs: usize) -> Vec<EpochRecord> {
        (1..=epochs).map(|e| record(e, first / e as f64)).collect()
    }

    fn settings(names: &[&str]) -> Vec<Setting> {
        let setting = |name: &&str| Setting {
            name: (*name).into(),
            parts: ["", "", ""].map(String::from),
        };
        names.iter().map(setting).collect()
    }

    #[test]
    fn seeds_are_one_line_and_the_csv_says_what_is_drawn() {
        let runs = [history(1.0, 3), history(2.0, 4), history(0.5, 3)];
        let line = |i: usize| Course {
            line: usize::from(i == 2),
            history: &runs[i],
        };
        let courses = [line(0), line(1), line(2)];
        let figure = figure(&courses, &settings(&["net, a \"b\"", "net, <c>"])).unwrap();
        assert_eq!(figure.title, "net: 2 settings");
        // Accuracy, slope and learning rate never change: no panels, but three notes.
        assert_eq!((figure.blocks.len(), figure.notes.len()), (2, 4));
        assert!(figure.notes[3].contains("n = 1 to 2"), "{:?}", figure.notes);
        let training = &figure.blocks[1].panels[0].lines;
        assert_eq!(training[0].points, [(1.0, 1.5), (2.0, 0.75), (3.0, 0.5)]);
        assert_eq!(training[0].band[1], (2.0, 0.5, 1.0));
        assert!(training[1].band.is_empty());
        let csv = figure.csv();
        let rows: Vec<&str> = csv
            .lines()
            .filter(|l| l.starts_with("Training loss"))
            .collect();
        assert_eq!(
            rows[1],
            "Training loss,nats,,\"a \"\"b\"\"\",2,epoch,2,0.75,0.5,1"
        );
        assert_eq!(rows[3], "Training loss,nats,,<c>,1,epoch,1,0.5,,");
        assert_eq!(csv.lines().count(), 1 + 12);
        let canvas = figure.draw().unwrap();
        assert_within(&canvas);
        assert_apart(&canvas);
        let svg = canvas.svg(Theme::Dark);
        assert!(svg.contains("&lt;c&gt;") && svg.contains("class=\"band run0\""));
        assert!(!svg.contains("class=\"band run1\""));
        assert_eq!(
            svg,
            figure.draw().unwrap().svg(Theme::Dark),
            "the same bytes"
        );
    }

    #[test]
    fn many_settings_are_small_multiples_of_one_scale() {
        let runs: Vec<_> = (0..12).map(|i| history(1.0 + i as f64, 5)).collect();
        let settings: Vec<Setting> = (0..12)
            .map(|i| {
                let parts = [
                    format!("place {}", i % 3),
                    "det".into(),
                    format!("rule {}", i / 3),
                ];
                Setting {
                    name: format!("net, {}", parts.join(", ")),
                    parts,
                }
            })
            .collect();
        let courses: Vec<_> = runs
            .iter()
            .enumerate()
            .map(|(line, history)| Course { line, history })
            .collect();
        let figure = figure(&courses, &settings).unwrap();
        assert_eq!(figure.title, "net, det: 12 settings");
        let titles = figure.blocks[0].panels.iter().map(|p| p.title.as_str());
        assert_eq!(
            titles.collect::<Vec<_>>(),
            ["place 0", "place 1", "place 2"]
        );
        let canvas = figure.draw().unwrap();
        assert_within(&canvas);
        assert_apart(&canvas);
        let shown = texts(&canvas);
        let count = |what: &str| shown.iter().filter(|(text, _)| *text == what).count();
        // The same ticks in all panels of a block, a name at each line.
        assert_eq!((count("rule 2"), count("epoch")), (6, 6));
    }

    #[test]
    fn runs_without_an_epoch_are_refused() {
        let course = Course {
            line: 0,
            history: &[],
        };
        assert!(figure(&[course], &settings(&["net"])).is_err());
    }
}
