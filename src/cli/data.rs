//! `bnn-cpu data`: what data sets there are, fetching and checking them, and
//! looking at them.

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::channels::Channels;
use bnn_cpu::data::augment::Scratch;
use bnn_cpu::data::emnist::Part;
use bnn_cpu::data::{
    self, Augment, Dataset, DatasetChoice, Normalisation, Split, digits, download, mnist, sheet,
};
use bnn_cpu::files::write_atomic_bytes;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use serde_json::json;

use super::data_args::{DataArgs, data_env};
use super::output::{self, Align, Table, grouped};
use super::places;
use super::progress::Progress;
use super::{Context, Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu data list
  bnn-cpu data fetch                                   MNIST into data/mnist
  bnn-cpu data verify --data ~/mnist
  bnn-cpu data show --dataset digits -o digits.png
  bnn-cpu data show --augment elastic --count 60 -o elastic.png";

/// List, fetch, check and look at data sets
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// List the data sets and say where they are
    List(ListArgs),
    /// Fetch MNIST's four files and check them
    Fetch(FetchArgs),
    /// Read a data set's files and check their content
    Verify(DataArgs),
    /// Write a PNG of samples
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Folder to look for MNIST in [default: $BNN_CPU_DATA, else data/mnist,
    /// else data/MNIST/raw]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// Folder for the files
    #[arg(long, value_name = "DIR", default_value = mnist::FOLDERS[0])]
    data: PathBuf,
    /// Address to fetch from [default: $BNN_CPU_MIRROR, else two public ones]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

fn augments() -> impl TypedValueParser<Value = Augment> {
    PossibleValuesParser::new(Augment::ALL.map(Augment::name))
        .try_map(|name| name.parse::<Augment>())
}

fn small() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_000_000)
}

#[derive(Debug, clap::Args)]
pub struct ShowArgs {
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

pub fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::List(args) => list(&args, context),
        Command::Fetch(args) => fetch(&args, context),
        Command::Verify(args) => verify(&args, context),
        Command::Show(args) => show(&args, context),
    }
}

fn list(args: &ListArgs, context: &Context) -> Outcome {
    let env = data_env();
    let found = mnist::find(args.data.as_deref(), env.as_deref())?;
    let folder = found.map(|found| found.folder);
    if context.json {
        return output::json(&json!({
            "event": "data",
            "sets": [
                { "dataset": "mnist", "name": mnist::NAME, "folder": folder.as_ref().map(output::path) },
                { "dataset": "digits", "name": digits::NAME },
            ],
        }));
    }
    let place = match &folder {
        Some(folder) => folder.display().to_string(),
        None => "not here; get it with: bnn-cpu data fetch".into(),
    };
    let mut table = Table::new(&[
        ("--dataset", Align::Left),
        ("name", Align::Left),
        ("images", Align::Right),
        ("test", Align::Right),
        ("classes", Align::Right),
        ("size", Align::Left),
        ("where", Align::Left),
    ]);
    let row = |flag: DatasetChoice, cells: [&str; 6]| {
        let mut row = vec![flag.name().to_string()];
        row.extend(cells.map(String::from));
        row
    };
    let known = ["60,000", "10,000", "10", "28x28"];
    let [train, test, classes, size] = known;
    table.row(row(
        DatasetChoice::Mnist,
        [mnist::NAME, train, test, classes, size, &place],
    ));
    table.row(row(
        DatasetChoice::Digits,
        [digits::NAME, train, test, classes, size, "built in"],
    ));
    let named = "--data DIR or FILE.zip";
    table.row(row(
        DatasetChoice::Idx,
        ["any four IDX files", "-", "-", "-", "any", named],
    ));
    // Their figures are those of their publishers.
    for (part, train, test, classes) in [
        (Part::ByClass, "697,932", "116,323", "62"),
        (Part::ByMerge, "697,932", "116,323", "47"),
        (Part::Balanced, "112,800", "18,800", "47"),
        (Part::Letters, "124,800", "20,800", "27"),
        (Part::Digits, "240,000", "40,000", "10"),
        (Part::Mnist, "60,000", "10,000", "10"),
    ] {
        let name = format!("EMNIST {}", part.name());
        table.row(row(
            DatasetChoice::Emnist(part),
            [&name, train, test, classes, size, named],
        ));
    }
    table.row(row(
        DatasetChoice::Qmnist,
        ["QMNIST", "60,000", "60,000", classes, size, "--data DIR"],
    ));
    table.print()
}

