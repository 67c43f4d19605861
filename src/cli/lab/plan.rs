//! What a lab measures, as its flags and the network say: everything that can be wrong
//! with them is found here, before anything is measured.

use bnn_cpu::Error;
use bnn_cpu::data::{Dataset, digits};
use bnn_cpu::estimators::{self, Firing, Probability};
use bnn_cpu::lab::{Contender, Lab, MAX_BITS};
use bnn_cpu::model::{ModelSpec, Network, Placement};
use bnn_cpu::tape::Params;
use bnn_cpu::train::{
    Config, ModelSource, PartialConfig, PartialModel, Placed, RunFolder, Subject,
};

use super::super::recipe::Stated;
use super::super::{Context, Failure, Outcome};
use super::Args;

/// What is measured, and against what.
pub struct Plan<'a> {
    pub config: Config,
    pub row: Placed,
    pub lab: Lab<'a>,
    pub contenders: Vec<Contender>,
    /// The estimator of the reference run, or none for the exact gradient.
    pub long: Option<Contender>,
}

/// Finds what is wrong with the flags whatever the data set may be.
pub fn check(args: &Args, stored: Option<&RunFolder>, context: &Context) -> Outcome {
    let along = args.is_along();
    if along && stored.is_some() {
        return Err(Failure::usage(
            "--at and --every go along a training of new weights; leave out the run",
        ));
    }
    if along != args.settings.0.epochs.is_some() && stored.is_none() {
        return Err(Failure::usage(
            "a lab along a training needs --epochs, and --at or --every",
        ));
    }
    let any = digits::generate(0, 1, 1);
    let plan = plan(args, stored, &any, Vec::new(), context)?;
    if stored.is_none() {
        let checked = plan.config.check_settings();
        checked.map_err(|e| stated(args).named(e))?;
    }
    let contenders = plan.contenders.len();
    if let Some(shard) = args.shard.filter(|shard| shard.of > contenders) {
        return Err(Failure::usage(format!(
            "--shard {shard}: there are {contenders} contenders, so that some parts would have none; choose N of at most {contenders}"
        )));
    }
    if args.own && !along {
        return Err(Failure::usage(
            "--own goes along trainings; it needs --epochs, and --at or --every",
        ));
    }
    let epochs = plan.config.epochs;
    if let Some(at) = args.at.iter().find(|at| **at > epochs) {
        return Err(Failure::usage(format!(
            "--at {at}: the training has --epochs {epochs}; choose epochs from 0, before the first, to {epochs}"
        )));
    }
    if let Some(every) = args.every.filter(|every| *every > epochs) {
        return Err(Failure::usage(format!(
            "--every {every}: the training has --epochs {epochs}, so none would be measured; choose at most {epochs}"
        )));
    }
    Ok(())
}

/// The plan for those images of a data set.
pub fn plan<'a>(
    args: &Args,
    stored: Option<&RunFolder>,
    dataset: &'a Dataset,
    images: Vec<u32>,
    context: &Context,
) -> Outcome<Plan<'a>> {
    let config = config(args, stored, dataset)?;
    let row = Placed::of(&config.model)
        .filter(|row| row.placement != Placement::None)
        .ok_or_else(|| {
            Error::spec(format!(
                "model {}: the lab needs binary layers, all of one kind",
                config.model.name
            ))
        })?;
    let probability = args
        .model
        .stated()
        .probability
        .or(row.probability)
        .unwrap_or(Probability::Sigmoid);
    let lab = Lab {
        model: config.model.clone(),
        placement: row.placement,
        probability,
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
    };
    let contenders = args.contenders(&lab)?;
    let long = args.long(&lab)?;
    Ok(Plan {
        config,
        row,
        lab,
        contenders,
        long,
    })
}

/// What the flags state of a configuration.
pub fn stated(args: &Args) -> Stated {
    Stated::of_flags(PartialConfig {
        model: Some(args.model.stated()),
        ..args.settings.0.clone()
    })
}

/// The configuration: a stored run's, or that of new weights.
pub fn config(args: &Args, stored: Option<&RunFolder>, dataset: &Dataset) -> Outcome<Config> {
    if let Some(run) = stored {
        return Ok(run.config().clone());
    }
    let mut model: ModelSpec = args.model.spec_for(dataset)?;
    if let Some(row) = Placed::of(&model)
        && args.model.stated().mode.is_none()
        && let Some((_, estimator)) = &row.binary
    {
        // A lab is about samples.
        model.place(row.placement, Firing::Stochastic, estimator)?;
        if row.probability.is_some() {
            model.set_probability(row.probability)?;
        }
    }
    let settings = PartialConfig {
        model: Some(PartialModel {
            from: Some(ModelSource::Own(Box::new(model))),
            ..PartialModel::default()
        }),
        ..args.settings.0.clone()
    };
    let config = settings.complete(&Subject::of(dataset));
    config.map_err(|e| stated(args).refused(e))
}

impl Plan<'_> {
    /// The configuration of a training with a contender: its estimator, baseline and samples,
    /// and the probability function and the statistics with which all are measured. The rest is the same.
    pub fn own_config(&self, contender: &Contender) -> Result<Config, Error> {
        let mut config = self.config.clone();
        contender.train_in(&mut config, self.lab.spec(&contender.estimator)?);
        Ok(config)
    }

    /// Whether all that is planned can be measured with those parameters, and trained where
    /// trainings belong to it.
    pub fn check(&self, args: &Args, params: &Params, context: &Context) -> Result<(), Error> {
        if args.own {
            return self.check_own(params, context);
        }
        let long = self.long.as_ref();
        self.lab.check(params, &self.contenders, long)?;
        if args.is_along() {
            let config = &self.config;
            Network::sampled(&config.model, context.engine, config.batch, config.samples)?;
        }
        Ok(())
    }

    /// Whether a training with each contender can be carried out and measured.
    fn check_own(&self, params: &Params, context: &Context) -> Result<(), Error> {
        self.lab.check_contenders(params, &self.contenders)?;
        for contender in &self.contenders {
            let config = self.own_config(contender)?;
            config.check_settings()?;
            Network::sampled(&config.model, context.engine, config.batch, config.samples)?;
        }
        Ok(())
    }
}

/// The estimators of the reference run where there are two binary layers.
const LAYERS: &str = "reinforce+local-expectation";
const LAYERS_16: &str = "reinforce+local-expectation:loo:16";

/// What is trained with and measured by `--own`, of what fits the network and the probability function.
const OWN: [&str; 6] = [
    "st",
    "reinforce:batch",
    "reinforce:loo:4",
    "disarm",
    "rebar",
    "local-expectation",
];

impl Args {
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
        if self.own {
            let all: Vec<Contender> = OWN
                .map(Contender::parse)
                .into_iter()
                .collect::<Result<_, _>>()?;
            let fits = all.into_iter().filter(|c| lab.spec(&c.estimator).is_ok());
            return Ok(fits.collect());
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
            if bits > MAX_BITS {
                return Err(Failure::usage(format!(
                    "--exact: the network has {bits} bits an image, and only the outcomes of {MAX_BITS} can be enumerated"
                )));
            }
            return Ok(None);
        }
        let text = match (&self.reference, lab.probability) {
            (Some(text), _) => text.as_str(),
            (None, Probability::HardSigmoid) => "muprop",
            (None, _) if lab.placement == Placement::Last => "local-expectation",
            // Of what was tried, the least variance for its time.
            (None, _) if lab.spec(LAYERS).is_ok() => LAYERS_16,
            (None, _) => "reinforce:loo:16",
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
