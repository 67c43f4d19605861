//! `bnn-cpu inspect`: the layer table of a network, and what a run is.

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::data::{Augment, Background};
use bnn_cpu::files;
use bnn_cpu::model::weights::{Data, NamedTensor};
use bnn_cpu::model::{LayerRow, ModelSpec, PRESETS, table, usual_images};
use bnn_cpu::train::{
    Config, EpochRecord, FewShotTask, ModelSource, PartialModel, RunFolder, SlopeKind, TestRecord,
    is_preset,
};
use serde_json::json;

use super::aligned::{Align, Table};
use super::flags::{self, UnitArgs};
use super::output::{self, grouped, loss, percent};
use super::recipe::Stated;
use super::{Context, Failure, Outcome, result, weights};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu inspect seed-net                       the reference network
  bnn-cpu inspect seed-net --binary first        with one binary layer
  bnn-cpu inspect seed-net --weights binary      with binary weights
  bnn-cpu inspect mixed-net --pool stride        two branches, in their form with strides
  bnn-cpu inspect omniglot-net --binary 1,5      units behind the first and the fifth convolution
  bnn-cpu inspect net.json                       a network of one's own
  bnn-cpu inspect runs/seed-net-both-det-st-1    a run: configuration, figures, layers
  bnn-cpu inspect best.safetensors               a file of weights
  bnn-cpu inspect seed-net --json > net.json     a file to start from (its field `model`)";

/// Show a network's layers: shapes, parameters, multiply-adds, bytes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A run's folder, a preset (seed-net, mlp, xnor-net, xnor-large, plain-net, mixed-net,
    /// omniglot-net, omniglot-mixed, omniglot-binary, few-shot-encoder), a JSON file, or a file
    /// of weights
    #[arg(value_name = "RUN|MODEL|FILE")]
    target: PathBuf,
    #[command(flatten)]
    units: UnitArgs,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let path = args.target.as_path();
    let weights = path.extension().is_some_and(|e| e == "safetensors");
    let preset = is_preset(path);
    let folder = !preset && files::is_folder(path)?;
    let units = args.units.0.model.unwrap_or_default();
    if preset || !(folder || weights) {
        let model = PartialModel {
            from: Some(ModelSource::Named(path.into())),
            ..units
        };
        // A file has its own.
        let (input, classes) = usual_images(path.to_str().unwrap_or_default());
        let spec = model.build(input, classes);
        let spec = spec.map_err(|e| match e {
            Error::Field {
                field: "model.from",
                ..
            } => Failure::usage(format!(
                "{}: no such run, model or file; presets are {}",
                path.display(),
                PRESETS.map(|(name, _)| name).join(", ")
            )),
            other => Stated::default().refused(other),
        })?;
        return show(&spec, None, context);
    }
    if let Some(field) = units.first_change() {
        let flag = flags::of_field(field).unwrap_or_else(|| field.into());
        return Err(Failure::usage(format!(
            "{flag} has no effect on {}, whose units are what they are",
            path.display()
        )));
    }
    if folder {
        let run = RunFolder::open(path)?;
        return show(&run.config().model.clone(), Some(&run), context);
    }
    show_weights(path, context)
}

/// The layer table, for a run below what is known of it.
fn show(spec: &ModelSpec, run: Option<&RunFolder>, context: &Context) -> Outcome {
    let rows = table(spec)?;
    if context.json {
        let totals = Totals::of(&rows);
        let mut value = json!({
            "event": "inspect", "model": output::value(spec), "layers": rows,
            "params_f32": totals.params_f32, "params_bit": totals.params_bit,
            "madds_f32": totals.madds_f32, "madds_bit": totals.madds_bit,
            "bytes": totals.bytes,
        });
        if let Some(run) = run {
            value["run"] = json!(output::path(run.path()));
            value["config"] = output::value(run.config());
            value["best_epoch"] = json!(run.find_best()?.map(|best| best.about.epoch));
            value["metrics"] = json!(run.metrics()?);
            value["test"] = json!(run.test()?);
        }
        return output::json(&value);
    }
    if let Some(run) = run {
        show_run(run)?;
        output::line("")?;
    } else {
        output::line(&output::bold(&format!(
            "{}, input {}",
            spec.name, spec.input
        )))?;
    }
    print_table(&rows)
}

