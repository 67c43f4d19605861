//! `bnn-cpu plot neighbours`: one-nearest-neighbour accuracy in each layer's representation.

use bnn_cpu::draw::inside;
use bnn_cpu::inside::Site;
use bnn_cpu::inside::neighbours::{Images, neighbours};
use bnn_cpu::model::ModelSpec;
use bnn_cpu::train::Config;
use clap::builder::RangedU64ValueParser;

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::{Context, Outcome};
use super::pictures::PictureArgs;
use super::several::{Drawn, Picture, SeveralArgs};
use super::sites::{LayerArgs, as_tested};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot neighbours runs/seed-net-both-det-st-1                neighbours.png in its pictures/
  bnn-cpu plot neighbours runs/a --references 10000 --queries 2000   more images
  bnn-cpu plot neighbours --compare runs/a runs/b --json             the accuracies of two runs";

/// Draw how far each layer's representation tells classes apart: nearest neighbours
///
/// Of test images drawn at random, the share whose nearest neighbour among training images
/// drawn at random is of their class: in the pixels, in what each layer hands on, as it is and
/// pooled, and in the logits; beside chance and the network's own accuracy on the same test
/// images. Distances are Euclidean; of bits Hamming distances.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    several: SeveralArgs,
    /// Training images among which neighbours are looked for
    #[arg(long, value_name = "N", default_value_t = 2000)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    references: usize,
    /// Test images whose neighbours are looked for
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    queries: usize,
    /// Seed of the drawing of both
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Sides of the grids of cells that images are pooled to, by mean and by maximum
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [1, 2, 4])]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    sizes: Vec<usize>,
    #[command(flatten)]
    layers: LayerArgs,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    data: RunDataArgs,
}

/// The sites that are named or all blocks, and the logits.
fn sites(layers: &LayerArgs, spec: &ModelSpec) -> Outcome<Vec<Site>> {
    let mut sites: Vec<Site> = layers.sites(spec)?.into_iter().map(|(_, s)| s).collect();
    if let Some(logits) = spec.logits()?
        && sites.iter().all(|site| site.layer != logits)
    {
        sites.push(Site::of_layer(spec, logits)?);
    }
    Ok(sites)
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let places = (&args.picture, &args.data);
    let plan = |config: &Config| sites(&args.layers, &config.model);
    args.several
        .draw_each("neighbours", places, context, plan, |seen, sites| {
            let config = seen.run.config();
            let images = Images::draw(seen.dataset, args.references, args.queries, args.seed);
            let of = (seen.dataset, &images);
            let found = neighbours(seen.net, &sites, of, &args.sizes, as_tested(config))?;
            if let Some(what) = found.left_out() {
                output::note(&format!("{}: {what}", seen.name));
            }
            let canvas = inside::neighbours(seen.name, &found)?;
            Ok(Drawn {
                pictures: vec![Picture::alone("neighbours", canvas)],
                numbers: output::value(&found),
            })
        })
}
