//! `bnn-cpu eval`: loss, accuracy and speed of a run's best weights.

use std::path::{Path, PathBuf};
use std::time::Instant;

use bnn_cpu::data::{Dataset, Split, validation_split};
use bnn_cpu::model::Network;
use bnn_cpu::train::{
    Config, Evaluator, FewShotRecord, FewShotTask, FewShotTest, Reading, RunFolder,
};
use clap::builder::RangedU64ValueParser;
use serde_json::json;

use super::data_args::RunDataArgs;
use super::output::{self, grouped, loss, percent};
use super::progress::Progress;
use super::{Context, Failure, Outcome, result};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu eval runs/seed-net-both-det-st-1                 the test images
  bnn-cpu eval runs/seed-net-both-det-st-1 --split val     the run's own validation images
  bnn-cpu eval runs/seed-net-both-stoch-st-1 --samples 16  mean probabilities of 16 samples
  bnn-cpu eval runs/seed-net-both-stoch-st-1 --threshold   stochastic units read as [x > 0]";

/// Measure a run's best weights on its test or validation images
///
/// One sample repeats the noise of training, so it gives the very figures that
/// the run recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the run, or its best.safetensors
    run: PathBuf,
    /// Which images: test, or val, those that the run held out of training
    #[arg(long, default_value = "test", value_parser = ["val", "test"])]
    split: String,
    /// Stochastic nets: the mean of the class probabilities over S samples
    #[arg(long, value_name = "S", default_value_t = 1)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1 << 20))]
    samples: usize,
    /// Stochastic nets: read units as [x > 0] instead of sampling them
    #[arg(long)]
    threshold: bool,
    #[command(flatten)]
    data: RunDataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let mut progress = Progress::new(context);
    let folder = folder_of(&args.run);
    let run = RunFolder::open(folder)?;
    let config = run.config();
    args.check(config, folder)?;
    let best = run.best()?;
    let mut net = run.network(context.engine, config.batch)?;
    if best.isa != context.engine.kernels.isa.name() && best.epoch > 0 {
        progress.say(&format!(
            "the run was made with {} kernels; its own figures need --isa {}",
            best.isa, best.isa
        ));
    }
    let data = args.data.for_task(&config.task);
    let dataset = data.load_for(&config.dataset, &mut progress)?;
    if let Some(task) = config.task.few_shot() {
        return few_shot(&args, task, (&mut net, &run, &dataset), best.epoch, context);
    }
    config.check_images(&dataset)?;
    let (split, indices, step) = args.images(config, &dataset, best.epoch)?;
    let reading = args.reading();
    let begun = Instant::now();
    let found =
        Evaluator::default().evaluate(&mut net, split, &indices, reading, (config.seed, step));
    let img_per_s = found.images as f64 / begun.elapsed().as_secs_f64();
    if context.json {
        return output::json(&json!({
            "event": "eval", "run": output::path(folder), "dataset": dataset.name,
            "data_sha256": dataset.fingerprint(), "split": args.split,
            "reading": reading, "epoch": best.epoch, "images": found.images,
            "loss": found.loss, "accuracy": found.accuracy, "img_per_s": img_per_s,
        }));
    }
    let title = format!("{} on {}", result::network(config), dataset.name);
    output::line(&output::bold(&title))?;
    let images = format!(
        "{} {} images{}",
        grouped(found.images),
        args.split_name(),
        words(config.model.is_stochastic(), reading)
    );
    output::pairs(&[
        ("images", images),
        ("loss", loss(found.loss)),
        ("accuracy", percent(found.accuracy)),
        ("speed", format!("{} img/s", grouped(img_per_s as usize))),
    ])
}

/// The same of a few-shot run, over episodes of characters never seen.
fn few_shot(
    args: &Args,
    task: &FewShotTask,
    (net, run, dataset): (&mut Network, &RunFolder, &Dataset),
    best_epoch: usize,
    context: &Context,
) -> Outcome {
    let config = run.config();
    config.check_shape(dataset)?;
    let characters = task.characters(dataset)?;
    let test = FewShotTest {
        task,
        characters: &characters,
        test: args.split != "val",
    };
    let step = match test.test {
        true => config.epochs + 1,
        false => best_epoch,
    };
    let reading = args.reading();
    let found = test.evaluate(net, reading, (config.seed, step as u64));
    let record = FewShotRecord::of(task, &characters, &found);
    if context.json {
        return output::json(&json!({
            "event": "eval", "run": output::path(run.path()), "dataset": dataset.name,
            "data_sha256": dataset.fingerprint(), "split": args.split,
            "reading": reading, "epoch": best_epoch, "images": found.all.images,
            "loss": found.all.loss, "accuracy": found.all.accuracy, "few_shot": record,
        }));
    }
    let title = format!("{} on {}", result::network(config), dataset.name);
    output::line(&output::bold(&title))?;
    let part = args.split_name();
    let how = words(config.model.is_stochastic(), reading);
    let figure = result::episodes((found.all.loss, found.all.accuracy), &record);
    let mut lines = vec![("part", format!("{part}{how}")), ("figure", figure)];
    lines.extend(result::kept_apart(&record));
    output::pairs(&lines)
}

/// The folder of the run that is named by its folder or by the weights in it.
fn folder_of(run: &Path) -> &Path {
    match run.file_name() {
        Some(name) if name == "best.safetensors" => match run.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        },
        _ => run,
    }
}

/// How the units of a network were read.
fn words(stochastic: bool, reading: Reading) -> String {
    match (stochastic, reading) {
        (false, _) => String::new(),
        (true, Reading::Threshold) => ", units read as [x > 0]".into(),
        (true, Reading::Samples(1)) => ", one sample".into(),
        (true, Reading::Samples(n)) => format!(", mean of {n} samples"),
    }
}

impl Args {
    /// Refuses flags that say nothing about the run in `folder`.
    fn check(&self, config: &Config, folder: &Path) -> Outcome {
        if !config.model.is_stochastic() {
            let unused = (self.samples > 1).then_some("--samples");
            if let Some(flag) = unused.or(self.threshold.then_some("--threshold")) {
                return Err(Failure::usage(format!(
                    "{flag} has no effect on {}, which has no stochastic unit",
                    folder.display()
                )));
            }
        }
        if self.threshold && self.samples > 1 {
            return Err(Failure::usage(
                "--samples has no effect with --threshold, which draws nothing; leave one of them out",
            ));
        }
        if self.split == "val" && config.split_sizes().1 == 0 {
            return Err(Failure::usage(format!(
                "--split val: the run in {} held no images out of training",
                folder.display()
            )));
        }
        Ok(())
    }

    /// The images of the run's own figures, and the step that keyed their noise there.
    fn images<'a>(
        &self,
        config: &Config,
        dataset: &'a Dataset,
        best_epoch: usize,
    ) -> Outcome<(&'a Split, Vec<u32>, u64)> {
        if self.split == "val" {
            let (_, validation) =
                validation_split(dataset.train.len(), config.val_fraction, config.seed)?;
            return Ok((&dataset.train, validation, best_epoch as u64));
        }
        let all = (0..dataset.test.len() as u32).collect();
        Ok((&dataset.test, all, config.epochs as u64 + 1))
    }

    /// How units are read.
    fn reading(&self) -> Reading {
        match self.threshold {
            true => Reading::Threshold,
            false => Reading::Samples(self.samples),
        }
    }

    /// The split in words.
    fn split_name(&self) -> &'static str {
        match self.split.as_str() {
            "val" => "validation",
            _ => "test",
        }
    }
}
