//! `bnn-cpu plot heatmap`: what the convolutions of a run see, or of several side by side.

use std::path::PathBuf;

use bnn_cpu::data::Dataset;
use bnn_cpu::draw::heatmap::{self, Subject};
use bnn_cpu::layers::{Conv, LayerSpec};
use bnn_cpu::train::RunFolder;
use serde_json::json;

use super::super::data_args::RunDataArgs;
use super::super::output;
use super::super::progress::Progress;
use super::super::{Context, Failure, Outcome};
use super::pictures::{Looked, PictureArgs, Pictures, look};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu plot heatmap runs/seed-net-both-stoch-st-1             conv1.png, conv1-mean.png, ... in its pictures/
  bnn-cpu plot heatmap runs/seed-net-both-det-st-1 --channels    every channel as well
  bnn-cpu plot heatmap --compare runs/a runs/b runs/c -o maps    the same digits, run by run";

/// Draw what each convolution hands on, for a digit of each class and on average
///
/// A map is the output after pooling and activation, averaged over channels, for the
/// first test image of each class and averaged over all test images. Stochastic units
/// are shown as a sample and as the probabilities it was drawn with. All maps of a
/// picture share the range that its colour bar names.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the run; with --compare, of each run
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Lay several runs out side by side, on the same digits [folder: pictures]
    #[arg(long)]
    compare: bool,
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
    let folder = match (&args.picture.out, args.compare) {
        (None, true) => PathBuf::from("pictures"),
        _ => args.picture.folder(&runs[0]),
    };
    let mut pictures = Pictures::new(folder)?;
    let mut progress = Progress::new(context);
    let dataset = args
        .data
        .load_for(&runs[0].config().dataset, &mut progress)?;
    let looked = runs.into_iter().map(|run| look(run, &dataset, context));
    let looked: Vec<Looked> = looked.collect::<Outcome<_>>()?;
    let names = names(&looked);
    let subjects: Vec<Subject<'_>> = looked
        .iter()
        .zip(&names)
        .map(|(looked, name)| Subject {
            name,
            statistics: &looked.statistics,
        })
        .collect();
    args.draw(&subjects, &dataset, &mut pictures)?;
    pictures.write(
        "heatmap",
        json!({ "runs": output::paths(&args.runs) }),
        context,
    )
}

impl Args {
    /// The runs, when their maps can be drawn, and beside each other.
    fn open(&self) -> Outcome<Vec<RunFolder>> {
        if self.compare != (self.runs.len() > 1) {
            return Err(Failure::usage(match self.compare {
                true => "--compare needs at least two runs",
                false => {
                    "more than one run; lay them side by side with --compare, or draw one at a time"
                }
            }));
        }
        let runs: Vec<RunFolder> = self
            .runs
            .iter()
            .map(|path| RunFolder::open(path))
            .collect::<Result<_, _>>()?;
        for (run, path) in runs.iter().zip(&self.runs).skip(1) {
            let first = &runs[0].config().dataset;
            if let Some(what) = first.difference(&run.config().dataset) {
                return Err(Failure::usage(format!(
                    "{} and {} were made with different images ({what}); compare runs on the same ones",
                    self.runs[0].display(),
                    path.display()
                )));
            }
        }
        let has_maps = |layer: &LayerSpec| layer.is::<Conv>();
        if !runs[0].config().model.layers.iter().any(has_maps) {
            return Err(Failure::usage(format!(
                "{} has no convolution, so there are no maps to draw",
                self.runs[0].display()
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
        let theme = self.picture.theme();
        let end = if self.compare { "-compared" } else { "" };
        for (i, layer) in subjects[0].statistics.layers.iter().enumerate() {
            let canvas = heatmap::layer(subjects, i, &dataset.test, theme)?;
            pictures.png(&format!("{}{end}.png", layer.name), &canvas)?;
            let canvas = heatmap::layer_mean(subjects, i, theme)?;
            pictures.png(&format!("{}-mean{end}.png", layer.name), &canvas)?;
            if self.channels {
                let canvas = heatmap::channels(subjects[0], i, false, theme)?;
                pictures.png(&format!("{}-channels.png", layer.name), &canvas)?;
                if layer.probability.is_some() {
                    let canvas = heatmap::channels(subjects[0], i, true, theme)?;
                    pictures.png(&format!("{}-channels-probability.png", layer.name), &canvas)?;
                }
            }
        }
        Ok(())
    }
}

/// A name for each run: its network, and its folder where networks alone do not tell.
fn names(looked: &[Looked]) -> Vec<String> {
    let names: Vec<String> = looked.iter().map(Looked::name).collect();
    let folder = |looked: &Looked| {
        let path = looked.run.path();
        path.file_name().map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into(),
        )
    };
    let alone = |name: &String| names.iter().filter(|n| *n == name).count() == 1;
    let pairs = looked.iter().zip(&names);
    pairs
        .map(|(looked, name)| match alone(name) {
            true => name.clone(),
            false => format!("{name} ({})", folder(looked)),
        })
        .collect()
}
