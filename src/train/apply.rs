//! How a partial configuration becomes a whole one, and a whole one takes its settings: a choice by name first, which
//! brings its usual settings, then what is stated of them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::baseline::Baseline;
use super::config::Config;
use super::optimiser::OptimiserSpec;
use super::partial::{PartialConfig, stated};
use super::schedule::{LrSchedule, SlopeKind, SlopeSchedule};
use super::subject::Subject;
use crate::error::{Error, Result};

impl PartialConfig {
    /// The configuration for that data set: the reference protocol with these settings.
    /// Samples and baseline are what the estimators need, where they are not stated.
    ///
    /// # Errors
    /// [`Error::Field`] for a setting that is impossible or has no effect, and what is wrong
    /// with the network.
    pub fn complete(&self, subject: &Subject) -> Result<Config> {
        let mut model = self.model.clone().unwrap_or_default();
        let task = self.task()?;
        if !task.is_classification() {
            model.from.get_or_insert_with(|| "few-shot-encoder".into());
        }
        let model = model.build(subject.input, subject.record.classes)?;
        let mut config = Config::reference(model, subject.record.clone());
        config.take_task(task);
        subject.describe_pixels(&mut config.model);
        if self.samples.is_none() {
            config.suit_samples();
        }
        // A start below the usual least temperature means that start.
        let temperature = self.temperature.as_ref();
        if let Some(start) = temperature.and_then(|t| t.start) {
            config.temperature.min = config.temperature.min.min(start);
        }
        config.apply(self)?;
        if self.baseline.is_none() {
            config.suit_baseline();
        }
        if self.batch.is_none() {
            config.suit_batch();
        }
        Ok(config)
    }
}

impl Config {
    /// Takes what is stated beside the network and the data. A choice by name brings its
    /// usual settings with it.
    ///
    /// # Errors
    /// [`Error::Field`] for a setting that is impossible or has no effect.
    pub fn apply(&mut self, given: &PartialConfig) -> Result<()> {
        macro_rules! take {
            ($($field:ident)*) => { $(if let Some(value) = given.$field { self.$field = value; })* };
        }
        take!(epochs batch samples augment val_fraction seed init clip_norm);
        self.apply_task(given)?;
        if let Some(name) = given.optimiser.as_ref().and_then(|o| o.name.as_deref())
            && name != self.optimiser.name()
        {
            self.optimiser = by_name(
                "optimiser.name",
                name,
                OptimiserSpec::ALL,
                OptimiserSpec::name,
            )?;
            self.lr = self.optimiser.usual_rate();
        }
        take!(lr);
        overlay(
            &mut self.optimiser,
            &given.optimiser,
            &OPTIMISER,
            &OptimiserSpec::ALL,
        )?;
        if let Some(name) = given.lr_schedule.as_ref().and_then(|s| s.name.as_deref())
            && name != self.lr_schedule.name()
        {
            self.lr_schedule =
                by_name("lr_schedule.name", name, LrSchedule::ALL, LrSchedule::name)?;
        }
        overlay(
            &mut self.lr_schedule,
            &given.lr_schedule,
            &LR_SCHEDULE,
            &LrSchedule::ALL,
        )?;
        self.apply_slope(given)?;
        self.apply_baseline(given)?;
        self.apply_temperature(given)?;
        if let OptimiserSpec::Sgd {
            momentum: 0.0,
            nesterov: true,
            ..
        } = self.optimiser
        {
            self.optimiser.check()?;
        }
        if let LrSchedule::OneCycle { rise, .. } = self.lr_schedule
            && rise >= 1.0
        {
            self.lr_schedule.check()?;
        }
        self.slope.check()?;
        self.temperature.check()
    }

