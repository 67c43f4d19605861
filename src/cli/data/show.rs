//! `bnn-cpu data show`: a picture of samples.

use std::path::PathBuf;

use bnn_cpu::Error;
use bnn_cpu::data::augment::Scratch;
use bnn_cpu::data::contact_sheet::contact_sheet;
use bnn_cpu::data::{Augment, Ground, Split};
use bnn_cpu::files::write_atomic_bytes;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use serde_json::json;

use super::super::data_args::DataArgs;
use super::super::progress::Progress;
use super::super::{Context, Failure, Outcome, output, places};

fn augments() -> impl TypedValueParser<Value = Augment> {
    PossibleValuesParser::new(Augment::ALL.map(Augment::name))
        .try_map(|name| name.parse::<Augment>())
}

fn small() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_000_000)
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write the picture
    #[arg(long, short, value_name = "FILE.png", default_value = "samples.png")]
    out: PathBuf,
    /// Which images
    #[arg(long, default_value = "train", value_parser = ["train", "test"])]
    split: String,
    /// The first sample, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: usize,
    /// How many samples
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = small())]
    count: usize,
    /// Samples in a row
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = small())]
    columns: usize,
    /// Each pixel becomes a square of this side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = small())]
    scale: usize,
    /// Show training images as this augmentation makes them
    #[arg(long, value_name = "KIND", default_value = "none", value_parser = augments())]
    augment: Augment,
    /// Seed of the augmentation
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &Args, context: &Context) -> Outcome {
    places::file("--out", &args.out)?;
    let mut progress = Progress::new(context);
    let dataset = args.data.load(&mut progress)?;
    let split = match args.split.as_str() {
        "test" => &dataset.test,
        _ => &dataset.train,
    };
    if args.first >= split.len() {
        return Err(Failure::usage(format!(
            "--first {}: {} has {} such images, counted from 0",
            args.first,
            dataset.name,
            split.len()
        )));
    }
    let last = split.len().min(args.first.saturating_add(args.count));
    let indices: Vec<usize> = (args.first..last).collect();
    let png = if args.augment == Augment::None {
        contact_sheet(split, &indices, args.columns, args.scale)?.to_png()?
    } else {
        let varied = varied(split, &Ground::of(&dataset.train), &indices, args)?;
        let all: Vec<usize> = (0..varied.len()).collect();
        contact_sheet(&varied, &all, args.columns, args.scale)?.to_png()?
    };
    write_atomic_bytes(&args.out, &png)?;
    let count = indices.len();
    if context.json {
        return output::json(&json!({
            "event": "shown", "file": output::path(&args.out), "dataset": dataset.name,
            "split": args.split, "first": args.first, "count": count,
        }));
    }
    output::line(&format!(
        "{}: {count} {} images of {}",
        args.out.display(),
        args.split,
        dataset.name
    ))
}

/// The samples `indices` as the first epoch of a run would see them.
fn varied(split: &Split, ground: &Ground, indices: &[usize], args: &Args) -> Outcome<Split> {
    let shape = split.shape();
    let size = split.image(0).len();
    let mut pixels = vec![0; size * indices.len()];
    let mut scratch = Scratch::default();
    for (out, &i) in pixels.chunks_exact_mut(size).zip(indices) {
        args.augment.apply(
            args.seed,
            1,
            i as u64,
            split.image(i),
            shape,
            ground,
            out,
            &mut scratch,
        );
    }
    let dim = (indices.len(), shape.0, shape.1, shape.2);
    let images = ndarray::Array4::from_shape_vec(dim, pixels)
        .map_err(|e| Error::Spec(format!("cannot lay out the images: {e}")))?;
    let labels = indices.iter().map(|&i| split.label(i)).collect();
    Ok(Split::new(images, labels)?)
}
