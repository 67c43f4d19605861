//! Flags that describe a network, shared by several subcommands.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use bnn_cpu::data::Dataset;
use bnn_cpu::estimators::{self, Firing, Link};
use bnn_cpu::files;
use bnn_cpu::layers::Weights;
use bnn_cpu::model::{ModelSpec, PRESETS, Placement, preset};
use bnn_cpu::report::Row;
use bnn_cpu::report::reference::{firing_name, placement_name};
use bnn_cpu::tensor::Shape;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{Failure, Outcome};

const PLACEMENTS: [Placement; 4] = [
    Placement::None,
    Placement::First,
    Placement::Last,
    Placement::Both,
];
const FIRINGS: [Firing; 2] = [Firing::Deterministic, Firing::Stochastic];

fn placements() -> impl TypedValueParser<Value = Placement> {
    PossibleValuesParser::new(PLACEMENTS.map(placement_name)).map(|name| {
        let found = PLACEMENTS.into_iter().find(|p| placement_name(*p) == name);
        found.unwrap_or(Placement::Both)
    })
}

fn firings() -> impl TypedValueParser<Value = Firing> {
    PossibleValuesParser::new(FIRINGS.map(firing_name)).map(|name| {
        let found = FIRINGS.into_iter().find(|f| firing_name(*f) == name);
        found.unwrap_or(Firing::Deterministic)
    })
}

/// A name, or names joined by `+`.
fn estimator_list(text: &str) -> Result<String, String> {
    for name in text.split('+') {
        estimators::by_name(name, None).map_err(|e| e.to_string())?;
    }
    Ok(text.into())
}

fn links() -> impl TypedValueParser<Value = Link> {
    PossibleValuesParser::new(Link::ALL.map(Link::name)).map(|name| {
        let found = Link::ALL.into_iter().find(|link| link.name() == name);
        found.unwrap_or(Link::HardSigmoid)
    })
}

fn weights() -> impl TypedValueParser<Value = Weights> {
    PossibleValuesParser::new(Weights::ALL.map(Weights::name)).map(|name| {
        let found = Weights::ALL.into_iter().find(|w| w.name() == name);
        found.unwrap_or_default()
    })
}

/// Which network.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Network")]
pub struct ModelArgs {
    /// seed-net, mlp, xnor-net, xnor-large, or a JSON file of one's own (`bnn-cpu inspect seed-net
    /// --json` shows the form) [default: seed-net]
    #[arg(long, value_name = "NAME|FILE.json")]
    pub model: Option<OsString>,
    #[command(flatten)]
    pub units: UnitArgs,
}

/// Which of its activations are binary, and how.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Network")]
pub struct UnitArgs {
    /// Which activations are binary [default: both; a JSON file keeps its own]
    #[arg(long, value_name = "WHICH", value_parser = placements())]
    pub binary: Option<Placement>,
    /// How binary units fire. det: [x > 0]; stoch: 1 with the probability that the
    /// link gives a*x, a the slope. Estimators that learn from samples draw them in
    /// training also where units are deterministic in evaluation [default: det]
    #[arg(long, value_name = "MODE", value_parser = firings())]
    pub mode: Option<Firing>,
    /// Gradient estimator of binary units, of those that `bnn-cpu estimators` lists;
    /// a list such as disarm+local-expectation goes from the first binary layer to
    /// the last [default: st, straight-through]
    #[arg(long, value_name = "NAME", value_parser = estimator_list)]
    pub estimator: Option<String>,
    /// Probability of a bit: hard-sigmoid is (clip(a*x, -1, 1) + 1)/2, sigmoid is
    /// 1/(1 + exp(-a*x)) [default: the estimator's own]
    #[arg(long, value_name = "NAME", value_parser = links())]
    pub link: Option<Link>,
    /// What every layer multiplies by. binary: the signs of the weights, with
    /// integer pixels, and a batch norm after each layer in place of its bias
    /// [default: real; binary for xnor-net and xnor-large]
    #[arg(long, value_name = "KIND", value_parser = weights())]
    pub weights: Option<Weights>,
}