    fn apply_slope(&mut self, given: &PartialConfig) -> Result<()> {
        let Some(slope) = &given.slope else {
            return Ok(());
        };
        if let Some(kind) = slope.kind.filter(|kind| *kind != self.slope.kind) {
            self.slope = SlopeSchedule::new(kind);
        }
        let of = match self.slope.kind {
            SlopeKind::None if slope.rate.is_some() => Some(("slope.rate", "linear, exp and step")),
            SlopeKind::Cosine if slope.rate.is_some() => {
                Some(("slope.rate", "linear, exp and step"))
            }
            SlopeKind::None if slope.max.is_some() => {
                Some(("slope.max", "linear, exp, step and cosine"))
            }
            _ => None,
        };
        if let Some((field, of)) = of {
            let kind = self.slope.kind.name();
            return Err(no_effect(field, kind, of));
        }
        let now = &mut self.slope;
        now.start = slope.start.unwrap_or(now.start);
        now.rate = slope.rate.unwrap_or(now.rate);
        now.max = slope.max.unwrap_or(now.max);
        Ok(())
    }

    fn apply_baseline(&mut self, given: &PartialConfig) -> Result<()> {
        let Some(baseline) = given.baseline else {
            return Ok(());
        };
        self.baseline = baseline;
        match baseline != Baseline::None && !self.model.takes_baseline() {
            true => Err(Error::field(
                "baseline",
                format!(
                    "{} has no effect: no estimator of the network takes a baseline (reinforce and double-cv do)",
                    baseline.name()
                ),
            )),
            false => Ok(()),
        }
    }

    fn apply_temperature(&mut self, given: &PartialConfig) -> Result<()> {
        let Some(temperature) = &given.temperature else {
            return Ok(());
        };
        let now = &mut self.temperature;
        let fields = [
            ("temperature.start", temperature.start, &mut now.start),
            ("temperature.rate", temperature.rate, &mut now.rate),
            ("temperature.min", temperature.min, &mut now.min),
        ];
        for (field, given, now) in fields {
            let Some(given) = given else { continue };
            if !self.model.has_temperature() {
                return Err(Error::field(
                    field,
                    "has no effect: no estimator of the network has a temperature to set (gumbel and gumbel-soft do; rebar learns its own)",
                ));
            }
            *now = given;
        }
        Ok(())
    }
}

/// The paths of the settings of an optimiser.
const OPTIMISER: [&str; 6] = [
    "optimiser.momentum",
    "optimiser.nesterov",
    "optimiser.weight_decay",
    "optimiser.beta1",
    "optimiser.beta2",
    "optimiser.eps",
];

/// The paths of the settings of a learning-rate schedule.
const LR_SCHEDULE: [&str; 7] = [
    "lr_schedule.every",
    "lr_schedule.factor",
    "lr_schedule.patience",
    "lr_schedule.min",
    "lr_schedule.rise",
    "lr_schedule.start_divisor",
    "lr_schedule.final_divisor",
];

/// The one of that name among `all`.
pub(super) fn by_name<T, const N: usize>(
    field: &'static str,
    name: &str,
    all: [T; N],
    of: fn(&T) -> &'static str,
) -> Result<T> {
    let names = all.each_ref().map(of).join(", ");
    let found = all.into_iter().find(|one| of(one) == name);
    found.ok_or_else(|| Error::field(field, format!("there is no `{name}`; choose from {names}")))
}

/// Takes the stated `fields` into `now`, which is one of the forms `all`.
pub(super) fn overlay<T: Serialize + DeserializeOwned>(
    now: &mut T,
    given: &Option<impl Serialize>,
    fields: &[&'static str],
    all: &[T],
) -> Result<()> {
    let (given, mut form) = (stated(given), stated(now));
    for field in fields {
        let key = field.rsplit('.').next().unwrap_or(field);
        let Some(value) = given.get(key) else {
            continue;
        };
        let Some(scratch) = form.get_mut(key) else {
            let name = |form: &Map<String, Value>| {
                form.get("name")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_string()
            };
            let of = all.iter().map(stated).filter(|form| form.contains_key(key));
            let of: Vec<String> = of.map(|form| name(&form)).collect();
            return Err(no_effect(field, &name(&form), &of.join(" and ")));
        };
        *scratch = value.clone();
    }
    *now = serde_json::from_value(Value::Object(form)).map_err(|e| Error::spec(e.to_string()))?;
    Ok(())
}

pub(super) fn no_effect(field: &'static str, with: &str, of: &str) -> Error {
    Error::field(
        field,
        format!("has no effect with {with}; it is a setting of {of}"),
    )
}
