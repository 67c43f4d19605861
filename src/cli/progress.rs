//! What the user sees while work is under way: bars on a terminal, a plain line
//! an epoch elsewhere, a JSON object an event under `--json`, nothing under
//! `--quiet`. Warnings are always shown.

use std::iter;
use std::path::Path;
use std::time::{Duration, Instant};

use bnn_cpu::data;
use bnn_cpu::train::{self, Config, EpochRecord};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde_json::json;

use super::curve::{self, Curve, Parts};
use super::output::{self, Shown, duration, grouped, loss, percent};

use super::{Context, Outcome};

/// Time between two drawings of a bar.
const REDRAW: Duration = Duration::from_millis(80);

/// How long a training works before it is said how long it will.
const ETA_AFTER: Duration = Duration::from_secs(2);

/// Time between two step events under `--json`.
const STEP_EVENT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Bars,
    Plain,
    Quiet,
}

/// Shows events.
pub struct Progress {
    style: Style,
    json: bool,
    verbose: bool,
    bar: Option<ProgressBar>,
    /// When the bar or the last step event was last shown.
    shown: Option<Instant>,
    begun: Instant,
    /// Steps done before `begun`, known after the first one; and steps in all.
    steps_before: Option<usize>,
    steps: usize,
    epochs: usize,
    /// The losses of the steps.
    losses: Curve,
    /// When the pictures of a set began to be read, and when that was last shown.
    reading: Option<(Instant, Option<Instant>)>,
    /// The first error of the standard output.
    failed: Outcome,
}

impl Progress {
    pub fn new(context: &Context) -> Self {
        let style = if context.quiet || context.json {
            Style::Quiet
        } else if output::redraws() {
            Style::Bars
        } else {
            Style::Plain
        };
        Self {
            style,
            json: context.json,
            verbose: context.verbose,
            bar: None,
            shown: None,
            begun: Instant::now(),
            steps_before: None,
            steps: 0,
            epochs: 0,
            losses: Curve::default(),
            reading: None,
            failed: Ok(()),
        }
    }

    /// A line for the user's information.
    pub fn say(&self, text: &str) {
        if self.style != Style::Quiet {
            self.print(text);
        }
    }

    /// A bar of `of` steps on a terminal, which goes when it is dropped; elsewhere a line.
    pub fn meter(&self, what: &str, of: usize) -> Option<ProgressBar> {
        if self.style != Style::Bars {
            self.say(&format!("{what}, {of} draws"));
            return None;
        }
        let template = "[{bar:20}] {pos}/{len} draws, {elapsed} gone, {eta} left  {wide_msg}";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(of as u64)
            .with_style(style)
            .with_finish(ProgressFinish::AndClear);
        bar.set_message(output::clean(what));
        Some(bar)
    }

