//! Which activations of a network are binary units, with which estimators, and
//! which combinations have a meaning.

use std::sync::Arc;

use super::placement::Placement;
use super::spec::ModelSpec;
use super::topology::Source;
use crate::error::{Error, Result};
use crate::estimators::{self, Estimator, Firing, Plan, Probability};
use crate::layers::{
    Activation, BatchNorm, Binary, CrossEntropy, Function, LayerSpec, Levels, Linear, Statistics,
    own_probability,
};

const HARD: Activation = Activation {
    function: Function::HardSigmoid,
};

const RELU: Activation = Activation {
    function: Function::Relu,
};

/// The estimator of the binary layers below a local expectation, where no other is
/// named: unbiased, and of those that need no tuning the one with the least variance.
const BELOW: &str = "disarm";

/// The names of a list such as `disarm+local-expectation`, one for each of `layers`
/// binary layers. The last name is the last layer's, the first name that of every
/// layer that is not named.
///
/// # Errors
/// More names than layers, or an unknown name.
pub(crate) fn names_of(list: &str, layers: usize) -> Result<Vec<String>> {
    let mut names: Vec<String> = list.split('+').map(Into::into).collect();
    for name in &names {
        estimators::by_name(name, None)?;
    }
    if names.len() > layers.max(1) {
        return Err(Error::spec(format!(
            "{list} names {} estimators for {layers} binary layer{}",
            names.len(),
            if layers == 1 { "" } else { "s" }
        )));
    }
    if let [only] = &names[..]
        && layers > 1
        && estimators::by_name(only, None)?.needs_differences()
    {
        names.insert(0, BELOW.into());
    }
    while names.len() < layers {
        names.insert(0, names[0].clone());
    }
    Ok(names)
}

impl ModelSpec {
    /// The layers that can be binary units or are, in the order of the spec, which numbers
    /// them from 1: all binary units, and the hard sigmoids beside them; in a network without
    /// a hard sigmoid (and without a unit in the place of one), the ReLUs. Of a network of two
    /// branches those of the branch that the spec writes first come first.
    pub fn unit_places(&self) -> Vec<usize> {
        let hard = |layer: &LayerSpec| match layer.get::<Binary>() {
            Some(unit) => unit.instead_of.is_none(),
            None => layer.get() == Some(&HARD),
        };
        let real = match self.layers.iter().any(hard) {
            true => HARD,
            false => RELU,
        };
        let takes = |layer: &LayerSpec| layer.is::<Binary>() || layer.get() == Some(&real);
        (0..self.layers.len())
            .filter(|&i| takes(&self.layers[i]))
            .collect()
    }

    /// Which of its [places](Self::unit_places) are binary; `None` where no [`Placement`]
    /// says it.
    pub fn placement(&self) -> Option<Placement> {
        let is_binary = |&i: &usize| self.layers[i].is::<Binary>();
        let binary: Vec<bool> = self.unit_places().iter().map(is_binary).collect();
        Placement::of(&binary)
    }

