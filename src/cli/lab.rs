//! `bnn-cpu lab`: bias, variance and cost of estimators at given weights.

mod plan;
mod record;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use bnn_cpu::Error;
use bnn_cpu::bounded;
use bnn_cpu::data::{epoch_order, validation_split};
use bnn_cpu::model::{Network, weights};
use bnn_cpu::report::lab::{Lab, PARTS, Point, Record};
use bnn_cpu::tape::Params;
use bnn_cpu::train::{self, Event, Provenance, RunFolder, parse_json};
use clap::builder::RangedU64ValueParser;

use super::data_args::DataArgs;
use super::model_args::ModelArgs;
use super::progress::Progress;
use super::settings::Settings;
use super::{Context, Outcome, places, result, signals};
use record::{draw, keep_run, print, remove_run, write};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu lab --binary last                          fresh weights, every estimator
  bnn-cpu lab runs/seed-net-first-stoch-st-1         a run's weights
  bnn-cpu lab --binary first --epochs 10 --at 0,1,10 along a training
  bnn-cpu lab --binary both --estimators st,reinforce:batch,reinforce:loo:4,disarm
  bnn-cpu lab --render --out results/lab/both        the figures again, from lab.json
  bnn-cpu lab --model tiny.json --exact              against all outcomes of the bits

A contender is ESTIMATOR, ESTIMATOR:BASELINE or ESTIMATOR:BASELINE:SAMPLES.";

/// Measure gradient estimators: bias, variance, signal-to-noise ratio, cost
///
/// At fixed weights and for a fixed batch, each estimator draws its gradient many
/// times; the draws are set against the exact gradient, or against a long run of an
/// unbiased estimator with its standard error. Writes DIR/lab.json and one SVG a
/// figure.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of a run whose best weights are used; without one, new weights are
    run: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// What to measure, separated by commas [default: every estimator that fits the
    /// network and the link, and reinforce with its baselines]
    #[arg(long, value_name = "LIST", help_heading = "Lab")]
    estimators: Option<String>,
    /// Only parameters whose name begins with one of these, separated by commas
    /// [default: those below the last binary layer]
    #[arg(long, value_name = "LIST", help_heading = "Lab")]
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
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Lab")]
    warm_up: usize,
    /// The unbiased estimator of the reference run [default: local-expectation for
    /// --binary last, else rebar; with the hard sigmoid muprop]
    #[arg(long, value_name = "CONTENDER", help_heading = "Lab")]
    reference: Option<String>,
    /// Its draws
    #[arg(long, value_name = "N", default_value_t = 2000, help_heading = "Lab")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(PARTS as u64..))]
    reference_draws: usize,
    /// The reference is the exact gradient, over all outcomes of at most 12 bits
    #[arg(long, conflicts_with_all = ["reference", "reference_draws"], help_heading = "Lab")]
    exact: bool,
    /// Along a training: measure at these epochs, separated by commas; 0 is before
    /// the first
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Lab")]
    at: Vec<usize>,
    /// Along a training: measure before it and after every N epochs
    #[arg(long, value_name = "N", conflicts_with = "at", help_heading = "Lab")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    every: Option<usize>,
    /// Folder of the record and the figures
    #[arg(long, value_name = "DIR", default_value = "lab", help_heading = "Lab")]
    out: PathBuf,
    /// Draw the figures of the record in --out again; measure nothing
    #[arg(long, help_heading = "Lab")]
    #[arg(conflicts_with_all = ["run", "estimators", "layers", "exact", "at", "every"])]
    render: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    data: DataArgs,
}

/// The folder, in that of the record, where a lab's run is trained until it is complete.
const PARTIAL: &str = ".run.partial";

