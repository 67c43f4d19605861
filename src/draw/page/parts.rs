//! The page's words and tables: headline, results, layers, speed, commands.

use maud::{Markup, html};

use super::table::{Column, table};
use super::{Report, Shown, Speed};
use crate::model::LayerRow;
use crate::study::grouped;
use crate::study::spread::Spread;
use crate::study::table::TableRow;
use crate::study::timing::Timing;

/// A signed difference, coloured.
fn difference(d: f64) -> Markup {
    html! { span class=(if d < 0.0 { "down" } else { "up" }) { (format!("{d:+.2}")) } }
}

fn spread(s: Option<Spread>, digits: usize) -> Option<String> {
    s.map(|s| s.text(digits))
}

fn number(x: Option<f64>, digits: usize) -> Option<String> {
    x.map(|x| format!("{x:.digits$}"))
}

impl Report<'_> {
    /// The best result, in a sentence.
    pub(super) fn headline(&self) -> String {
        let rows = self.tables.iter().flat_map(|t| &t.rows);
        let best_row = rows
            .filter_map(|row| Some((row.percent?.mean, row)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let tested = self.runs.iter().filter_map(|r| Some((r, r.test.as_ref()?)));
        let best_run = tested.max_by(|a, b| a.1.accuracy.total_cmp(&b.1.accuracy));
        match (best_row, best_run) {
            (Some((_, row)), _) => {
                let seeds = match row.seeds.len() {
                    1 => "one seed".into(),
                    n => format!("{n} seeds"),
                };
                let beside = row.published_percent.map_or_else(String::new, |p| {
                    format!("; the published figure is {p:.2} %")
                });
                format!(
                    "Of {} rows the most accurate is \u{201c}{}\u{201d}: {} % of the test images right over {seeds}{beside}.",
                    self.tables.iter().map(|t| t.rows.len()).sum::<usize>(),
                    row.title,
                    spread(row.percent, 2).unwrap_or_default(),
                )
            }
            (None, Some((run, test))) => {
                let beside = run.published.map_or_else(String::new, |p| {
                    format!(" Published for this configuration: {:.2} %.", p.percent)
                });
                let of = match self.runs.len() {
                    1 => String::new(),
                    n => format!("Of {n} runs the most accurate: "),
                };
                format!(
                    "{of}{} classifies {:.2} % of {} {} test images right, with a loss of {:.4}.{beside}",
                    run.name,
                    test.accuracy * 100.0,
                    grouped(test.images),
                    test.dataset,
                    test.loss
                )
            }
            (None, None) => "No run is finished yet.".into(),
        }
    }

    pub(super) fn results(&self) -> Markup {
        html! {
            section id="results" {
                h2 { "Results" }
                @for table in &self.tables {
                    h3 { (table.dataset) ": the " (table.suite) " suite" }
                    p.note { (table.about) " Mean \u{00b1} standard deviation over seeds." }
                    (suite_table(&table.rows))
                    @if !table.machines.is_empty() {
                        p.note { "Trained on " (table.machines.join("; ")) "." }
                    }
                }
                @if self.runs.iter().any(|r| !r.cell) { (self.runs_table()) }
            }
        }
    }

    fn runs_table(&self) -> Markup {
        let runs = || self.runs.iter().filter(|r| !r.cell);
        let test = || runs().map(|run| run.test.as_ref());
        let percent = |run: &Shown| Some(run.test.as_ref()?.accuracy * 100.0);
        let beyond = |run: &Shown| Some(percent(run)? - run.published?.percent);
        let epoch = |run: &Shown| match &run.test {
            Some(test) => format!("{} of {}", test.epoch, run.history.len()),
            None => format!("unfinished, {}", run.history.len()),
        };
        html! {
            @if !self.tables.is_empty() { h3 { "Single runs" } }
            (table(vec![
                Column::words("run", runs().map(|run| &run.name)),
                Column::new("accuracy %", runs().map(|run| number(percent(run), 2))),
                Column::new("published", runs().map(|run| number(run.published.map(|p| p.percent), 2))),
                Column::new("difference", runs().map(|run| beyond(run).map(difference))),
                Column::new("loss", test().map(|t| number(t.map(|t| t.loss), 4))),
                Column::new("published", runs().map(|run| number(run.published.and_then(|p| p.loss), 4))),
                Column::new("16 samples %", test().map(|t| {
                    number(t.and_then(|t| Some(t.mean_of_16?.accuracy * 100.0)), 2)
                })),
                Column::new("thresholds %", test().map(|t| {
                    number(t.and_then(|t| Some(t.threshold?.accuracy * 100.0)), 2)
                })),
                Column::new("epoch", runs().map(|run| Some(epoch(run)))),
            ]))
            @if runs().any(|r| r.published.is_none()) {
                p.note { "Published figures stand beside runs that keep to their protocol only." }
            }
            @for run in runs() { @if let Some(p) = run.published { @if !p.caveats().is_empty() {
                p.note { "\u{201c}" (p.row) "\u{201d}: " (p.caveats()) "." }
            } } }
        }
    }

    pub(super) fn layers(&self) -> Markup {
        if self.layers.is_empty() {
            return html! {};
        }
        html! {
            section id="layers" {
                h2 { "Layers" }
                @for net in &self.layers {
                    h3 { (net.names[0]) }
                    @if net.names.len() > 1 {
                        p.note { "The same sizes: " (net.names[1..].join("; ")) "." }
                    }
                    (layer_table(&net.rows))
                }
            }
        }
    }

    pub(super) fn speed(&self) -> Markup {
        html! {
            section id="speed" {
                h2 { "Speed: packed and float" }
                @if self.speeds.is_empty() {
                    p { "Not measured for this page. A report with speeds measures the networks, packed and \
                        not, on the machine at hand; the weights of the runs must be there." }
                }
                @for speed in &self.speeds { (speed_table(speed)) }
            }
        }
    }

    pub(super) fn commands(&self) -> Markup {
        html! {
            section id="commands" {
                h2 { "Commands and configurations" }
                @for table in &self.tables {
                    p { "The " (table.suite) " table:" }
                    pre.command { (table.command) }
                }
                @for run in &self.runs { (command(run)) }
            }
        }
    }
}

fn command(run: &Shown) -> Markup {
    let config = serde_json::to_string_pretty(&run.config).unwrap_or_default();
    html! {
        details {
            summary { (run.name) ", seed " (run.seed) }
            pre.command { (run.command) }
            @if !run.recipe.is_empty() {
                p { "The same as a recipe:" }
                pre { (run.recipe) }
            }
            @if !run.command_note.is_empty() { p.note { (run.command_note) } }
            pre { (config) }
        }
    }
}

/// The rows of a suite.
fn suite_table(rows: &[TableRow]) -> Markup {
    let all = || rows.iter();
    table(vec![
        Column::words("row", all().map(|row| &row.title)),
        Column::new("seeds", all().map(|row| Some(row.seeds.len()))),
        Column::new("accuracy %", all().map(|row| spread(row.percent, 2))),
        Column::new(
            "published",
            all().map(|row| number(row.published_percent, 2)),
        ),
        Column::new(
            "difference",
            all().map(|row| row.difference().map(difference)),
        ),
        Column::new("loss", all().map(|row| spread(row.loss, 4))),
        Column::new("published", all().map(|row| number(row.published_loss, 4))),
        Column::new(
            "16 samples %",
            all().map(|row| spread(row.percent_of_16, 2)),
        ),
        Column::new(
            "thresholds %",
            all().map(|row| spread(row.percent_threshold, 2)),
        ),
    ])
}

/// The layers of a network.
fn layer_table(rows: &[LayerRow]) -> Markup {
    let count = |head: &'static str, of: fn(&LayerRow) -> usize| {
        let cells = rows
            .iter()
            .map(|row| Some(of(row)).filter(|&n| n > 0).map(grouped));
        Column::new(head, cells).foot(grouped(rows.iter().map(of).sum()))
    };
    table(vec![
        Column::words("layer", rows.iter().map(|row| &row.name)).foot("total"),
        Column::words("kind", rows.iter().map(|row| &row.kind)),
        Column::new(
            "output",
            rows.iter().map(|row| Some(row.output.to_string())),
        ),
        count("32-bit params", |row| row.params_f32),
        count("1-bit params", |row| row.params_bit),
        count("float mult-adds", |row| row.madds_f32),
        count("binary mult-adds", |row| row.madds_bit),
        count("bytes", |row| row.bytes),
    ])
}

