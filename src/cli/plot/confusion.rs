//! `bnn-cpu plot confusion`: which classes a run takes for which.

use bnn_cpu::draw::confusion;
use serde_json::json;

use super::super::data_args::RunDataArgs;
use super::super::{Context, Outcome};
use super::pictures::{PictureArgs, statistics};
use super::several::{Drawn, Picture, SeveralArgs};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot confusion runs/seed-net-both-det-st-1          confusion.png in its pictures/
  bnn-cpu plot confusion runs/seed-net-both-det-st-1 --json   the counts as well
  bnn-cpu plot confusion --compare runs/a runs/b                    two runs side by side";

/// Draw the confusion matrix of a run's best weights on the test images
///
/// Stochastic units are sampled with the noise of the run's own test, so the matrix
/// holds the mistakes that the test counted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    several: SeveralArgs,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    data: RunDataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let places = (&args.picture, &args.data);
    args.several.draw_each(
        "confusion",
        places,
        context,
        |_| Ok(()),
        |seen, ()| {
            let statistics = statistics(seen.run, seen.net, seen.dataset)?;
            let (counts, classes) = (statistics.confusion(), seen.net.classes());
            let canvas = confusion::matrix(seen.name, &counts, classes)?;
            let rows: Vec<&[usize]> = counts.chunks(classes).collect();
            Ok(Drawn {
                pictures: vec![Picture::alone("confusion", canvas)],
                numbers: json!({ "counts": rows, "accuracy": statistics.evaluation.accuracy }),
            })
        },
    )
}
