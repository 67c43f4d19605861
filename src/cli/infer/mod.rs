//! `bnn-cpu infer`: what a trained network makes of images, and how fast.

pub mod classifier;
pub mod few_shot;
pub mod inputs;
mod measure;
mod show;

use std::path::PathBuf;

use bnn_cpu::Error;
use bnn_cpu::data::Dataset;
use bnn_cpu::data::preprocess::Invert;
use bnn_cpu::layers::row_loss;
use bnn_cpu::model::argmax;
use bnn_cpu::model::verify;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::aligned::{Align, Table};
use super::data_args::RunDataArgs;
use super::output::{self, grouped, loss, percent};
use super::progress::Progress;
use super::{Context, Failure, Outcome};
use classifier::{BATCH, Classifier, Source};
use inputs::Images;
use show::Answer;

const EXAMPLES: &str = "\
Examples:
  bnn-cpu infer                                  the newest run on its test images
  bnn-cpu infer --packed --verify                in bits, beside the float graph
  bnn-cpu infer digit.png scan.jpg scans/        pictures of digits
  bnn-cpu infer --packed --model net.packed t10k-images-idx3-ubyte.gz --csv
  bnn-cpu infer - < digit.png                    the standard input
  bnn-cpu infer --packed --bench                 batches of 1, 64, 1000; 1 and all threads
  bnn-cpu infer --packed --profile               the time of each layer
  bnn-cpu infer --packed --support letters/ --save-support letters.support
  bnn-cpu infer --packed --support letters.support query.png";

fn inverts() -> impl TypedValueParser<Value = Invert> {
    PossibleValuesParser::new(Invert::ALL.map(Invert::name)).try_map(|name| name.parse::<Invert>())
}

/// Classify images with a trained network
///
/// Pictures (PNG or JPEG) may have any size and colours. For a network of one channel
/// they are made grey, scaled with their proportions kept until the ink fills 20x20,
/// and centred by mass in 28x28, as MNIST was. For a network of three channels they keep
/// their colours and are cropped and scaled as the pictures of a data set are: as those
/// of the run were, or, where a file of weights or bits does not tell, cropped to the
/// middle. A picture of the network's own size is taken as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// PNG, JPEG or IDX files, folders of pictures, or - for the standard input
    /// [default: the test images of the run's data set]
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// A run's folder, its best.safetensors, or a packed file [default: the
    /// newest run in runs/]
    #[arg(long, value_name = "RUN|FILE")]
    model: Option<PathBuf>,
    /// Run on packed bits; a packed file always does
    #[arg(long)]
    packed: bool,
    /// Whether to exchange light and dark in pictures; auto: where the border is on the
    /// other side than the background of the training images, and never in colour
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = inverts())]
    invert: Invert,
    /// Stochastic nets: read units as [x > 0] instead of sampling them
    #[arg(long)]
    threshold: bool,
    /// A line of CSV for each image
    #[arg(long, conflicts_with_all = ["verify", "profile", "bench", "json"])]
    csv: bool,
    /// Run both ways and compare every bit, layer by layer
    #[arg(long, conflicts_with_all = ["profile", "bench"])]
    verify: bool,
    /// Few-shot networks: the classes, as a folder (or a zip) with a sub-folder of pictures
    /// for each, or a file of --save-support; pictures are cropped and scaled as those of
    /// training were
    #[arg(long, value_name = "FOLDER|FILE", conflicts_with_all = ["verify", "profile", "bench"])]
    support: Option<PathBuf>,
    /// Keep what the classes of --support came to in a file
    #[arg(long, value_name = "FILE", requires = "support")]
    save_support: Option<PathBuf>,
    /// Time each layer
    #[arg(long, conflicts_with = "bench")]
    profile: bool,
    /// Time it properly: warmed up, medians, several batch sizes and threads
    #[arg(long)]
    bench: bool,
    #[command(flatten)]
    data: RunDataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let mut progress = Progress::new(context);
    let source = Source::find(args.model.as_deref())?;
    if args.threshold && !source.is_stochastic() {
        return Err(Failure::usage(format!(
            "--threshold has no effect on {}, which has no stochastic unit",
            source.path().display()
        )));
    }
    if args.support.is_some() || source.is_few_shot() && !args.compares() {
        return few_shot::run(&args, &source, context);
    }
    let packed = args.packed || matches!(source, Source::Packed(..));
    // What cannot be done should show before the data is read.
    let mut classifier = source.classifier(context.engine, packed, args.threshold, BATCH)?;
    if args.verify {
        source.network(context.engine, 1)?;
    }
    let test_set = args.inputs.is_empty();
    let (images, set) = match test_set {
        true => test_images(&args, &source, classifier.classes(), &mut progress)?,
        false => {
            let manner = source.manner(args.invert);
            let images = Images::read(&args.inputs, &manner, source.input())?;
            (images, String::new())
        }
    };
    let form = (packed, args.threshold);
    if args.verify {
        return verified(&source, &images, context);
    }
    if args.bench {
        return measure::bench(&source, form, &images, context);
    }
    if args.profile {
        let mut one = source.classifier(context.engine, packed, args.threshold, 1)?;
        return measure::profile(&mut one, &images, context);
    }
    let mut logits = vec![0.0; images.len() * classifier.classes()];
    classifier.logits(&images.pixels, &mut logits);
    if test_set && !args.csv {
        return summary(
            &source,
            form,
            &mut classifier,
            (&images, &set),
            &logits,
            context,
        );
    }
    let rows = logits.chunks_exact(classifier.classes());
    let answers: Vec<Answer> = rows.map(Answer::of).collect();
    match (args.csv, context.json) {
        (true, _) => show::csv(&images, &answers),
        (false, true) => show::lines_of_json(&images, &answers),
        (false, false) => show::table(&images, &answers),
    }
}

