//! `bnn-cpu plot mistakes`: the test images that a run takes for something else.

use std::path::PathBuf;

use bnn_cpu::draw::mistakes;
use clap::builder::RangedU64ValueParser;
use serde_json::json;

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::{Context, Outcome};
use super::pictures::{PictureArgs, look_at};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot mistakes runs/seed-net-both-det-st-1             mistakes.png in its pictures/
  bnn-cpu plot mistakes runs/seed-net-both-det-st-1 --most 24   the 24 surest
  bnn-cpu plot mistakes runs/seed-net-both-det-st-1 --json      image, label, guess and margin of each";

/// Draw the misclassified test images: truth, guess and margin, the surest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the run
    run: PathBuf,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 120)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    most: usize,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    data: RunDataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let (looked, dataset, mut pictures) = look_at(&args.run, &args.picture, &args.data, context)?;
    let all = looked.statistics.mistakes();
    if all.is_empty() && !context.json {
        return output::line("no mistakes: every test image was classified right");
    }
    let shown = &all[..all.len().min(args.most)];
    if !all.is_empty() {
        let canvas = mistakes::sheet(
            &looked.name(),
            shown,
            (all.len(), looked.statistics.guesses.len()),
            &dataset.test,
            args.picture.theme(),
        )?;
        pictures.png("mistakes.png", &canvas)?;
    }
    let list: Vec<_> = all
        .iter()
        .map(
            |m| json!({ "image": m.image, "label": m.label, "guess": m.guess, "margin": m.margin }),
        )
        .collect();
    let more = json!({ "run": output::path(&args.run), "mistakes": list });
    pictures.write("mistakes", more, context)
}
