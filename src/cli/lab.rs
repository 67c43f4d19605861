//! `bnn-cpu lab`: bias, variance and cost of estimators at given weights.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use bnn_cpu::Error;
use bnn_cpu::bounded;
use bnn_cpu::data::{Dataset, epoch_order, validation_split};
use bnn_cpu::estimators::{self, Firing, Link};
use bnn_cpu::files::{create_folder, write_atomic_bytes};
use bnn_cpu::model::{ModelSpec, Network, Placement, weights};
use bnn_cpu::report::Row;
use bnn_cpu::report::lab::{Contender, Lab, MOST_BITS, PARTS, Point, Record};
use bnn_cpu::tape::Params;
use bnn_cpu::train::{self, Config, DatasetRecord, Event, Provenance, RunFolder, parse_json};
use clap::builder::RangedU64ValueParser;
use serde_json::json;

use super::data_args::DataArgs;
use super::model_args::ModelArgs;
use super::output::{self, Align};
use super::progress::Progress;
use super::settings::{Setter, Settings};
use super::{Context, Failure, Outcome, result, signals};

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

pub fn run(args: Args, context: &Context) -> Outcome {
    if args.render {
        let record = parse_json(&bounded::text(&args.record())?, &args.record())?;
        write(&args, &record)?;
        return print(&record, &args, context);
    }
    let mut progress = Progress::new(context);
    let along = !args.at.is_empty() || args.every.is_some();
    if along && args.run.is_some() {
        return Err(Failure::usage(
            "--at and --every go along a training of new weights; leave out the run",
        ));
    }
    if along != args.settings.epochs.is_some() && args.run.is_none() {
        return Err(Failure::usage(
            "a lab along a training needs --epochs, and --at or --every",
        ));
    }
    let stored = match &args.run {
        Some(path) => Some(RunFolder::open(path)?),
        None => None,
    };
    let dataset = match &stored {
        Some(run) => args.data.load_for(&run.config().dataset, &mut progress)?,
        None => args.data.load(&mut progress)?,
    };
    let config = args.config(stored.as_ref(), &dataset)?;
    config.check(&dataset)?;
    let row = Row::of(&config.model)
        .filter(|row| row.placement != Placement::None)
        .ok_or_else(|| {
            Error::spec(format!(
                "model {}: the lab needs binary layers, all of one kind",
                config.model.name
            ))
        })?;
    let link = args.model.units.link.or(row.link).unwrap_or(Link::Sigmoid);
    let lab = lab(&args, &config, &row, link, &dataset, context);
    let contenders = args.contenders(&lab)?;
    let long = args.long(&lab)?;
    let mut record = Record {
        network: format!(
            "{}, {} binary",
            config.model.name,
            bnn_cpu::report::reference::placement_name(row.placement)
        ),
        dataset: dataset.name.clone(),
        link: link.name().into(),
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
            ..lab
        };
        if new {
            lab.settle(params)?;
        }
        let mut last = String::new();
        let point = lab.measure(
            epoch,
            params,
            &contenders,
            (args.warm_up, args.draws),
            long.as_ref().map(|c| (c, args.reference_draws)),
            &mut |name, _, of| {
                if name != last {
                    progress.say(&format!("epoch {epoch}: {name}, {of} draws"));
                    last = name.to_string();
                }
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted("interrupted; nothing was kept".into()));
                }
                Ok(())
            },
        )?;
        Ok::<Point, Error>(point)
    };
    let mut net = match &stored {
        Some(run) => run.network(context.engine, 1)?,
        None => {
            let mut net = Network::new(&config.model, context.engine, 1, false)?;
            net.init(config.init, config.seed);
            net
        }
    };
    let asked = |epoch: usize| match args.every {
        Some(every) => epoch.is_multiple_of(every),
        None if along => args.at.contains(&epoch),
        None => true,
    };
    match &stored {
        Some(run) => {
            let best = run.best()?;
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
    if along {
        let mut run = RunFolder::create(&args.out.join("run"), config.clone(), true)?;
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
        match failed {
            Some(error) => return Err(error.into()),
            None => trained?,
        };
    }
    if let Some(point) = record.points.first()
        && let Some(measured) = point.estimators.first()
    {
        let names = measured.figures.iter().map(|(name, _)| name.clone());
        record.parameters = names.filter(|name| name != "all").collect();
    }
    write(&args, &record)?;
    print(&record, &args, context)
}

fn lab<'a>(
    args: &Args,
    config: &Config,
    row: &Row,
    link: Link,
    dataset: &'a Dataset,
    context: &Context,
) -> Lab<'a> {
    let (train, _) =
        validation_split(dataset.train.len(), config.val_fraction, config.seed).unwrap_or_default();
    let mut images = epoch_order(&train, config.seed, 0);
    images.truncate(args.images);
    Lab {
        model: config.model.clone(),
        placement: row.placement,
        link,
        engine: context.engine,
        split: &dataset.train,
        images,
        seed: config.seed,
        slope: 1.0,
        temperature: 1.0,
        layers: args
            .layers
            .iter()
            .flat_map(|list| list.split(',').map(Into::into))
            .collect(),
    }
}

impl Args {
    /// The file of the record.
    fn record(&self) -> PathBuf {
        self.out.join("lab.json")
    }

