//! `bnn-cpu plot curves`: the epochs of a run as curves, or those of many in one picture.

use std::path::PathBuf;

use bnn_cpu::draw::curves::{Course, figure};
use bnn_cpu::draw::{Form, Theme};
use bnn_cpu::train::RunFolder;
use serde_json::json;

use super::super::output;
use super::super::{Context, Outcome};
use super::pictures::{PictureArgs, Pictures};
use super::settings::settings;

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot curves runs/seed-net-both-det-st-1     curves-light.svg, curves-dark.svg, curves.csv
  bnn-cpu plot curves runs/a runs/b runs/c -o plots   several runs in one picture
  bnn-cpu plot curves runs/table/reference/* -o all.png   many: means over seeds, small multiples";

/// Draw the epochs of runs: loss, accuracy, slope, learning rate, changed bits
///
/// Runs that differ in their seed alone are one line, their mean, in the band from the least to
/// the greatest of them; more than eight lines are drawn as panels by place, mode or estimator,
/// with the same axes. The numbers stand beside the picture as CSV. Bits changed: the share of
/// the binary units' bits on 256 validation images that an epoch changed. Units saturated: the
/// share outside the ramp of the hard sigmoid, or where the logistic's probability is outside
/// (0.05, 0.95). Curves that no run has numbers for are left out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folders of the runs
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    picture: PictureArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let runs: Vec<RunFolder> = args
        .runs
        .iter()
        .map(|path| RunFolder::open(path))
        .collect::<Result<_, _>>()?;
    let folder = match runs.as_slice() {
        [run] => run.file("pictures"),
        _ => PathBuf::from("pictures"),
    };
    let mut pictures = Pictures::new(&args.picture, folder, Form::Svg)?;
    let histories: Vec<_> = runs
        .iter()
        .map(RunFolder::metrics)
        .collect::<Result<_, _>>()?;
    let (lines, settings) = settings(&runs);
    let courses: Vec<Course<'_>> = histories
        .iter()
        .zip(lines)
        .map(|(history, line)| Course { line, history })
        .collect();
    let figure = figure(&courses, &settings)?;
    let canvas = figure.draw()?;
    if pictures.is_single() {
        pictures.picture("curves", &canvas)?;
    } else {
        pictures.themed("curves-light", &canvas, Theme::Light)?;
        pictures.themed("curves-dark", &canvas, Theme::Dark)?;
    }
    pictures.bytes("curves", "csv", figure.csv().into_bytes());
    pictures.write(
        "curves",
        json!({ "runs": output::paths(&args.runs), "epochs": histories }),
        context,
    )
}
