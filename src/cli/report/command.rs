//! The recipe and the command that train a run, made from its configuration and checked:
//! they have to give that configuration.

use bnn_cpu::data::{DatasetChoice, digits};
use bnn_cpu::train::{Config, ModelSource, PartialConfig, PartialData, PartialModel};
use serde_json::Value;

use super::super::{flags, train};

/// A command, the recipe of the same run, and what must be known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The line.
    pub line: String,
    /// The recipe, as JSON.
    pub recipe: String,
    /// Empty if there is nothing to say.
    pub note: String,
}

/// The command and the recipe of a run with that configuration.
pub fn of(config: &Config) -> Command {
    let (mut recipe, exact) = PartialConfig::of(config);
    let mut notes = Vec::new();
    let model: &mut PartialModel = recipe.model.get_or_insert_default();
    if matches!(model.from, Some(ModelSource::Own(_))) {
        model.from = Some(train::OWN_MODEL.into());
        notes.push(format!(
            "The network is one of its own: save the field `model` of the configuration below as {}.",
            train::OWN_MODEL
        ));
    }
    if !config.dataset.is_mnist() {
        let mut data = PartialData::default();
        if config.dataset.name == digits::NAME {
            data.set = Some(DatasetChoice::Digits.name().into());
        } else {
            let choice = DatasetChoice::of_set(&config.dataset.name);
            data.set = Some(choice.name().into());
            data.folder = Some("DIR".into());
            notes.push(format!(
                "DIR is the folder or the file of {}.",
                config.dataset.name
            ));
            if let Some(source) = &config.dataset.source {
                let options = source.options;
                (data.size, data.resize) = (options.size, options.resize);
                data.backdrop = options.backdrop;
                // What the files have parts for is not split.
                data.split_by = options.split_by;
            }
        }
        recipe.dataset = Some(data);
    }
    let (words, all) = words(&recipe);
    if !exact {
        notes.push("No settings give exactly the configuration below; these come nearest.".into());
    } else if !all {
        notes.push("No flags give all of the settings; the recipe has them.".into());
    }
    Command {
        line: words.join(" "),
        recipe: serde_json::to_string_pretty(&recipe).unwrap_or_default(),
        note: notes.join(" "),
    }
}

/// The command with those settings, and whether flags state all of them.
fn words(recipe: &PartialConfig) -> (Vec<String>, bool) {
    let mut words = ["bnn-cpu", "train"].map(String::from).to_vec();
    if let Some(from) = recipe.get("model.from") {
        words.extend(["--model".into(), flags::text(&from)]);
    }
    for flag in flags::all() {
        let Some(value) = recipe.get(flag.field) else {
            continue;
        };
        match (flag.is_switch(), &value) {
            (true, Value::Bool(true)) => words.push(format!("--{}", flag.name)),
            (true, _) => {}
            (false, value) => words.extend([format!("--{}", flag.name), flags::text(value)]),
        }
    }
    for (flag, field) in [
        ("--dataset", "dataset.set"),
        ("--data", "dataset.folder"),
        ("--size", "dataset.size"),
        ("--resize", "dataset.resize"),
        ("--backdrop", "dataset.backdrop"),
        ("--split-by", "dataset.split_by"),
    ] {
        if let Some(value) = recipe.get(field) {
            words.extend([flag.into(), flags::text(&value)]);
        }
    }
    let statistics = recipe.states("model.statistics");
    (words, !statistics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bnn_cpu::data::Ground;
    use bnn_cpu::data::reading::{Options, Resize, Source};
    use bnn_cpu::model::Pixels;
    use bnn_cpu::tensor::Shape;
    use bnn_cpu::train::{DatasetRecord, Subject};
    use clap::{Args as _, FromArgMatches as _};

    fn subject() -> Subject {
        Subject {
            record: DatasetRecord {
                name: "MNIST".into(),
                sha256: bnn_cpu::data::mnist::FINGERPRINT.into(),
                sha256_inferred: false,
                train: 60_000,
                test: 10_000,
                classes: 10,
                background: None,
                ground: Ground::default(),
                source: None,
            },
            input: Shape::image(1, 28, 28),
            pixels: Pixels::normalised(0.1307, 0.3081),
        }
    }

    /// The configuration that a line of `train` gives on MNIST.
    fn config(line: &str) -> Config {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        let command = train::Args::augment_args(clap::Command::new("train").no_binary_name(true));
        let matches = command.try_get_matches_from(&words).unwrap();
        let args = train::Args::from_arg_matches(&matches).unwrap();
        let stated = args.stated().unwrap();
        stated.whole().complete(&subject()).unwrap()
    }

    #[test]
    fn a_configuration_becomes_the_flags_and_the_recipe_that_gave_it() {
        for line in [
            "",
            "--binary none",
            "--model mlp --mode stoch --epochs 100 --anneal exp --seed 3",
            "--mode stoch --estimator reinforce+local-expectation --samples 4",
            "--mode stoch --estimator reinforce --baseline ema",
            "--mode stoch --estimator gumbel --temperature 0.4 --temperature-rate 0.95",
            "--binary first --probability sigmoid --momentum 0.8 --nesterov --weight-decay 0.0001",
            "--epochs 40 --augment affine --optimizer adam --lr 0.005 --lr-schedule one-cycle --anneal linear --slope-start 2 --slope-rate 0.15 --slope-max 8",
            "--batch 32 --val-fraction 0.2 --optimizer adamw --eps 0.000001 --lr-schedule step --lr-every 2",
            "--lr-schedule cosine --lr-min 0.001",
            "--anneal linear --slope-start 8 --slope-max 9",
            "--model xnor-large",
            "--weights binary",
            "--levels -1/+1",
            "--model mlp --weights binary --mode stoch --levels -1/+1",
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
            let recipe = PartialConfig::parse(&command.recipe, std::path::Path::new("r.json"));
            assert_eq!(
                recipe.unwrap().complete(&subject()).unwrap(),
                config,
                "{line}"
            );
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
        let command = of(&config);
        assert!(
            command
                .note
                .contains("DIR is the folder or the file of fashion")
        );
        assert!(command.line.ends_with("--dataset files --data DIR"));
        // How pictures were read is stated, so that the same set is made of them.
        config.dataset.source = Some(Source {
            place: "/somewhere".into(),
            options: Options {
                size: "9x8".parse().ok(),
                resize: Some(Resize::Fit),
                ..Options::default()
            },
        });
        let line = of(&config).line;
        assert!(
            line.ends_with("--data DIR --size 9x8 --resize fit"),
            "{line}"
        );
    }
}
