//! `bnn-cpu table`: trains a suite of runs and writes its table.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bnn_cpu::files::{FolderLock, create_folder, write_atomic_bytes};
use bnn_cpu::report::{Cell, CellEvent, CellRecord, Plan, Suite, Table, run_cells};
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::data_args::DataArgs;
use super::output::{self, Align};
use super::progress::Progress;
use super::train::RUNS;
use super::{Context, Failure, Outcome, signals};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu table --suite reference --seeds 3            train and write results/
  bnn-cpu table --suite reference --rows det --seeds 1 the deterministic rows
  bnn-cpu table --suite reference --seeds 3 --render   the tables again, without training
  bnn-cpu table --suite reference --seeds 10 --shard 2/8   one of eight machines' part";

fn suites() -> impl TypedValueParser<Value = Suite> {
    PossibleValuesParser::new(Suite::ALL.map(Suite::name)).try_map(|name| Suite::parse(&name))
}

/// Train a suite of runs and write its table: Markdown, CSV and JSON
///
/// Every cell is a run; its record is kept under <results>/cells and a finished
/// cell is never trained again. A killed table continues where it was, and
/// several processes can share one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The suite of runs
    #[arg(long, default_value = "reference", value_parser = suites())]
    suite: Suite,
    /// Seeds 1 to N of every row
    #[arg(long, default_value_t = 3, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1..=1000))]
    seeds: u64,
    /// Epochs, where not the suite's own; the table then has a name of its own
    #[arg(long, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    epochs: Option<usize>,
    /// Only rows whose name contains this text
    #[arg(long, value_name = "TEXT")]
    rows: Option<String>,
    /// Runs trained at the same time; they share the threads
    #[arg(long, default_value_t = 1, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    jobs: usize,
    /// Train every n-th cell only, from the i-th (from 1) on
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Write the tables from the records that are there; train nothing
    #[arg(long)]
    render: bool,
    /// Folder of the tables and records
    #[arg(long, default_value = "results", value_name = "DIR")]
    results: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

/// `2/8`
fn shard(text: &str) -> Result<(usize, usize), String> {
    let parse = || {
        let (i, n) = text.split_once('/')?;
        let (i, n) = (i.parse::<usize>().ok()?, n.parse::<usize>().ok()?);
        (1 <= i && i <= n).then_some((i, n))
    };
    parse().ok_or_else(|| "write I/N with I from 1 to N, such as 2/8".into())
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let rows: Vec<_> = args
        .suite
        .rows()
        .into_iter()
        .filter(|row| args.rows.as_ref().is_none_or(|text| row.id.contains(text)))
        .collect();
    if rows.is_empty() {
        let ids: Vec<_> = args.suite.rows().into_iter().map(|row| row.id).collect();
        return Err(Failure::usage(format!(
            "--rows: no row of the suite has that text; its rows are {}",
            ids.join(", ")
        )));
    }
    let mut progress = Progress::new(context);
    let dataset = args.data.load(&mut progress)?;
    let plan = Plan {
        suite: args.suite,
        rows,
        seeds: (1..=args.seeds).collect(),
        epochs: args.epochs,
        results: args.results.clone(),
        runs: Path::new(RUNS).join("table"),
    };
    let cells = plan.cells(&dataset)?;
    let mut finished = Vec::new();
    if !args.render {
        let mine: Vec<Cell> = match args.shard {
            None => cells.clone(),
            Some((i, n)) => cells.iter().skip(i - 1).step_by(n).cloned().collect(),
        };
        let stop = signals::stop_flag()?;
        let threads = (rayon::current_num_threads() / args.jobs).max(1);
        let show = Show::new(&mine, context);
        let jobs = (args.jobs, threads);
        let on = |event: CellEvent<'_>| {
            show.event(&event);
            // A table that fills while it is made loses nothing to a kill.
            if matches!(event, CellEvent::Done(_))
                && let Err(error) = write(&args, &plan, &cells, &dataset.name, &plan.name(&dataset))
            {
                show.line(&format!("the table could not be written: {}", text(&error)));
            }
        };
        run_cells(args.suite, &mine, &dataset, context.engine, jobs, stop, &on)?;
        show.end();
    }
    for cell in &cells {
        finished.extend(cell.read()?);
    }
    if finished.is_empty() {
        return Err(bnn_cpu::Error::spec(format!(
            "there are no finished cells in {}; run the table without --render",
            args.results
                .join("cells")
                .join(plan.name(&dataset))
                .display()
        ))
        .into());
    }
    let name = plan.name(&dataset);
    let table = write(&args, &plan, &cells, &dataset.name, &name)?;
    print(&table, &args.results.join(name), context)
}

