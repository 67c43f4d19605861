//! `bnn-cpu pack`: a run's best weights as a packed file.

use std::path::PathBuf;

use bnn_cpu::files::write_atomic_bytes;
use bnn_cpu::train::RunFolder;
use serde_json::json;

use super::output::{self, grouped};
use super::places;
use super::{Context, Outcome};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu pack runs/xnor-net-both-det-st-1                  writes best.packed beside its weights
  bnn-cpu pack runs/xnor-net-both-det-st-1 -o digits.packed into a file of that name
  bnn-cpu pack runs/xnor-net-both-det-st-1 --compact        best.compact, the smallest form";

/// Turn a run's best weights into a packed network: bits, thresholds, tables
///
/// What cannot be packed is refused, with the layer and the reason.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the run
    run: PathBuf,
    /// The file to write [default: best.packed or best.compact in the run's folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write weights, thresholds and shape in as few bits as they take, without names, the run that
    /// they come from and a seal (a checksum tells damage); `infer --packed` reads it
    #[arg(long)]
    compact: bool,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let run = RunFolder::open(&args.run)?;
    let usual = if args.compact {
        "best.compact"
    } else {
        "best.packed"
    };
    let path = args.output.unwrap_or_else(|| run.file(usual));
    places::file("--output", &path)?;
    let net = run.network(context.engine, 1)?;
    let packed = net.pack()?.with_lineage(run.lineage());
    let bytes = if args.compact {
        let bytes = packed.to_compact_bytes()?;
        write_atomic_bytes(&path, &bytes)?;
        bytes.len()
    } else {
        packed.write(&path)?
    };
    if context.json {
        return output::json(&json!({
            "event": "pack", "run": output::path(&args.run), "file": output::path(&path), "bytes": bytes,
            "compact": args.compact, "stages": packed.stages().len(), "classes": packed.classes(),
            "stochastic": packed.is_stochastic(),
        }));
    }
    output::line(&format!("{}: {} bytes", path.display(), grouped(bytes)))
}