impl UnitArgs {
    /// The first flag that was given.
    pub fn given(&self) -> Option<&'static str> {
        let binary = self.binary.map(|_| "--binary");
        let mode = self.mode.map(|_| "--mode");
        binary
            .or(mode)
            .or(self.estimator.as_ref().map(|_| "--estimator"))
            .or(self.link.map(|_| "--link"))
            .or(self.weights.map(|_| "--weights"))
    }

    fn without_weights(&self) -> Self {
        Self {
            weights: None,
            ..self.clone()
        }
    }

    /// Changes weights as asked.
    fn set_weights(&self, spec: &mut ModelSpec) {
        if let Some(kind) = self.weights {
            spec.set_weights(kind);
        }
    }

    /// Makes activations binary as asked; what is not given comes from `or`.
    fn place(&self, spec: &mut ModelSpec, or: Option<&Row>) -> Outcome {
        let placement = self.binary.or(or.map(|row| row.placement));
        let placement = placement.unwrap_or(Placement::Both);
        let units = or.and_then(|row| row.binary.as_ref());
        if placement == Placement::None {
            let unused = self.mode.map(|_| "--mode");
            let unused = unused.or(self.estimator.as_ref().map(|_| "--estimator"));
            let unused = unused.or(self.link.map(|_| "--link"));
            if let Some(flag) = unused {
                return Err(Failure::usage(format!(
                    "{flag} has no effect with --binary none, which leaves no binary unit"
                )));
            }
        }
        let mode = self.mode.or(units.map(|unit| unit.0));
        let estimator = self.estimator.as_deref().or(units.map(|unit| &*unit.1));
        spec.place(
            placement,
            mode.unwrap_or(Firing::Deterministic),
            estimator.unwrap_or("st"),
        )?;
        match self.link.or(or.and_then(|row| row.link)) {
            Some(link) => Ok(spec.set_link(Some(link))?),
            None => Ok(()),
        }
    }

    /// Whether `stored` is what `name` (or itself) becomes under these flags;
    /// else the flag that contradicts it.
    pub fn agree_with(&self, stored: &ModelSpec) -> Outcome<std::result::Result<(), &'static str>> {
        let Some(flag) = self.given() else {
            return Ok(Ok(()));
        };
        let row = Row::of(stored);
        let mut spec = stored.clone();
        self.set_weights(&mut spec);
        if spec != *stored {
            return Ok(Err("--weights"));
        }
        if self.without_weights().given().is_none() {
            return Ok(Ok(()));
        }
        self.place(&mut spec, row.as_ref())?;
        if spec == *stored {
            return Ok(Ok(()));
        }
        // With several flags, name the first that is wrong by itself.
        let alone = [
            (
                "--binary",
                UnitArgs {
                    binary: self.binary,
                    ..Self::default()
                },
            ),
            (
                "--mode",
                UnitArgs {
                    mode: self.mode,
                    ..Self::default()
                },
            ),
            (
                "--estimator",
                UnitArgs {
                    estimator: self.estimator.clone(),
                    ..Self::default()
                },
            ),
            (
                "--link",
                UnitArgs {
                    link: self.link,
                    ..Self::default()
                },
            ),
        ];
        for (flag, one) in alone {
            let mut spec = stored.clone();
            one.place(&mut spec, row.as_ref())?;
            if spec != *stored {
                return Ok(Err(flag));
            }
        }
        Ok(Err(flag))
    }
}

/// Whether a `--model` names a file rather than a preset.
pub fn is_file(model: &OsStr) -> bool {
    PRESETS.iter().all(|(name, _)| model != *name)
}

impl ModelArgs {
    /// The network for images of that shape and that many classes.
    pub fn spec(&self, input: Shape, classes: usize) -> Outcome<ModelSpec> {
        let model = self.model.as_deref().unwrap_or(OsStr::new("seed-net"));
        let mut spec = base(model, input, classes)?;
        self.units.set_weights(&mut spec);
        if is_file(model) && self.units.binary.is_none() {
            if let Some(flag) = self.units.without_weights().given() {
                return Err(Failure::usage(format!(
                    "{flag} has no effect with --model {}, which keeps its own activations; add --binary",
                    model.display()
                )));
            }
            return Ok(spec);
        }
        self.units.place(&mut spec, None)?;
        Ok(spec)
    }

    /// [`Self::spec`] for the images of a data set.
    pub fn spec_for(&self, dataset: &Dataset) -> Outcome<ModelSpec> {
        let (height, width, channels) = dataset.shape();
        self.spec(Shape::image(channels, height, width), dataset.classes)
    }

    /// Checks the flags against the network of a stored run.
    pub fn agree_with(&self, stored: &ModelSpec) -> Outcome<std::result::Result<(), &'static str>> {
        if let Some(model) = &self.model {
            let mut spec = base(model, stored.input, stored.classes())?;
            // The weights are compared by their own flag.
            if let Some(kind) = uniform_weights(stored) {
                spec.set_weights(kind);
            }
            spec.pixels = spec.pixels.or(stored.pixels);
            // The file's own activations, or those that the run was given.
            let mut placed = spec.clone();
            let fits = spec == *stored
                || Row::of(stored).is_some_and(|row| {
                    UnitArgs::default().place(&mut placed, Some(&row)).is_ok() && placed == *stored
                });
            if !fits {
                return Ok(Err("--model"));
            }
        }
        self.units.agree_with(stored)
    }
}

/// The kind of weights that all layers of a network have.
fn uniform_weights(spec: &ModelSpec) -> Option<Weights> {
    let mut kinds = spec.layers.iter().filter_map(|l| l.layer().weights());
    let first = kinds.next()?;
    kinds.all(|kind| kind == first).then_some(first)
}

/// A preset, or the content of a file.
fn base(model: &OsStr, input: Shape, classes: usize) -> Outcome<ModelSpec> {
    if let (false, Some(name)) = (is_file(model), model.to_str()) {
        return Ok(preset(name, input, classes)?);
    }
    let path = Path::new(model);
    if path.extension().is_none_or(|e| e != "json") && files::look(path)?.is_none() {
        let names = PRESETS.map(|(name, _)| name).join(", ");
        return Err(Failure::usage(format!(
            "--model {}: no such model; choose {names}, or a JSON file",
            model.display()
        )));
    }
    Ok(ModelSpec::read(path)?)
}
