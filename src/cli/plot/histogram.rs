//! `bnn-cpu plot histogram`: how the activations of each channel are distributed.

use bnn_cpu::draw::inside;
use bnn_cpu::inside::histogram::histogram;
use bnn_cpu::train::Config;
use serde_json::json;

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::{Context, Outcome};
use super::pictures::PictureArgs;
use super::several::{Drawn, Picture, SeveralArgs};
use super::sites::{ImageArgs, Looked, SiteArgs, as_tested};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot histogram runs/seed-net-both-det-st-1             rates of bits, class by class
  bnn-cpu plot histogram runs/a --layer bn2 --channels 0-7       numbers of one layer
  bnn-cpu plot histogram --compare runs/a runs/b -o plots        two runs side by side";

/// Draw how the activations of each channel are distributed over the test images
///
/// Of numbers a histogram for each channel, all in one range; of bits how often each channel
/// fires, by the class of the image. Stochastic units are sampled with the noise of the run's
/// own test.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    several: SeveralArgs,
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
    let places = (&args.picture, &args.data);
    let plan = |config: &Config| args.sites.sites(&config.model);
    args.several
        .draw_each("histogram", places, context, plan, |seen, sites| {
            let (split, config) = (&seen.dataset.test, seen.run.config());
            let images = args.images.of(split);
            let (mut pictures, mut layers) = (Vec::new(), Vec::new());
            for Looked {
                site,
                channels,
                place,
            } in sites
            {
                let shown = (&channels[..], as_tested(config));
                let found = histogram(seen.net, &site, split, &images, shown)?;
                let canvas = inside::histogram(seen.name, &found)?;
                let stem = format!("histogram-{}", site.name);
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
