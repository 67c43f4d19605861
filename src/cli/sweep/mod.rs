//! `bnn-cpu sweep`: the cells of a grid of one's own, trained and compared.

pub mod job;
mod lists;
mod live;
mod turns;

use std::path::PathBuf;

use bnn_cpu::data::digits;
use bnn_cpu::study::row::is_plain;
use bnn_cpu::study::{Axis, Suite, SuiteRow, product};
use bnn_cpu::train::{PartialConfig, Subject};

use super::data_args::DataArgs;
use super::recipe::Stated;
use super::{Context, Failure, Outcome};
use job::{CellArgs, Job};
use lists::Lists;

const EXAMPLES: &str = "\
Settings: every flag of `train` that states one takes a list; --help names them all.
Values are parted by commas, those of --binary, as 1,3, by semicolons: 'first;1,3'.

Examples:
  bnn-cpu sweep --estimator st,disarm --lr 0.01,0.1 --seeds 5
  bnn-cpu sweep grid.json --epochs 5               the rows of a file; data/sweeps has one
  bnn-cpu sweep grid.json --lr 0.01,0.1            each of them with each rate
  bnn-cpu sweep --lr 0.01,0.1 --validation-only    choose settings; nothing is tested
  bnn-cpu sweep --binary 'first;1,3' --shard 2/8   one of eight machines' part";

/// Train every combination of lists of settings, over seeds, and compare them
///
/// Rows are those of a grid file, or one, times every value of each list; each is named by
/// the settings that vary. Cells are kept and shared as those of `table`. Writes, of <name>:
/// <name>.md and .json, the table with 95 % t-intervals and differences seed by seed;
/// <name>-cells.csv, a line for each cell; and <name>.svg, the figure (or in the form that
/// --format names).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A file of rows such as those in data/suites, or the name of one of those
    #[arg(value_name = "GRID.json")]
    grid: Option<PathBuf>,
    /// Name of the table and its cells [default: the grid's, or sweep, and what varies]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The row that the others are compared with, seed by seed [default: the first]
    #[arg(long, value_name = "ROW")]
    against: Option<String>,
    /// Choose settings: rank rows by their validation loss, and test nothing
    #[arg(long)]
    validation_only: bool,
    /// Settings of every row, of a recipe that comes with the program or of a JSON file; lists
    /// stand above it
    #[arg(long, value_name = "FILE", conflicts_with = "grid")]
    recipe: Option<PathBuf>,
    #[command(flatten)]
    cells: CellArgs,
    #[command(flatten)]
    lists: Lists,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let (over, axes) = args.axes();
    let suite = args.suite(&over, &axes)?;
    let mut plan = args.cells.plan(suite, over)?;
    plan.validation_only = args.validation_only;
    let ids = || plan.rows.iter().map(|row| row.id.as_str());
    let against = match &args.against {
        None => ids().next().unwrap_or_default().to_string(),
        Some(own) if ids().any(|id| id == own) => own.clone(),
        Some(other) => {
            return Err(Failure::usage(format!(
                "--against: no row is called {other}; the rows are {}",
                ids().collect::<Vec<_>>().join(", ")
            )));
        }
    };
    let job = Job {
        command: args.command(),
        plan,
        cells: args.cells,
        data: args.data,
        against: Some(against),
    };
    job.run(context)
}

impl Args {
    /// The epochs, where they are the same in all rows, which a table's name states; and all
    /// other lists.
    fn axes(&self) -> (PartialConfig, Vec<Axis>) {
        let epochs = |axis: &&Axis| axis.name == "epochs" && axis.values.len() == 1;
        let over = self.lists.axes.iter().find(epochs);
        let over = over.map_or_else(PartialConfig::default, |axis| axis.values[0].1.clone());
        let others = self.lists.axes.iter().filter(|axis| !epochs(axis));
        (over, others.cloned().collect())
    }

