//! The settings of a training run: flags, and how they make a [`Config`] or
//! agree with a stored one.

use std::fmt::Display;
use std::path::PathBuf;

use bnn_cpu::data::Augment;
use bnn_cpu::model::Init;
use bnn_cpu::train::{Config, LrSchedule, MOST_EPOCHS, OptimiserSpec, SlopeKind, SlopeSchedule};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{Failure, Outcome};

const OPTIMISERS: [&str; 3] = ["sgd", "adam", "adamw"];
const LR_SCHEDULES: [&str; 4] = ["constant", "step", "cosine", "one-cycle"];
const SLOPES: [(&str, SlopeKind); 5] = [
    ("none", SlopeKind::None),
    ("linear", SlopeKind::Linear),
    ("exp", SlopeKind::Exp),
    ("step", SlopeKind::Step),
    ("cosine", SlopeKind::Cosine),
];

fn inits() -> impl TypedValueParser<Value = Init> {
    PossibleValuesParser::new(Init::ALL.map(Init::name)).try_map(|name| Init::parse(&name))
}

fn augments() -> impl TypedValueParser<Value = Augment> {
    PossibleValuesParser::new(Augment::ALL.map(Augment::name))
        .try_map(|name| name.parse::<Augment>())
}

fn slopes() -> impl TypedValueParser<Value = SlopeKind> {
    PossibleValuesParser::new(SLOPES.map(|s| s.0)).map(|name| {
        let found = SLOPES.into_iter().find(|s| s.0 == name);
        found.map_or(SlopeKind::None, |s| s.1)
    })
}

fn slope_name(kind: SlopeKind) -> &'static str {
    SLOPES.iter().find(|s| s.1 == kind).map_or("none", |s| s.0)
}

/// A whole number of 1 or more.
fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("it must be a whole number of 1 or more".into()),
    }
}

/// As many epochs as a run can have.
pub fn epochs(text: &str) -> Result<usize, String> {
    match count(text) {
        Ok(n) if n <= MOST_EPOCHS => Ok(n),
        _ => Err(format!("it must be a whole number from 1 to {MOST_EPOCHS}")),
    }
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x > 0.0 => Ok(x),
        _ => Err("it must be a number above 0".into()),
    }
}

/// A number of 0 or more.
fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x >= 0.0 => Ok(x),
        _ => Err("it must be a number of 0 or more".into()),
    }
}

/// A number of 0 or more and below 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..1.0).contains(&x) => Ok(x),
        _ => Err("it must be a number from 0 up to but not including 1".into()),
    }
}

fn share32(text: &str) -> Result<f32, String> {
    // Rounded to 32 bits, a number just below 1 is 1.
    match share(text).map(|x| x as f32) {
        Ok(x) if x < 1.0 => Ok(x),
        _ => Err("it must be a number from 0 up to but not including 1".into()),
    }
}

fn positive32(text: &str) -> Result<f32, String> {
    match positive(text).map(|x| x as f32) {
        Ok(x) if x.is_finite() && x > 0.0 => Ok(x),
        _ => Err("it must be a number above 0".into()),
    }
}

fn not_negative32(text: &str) -> Result<f32, String> {
    match not_negative(text).map(|x| x as f32) {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err("it must be a number of 0 or more".into()),
    }
}