    /// Makes the placed activations ([`Self::unit_places`]) binary units, and of the others
    /// what they are where they are not binary: hard sigmoids, or the ReLUs that units were
    /// put in the place of. Other layers stay as they are, and so do the levels of layers that
    /// are binary already. `estimator` is a name, or a list such as `disarm+local-expectation`,
    /// from the first binary layer to the last.
    ///
    /// Batch norms between binary units and the loss take running statistics in
    /// training where an estimator is unbiased only if rows are kept apart.
    ///
    /// # Errors
    /// A network that has no activation to make binary, a place that it does not have, or a
    /// list that does not fit.
    pub fn place(&mut self, placement: Placement, mode: Firing, estimator: &str) -> Result<()> {
        let places = self.unit_places();
        if places.is_empty() && placement != Placement::None {
            return Err(Error::spec(format!(
                "model {}: no hard sigmoid, ReLU or binary layer to make binary; add one, or choose that none is",
                self.name
            ))
            .mended_by(&["model.binary"]));
        }
        if let Placement::At(these) = placement
            && these.last() > places.len()
        {
            return Err(Error::spec(format!(
                "model {} has {} activation{} that can be binary, and none is number {}; choose from 1 to {}",
                self.name,
                places.len(),
                if places.len() == 1 { "" } else { "s" },
                these.last(),
                places.len()
            ))
            .mended_by(&["model.binary"]));
        }
        let binary = |n: usize| placement.takes(n, places.len());
        let count = (0..places.len()).filter(|&n| binary(n)).count();
        let mut names = names_of(estimator, count)?.into_iter();
        for (n, &i) in places.iter().enumerate() {
            let name = if binary(n) { names.next() } else { None };
            let before = self.layers[i].get::<Binary>();
            let real = match (self.layers[i].get::<Activation>(), before) {
                (Some(real), _) => *real,
                (None, before) => before
                    .and_then(|unit| unit.instead_of)
                    .map_or(HARD, |function| Activation { function }),
            };
            match name {
                Some(estimator) => {
                    let mut unit = Binary::new(mode, estimator);
                    unit.levels = before.map_or(Levels::Bits, |before| before.levels);
                    unit.instead_of = (real != HARD).then_some(real.function);
                    self.layers[i].set(unit);
                }
                None => self.layers[i].set(real),
            }
        }
        self.keep_rows_apart();
        self.check_estimators()
    }

    /// Sets the probability function of every binary layer; `None` is each estimator's own.
    ///
    /// # Errors
    /// A probability function that an estimator's formula does not hold for.
    pub fn set_probability(&mut self, to: Option<Probability>) -> Result<()> {
        for layer in &mut self.layers {
            layer.update::<Binary>(|unit| {
                unit.probability = to.or_else(|| own_probability(&unit.estimator))
            });
        }
        self.check_estimators()
    }

    /// Sets the levels, 0 and 1 or -1 and +1, that every binary layer emits.
    pub fn set_levels(&mut self, to: Levels) {
        for layer in &mut self.layers {
            layer.update::<Binary>(|unit| unit.levels = to);
        }
    }

    /// Sets what every batch norm above the first binary layer normalises by.
    pub fn set_statistics(&mut self, to: Statistics) {
        let below = self.binary_below();
        for (layer, below) in self.layers.iter_mut().zip(below) {
            if !below.is_empty() {
                layer.update::<BatchNorm>(|norm| norm.statistics = to);
            }
        }
    }

    /// The probability functions of the binary layers: one name where all have the same, else all, from the
    /// first on, joined by `+`; `None` without any.
    pub fn probabilities(&self) -> Option<String> {
        let all = self.estimators().ok()?;
        let mut names: Vec<&str> = all.iter().map(|e| e.probability().name()).collect();
        if names.iter().all(|name| *name == names[0]) {
            names.truncate(1);
        }
        (!names.is_empty()).then(|| names.join("+"))
    }

    /// What the first batch norm above the first binary layer normalises by in training;
    /// `None` where there is none.
    pub(crate) fn statistics_above(&self) -> Option<Statistics> {
        let below = self.binary_below();
        let mut above = self.layers.iter().zip(below).filter(|(_, b)| !b.is_empty());
        above.find_map(|(layer, _)| layer.get::<BatchNorm>().map(|norm| norm.statistics))
    }

    fn keep_rows_apart(&mut self) {
        let apart = self
            .estimators()
            .is_ok_and(|all| all.iter().any(|e| e.info().unbiased));
        self.set_statistics(if apart {
            Statistics::Running
        } else {
            Statistics::Batch
        });
    }

    /// The estimators of the binary layers, from the first on.
    ///
    /// # Errors
    /// An unknown name, or a probability function that a formula does not hold for.
    pub fn estimators(&self) -> Result<Vec<Arc<dyn Estimator>>> {
        let binary = self.layers.iter().filter_map(LayerSpec::get::<Binary>);
        binary.map(Binary::rule).collect()
    }

