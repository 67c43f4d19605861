//! `bnn-cpu train`: a run from its first step to its test, or the rest of one.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use bnn_cpu::Error;
use bnn_cpu::data::Dataset;
use bnn_cpu::model::Network;
use bnn_cpu::report::Row;
use bnn_cpu::train::{self, Config, DatasetRecord, RunFolder};

use super::data_args::DataArgs;
use super::model_args::ModelArgs;
use super::places;
use super::progress::Progress;
use super::sampling::SamplingArgs;
use super::settings::{FORMULAS, Setter, Settings};
use super::{Context, Failure, Outcome, output, result, signals};

/// Where runs go when no folder is named.
pub const RUNS: &str = "runs";

/// The file that a network of one's own goes by in a command that is reconstructed.
pub const OWN_MODEL: &str = "net.json";

const EXAMPLES: &str = "\
Examples:
  bnn-cpu train                                   the reference protocol, both layers binary
  bnn-cpu train --binary none                     the same network with hard sigmoids
  bnn-cpu train --mode stoch --anneal linear --slope-max 3
  bnn-cpu train --optimizer adamw --lr-schedule one-cycle --epochs 20 --augment affine
  bnn-cpu train --recipe data/recipes/xnor-net.json
  bnn-cpu train --model mlp --epochs 100 --seed 2 --out runs/mlp-seed-2
  bnn-cpu train --dataset idx --data fashion-mnist
  bnn-cpu train --resume                          continue the newest unfinished run
  bnn-cpu train --json | jq 'select(.event == \"epoch\") | .val_accuracy'";

/// Train a network, then test its best epoch once
///
/// A run is a folder: config.json, metrics.jsonl and .csv, best.safetensors,
/// checkpoint.safetensors, test.json. The same seed gives the same bits on any
/// number of threads and after any interruption.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{FORMULAS}\n\n{EXAMPLES}"))]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Take settings from a file such as those in data/recipes; flags stand
    /// above it
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    recipe: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Folder of the run [default: runs/<model>-<binary>-<mode>-<estimator>-<n>]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    out: Option<PathBuf>,
    /// Continue the run in --out, or the newest unfinished one in runs/
    #[arg(long, help_heading = "Run")]
    resume: bool,
    /// Replace the run that --out holds
    #[arg(long, help_heading = "Run")]
    force: bool,
    /// Stop before the test, so that settings can be compared by their validation images
    /// alone; --resume tests the run
    #[arg(long, help_heading = "Run")]
    no_test: bool,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let mut progress = Progress::new(context);
    if args.resume && args.force {
        return Err(Failure::usage(
            "--force has no effect with --resume, which replaces nothing; leave one of them out",
        ));
    }
    let (mut run, dataset, stop) = if args.resume {
        let path = match &args.out {
            Some(path) => path.clone(),
            None => newest_unfinished(Path::new(RUNS))?,
        };
        let run = RunFolder::resume(&path)?;
        args.agree_with(&run)?;
        if let Some(test) = run.test()? {
            progress.say(&format!("the run in {} is complete", path.display()));
            return result::show(&run, &test, context);
        }
        if is_imported(&run)? {
            return Err(Error::checkpoint(
                &path,
                "holds imported weights, which cannot be trained on; evaluate them with `bnn-cpu eval`",
            )
            .into());
        }
        let dataset = args.data.load_for(&run.config().dataset, &mut progress)?;
        (run, dataset, signals::stop_flag()?)
    } else {
        // Before the data is read: a typing error should show at once.
        args.check_settings()?;
        check_out(args.out.as_deref(), args.force)?;
        let dataset = args.data.load(&mut progress)?;
        let config = args.config(&dataset)?;
        config.check(&dataset).map_err(|e| with_flag(e, &config))?;
        // Before an earlier run is replaced: what the machine has no memory for.
        Network::sampled(&config.model, context.engine, config.batch, config.samples)?;
        let stop = signals::stop_flag()?;
        let path = match &args.out {
            Some(path) => path.clone(),
            None => default_folder(&config)?,
        };
        if let Some(whole) = args.whole_list(&config) {
            progress.say(&whole);
        }
        let run = RunFolder::create(&path, config, args.force)?;
        (run, dataset, stop)
    };
    let path = run.path().to_path_buf();
    let mut on = |event: train::Event<'_>| {
        progress.train(event, &path);
        if progress.has_failed() {
            // Nobody reads any more: save and end.
            stop.store(true, Ordering::Relaxed);
        }
    };
    let engine = context.engine;
    let trained = match args.no_test {
        true => train::fit(&mut run, &dataset, engine, stop, &mut on).map(|()| None),
        false => train::train(&mut run, &dataset, engine, stop, &mut on).map(Some),
    };
    if let Err(Error::Interrupted(how)) = &trained {
        progress.emit(serde_json::json!({ "event": "interrupted", "run": output::path(&path), "message": how }));
    }
    progress.outcome()?;
    match trained? {
        Some(test) => result::show(&run, &test, context),
        None => result::show_validation(&run, context),
    }
}

