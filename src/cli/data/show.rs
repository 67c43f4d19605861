//! `bnn-cpu data show`: a picture of samples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::data::augment::Scratch;
use bnn_cpu::data::contact_sheet::{ContactSheet, contact_sheet};
use bnn_cpu::data::{Augment, Ground, Split};
use bnn_cpu::files::{create_folder, write_atomic_bytes};
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
    /// Instead of one picture, write each image as a PNG into this folder, with a sub-folder for
    /// each class, as --data and --support read them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "columns", "scale"])]
    folder: Option<PathBuf>,
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
    match &args.folder {
        Some(folder) => places::folder(folder)?,
        None => places::file("--out", &args.out)?,
    }
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
    let varied = match args.augment {
        Augment::None => None,
        _ => Some(varied(split, &Ground::of(&dataset.train), &indices, args)?),
    };
    let (split, indices) = match &varied {
        Some(varied) => (varied, (0..varied.len()).collect()),
        None => (split, indices),
    };
    let to = match &args.folder {
        Some(folder) => {
            write_each(split, &indices, args.first, &dataset.class_names, folder)?;
            folder
        }
        None => {
            let png = contact_sheet(split, &indices, args.columns, args.scale)?.to_png()?;
            write_atomic_bytes(&args.out, &png)?;
            &args.out
        }
    };
    let count = indices.len();
    if context.json {
        return output::json(&json!({
            "event": "shown", "file": output::path(to), "dataset": dataset.name,
            "split": args.split, "first": args.first, "count": count,
        }));
    }
    output::line(&format!(
        "{}: {count} {} images of {}",
        to.display(),
        args.split,
        dataset.name
    ))
}

/// Writes each of the images as `DIR/CLASS/NUMBER.png`; its number is that in the set.
fn write_each(
    split: &Split,
    indices: &[usize],
    first: usize,
    names: &[String],
    folder: &Path,
) -> Outcome {
    let (height, width, depth) = split.shape();
    let channels = if depth == 3 { 3 } else { 1 };
    let names = folder_names(names);
    for (at, &i) in indices.iter().enumerate() {
        let class = split.label(i) as usize;
        let folder = match names.get(class) {
            Some(name) => folder.join(name),
            None => folder.join(class.to_string()),
        };
        create_folder(&folder)?;
        let pixels = split.image(i).chunks_exact(depth);
        let picture = ContactSheet {
            width,
            height,
            channels,
            pixels: pixels
                .flat_map(|pixel| &pixel[..channels])
                .copied()
                .collect(),
        };
        let file = folder.join(format!("{:05}.png", first + at));
        write_atomic_bytes(&file, &picture.to_png()?)?;
    }
    Ok(())
}

/// The folder of each class, by its name; where two names would be one folder, or a name would be
/// none, the number of the class stands before it.
fn folder_names(classes: &[String]) -> Vec<String> {
    // Names of classes come from files and may hold anything.
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let plain = classes
        .iter()
        .map(|name| name.replace(|c: char| !is_plain(c), "_"));
    let plain: Vec<String> = plain.collect();
    // Some file systems do not tell capitals apart.
    let different: BTreeSet<String> = plain.iter().map(|name| name.to_lowercase()).collect();
    if different.len() == plain.len() && !different.contains("") {
        return plain;
    }
    let numbered = plain.iter().enumerate();
    let numbered = numbered.map(|(class, name)| format!("{class}-{name}"));
    numbered.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_folder_of_its_own_in_the_one_that_was_named() {
        let names =
            |of: &[&str]| folder_names(&of.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["cat", "Große Maus"]), ["cat", "Große_Maus"]);
        assert_eq!(names(&["a/b", "a_b", "c"]), ["0-a_b", "1-a_b", "2-c"]);
        assert_eq!(names(&["Cat", "cat"]), ["0-Cat", "1-cat"]);
        assert_eq!(names(&["", "x"]), ["0-", "1-x"]);
        assert_eq!(names(&["..", "/etc"]), ["__", "_etc"]);
    }
}
