//! `bnn-cpu plot confusion`: which classes a run takes for which.

use std::path::PathBuf;

use bnn_cpu::draw::confusion;
use serde_json::json;

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::{Context, Outcome};
use super::pictures::{PictureArgs, look_at};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot confusion runs/seed-net-both-det-st-1          confusion.png in its pictures/
  bnn-cpu plot confusion runs/seed-net-both-det-st-1 --json   the counts as well";

/// Draw the confusion matrix of a run's best weights on the test images
///
/// Stochastic units are sampled with the noise of the run's own test, so the matrix
/// holds the mistakes that the test counted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the run
    run: PathBuf,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    data: RunDataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let (looked, _, mut pictures) = look_at(&args.run, &args.picture, &args.data, context)?;
    let (counts, classes) = (looked.statistics.confusion(), looked.net.classes());
    let canvas = confusion::matrix(&looked.name(), &counts, classes, args.picture.theme())?;
    pictures.png("confusion.png", &canvas)?;
    let rows: Vec<&[usize]> = counts.chunks(classes).collect();
    let more = json!({
        "run": output::path(&args.run), "counts": rows, "accuracy": looked.statistics.evaluation.accuracy,
    });
    pictures.write("confusion", more, context)
}
