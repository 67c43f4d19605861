//! Floor 3: gradient estimators for binary units.
//!
//! An estimator is a scalar rule inside one generic layer, [`BinaryUnit`]: given
//! a unit's pre-activation `x`, the bit `h` that it emitted, and what came back
//! from above, it says what to pass on to `x`. A [`Pathwise`] rule uses the gradient of
//! the bit; a [`ScoreFunction`] uses the row's learning signal, made from its loss,
//! instead.
//!
//! ```text
//! h ~ Bernoulli(p),  p = s(a·x)      stochastic units
//! h = [x > 0]                        deterministic units, and stochastic ones read as thresholds
//!
//! x    the pre-activation             a    the slope, which may be annealed over training
//! h    the bit that is emitted        s    the probability function: hard sigmoid or logistic
//! p    the probability of a 1         p'   dp/dx = a·s'(a·x)
//! u    the sample's uniform number, h = [u < p]
//! L    the loss of the row            dL/dh  the gradient that came from above
//! σ    the logistic, 1/(1 + e^-x)     t    the temperature of a relaxed bit
//! ```
//!
//! The probability function is [`Probability`]; each estimator's type states its formula in
//! these letters, whether it is unbiased, its cost and its source.
//!
//! A rule that needs the loss somewhere else than at the sample (at the opposite
//! bits, at the mean, at a relaxed sample) asks for [`Extra`] rows; a rule with
//! a control variate that has a gradient of its own asks for gradients that a first
//! replay saves ([`SavedGrads`]).
//!
//! To add an estimator to this crate, write its file and name it in [`ALL`]; from another
//! crate, call [`register`]. The tests run over the registry.
//!
//! PSA (Shekhovtsov 2020, arXiv 2006.03143) is left out. Its analytic step needs the next
//! layer's pre-activation as a linear function of each bit, for then a flip's effect on
//! every unit above costs one more convolution. In the networks here a max-pool stands
//! between a convolution and its units, which breaks that line; above the last binary
//! layer, where it holds, `local-expectation` is exact at the same cost.

mod arm;
mod clip;
mod disarm;
mod double_cv;
mod driver;
mod gumbel;
mod identity;
mod local_expectation;
mod muprop;
mod none;
mod particles;
mod plan;
mod polynomial;
mod probability;
mod rebar;
mod registry;
mod reinforce;
mod reinmax;
mod reste;
mod scale;
mod st;
mod swish;
mod unit;

pub use arm::Arm;
pub use clip::ClippedStraightThrough;
pub use disarm::DisArm;
pub use double_cv::DoubleCv;
pub use driver::{Driver, Recorded};
pub use gumbel::Gumbel;
pub use identity::Identity;
pub use local_expectation::LocalExpectation;
pub use muprop::MuProp;
pub use none::NoGradient;
pub use particles::{Emit, Extra, Particles, samples};
pub use plan::{Part, Plan, Unit as PlannedUnit};
pub use polynomial::ApproxSign;
pub use probability::Probability;
pub use rebar::Rebar;
pub use registry::{ALL, Make, all, by_name, register};
pub use reinforce::Reinforce;
pub use reinmax::ReinMax;
pub use reste::ReSte;
pub use st::StraightThrough;
pub use swish::SwishSign;
pub use unit::{BinaryUnit, Firing};

use crate::kernels::Elementwise;

/// What `bnn-cpu estimators` and the documentation say of an estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The name on the command line.
    pub name: &'static str,
    /// The gradient with respect to `x`, in the notation of the module's page.
    pub formula: &'static str,
    /// Whether its expectation is the exact gradient.
    pub unbiased: bool,
    /// Passes over the network for one step.
    pub cost: &'static str,
    /// Where it was published.
    pub source: &'static str,
}

/// How an estimator finds a gradient.
#[derive(Clone, Copy)]
pub enum Rule<'a> {
    /// The rule uses the gradient of what the unit emitted.
    Pathwise(&'a dyn Pathwise),
    /// The rule uses the loss of the row. Such units are sampled in training whatever they do
    /// in evaluation, for without noise there is no score; a deterministic one is thresholded
    /// when it is evaluated.
    ScoreFunction(&'a dyn ScoreFunction),
    /// The unit passes no gradient on.
    NoGradient,
}

/// Which gradients of the loss, with respect to what the layer emitted, a score-function
/// rule needs before it can give its own. A control-variate pass backwards saves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedGrads {
    /// The rule needs none.
    None,
    /// The rule needs the gradients in its [`Extra`] rows.
    ExtraRows,
    /// The rule needs the gradients in the samples: a unit is given the mean over the image's
    /// other samples.
    Samples,
}