    /// A line on what was decided and why, under `--verbose`.
    pub fn explain(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            self.print(&text());
        }
    }

    /// A line that the user must see.
    pub fn warn(&mut self, text: &str) -> Outcome {
        if self.json {
            output::json(&json!({ "event": "warning", "message": text }))?;
        }
        self.print(&output::warning(text));
        Ok(())
    }

    /// Writes an object to the standard output under `--json`.
    pub fn emit(&mut self, value: serde_json::Value) {
        if self.json && self.failed.is_ok() {
            self.failed = output::json(&value);
        }
    }

    /// Whether the standard output has failed; there is then nobody to work for.
    pub fn has_failed(&self) -> bool {
        self.failed.is_err()
    }

    /// The failure of the standard output, if there was one.
    pub fn outcome(&mut self) -> Outcome {
        std::mem::replace(&mut self.failed, Ok(()))
    }

    /// A line above the bar, if there is one.
    fn print(&self, text: &(impl Shown + ?Sized)) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(text)),
            None => output::note(text),
        }
    }

    fn open_bar(&mut self, length: u64, template: &str) {
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        self.bar = Some(ProgressBar::new(length).with_style(style));
    }

    fn close_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Whether it is time to show how reading goes, and whether nothing of it was shown yet:
    /// only what takes longer than a second is shown, and not more often than it can be seen.
    fn shows_reading(&mut self) -> Option<bool> {
        let (begun, shown) = *self.reading.get_or_insert((Instant::now(), None));
        let wait = if self.json { STEP_EVENT } else { REDRAW };
        let early = begun.elapsed() < STEP_EVENT;
        if early || shown.is_some_and(|at| at.elapsed() < wait) {
            return None;
        }
        self.reading = Some((begun, Some(Instant::now())));
        Some(shown.is_none())
    }

    /// How reading of pictures goes.
    fn reading(&mut self, place: &Path, done: usize, total: usize) {
        let Some(first) = self.shows_reading() else {
            return;
        };
        self.emit(json!({
            "event": "reading", "place": output::path(place), "done": done, "total": total,
        }));
        if self.style == Style::Bars {
            // The bar of a file that was unpacked has no end.
            if self.bar.as_ref().is_some_and(|bar| bar.length() == Some(0)) {
                self.close_bar();
            }
            if self.bar.is_none() {
                let template = "reading pictures [{bar:30}] {pos}/{len}";
                self.open_bar(total as u64, template);
            }
            if let Some(bar) = &self.bar {
                bar.set_position(done as u64);
            }
        } else if first {
            let total = grouped(total);
            self.say(&format!("reading {total} pictures in {}", place.display()));
        }
    }

    /// How a large file is read.
    fn unpacking(&mut self, place: &Path, bytes: u64) {
        let Some(first) = self.shows_reading() else {
            return;
        };
        self.emit(json!({
            "event": "unpacking", "place": output::path(place), "bytes": bytes,
        }));
        if self.style == Style::Bars {
            if self.bar.is_none() {
                self.open_bar(0, "reading {prefix} {bytes}");
            }
            if let Some(bar) = &self.bar {
                bar.set_prefix(output::clean(&place.display().to_string()));
                bar.set_position(bytes);
            }
        } else if first {
            self.say(&format!("reading {}", place.display()));
        }
    }

    /// How a download goes, or reading.
    pub fn data(&mut self, event: data::Event<'_>) {
        use data::Event;
        match event {
            Event::Asking { file, url } => {
                self.close_bar();
                self.emit(json!({ "event": "fetching", "file": file, "url": url }));
                self.say(&format!("fetching {url}"));
            }
            Event::Received { file, bytes, total } if self.style == Style::Bars => {
                if self.bar.is_none() {
                    let template = "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}";
                    self.open_bar(total.unwrap_or(0), template);
                }
                if let Some(bar) = &self.bar {
                    bar.set_prefix(output::clean(file));
                    bar.set_position(bytes);
                }
            }
            Event::Unpacked { place, bytes } => self.unpacking(place, bytes),
            Event::Reading { place, done, total } => self.reading(place, done, total),
            Event::Failed { url, why, .. } => {
                self.close_bar();
                self.emit(json!({ "event": "fetch_failed", "url": url, "why": why }));
                // Where all mirrors fail the error says why; where one does not, it matters to few.
                self.explain(|| format!("{url}: {why}"));
            }
            Event::Saved { path } => {
                self.close_bar();
                self.emit(json!({ "event": "saved", "path": output::path(path) }));
                self.say(&format!("saved {}", path.display()));
            }
            _ => {}
        }
    }

    /// The end of the downloads and of reading.
    pub fn data_done(&mut self) {
        self.reading = None;
        self.close_bar();
    }

    /// How training goes.
    pub fn train(&mut self, event: train::Event<'_>, run: &Path) {
        use train::Event;
        match event {
            Event::Begin {
                config,
                epoch,
                steps,
                resumed,
            } => {
                self.emit(json!({
                    "event": "begin", "run": output::path(run), "resumed": resumed, "epoch": epoch,
                    "epochs": config.epochs, "steps": steps, "config": output::value(config),
                }));
                self.begin(config, steps, resumed, run);
            }
            Event::Step {
                epoch,
                epochs,
                step,
                steps,
                loss,
                step_loss,
                accuracy,
                img_per_s,
            } => {
                self.losses.push(step_loss);
                self.step((epoch, epochs), (step, steps), loss, accuracy, img_per_s);
            }
            Event::Validating { epoch } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("validating epoch {epoch}"));
                }
            }
            Event::Epoch { record, best } => {
                self.close_bar();
                let mut value = json!(record);
                value["event"] = json!("epoch");
                value["best"] = json!(best);
                self.emit(value);
                let columns = match self.style {
                    Style::Bars => output::terminal_size().0,
                    _ => usize::MAX,
                };
                self.say(&epoch_line(record, self.epochs, best, columns));
            }
            Event::Warning(text) => {
                if let Err(failure) = self.warn(&text) {
                    self.failed = Err(failure);
                }
            }
            Event::Testing { epoch } => {
                self.emit(json!({ "event": "testing", "epoch": epoch }));
                self.say(&format!("testing epoch {epoch}, once"));
            }
            Event::Test(_) => self.close_bar(),
        }
    }

    /// Sets the clocks of a training and says what begins.
    fn begin(&mut self, config: &Config, steps: usize, resumed: bool, run: &Path) {
        self.begun = Instant::now();
        self.epochs = config.epochs;
        self.steps = steps * config.epochs;
        self.steps_before = None;
        self.losses = Curve::default();
        let how = if resumed { "continuing" } else { "training" };
        let (train, validation) = config.split_sizes();
        self.say(&format!(
            "{how} {} on {} ({} images, {} for validation) in {}",
            config.model.name,
            config.dataset.name,
            grouped(train),
            grouped(validation),
            run.display()
        ));
    }

    fn step(
        &mut self,
        (epoch, epochs): (usize, usize),
        (step, steps): (usize, usize),
        mean_loss: f64,
        accuracy: f64,
        img_per_s: f64,
    ) {
        let done = (epoch - 1) * steps + step;
        let before = *self.steps_before.get_or_insert(done - 1);
        let wait = if self.json { STEP_EVENT } else { REDRAW };
        if (!self.json && self.style != Style::Bars)
            || self.shown.is_some_and(|at| at.elapsed() < wait)
        {
            return;
        }
        self.shown = Some(Instant::now());
        if self.json {
            self.emit(json!({
                "event": "step", "epoch": epoch, "step": step, "steps": steps,
                "loss": mean_loss, "accuracy": accuracy, "img_per_s": img_per_s,
            }));
            return;
        }
        let elapsed = self.begun.elapsed();
        let rate = (done - before) as f64 / elapsed.as_secs_f64();
        let left = (self.steps - done.min(self.steps)) as f64 / rate.max(f64::MIN_POSITIVE);
        // A few steps say nothing of hours.
        let left = match elapsed >= ETA_AFTER {
            true => duration(left),
            false => "-".into(),
        };
        if self.bar.is_none() {
            self.open_bar(steps as u64, "{wide_msg}");
        }
        if let Some(bar) = &self.bar {
            let parts = Parts {
                title: &format!("epoch {epoch:>w$}/{epochs}", w = width(epochs)),
                share: step as f64 / steps as f64,
                figure: &format!("loss {}", loss(mean_loss)),
                curve: &self.losses,
                rest: &[
                    format!("accuracy {}", percent(accuracy)),
                    format!("ETA {left}"),
                    format!("{} img/s", grouped(img_per_s as usize)),
                ],
            };
            // The last column stays free: some terminals break the line there.
            let (columns, _) = output::terminal_size();
            bar.set_message(output::clean(&curve::line(
                &parts,
                columns.saturating_sub(1),
            )));
            bar.set_position(step as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.close_bar();
    }
}

fn width(n: usize) -> usize {
    n.to_string().len()
}

/// One epoch in one line of at most `columns` characters, where that can be: what is known from
/// the settings is left out first.
fn epoch_line(r: &EpochRecord, epochs: usize, best: bool, columns: usize) -> String {
    let train = format!(
        "train {} {:>7}",
        loss(r.train_loss),
        percent(r.train_accuracy)
    );
    let validation = match (r.val_loss, r.val_accuracy) {
        (Some(l), Some(a)) => format!("validation {} {:>7}", loss(l), percent(a)),
        _ => String::new(),
    };
    let speed = format!("{} img/s", grouped(r.img_per_s as usize));
    // Each with its rank: the highest is left out first.
    let parts = [
        (
            0,
            format!("epoch {:>w$}/{epochs}", r.epoch, w = width(epochs)),
        ),
        (1, train),
        (0, validation),
        (4, format!("slope {:.3}", r.slope)),
        (3, format!("lr {:.2e}", r.lr)),
        (2, speed),
        (2, duration(r.seconds)),
        (0, if best { "best".into() } else { String::new() }),
    ];
    let line = |most: u8| {
        let kept = parts
            .iter()
            .filter(|(rank, text)| *rank <= most && !text.is_empty());
        let kept: Vec<&str> = kept.map(|(_, text)| &**text).collect();
        kept.join("  ")
    };
    let fits = |line: &String| line.chars().count() <= columns;
    let narrower = (0..4).rev().map(line);
    iter::once(line(4))
        .chain(narrower)
        .find(fits)
        .unwrap_or_else(|| line(0))
}
