//! `bnn-cpu plot regions`: the patches of test images that excite each channel most.

use bnn_cpu::draw::inside;
use bnn_cpu::inside::regions::{self, Kept};
use bnn_cpu::train::Config;
use clap::builder::RangedU64ValueParser;
use serde_json::json;

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::{Context, Outcome};
use super::pictures::PictureArgs;
use super::several::{Drawn, Picture, SeveralArgs};
use super::sites::{ImageArgs, Looked, SiteArgs};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot regions runs/seed-net-both-det-st-1                    regions-conv1-block.png, ... in its pictures/
  bnn-cpu plot regions runs/a --layer conv2 --channels 0-7            eight channels of one layer
  bnn-cpu plot regions --compare runs/a runs/b -o plots               two runs side by side";

/// Draw the patches of the test images that excite each channel most, and their mean
///
/// A patch is what a unit sees of its image, through all layers below. Of every image the one
/// place counts where the channel is strongest. Units are ranked by their pre-activations
/// where they have one, since bits and saturated units are all alike; stochastic units emit
/// the likelier bit. How often a channel is above 0 stands beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    several: SeveralArgs,
    /// Patches of each channel that are drawn
    #[arg(long, value_name = "N", default_value_t = 9)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100))]
    most: usize,
    /// Patches of each channel that the mean is over
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    mean_of: usize,
    #[command(flatten)]
    sites: SiteArgs,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    data: RunDataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let kept = Kept {
        patches: args.most,
        averaged: args.mean_of,
    };
    let places = (&args.picture, &args.data);
    let plan = |config: &Config| args.sites.sites(&config.model);
    args.several
        .draw_each("regions", places, context, plan, |seen, sites| {
            let split = &seen.dataset.test;
            let images = args.images.of(split);
            let (mut pictures, mut layers) = (Vec::new(), Vec::new());
            for Looked {
                site,
                channels,
                place,
            } in sites
            {
                let found = regions::regions(seen.net, &site, split, &images, (&channels, kept))?;
                let canvas = inside::regions(seen.name, &found, split)?;
                let stem = format!("regions-{}", site.name);
                pictures.push(Picture {
                    stem,
                    place,
                    canvas,
                });
                layers.push(output::value(&found));
            }
            let numbers = json!({ "layers": layers });
            Ok(Drawn { pictures, numbers })
        })
}
