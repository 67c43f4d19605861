//! What `table` and `sweep` share: the cells of some rows and seeds are trained, each once,
//! and their table is written as it fills.

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::data::Dataset;
use bnn_cpu::draw::{self, Form, Theme};
use bnn_cpu::files::{self, create_folder, write_atomic_bytes};
use bnn_cpu::ranks::Share;
use bnn_cpu::study::cell::no_cells;
use bnn_cpu::study::columns::side_by_side;
use bnn_cpu::study::{
    Cell, CellEvent, CellRecord, Merged, Plan, Suite, SuiteRow, Table, merge, run_cells, varied,
};
use bnn_cpu::train::{PartialConfig, Subject, Task};
use clap::builder::RangedU64ValueParser;
use serde_json::json;

use super::super::data_args::DataArgs;
use super::super::distributed::DistributedArgs;
use super::super::output;
use super::super::places;
use super::super::plot::pictures::FigureArgs;
use super::super::progress::Progress;
use super::super::recipe;
use super::super::shard::Shard;
use super::super::train::RUNS;
use super::super::{Context, Failure, Outcome, signals};
use super::live::{self, Show};
use super::turns::Turns;

/// Which cells, and where they lie.
#[derive(Clone, Debug, clap::Args)]
pub struct CellArgs {
    /// Seeds 1 to N of every row
    #[arg(long, default_value_t = 3, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1..=1000))]
    pub seeds: u64,
    /// Only rows whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub rows: Option<String>,
    /// Runs trained at the same time; they share the threads
    #[arg(long, default_value_t = 1, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub jobs: usize,
    /// Train every n-th cell only, from the i-th (from 1) on
    #[arg(long, value_name = "I/N", value_parser = Shard::parse)]
    pub shard: Option<Shard>,
    /// Write the tables from the records that are there; train nothing. Needs no images
    #[arg(long)]
    pub render: bool,
    /// Bring the records in that other folders of results have, as of several clusters, compare
    /// those of the same cell bit for bit, and write the tables as --render does
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = ["shard", "render"])]
    pub merge: Vec<PathBuf>,
    #[command(flatten)]
    pub distributed: DistributedArgs,
    /// Folder of the tables and records
    #[arg(
        long,
        short = 'o',
        visible_alias = "out",
        default_value = "results",
        value_name = "DIR"
    )]
    pub results: PathBuf,
    #[command(flatten)]
    pub look: FigureArgs,
}

/// What is to be trained and shown.
pub struct Job {
    pub plan: Plan,
    pub cells: CellArgs,
    pub data: DataArgs,
    /// The command that makes the table.
    pub command: String,
    /// The row that others are compared with: that of a sweep. The table of a suite has
    /// published rows and controls instead.
    pub against: Option<String>,
}

/// The suite that comes with the program by that name, or is in that file; `flag` is what
/// named it.
pub fn suite(flag: &str, name: &Path) -> Outcome<Suite> {
    match name.to_str() {
        Some(own) if Suite::names().contains(&own) => Ok(Suite::named(own)?),
        _ if name.extension().is_some_and(|e| e == "json") => Ok(Suite::read(name, &recipe::read)?),
        _ => Err(Failure::usage(format!(
            "{flag} {}: no such suite; choose {}, or a JSON file",
            name.display(),
            Suite::names().join(", ")
        ))),
    }
}

/// Says what became of records that were brought in.
fn say(merged: Merged) {
    let Merged {
        brought,
        same,
        other_isa,
    } = merged;
    output::note(&format!(
        "records: {brought} brought in, {same} more with the same bits, {other_isa} more of other instruction sets, which were not compared"
    ));
}

impl CellArgs {
    /// Whether nothing is trained.
    fn renders(&self) -> bool {
        self.render || !self.merge.is_empty()
    }

    /// The plan of those of the rows that the flags name.
    pub fn plan(&self, suite: Suite, over: PartialConfig) -> Outcome<Plan> {
        let wanted = |row: &&SuiteRow| self.rows.as_ref().is_none_or(|text| row.id.contains(text));
        let rows: Vec<_> = suite.rows.iter().filter(wanted).cloned().collect();
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
            seeds: (1..=self.seeds).collect(),
            over,
            results: self.results.clone(),
            runs: Path::new(RUNS).join("table"),
            validation_only: false,
        })
    }
}

impl Job {
    /// Trains the cells that are not finished, writes the table and shows it.
    pub fn run(&self, context: &Context) -> Outcome {
        let shared = |share: Share| self.run_share(share, context);
        self.cells.distributed.shared(shared)
    }

