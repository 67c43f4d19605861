//! `bnn-cpu import`: weights from PyTorch (or from another run) become a run.

mod check;

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::data::answers::{self, Numbers};
use bnn_cpu::data::{Dataset, digits};
use bnn_cpu::model::weights::{self, Data, NamedTensor};
use bnn_cpu::model::{ModelSpec, Network, Pixels, usual_images};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{
    BEST, BestWeights, Config, DatasetRecord, ModelSource, RunFolder, SlopeKind, SlopeSchedule,
};

use super::data_args::DataArgs;
use super::model_args::ModelArgs;
use super::progress::Progress;
use super::recipe::Stated;
use super::{Context, Failure, Outcome, output, result, train};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu import net.onnx --pixels unit --check inputs.npy logits.npy
  bnn-cpu import weights.safetensors --model seed-net --binary both --dataset mnist
  bnn-cpu import net.safetensors --model net.json --check inputs.npy logits.npy
  bnn-cpu import net.safetensors --model seed-net --levels=-1/+1 --pixels unit --check both.safetensors

In Python the files are made by
  from safetensors.torch import save_file
  save_file(model.state_dict(), \"weights.safetensors\")
  numpy.save(\"inputs.npy\", x.numpy()); numpy.save(\"logits.npy\", model(x).detach().numpy())";

/// Make a run of weights that were trained elsewhere
///
/// Names and shapes are those of PyTorch's state_dict: conv1.weight (16,1,5,5),
/// bn1.running_mean (16), fc.weight (10,1568). The run can be evaluated and
/// inspected like any other.
///
/// An ONNX file says of which network it is: products, batch norms, pools, activations, comparisons,
/// signs, sums and concatenations, as PyTorch, tf2onnx and Brevitas (QONNX) write them, and what `export`
/// wrote. Any other node is refused by name.
///
/// No data set is needed, and none is looked for unless --dataset or --data names it. With --check
/// the network has to answer as the one did that the weights come from.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A safetensors or ONNX file
    file: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Slope of hard sigmoids and binary units [default: 1; of a run's weights,
    /// their own]
    #[arg(long, value_name = "X", help_heading = "Network")]
    slope: Option<f32>,
    /// What the network was given, and what it answered: two .npy files, or one safetensors file
    /// with the tensors `inputs` and `logits`. Inputs are (N, channels, height, width), bytes or
    /// the numbers that entered the network; another answer than those logits is refused
    #[arg(long, value_name = "FILE", num_args = 1..=2, help_heading = "Check")]
    check: Vec<PathBuf>,
    /// Mean of the pixels, divided by 255, that the network was trained with; one number, or one
    /// for each channel
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        requires = "std",
        help_heading = "Network"
    )]
    mean: Vec<f32>,
    /// Their standard deviation
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        requires = "mean",
        help_heading = "Network"
    )]
    std: Vec<f32>,
    #[command(flatten)]
    data: DataArgs,
    /// Folder of the run [default: runs/<model>-<binary>-<mode>-<estimator>-<n>]
    #[arg(long, short, value_name = "DIR", help_heading = "Run")]
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
    let (tensors, known, read) = args.content()?;
    let slope = args.slope.or(known.as_ref().map(|known| known.slope));
    let slope = slope.unwrap_or(1.0);
    let answers = match &args.check[..] {
        [] => None,
        files => Some(answers::read(files)?),
    };
    let own = args.own(known, read)?;
    train::check_out(args.out.as_deref(), args.force)?;
    let mut config = args.config(own, answers.as_ref(), &mut progress)?;
    config.slope = SlopeSchedule {
        start: f64::from(slope),
        ..SlopeSchedule::new(SlopeKind::None)
    };
    let mut net = filled(&config.model, &tensors, &args.file, context)?;
    if let Some(answers) = &answers {
        let weights = (&tensors[..], args.file.as_path());
        let found = check::passed(&mut net, slope, weights, answers, context)?;
        progress.say(&found.words());
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
    let hint = train::hint(run.path());
    let hint = match run.config().dataset.is_unstated() {
        true => format!("{hint} --data FOLDER"),
        false => hint,
    };
    progress.say(&format!("measure it with: {hint}"));
    Ok(())
}

/// What a file holds: tensors; what it says of its run; the network of an ONNX file.
type Content = (Vec<NamedTensor>, Option<BestWeights>, Option<ModelSpec>);