/// Everything about a run beside its network and data.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Passes over the training images [default: 10]
    #[arg(long, value_name = "N", value_parser = epochs, help_heading = "Training")]
    pub epochs: Option<usize>,
    /// Images in a step [default: 64]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Training")]
    batch: Option<usize>,
    /// Share of the training images kept for validation; the epoch with the
    /// lowest validation loss is tested [default: 0.1]
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = "Training")]
    val_fraction: Option<f64>,
    /// Of weights, split, order, noise and augmentation [default: 1]
    #[arg(long, value_name = "N", help_heading = "Training")]
    seed: Option<u64>,
    /// How weights begin [default: pytorch]
    #[arg(long, value_name = "NAME", value_parser = inits(), help_heading = "Training")]
    init: Option<Init>,
    /// What is done to training images, anew in each epoch [default: none]
    #[arg(long, value_name = "KIND", value_parser = augments(), help_heading = "Training")]
    augment: Option<Augment>,

    /// Optimiser [default: sgd]
    #[arg(long, value_name = "NAME", value_parser = OPTIMISERS, help_heading = "Optimiser")]
    optimizer: Option<String>,
    /// Learning rate; the peak, where it is scheduled [default: 0.1 for sgd,
    /// 0.001 for adam and adamw]
    #[arg(long, value_name = "X", value_parser = positive, help_heading = "Optimiser")]
    lr: Option<f64>,
    /// sgd: momentum [default: 0.9]
    #[arg(long, value_name = "X", value_parser = share32, help_heading = "Optimiser")]
    momentum: Option<f32>,
    /// sgd: Nesterov's look-ahead
    #[arg(long, help_heading = "Optimiser")]
    nesterov: bool,
    /// L2 penalty; for adamw the decay of the weight itself [default: 0;
    /// 0.01 for adamw]
    #[arg(long, value_name = "X", value_parser = not_negative32, help_heading = "Optimiser")]
    weight_decay: Option<f32>,
    /// adam, adamw: decay of the first moment [default: 0.9]
    #[arg(long, value_name = "X", value_parser = share32, help_heading = "Optimiser")]
    beta1: Option<f32>,
    /// adam, adamw: decay of the second moment [default: 0.999]
    #[arg(long, value_name = "X", value_parser = share32, help_heading = "Optimiser")]
    beta2: Option<f32>,
    /// adam, adamw: added to the root of the second moment [default: 1e-8]
    #[arg(long, value_name = "X", value_parser = positive32, help_heading = "Optimiser")]
    eps: Option<f32>,

    /// How the learning rate changes; formulas below [default: constant]
    #[arg(long, value_name = "NAME", value_parser = LR_SCHEDULES, help_heading = "Learning-rate schedule")]
    lr_schedule: Option<String>,
    /// step: epochs between two changes [default: 3]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Learning-rate schedule")]
    lr_every: Option<usize>,
    /// step: what the rate is multiplied by [default: 0.5]
    #[arg(long, value_name = "X", value_parser = positive, help_heading = "Learning-rate schedule")]
    lr_factor: Option<f64>,
    /// cosine: the last rate [default: 0]
    #[arg(long, value_name = "X", value_parser = not_negative, help_heading = "Learning-rate schedule")]
    lr_min: Option<f64>,
    /// one-cycle: share of the steps that go up [default: 0.3]
    #[arg(long, value_name = "X", value_parser = positive, help_heading = "Learning-rate schedule")]
    lr_rise: Option<f64>,
    /// one-cycle: the first rate is the peak divided by this [default: 25]
    #[arg(long, value_name = "X", value_parser = positive, help_heading = "Learning-rate schedule")]
    lr_start_divisor: Option<f64>,
    /// one-cycle: the last rate is the first divided by this [default: 10000]
    #[arg(long, value_name = "X", value_parser = positive, help_heading = "Learning-rate schedule")]
    lr_final_divisor: Option<f64>,

    /// How the slope of hard sigmoids and binary units changes; formulas below
    /// [default: none]
    #[arg(long, value_name = "NAME", value_parser = slopes(), help_heading = "Slope annealing")]
    anneal: Option<SlopeKind>,
    /// The slope of the first epoch [default: 1]
    #[arg(long, value_name = "X", value_parser = positive, help_heading = "Slope annealing")]
    slope_start: Option<f64>,
    /// linear, exp, step: see the formulas [default: 0.04, 1.005, 3]
    #[arg(long, value_name = "X", value_parser = not_negative, help_heading = "Slope annealing")]
    slope_rate: Option<f64>,
    /// linear, exp, step, cosine: the slope never passes this [default: 5]
    #[arg(long, value_name = "X", value_parser = positive, help_heading = "Slope annealing")]
    slope_max: Option<f64>,
}

/// The formulas behind the names, for `--help`.
pub const FORMULAS: &str = "\
Slope a in epoch e of E (epochs count from 1):
  none    a = start
  linear  a = min(max, start + rate*(e-1))                           rate 0.04
  exp     a = min(max, start * rate^(e-1))                           rate 1.005
  step    a = min(max, start * 2^floor((e-1)/rate))                  rate 3
  cosine  a = start + (max - start)*(1 - cos(pi*(e-1)/(E-1)))/2
  Defaults: start 1, max 5.

