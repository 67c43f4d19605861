//! `bnn-cpu table`: trains a suite of runs and writes its table.

mod live;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bnn_cpu::Error;
use bnn_cpu::data::Dataset;
use bnn_cpu::files::{self, FolderLock, create_folder, write_atomic_bytes};
use bnn_cpu::study::cell::no_cells;
use bnn_cpu::study::columns::side_by_side;
use bnn_cpu::study::{Cell, CellEvent, CellRecord, Plan, Suite, SuiteRow, Table, run_cells};
use bnn_cpu::train::{PartialConfig, Subject, Task};
use clap::builder::RangedU64ValueParser;
use serde_json::json;

use super::data_args::DataArgs;
use super::output;
use super::places;
use super::progress::Progress;
use super::recipe;
use super::train::RUNS;
use super::{Context, Failure, Outcome, signals};
use live::Show;

const EXAMPLES: &str = "\
Examples:
  bnn-cpu table --suite reference --seeds 3            train and write results/
  bnn-cpu table --suite reference --rows det --seeds 1 the deterministic rows
  bnn-cpu table --suite reference --seeds 3 --render   the tables again, without training
  bnn-cpu table --suite reference --seeds 10 --shard 2/8   one of eight machines' part";

/// Train a suite of runs and write its table: Markdown, CSV and JSON
///
/// Every cell is a run; its record is kept under <results>/cells and a finished
/// cell is never trained again. A killed table continues where it was, and
/// several processes can share one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The suite of runs: reference, tuned, mlp, mlp-tuned, best, anneal, estimators, mixed,
    /// mixed-tuned, omniglot and few-shot (which read Omniglot), or a JSON file of one's own such
    /// as those in data/suites
    #[arg(long, default_value = "reference", value_name = "NAME|FILE.json")]
    suite: PathBuf,
    /// Seeds 1 to N of every row
    #[arg(long, default_value_t = 3, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1..=1000))]
    seeds: u64,
    /// Epochs, where not the suite's own; the table then has a name of its own
    #[arg(long, value_name = "N", value_parser = super::flags::epochs)]
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
    /// Write the tables from the records that are there; train nothing. Needs no images
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

/// The suite that `--suite` names.
fn suite(name: &Path) -> Outcome<Suite> {
    match name.to_str() {
        Some(own) if Suite::names().contains(&own) => Ok(Suite::named(own)?),
        _ if name.extension().is_some_and(|e| e == "json") => Ok(Suite::read(name, &recipe::read)?),
        _ => Err(Failure::usage(format!(
            "--suite {}: no such suite; choose {}, or a JSON file",
            name.display(),
            Suite::names().join(", ")
        ))),
    }
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let plan = plan(&args)?;
    let data = args.data.or(plan.suite.data.as_ref())?;
    let task = |row: &SuiteRow| row.settings.get("task.name");
    let few_shot = |row| task(row).is_some_and(|name| name == Task::NAMES[1]);
    let data = data.cut_by_class(plan.rows.iter().all(few_shot));
    // A part of the rows that is only shown is written nowhere.
    if !(args.render && args.rows.is_some()) {
        places::folder(&args.results)?;
    }
    if !args.render {
        places::folder(Path::new(RUNS))?;
    }
    // Records name their data, so that drawing a table from them takes no images, unless
    // the flags name a set that only its files can tell.
    let (subject, dataset) = match args.render && !data.is_known_by_files() {
        true => (plan.noted(data.slug().as_deref())?, None),
        false => {
            let mut progress = Progress::new(context);
            let dataset = data.load(&mut progress)?;
            (Subject::of(&dataset), Some(dataset))
        }
    };
    let cells = plan.cells(&subject)?;
    if let Some(dataset) = dataset.as_ref().filter(|_| !args.render) {
        train(&args, &plan, &cells, (&subject, dataset), context)?;
    }
    let mut finished = Vec::new();
    for cell in &cells {
        finished.extend(cell.read()?);
    }
    if finished.is_empty() {
        let cells = args.results.join("cells").join(plan.name(&subject));
        return Err(no_cells(&cells).into());
    }
    let name = plan.name(&subject);
    let turns = Turns::new(|text: &str| output::note(text));
    let table = write(&args, &plan, &cells, &subject, &turns)?;
    print(&table, &args.results.join(name), context)
}

/// The rows, the seeds and the places that the flags name.
fn plan(args: &Args) -> Outcome<Plan> {
    let suite = suite(&args.suite)?;
    let rows: Vec<_> = suite
        .rows
        .iter()
        .filter(|row| args.rows.as_ref().is_none_or(|text| row.id.contains(text)))
        .cloned()
        .collect();
    if rows.is_empty() {
        let ids: Vec<_> = suite.rows.iter().map(|row| &*row.id).collect();
        return Err(Failure::usage(format!(
            "--rows: no row of the suite has that text; its rows are {}",
            ids.join(", ")
        )));
    }
    Ok(Plan {
        suite,
        rows,
        seeds: (1..=args.seeds).collect(),
        over: PartialConfig {
            epochs: args.epochs,
            ..PartialConfig::default()
        },
        results: args.results.clone(),
        runs: Path::new(RUNS).join("table"),
    })
}