/// What a rule is told of one unit in one row, on the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unit {
    /// Slope `a`.
    pub slope: f32,
    /// Temperature of relaxed bits.
    pub temperature: f32,
    /// Pre-activation.
    pub x: f32,
    /// `s(a·x)`; 0 unless the rule [`needs`](Estimator::needs) it.
    pub p: f32,
    /// The uniform number of the sample, `h = [u < p]`; 0 unless needed.
    pub u: f32,
    /// A second uniform number, independent of the first; 0 unless needed.
    pub v: f32,
    /// What the unit emitted: a bit, or a relaxed bit where the rule asks for one.
    pub h: f32,
    /// The gradient of the loss with respect to what the unit emitted.
    pub dh: f32,
    /// The row's learning signal, [`ScoreFunction::learning_signal`].
    pub learning_signal: f32,
    /// Gradients that a control-variate pass saved, [`ScoreFunction::saved_grads`].
    pub saved_grads: [f32; 2],
}

/// What a rule is told of many units of one row on the way back: the fields of [`Unit`] as
/// slices of equal length.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields are those of Unit")]
pub struct Units<'a> {
    pub slope: f32,
    pub temperature: f32,
    pub x: &'a [f32],
    pub p: &'a [f32],
    pub u: &'a [f32],
    pub v: &'a [f32],
    pub h: &'a [f32],
    pub dh: &'a [f32],
    pub learning_signal: f32,
    pub saved_grads: [&'a [f32]; 2],
}

impl Units<'_> {
    /// Unit `i`.
    #[inline(always)]
    pub fn at(&self, i: usize) -> Unit {
        Unit {
            slope: self.slope,
            temperature: self.temperature,
            x: self.x[i],
            p: self.p[i],
            u: self.u[i],
            v: self.v[i],
            h: self.h[i],
            dh: self.dh[i],
            learning_signal: self.learning_signal,
            saved_grads: [self.saved_grads[0][i], self.saved_grads[1][i]],
        }
    }
}

/// What [`ScoreFunction::learning_signal`] is made from: one primary row at one layer.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Loss of the sample.
    pub loss: f32,
    /// Losses of the layer's extra rows.
    pub extra: [f32; 2],
    /// The loss that the baseline expects; 0 without a baseline.
    pub baseline: f32,
    /// The weight of the row in the objective.
    pub weight: f32,
    /// Bits and probabilities of the layer.
    pub h: &'a [f32],
    /// Probabilities; zeros unless the rule needs them.
    pub p: &'a [f32],
    /// Gradients of the weighted loss that a control-variate pass saved.
    pub saved_grads: [&'a [f32]; 2],
}

/// Which numbers of a row a rule needs beside pre-activations and bits; what it does not need
/// is not computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whether it needs the probabilities `p`.
    pub p: bool,
    /// Whether it needs the uniform numbers `u` of the sample.
    pub u: bool,
    /// Whether it needs further uniform numbers `v`.
    pub v: bool,
}

/// A rule that carries gradients through a binary unit: what all rules have. It is a
/// [`Pathwise`] or a [`ScoreFunction`] as well, as its [`rule`](Self::rule) says.
pub trait Estimator: Send + Sync {
    /// The rule's name, formula, bias, cost and source.
    fn info(&self) -> Info;

    /// The probability function of the rule's units.
    fn probability(&self) -> Probability;

    /// Which kind of rule it is, and so where its gradient comes from.
    fn rule(&self) -> Rule<'_>;

    /// The gradient with respect to `x`. The control part of a score-function rule is
    /// added to it, see [`ScoreFunction::control_part`].
    fn grad(&self, unit: Unit) -> f32;

    /// The numbers of a row that [`Self::grad`] or the row's learning signal use.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Adds [`Self::grad`] of many units to `dx`. A rule for which there is a SIMD kernel
    /// overrides this.
    fn grads(&self, _ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        for (i, dx) in dx.iter_mut().enumerate() {
            *dx += self.grad(units.at(i));
        }
    }
}

/// A rule that uses the gradient of what the unit emitted.
pub trait Pathwise: Estimator {
    /// The function whose derivative the rule uses in place of the step's, where it has
    /// one; a test of the registry compares the two.
    fn surrogate(&self, _slope: f32, _x: f32) -> Option<f64> {
        None
    }

    /// Whether units are sampled in training even where evaluation thresholds them: rules
    /// whose formula is an expectation over samples.
    fn explores(&self) -> bool {
        false
    }

    /// Whether training emits relaxed bits, real numbers within (0, 1).
    fn relaxes(&self) -> bool {
        false
    }

    /// Whether the rule depends on the temperature of a run.
    fn has_temperature(&self) -> bool {
        false
    }

    /// Whether it needs the difference that each bit makes to the loss in place of a
    /// gradient, which a linear layer right above gives:
    /// [`crate::layers::LinearOp::record_differences`].
    fn needs_differences(&self) -> bool {
        false
    }
}

