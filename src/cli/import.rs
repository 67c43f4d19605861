//! `bnn-cpu import`: weights from PyTorch (or from another run) become a run.

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::data::digits;
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
    let (tensors, about) = weights::read_any(&args.file)?;
    let known = match about {
        Some(_) => weights::read::<BestWeights>(&args.file).ok().map(|r| r.1),
        None => None,
    };
    if known.is_none() && args.model.model.is_none() {
        return Err(Failure::usage(format!(
            "{} does not say of which network it is; name it with --model",
            args.file.display()
        )));
    }
    let slope = args.slope.or(known.as_ref().map(|known| known.slope));
    let slope = slope.unwrap_or(1.0);
    // The file's own network, unless the flags name one.
    let own = known.filter(|_| args.model.model.is_none());
    match &own {
        Some(known) => {
            if let Some(flag) = args.model.contradiction(&known.model)? {
                return Err(Failure::usage(format!(
                    "{flag} contradicts {}, which says of which network it is; name another with --model",
                    args.file.display()
                )));
            }
        }
        // Any images tell whether the flags make sense.
        None => drop(args.model.spec_for(&digits::generate(0, 1, 1))?),
    }
    train::check_out(args.out.as_deref(), args.force)?;
    let dataset = args.data.load(&mut progress)?;
    let model = match own {
        Some(known) => known.model,
        None => args.model.spec_for(&dataset)?,
    };
    let mut config = Config::reference(model, DatasetRecord::of(&dataset));
    config.normalise_by(&dataset);
    config.slope = SlopeSchedule {
        start: f64::from(slope),
        ..SlopeSchedule::new(SlopeKind::None)
    };
    // Nothing is trained here, so the rules of a training do not count.
    config.check_data(&dataset)?;
    let mut net = Network::new(&config.model, context.engine, 1, false)?;
    check_tensors(&net, &config.model, &tensors, &args.file)?;
    weights::import(net.params_mut(), tensors, &args.file)?;
    let numbers = net.params().values().iter();
    if !numbers
        .chain(net.params().buffer_values())
        .all(|x| x.is_finite())
    {
        return Err(Error::checkpoint(&args.file, "holds a number that is not finite").into());
    }
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
    let mut faults = Vec::new();
    for (what, names) in [
        ("missing", missing),
        ("unexpected", unexpected),
        ("of another shape", wrong),
    ] {
        if !names.is_empty() {
            // A file of another model may differ in everything.
            let more = match names.len() {
                n if n > 6 => format!(" and {} more", n - 6),
                _ => String::new(),
            };
            let names = names.into_iter().take(6).collect::<Vec<_>>().join(", ");
            faults.push(format!("{what}: {names}{more}"));
        }
    }
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
