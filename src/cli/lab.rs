//! `bnn-cpu lab`: bias, variance and cost of estimators at given weights.

mod along;
mod division;
mod plan;
mod record;
mod table;

use std::path::PathBuf;

use bnn_cpu::bounded;
use bnn_cpu::data::{Dataset, epoch_order, validation_split};
use bnn_cpu::lab::{Effort, PARTS, Parts, Record};
use bnn_cpu::model::Network;
use bnn_cpu::train::{Config, Provenance, RunFolder, parse_json};
use clap::builder::RangedU64ValueParser;

use super::data_args::DataArgs;
use super::flags::Settings;
use super::model_args::ModelArgs;
use super::plot::pictures::FigureArgs;
use super::progress::Progress;
use super::shard::Shard;
use super::{Context, Outcome, places, result, signals};
use along::Trip;
use division::{Division, together};
use plan::Plan;
use record::{draw, keep_run, remove_run, write};
use table::print;

const EXAMPLES: &str = "\
Examples:
  bnn-cpu lab --binary last                          fresh weights, every estimator
  bnn-cpu lab runs/seed-net-first-stoch-st-1         a run's weights
  bnn-cpu lab --binary first --epochs 10 --at 0,1,10 along a training
  bnn-cpu lab --binary both --estimators st,reinforce:batch,reinforce:loo:4,disarm
  bnn-cpu lab --binary both --until 5%               draw until errors are below 5 %
  bnn-cpu lab --binary both --own --epochs 5 --every 1 --optimizer adam --lr 0.002
                                                     a training with each estimator
  bnn-cpu lab --render --out results/lab/both        the figures again, from lab.json
  bnn-cpu lab --binary both --out both --shard 2/8   one of eight machines' contenders
  bnn-cpu lab --model tiny.json --exact              against all outcomes of the bits

A contender is ESTIMATOR, ESTIMATOR:BASELINE or ESTIMATOR:BASELINE:SAMPLES.";