    /// What one of several processes does of it.
    fn run_share(&self, share: Share, context: &Context) -> Outcome {
        let (args, plan) = (&self.cells, &self.plan);
        let data = self.data.or(plan.suite.data.as_ref())?;
        let task = |row: &SuiteRow| row.settings.get("task.name");
        let few_shot = |row| task(row).is_some_and(|name| name == Task::NAMES[1]);
        let data = data.cut_by_class(plan.rows.iter().all(few_shot));
        // A part of the rows that is only shown is written nowhere.
        if !(args.render && args.rows.is_some()) {
            places::folder(&args.results)?;
        }
        if !args.renders() {
            places::folder(Path::new(RUNS))?;
        }
        for folder in &args.merge {
            if !files::is_folder(folder)? {
                return Err(Error::data(folder, "is no folder of results").into());
            }
        }
        // Records name their data, so that drawing a table from them takes no images, unless
        // the flags name a set that only its files can tell.
        let (subject, dataset) = match args.renders() && !data.is_known_by_files() {
            true => (plan.noted(data.slug().as_deref(), &args.merge)?, None),
            false => {
                let mut progress = Progress::new(context);
                let dataset = data.load(&mut progress)?;
                (Subject::of(&dataset), Some(dataset))
            }
        };
        let cells = self.made(&subject)?;
        if !args.merge.is_empty() {
            say(merge(&cells, &args.results, &args.merge)?);
        }
        let trained = match dataset.as_ref().filter(|_| !args.renders()) {
            Some(dataset) => self.train(&cells, (&subject, dataset), share, context),
            None => Ok(()),
        };
        // What came to numbers that are not finite is told when the rest is shown.
        if !matches!(trained, Ok(()) | Err(Failure::Error(Error::Diverged(_)))) {
            return trained;
        }
        let records = read(&cells)?;
        if records.is_empty() {
            trained?;
            let cells = args.results.join("cells").join(plan.name(&subject));
            return Err(no_cells(&cells).into());
        }
        let turns = Turns::new(|text: &str| output::note(text));
        let table = self.write(&cells, &subject, &turns)?;
        self.print(&table, &args.results.join(plan.name(&subject)), context)?;
        trained
    }

    /// The cells. Where settings are chosen by validation images, each must have some.
    fn made(&self, subject: &Subject) -> Outcome<Vec<Cell>> {
        let cells = self.plan.cells(subject)?;
        let blind = |cell: &&Cell| cell.validation_only && cell.config.split_sizes().1 == 0;
        match cells.iter().find(blind) {
            None => Ok(cells),
            Some(cell) => Err(Failure::usage(format!(
                "--validation-only: row {} keeps no images for validation; set --val-fraction",
                cell.row.id
            ))),
        }
    }