impl Args {
    /// The configuration that the flags describe.
    fn config(&self, dataset: &Dataset) -> Outcome<Config> {
        let model = self.model.spec_for(dataset)?;
        let mut config = Config::reference(model, DatasetRecord::of(dataset));
        config.normalise_by(dataset);
        let setter = Setter { stored: None };
        self.settings.apply(&mut config, &setter)?;
        self.sampling.apply(&mut config, &setter)?;
        Ok(config)
    }

    /// The configuration that the flags describe for the data set of a stored one.
    pub fn config_like(&self, stored: &Config) -> Outcome<Config> {
        let model = match self.model.model.as_deref() {
            // The file is written from what is stored.
            Some(file) if file == OWN_MODEL => stored.model.clone(),
            _ => self
                .model
                .spec(stored.model.input, stored.model.classes())?,
        };
        let mut config = Config::reference(model, stored.dataset.clone());
        config.model.pixels = config.model.pixels.or(stored.model.pixels);
        let setter = Setter { stored: None };
        self.settings.apply(&mut config, &setter)?;
        self.sampling.apply(&mut config, &setter)?;
        Ok(config)
    }

    /// What the list of estimators became where it was given short: each binary layer has
    /// one of its own, and not always of the name that was given.
    fn whole_list(&self, config: &Config) -> Option<String> {
        let given = self.model.units.estimator.as_deref()?;
        let whole = config.model.estimator_list();
        let layers = config.model.estimators().ok()?.len();
        (given != whole).then(|| {
            format!("--estimator {given} over {layers} binary layers is {whole}, from the first layer to the last")
        })
    }

    /// Finds what is wrong with the flags whatever the data set may be. Every preset
    /// fits the digits, and a file says for itself what images it takes.
    fn check_settings(&self) -> Outcome {
        let any = bnn_cpu::data::digits::generate(0, 1, 1);
        Ok(self.config(&any)?.check_settings()?)
    }

    /// Refuses flags that contradict the stored run.
    fn agree_with(&self, run: &RunFolder) -> Outcome {
        let mut config = run.config().clone();
        if let Err(flag) = self.model.agree_with(&config.model)? {
            return Err(Failure::usage(format!(
                "{flag} contradicts the run in {}, which has {}; leave it out, or start another run with another --out",
                run.path().display(),
                result::network(&config)
            )));
        }
        let setter = Setter {
            stored: Some(run.path().to_path_buf()),
        };
        self.settings.apply(&mut config, &setter)?;
        self.sampling.apply(&mut config, &setter)
    }
}

/// Whether a run can begin in the folder that `--out` names, or in one of its own: before
/// the data are read, which may have to be fetched.
pub fn check_out(out: Option<&Path>, force: bool) -> Outcome {
    let Some(out) = out else {
        return places::folder(Path::new(RUNS));
    };
    if !force {
        RunFolder::check_free(out)?;
    }
    places::run_folder(out)
}

/// Names the flag where a setting turned out to be impossible for the data.
fn with_flag(error: Error, config: &Config) -> Error {
    match error {
        Error::Spec(what) if what.contains("validation share") && !what.contains("--") => {
            Error::Spec(format!(
                "{what}; choose another --val-fraction than {}",
                config.val_fraction
            ))
        }
        Error::Spec(what) if what.contains("takes images of") || what.contains("classes apart") => {
            Error::Spec(format!("--model: {what}"))
        }
        other => other,
    }
}

/// Makes `runs/seed-net-both-det-st-1`, or the next number that is free.
pub fn default_folder(config: &Config) -> Outcome<PathBuf> {
    let words = match Row::of(&config.model) {
        Some(row) => row.words().join("-"),
        None => config.model.name.clone(),
    };
    // A model file may call itself anything.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let base: String = words
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let base = match base.as_str() {
        "" => "run",
        base => &base[..base.len().min(100)],
    };
    Ok(RunFolder::claim(Path::new(RUNS), base)?)
}

/// Whether the weights came from elsewhere.
fn is_imported(run: &RunFolder) -> Outcome<bool> {
    Ok(run.find_best()?.is_some_and(|best| best.about.epoch == 0))
}

/// The run to continue: the newest one without a test, else the newest.
fn newest_unfinished(parent: &Path) -> Outcome<PathBuf> {
    let none = || {
        Error::checkpoint(
            parent,
            "holds no run to continue; name its folder with --out",
        )
    };
    let all = RunFolder::newest_first(parent)?;
    for path in &all {
        // A damaged run that is newer than every unfinished one is an error: it may be
        // the one that is meant.
        let run = RunFolder::open(path)?;
        if run.test()?.is_none() && !is_imported(&run)? {
            return Ok(path.clone());
        }
    }
    Ok(all.into_iter().next().ok_or_else(none)?)
}

/// One line for the user about where to find a run.
pub fn hint(path: &Path) -> String {
    format!(
        "bnn-cpu eval {}",
        output::one_line(&path.display().to_string())
    )
}
