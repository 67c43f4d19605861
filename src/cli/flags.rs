//! The flags that state settings: each with its field of a configuration, so that the
//! command line, a recipe and a report mean the same by them.

mod lists;

use bnn_cpu::Error;
use bnn_cpu::data::Augment;
use bnn_cpu::estimators::{self, Firing, Probability};
use bnn_cpu::layers::{Distance, Head, Levels, Weights};
use bnn_cpu::model::{Init, Placement, PoolForm};
use bnn_cpu::train::{
    Baseline, LrSchedule, MAX_EPOCHS, OptimiserSpec, PartialConfig, PixelChoice, SlopeKind, Task,
    firing_name,
};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value, json};

/// A flag that states a setting.
pub struct Flag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// A name that it had, which is taken for it.
    formerly: Option<&'static str>,
    /// The path of its field in a configuration.
    pub field: &'static str,
    /// What its value is.
    kind: Kind,
    /// What its value is called in help; empty for a switch.
    value: &'static str,
    heading: &'static str,
    help: &'static str,
}

/// What a value is.
enum Kind {
    /// A whole number from 1 to that.
    Count(usize),
    /// A whole number.
    Whole,
    /// A number of 0 or more and below 1.
    Share,
    /// A number above 0.
    Positive,
    /// A number of 0 or more.
    NotNegative,
    /// One of these names.
    Choice(fn() -> Vec<&'static str>),
    /// Names of estimators, joined by `+`.
    Estimators,
    /// Which activations: a word or their numbers.
    Places,
    /// It is there or not.
    Switch,
}

const NETWORK: &str = "Network";
const TRAINING: &str = "Training";
const OPTIMISER: &str = "Optimiser";
const SCHEDULES: &str = "Schedules";
const SAMPLING: &str = "Sampling";
const FEW_SHOT: &str = "Few-shot learning";

const fn flag(
    name: &'static str,
    field: &'static str,
    kind: Kind,
    value: &'static str,
    heading: &'static str,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        formerly: None,
        field,
        kind,
        value,
        heading,
        help,
    }
}

use Kind::{Choice, Count, Estimators, NotNegative, Places, Positive, Share, Switch, Whole};

/// Which activations of a network are binary, and how.
#[rustfmt::skip]
const UNITS: [Flag; 9] = [
    flag("binary", "model.binary", Places, "WHICH", NETWORK,
        "Which activations are binary: none, first, last, both (all of them), or their numbers from the first in the spec on, as 1,3; of a mixed net those of the branch of ReLUs come first [default: both; a JSON file, a mixed net and omniglot-binary keep their own, and few-shot-encoder its ReLUs]"),
    flag("pool", "model.pool", Choice(|| PoolForm::ALL.map(PoolForm::name).to_vec()), "FORM", NETWORK,
        "How the blocks of plain-net, mixed-net and omniglot-* halve an image: max, a max-pool of 2; stride, convolutions of stride 2, as in the preset with -stride behind its name [default: max]"),
    flag("pixels", "model.pixels", Choice(|| PixelChoice::ALL.map(PixelChoice::name).to_vec()), "HOW", NETWORK,
        "What pixels are to the network. normalised: by the mean and deviation of the data set; unit: divided by 255 alone; integer: 0 to 255 [default: normalised; integer before binary weights; a JSON file may say its own]"),
    flag("mode", "model.mode", Choice(modes), "MODE", NETWORK,
        "How binary units fire. det: [x > 0]; stoch: 1 with the probability that --probability gives a*x, a the slope. Estimators that learn from samples draw them in training also where units are deterministic in evaluation [default: det]"),
    flag("estimator", "model.estimator", Estimators, "NAME", NETWORK,
        "Gradient estimator of binary units, of those that `bnn-cpu estimators` lists; a list such as disarm+local-expectation goes from the first binary layer to the last [default: st, straight-through]"),
    flag("probability", "model.probability", Choice(|| Probability::ALL.map(Probability::name).to_vec()), "NAME", NETWORK,
        "Probability of a bit as a function of a*x: hard-sigmoid is (clip(a*x, -1, 1) + 1)/2, sigmoid is 1/(1 + exp(-a*x)) [default: the estimator's own]")
        .formerly("link"),
    flag("levels", "model.levels", Choice(|| Levels::ALL.map(Levels::name).to_vec()), "LEVELS", NETWORK,
        "Which two numbers binary units emit: their bit h, or 2h - 1. The border of a convolution stays 0 [default: 0/1; a JSON file keeps its own]"),
    flag("weights", "model.weights", Choice(|| Weights::ALL.map(Weights::name).to_vec()), "KIND", NETWORK,
        "What every layer multiplies by. binary: the signs of the weights, with integer pixels, and a batch norm after each layer in place of its bias [default: real; binary for xnor-net and xnor-large]"),
    flag("width-last", "model.last_width", Count(1 << 16), "N", NETWORK,
        "Channels of the last convolution, and so the bits or numbers of a few-shot embedding [default: the network's own]"),
];