pub fn run(args: Args, context: &Context) -> Outcome {
    if args.render {
        let record = parse_json(&bounded::text(&args.record())?, &args.record())?;
        places::folder(&args.out)?;
        draw(&args, &record)?;
        return print(&record, &args, context);
    }
    let mut progress = Progress::new(context);
    let stored = match &args.run {
        Some(path) => Some(RunFolder::open(path)?),
        None => None,
    };
    plan::check(&args, stored.as_ref(), context)?;
    let along = args.is_along();
    places::file_and_folder("--out", &args.record())?;
    if along {
        places::run_folder(&args.out.join("run"))?;
        places::run_folder(&args.out.join(PARTIAL))?;
    }
    let own = match &stored {
        Some(run) => Some((run.network(context.engine, 1)?, run.best()?)),
        None => None,
    };
    let dataset = match &stored {
        Some(run) => args.data.load_for(&run.config().dataset, &mut progress)?,
        None => args.data.load(&mut progress)?,
    };
    let config = plan::config(&args, stored.as_ref(), &dataset)?;
    match along {
        true => config.check(&dataset)?,
        false => config.check_data(&dataset)?,
    }
    let (train, _) = validation_split(dataset.train.len(), config.val_fraction, config.seed)?;
    let mut images = epoch_order(&train, config.seed, 0);
    images.truncate(args.images);
    let plan = plan::plan(&args, stored.as_ref(), &dataset, images, context)?;
    let lab = &plan.lab;
    let (mut net, best) = match own {
        Some((net, best)) => (net, Some(best)),
        None => {
            let mut net = Network::new(&config.model, context.engine, 1, false)?;
            net.init(config.init, config.seed);
            (net, None)
        }
    };
    lab.check(net.params(), &plan.contenders, plan.long.as_ref())?;
    if along {
        Network::sampled(&config.model, context.engine, config.batch, config.samples)?;
    }
    let mut record = Record {
        network: format!(
            "{}, {} binary",
            config.model.name,
            bnn_cpu::report::reference::placement_name(plan.row.placement)
        ),
        dataset: dataset.name.clone(),
        data_sha256: dataset.fingerprint(),
        link: lab.link.name().into(),
        images: lab.images.len(),
        seed: config.seed,
        weights: match &stored {
            Some(run) => format!("best weights of {}", run.path().display()),
            None if along => format!("trained: {}", result::network(&config)),
            None => "new".into(),
        },
        parameters: Vec::new(),
        points: Vec::new(),
        provenance: Provenance::here(context.engine.kernels.isa.name()),
    };
    let stop = signals::stop_flag()?;
    let measure = |epoch: usize, slope: f32, params: &mut Params, new: bool| {
        let lab = Lab {
            slope,
            temperature: config.temperature.at(epoch.max(1)),
            model: lab.model.clone(),
            images: lab.images.clone(),
            layers: lab.layers.clone(),
            ..*lab
        };
        if new {
            lab.settle(params)?;
        }
        let mut last = String::new();
        let point = lab.measure(
            epoch,
            params,
            &plan.contenders,
            (args.warm_up, args.draws),
            plan.long.as_ref().map(|c| (c, args.reference_draws)),
            &mut |name, _, of| {
                if name != last {
                    progress.say(&format!("epoch {epoch}: {name}, {of} draws"));
                    last = name.to_string();
                }
                if stop.load(Ordering::Relaxed) {
                    return Err(interrupted());
                }
                Ok(())
            },
        )?;
        Ok::<Point, Error>(point)
    };
    let asked = |epoch: usize| match args.every {
        Some(every) => epoch.is_multiple_of(every),
        None if along => args.at.contains(&epoch),
        None => true,
    };
    match best {
        Some(best) => {
            let point = measure(best.epoch, best.slope, net.params_mut(), false)?;
            record.points.push(point);
        }
        None if asked(0) => {
            let slope = config.slope.at(1, config.epochs);
            record
                .points
                .push(measure(0, slope, net.params_mut(), true)?);
        }
        None => {}
    }
    let mut trained_run = None;
    if along {
        // Apart from an earlier lab's run until this one is complete.
        let mut run = RunFolder::create(&args.out.join(PARTIAL), config.clone(), true)?;
        let checkpoint = run.file("checkpoint.safetensors");
        let mut failed = None;
        let trained = train::train(&mut run, &dataset, context.engine, stop, &mut |event| {
            let Event::Epoch { record: epoch, .. } = event else {
                return;
            };
            if !asked(epoch.epoch) || failed.is_some() {
                return;
            }
            let mut point = || {
                let (tensors, _) = weights::read_any(&checkpoint)?;
                weights::import(net.params_mut(), tensors, &checkpoint)?;
                measure(epoch.epoch, epoch.slope as f32, net.params_mut(), false)
            };
            match point() {
                Ok(point) => record.points.push(point),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failed = Some(error);
                }
            }
        });
        let trained = match (failed, trained) {
            (Some(error), _) => Err(error),
            // Its state could be gone on with, but its points could not.
            (None, Err(Error::Interrupted(_))) => Err(interrupted()),
            (None, trained) => trained,
        };
        if let Err(error) = trained {
            // Where the loss is no number, the message names a checkpoint that is kept.
            if !matches!(error, Error::Diverged(_)) {
                remove_run(run);
            }
            return Err(error.into());
        }
        trained_run = Some(run);
    }
    if let Some(point) = record.points.first()
        && let Some(measured) = point.estimators.first()
    {
        let names = measured.figures.iter().map(|(name, _)| name.clone());
        record.parameters = names.filter(|name| name != "all").collect();
    }
    write(&args, &record)?;
    if let Some(run) = trained_run {
        keep_run(run, &args.out.join("run"))?;
    }
    print(&record, &args, context)
}

fn interrupted() -> Error {
    Error::Interrupted("interrupted; nothing was kept".into())
}

impl Args {
    /// The file of the record.
    fn record(&self) -> PathBuf {
        self.out.join("lab.json")
    }

    /// Whether it measures along a training.
    fn is_along(&self) -> bool {
        !self.at.is_empty() || self.every.is_some()
    }
}
