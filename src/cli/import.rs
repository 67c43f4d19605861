//! `bnn-cpu import`: weights from PyTorch (or from another run) become a run.

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::data::{Dataset, digits};
use bnn_cpu::model::weights::{self, Data, NamedTensor};
use bnn_cpu::model::{ModelSpec, Network};
use bnn_cpu::train::{
    BEST, BestWeights, Config, DatasetRecord, RunFolder, SlopeKind, SlopeSchedule,
};

use super::data_args::DataArgs;
use super::model_args::ModelArgs;
use super::progress::Progress;
use super::{Context, Failure, Outcome, output, result, train};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu import weights.safetensors --model seed-net --binary both
  bnn-cpu import net.safetensors --model net.json --dataset idx --data fashion-mnist

In Python the file is made by
  from safetensors.torch import save_file
  save_file(model.state_dict(), \"weights.safetensors\")";

/// Make a run of weights that were trained elsewhere
///
/// Names and shapes are those of PyTorch's state_dict: conv1.weight (16,1,5,5),
/// bn1.running_mean (16), fc.weight (10,1568). The run can be evaluated and
/// inspected like any other.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A safetensors file
    file: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Slope of hard sigmoids and binary units [default: 1; of a run's weights,
    /// their own]
    #[arg(long, value_name = "X", help_heading = "Network")]
    slope: Option<f32>,
    #[command(flatten)]
    data: DataArgs,
    /// Folder of the run [default: runs/<model>-<binary>-<mode>-<estimator>-<n>]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    out: Option<PathBuf>,
    /// Replace the run that --out holds
    #[arg(long, help_heading = "Run")]
    force: bool,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let mut progress = Progress::new(context);
    if args.slope.is_some_and(|a| !(a.is_finite() && a > 0.0)) {
        return Err(Failure::usage("--slope must be a number above 0"));
    }
    let (tensors, known) = super::weights::read(&args.file)?;
    let slope = args.slope.or(known.as_ref().map(|known| known.slope));
    let slope = slope.unwrap_or(1.0);
    let own = args.own_model(known)?;
    train::check_out(args.out.as_deref(), args.force)?;
    let dataset = args.data.load(&mut progress)?;
    let model = match own {
        Some(model) => model,
        None => args.model.spec_for(&dataset)?,
    };
    let config = untrained(model, slope, &dataset)?;
    let net = filled(&config.model, tensors, &args.file, context)?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => train::default_folder(&config)?,
    };
    let about = BestWeights {
        model: config.model.clone(),
        dataset: config.dataset.name.clone(),
        data_sha256: config.dataset.sha256.clone(),
        background: config.dataset.background,
        seed: config.seed,
        epoch: 0,
        slope,
        isa: context.engine.kernels.isa.name().into(),
    };
    let run = RunFolder::create(&path, config, args.force)?;
    run.write_weights(BEST, &weights::export(net.params()), &about)?;
    if context.json {
        return output::json(&serde_json::json!({
            "event": "imported", "from": output::path(&args.file), "run": output::path(run.path()),
            "config": output::value(run.config()),
        }));
    }
    output::line(&format!(
        "imported {} into {}",
        result::network(run.config()),
        run.path().display()
    ))?;
    progress.say(&format!("measure it with: {}", train::hint(run.path())));
    Ok(())
}

impl Args {
    /// The network that the file says it is of, unless the flags name one. What the flags say
    /// is checked before any image is read.
    fn own_model(&self, known: Option<BestWeights>) -> Outcome<Option<ModelSpec>> {
        let file = self.file.display();
        if self.model.model.is_some() {
            // Any images tell whether the flags make sense.
            self.model.spec_for(&digits::generate(0, 1, 1))?;
            return Ok(None);
        }
        let Some(known) = known else {
            return Err(Failure::usage(format!(
                "{file} does not say of which network it is; name it with --model"
            )));
        };
        if let Some(flag) = self.model.contradiction(&known.model)? {
            return Err(Failure::usage(format!(
                "{flag} contradicts {file}, which says of which network it is; name another with --model"
            )));
        }
        Ok(Some(known.model))
    }
}

/// The configuration of a run that no training made.
fn untrained(model: ModelSpec, slope: f32, dataset: &Dataset) -> Outcome<Config> {
    let mut config = Config::reference(model, DatasetRecord::of(dataset));
    config.normalise_by(dataset);
    config.slope = SlopeSchedule {
        start: f64::from(slope),
        ..SlopeSchedule::new(SlopeKind::None)
    };
    // Nothing is trained here, so the rules of a training do not count.
    config.check_data(dataset)?;
    Ok(config)
}

/// A network of `model` with the tensors of the file at `path`, which must fit it and be finite.
fn filled(
    model: &ModelSpec,
    tensors: Vec<NamedTensor>,
    path: &Path,
    context: &Context,
) -> Outcome<Network> {
    let mut net = Network::new(model, context.engine, 1, false)?;
    check_tensors(&net, model, &tensors, path)?;
    weights::import(net.params_mut(), tensors, path)?;
    let numbers = net.params().values().iter();
    if !numbers
        .chain(net.params().buffer_values())
        .all(|x| x.is_finite())
    {
        return Err(Error::checkpoint(path, "holds a number that is not finite").into());
    }
    Ok(net)
}

/// Names every tensor that is missing, unexpected or of another shape, in one
/// line.
fn check_tensors(
    net: &Network,
    model: &ModelSpec,
    tensors: &[NamedTensor],
    path: &Path,
) -> Outcome {
    let wanted = weights::export(net.params());
    let shape = |t: &NamedTensor| {
        let sides: Vec<_> = t.shape.iter().map(usize::to_string).collect();
        format!("({})", sides.join(","))
    };
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for want in &wanted {
        match tensors.iter().find(|t| t.name == want.name) {
            // PyTorch counts batches; other programs may not.
            None if matches!(want.data, Data::I64(_)) => {}
            None => missing.push(want.name.clone()),
            Some(t) if matches!(want.data, Data::F32(_)) && t.shape != want.shape => {
                wrong.push(format!(
                    "{} {} instead of {}",
                    t.name,
                    shape(t),
                    shape(want)
                ));
            }
            Some(_) => {}
        }
    }
    let known = |t: &&NamedTensor| wanted.iter().all(|want| want.name != t.name);
    let unexpected = tensors.iter().filter(known).map(|t| t.name.clone());
    let mut unexpected: Vec<String> = unexpected.collect();
    unexpected.sort();
    let faults = [
        named("missing", &missing),
        named("unexpected", &unexpected),
        named("of another shape", &wrong),
    ];
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::checkpoint(
        path,
        format!(
            "does not fit model {} ({}); choose another --model",
            model.name,
            faults.join("; ")
        ),
    )
    .into())
}

/// The first of some names and how many more there are: a file of another model may differ in
/// everything.
fn named(what: &str, names: &[String]) -> Option<String> {
    let more = match names.len() {
        0 => return None,
        n if n > 6 => format!(" and {} more", n - 6),
        _ => String::new(),
    };
    let first = &names[..names.len().min(6)];
    Some(format!("{what}: {}{more}", first.join(", ")))
}