/// Everything about a run beside its network, its samples and its data.
#[rustfmt::skip]
const SETTINGS: [Flag; 27] = [
    flag("epochs", "epochs", Count(MAX_EPOCHS), "N", TRAINING,
        "Passes over the training images [default: 10]"),
    flag("batch", "batch", Count(usize::MAX), "N", TRAINING,
        "Images in a step [default: 64; one episode of a few-shot run]"),
    flag("val-fraction", "val_fraction", Share, "SHARE", TRAINING,
        "Share of the training images kept for validation; the epoch with the lowest validation loss is tested [default: 0.1]"),
    flag("seed", "seed", Whole, "N", TRAINING,
        "Of weights, split, order, noise and augmentation [default: 1]"),
    flag("init", "init", Choice(|| Init::ALL.map(Init::name).to_vec()), "NAME", TRAINING,
        "How weights begin [default: pytorch]"),
    flag("augment", "augment", Choice(|| Augment::ALL.map(Augment::name).to_vec()), "KIND", TRAINING,
        "What is done to training images, anew in each epoch; what comes in from outside has the most frequent value of the images' borders [default: none]"),
    flag("clip-norm", "clip_norm", NotNegative, "X", TRAINING,
        "The largest norm of a step's gradient; 0 clips nothing [default: 0; 1 for few-shot runs]"),
    flag("optimizer", "optimiser.name", Choice(|| OptimiserSpec::ALL.map(|o| o.name()).to_vec()), "NAME", OPTIMISER,
        "Optimiser [default: sgd]")
        .formerly("optimiser"),
    flag("lr", "lr", Positive, "X", OPTIMISER,
        "Learning rate; the peak, where it is scheduled [default: 0.1 for sgd, 0.001 for adam and adamw]"),
    flag("momentum", "optimiser.momentum", Share, "X", OPTIMISER,
        "sgd: momentum [default: 0.9]"),
    flag("nesterov", "optimiser.nesterov", Switch, "", OPTIMISER,
        "sgd: Nesterov's look-ahead"),
    flag("weight-decay", "optimiser.weight_decay", NotNegative, "X", OPTIMISER,
        "L2 penalty; for adamw the decay of the weight itself [default: 0; 0.01 for adamw]"),
    flag("beta1", "optimiser.beta1", Share, "X", OPTIMISER,
        "adam, adamw: decay of the first moment [default: 0.9]"),
    flag("beta2", "optimiser.beta2", Share, "X", OPTIMISER,
        "adam, adamw: decay of the second moment [default: 0.999]"),
    flag("eps", "optimiser.eps", Positive, "X", OPTIMISER,
        "adam, adamw: added to the root of the second moment [default: 1e-8]"),
    flag("lr-schedule", "lr_schedule.name", Choice(|| LrSchedule::ALL.map(|s| s.name()).to_vec()), "NAME", SCHEDULES,
        "How the learning rate changes; formulas below [default: constant]"),
    flag("lr-every", "lr_schedule.every", Count(usize::MAX), "N", SCHEDULES,
        "step: epochs between two changes [default: 3]"),
    flag("lr-factor", "lr_schedule.factor", Positive, "X", SCHEDULES,
        "step, plateau: what the rate is multiplied by [default: 0.5; 0.1 for plateau]"),
    flag("lr-patience", "lr_schedule.patience", Whole, "N", SCHEDULES,
        "plateau: epochs on end without a lower validation loss that are put up with [default: 10]"),
    flag("lr-min", "lr_schedule.min", NotNegative, "X", SCHEDULES,
        "cosine: the last rate; plateau: the least [default: 0]"),
    flag("lr-rise", "lr_schedule.rise", Positive, "X", SCHEDULES,
        "one-cycle: share of the steps that go up [default: 0.3]"),
    flag("lr-start-divisor", "lr_schedule.start_divisor", Positive, "X", SCHEDULES,
        "one-cycle: the first rate is the peak divided by this [default: 25]"),
    flag("lr-final-divisor", "lr_schedule.final_divisor", Positive, "X", SCHEDULES,
        "one-cycle: the last rate is the first divided by this [default: 10000]"),
    flag("anneal", "slope.kind", Choice(|| SlopeKind::ALL.map(SlopeKind::name).to_vec()), "NAME", SCHEDULES,
        "How the slope of hard sigmoids and binary units changes; formulas below [default: none]"),
    flag("slope-start", "slope.start", Positive, "X", SCHEDULES,
        "The slope of the first epoch [default: 1]"),
    flag("slope-rate", "slope.rate", NotNegative, "X", SCHEDULES,
        "linear, exp, step: see the formulas [default: 0.04, 1.005, 3]"),
    flag("slope-max", "slope.max", Positive, "X", SCHEDULES,
        "linear, exp, step, cosine: the slope never passes this [default: 5]"),
];