fn show_run(run: &RunFolder) -> Outcome {
    let config = run.config();
    // Everything is read before anything is shown: half of a run is no answer.
    let best = run.find_best()?.map(|best| best.about);
    let (metrics, test) = (run.metrics()?, run.test()?);
    output::line(&output::bold(&format!(
        "{} on {}",
        result::network(config),
        config.dataset.name
    )))?;
    let mut lines = vec![
        ("run", run.path().display().to_string()),
        ("data", config.dataset.words()),
    ];
    if let Some(background) = config.dataset.background {
        let ground = match background {
            Background::Dark => "dark",
            Background::Light => "light",
        };
        lines.push(("pictures", format!("ink on a {ground} background")));
    }
    if let Some(best) = &best
        && best.epoch == 0
    {
        // Its configuration says how it is read, not how it was trained.
        lines.push(("state", format!("imported weights, slope {}", best.slope)));
        return output::pairs(&lines);
    }
    lines.extend(configuration(config));
    let state = match (test.is_some(), metrics.len()) {
        (true, n) => format!("complete, {n} epochs"),
        (false, n) => format!("unfinished, {n} of {} epochs", config.epochs),
    };
    lines.push(("state", state));
    if let Some(best) = &best
        && let Some(record) = metrics.iter().find(|r| r.epoch == best.epoch)
    {
        lines.push(("best epoch", best_epoch(record)));
    }
    if let Some(test) = test {
        lines.extend(tested(&test));
        lines.extend(test.few_shot.iter().flat_map(result::kept_apart));
    }
    output::pairs(&lines)
}

/// The figures of the best epoch in words: on the validation images, where there are any.
fn best_epoch(record: &EpochRecord) -> String {
    let figures = match (record.val_loss, record.val_accuracy) {
        (Some(l), Some(a)) => format!("validation loss {}  accuracy {}", loss(l), percent(a)),
        _ => format!(
            "training loss {}  accuracy {}",
            loss(record.train_loss),
            percent(record.train_accuracy)
        ),
    };
    format!("{}: {figures}", record.epoch)
}

