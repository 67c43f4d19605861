//! `bnn-cpu train`: a run from its first step to its test, or the rest of one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bnn_cpu::Error;
use bnn_cpu::data::Dataset;
use bnn_cpu::data::episodes::alphabets;
use bnn_cpu::model::Network;
use bnn_cpu::ranks::Ranks;
use bnn_cpu::train::{self, Config, PartialConfig, Placed, RunFolder, Subject, TestRecord};

use super::data_args::DataArgs;
use super::distributed::DistributedArgs;
use super::flags::{self, SamplingArgs, Settings, TaskArgs};
use super::model_args::ModelArgs;
use super::places;
use super::progress::Progress;
use super::protocol::{self, Protocol};
use super::recipe::Stated;
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
  bnn-cpu train --recipe xnor-net
  bnn-cpu train --model mlp --epochs 100 --seed 2 --out runs/mlp-seed-2
  bnn-cpu train --dataset idx --data fashion-mnist
  bnn-cpu train --task few-shot --data omniglot/ --size 28 --rotations
  bnn-cpu train --resume                          continue the newest unfinished run
  mpirun -n 4 bnn-cpu train --distributed mpi     on four processes, of a program with MPI
  bnn-cpu train --json | jq 'select(.event == \"epoch\") | .val_accuracy'";

/// The formulas behind the names, for help.
const FORMULAS: &str = "\
Slope a in epoch e of E (epochs count from 1):
  none    a = start
  linear  a = min(max, start + rate*(e-1))                           rate 0.04
  exp     a = min(max, start * rate^(e-1))                           rate 1.005
  step    a = min(max, start * 2^floor((e-1)/rate))                  rate 3
  cosine  a = start + (max - start)*(1 - cos(pi*(e-1)/(E-1)))/2
  Defaults: start 1, max 5.

Learning rate at step t of T (steps count from 0), in epoch e:
  constant   lr
  step       lr * factor^floor((e-1)/every)
  cosine     min + (lr - min)*(1 + cos(pi*t/T))/2
  one-cycle  from lr/start-divisor up to lr over the share `rise` of the steps,
             then down to lr/(start-divisor*final-divisor), both along a cosine
  plateau    lr, times factor after patience + 1 epochs on end whose validation
             loss is not below 0.9999 times the least so far, and at least min";

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
    /// Take the settings of a recipe that comes with the program, such as xnor-net,
    /// or of a JSON file; flags stand above it
    #[arg(long, value_name = "NAME|FILE", help_heading = "Run")]
    recipe: Option<PathBuf>,
    /// The settings where none are given. reference: the published protocol; tuned: the recipe
    /// estimator-NAME of the estimator [default: reference for st, tuned for the others]
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        hide_possible_values = true,
        help_heading = "Run"
    )]
    protocol: Option<Protocol>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    task: TaskArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    distributed: DistributedArgs,
    /// Folder of the run [default: runs/<model>-<binary>-<mode>-<estimator>-<n>]
    #[arg(long, short, value_name = "DIR", help_heading = "Run")]
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
    if args.resume && args.protocol.is_some() {
        return Err(Failure::usage(
            "--protocol has no effect with --resume: the run keeps its settings; leave one of them out",
        ));
    }
    let with = |ranks: &Ranks| match ranks.rank() {
        0 => on_rank_0(&args, ranks, context, &mut progress),
        _ => follow(&args, ranks, context),
    };
    args.distributed.with(with)
}

/// Works at the run of rank 0, which writes everything.
fn follow(args: &Args, ranks: &Ranks, context: &Context) -> Outcome {
    let said = ranks.from_first(&[])?;
    if said.is_empty() {
        // The run is complete.
        return Ok(());
    }
    let config: Config = serde_json::from_slice(&said).map_err(|e| Error::spec(e.to_string()))?;
    let stated = args.stated()?;
    let data = args.data.or(stated.whole().dataset.as_ref())?;
    let data = data.for_task(&config.task);
    let quiet = &mut Progress::new(&Context {
        quiet: true,
        json: false,
        ..*context
    });
    let dataset = data.load_for(&config.dataset, quiet)?;
    let stop = signals::stop_flag()?;
    let tests = !args.no_test;
    Ok(train::follow(
        ranks,
        &config,
        &dataset,
        context.engine,
        stop,
        tests,
    )?)
}