/// How estimators draw samples, and what they learn from them.
#[rustfmt::skip]
const SAMPLES: [Flag; 5] = [
    flag("samples", "samples", Count(4096), "K", SAMPLING,
        "Samples of an image in a step; the layers below the first binary one run once whatever their number [default: 1; 2 where an estimator needs them]"),
    flag("baseline", "baseline", Choice(|| Baseline::ALL.map(Baseline::name).to_vec()), "NAME", SAMPLING,
        "What score functions take from a loss [default: loo with several samples, else batch, where the estimator takes one]"),
    flag("temperature", "temperature.start", Positive, "T", SAMPLING,
        "Temperature of relaxed bits in the first epoch [default: 1]"),
    flag("temperature-rate", "temperature.rate", Positive, "X", SAMPLING,
        "What the temperature is multiplied by from epoch to epoch [default: 0.9]"),
    flag("temperature-min", "temperature.min", Positive, "T", SAMPLING,
        "The least temperature [default: 0.5]"),
];

/// Learning classes from a few pictures.
#[rustfmt::skip]
const TASK: [Flag; 15] = [
    flag("task", "task.name", Choice(|| Task::NAMES.to_vec()), "NAME", FEW_SHOT,
        "What is learned: to tell the classes of the data set apart, or classes never seen, from a few pictures of each [default: classify]"),
    flag("way", "task.way", Count(MOST), "N", FEW_SHOT,
        "Classes of an episode of a validation or a test [default: 5]"),
    flag("shot", "task.shot", Count(MOST), "N", FEW_SHOT,
        "Pictures of each class in the support set [default: 1]"),
    flag("queries", "task.queries", Count(MOST), "N", FEW_SHOT,
        "Queries of each class [default: 15]"),
    flag("train-way", "task.train_way", Count(MOST), "N", FEW_SHOT,
        "Classes of an episode of training [default: 20]"),
    flag("train-shot", "task.train_shot", Count(MOST), "N", FEW_SHOT,
        "Pictures of each class in the support set in training [default: as --shot]"),
    flag("train-queries", "task.train_queries", Count(MOST), "N", FEW_SHOT,
        "Queries of each class in training [default: 5]"),
    flag("episodes", "task.episodes", Count(MOST), "N", FEW_SHOT,
        "Episodes of training in an epoch [default: 100]"),
    flag("head", "task.head", Choice(|| Head::ALL.iter().map(|h| h.name()).collect()), "HEAD", FEW_SHOT,
        "matching: softmax attention over all pictures of the support set; prototypical: a class is the mean of its pictures. With one picture a class they are one function [default: matching]"),
    flag("distance", "task.distance", Choice(|| Distance::ALL.iter().map(|d| d.name()).collect()), "NAME", FEW_SHOT,
        "Between embeddings: squared Euclidean (of bits the Hamming distance), or cosine [default: squared]"),
    flag("scale", "task.scale", Positive, "X", FEW_SHOT,
        "What minus the distance is multiplied by before the softmax [default: 1 for squared, 10 for cosine]"),
    flag("rotations", "task.rotations", Switch, "", FEW_SHOT,
        "Characters turned by 90, 180 and 270 degrees are further characters in training"),
    flag("test-alphabets", "task.test_alphabets", Count(MOST), "N", FEW_SHOT,
        "Alphabets that are tested on and never trained on; of a set without alphabets, classes [default: 8]"),
    flag("val-alphabets", "task.val_alphabets", Count(MOST), "N", FEW_SHOT,
        "Alphabets that the best epoch is chosen by [default: 3]"),
    flag("eval-episodes", "task.eval_episodes", Count(MOST), "N", FEW_SHOT,
        "Episodes of a validation, and of the test [default: 1000]"),
];