/// Trains the cells that are this process's part, and writes the table as it fills.
fn train(
    args: &Args,
    plan: &Plan,
    cells: &[Cell],
    (subject, dataset): (&Subject, &Dataset),
    context: &Context,
) -> Outcome {
    let mine: Vec<Cell> = match args.shard {
        None => cells.to_vec(),
        Some((i, n)) => cells.iter().skip(i - 1).step_by(n).cloned().collect(),
    };
    // Before the first of them is trained, what would stop a later one.
    for cell in &mine {
        cell.config.check(dataset)?;
    }
    let stop = signals::stop_flag()?;
    let threads = (rayon::current_num_threads() / args.jobs).max(1);
    let show = Show::new(&mine, context);
    let turns = Turns::new(|text: &str| show.must(text));
    show.begin(&tabulate(args, plan, cells, subject)?);
    let jobs = (args.jobs, threads);
    let on = |event: CellEvent<'_>| {
        show.event(&event);
        // A table that fills while it is made loses nothing to a kill.
        if let CellEvent::Done(record) = event {
            match write(args, plan, cells, subject, &turns) {
                Ok(table) => show.table(&table, &record.row),
                Err(error) => {
                    show.line(&format!("the table could not be written: {}", text(&error)));
                }
            }
        }
    };
    let trained = run_cells(
        &plan.suite.name,
        &mine,
        dataset,
        context.engine,
        jobs,
        stop,
        &on,
    );
    show.end();
    trained?;
    Ok(())
}

/// Turns at writing a table that several processes may fill.
struct Turns<Say: Fn(&str) + Sync> {
    /// The threads of this process queue here: a lock tells processes apart, and another
    /// thread's would pass for another process's.
    own: Mutex<()>,
    /// Whether it was said what is waited for.
    said: AtomicBool,
    say: Say,
}

/// The right to write, while it lives.
struct Turn<'a> {
    _folder: FolderLock,
    _own: MutexGuard<'a, ()>,
}

impl<Say: Fn(&str) + Sync> Turns<Say> {
    fn new(say: Say) -> Self {
        Self {
            own: Mutex::new(()),
            said: AtomicBool::new(false),
            say,
        }
    }

    /// Waits for a turn; the first time that another process has it, says so.
    fn take(&self, folder: &Path) -> Outcome<Turn<'_>> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = match FolderLock::acquire(folder) {
            Err(Error::InUse { folder }) => {
                if !self.said.swap(true, Ordering::Relaxed) {
                    (self.say)(&format!(
                        "waiting for {}: another process writes the table",
                        folder.display()
                    ));
                }
                FolderLock::wait(&folder)?
            }
            other => other?,
        };
        Ok(Turn {
            _folder: lock,
            _own: own,
        })
    }
}

/// Writes the table of the cells that are finished, in all its forms, and beside
/// another suite of the same published rows.
fn write(
    args: &Args,
    plan: &Plan,
    cells: &[Cell],
    subject: &Subject,
    turns: &Turns<impl Fn(&str) + Sync>,
) -> Outcome<Table> {
    // Several processes may fill one table: a file that was made from fewer records
    // must not come after one that was made from more.
    let shared = plan.runs.join(plan.name(subject));
    let _turn = match files::is_folder(&shared)? {
        true => Some(turns.take(&shared)?),
        false => None,
    };
    let table = tabulate(args, plan, cells, subject)?;
    // A part of the rows must not replace the table of all of them.
    if args.rows.is_some() {
        return Ok(table);
    }
    create_folder(&args.results)?;
    let write = |name: &str, extension: &str, text: &str| {
        let file = args.results.join(format!("{name}.{extension}"));
        write_atomic_bytes(&file, text.as_bytes())
    };
    let name = plan.name(subject);
    write(&name, "md", &table.markdown())?;
    write(&name, "csv", &table.csv())?;
    write(&name, "json", &table.json()?)?;
    if let Some(beside) = &plan.suite.beside
        && args.epochs.is_none()
    {
        let [protocol, tuned] = &beside.suites;
        let of = |name: &str| -> Outcome<Table> {
            if name == plan.suite.name {
                return Ok(table.clone());
            }
            let suite = Suite::named(name)?;
            let plan = Plan {
                rows: suite.rows.clone(),
                suite,
                ..plan.clone()
            };
            tabulate(args, &plan, &plan.cells(subject)?, subject)
        };
        if let Some(text) = side_by_side(&of(protocol)?, &of(tuned)?) {
            write(&beside.table, "md", &text)?;
        }
    }
    Ok(table)
}

/// The table of the cells that are finished.
fn tabulate(args: &Args, plan: &Plan, cells: &[Cell], subject: &Subject) -> Outcome<Table> {
    let mut records: Vec<CellRecord> = Vec::new();
    for cell in cells {
        records.extend(cell.read()?);
    }
    let suite = match Suite::names().contains(&plan.suite.name.as_str()) {
        true => plan.suite.name.clone(),
        false => args.suite.display().to_string(),
    };
    let seeds = args.seeds;
    let mut command = format!("bnn-cpu table --suite {suite} --seeds {seeds}");
    if let Some(epochs) = args.epochs {
        command += &format!(" --epochs {epochs}");
    }
    if let Some(rows) = &args.rows {
        command += &format!(" --rows {rows}");
    }
    let mut table = Table::new(&plan.suite, &subject.record, command, &plan.rows, &records);
    if let Some(epochs) = args.epochs {
        table.about += &format!(" Here every run has {epochs} epochs instead.");
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
    live::rows(table).print()?;
    if !context.quiet {
        output::note(&format!("written: {}.md, .csv, .json", file.display()));
    }
    Ok(())
}