/// The test's figures in words, and what they were made by.
fn tested(test: &TestRecord) -> [(&'static str, String); 2] {
    let p = &test.provenance;
    let figures = match &test.few_shot {
        Some(of) => result::episodes((test.loss, test.accuracy), of),
        None => format!(
            "loss {}  accuracy {}  on {} images of {}",
            loss(test.loss),
            percent(test.accuracy),
            grouped(test.images),
            test.dataset
        ),
    };
    let made_by = format!(
        "bnn-cpu {}, {} kernels, {} threads, {}",
        p.version, p.isa, p.threads, p.machine
    );
    [("test", figures), ("made by", made_by)]
}

/// A run's settings in words.
fn configuration(config: &Config) -> Vec<(&'static str, String)> {
    let slope = match config.slope.kind {
        SlopeKind::None => format!("{} throughout", config.slope.start),
        kind => format!(
            "{} from {}, rate {}, at most {}",
            json!(kind).as_str().unwrap_or_default(),
            config.slope.start,
            config.slope.rate,
            config.slope.max
        ),
    };
    let mut lines = match config.task.few_shot() {
        Some(task) => episodes(task),
        None => {
            let (train, validation) = config.split_sizes();
            let images = format!(
                "{} to train, {} to validate, {} to test",
                grouped(train),
                grouped(validation),
                grouped(config.dataset.test)
            );
            vec![("images", images)]
        }
    };
    lines.extend([
        (
            "optimiser",
            format!(
                "{}{}",
                config.optimiser.name(),
                settings(&output::value(&config.optimiser))
            ),
        ),
        (
            "learning rate",
            format!(
                "{}, {}{}",
                config.lr,
                config.lr_schedule.name(),
                settings(&output::value(&config.lr_schedule))
            ),
        ),
        ("slope", slope),
        (
            "training",
            format!(
                "{} epochs, batch {}, augmentation {}, weights {}, seed {}",
                config.epochs,
                config.batch,
                augmentation(config),
                config.init.name(),
                config.seed
            ),
        ),
    ]);
    lines
}

/// What a few-shot run learns from and is judged by.
fn episodes(task: &FewShotTask) -> Vec<(&'static str, String)> {
    let turned = match task.rotations {
        true => ", turned characters being further ones",
        false => "",
    };
    let training = format!(
        "{} an epoch, {}-way {}-shot, {} queries a class{turned}",
        grouped(task.episodes),
        task.train_way,
        task.train_shot,
        task.train_queries
    );
    let held = format!(
        "{} and {} alphabets to validate and to test, on {} episodes each, {}-way {}-shot, {} queries a class",
        task.val_alphabets,
        task.test_alphabets,
        grouped(task.eval_episodes),
        task.way,
        task.shot,
        task.queries
    );
    vec![("episodes", training), ("held back", held)]
}

/// What is done to training images, and what they are continued by where that is not 0.
fn augmentation(config: &Config) -> String {
    let (name, ground) = (config.augment.name(), &config.dataset.ground);
    let own = config.augment == Augment::None || ground.is_black();
    match own || !config.task.is_classification() {
        true => name.into(),
        false => format!("{name} on {}", ground.words()),
    }
}

/// The fields of a setting beside its name, each after a comma.
fn settings(value: &serde_json::Value) -> String {
    let Some(map) = value.as_object() else {
        return String::new();
    };
    let named = map.iter().filter(|(key, _)| *key != "name");
    named
        .map(|(key, value)| format!(", {} {value}", key.replace('_', " ")))
        .collect()
}

/// Sums over the layers.
#[derive(Default)]
struct Totals {
    params_f32: usize,
    params_bit: usize,
    madds_f32: usize,
    madds_bit: usize,
    bytes: usize,
}

impl Totals {
    fn of(rows: &[LayerRow]) -> Self {
        let mut totals = Self::default();
        for row in rows {
            totals.params_f32 += row.params_f32;
            totals.params_bit += row.params_bit;
            totals.madds_f32 += row.madds_f32;
            totals.madds_bit += row.madds_bit;
            totals.bytes += row.bytes;
        }
        totals
    }
}

fn print_table(rows: &[LayerRow]) -> Outcome {
    let mut out = Table::new(&[
        ("layer", Align::Left),
        ("kind", Align::Left),
        ("output", Align::Right),
        ("32-bit params", Align::Right),
        ("1-bit params", Align::Right),
        ("float mult-adds", Align::Right),
        ("binary mult-adds", Align::Right),
        ("bytes", Align::Right),
    ]);
    // A layer without any is easier to see past than a column of zeros.
    let number = |n: usize| if n == 0 { "-".into() } else { grouped(n) };
    for row in rows {
        out.row(vec![
            row.name.clone(),
            row.kind.clone(),
            row.output.to_string(),
            number(row.params_f32),
            number(row.params_bit),
            number(row.madds_f32),
            number(row.madds_bit),
            number(row.bytes),
        ]);
    }
    let totals = Totals::of(rows);
    out.rule();
    out.row(vec![
        "total".into(),
        String::new(),
        String::new(),
        grouped(totals.params_f32),
        grouped(totals.params_bit),
        grouped(totals.madds_f32),
        grouped(totals.madds_bit),
        grouped(totals.bytes),
    ]);
    out.print()
}

/// A file of weights: the tensors, and the network where the file names it.
fn show_weights(path: &Path, context: &Context) -> Outcome {
    let (mut tensors, best) = weights::read(path)?;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    if context.json {
        let list: Vec<_> = tensors
            .iter()
            .map(|t| json!({ "name": t.name, "shape": t.shape }))
            .collect();
        return output::json(&json!({
            "event": "inspect", "file": output::path(path), "about": output::value(&best), "tensors": list,
        }));
    }
    output::line(&output::bold(&path.display().to_string()))?;
    if let Some(best) = &best {
        let epoch = match best.epoch {
            0 => "imported".to_string(),
            n => format!("epoch {n}"),
        };
        output::pairs(&[
            ("model", best.model.name.clone()),
            ("data set", best.dataset.clone()),
            (
                "weights",
                format!("{epoch}, seed {}, slope {}", best.seed, best.slope),
            ),
        ])?;
        output::line("")?;
    }
    print_tensors(&tensors)?;
    if let Some(best) = best {
        output::line("")?;
        print_table(&table(&best.model)?)?;
    }
    Ok(())
}

fn print_tensors(tensors: &[NamedTensor]) -> Outcome {
    let mut out = Table::new(&[
        ("tensor", Align::Left),
        ("shape", Align::Left),
        ("numbers", Align::Right),
        ("bytes", Align::Right),
    ]);
    let (mut numbers, mut bytes) = (0, 0);
    for tensor in tensors {
        let (n, size) = match &tensor.data {
            Data::F32(x) => (x.len(), 4),
            Data::I64(x) => (x.len(), 8),
        };
        (numbers, bytes) = (numbers + n, bytes + n * size);
        let shape: Vec<_> = tensor.shape.iter().map(usize::to_string).collect();
        out.row(vec![
            tensor.name.clone(),
            format!("({})", shape.join(",")),
            grouped(n),
            grouped(n * size),
        ]);
    }
    out.rule();
    out.row(vec![
        "total".into(),
        String::new(),
        grouped(numbers),
        grouped(bytes),
    ]);
    out.print()
}