impl Args {
    /// Whether the network itself is looked at, and not what it answers.
    fn compares(&self) -> bool {
        (self.verify || self.profile) && !self.inputs.is_empty()
    }
}

/// The test images of the run's data set, or of the one that the flags name, and what
/// the set is called.
fn test_images(
    args: &Args,
    source: &Source,
    classes: usize,
    progress: &mut Progress,
) -> Outcome<(Images, String)> {
    if args.invert != Invert::Auto {
        return Err(Failure::usage(
            "--invert has no effect on the test images; it is for pictures",
        ));
    }
    let dataset: Dataset = match source.config() {
        Some(config) => {
            let data = args.data.for_task(&config.task);
            data.load_for(&config.dataset, progress)?
        }
        None => args
            .data
            .load_by_hash(source.path(), source.data_sha256(), progress)?,
    };
    let (height, width, channels) = dataset.shape();
    let input = source.input();
    if (input.height, input.width, input.channels) != (height, width, channels) {
        return Err(Error::Spec(format!(
            "{} takes images of {input}, but those of {} are {channels},{height},{width}; name another set with --dataset or --data",
            source.path().display(),
            dataset.name
        ))
        .into());
    }
    if classes < dataset.classes {
        return Err(Error::Spec(format!(
            "{} tells {classes} classes apart, but {} has {}; name another set with --dataset or --data",
            source.path().display(),
            dataset.name,
            dataset.classes
        ))
        .into());
    }
    let test = &dataset.test;
    let images = Images {
        pixels: test.pixels().to_vec(),
        names: (0..test.len())
            .map(|i| format!("{}[{i}]", dataset.name))
            .collect(),
        labels: test.labels().to_vec(),
    };
    Ok((images, dataset.name.clone()))
}