fn speed_table(speed: &Speed) -> Markup {
    let rate = |t: &Timing| grouped(t.img_per_s as usize);
    let float = || speed.float.iter();
    let packed = || {
        let at = |i: usize| speed.packed.as_ref().ok()?.get(i);
        (0..speed.float.len()).map(at)
    };
    html! {
        h3 { (speed.name) }
        p.note { (speed.machine) "; medians of " (speed.float.first().map_or(0, |t| t.repeats)) " repeats."
            @if speed.packed.is_ok() { " Packed into " (grouped(speed.bytes)) " bytes." }
        }
        @match &speed.packed {
            Err(why) => { p { "Not packed: " (why) } }
            Ok(_) => {}
        }
        (table(vec![
            Column::new("images a call", float().map(|t| Some(t.batch))),
            Column::new("threads", float().map(|t| Some(t.threads))),
            Column::new("float, images/s", float().map(|t| Some(rate(t)))),
            Column::new("packed, images/s", packed().map(|t| t.map(rate))),
            Column::new("times as fast", float().zip(packed()).map(|(float, packed)| {
                Some(format!("{:.1}", packed?.img_per_s / float.img_per_s))
            })),
            Column::new("packed, \u{00b5}s a call", packed().map(|t| number(t.map(|t| t.us[0]), 1))),
        ]))
    }
}