/// The most classes, pictures and episodes of a few-shot run.
const MOST: usize = 1 << 20;

/// Words that mean a name of a choice.
const WORDS: [(&str, &str); 6] = [
    ("deterministic", "det"),
    ("stochastic", "stoch"),
    ("bits", "0/1"),
    ("signs", "-1/+1"),
    ("+1/-1", "-1/+1"),
    ("logistic", "sigmoid"),
];

fn with_aliases(name: &'static str) -> PossibleValue {
    let words = WORDS.iter().filter(|(_, of)| *of == name);
    PossibleValue::new(name).aliases(words.map(|(word, _)| *word))
}

/// The name that a word means, or the word itself.
fn own_word(word: String) -> String {
    let known = WORDS.iter().find(|(given, _)| *given == word);
    known.map_or(word, |(_, name)| (*name).to_string())
}

fn modes() -> Vec<&'static str> {
    [Firing::Deterministic, Firing::Stochastic]
        .map(firing_name)
        .to_vec()
}

/// Every flag that states a setting, names before what belongs to them.
pub fn all() -> impl Iterator<Item = &'static Flag> {
    UNITS.iter().chain(&SETTINGS).chain(&SAMPLES).chain(&TASK)
}

/// The flag of a field, with its dashes; `None` where no flag states it.
pub fn of_field(field: &str) -> Option<String> {
    let own = |flag: &&Flag| flag.field == field;
    match (all().find(own), field) {
        (Some(flag), _) => Some(format!("--{}", flag.name)),
        (None, "model" | "model.from") => Some("--model".into()),
        (None, _) => None,
    }
}

/// An error as a line, with the flags that would mend it.
pub fn told(error: &Error) -> String {
    match error {
        Error::Mended { error, by } => {
            let flag = |name: &&str| of_field(name).unwrap_or_else(|| format!("--{name}"));
            let flags: Vec<String> = by.iter().map(flag).collect();
            format!("{} ({})", told(error), flags.join(", "))
        }
        Error::InUse { .. } => format!("{error} (--out)"),
        Error::Diverged(_) => format!("{error} (--lr)"),
        other => other.to_string(),
    }
}

impl Kind {
    /// Reads a value from its text.
    fn read(&self, text: &str) -> Result<Value, String> {
        let number = |fits: fn(f64) -> bool, what: &str| match text.parse::<f64>() {
            Ok(x) if x.is_finite() && fits(x) => Ok(json!(x)),
            _ => Err(format!("it must be {what}")),
        };
        match self {
            Kind::Count(most) => match (text.parse::<usize>(), *most) {
                (Ok(n), most) if (1..=most).contains(&n) => Ok(json!(n)),
                (_, usize::MAX) => Err("it must be a whole number of 1 or more".into()),
                _ => Err(format!("it must be a whole number from 1 to {most}")),
            },
            Kind::Whole => match text.parse::<u64>() {
                Ok(n) => Ok(json!(n)),
                Err(_) => Err("it must be a whole number of 0 or more".into()),
            },
            Kind::Share => number(
                // Rounded to 32 bits, a number just below 1 is 1.
                |x| (0.0..1.0).contains(&x) && (x as f32) < 1.0,
                "a number from 0 up to but not including 1",
            ),
            Kind::Positive => number(|x| x > 0.0, "a number above 0"),
            Kind::NotNegative => number(|x| x >= 0.0, "a number of 0 or more"),
            Kind::Choice(names) => {
                let word = own_word(text.to_string());
                match names().contains(&&*word) {
                    true => Ok(word.into()),
                    false => Err(format!("choose from {}", names().join(", "))),
                }
            }
            Kind::Estimators => {
                for name in text.split('+') {
                    estimators::by_name(name, None).map_err(|e| e.to_string())?;
                }
                Ok(text.into())
            }
            Kind::Places => match text.parse::<Placement>() {
                Ok(placement) => Ok(placement.to_string().into()),
                Err(why) => Err(why),
            },
            Kind::Switch => match text {
                "true" | "false" => Ok((text == "true").into()),
                _ => Err("it must be true or false".into()),
            },
        }
    }
}