/// A rule that uses the loss of the row. It may ask for the loss elsewhere than at the
/// sample, and have a control variate of mean zero whose scale is learned.
pub trait ScoreFunction: Estimator {
    /// The further evaluations of a sample that the rule asks for, at most two.
    fn extras(&self) -> &'static [Extra] {
        &[]
    }

    /// The gradients that a control-variate pass has to save before the rule can give its own.
    fn saved_grads(&self) -> SavedGrads {
        SavedGrads::None
    }

    /// The least number of samples of an image that the rule works with.
    fn min_samples(&self) -> usize {
        1
    }

    /// Whether a baseline lowers its variance.
    fn takes_baseline(&self) -> bool {
        false
    }

    /// The learning signal of a row: what multiplies the score.
    fn learning_signal(&self, of: Outcome<'_>) -> f32 {
        (of.loss - of.baseline) * of.weight
    }

    /// A control variate of the row's loss whose mean over the row's own bits is 0,
    /// whatever all other bits are; for rules that need the gradients of the
    /// [samples](SavedGrads::Samples) and have learned numbers.
    fn control_variate(&self, _of: Outcome<'_>) -> f32 {
        0.0
    }

    /// The initial values of the numbers that the rule learns for each layer; empty where it
    /// learns none.
    fn learned(&self) -> &'static [f32] {
        &[]
    }

    /// The temperature of relaxed bits and the scale of the control part at step `step`, given
    /// the temperature of the run and the layer's learned numbers.
    fn control(&self, temperature: f32, _learned: &[f32], _step: u64) -> (f32, f32) {
        (temperature, 0.0)
    }

    /// A part of mean zero that is added to [`Estimator::grad`] times the scale.
    /// `signals` are the weighted losses of the extra rows. Where the rule needs the
    /// gradients of the [samples](SavedGrads::Samples), the first one is what
    /// [`Self::control_variate`] of the row is above the mean of those of the image's other
    /// samples.
    fn control_part(&self, _unit: Unit, _signals: [f32; 2]) -> f32 {
        0.0
    }

    /// Adapts the learned numbers after a step from Σ g², Σ g·c and Σ c² over all units,
    /// for gradients `g` and their control parts `c`. Where the rule needs the gradients of
    /// the [samples](SavedGrads::Samples), the samples of an image are added up before they
    /// are squared.
    fn adapt(&self, _learned: &mut [f32], _sums: [f64; 3], _step: u64) {}
}

/// What an engine asks of any rule; a rule of the other kind has the answer that changes
/// nothing.
impl dyn Estimator + '_ {
    /// The rule as a pathwise one.
    pub fn pathwise(&self) -> Option<&dyn Pathwise> {
        match self.rule() {
            Rule::Pathwise(rule) => Some(rule),
            _ => None,
        }
    }

    /// The rule as a score-function one.
    pub fn score_function(&self) -> Option<&dyn ScoreFunction> {
        match self.rule() {
            Rule::ScoreFunction(rule) => Some(rule),
            _ => None,
        }
    }

    /// Whether units are sampled in training even where evaluation thresholds them.
    pub fn explores(&self) -> bool {
        self.score_function().is_some() || self.pathwise().is_some_and(|rule| rule.explores())
    }

    /// See [`Pathwise::relaxes`].
    pub fn relaxes(&self) -> bool {
        self.pathwise().is_some_and(|rule| rule.relaxes())
    }

    /// See [`Pathwise::has_temperature`].
    pub fn has_temperature(&self) -> bool {
        self.pathwise().is_some_and(|rule| rule.has_temperature())
    }

    /// See [`Pathwise::needs_differences`].
    pub fn needs_differences(&self) -> bool {
        self.pathwise().is_some_and(|rule| rule.needs_differences())
    }

    /// See [`ScoreFunction::extras`].
    pub fn extras(&self) -> &'static [Extra] {
        self.score_function().map_or(&[], |rule| rule.extras())
    }

    /// See [`ScoreFunction::saved_grads`].
    pub fn saved_grads(&self) -> SavedGrads {
        self.score_function()
            .map_or(SavedGrads::None, |rule| rule.saved_grads())
    }

    /// See [`ScoreFunction::min_samples`].
    pub fn min_samples(&self) -> usize {
        self.score_function().map_or(1, |rule| rule.min_samples())
    }

    /// See [`ScoreFunction::takes_baseline`].
    pub fn takes_baseline(&self) -> bool {
        self.score_function()
            .is_some_and(|rule| rule.takes_baseline())
    }

    /// See [`ScoreFunction::learned`].
    pub fn learned(&self) -> &'static [f32] {
        self.score_function().map_or(&[], |rule| rule.learned())
    }
}

#[cfg(test)]
mod tests;
