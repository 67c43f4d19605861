//! The table while it fills: drawn anew below the notes on a terminal, a line for
//! each finished cell elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bnn_cpu::bounded;
use bnn_cpu::study::{Cell, CellEvent, Finish, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::super::aligned::{self, Align};
use super::super::output;
use super::super::{Context, Outcome};

/// The rows of a table in columns as wide as they will be when all seeds are there: those of
/// a sweep, or of a suite beside published figures.
pub fn rows(table: &Table, of_sweep: bool) -> aligned::Table {
    match of_sweep {
        true => rows_of_sweep(table),
        false => rows_of_suite(table),
    }
}

fn rows_of_sweep(table: &Table) -> aligned::Table {
    let (accuracy, loss) = match table.validation {
        true => ("validation accuracy %", "validation loss"),
        false => ("test accuracy %", "test loss"),
    };
    let mut shown = aligned::Table::new(&[
        ("row", Align::Left),
        ("n", Align::Right),
        (accuracy, Align::Right),
        ("95 % ±", Align::Right),
        ("paired difference", Align::Right),
        (loss, Align::Right),
        ("seconds", Align::Right),
    ]);
    // Nothing is finished at first.
    shown.least(1, 1);
    shown.least(5, "0.0456 ± 0.0045".chars().count());
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    for row in &table.rows {
        let half = row.percent.and_then(|s| s.half_width);
        shown.row(vec![
            row.title.clone(),
            row.seeds.len().to_string(),
            or_dash(row.percent.map(|s| s.text(2))),
            or_dash(half.map(|half| format!("{half:.2}"))),
            or_dash(row.over_row.map(|s| s.signed(2))),
            or_dash(row.loss.map(|s| s.text(4))),
            or_dash(row.seconds.map(|s| format!("{:.0}", s.mean))),
        ]);
    }
    shown
}

fn rows_of_suite(table: &Table) -> aligned::Table {
    let mut shown = aligned::Table::new(&[
        ("row", Align::Left),
        ("seeds", Align::Right),
        ("accuracy %", Align::Right),
        ("published", Align::Right),
        ("difference", Align::Right),
        ("loss", Align::Right),
        ("published", Align::Right),
        ("seconds", Align::Right),
    ]);
    let number = |x: Option<f64>, digits: usize| x.map_or("-".into(), |x| format!("{x:.digits$}"));
    // Nothing is finished at first.
    shown.least(1, "seeds".len());
    shown.least(2, "98.52 ± 0.08".chars().count());
    shown.least(5, "0.0456 ± 0.0045".chars().count());
    for row in &table.rows {
        shown.row(vec![
            row.title.clone(),
            row.seeds.len().to_string(),
            row.percent.map_or("-".into(), |s| s.text(2)),
            number(row.published_percent, 2),
            row.difference().map_or("-".into(), |d| format!("{d:+.2}")),
            row.loss.map_or("-".into(), |s| s.text(4)),
            number(row.published_loss, 4),
            number(row.seconds.map(|s| s.mean), 0),
        ]);
    }
    shown
}

/// Lines cut to `columns`; of too many the head, which is the first `heads`, and the last ones
/// that fit `most`.
fn fitted(lines: &[String], heads: usize, columns: usize, most: usize) -> String {
    let heads = heads.min(lines.len());
    let first = lines
        .len()
        .saturating_sub(most.max(heads) - heads)
        .max(heads);
    let shown = lines.iter().take(heads).chain(lines.iter().skip(first));
    let cut = |line: &String| line.chars().take(columns).collect::<String>();
    shown.map(cut).collect::<Vec<_>>().join("\n")
}

/// Shows how the table fills.
pub struct Show {
    bar: ProgressBar,
    terminal: bool,
    of_sweep: bool,
    context: Context,
    state: Mutex<State>,
}

/// What the time left is reckoned from.
struct State {
    begun: Instant,
    /// Epochs trained now, and left to train.
    done: usize,
    left: usize,
    cells_left: usize,
    /// The rows, with their head.
    rows: aligned::Table,
}

impl State {
    fn seconds_left(&self) -> f64 {
        let pace = self.begun.elapsed().as_secs_f64() / self.done.max(1) as f64;
        pace * self.left as f64
    }
}

impl Show {
    pub fn new(cells: &[Cell], of_sweep: bool, context: &Context) -> Self {
        let left: usize = cells.iter().map(|cell| cell.config.epochs).sum();
        let terminal = output::redraws() && !context.quiet && !context.json;
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let template =
            "{prefix}\n[{bar:20}] {pos}/{len} epochs, {elapsed} gone, {eta} left  {wide_msg}";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(left as u64), target).with_style(style);
        // The clock has a thread of its own; without one the time is shown with each event.
        if terminal && bounded::check_threads(1).is_ok() {
            bar.enable_steady_tick(Duration::from_secs(1));
        }
        Self {
            bar,
            terminal,
            of_sweep,
            context: *context,
            state: Mutex::new(State {
                begun: Instant::now(),
                done: 0,
                left,
                cells_left: cells.len(),
                rows: aligned::Table::new(&[]),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that the user must see.
    pub fn must(&self, text: &str) {
        self.bar.suspend(|| output::note(text));
    }

    /// A line of its own.
    pub fn line(&self, text: &str) {
        if self.terminal {
            self.bar.println(output::clean(text));
        } else if !self.context.json && !self.context.quiet {
            output::note(text);
        }
    }

    /// Shows the table before anything is trained.
    pub fn begin(&self, table: &Table) {
        let rows = rows(table, self.of_sweep);
        if !self.terminal {
            self.line(&rows.lines()[0]);
        }
        let mut state = self.state();
        state.rows = rows;
        self.draw(&state);
    }

    /// Shows the table now that a cell of the row `id` is finished.
    pub fn table(&self, table: &Table, id: &str) {
        let rows = rows(table, self.of_sweep);
        let mut state = self.state();
        if !self.terminal
            && let Some(at) = table.rows.iter().position(|row| row.id == id)
        {
            let left = output::duration(state.seconds_left());
            self.line(&format!(
                "{}  {} cells and about {left} left",
                rows.lines()[at + 1],
                state.cells_left
            ));
        }
        state.rows = rows;
        self.draw(&state);
    }

    /// Draws the table anew, as much of it as the terminal shows.
    fn draw(&self, state: &State) {
        if self.terminal {
            let (columns, lines) = output::terminal_size();
            // Below it the bar and a free line.
            let (columns, lines) = (columns.saturating_sub(1), lines.saturating_sub(3));
            let (rows, heads) = state.rows.within(columns);
            self.bar.set_prefix(fitted(&rows, heads, columns, lines));
        }
    }

    pub fn event(&self, event: &CellEvent<'_>) {
        let mut state = self.state();
        match event {
            CellEvent::Known(record) => {
                state.left = state.left.saturating_sub(record.config.epochs);
                state.cells_left = state.cells_left.saturating_sub(1);
                self.bar.dec_length(record.config.epochs as u64);
            }
            CellEvent::Begin(cell) => self.bar.set_message(output::clean(&cell.name())),
            CellEvent::Epoch(..) => {
                state.done += 1;
                state.left = state.left.saturating_sub(1);
                self.bar.inc(1);
                // The terminal may have another size by now.
                self.draw(&state);
            }
            CellEvent::Done(record) => {
                state.cells_left = state.cells_left.saturating_sub(1);
                if self.context.json {
                    // A reader that has gone shows at the end of the table.
                    let mut event = json!({
                        "event": "cell", "row": record.row, "seed": record.config.seed,
                        "cells_left": state.cells_left,
                        "seconds_left": state.seconds_left(),
                    });
                    match &record.finish {
                        Finish::Test(test) => event["test"] = json!(test),
                        Finish::Validation(of) => event["validation"] = json!(of),
                    }
                    let _: Outcome = output::json(&event);
                }
            }
            CellEvent::Elsewhere(cell) => {
                self.drop_cell(state, cell, "another process is at work on it");
            }
            CellEvent::Diverged(cell) => {
                self.drop_cell(state, cell, "its training diverged; the others go on");
            }
        }
    }

    /// Counts a cell out that this process does not finish, and says why.
    fn drop_cell(&self, mut state: MutexGuard<'_, State>, cell: &Cell, why: &str) {
        state.left = state.left.saturating_sub(cell.config.epochs);
        state.cells_left = state.cells_left.saturating_sub(1);
        self.bar.dec_length(cell.config.epochs as u64);
        drop(state);
        self.line(&format!("{}: {why}", cell.name()));
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_cut_to_the_terminal() {
        let lines = ["head", "one", "two", "three"].map(String::from);
        assert_eq!(fitted(&lines, 1, 80, 24), "head\none\ntwo\nthree");
        assert_eq!(fitted(&lines, 1, 2, 24), "he\non\ntw\nth");
        assert_eq!(fitted(&lines, 1, 80, 3), "head\ntwo\nthree");
        assert_eq!(fitted(&lines, 2, 80, 3), "head\none\nthree");
        assert_eq!(fitted(&lines, 1, 80, 1), "head");
        assert_eq!(fitted(&lines, 1, 80, 0), "head");
        assert_eq!(fitted(&lines[..1], 1, 80, 9), "head");
        assert_eq!(fitted(&[], 1, 80, 9), "");
    }
}
