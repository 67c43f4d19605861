//! `bnn-cpu pack`: a run's best weights as a packed file.

use std::path::PathBuf;

use bnn_cpu::train::RunFolder;
use serde_json::json;

use super::output::{self, grouped};
use super::places;
use super::{Context, Outcome};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu pack runs/xnor-net-both-det-st-1                  writes best.packed beside its weights
  bnn-cpu pack runs/xnor-net-both-det-st-1 -o digits.packed into a file of that name";

/// Turn a run's best weights into a packed network: bits, thresholds, tables
///
/// What cannot be packed is refused, with the layer and the reason.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the run
    run: PathBuf,
    /// The file to write [default: best.packed in the run's folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let run = RunFolder::open(&args.run)?;
    let path = args.output.unwrap_or_else(|| run.file("best.packed"));
    places::file("--output", &path)?;
    let net = run.network(context.engine, 1)?;
    let packed = net.pack()?.with_lineage(run.lineage());
    let bytes = packed.write(&path)?;
    if context.json {
        return output::json(&json!({
            "event": "pack", "run": output::path(&args.run), "file": output::path(&path), "bytes": bytes,
            "stages": packed.stages().len(), "classes": packed.classes(),
            "stochastic": packed.is_stochastic(),
        }));
    }
    output::line(&format!("{}: {} bytes", path.display(), grouped(bytes)))
}