    fn config(&self, stored: Option<&RunFolder>, dataset: &Dataset) -> Outcome<Config> {
        if let Some(run) = stored {
            return Ok(run.config().clone());
        }
        let mut model: ModelSpec = self.model.spec_for(dataset)?;
        if let Some(row) = Row::of(&model)
            && self.model.units.mode.is_none()
            && let Some((_, estimator)) = &row.binary
        {
            // A lab is about samples.
            model.place(row.placement, Firing::Stochastic, estimator)?;
            if row.link.is_some() {
                model.set_link(row.link)?;
            }
        }
        let mut config = Config::reference(model, DatasetRecord::of(dataset));
        config.normalise_by(dataset);
        self.settings.apply(&mut config, &Setter { stored: None })?;
        config.suit_samples();
        config.suit_baseline();
        Ok(config)
    }

    /// What is measured.
    fn contenders(&self, lab: &Lab<'_>) -> Outcome<Vec<Contender>> {
        if let Some(list) = &self.estimators {
            let mut all = Vec::new();
            for text in list.split(',') {
                let contender = Contender::parse(text)
                    .map_err(|e| Failure::usage(format!("--estimators: {e}")))?;
                lab.spec(&contender.estimator)?;
                all.push(contender);
            }
            return Ok(all);
        }
        let mut names: Vec<String> = Vec::new();
        for estimator in estimators::all() {
            let name = estimator.info().name;
            match name {
                "reinforce" => names.extend(
                    ["none", "ema", "batch", "nvil", "loo:4"].map(|b| format!("{name}:{b}")),
                ),
                _ if lab.spec(name).is_ok() => names.push(name.into()),
                _ => {}
            }
        }
        Ok(names
            .iter()
            .map(|name| Contender::parse(name))
            .collect::<Result<_, _>>()?)
    }

    /// The estimator of the reference run, or none for the exact gradient.
    fn long(&self, lab: &Lab<'_>) -> Outcome<Option<Contender>> {
        if self.exact {
            let bits = lab.bits()?;
            if bits > MOST_BITS {
                return Err(Failure::usage(format!(
                    "--exact: the network has {bits} bits an image, and only the outcomes of {MOST_BITS} can be enumerated"
                )));
            }
            return Ok(None);
        }
        let text = match (&self.reference, lab.link) {
            (Some(text), _) => text.as_str(),
            (None, Link::HardSigmoid) => "muprop",
            (None, _) if lab.placement == Placement::Last => "local-expectation",
            (None, _) if lab.spec("rebar+local-expectation").is_ok() => "rebar+local-expectation",
            (None, _) => "rebar",
        };
        let contender =
            Contender::parse(text).map_err(|e| Failure::usage(format!("--reference: {e}")))?;
        let all = lab.spec(&contender.estimator)?.estimators()?;
        if let Some(biased) = all.iter().find(|e| !e.info().unbiased) {
            return Err(Failure::usage(format!(
                "--reference {text}: {} is biased; a reference must not be",
                biased.info().name
            )));
        }
        Ok(Some(contender))
    }
}

fn write(args: &Args, record: &Record) -> Outcome {
    create_folder(&args.out)?;
    let file = args.record();
    let text = serde_json::to_string_pretty(record)
        .map_err(|e| Error::spec(format!("the record cannot be encoded: {e}")))?;
    write_atomic_bytes(&file, format!("{text}\n").as_bytes())?;
    #[cfg(feature = "plots")]
    for plot in &bnn_cpu::report::lab::figures::PLOTS {
        let file = args.out.join(format!("{}.svg", plot.file));
        write_atomic_bytes(&file, plot.svg(record)?.as_bytes())?;
    }
    Ok(())
}

fn print(record: &Record, args: &Args, context: &Context) -> Outcome {
    if context.json {
        return output::json(&json!({ "event": "lab", "record": record }));
    }
    for point in &record.points {
        let of = &point.reference;
        output::line(&output::bold(&format!(
            "{} on {}, epoch {}, {} link, {} images",
            record.network, record.dataset, point.epoch, record.link, record.images
        )))?;
        output::line(&format!(
            "reference: {}, {} draws, standard error {:.1} % of the gradient",
            of.name,
            of.draws,
            of.error * 100.0
        ))?;
        let mut table = output::Table::new(&[
            ("estimator", Align::Left),
            ("bias %", Align::Right),
            ("+-", Align::Right),
            ("variance", Align::Right),
            ("SNR", Align::Right),
            ("cosine", Align::Right),
            ("of mean", Align::Right),
            ("ms", Align::Right),
        ]);
        for measured in &point.estimators {
            let Some((_, f)) = measured.figures.last() else {
                continue;
            };
            table.row(vec![
                measured.name.clone(),
                format!("{:.1}", f.bias * 100.0),
                format!("{:.1}", f.bias_error * 100.0),
                format!("{:.2e}", f.variance_per_parameter),
                format!("{:.3}", f.snr),
                format!("{:.3}", f.cosine),
                format!("{:.3}", f.cosine_of_mean),
                format!("{:.2}", measured.milliseconds),
            ]);
        }
        table.print()?;
    }
    output::note(&format!("written: {}", args.record().display()));
    Ok(())
}