/// Carries out the run, which the other ranks follow.
fn on_rank_0(args: &Args, ranks: &Ranks, context: &Context, progress: &mut Progress) -> Outcome {
    let (mut run, dataset, stop) = match args.resume {
        false => begun(args, context, progress)?,
        true => match resumed(args, progress)? {
            Resumed::Unfinished(ready) => ready,
            Resumed::Complete(run, test) => {
                ranks.from_first(&[])?;
                return result::show(&run, &test, context);
            }
        },
    };
    if !ranks.is_alone() {
        let config = serde_json::to_vec(run.config()).map_err(|e| Error::spec(e.to_string()))?;
        ranks.from_first(&config)?;
    }
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
        true => train::fit_on(ranks, &mut run, &dataset, engine, stop, &mut on).map(|()| None),
        false => train::train_on(ranks, &mut run, &dataset, engine, stop, &mut on).map(Some),
    };
    let trained = trained.map_err(|error| match error {
        Error::Interrupted(how) => Error::Interrupted(format!(
            "{how}. Continue with: bnn-cpu train --resume --out {}",
            path.display()
        )),
        other => other,
    });
    if let Err(Error::Interrupted(how)) = &trained {
        progress.emit(serde_json::json!({ "event": "interrupted", "run": output::path(&path), "message": how }));
    }
    progress.outcome()?;
    match trained? {
        Some(test) => result::show(&run, &test, context),
        None => result::show_validation(&run, context),
    }
}

/// A run, its images, and what is set when it is to stop.
type Ready = (RunFolder, Dataset, &'static AtomicBool);

/// What there is to go on with.
enum Resumed {
    Unfinished(Ready),
    Complete(RunFolder, TestRecord),
}

/// A new run.
fn begun(args: &Args, context: &Context, progress: &mut Progress) -> Outcome<Ready> {
    let settled = settled(args, None, progress)?;
    let config = settled.config;
    // Before an earlier run is replaced: what the machine has no memory for.
    let net = Network::sampled(&config.model, context.engine, config.batch, config.samples)?;
    progress.explain(|| {
        let ways = net
            .ways()
            .into_iter()
            .map(|(layer, way)| format!("{layer}: {way}"));
        format!("layers: {}", ways.collect::<Vec<_>>().join("; "))
    });
    drop(net);
    let stop = signals::stop_flag()?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => default_folder(&config)?,
    };
    settled.notes.iter().for_each(|line| progress.say(line));
    let run = RunFolder::create(&path, config, args.force)?;
    Ok((run, settled.dataset, stop))
}

/// A training whose settings are complete.
pub struct Settled {
    /// Its settings.
    pub config: Config,
    /// Its data.
    pub dataset: Dataset,
    /// The folder that `--out` names.
    pub out: Option<PathBuf>,
    /// Whether a run in that folder is replaced.
    pub force: bool,
    /// Lines for the user on where settings come from and what is held back.
    pub notes: Vec<String>,
}

/// The settings that the flags and their recipe make, on `given`, or on the data that the flags
/// name.
pub fn settled(args: &Args, given: Option<Dataset>, progress: &mut Progress) -> Outcome<Settled> {
    // Before the data is read: a typing error should show at once.
    let stated = args.stated()?;
    let config = check_settings(&stated)?;
    let (stated, settings) = protocol::chosen(stated, args.protocol, &config)?;
    let task = check_settings(&stated)?.task;
    let whole = stated.whole();
    check_out(args.out.as_deref(), args.force)?;
    let dataset = match given {
        Some(dataset) => dataset,
        None => {
            let data = args.data.or(whole.dataset.as_ref())?;
            data.for_task(&task).load(progress)?
        }
    };
    let config = whole.complete(&Subject::of(&dataset));
    let config = config.map_err(|e| stated.refused(e))?;
    config.check(&dataset).map_err(|e| stated.named(e))?;
    let list = whole_list(&whole, &config);
    let held = held_back(&config, &dataset)?;
    Ok(Settled {
        config,
        dataset,
        out: args.out.clone(),
        force: args.force,
        notes: [settings, list, held].into_iter().flatten().collect(),
    })
}

