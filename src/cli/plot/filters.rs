//! `bnn-cpu plot filters`: the weights of a run's convolutions.

use std::path::PathBuf;

use bnn_cpu::Error;
use bnn_cpu::draw::filters;
use bnn_cpu::layers::Conv;
use bnn_cpu::train::RunFolder;
use serde_json::json;

use super::super::output;
use super::super::{Context, Failure, Outcome, result};
use super::pictures::{PictureArgs, Pictures};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot filters runs/seed-net-both-det-st-1           filters-conv1.png, filters-conv2.png
  bnn-cpu plot filters runs/xnor-net-both-det-st-1 -o sheet  signs, where weights are binary";

/// Draw the weights of a run's convolutions as sheets of filters
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the run
    run: PathBuf,
    #[command(flatten)]
    picture: PictureArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let run = RunFolder::open(&args.run)?;
    let config = run.config();
    let layers = || {
        let convolutions = config.model.layers.iter().filter(|l| l.is::<Conv>());
        convolutions.map(|layer| (layer.label(), layer.has_binary_weights()))
    };
    if layers().next().is_none() {
        return Err(Failure::usage(format!(
            "{} has no convolution, so there are no filters to draw",
            args.run.display()
        )));
    }
    let mut pictures = Pictures::new(args.picture.folder(&run))?;
    let net = run.network(context.engine, 1)?;
    let title = result::network(config);
    for (name, binary) in layers() {
        let weights = net.params().view(&format!("{name}.weight"));
        let weights = weights
            .ok_or_else(|| Error::spec(format!("the run has no parameter {name}.weight")))?;
        let canvas = filters::sheet((&title, name), &weights, binary, args.picture.theme())?;
        pictures.png(&format!("filters-{name}.png"), &canvas)?;
    }
    pictures.write(
        "filters",
        json!({ "run": output::path(&args.run) }),
        context,
    )
}
