//! `bnn-cpu plot filters`: the weights of a run's convolutions.

use bnn_cpu::Error;
use bnn_cpu::draw::filters;
use bnn_cpu::layers::Conv;
use bnn_cpu::train::RunFolder;
use serde_json::json;

use super::super::{Context, Failure, Outcome};
use super::pictures::PictureArgs;
use super::several::{Drawn, Picture, SeveralArgs, names};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot filters runs/seed-net-both-det-st-1           filters-conv1.png, filters-conv2.png
  bnn-cpu plot filters runs/xnor-net-both-det-st-1 -o sheet  signs, where weights are binary";

/// Draw the weights of a run's convolutions as sheets of filters
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    several: SeveralArgs,
    #[command(flatten)]
    picture: PictureArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let runs = args.several.open()?;
    if let Some(run) = runs.iter().find(|run| convolutions(run).next().is_none()) {
        return Err(Failure::usage(format!(
            "{} has no convolution, so there are no filters to draw",
            run.path().display()
        )));
    }
    let pictures = args.several.pictures(&args.picture, &runs)?;
    let names = names(&runs);
    let drawn = runs
        .iter()
        .zip(&names)
        .map(|(run, name)| args.draw(run, name, context));
    let drawn: Vec<Drawn> = drawn.collect::<Outcome<_>>()?;
    args.several.write("filters", pictures, drawn, context)
}

/// The convolutions of a run: numbers of layers, names, and whether their weights are binary.
fn convolutions(run: &RunFolder) -> impl Iterator<Item = (usize, &str, bool)> {
    let layers = run.config().model.layers.iter().enumerate();
    let convolutions = layers.filter(|(_, layer)| layer.is::<Conv>());
    convolutions.map(|(i, layer)| (i, layer.label(), layer.has_binary_weights()))
}

impl Args {
    fn draw(&self, run: &RunFolder, title: &str, context: &Context) -> Outcome<Drawn> {
        let net = run.network(context.engine, 1)?;
        let (mut pictures, mut layers) = (Vec::new(), Vec::new());
        let depths = run.config().model.depths()?;
        for (layer, name, binary) in convolutions(run) {
            let weights = net.params().view(&format!("{name}.weight"));
            let weights = weights
                .ok_or_else(|| Error::spec(format!("the run has no parameter {name}.weight")))?;
            let canvas = filters::sheet((title, name), &weights, binary)?;
            pictures.push(Picture {
                stem: format!("filters-{name}"),
                place: depths[layer],
                canvas,
            });
            let numbers: Vec<f32> = weights.iter().copied().collect();
            layers.push(json!({ "name": name, "shape": weights.shape(), "weights": numbers }));
        }
        let numbers = json!({ "layers": layers });
        Ok(Drawn { pictures, numbers })
    }
}