/// As many epochs as a run can have.
pub fn epochs(text: &str) -> Result<usize, String> {
    let value = Count(MAX_EPOCHS).read(text)?;
    Ok(value.as_u64().unwrap_or_default() as usize)
}

/// A value as one writes it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => n.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

impl Flag {
    /// The same flag, which had another name once.
    const fn formerly(self, name: &'static str) -> Self {
        Self {
            formerly: Some(name),
            ..self
        }
    }

    /// Whether a key of a recipe names it, by its name, its former one or its field.
    pub fn is(&self, key: &str) -> bool {
        self.name == key || self.field == key || self.formerly == Some(key)
    }

    /// Whether it has no value.
    pub fn is_switch(&self) -> bool {
        matches!(self.kind, Kind::Switch)
    }

    /// Reads the value of a recipe as the flag reads its text.
    pub fn read(&self, value: &Value) -> Result<Value, String> {
        let read = match value {
            Value::String(_) | Value::Number(_) | Value::Bool(_) => self.kind.read(&text(value)),
            _ => Err("it must be a number or a text".into()),
        };
        read.map_err(|why| format!("{value}: {why}"))
    }

    fn arg(&'static self) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.name)
            .help(self.help)
            .aliases(self.formerly)
            .help_heading(self.heading);
        let parser = match &self.kind {
            Kind::Switch => return arg.action(ArgAction::SetTrue),
            Kind::Choice(names) => {
                let names = names().into_iter().map(with_aliases);
                let parser = PossibleValuesParser::new(names);
                ValueParser::new(parser.map(|given| Value::String(own_word(given))))
            }
            kind => ValueParser::new(|text: &str| kind.read(text)),
        };
        // A name such as -1/+1 is no flag.
        arg.value_name(self.value)
            .value_parser(parser)
            .allow_hyphen_values(self.is_signed())
    }

    /// Whether a name that it takes begins like a flag.
    fn is_signed(&self) -> bool {
        matches!(self.kind, Kind::Choice(names) if names().iter().any(|n| n.starts_with('-')))
    }

    fn given(&self, matches: &ArgMatches) -> Option<Value> {
        match self.kind {
            Kind::Switch => matches.get_flag(self.name).then_some(true.into()),
            _ => matches.get_one::<Value>(self.name).cloned(),
        }
    }
}

/// Puts a value at the path of a field.
pub fn put(at: &mut Map<String, Value>, field: &str, value: Value) {
    match field.split_once('.') {
        None => drop(at.insert(field.into(), value)),
        Some((head, rest)) => {
            let below = at.entry(head).or_insert_with(|| Map::new().into());
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

/// Flags of a subcommand, as the settings that they state.
macro_rules! group {
    ($(#[$about:meta])* $name:ident, $flags:ident) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default)]
        pub struct $name(pub PartialConfig);

        impl clap::FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                let mut found = Self::default();
                found.update_from_arg_matches(matches)?;
                Ok(found)
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                let mut given = Map::new();
                for flag in &$flags {
                    if let Some(value) = flag.given(matches) {
                        put(&mut given, flag.field, value);
                    }
                }
                let given: PartialConfig = serde_json::from_value(given.into())
                    .map_err(|e| clap::Error::raw(clap::error::ErrorKind::InvalidValue, e))?;
                self.0 = given.over(std::mem::take(&mut self.0));
                Ok(())
            }
        }

        impl clap::Args for $name {
            fn augment_args(command: Command) -> Command {
                command.args($flags.iter().map(Flag::arg))
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }
    };
}

group! {
    /// Which activations of a network are binary, and how.
    UnitArgs, UNITS
}

group! {
    /// Everything about a run beside its network, its samples and its data.
    Settings, SETTINGS
}

group! {
    /// How estimators draw samples, and what they learn from them.
    SamplingArgs, SAMPLES
}

group! {
    /// Learning classes from a few pictures.
    TaskArgs, TASK
}