impl Args {
    /// The network that the file says it is of.
    fn own(
        &self,
        known: Option<BestWeights>,
        read: Option<ModelSpec>,
    ) -> Outcome<Option<ModelSpec>> {
        match read {
            Some(read) => self.changed(read).map(Some),
            None => self.own_model(known),
        }
    }

    fn content(&self) -> Outcome<Content> {
        #[cfg(feature = "onnx")]
        if let Some(net) = super::weights::onnx(&self.file)? {
            return Ok((net.tensors, None, Some(net.spec)));
        }
        let (tensors, known) = super::weights::read(&self.file)?;
        Ok((tensors, known, None))
    }

    /// The network of an ONNX file with what the flags say beside it.
    fn changed(&self, read: ModelSpec) -> Outcome<ModelSpec> {
        if self.model.model.is_some() {
            return Err(Failure::usage(format!(
                "--model has no effect: {} says of which network it is; leave it out",
                self.file.display()
            )));
        }
        let (input, classes) = (read.input, read.classes());
        let mut stated = self.model.stated();
        stated.from = Some(ModelSource::Own(Box::new(read)));
        let built = stated.build(input, classes);
        built.map_err(|e| Stated::default().refused(e))
    }

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

    /// The configuration of a run that no training made: of the network that is `own`, or that
    /// the flags name.
    fn config(
        &self,
        own: Option<ModelSpec>,
        answers: Option<&[Numbers; 2]>,
        progress: &mut Progress,
    ) -> Outcome<Config> {
        if self.data.dataset.is_some() || self.data.data.is_some() {
            let dataset = self.data.load(progress)?;
            return self.config_for(own, &dataset);
        }
        let model = match own {
            Some(model) => model,
            None => {
                let (input, classes) = self.images(answers);
                let built = self.model.stated().build(input, classes);
                built.map_err(|e| Stated::default().refused(e))?
            }
        };
        let classes = model.classes();
        let mut config =
            Config::reference(self.with_pixels(model)?, DatasetRecord::unstated(classes));
        if config.model.pixels.is_none() && config.model.binary_first().is_none() {
            return Err(Failure::usage(
                "nothing says what pixels were to the network; say --pixels unit if they were divided by 255 alone, --mean and --std if they were normalised, --pixels integer if they were 0 to 255, or name the data set with --dataset or --data",
            ));
        }
        config.model.pixels = Some(config.model.pixel_encoding());
        Ok(config)
    }

    /// [`Self::config`] where a data set is named.
    fn config_for(&self, own: Option<ModelSpec>, dataset: &Dataset) -> Outcome<Config> {
        let model = match own {
            Some(model) => model,
            None => self.model.spec_for(dataset)?,
        };
        let mut config = Config::reference(self.with_pixels(model)?, DatasetRecord::of(dataset));
        config.normalise_by(dataset);
        // Nothing is trained here, so the rules of a training do not count.
        config.check_data(dataset)?;
        Ok(config)
    }

    /// The network with `--mean` and `--std`.
    fn with_pixels(&self, mut model: ModelSpec) -> Outcome<ModelSpec> {
        if self.mean.is_empty() {
            return Ok(model);
        }
        if model.pixels.is_some() {
            return Err(Failure::usage(
                "--mean and --std have no effect: the network, or --pixels, says what pixels are to it",
            ));
        }
        model.pixels = Some(Pixels::normalised_each(self.mean.clone(), self.std.clone()));
        model.check()?;
        Ok(model)
    }

    /// The shape of the images, and how many classes there are, for a preset: those of the
    /// answers to check by, else the usual ones.
    fn images(&self, answers: Option<&[Numbers; 2]>) -> (Shape, usize) {
        let name = self.model.model.as_ref().and_then(|name| name.to_str());
        let (usual, classes) = usual_images(name.unwrap_or_default());
        let Some([inputs, logits]) = answers else {
            return (usual, classes);
        };
        let input = match inputs.shape[..] {
            [_, c, h, w] => Shape::image(c, h, w),
            _ => usual,
        };
        (input, logits.shape[1])
    }
}

/// A network of `model` with the tensors of the file at `path`, which must fit it and be finite.
fn filled(
    model: &ModelSpec,
    tensors: &[NamedTensor],
    path: &Path,
    context: &Context,
) -> Outcome<Network> {
    let mut net = Network::new(model, context.engine, 1, false)?;
    check_tensors(&net, model, tensors, path)?;
    weights::import(net.params_mut(), tensors.to_vec(), path)?;
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