/// Measure gradient estimators: bias, variance, signal-to-noise ratio, cost
///
/// At fixed weights and for a fixed batch, each estimator draws its gradient many
/// times; the draws are set against the exact gradient, or against a long run of an
/// unbiased estimator. Every number has its standard error, and every bias its resolution:
/// the smallest bias that could be told from chance. Writes DIR/lab.json, and each
/// figure as SVG (or in the form that --format names) with its numbers as CSV beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of a run whose best weights are used; without one, new weights are
    run: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// What to measure, separated by commas [default: every estimator that fits the
    /// network and the probability function, and reinforce with its baselines]
    #[arg(long, value_name = "LIST", help_heading = "Lab")]
    estimators: Option<String>,
    /// Only parameters whose name begins with one of these, separated by commas
    /// [default: those below the last binary layer]
    #[arg(
        long,
        value_name = "LIST",
        help_heading = "Lab",
        hide_short_help = true
    )]
    layers: Option<String>,
    /// Images of the batch, from the training images
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = "Lab")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536))]
    images: usize,
    /// Draws of each estimator
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Lab")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(PARTS as u64..))]
    draws: usize,
    /// Draws before those, in which baselines and control variates settle
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        help_heading = "Lab",
        hide_short_help = true
    )]
    warm_up: usize,
    /// The unbiased estimator of the reference run [default: local-expectation for
    /// --binary last, else reinforce:loo:16, with local-expectation over the last layer
    /// where the network has more; with the hard sigmoid muprop]
    #[arg(
        long,
        value_name = "CONTENDER",
        help_heading = "Lab",
        hide_short_help = true
    )]
    reference: Option<String>,
    /// Its draws
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2000,
        help_heading = "Lab",
        hide_short_help = true
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(PARTS as u64..))]
    reference_draws: usize,
    /// The reference is the exact gradient, over all outcomes of at most 12 bits
    #[arg(long, conflicts_with_all = ["reference", "reference_draws"], help_heading = "Lab")]
    exact: bool,
    /// Draw more than those, until the standard error of each mean, the reference's as well,
    /// is below that share of the gradient, such as 5%. A contender that cannot get there
    /// within --most stays at --draws
    #[arg(long, value_name = "SHARE", value_parser = until, help_heading = "Lab", hide_short_help = true)]
    until: Option<f64>,
    /// With --until: at most N times --draws and N times --reference-draws
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        help_heading = "Lab",
        hide_short_help = true
    )]
    #[arg(requires = "until", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    most: usize,
    /// A training with each contender instead of one with ST's, and the variance of its
    /// gradient at the weights that it came to, beside ST's at the same weights
    #[arg(long, help_heading = "Lab", hide_short_help = true)]
    #[arg(conflicts_with_all = ["run", "exact", "reference", "reference_draws", "until"])]
    own: bool,
    /// Along a training: measure at these epochs, separated by commas; 0 is before
    /// the first
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Lab")]
    at: Vec<usize>,
    /// Along a training: measure before it and after every N epochs
    #[arg(long, value_name = "N", conflicts_with = "at", help_heading = "Lab")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    every: Option<usize>,
    /// Folder of the record and the figures
    #[arg(
        long,
        short,
        value_name = "DIR",
        default_value = "lab",
        help_heading = "Lab"
    )]
    out: PathBuf,
    /// Measure every n-th contender only, from the i-th (from 1) on, and write it as a part into
    /// --out; once all parts are there, they are put together
    #[arg(long, value_name = "I/N", value_parser = Shard::parse, help_heading = "Lab")]
    shard: Option<Shard>,
    /// Draw the figures of the record in --out again, or put the parts there together; measure
    /// nothing
    #[arg(long, help_heading = "Lab")]
    #[arg(conflicts_with_all = ["run", "estimators", "layers", "exact", "at", "every", "own", "until", "shard"])]
    render: bool,
    #[command(flatten)]
    look: FigureArgs,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    if args.render {
        return render(&args, context);
    }
    let mut progress = Progress::new(context);
    let stored = match &args.run {
        Some(path) => Some(RunFolder::open(path)?),
        None => None,
    };
    let stored = stored.as_ref();
    plan::check(&args, stored, context)?;
    args.check_places()?;
    let own = match stored {
        Some(run) => Some((run.network(context.engine, 1)?, run.best()?)),
        None => None,
    };
    let dataset = match stored {
        Some(run) => args.data.load_for(&run.config().dataset, &mut progress)?,
        None => args.data.load(&mut progress)?,
    };
    let mut plan = planned(&args, stored, &dataset, context)?;
    let (mut net, best) = match own {
        Some((net, best)) => (net, Some(best)),
        None => (fresh(&plan.config, context)?, None),
    };
    plan.check(&args, net.params(), context)?;
    let mut record = unmeasured(&args, stored, &dataset, &plan, context);
    let of = (&*record.data_sha256, net.params());
    let division = Division::of(&args, &mut plan, of, context)?;
    if let Some(division) = &division
        && division.is_measured()?
    {
        return division.end(context);
    }
    let mut trip = Trip {
        args: &args,
        context,
        dataset: &dataset,
        plan: &plan,
        stop: signals::stop_flag()?,
        progress: &mut progress,
    };
    let trained_run = trip.measure(best, &mut net, &mut record)?;
    record.parameters = plan.lab.parameters(net.params())?;
    keep(&args, record, trained_run, division.as_ref(), context)
}

/// Writes what was measured, and keeps the run of the training that it was measured along.
fn keep(
    args: &Args,
    record: Record,
    run: Option<RunFolder>,
    division: Option<&Division<'_>>,
    context: &Context,
) -> Outcome {
    let place = args.out.join("run");
    let Some(division) = division else {
        write(args, &record)?;
        if let Some(run) = run {
            keep_run(run, &place)?;
        }
        return print(&record, args, context);
    };
    // The run of each part is the same. It comes before the part: who finds that has it as well.
    match run {
        Some(run) if args.keeps_run() => keep_run(run, &place)?,
        Some(run) => remove_run(run),
        None => {}
    }
    division.write(record)?;
    division.end(context)
}

