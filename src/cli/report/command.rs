//! The command that trains a run, made from its configuration and checked: the flags
//! are parsed again, and have to give that configuration.

use bnn_cpu::data::digits;
use bnn_cpu::model::{ModelSpec, PRESETS};
use bnn_cpu::report::Row;
use bnn_cpu::report::reference::{firing_name, placement_name};
use bnn_cpu::train::{Baseline, Config, LrSchedule, OptimiserSpec, SlopeKind};
use clap::{Args as _, FromArgMatches as _};

use super::super::train;

/// A command and what must be known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The line.
    pub line: String,
    /// Empty if there is nothing to say.
    pub note: String,
}

/// The command of a run with that configuration.
pub fn of(config: &Config) -> Command {
    let settings = settings(config);
    for network in presets(&config.model) {
        let flags: Vec<String> = network.into_iter().chain(settings.clone()).collect();
        if gives(&flags, config) {
            return finish(flags, config, String::new());
        }
    }
    let own = ["--model".to_string(), train::OWN_MODEL.to_string()];
    let flags: Vec<String> = own.into_iter().chain(settings).collect();
    let note = match gives(&flags, config) {
        true => format!(
            "The network is one of its own: save the field `model` of the configuration below as {}.",
            train::OWN_MODEL
        ),
        false => "No flags give exactly the configuration below; the command comes nearest.".into(),
    };
    finish(flags, config, note)
}

fn finish(mut flags: Vec<String>, config: &Config, mut note: String) -> Command {
    match config.dataset.name.as_str() {
        _ if config.dataset.is_mnist() => {}
        digits::NAME => flags.extend(["--dataset".into(), "digits".into()]),
        name => {
            flags.extend(["--dataset", "idx", "--data", "DIR"].map(String::from));
            note += &format!(" DIR is the folder of {name}.");
        }
    }
    let words: Vec<String> = ["bnn-cpu", "train"]
        .map(String::from)
        .into_iter()
        .chain(flags)
        .collect();
    Command {
        line: words.join(" "),
        note: note.trim().to_string(),
    }
}

/// Whether those flags of `train` describe that configuration.
fn gives(flags: &[String], config: &Config) -> bool {
    let command = train::Args::augment_args(clap::Command::new("train").no_binary_name(true));
    let Ok(matches) = command.try_get_matches_from(flags) else {
        return false;
    };
    let args = train::Args::from_arg_matches(&matches);
    let found = args.ok().and_then(|args| args.config_like(config).ok());
    found.is_some_and(|found| found == *config)
}

/// The presets that the network may come from by its name, their binary units placed:
/// with the weights that they have, and with those that `--weights` gives them.
fn presets(model: &ModelSpec) -> Vec<Vec<String>> {
    let Some(row) = Row::of(model) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, _) in PRESETS {
        let Some(suffix) = model.name.strip_prefix(name) else {
            continue;
        };
        // Other weights give the network another name.
        let weights = match suffix {
            "" => None,
            "-binary-weights" => Some("binary"),
            "-real-weights" => Some("real"),
            _ => continue,
        };
        let mut flags = Flags::default();
        flags.unless(name == "seed-net", "--model", name);
        let placement = placement_name(row.placement);
        flags.unless(placement == "both", "--binary", placement);
        if let Some((mode, estimator)) = &row.binary {
            let mode = firing_name(*mode);
            flags.unless(mode == "det", "--mode", mode);
            flags.unless(estimator == "st", "--estimator", estimator);
        }
        if let Some(link) = row.link {
            flags.unless(false, "--link", link.name());
        }
        flags.unless(weights.is_none(), "--weights", weights.unwrap_or_default());
        found.push(flags.0);
    }
    found
}

#[derive(Default)]
struct Flags(Vec<String>);

impl Flags {
    fn unless(&mut self, default: bool, flag: &str, value: impl ToString) {
        if !default {
            self.0.extend([flag.to_string(), value.to_string()]);
        }
    }
}

/// Everything beside the network; only what is not the default.
fn settings(config: &Config) -> Vec<String> {
    let plain = Config::reference(config.model.clone(), config.dataset.clone());
    let mut flags = Flags::default();
    let mut add = |default, flag: &str, value: String| flags.unless(default, flag, value);
    add(
        config.epochs == plain.epochs,
        "--epochs",
        config.epochs.to_string(),
    );
    add(
        config.batch == plain.batch,
        "--batch",
        config.batch.to_string(),
    );
    add(
        config.val_fraction == plain.val_fraction,
        "--val-fraction",
        config.val_fraction.to_string(),
    );
    add(
        config.init == plain.init,
        "--init",
        config.init.name().into(),
    );
    add(
        config.augment == plain.augment,
        "--augment",
        config.augment.name().into(),
    );
    let name = config.optimiser.name();
    add(name == plain.optimiser.name(), "--optimizer", name.into());
    let usual = if name == "sgd" { 0.1 } else { 0.001 };
    add(config.lr == usual, "--lr", config.lr.to_string());
    match config.optimiser {
        OptimiserSpec::Sgd {
            momentum,
            nesterov,
            weight_decay,
        } => {
            add(momentum == 0.9, "--momentum", momentum.to_string());
            if nesterov {
                flags.0.push("--nesterov".into());
            }
            flags.unless(weight_decay == 0.0, "--weight-decay", weight_decay);
        }
        OptimiserSpec::Adam {
            beta1,
            beta2,
            eps,
            weight_decay,
        }
        | OptimiserSpec::AdamW {
            beta1,
            beta2,
            eps,
            weight_decay,
        } => {
            add(beta1 == 0.9, "--beta1", beta1.to_string());
            add(beta2 == 0.999, "--beta2", beta2.to_string());
            add(eps == 1e-8, "--eps", eps.to_string());
            let usual = if name == "adamw" { 0.01 } else { 0.0 };
            add(
                weight_decay == usual,
                "--weight-decay",
                weight_decay.to_string(),
            );
        }
    }
    schedules(config, &mut flags);
    flags.unless(config.seed == plain.seed, "--seed", config.seed);
    flags.0
}

