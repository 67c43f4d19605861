//! `bnn-cpu plot curves`: a run's epochs as curves, or those of several in one picture.

use std::path::PathBuf;

use bnn_cpu::draw::chart::Style;
use bnn_cpu::draw::curves::{Course, figure};
use bnn_cpu::train::RunFolder;
use serde_json::json;

use super::super::output;
use super::super::{Context, Outcome, result};
use super::pictures::Pictures;

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot curves runs/seed-net-both-det-st-1     curves-light.svg, curves-dark.svg in its pictures/
  bnn-cpu plot curves runs/a runs/b runs/c -o plots   several runs in one picture";

/// Draw a run's epochs as SVG: loss, accuracy, slope, learning rate, changed bits
///
/// Bits changed: the share of the binary units' bits on 256 validation images that an
/// epoch changed. Units saturated: the share outside the ramp of the hard sigmoid, or
/// where the logistic's probability is outside (0.05, 0.95). Curves that no run has
/// numbers for are left out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folders of the runs
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Folder for the pictures [default: `pictures` in the folder of a single run,
    /// else `pictures`]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let runs: Vec<RunFolder> = args
        .runs
        .iter()
        .map(|path| RunFolder::open(path))
        .collect::<Result<_, _>>()?;
    let folder = match (args.out, runs.as_slice()) {
        (Some(folder), _) => folder,
        (None, [run]) => run.file("pictures"),
        (None, _) => PathBuf::from("pictures"),
    };
    let mut pictures = Pictures::new(folder)?;
    let histories: Vec<_> = runs
        .iter()
        .map(RunFolder::metrics)
        .collect::<Result<_, _>>()?;
    let names: Vec<String> = runs
        .iter()
        .map(|run| match runs.len() {
            1 => result::network(run.config()),
            _ => {
                let name = run.path().file_name().unwrap_or(run.path().as_os_str());
                format!(
                    "{} ({})",
                    name.to_string_lossy(),
                    result::network(run.config())
                )
            }
        })
        .collect();
    let courses: Vec<Course<'_>> = histories
        .iter()
        .enumerate()
        .map(|(line, history)| Course { line, history })
        .collect();
    let light = figure(&courses, &names, Style::Light)?;
    let dark = figure(&courses, &names, Style::Dark)?;
    pictures.bytes("curves-light.svg", light.into_bytes());
    pictures.bytes("curves-dark.svg", dark.into_bytes());
    pictures.write(
        "curves",
        json!({ "runs": output::paths(&args.runs), "epochs": histories }),
        context,
    )
}