    /// The estimators of the binary layers as they stand: one name where all are the same,
    /// else those of all layers, from the first on, joined by `+`; empty without any. A list
    /// that was given short is whole here.
    pub fn estimator_list(&self) -> String {
        let binary = self.layers.iter().filter_map(LayerSpec::get::<Binary>);
        let mut names: Vec<&str> = binary.map(|unit| &*unit.estimator).collect();
        if names.iter().all(|name| *name == names[0]) {
            names.truncate(1);
        }
        names.join("+")
    }

    /// Whether a baseline lowers the variance of any of the network's estimators.
    pub fn takes_baseline(&self) -> bool {
        self.estimators()
            .is_ok_and(|all| all.iter().any(|e| e.takes_baseline()))
    }

    /// The least number of samples of an image that the network's estimators work with.
    pub fn min_samples(&self) -> usize {
        let all = self.estimators().unwrap_or_default();
        all.iter().map(|e| e.min_samples()).max().unwrap_or(1)
    }

    /// Whether any of the network's estimators depends on the temperature of a run.
    pub fn has_temperature(&self) -> bool {
        self.estimators()
            .is_ok_and(|all| all.iter().any(|e| e.has_temperature()))
    }

    /// The plan of the rows that the network has in training: which evaluations its estimators
    /// ask for.
    ///
    /// # Errors
    /// As [`Self::units`].
    pub fn plan(&self) -> Result<Plan> {
        Ok(Plan::new(self.units()?))
    }

    /// Whether the estimators have a meaning where they stand.
    pub(super) fn check_estimators(&self) -> Result<()> {
        let fail = |what: String| Error::spec(format!("model {}: {what}", self.name));
        let below = self.binary_below();
        let rule = |i: usize| self.layers[i].get::<Binary>().map(Binary::rule).transpose();
        let all = self.estimators()?;
        // A relaxed row needs every layer above to relax as well.
        let relaxes = |e: &Arc<dyn Estimator>| {
            let mut extras = e.extras().iter();
            extras.any(|extra| extra.above == estimators::Emit::Relaxed)
        };
        for (i, layer) in self.layers.iter().enumerate() {
            if let Some(estimator) = rule(i)? {
                let name = estimator.info().name;
                if estimator.needs_differences() && !self.is_below_the_logits(i) {
                    let what = format!(
                        "{name} works only in the last binary layer, directly below a last linear layer of real weights, where a flip moves the logits by one column; choose the last layer alone, or another estimator"
                    );
                    return Err(fail(what).mended_by(&["model.binary", "model.estimator"]));
                }
                if estimator.probability() == Probability::Sigmoid {
                    continue;
                }
                for &b in &below[i] {
                    if let Some(below) = rule(b)?
                        && relaxes(&below)
                    {
                        let what = format!(
                            "{} relaxes the layers above it, and {name} there has the {} probability function; choose sigmoid, or an estimator that has it",
                            below.info().name,
                            estimator.probability().name()
                        );
                        return Err(fail(what).mended_by(&["model.probability", "model.estimator"]));
                    }
                }
            } else if let Some(norm) = layer.get::<BatchNorm>()
                && !below[i].is_empty()
                && norm.statistics.is_batch()
                && let Some(extra) = all.iter().find(|e| !e.extras().is_empty())
            {
                return Err(fail(format!(
                    "layer {}: {} evaluates rows that are no samples, which batch statistics would mix with the others; give the layer running statistics",
                    layer.label(),
                    extra.info().name
                )));
            }
        }
        Ok(())
    }

    /// Whether all that reads layer `i` is a linear layer of real weights whose outputs are
    /// the logits, and the loss is their cross-entropy.
    fn is_below_the_logits(&self, i: usize) -> bool {
        let Ok(topology) = self.topology() else {
            return false;
        };
        let linear = i + 1;
        let is_real = |l: &LayerSpec| l.get::<Linear>().is_some_and(|l| l.weights.is_real());
        let last = self.layers.len() - 1;
        let is_loss = |at: usize| {
            at == last
                && self.layers[at].get() == Some(&CrossEntropy::default())
                && topology.inputs[at] == [Source::Layer(linear)]
        };
        topology.leads_on(i)
            && is_real(&self.layers[linear])
            && (linear == last || (topology.readers[linear] == 1 && is_loss(linear + 1)))
    }
}