/// Accuracy and speed on the test images.
fn summary(
    source: &Source,
    (packed, threshold): (bool, bool),
    classifier: &mut Classifier,
    (images, set): (&Images, &str),
    logits: &[f32],
    context: &Context,
) -> Outcome {
    let (mean_loss, accuracy) = judged(logits, classifier.classes(), &images.labels);
    // The first pass, which gave the answers, was the warm-up.
    let img_per_s = measure::throughput(classifier, images);
    let mut one = source.classifier(context.engine, packed, threshold, 1)?;
    let pixels = images.pixels.len() / images.len();
    let latency = measure::latency(&mut one, &images.pixels, pixels);
    let (isa, threads) = (
        context.engine.kernels.isa.name(),
        rayon::current_num_threads(),
    );
    if context.json {
        return output::json(&json!({
            "event": "infer", "dataset": set, "model": output::path(source.path()), "packed": packed, "images": images.len(),
            "accuracy": accuracy, "loss": mean_loss, "img_per_s": img_per_s, "latency": latency,
            "isa": isa, "threads": threads,
        }));
    }
    let form = if packed { "packed" } else { "float" };
    output::line(&output::bold(&format!("{}, {form}", source.title())))?;
    output::pairs(&[
        ("model", source.path().display().to_string()),
        (
            "images",
            format!("{} test images of {set}", grouped(images.len())),
        ),
        ("accuracy", percent(accuracy)),
        ("loss", loss(mean_loss)),
        (
            "speed",
            format!(
                "{} img/s, {isa} kernels, {threads} threads",
                grouped(img_per_s as usize)
            ),
        ),
        (
            "one image",
            format!(
                "{:.1} us median, {:.1} us 90 %, {:.1} us 99 %, one thread",
                latency.p50_us, latency.p90_us, latency.p99_us
            ),
        ),
    ])
}

/// The mean loss and the accuracy of logits, as an evaluation has them, from the same functions.
fn judged(logits: &[f32], classes: usize, labels: &[u32]) -> (f64, f64) {
    let (mut sum, mut right) = (0.0, 0);
    for (row, &label) in logits.chunks_exact(classes).zip(labels) {
        sum += f64::from(row_loss(row, label as usize));
        right += usize::from(argmax(row) == Some(label as usize));
    }
    let images = labels.len() as f64;
    (sum / images, right as f64 / images)
}

/// `--verify`: the float graph and the bits beside each other.
fn verified(source: &Source, images: &Images, context: &Context) -> Outcome {
    let mut net = source.network(context.engine, 1)?;
    let packed = source.packed(context.engine)?;
    let mut runner = packed.runner(context.engine);
    let each = images.pixels.chunks_exact(packed.input().len());
    let found = verify(&mut net, &packed, &mut runner, each)?;
    if context.json {
        let mut value = output::value(&found);
        value["event"] = json!("verify");
        value["model"] = json!(output::path(source.path()));
        return output::json(&value);
    }
    let title = format!("{}, float beside packed", source.title());
    output::line(&output::bold(&title))?;
    let mut table = Table::new(&[
        ("layer", Align::Left),
        ("output", Align::Left),
        ("compared", Align::Right),
        ("differ", Align::Right),
        ("largest", Align::Right),
    ]);
    for stage in &found.stages {
        table.row(vec![
            stage.name.clone(),
            if stage.bits { "bits" } else { "reals" }.into(),
            grouped(stage.numbers as usize),
            grouped(stage.differing as usize),
            format!("{:.1e}", stage.largest),
        ]);
    }
    table.print()?;
    output::pairs(&[
        ("images", grouped(found.images)),
        ("other logits", grouped(found.logits)),
        ("other predictions", grouped(found.predictions.len())),
    ])?;
    for (image, margin) in found.predictions.iter().zip(&found.margins) {
        let near = match margin {
            Some(m) => format!("a unit's input lies {m:.1e} from its threshold"),
            None => "no bit differs".into(),
        };
        output::line(&format!("{}: another class; {near}", images.names[*image]))?;
    }
    Ok(())
}