Learning rate at step t of T (steps count from 0), in epoch e:
  constant   lr
  step       lr * factor^floor((e-1)/every)
  cosine     min + (lr - min)*(1 + cos(pi*t/T))/2
  one-cycle  from lr/start-divisor up to lr over the share `rise` of the steps,
             then down to lr/(start-divisor*final-divisor), both along a cosine";

/// Sets settings, or, for a stored run, insists that they are what they were.
pub struct Setter {
    /// The run that must not change.
    pub stored: Option<PathBuf>,
}

impl Setter {
    pub fn set<T>(&self, flag: &str, slot: &mut T, given: Option<T>) -> Outcome
    where
        T: PartialEq + Display,
    {
        let Some(given) = given else { return Ok(()) };
        if let Some(run) = &self.stored
            && *slot != given
        {
            return Err(self.contradiction(flag, &given.to_string(), &slot.to_string(), run));
        }
        *slot = given;
        Ok(())
    }

    /// For a choice by name: whether it has to be made anew.
    pub fn differs(&self, flag: &str, now: &str, given: Option<&str>) -> Outcome<bool> {
        match (given, &self.stored) {
            (Some(given), Some(run)) if given != now => {
                Err(self.contradiction(flag, given, now, run))
            }
            (given, _) => Ok(given.is_some_and(|given| given != now)),
        }
    }

    fn contradiction(&self, flag: &str, given: &str, now: &str, run: &std::path::Path) -> Failure {
        Failure::usage(format!(
            "{flag} {given} contradicts the run in {}, which has {now}; leave it out, or start another run with another --out",
            run.display()
        ))
    }
}

fn no_effect(flag: &str, with: &str, applies_to: &str) -> Failure {
    Failure::usage(format!(
        "{flag} has no effect with {with}; it is a setting of {applies_to}"
    ))
}

impl Settings {
    /// Applies the flags that were given to `config`.
    pub fn apply(&self, config: &mut Config, setter: &Setter) -> Outcome {
        setter.set("--epochs", &mut config.epochs, self.epochs)?;
        setter.set("--batch", &mut config.batch, self.batch)?;
        setter.set(
            "--val-fraction",
            &mut config.val_fraction,
            self.val_fraction,
        )?;
        setter.set("--seed", &mut config.seed, self.seed)?;
        if let Some(init) = self.init {
            setter.differs("--init", config.init.name(), Some(init.name()))?;
            config.init = init;
        }
        if let Some(augment) = self.augment {
            setter.differs("--augment", config.augment.name(), Some(augment.name()))?;
            config.augment = augment;
        }
        self.apply_optimiser(config, setter)?;
        self.apply_lr_schedule(config, setter)?;
        self.apply_slope(config, setter)
    }

