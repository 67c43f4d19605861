//! The page's words and tables: headline, results, layers, speed, commands.

use maud::{Markup, html};

use super::{Report, Shown, Speed};
use crate::study::grouped;
use crate::study::spread::Spread;
use crate::study::table::TableRow;
use crate::study::timing::Timing;

/// A signed difference, coloured.
fn difference(d: Option<f64>) -> Markup {
    html! { @match d {
        None => { "" }
        Some(d) => { span class=(if d < 0.0 { "down" } else { "up" }) { (format!("{d:+.2}")) } }
    } }
}

fn spread(s: Option<Spread>, digits: usize) -> String {
    s.map_or_else(|| "-".into(), |s| s.text(digits))
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
                    spread(row.percent, 2),
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
                    div.scroll { table {
                        thead { tr {
                            th { "row" } th { "seeds" } th { "accuracy %" } th { "published" } th { "difference" }
                            th { "loss" } th { "published" } th { "16 samples %" } th { "thresholds %" }
                        } }
                        tbody { @for row in &table.rows { (table_row(row)) } }
                    } }
                    @if !table.machines.is_empty() {
                        p.note { "Trained on " (table.machines.join("; ")) "." }
                    }
                }
                @if self.runs.iter().any(|r| !r.cell) { (self.runs_table()) }
            }
        }
    }

    fn runs_table(&self) -> Markup {
        let number = |x: Option<f64>, digits: usize| {
            x.map_or_else(|| "-".into(), |x| format!("{x:.digits$}"))
        };
        let runs = || self.runs.iter().filter(|r| !r.cell);
        html! {
            @if !self.tables.is_empty() { h3 { "Single runs" } }
            div.scroll { table {
                thead { tr {
                    th { "run" } th { "accuracy %" } th { "published" } th { "difference" }
                    th { "loss" } th { "published" } th { "16 samples %" } th { "thresholds %" } th { "epoch" }
                } }
                tbody { @for run in runs() {
                    @let test = run.test.as_ref();
                    @let percent = test.map(|t| t.accuracy * 100.0);
                    @let published = run.published.map(|p| p.percent);
                    tr {
                        td { (run.name) }
                        td { (number(percent, 2)) }
                        td { (number(published, 2)) }
                        td { (difference(percent.zip(published).map(|(a, b)| a - b))) }
                        td { (number(test.map(|t| t.loss), 4)) }
                        td { (number(run.published.and_then(|p| p.loss), 4)) }
                        td { (number(test.and_then(|t| Some(t.mean_of_16?.accuracy * 100.0)), 2)) }
                        td { (number(test.and_then(|t| Some(t.threshold?.accuracy * 100.0)), 2)) }
                        td { @match test {
                            Some(t) => { (t.epoch) " of " (run.history.len()) }
                            None => { "unfinished, " (run.history.len()) }
                        } }
                    }
                } }
            } }
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
        let number = |n: usize| if n == 0 { "-".to_string() } else { grouped(n) };
        html! {
            section id="layers" {
                h2 { "Layers" }
                @for net in &self.layers {
                    h3 { (net.names[0]) }
                    @if net.names.len() > 1 {
                        p.note { "The same sizes: " (net.names[1..].join("; ")) "." }
                    }
                    div.scroll { table {
                        thead { tr {
                            th { "layer" } th.words { "kind" } th { "output" } th { "32-bit params" } th { "1-bit params" }
                            th { "float mult-adds" } th { "binary mult-adds" } th { "bytes" }
                        } }
                        tbody { @for row in &net.rows { tr {
                            td { (row.name) } td.words { (row.kind) } td { (row.output) }
                            td { (number(row.params_f32)) } td { (number(row.params_bit)) }
                            td { (number(row.madds_f32)) } td { (number(row.madds_bit)) } td { (number(row.bytes)) }
                        } } }
                        tfoot { tr {
                            td { "total" } td.words {} td {}
                            td { (grouped(net.rows.iter().map(|r| r.params_f32).sum())) }
                            td { (grouped(net.rows.iter().map(|r| r.params_bit).sum())) }
                            td { (grouped(net.rows.iter().map(|r| r.madds_f32).sum())) }
                            td { (grouped(net.rows.iter().map(|r| r.madds_bit).sum())) }
                            td { (grouped(net.rows.iter().map(|r| r.bytes).sum())) }
                        } }
                    } }
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

fn table_row(row: &TableRow) -> Markup {
    let number =
        |x: Option<f64>, digits: usize| x.map_or_else(|| "-".into(), |x| format!("{x:.digits$}"));
    html! { tr {
        td { (row.title) }
        td { (row.seeds.len()) }
        td { (spread(row.percent, 2)) }
        td { (number(row.published_percent, 2)) }
        td { (difference(row.difference())) }
        td { (spread(row.loss, 4)) }
        td { (number(row.published_loss, 4)) }
        td { (spread(row.percent_of_16, 2)) }
        td { (spread(row.percent_threshold, 2)) }
    } }
}

fn speed_table(speed: &Speed) -> Markup {
    let rate = |t: &Timing| grouped(t.img_per_s as usize);
    html! {
        h3 { (speed.name) }
        p.note { (speed.machine) "; medians of " (speed.float.first().map_or(0, |t| t.repeats)) " repeats."
            @if speed.packed.is_ok() { " Packed into " (grouped(speed.bytes)) " bytes." }
        }
        @match &speed.packed {
            Err(why) => { p { "Not packed: " (why) } }
            Ok(_) => {}
        }
        div.scroll { table {
            thead { tr {
                th { "images a call" } th { "threads" } th { "float, images/s" }
                @if speed.packed.is_ok() { th { "packed, images/s" } th { "times as fast" } th { "packed, \u{00b5}s a call" } }
            } }
            tbody { @for (i, float) in speed.float.iter().enumerate() { tr {
                td { (float.batch) } td { (float.threads) } td { (rate(float)) }
                @if let Ok(packed) = &speed.packed {
                    td { (rate(&packed[i])) }
                    td { (format!("{:.1}", packed[i].img_per_s / float.img_per_s)) }
                    td { (format!("{:.1}", packed[i].us[0])) }
                }
            } } }
        } }
    }
}