/// Writes the table of the cells that are finished, in all its forms.
fn write(args: &Args, plan: &Plan, cells: &[Cell], dataset: &str, name: &str) -> Outcome<Table> {
    // Several processes may fill one table: a file that was made from fewer records
    // must not come after one that was made from more.
    let shared = plan.runs.join(name);
    let _turn = match shared.is_dir() {
        true => Some(FolderLock::wait(&shared)?),
        false => None,
    };
    let mut records: Vec<CellRecord> = Vec::new();
    for cell in cells {
        records.extend(cell.read()?);
    }
    let mut command = format!(
        "bnn-cpu table --suite {} --seeds {}",
        args.suite.name(),
        args.seeds
    );
    if let Some(epochs) = args.epochs {
        command += &format!(" --epochs {epochs}");
    }
    if let Some(rows) = &args.rows {
        command += &format!(" --rows {rows}");
    }
    let table = Table::new(args.suite, dataset, command, &plan.rows, &records);
    // A part of the rows must not replace the table of all of them.
    if args.rows.is_none() {
        create_folder(&args.results)?;
        let file = |extension| args.results.join(format!("{name}.{extension}"));
        write_atomic_bytes(&file("md"), table.markdown().as_bytes())?;
        write_atomic_bytes(&file("csv"), table.csv().as_bytes())?;
        write_atomic_bytes(&file("json"), table.json()?.as_bytes())?;
    }
    Ok(table)
}

fn text(failure: &Failure) -> String {
    match failure {
        Failure::Usage(what) => what.clone(),
        Failure::Error(error) => error.to_string(),
        Failure::Pipe => "nobody reads".into(),
    }
}

/// Shows the table.
fn print(table: &Table, file: &Path, context: &Context) -> Outcome {
    if context.json {
        return output::json(&json!({ "event": "table", "table": table }));
    }
    output::line(&output::bold(&format!(
        "{}, suite {}",
        table.dataset, table.suite
    )))?;
    let mut shown = output::Table::new(&[
        ("row", Align::Left),
        ("seeds", Align::Right),
        ("accuracy %", Align::Right),
        ("published", Align::Right),
        ("difference", Align::Right),
        ("loss", Align::Right),
        ("published", Align::Right),
        ("seconds", Align::Right),
    ]);
    for row in &table.rows {
        let number =
            |x: Option<f64>, digits: usize| x.map_or("-".into(), |x| format!("{x:.digits$}"));
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
    shown.print()?;
    if !context.quiet {
        output::note(&format!("written: {}.md, .csv, .json", file.display()));
    }
    Ok(())
}

/// Shows how the table fills: a bar over all epochs on a terminal, a line a
/// cell elsewhere.
struct Show {
    bar: ProgressBar,
    plain: bool,
    json: bool,
    state: Mutex<State>,
}

/// What the time left is reckoned from.
struct State {
    begun: Instant,
    /// Epochs trained now, and left to train.
    done: usize,
    left: usize,
    cells_left: usize,
}

impl Show {
    fn new(cells: &[Cell], context: &Context) -> Self {
        use std::io::IsTerminal;
        let left: usize = cells.iter().map(|cell| cell.config.epochs).sum();
        let terminal = std::io::stderr().is_terminal() && !context.quiet && !context.json;
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let template = "table [{bar:30}] {pos}/{len} epochs, {elapsed} gone, {eta} left  {msg}";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(left as u64), target).with_style(style);
        if terminal {
            bar.enable_steady_tick(Duration::from_secs(1));
        }
        Self {
            bar,
            plain: !terminal && !context.quiet && !context.json,
            json: context.json,
            state: Mutex::new(State {
                begun: Instant::now(),
                done: 0,
                left,
                cells_left: cells.len(),
            }),
        }
    }

    fn line(&self, text: &str) {
        if self.plain {
            output::note(text);
        } else {
            self.bar.println(text);
        }
    }

    fn event(&self, event: &CellEvent<'_>) {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            CellEvent::Known(record) => {
                state.left = state.left.saturating_sub(record.config.epochs);
                state.cells_left = state.cells_left.saturating_sub(1);
                self.bar.dec_length(record.config.epochs as u64);
            }
            CellEvent::Begin(cell) => self.bar.set_message(name(cell)),
            CellEvent::Epoch(..) => {
                state.done += 1;
                state.left = state.left.saturating_sub(1);
                self.bar.inc(1);
            }
            CellEvent::Done(record) => {
                state.cells_left = state.cells_left.saturating_sub(1);
                let pace = state.begun.elapsed().as_secs_f64() / state.done.max(1) as f64;
                let left = output::duration(pace * state.left as f64);
                let (row, seed, test) = (&record.row, record.config.seed, &record.test);
                self.line(&format!(
                    "{row} seed {seed}: loss {} accuracy {}; {} cells and about {left} left",
                    output::loss(test.loss),
                    output::percent(test.accuracy),
                    state.cells_left
                ));
                if self.json {
                    // A reader that has gone shows at the end of the table.
                    let _ = output::json(&json!({
                        "event": "cell", "row": row, "seed": seed, "test": test,
                        "cells_left": state.cells_left, "seconds_left": pace * state.left as f64,
                    }));
                }
            }
            CellEvent::Elsewhere(cell) => {
                state.left = state.left.saturating_sub(cell.config.epochs);
                state.cells_left = state.cells_left.saturating_sub(1);
                self.bar.dec_length(cell.config.epochs as u64);
                self.line(&format!("{}: another process is at work on it", name(cell)));
            }
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn name(cell: &Cell) -> String {
    format!("{} seed {}", cell.row.id, cell.config.seed)
}