fn fetch(args: &FetchArgs, context: &Context) -> Outcome {
    places::folder(&args.data)?;
    let mut progress = Progress::new(context);
    // An address that is no Unicode is refused as none, not passed over.
    let from_env = std::env::var_os("BNN_CPU_MIRROR").filter(|m| !m.is_empty());
    let from_env = from_env.map(|m| m.to_string_lossy().into_owned());
    let mirror = args.mirror.clone().or(from_env);
    let outcome = download::download(&args.data, mirror.as_deref(), &mut |event| {
        progress.data(event);
    });
    progress.data_done();
    outcome?;
    progress.outcome()?;
    if context.json {
        return output::json(&json!({ "event": "fetched", "folder": output::path(&args.data) }));
    }
    output::line(&format!(
        "{} is in {}, checked by SHA-256",
        mnist::NAME,
        args.data.display()
    ))
}

fn verify(args: &DataArgs, context: &Context) -> Outcome {
    let choice = args.dataset.unwrap_or(DatasetChoice::Mnist);
    let env = data_env();
    let (dataset, folder, how) = match choice {
        DatasetChoice::Digits => {
            return Err(Failure::usage(
                "--dataset digits has no file to verify; it is made when it is used",
            ));
        }
        DatasetChoice::Auto | DatasetChoice::Mnist => {
            let found = mnist::find(args.data.as_deref(), env.as_deref())?.ok_or_else(|| {
                Error::data(
                    mnist::FOLDERS[0],
                    "MNIST is not here; fetch it with `bnn-cpu data fetch`, or name its folder with --data",
                )
            })?;
            (mnist::load(&found)?, found.folder, "SHA-256 as published")
        }
        choice => {
            if args.data.is_none() && env.is_none() {
                return Err(Failure::usage(format!(
                    "--dataset {} needs a folder; name it with --data",
                    choice.name()
                )));
            }
            let (data, env) = (args.data.as_deref(), env.as_deref());
            let (loaded, folder) = data::read_files(choice, data, env)?;
            if let Some(notice) = loaded.notice {
                Progress::new(context).warn(&notice)?;
            }
            (loaded.dataset, folder, "well-formed IDX")
        }
    };
    show_dataset(&dataset, &folder, how, context)
}

fn show_dataset(dataset: &Dataset, folder: &Path, how: &str, context: &Context) -> Outcome {
    let (height, width, channels) = dataset.shape();
    // One mean and deviation a channel, as networks take them.
    let figures = dataset.normalisations();
    let numbers = |of: fn(&Normalisation) -> f32| -> Vec<f32> { figures.iter().map(of).collect() };
    let (means, deviations) = (numbers(|of| of.mean), numbers(|of| of.std));
    if context.json {
        return output::json(&json!({
            "event": "verified", "name": dataset.name, "folder": output::path(folder),
            "train": dataset.train.len(), "test": dataset.test.len(),
            "classes": dataset.classes, "height": height, "width": width,
            "channels": channels, "mean": Channels::from(means), "std": Channels::from(deviations),
            "check": how,
        }));
    }
    output::line(&output::bold(&format!("{}: good ({how})", dataset.name)))?;
    output::pairs(&[
        ("folder", folder.display().to_string()),
        (
            "images",
            format!(
                "{} to train, {} to test",
                grouped(dataset.train.len()),
                grouped(dataset.test.len())
            ),
        ),
        ("size", format!("{height}x{width}, {channels} channel(s)")),
        ("classes", dataset.classes.to_string()),
        (
            "pixels",
            format!(
                "mean {}, deviation {}",
                decimals(&means),
                decimals(&deviations)
            ),
        ),
    ])
}

/// Numbers with four decimals.
fn decimals(numbers: &[f32]) -> String {
    let all: Vec<String> = numbers.iter().map(|x| format!("{x:.4}")).collect();
    all.join(" ")
}

fn show(args: &ShowArgs, context: &Context) -> Outcome {
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
        sheet::contact_sheet(split, &indices, args.columns, args.scale)?.to_png()?
    } else {
        let varied = varied(split, &indices, args)?;
        let all: Vec<usize> = (0..varied.len()).collect();
        sheet::contact_sheet(&varied, &all, args.columns, args.scale)?.to_png()?
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
fn varied(split: &Split, indices: &[usize], args: &ShowArgs) -> Outcome<Split> {
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