/// `--render`: the figures of a record again, or those of its parts.
fn render(args: &Args, context: &Context) -> Outcome {
    let parts = Parts::read(&args.out)?;
    if parts.any().is_some() {
        places::folder(&args.out)?;
        return together(args, &parts, context);
    }
    let record = parse_json(&bounded::text(&args.record())?, &args.record())?;
    places::folder(&args.out)?;
    draw(args, &record)?;
    print(&record, args, context)
}

/// The plan for the first batch of the training images that the data set and the
/// configuration give, once they are found to fit each other.
fn planned<'a>(
    args: &Args,
    stored: Option<&RunFolder>,
    dataset: &'a Dataset,
    context: &Context,
) -> Outcome<Plan<'a>> {
    let config = plan::config(args, stored, dataset)?;
    if config.model.few_shot().is_some() {
        return Err(config.no_classes().into());
    }
    match args.is_along() {
        true => config
            .check(dataset)
            .map_err(|e| plan::stated(args).named(e))?,
        false => config.check_data(dataset)?,
    }
    let (train, _) = validation_split(dataset.train.len(), config.val_fraction, config.seed)?;
    let mut images = epoch_order(&train, config.seed, 0);
    images.truncate(args.images);
    plan::plan(args, stored, dataset, images, context)
}

/// A network with new weights.
fn fresh(config: &Config, context: &Context) -> Outcome<Network> {
    let mut net = Network::new(&config.model, context.engine, 1, false)?;
    net.init(config.init, config.seed);
    Ok(net)
}

/// The record before anything is measured.
fn unmeasured(
    args: &Args,
    stored: Option<&RunFolder>,
    dataset: &Dataset,
    plan: &Plan<'_>,
    context: &Context,
) -> Record {
    let (config, lab) = (&plan.config, &plan.lab);
    Record {
        network: format!("{}, {} binary", config.model.name, plan.row.placement),
        dataset: dataset.name.clone(),
        data_sha256: dataset.fingerprint(),
        probability: lab.probability.name().into(),
        images: lab.images.len(),
        seed: config.seed,
        weights: match stored {
            Some(run) => format!("best weights of {}", run.path().display()),
            None if args.own => "trained: each with its own estimator".into(),
            None if args.is_along() => format!("trained: {}", result::network(config)),
            None => "new".into(),
        },
        parameters: Vec::new(),
        until: args.until,
        points: Vec::new(),
        own: Vec::new(),
        provenance: Provenance::here(context.engine.kernels.isa.name()),
    }
}

/// Reads `5%` or `0.05`.
fn until(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    match number.parse::<f64>().map(|x| x / unit) {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => {
            Err("it must be a share of the gradient above 0 and below 1, such as 5% or 0.05".into())
        }
    }
}

impl Args {
    /// Whether the record, and the run of a training, can be written where they belong.
    fn check_places(&self) -> Outcome {
        places::file_and_folder("--out", &self.record())?;
        if self.is_along() {
            if self.keeps_run() {
                places::run_folder(&self.out.join("run"))?;
            }
            places::run_folder(&self.partial())?;
        }
        Ok(())
    }

    /// Whether it keeps the run of a training: of several processes the first does.
    fn keeps_run(&self) -> bool {
        self.shard.is_none_or(|shard| shard.part == 1)
    }

    /// The folder, in that of the record, where a lab's run is trained until it is complete;
    /// each of several processes has one of its own.
    fn partial(&self) -> PathBuf {
        let name = match self.shard {
            None => ".run.partial".into(),
            Some(Shard { part, of }) => format!(".run.partial-{part}-of-{of}"),
        };
        self.out.join(name)
    }

    /// The file of the record.
    fn record(&self) -> PathBuf {
        self.out.join("lab.json")
    }

    /// How much is drawn.
    fn effort(&self) -> Effort {
        Effort {
            warm_up: self.warm_up,
            draws: self.draws,
            reference_draws: self.reference_draws,
            until: self.until,
            most: self.most,
        }
    }

    /// Whether a point is measured after that many epochs.
    fn asks_for(&self, epoch: usize) -> bool {
        match self.every {
            Some(every) => epoch.is_multiple_of(every),
            None => self.at.contains(&epoch),
        }
    }

    /// Whether it measures along a training.
    fn is_along(&self) -> bool {
        !self.at.is_empty() || self.every.is_some()
    }
}
