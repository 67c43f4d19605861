//! `bnn-cpu plot heatmap`: what the convolutions of a run see, or of several side by side.

use bnn_cpu::data::Dataset;
use bnn_cpu::draw::Plane;
use bnn_cpu::draw::activation_statistics::{ActivationStatistics, Maps};
use bnn_cpu::draw::heatmap::{self, Subject};
use bnn_cpu::layers::{Conv, LayerSpec};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::RunFolder;
use serde_json::{Value, json};

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::progress::Progress;
use super::super::{Context, Failure, Outcome};
use super::pictures::{PictureArgs, Pictures, look};
use super::several::{SeveralArgs, names};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot heatmap runs/seed-net-both-stoch-st-1             conv1.png, conv1-mean.png, ... in its pictures/
  bnn-cpu plot heatmap runs/seed-net-both-det-st-1 --channels    every channel as well
  bnn-cpu plot heatmap runs/seed-net-both-det-st-1 --overlay     laid over the images as well
  bnn-cpu plot heatmap --compare runs/a runs/b runs/c -o maps    the same digits, run by run";

/// Draw what each convolution hands on, for a digit of each class and on average
///
/// A map is the output after pooling and activation, averaged over channels, for the
/// first test image of each class and averaged over all test images. Stochastic units
/// are shown as a sample and as the probabilities it was drawn with. All maps of a
/// picture share the range that its colour bar names. Beside each other stand layers of one
/// depth: as many convolutions and linear layers lie below them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    several: SeveralArgs,
    /// The maps laid over the images as well
    #[arg(long)]
    overlay: bool,
    /// A picture of every channel as well
    #[arg(long, conflicts_with = "compare")]
    channels: bool,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    data: RunDataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let runs = args.open()?;
    let mut pictures = args.several.pictures(&args.picture, &runs)?;
    let mut progress = Progress::new(context);
    let dataset = args
        .data
        .load_for(&runs[0].config().dataset, &mut progress)?;
    let names = names(&runs);
    let looked = runs.iter().map(|run| look(run, &dataset, context));
    let looked: Vec<ActivationStatistics> = looked.collect::<Outcome<_>>()?;
    let subjects: Vec<Subject<'_>> = looked
        .iter()
        .zip(&names)
        .map(|(statistics, name)| Subject { name, statistics })
        .collect();
    args.draw(&subjects, &dataset, &mut pictures)?;
    let maps: Vec<Value> = looked.iter().map(numbers).collect();
    pictures.write(
        "heatmap",
        json!({ "runs": output::paths(&args.several.runs), "maps": maps }),
        context,
    )
}

/// The numbers of the pictures: of each convolution its maps, averaged over channels.
fn numbers(statistics: &ActivationStatistics) -> Value {
    let plane = |shape: Shape, values: &Vec<f32>| {
        let sides = (shape.height, shape.width, shape.channels);
        (!values.is_empty()).then(|| Plane::mean(sides, values).values)
    };
    let maps = |shape: Shape, maps: &Maps| {
        let examples = maps.examples.iter().map(|values| plane(shape, values));
        json!({ "examples": examples.collect::<Vec<_>>(), "mean": plane(shape, &maps.mean) })
    };
    let layers = statistics.layers.iter().map(|layer| {
        json!({
            "name": layer.name, "height": layer.shape.height, "width": layer.shape.width,
            "output": maps(layer.shape, &layer.output),
            "probability": layer.probability.as_ref().map(|p| maps(layer.shape, p)),
        })
    });
    json!({ "examples": statistics.examples, "layers": layers.collect::<Vec<_>>() })
}

impl Args {
    /// The runs, when their maps can be drawn, and beside each other.
    fn open(&self) -> Outcome<Vec<RunFolder>> {
        let runs = self.several.open()?;
        let has_maps = |layer: &LayerSpec| layer.is::<Conv>();
        if !runs[0].config().model.layers.iter().any(has_maps) {
            return Err(Failure::usage(format!(
                "{} has no convolution, so there are no maps to draw",
                self.several.runs[0].display()
            )));
        }
        Ok(runs)
    }

    /// The pictures of each convolution of the first network.
    fn draw(
        &self,
        subjects: &[Subject<'_>],
        dataset: &Dataset,
        pictures: &mut Pictures,
    ) -> Outcome {
        let end = if self.several.compare {
            "-compared"
        } else {
            ""
        };
        let mut drawn = Vec::new();
        for (i, layer) in subjects[0].statistics.layers.iter().enumerate() {
            // Layers of one depth are in one picture.
            if self.several.compare && drawn.contains(&layer.depth) {
                continue;
            }
            drawn.push(layer.depth);
            let canvas = heatmap::layer(subjects, i, &dataset.test)?;
            pictures.picture(&format!("{}{end}", layer.name), &canvas)?;
            let canvas = heatmap::layer_mean(subjects, i)?;
            pictures.picture(&format!("{}-mean{end}", layer.name), &canvas)?;
            if self.overlay {
                let canvas = heatmap::overlay(subjects, i, &dataset.test)?;
                pictures.picture(&format!("{}-overlay{end}", layer.name), &canvas)?;
            }
            if self.channels {
                let canvas = heatmap::channels(subjects[0], i, false)?;
                pictures.picture(&format!("{}-channels", layer.name), &canvas)?;
                if layer.probability.is_some() {
                    let canvas = heatmap::channels(subjects[0], i, true)?;
                    pictures.picture(&format!("{}-channels-probability", layer.name), &canvas)?;
                }
            }
        }
        Ok(())
    }
}
