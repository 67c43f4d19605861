//! `bnn-cpu table`: a sweep over the grid of a suite, whose table stands beside what others
//! published.

use std::path::PathBuf;

use bnn_cpu::study::Suite;
use bnn_cpu::train::PartialConfig;

use super::data_args::DataArgs;
use super::sweep::job::{CellArgs, Job, suite};
use super::{Context, Outcome};

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
/// several processes can share one. With --format (or --dark) a figure of the table is
/// written as well.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The suite of runs: reference, tuned, mlp, mlp-tuned, best, frontier, anneal, estimators,
    /// mixed, mixed-tuned, omniglot and few-shot (which read Omniglot), or a JSON file of one's own
    /// such as those in data/suites
    #[arg(long, default_value = "reference", value_name = "NAME|FILE.json")]
    suite: PathBuf,
    /// Epochs, where not the suite's own; the table then has a name of its own
    #[arg(long, value_name = "N", value_parser = super::flags::epochs)]
    epochs: Option<usize>,
    #[command(flatten)]
    cells: CellArgs,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let suite = suite("--suite", &args.suite)?;
    let named = match Suite::names().contains(&suite.name.as_str()) {
        true => suite.name.clone(),
        false => args.suite.display().to_string(),
    };
    let mut command = format!("bnn-cpu table --suite {named} --seeds {}", args.cells.seeds);
    if let Some(epochs) = args.epochs {
        command += &format!(" --epochs {epochs}");
    }
    if let Some(rows) = &args.cells.rows {
        command += &format!(" --rows {rows}");
    }
    let over = PartialConfig {
        epochs: args.epochs,
        ..PartialConfig::default()
    };
    let job = Job {
        plan: args.cells.plan(suite, over)?,
        cells: args.cells,
        data: args.data,
        command,
        against: None,
    };
    job.run(context)
}
