//! `bnn-cpu data verify`: whether a set's files can be read, and what is in them.

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::channels::Channels;
use bnn_cpu::data::{
    self, Dataset, DatasetChoice, Normalisation, Split, mnist, omniglot, recorded,
};
use bnn_cpu::files;
use serde_json::json;

use super::super::data_args::{DataArgs, data_env};
use super::super::output::{self, grouped};
use super::super::progress::Progress;
use super::super::{Context, Failure, Outcome};

/// How many letters of the names of classes are shown.
const LETTERS: usize = 100;

pub fn run(args: &DataArgs, context: &Context) -> Outcome {
    let env = data_env();
    let (data, env) = (args.data.as_deref(), env.as_deref());
    let choice = data::meant(args.dataset.unwrap_or_default(), data.or(env));
    let mut progress = Progress::new(context);
    let (dataset, folder, how) = match choice {
        DatasetChoice::Digits => {
            return Err(Failure::usage(
                "--dataset digits has no file to verify; it is made when it is used",
            ));
        }
        DatasetChoice::Auto | DatasetChoice::Mnist => {
            if let Some(flag) = args.options().stated().first() {
                return Err(Failure::usage(format!(
                    "--{flag} has no effect on MNIST, whose images are taken as they are; leave it out"
                )));
            }
            let found = mnist::find(data, env)?.ok_or_else(|| {
                Error::data(
                    mnist::FOLDERS[0],
                    "MNIST is not here; fetch it with `bnn-cpu data fetch`, or name its folder with --data",
                )
            })?;
            let how = "SHA-256 as published".to_string();
            (mnist::load(&found)?, found.folder, how)
        }
        DatasetChoice::Omniglot => read_omniglot(args, &mut progress)?,
        choice => {
            if data.is_none() && env.is_none() {
                return Err(Failure::usage(format!(
                    "--dataset {} needs a folder; name it with --data",
                    choice.name()
                )));
            }
            let mut tell = |event: data::Event<'_>| progress.data(event);
            let read = data::read_files(choice, data, env, &args.options(), &mut tell);
            progress.data_done();
            let (loaded, folder) = read?;
            if let Some(notice) = loaded.notices() {
                progress.warn(&notice)?;
            }
            let mut how = match choice {
                DatasetChoice::Files => "every file was read",
                _ => "well-formed IDX",
            }
            .to_string();
            if files::is_folder(&folder)? && recorded::check(&folder)? > 0 {
                how += &format!(", and is as {} says", recorded::FILE);
            }
            (loaded.dataset, folder, how)
        }
    };
    progress.outcome()?;
    show_dataset(&dataset, &folder, &how, context)
}

/// Omniglot's background set, where it lies, and what is known of it.
fn read_omniglot(args: &DataArgs, progress: &mut Progress) -> Outcome<(Dataset, PathBuf, String)> {
    let dataset = args.load(progress)?;
    let place = dataset.source.as_ref().map(|source| source.place.clone());
    let how = match dataset.fingerprint() == omniglot::FINGERPRINT {
        true => "images as known",
        false => "every file was read",
    };
    Ok((dataset, place.unwrap_or_default().into(), how.into()))
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
            "classes": dataset.classes, "class_names": dataset.class_names,
            "height": height, "width": width,
            "channels": channels, "mean": Channels::from(means), "std": Channels::from(deviations),
            "check": how,
            "sha256": dataset.fingerprint(),
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
        ("classes", classes(dataset)),
        ("of a class", of_a_class(dataset)),
        (
            "pixels",
            format!(
                "mean {}, deviation {}",
                decimals(&means),
                decimals(&deviations)
            ),
        ),
        ("sha256", dataset.fingerprint()),
    ])
}

/// Numbers with four decimals.
fn decimals(numbers: &[f32]) -> String {
    let all: Vec<String> = numbers.iter().map(|x| format!("{x:.4}")).collect();
    all.join(" ")
}

/// `3: cat, dog, owl`
fn classes(dataset: &Dataset) -> String {
    let names = &dataset.class_names;
    if names.is_empty() {
        return dataset.classes.to_string();
    }
    let mut letters = 0;
    let fits = |name: &&String| {
        letters += name.chars().count() + 2;
        letters <= LETTERS
    };
    let shown: Vec<&str> = names.iter().take_while(fits).map(String::as_str).collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {} more", grouped(more)),
    };
    format!("{}: {}{more}", grouped(dataset.classes), shown.join(", "))
}

/// How many images each class has.
fn of_a_class(dataset: &Dataset) -> String {
    let range = |split: &Split| {
        let mut counts = vec![0_usize; dataset.classes];
        for &label in split.labels() {
            counts[label as usize] += 1;
        }
        let (least, most) = (counts.iter().min(), counts.iter().max());
        match (least.copied().unwrap_or(0), most.copied().unwrap_or(0)) {
            (least, most) if least == most => grouped(most),
            (least, most) => format!("{} to {}", grouped(least), grouped(most)),
        }
    };
    format!(
        "{} to train, {} to test",
        range(&dataset.train),
        range(&dataset.test)
    )
}