    fn apply_optimiser(&self, config: &mut Config, setter: &Setter) -> Outcome {
        let given = self.optimizer.as_deref();
        if setter.differs("--optimizer", config.optimiser.name(), given)? {
            let (beta1, beta2, eps) = (0.9, 0.999, 1e-8);
            (config.optimiser, config.lr) = match given {
                Some("adam") => {
                    let weight_decay = 0.0;
                    (
                        OptimiserSpec::Adam {
                            beta1,
                            beta2,
                            eps,
                            weight_decay,
                        },
                        0.001,
                    )
                }
                Some("adamw") => {
                    let weight_decay = 0.01;
                    (
                        OptimiserSpec::AdamW {
                            beta1,
                            beta2,
                            eps,
                            weight_decay,
                        },
                        0.001,
                    )
                }
                _ => (
                    OptimiserSpec::Sgd {
                        momentum: 0.9,
                        nesterov: false,
                        weight_decay: 0.0,
                    },
                    0.1,
                ),
            };
        }
        setter.set("--lr", &mut config.lr, self.lr)?;
        let with = format!("--optimizer {}", config.optimiser.name());
        match &mut config.optimiser {
            OptimiserSpec::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => {
                let given = [
                    ("--beta1", self.beta1.is_some()),
                    ("--beta2", self.beta2.is_some()),
                    ("--eps", self.eps.is_some()),
                ];
                if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
                    return Err(no_effect(flag, &with, "adam and adamw"));
                }
                setter.set("--momentum", momentum, self.momentum)?;
                if self.nesterov && *momentum == 0.0 {
                    return Err(Failure::usage("--nesterov needs a --momentum above 0"));
                }
                setter.set("--nesterov", nesterov, self.nesterov.then_some(true))?;
                setter.set("--weight-decay", weight_decay, self.weight_decay)
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
                if self.momentum.is_some() {
                    return Err(no_effect("--momentum", &with, "sgd (adam has --beta1)"));
                }
                if self.nesterov {
                    return Err(no_effect("--nesterov", &with, "sgd"));
                }
                setter.set("--beta1", beta1, self.beta1)?;
                setter.set("--beta2", beta2, self.beta2)?;
                setter.set("--eps", eps, self.eps)?;
                setter.set("--weight-decay", weight_decay, self.weight_decay)
            }
        }
    }

    fn apply_lr_schedule(&self, config: &mut Config, setter: &Setter) -> Outcome {
        let given = self.lr_schedule.as_deref();
        let schedule = &mut config.lr_schedule;
        if setter.differs("--lr-schedule", schedule.name(), given)? {
            *schedule = match given {
                Some("step") => LrSchedule::Step {
                    every: 3,
                    factor: 0.5,
                },
                Some("cosine") => LrSchedule::Cosine { min: 0.0 },
                Some("one-cycle") => LrSchedule::ONE_CYCLE,
                _ => LrSchedule::Constant,
            };
        }
        let name = schedule.name();
        let flags = [
            ("--lr-every", self.lr_every.is_some(), "step"),
            ("--lr-factor", self.lr_factor.is_some(), "step"),
            ("--lr-min", self.lr_min.is_some(), "cosine"),
            ("--lr-rise", self.lr_rise.is_some(), "one-cycle"),
            (
                "--lr-start-divisor",
                self.lr_start_divisor.is_some(),
                "one-cycle",
            ),
            (
                "--lr-final-divisor",
                self.lr_final_divisor.is_some(),
                "one-cycle",
            ),
        ];
        for (flag, given, of) in flags {
            if given && of != name {
                return Err(no_effect(flag, &format!("--lr-schedule {name}"), of));
            }
        }
        match schedule {
            LrSchedule::Constant => Ok(()),
            LrSchedule::Step { every, factor } => {
                setter.set("--lr-every", every, self.lr_every)?;
                setter.set("--lr-factor", factor, self.lr_factor)
            }
            LrSchedule::Cosine { min } => setter.set("--lr-min", min, self.lr_min),
            LrSchedule::OneCycle {
                rise,
                start_divisor,
                final_divisor,
            } => {
                setter.set("--lr-rise", rise, self.lr_rise)?;
                if *rise >= 1.0 {
                    return Err(Failure::usage("--lr-rise must be above 0 and below 1"));
                }
                setter.set("--lr-start-divisor", start_divisor, self.lr_start_divisor)?;
                setter.set("--lr-final-divisor", final_divisor, self.lr_final_divisor)
            }
        }
    }

    fn apply_slope(&self, config: &mut Config, setter: &Setter) -> Outcome {
        let slope = &mut config.slope;
        let given = self.anneal.map(slope_name);
        if setter.differs("--anneal", slope_name(slope.kind), given)? {
            *slope = SlopeSchedule::new(self.anneal.unwrap_or(SlopeKind::None));
        }
        let with = format!("--anneal {}", slope_name(slope.kind));
        if self.slope_rate.is_some() && matches!(slope.kind, SlopeKind::None | SlopeKind::Cosine) {
            return Err(no_effect("--slope-rate", &with, "linear, exp and step"));
        }
        if self.slope_max.is_some() && slope.kind == SlopeKind::None {
            return Err(no_effect(
                "--slope-max",
                &with,
                "linear, exp, step and cosine",
            ));
        }
        setter.set("--slope-start", &mut slope.start, self.slope_start)?;
        setter.set("--slope-rate", &mut slope.rate, self.slope_rate)?;
        setter.set("--slope-max", &mut slope.max, self.slope_max)?;
        slope.check().map_err(|e| {
            Failure::usage(format!(
                "--anneal, --slope-start, --slope-rate, --slope-max: {e}"
            ))
        })
    }
}
