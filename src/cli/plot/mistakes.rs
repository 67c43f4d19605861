//! `bnn-cpu plot mistakes`: the test images that a run takes for something else.

use bnn_cpu::draw::mistakes;
use clap::builder::RangedU64ValueParser;
use serde_json::json;

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::{Context, Outcome};
use super::pictures::{PictureArgs, statistics};
use super::several::{Drawn, Picture, SeveralArgs};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot mistakes runs/seed-net-both-det-st-1             mistakes.png in its pictures/
  bnn-cpu plot mistakes runs/seed-net-both-det-st-1 --most 24   the 24 surest
  bnn-cpu plot mistakes runs/seed-net-both-det-st-1 --json      image, label, guess and margin of each";

/// Draw the misclassified test images: truth, guess and margin, the surest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    several: SeveralArgs,
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
    let places = (&args.picture, &args.data);
    args.several.draw_each(
        "mistakes",
        places,
        context,
        |_| Ok(()),
        |seen, ()| {
            let statistics = statistics(seen.run, seen.net, seen.dataset)?;
            let all = statistics.mistakes();
            if all.is_empty() && !context.json {
                output::line("no mistakes: every test image was classified right")?;
            }
            let shown = &all[..all.len().min(args.most)];
            let mut pictures = Vec::new();
            if !all.is_empty() {
                let total = (all.len(), statistics.guesses.len());
                let split = &seen.dataset.test;
                let canvas = mistakes::sheet(seen.name, shown, total, split)?;
                pictures.push(Picture::alone("mistakes", canvas));
            }
            let list = all.iter().map(
            |m| json!({ "image": m.image, "label": m.label, "guess": m.guess, "margin": m.margin }),
        );
            let numbers = json!({ "mistakes": list.collect::<Vec<_>>() });
            Ok(Drawn { pictures, numbers })
        },
    )
}
