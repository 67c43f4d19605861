//! `bnn-cpu plot maximise`: images made to excite a channel.

use bnn_cpu::draw::inside;
use bnn_cpu::inside::maximise::{Aim, Settings, maximise};
use bnn_cpu::train::Config;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use serde_json::json;

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::{Context, Failure, Outcome};
use super::pictures::PictureArgs;
use super::several::{Drawn, Picture, SeveralArgs};
use super::sites::{Looked, SiteArgs};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot maximise runs/seed-net-both-det-st-1                   maximise-conv1-block.png, ... in its pictures/
  bnn-cpu plot maximise runs/a --layer fc                             an image for each class
  bnn-cpu plot maximise runs/a --aim channel --steps 400              textures: all units of a channel
  bnn-cpu plot maximise --compare runs/a runs/b -o plots              two runs side by side";

/// Draw images that are made to excite each channel, by gradient ascent on the pixels
///
/// Pixels stay within their bounds, are drawn back to the most frequent brightness, and are
/// smoothed; the image stands aside by some pixels in the first half of the steps. Binary units below pass
/// gradients straight through and emit the likelier bit. Of several random beginnings the
/// strongest end is shown. The same seed gives the same images.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    several: SeveralArgs,
    /// What is to be excited: the unit in the middle of the channel (as much of the image as it
    /// sees is drawn), or the mean of all its units
    #[arg(long, value_name = "WHAT", default_value = "unit", value_parser = aims())]
    aim: Aim,
    /// Steps of each image
    #[arg(long, value_name = "N", default_value_t = Settings::default().steps)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    steps: usize,
    /// Random beginnings, of which the best is shown
    #[arg(long, value_name = "N", default_value_t = Settings::default().restarts)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    restarts: usize,
    /// Seed of the beginnings and of how images stand aside
    #[arg(long, value_name = "N", default_value_t = Settings::default().seed)]
    seed: u64,
    /// The share of its distance from the most frequent brightness that a pixel loses in a step
    #[arg(long, value_name = "X", default_value_t = Settings::default().decay)]
    decay: f32,
    /// The weight of the total variation, against a gradient of 1; more is smoother
    #[arg(long, value_name = "X", default_value_t = Settings::default().smooth)]
    smooth: f32,
    /// Pixels by which an image stands aside at most; fewer where units see little
    #[arg(long, value_name = "N", default_value_t = Settings::default().shift)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(0..=64))]
    shift: usize,
    #[command(flatten)]
    sites: SiteArgs,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    data: RunDataArgs,
}

fn aims() -> impl TypedValueParser<Value = Aim> {
    PossibleValuesParser::new(["unit", "channel"]).map(|name| match &*name {
        "unit" => Aim::Unit,
        _ => Aim::Channel,
    })
}

impl Args {
    fn settings(&self) -> Outcome<Settings> {
        if !(0.0..1.0).contains(&self.decay) {
            return Err(Failure::usage(
                "--decay must be from 0 up to but not including 1",
            ));
        }
        if !(self.smooth.is_finite() && self.smooth >= 0.0) {
            return Err(Failure::usage("--smooth must be a number from 0 up"));
        }
        Ok(Settings {
            aim: self.aim,
            steps: self.steps,
            restarts: self.restarts,
            seed: self.seed,
            decay: self.decay,
            smooth: self.smooth,
            shift: self.shift,
        })
    }
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let settings = args.settings()?;
    let places = (&args.picture, &args.data);
    let plan = |config: &Config| args.sites.sites(&config.model);
    args.several
        .draw_each("maximise", places, context, plan, |seen, sites| {
            let (mut pictures, mut layers) = (Vec::new(), Vec::new());
            for Looked {
                site,
                channels,
                place,
            } in sites
            {
                let made = maximise(seen.net, &site, &seen.dataset.test, &channels, settings)?;
                let canvas = inside::maximised(seen.name, &made)?;
                let stem = format!("maximise-{}", site.name);
                pictures.push(Picture {
                    stem,
                    place,
                    canvas,
                });
                layers.push(output::value(&made));
            }
            let numbers = json!({ "layers": layers });
            Ok(Drawn { pictures, numbers })
        })
}