fn schedules(config: &Config, flags: &mut Flags) {
    let name = config.lr_schedule.name();
    flags.unless(name == "constant", "--lr-schedule", name);
    match config.lr_schedule {
        LrSchedule::Constant => {}
        LrSchedule::Step { every, factor } => {
            flags.unless(every == 3, "--lr-every", every);
            flags.unless(factor == 0.5, "--lr-factor", factor);
        }
        LrSchedule::Cosine { min } => flags.unless(min == 0.0, "--lr-min", min),
        LrSchedule::OneCycle {
            rise,
            start_divisor,
            final_divisor,
        } => {
            flags.unless(rise == 0.3, "--lr-rise", rise);
            flags.unless(start_divisor == 25.0, "--lr-start-divisor", start_divisor);
            flags.unless(final_divisor == 1e4, "--lr-final-divisor", final_divisor);
        }
    }
    let slope = config.slope;
    let usual = bnn_cpu::train::SlopeSchedule::new(slope.kind);
    let kind = serde_json::json!(slope.kind);
    let none = slope.kind == SlopeKind::None;
    flags.unless(none, "--anneal", kind.as_str().unwrap_or_default());
    flags.unless(slope.start == usual.start, "--slope-start", slope.start);
    flags.unless(slope.rate == usual.rate, "--slope-rate", slope.rate);
    flags.unless(slope.max == usual.max, "--slope-max", slope.max);
    let mut suited = config.clone();
    suited.samples = 1;
    suited.suit_samples();
    flags.unless(
        config.samples == suited.samples,
        "--samples",
        config.samples,
    );
    suited.samples = config.samples;
    suited.suit_baseline();
    let usual = config.baseline == suited.baseline || !takes_one(config);
    flags.unless(usual, "--baseline", config.baseline.name());
    let (t, usual) = (
        config.temperature,
        bnn_cpu::train::TemperatureSchedule::default(),
    );
    flags.unless(t.start == usual.start, "--temperature", t.start);
    flags.unless(t.rate == usual.rate, "--temperature-rate", t.rate);
    flags.unless(t.min == usual.min.min(t.start), "--temperature-min", t.min);
}

fn takes_one(config: &Config) -> bool {
    config.model.takes_baseline() || config.baseline != Baseline::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use bnn_cpu::train::DatasetRecord;

    /// The configuration that a line of `train` gives on MNIST.
    fn config(line: &str) -> Config {
        let flags: Vec<String> = line.split_whitespace().map(String::from).collect();
        let command = train::Args::augment_args(clap::Command::new("train").no_binary_name(true));
        let matches = command.try_get_matches_from(&flags).unwrap();
        let args = train::Args::from_arg_matches(&matches).unwrap();
        let shape = bnn_cpu::tensor::Shape::image(1, 28, 28);
        let model = bnn_cpu::model::preset("seed-net", shape, 10).unwrap();
        let dataset = DatasetRecord {
            name: "MNIST".into(),
            sha256: bnn_cpu::data::mnist::FINGERPRINT.into(),
            sha256_inferred: false,
            train: 60_000,
            test: 10_000,
            classes: 10,
            background: None,
        };
        let mut stored = Config::reference(model, dataset);
        stored.model.pixels = Some(bnn_cpu::model::Pixels::normalised(0.1307, 0.3081));
        args.config_like(&stored).unwrap()
    }

    #[test]
    fn a_configuration_becomes_the_flags_that_gave_it() {
        for line in [
            "",
            "--binary none",
            "--model mlp --mode stoch --epochs 100 --anneal exp --seed 3",
            "--mode stoch --estimator reinforce+local-expectation --samples 4",
            "--mode stoch --estimator reinforce --baseline ema",
            "--mode stoch --estimator gumbel --temperature 0.4 --temperature-rate 0.95",
            "--binary first --link sigmoid --momentum 0.8 --nesterov --weight-decay 0.0001",
            "--epochs 40 --augment affine --optimizer adam --lr 0.005 --lr-schedule one-cycle --anneal linear --slope-start 2 --slope-rate 0.15 --slope-max 8",
            "--batch 32 --val-fraction 0.2 --optimizer adamw --eps 0.000001 --lr-schedule step --lr-every 2",
            "--lr-schedule cosine --lr-min 0.001",
            "--model xnor-large",
            "--weights binary",
            "--model mlp --weights binary --mode stoch",
            "--model xnor-net --weights real --epochs 2",
        ] {
            let config = config(line);
            let command = of(&config);
            let back = command.line.strip_prefix("bnn-cpu train").unwrap();
            assert_eq!(self::config(back), config, "{line}: {}", command.line);
            assert_eq!(command.note, "", "{line}");
            let words = line.split_whitespace().count();
            assert!(back.split_whitespace().count() <= words, "{line}: {back}");
        }
    }

    #[test]
    fn a_network_of_its_own_is_a_file() {
        let mut config = config("--epochs 3");
        config.model.name = "mine".into();
        let command = of(&config);
        assert_eq!(command.line, "bnn-cpu train --model net.json --epochs 3");
        assert!(command.note.contains("save the field `model`"));
        config.dataset.name = "fashion".into();
        config.dataset.sha256 = "5".repeat(64);
        assert!(of(&config).note.contains("DIR is the folder of fashion"));
    }
}