/// The run in `--out`, or the newest unfinished one.
fn resumed(args: &Args, progress: &mut Progress) -> Outcome<Resumed> {
    let stated = args.stated()?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => newest_unfinished(Path::new(RUNS))?,
    };
    let run = RunFolder::resume(&path)?;
    agree(&stated, &run)?;
    if let Some(test) = run.test()? {
        progress.say(&format!("the run in {} is complete", path.display()));
        return Ok(Resumed::Complete(run, test));
    }
    if is_imported(&run)? {
        return Err(Error::checkpoint(
            &path,
            "holds imported weights, which cannot be trained on; evaluate them with `bnn-cpu eval`",
        )
        .into());
    }
    let data = args.data.or(stated.whole().dataset.as_ref())?;
    let data = data.for_task(&run.config().task);
    let dataset = data.load_for(&run.config().dataset, progress)?;
    Ok(Resumed::Unfinished((run, dataset, signals::stop_flag()?)))
}

impl Args {
    /// What the flags and the recipe state.
    pub fn stated(&self) -> Outcome<Stated> {
        let mut flags = self.settings.0.clone().over(self.sampling.0.clone());
        flags = flags.over(self.task.0.clone());
        flags.model = Some(self.model.stated());
        Stated::new(flags, self.recipe.as_deref())
    }
}

/// Which alphabets a few-shot run keeps from training.
fn held_back(config: &Config, dataset: &Dataset) -> Outcome<Option<String>> {
    let Some(task) = config.task.few_shot() else {
        return Ok(None);
    };
    let [train, validation, test] = alphabets(dataset, task.held())?;
    Ok(Some(format!(
        "learns from {} alphabets with all their images; validated on {}; tested on {}",
        train.len(),
        validation.join(", "),
        test.join(", ")
    )))
}

/// What the list of estimators became where it was given short: each binary layer has
/// one of its own, and not always of the name that was given.
fn whole_list(stated: &PartialConfig, config: &Config) -> Option<String> {
    let given = stated.model.as_ref()?.estimator.as_deref()?;
    let whole = config.model.estimator_list();
    let layers = config.model.estimators().ok()?.len();
    (given != whole).then(|| {
        format!("--estimator {given} over {layers} binary layers is {whole}, from the first layer to the last")
    })
}

/// Finds what is wrong with the settings whatever the data set may be, and returns the run's for
/// the digits. Every preset fits those, and a file says for itself what images it takes.
fn check_settings(stated: &Stated) -> Outcome<Config> {
    let any = Subject::of(&bnn_cpu::data::digits::generate(0, 1, 1));
    let config = stated
        .whole()
        .complete(&any)
        .map_err(|e| stated.refused(e))?;
    config.check_settings().map_err(|e| stated.named(e))?;
    Ok(config)
}

/// Refuses settings that contradict the stored run.
fn agree(stated: &Stated, run: &RunFolder) -> Outcome {
    let (whole, stored) = (stated.whole(), run.config());
    let contradicts = |what: String, has: String| {
        Err(Failure::usage(format!(
            "{what} contradicts the run in {}, which has {has}; leave it out, or start another run with another --out",
            run.path().display()
        )))
    };
    let model = whole.model.clone().unwrap_or_default();
    let field = model.contradiction(&stored.model);
    if let Some(field) = field.map_err(|e| stated.refused(e))? {
        let flag = flags::of_field(field).unwrap_or_else(|| field.into());
        return contradicts(flag, result::network(stored));
    }
    let mut config = stored.clone();
    config.apply(&whole).map_err(|e| stated.refused(e))?;
    // Numbers of 32 bits as they are written.
    let value = |config: &Config| -> Outcome<serde_json::Value> {
        let text = serde_json::to_string(config).map_err(|e| Error::spec(e.to_string()))?;
        Ok(serde_json::from_str(&text).map_err(|e| Error::spec(e.to_string()))?)
    };
    let (given, now) = (value(&config)?, value(stored)?);
    for flag in flags::all() {
        let pointer = format!("/{}", flag.field.replace('.', "/"));
        let of = |value: &serde_json::Value| value.pointer(&pointer).map(flags::text);
        if let (Some(given), now) = (of(&given), of(&now))
            && Some(&given) != now.as_ref()
        {
            return contradicts(format!("--{} {given}", flag.name), now.unwrap_or_default());
        }
    }
    Ok(())
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

/// Makes `runs/seed-net-both-det-st-1`, or the next number that is free.
pub fn default_folder(config: &Config) -> Outcome<PathBuf> {
    let words = match Placed::of(&config.model) {
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