    /// Trains the cells that are this process's part, and writes the table as it fills.
    fn train(
        &self,
        cells: &[Cell],
        (subject, dataset): (&Subject, &Dataset),
        share: Share,
        context: &Context,
    ) -> Outcome {
        let shard = self.cells.shard.unwrap_or(Shard::WHOLE);
        let mine = shard.share(cells);
        // Of those, what this process of several has: neighbours differ in their seeds alone, and
        // take as long as each other.
        let mine = mine.skip(share.rank()).step_by(share.ranks());
        let mine: Vec<Cell> = mine.cloned().collect();
        // Before the first of them is trained, what would stop a later one.
        for cell in &mine {
            cell.config.check(dataset)?;
        }
        let stop = signals::stop_flag()?;
        let jobs = self.cells.jobs;
        let threads = (rayon::current_num_threads() / jobs).max(1);
        let show = Show::new(&mine, self.against.is_some(), context);
        let turns = Turns::new(|text: &str| show.must(text));
        show.begin(&self.tabulate(cells, &read(cells)?, subject));
        let on = |event: CellEvent<'_>| {
            show.event(&event);
            // A table that fills while it is made loses nothing to a kill.
            if let CellEvent::Done(record) = event {
                match self.write(cells, subject, &turns) {
                    Ok(table) => show.table(&table, &record.row),
                    Err(error) => {
                        show.line(&format!("the table could not be written: {}", text(&error)));
                    }
                }
            }
        };
        let trained = run_cells(
            &self.plan.suite.name,
            &mine,
            dataset,
            context.engine,
            (jobs, threads),
            stop,
            &on,
        );
        show.end();
        trained?;
        Ok(())
    }

    /// Writes the table of the cells that are finished, in all its forms, and beside
    /// another suite of the same published rows.
    fn write(
        &self,
        cells: &[Cell],
        subject: &Subject,
        turns: &Turns<impl Fn(&str) + Sync>,
    ) -> Outcome<Table> {
        let (args, plan) = (&self.cells, &self.plan);
        let name = plan.name(subject);
        // Several processes may fill one table: a file that was made from fewer records
        // must not come after one that was made from more.
        let shared = plan.runs.join(&name);
        let _turn = match files::is_folder(&shared)? {
            true => Some(turns.take(&shared)?),
            false => None,
        };
        let records = read(cells)?;
        let table = self.tabulate(cells, &records, subject);
        // A part of the rows must not replace the table of all of them.
        if args.rows.is_some() {
            return Ok(table);
        }
        create_folder(&args.results)?;
        let write = |name: &str, extension: &str, text: &str| {
            let file = args.results.join(format!("{name}.{extension}"));
            write_atomic_bytes(&file, text.as_bytes())
        };
        write(&name, "md", &table.markdown())?;
        write(&name, "json", &table.json()?)?;
        match self.against {
            None => write(&name, "csv", &table.csv())?,
            Some(_) => {
                let cells_file = format!("{name}-cells");
                write(&cells_file, "csv", &table.tidy(&varied(cells), &records))?;
            }
        }
        if let Some((form, theme)) = self.figure().filter(|_| !records.is_empty()) {
            let figure = draw::sweep::figure(&table).draw()?.encode(form, theme)?;
            let file = args.results.join(format!("{name}.{}", form.extension()));
            write_atomic_bytes(&file, &figure)?;
        }
        if let Some(text) = self.beside(&table, subject)?
            && let Some(beside) = &plan.suite.beside
        {
            write(&beside.table, "md", &text)?;
        }
        Ok(table)
    }

    /// How the figure looks: that of a sweep always, of a suite's table where it is asked for.
    fn figure(&self) -> Option<(Form, Theme)> {
        let look = self.cells.look;
        (self.against.is_some() || look.is_given()).then(|| look.chosen())
    }

    /// The table beside that of another suite of the same published rows, where there is one.
    fn beside(&self, table: &Table, subject: &Subject) -> Outcome<Option<String>> {
        let plan = &self.plan;
        let whole = self.against.is_none() && plan.over.epochs.is_none();
        let Some(beside) = plan.suite.beside.as_ref().filter(|_| whole) else {
            return Ok(None);
        };
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
            let records = read(&plan.cells(subject)?)?;
            let command = String::new();
            Ok(Table::new(
                &plan.suite,
                &subject.record,
                command,
                &plan.rows,
                &records,
            ))
        };
        Ok(side_by_side(&of(protocol)?, &of(tuned)?))
    }

    /// The table of the cells that are finished.
    fn tabulate(&self, cells: &[Cell], records: &[CellRecord], subject: &Subject) -> Table {
        let plan = &self.plan;
        let command = self.command.clone();
        let mut table = Table::new(&plan.suite, &subject.record, command, &plan.rows, records);
        if let Some(epochs) = plan.over.epochs {
            table.about += &format!(" Here every run has {epochs} epochs instead.");
        }
        if let Some(against) = &self.against {
            table.state(&varied(cells));
            table.compare(against, records);
        }
        if plan.validation_only {
            table.rank(plan.seeds.len());
        }
        table
    }

    /// Shows the table.
    fn print(&self, table: &Table, file: &Path, context: &Context) -> Outcome {
        if context.json {
            return output::json(&json!({ "event": "table", "table": table }));
        }
        let (name, mut files) = match self.against {
            None => (format!("suite {}", table.suite), ".md, .csv, .json".into()),
            Some(_) => (table.suite.clone(), String::from(".md, .json, -cells.csv")),
        };
        if let Some((form, _)) = self.figure() {
            files += &format!(", .{}", form.extension());
        }
        output::line(&output::bold(&format!("{}, {name}", table.dataset)))?;
        live::rows(table, self.against.is_some()).print()?;
        if table.chosen.is_some() {
            for note in &table.notes {
                output::line(note)?;
            }
        }
        if !context.quiet {
            output::note(&match self.cells.rows {
                Some(_) => "no file is written of a part of the rows".into(),
                None => format!("written: {}{files}", file.display()),
            });
        }
        Ok(())
    }
}

/// The records of the cells that are finished.
fn read(cells: &[Cell]) -> Outcome<Vec<CellRecord>> {
    let mut records = Vec::new();
    for cell in cells {
        records.extend(cell.read()?);
    }
    Ok(records)
}

fn text(failure: &Failure) -> String {
    match failure {
        Failure::Usage(what) => what.clone(),
        Failure::Error(error) => error.to_string(),
        Failure::Pipe => "nobody reads".into(),
    }
}