    /// The rows of the grid, or one, times the lists.
    fn suite(&self, over: &PartialConfig, axes: &[Axis]) -> Outcome<Suite> {
        if self.grid.is_none() && self.recipe.is_none() && self.lists.axes.is_empty() {
            return Err(Failure::usage(
                "there is nothing to vary; name a grid file, or give a setting a list, such as --lr 0.01,0.1",
            ));
        }
        let mut suite = match &self.grid {
            Some(grid) => job::suite("GRID.json:", grid)?,
            None => Suite {
                name: "sweep".into(),
                about: String::new(),
                published_protocol: false,
                data: None,
                beside: None,
                rows: vec![unnamed()],
            },
        };
        let grid = self.grid.is_some();
        suite.rows = product(&suite.rows, axes).map_err(|e| Failure::usage(e.to_string()))?;
        if !grid {
            let recipe = self.recipe.as_deref();
            for row in &mut suite.rows {
                let stated = Stated::new(over.clone().over(row.settings.clone()), recipe)?;
                check(row, &stated)?;
                row.settings = Stated::new(row.settings.clone(), recipe)?.whole();
            }
            suite.data = suite.rows[0].settings.dataset.clone();
        }
        self.rename(&mut suite, axes)?;
        suite.about = about(&suite.about, axes);
        Ok(suite)
    }

    /// Names a suite that the lists have changed, so that its cells and tables are not taken
    /// for those of the grid.
    fn rename(&self, suite: &mut Suite, axes: &[Axis]) -> Outcome {
        let own = Suite::names();
        if let Some(name) = &self.name {
            if !is_plain(name) || own.contains(&name.as_str()) {
                return Err(Failure::usage(format!(
                    "--name {name}: it must be letters, digits, `-`, `_`, `.` and `+`, and the name of no suite of the program"
                )));
            }
            suite.name.clone_from(name);
            return Ok(());
        }
        let varied: Vec<&Axis> = axes.iter().filter(|axis| axis.values.len() > 1).collect();
        if own.contains(&suite.name.as_str()) && varied.is_empty() && !axes.is_empty() {
            return Err(Failure::usage(format!(
                "--{}: these are no longer the rows of {}; give the sweep a --name of its own",
                axes[0].name, suite.name
            )));
        }
        for axis in varied {
            suite.name += &format!("-{}", axis.name);
        }
        Ok(())
    }

    /// The command that makes the table.
    fn command(&self) -> String {
        let mut command = "bnn-cpu sweep".to_string();
        if let Some(grid) = &self.grid {
            command += &format!(" {}", grid.display());
        }
        if let Some(recipe) = &self.recipe {
            command += &format!(" --recipe {}", recipe.display());
        }
        command += &self.lists.command;
        command += &format!(" --seeds {}", self.cells.seeds);
        let named = [
            ("rows", &self.cells.rows),
            ("name", &self.name),
            ("against", &self.against),
        ];
        for (flag, value) in named {
            if let Some(value) = value {
                command += &format!(" --{flag} {value}");
            }
        }
        if self.validation_only {
            command += " --validation-only";
        }
        command
    }
}

/// The row that lists alone are about.
fn unnamed() -> SuiteRow {
    SuiteRow {
        id: String::new(),
        title: String::new(),
        published: None,
        group: String::new(),
        controls: None,
        settings: PartialConfig::default(),
    }
}

/// Finds what is wrong with the settings of a row whatever the data set may be, before it is
/// read.
fn check(row: &SuiteRow, stated: &Stated) -> Outcome {
    let any = Subject::of(&digits::generate(0, 1, 1));
    let checked = stated.whole().complete(&any);
    let checked = checked.and_then(|config| config.check_settings());
    checked.map_err(|error| match stated.refused(error) {
        Failure::Usage(what) => Failure::usage(format!("row {}: {what}", row.id)),
        other => other,
    })
}

/// What the table is of.
fn about(grid: &str, axes: &[Axis]) -> String {
    let said = |axis: &Axis| {
        let values: Vec<&str> = axis.values.iter().map(|(text, _)| text.as_str()).collect();
        format!("{} {}", axis.name, values.join(", "))
    };
    let listed = |many: bool| -> String {
        let those = axes.iter().filter(|axis| (axis.values.len() > 1) == many);
        those.map(said).collect::<Vec<_>>().join("; ")
    };
    let mut sentences: Vec<String> = Vec::new();
    if !grid.is_empty() {
        sentences.push(grid.into());
    }
    let (varied, fixed) = (listed(true), listed(false));
    if !varied.is_empty() {
        sentences.push(format!("Every combination of {varied}."));
    }
    if !fixed.is_empty() {
        sentences.push(format!("Everywhere {fixed}."));
    }
    if sentences.is_empty() {
        sentences.push("A sweep.".into());
    }
    sentences.join(" ")
}
