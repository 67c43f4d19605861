//! Gradient estimators for binary units (floor 3).
//!
//! An estimator is a scalar rule within the generic layer [`BinaryUnit`]: from a unit's
//! pre-activation `x`, the emitted bit `h`, and the gradient or learning signal from above it
//! computes the gradient with respect to `x`. A [`Pathwise`] rule uses the gradient of the loss
//! with respect to the bit; a [`ScoreFunction`] rule uses the learning signal of the row, which is
//! computed from its loss.
//!
//! ```text
//! h ~ Bernoulli(p),  p = s(a·x)      stochastic units
//! h = [x > 0]                        deterministic units, and stochastic ones that are thresholded
//!
//! x    the pre-activation             a    the slope, which may be annealed over training
//! h    the bit that is emitted        s    the probability function: hard sigmoid or logistic
//! p    the probability of a 1         p'   dp/dx = a·s'(a·x)
//! u    the sample's uniform number, h = [u < p]
//! L    the loss of the row            dL/dh  the gradient from the layer above
//! σ    the logistic, 1/(1 + e^-x)     t    the temperature of a relaxed bit
//! ```
//!
//! [`Probability`] is the probability function; the documentation of each estimator's type states
//! its formula in this notation, whether it is unbiased, its cost and its source.
//!
//! A rule that needs the loss at other values than the sample (at the antithetic bits, at the mean,
//! at a relaxed sample) requests [`Extra`] rows. A rule whose control variate has a gradient of its
//! own requests gradients that a first backward pass saves ([`SavedGrads`]).
//!
//! To add an estimator to this crate, write its file and name it in [`ALL`]; from another crate,
//! call [`register`]. The tests cover all registered estimators.
//!
//! PSA (Shekhovtsov 2020, arXiv 2006.03143) is not implemented. Its analytic step requires that the
//! next layer's pre-activation is a linear function of each bit; then the effect of a flip on every
//! unit above costs one more convolution. In the networks here a max-pool lies between a
//! convolution and its units, so this does not hold. Above the last binary layer, where it holds,
//! `local-expectation` is exact at the same cost.

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
pub use registry::{ALL, Make, all, by_name, register, replace};
pub use reinforce::Reinforce;
pub use reinmax::ReinMax;
pub use reste::ReSte;
pub use st::StraightThrough;
pub use swish::SwishSign;
pub use unit::{BinaryUnit, Firing};

use crate::kernels::Elementwise;

/// The properties of an estimator that `bnn-cpu estimators` and the documentation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The name on the command line.
    pub name: &'static str,
    /// The gradient with respect to `x`, in the notation of [`crate::estimators`].
    pub formula: &'static str,
    /// Whether its expectation is the exact gradient.
    pub unbiased: bool,
    /// The number of passes over the network for one training step, in words.
    pub cost: &'static str,
    /// The publication.
    pub source: &'static str,
}

/// The kind of a rule, which determines where its gradient comes from.
#[derive(Clone, Copy)]
pub enum Rule<'a> {
    /// The rule uses the gradient of the loss with respect to what the unit emitted.
    Pathwise(&'a dyn Pathwise),
    /// The rule uses the loss of the row. Units with such a rule are sampled in training, because a
    /// score requires noise; deterministic units are thresholded in evaluation only.
    ScoreFunction(&'a dyn ScoreFunction),
    /// The unit has a gradient of 0.
    NoGradient,
}

/// The gradients of the loss, with respect to what the layer emitted, that a score-function rule
/// needs before it can compute its own gradient. A control-variate pass saves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedGrads {
    /// No gradients are needed.
    None,
    /// The gradients in the rule's [`Extra`] rows are needed.
    ExtraRows,
    /// The gradients in the samples are needed: a unit gets the mean over the image's other
    /// samples.
    Samples,
}

/// The values of one unit in one row that a rule computes its gradient from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unit {
    /// Slope `a` of the probability function.
    pub slope: f32,
    /// Temperature `t` of relaxed bits.
    pub temperature: f32,
    /// Pre-activation `x`.
    pub x: f32,
    /// Probability `p = s(a·x)`; 0 unless the rule [`needs`](Estimator::needs) it.
    pub p: f32,
    /// Uniform number `u` of the sample, `h = [u < p]`; 0 unless the rule
    /// [`needs`](Estimator::needs) it.
    pub u: f32,
    /// A second uniform number, independent of `u`; 0 unless the rule [`needs`](Estimator::needs)
    /// it.
    pub v: f32,
    /// The emitted value `h`: a bit, or a relaxed bit if the rule relaxes.
    pub h: f32,
    /// The gradient `dL/dh` of the loss with respect to the emitted value.
    pub dh: f32,
    /// The learning signal of the row, computed by [`ScoreFunction::learning_signal`].
    pub learning_signal: f32,
    /// The gradients that a control-variate pass saved, as requested by
    /// [`ScoreFunction::saved_grads`].
    pub saved_grads: [f32; 2],
}

/// The values of many units of one row, with the fields of [`Unit`] as slices of equal length.
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
    /// Returns the first `len` units: a loop over them checks the lengths once.
    #[inline(always)]
    fn first(&self, len: usize) -> Self {
        Self {
            x: &self.x[..len],
            p: &self.p[..len],
            u: &self.u[..len],
            v: &self.v[..len],
            h: &self.h[..len],
            dh: &self.dh[..len],
            saved_grads: self.saved_grads.map(|grads| &grads[..len]),
            ..*self
        }
    }

    /// Returns the values of unit `i`.
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

/// The values of one primary row at one layer that [`ScoreFunction::learning_signal`] is computed
/// from.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Loss of the sample.
    pub loss: f32,
    /// Losses of the rows that the layer's rule requested ([`Extra`]).
    pub extra: [f32; 2],
    /// The baseline of the row; 0 without a baseline.
    pub baseline: f32,
    /// Weight of the row's loss in the objective.
    pub weight: f32,
    /// Bits of the layer.
    pub h: &'a [f32],
    /// Probabilities of the layer's bits; zeros unless the rule [`needs`](Estimator::needs) them.
    pub p: &'a [f32],
    /// Gradients of the weighted loss that a control-variate pass saved.
    pub saved_grads: [&'a [f32]; 2],
}

/// The values of a row that a rule needs beside pre-activations and bits; other values are not
/// computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whether the rule needs the probabilities `p`.
    pub p: bool,
    /// Whether the rule needs the uniform numbers `u` of the sample.
    pub u: bool,
    /// Whether the rule needs a second set of uniform numbers `v`.
    pub v: bool,
}

/// A rule that computes gradients through a binary unit. This trait has what all rules share; each
/// rule also implements [`Pathwise`] or [`ScoreFunction`], as its [`rule`](Self::rule) states.
pub trait Estimator: Send + Sync {
    /// Returns the name of the rule, its formula, whether it is unbiased, its cost and its source.
    fn info(&self) -> Info;

    /// Returns the probability function of the units.
    fn probability(&self) -> Probability;

    /// Returns the kind of the rule, with its further methods.
    fn rule(&self) -> Rule<'_>;

    /// Returns the gradient `dL/dx`. For a score-function rule [`ScoreFunction::control_part`] is
    /// added to it.
    fn grad(&self, unit: Unit) -> f32;

    /// Returns which values [`Self::grad`] or the learning signal use.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Adds [`Self::grad`] of many units to `dx`. Rules with a SIMD kernel override this method.
    fn grads(&self, _ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        let units = units.first(dx.len());
        for (i, dx) in dx.iter_mut().enumerate() {
            *dx += self.grad(units.at(i));
        }
    }
}

/// A rule that uses the gradient of the loss with respect to the emitted value.
pub trait Pathwise: Estimator {
    /// Returns the value at `x` of the function whose derivative replaces that of the step
    /// function, if there is one. A test of the registry compares its derivative with
    /// [`Estimator::grad`].
    fn surrogate(&self, _slope: f32, _x: f32) -> Option<f64> {
        None
    }

    /// Returns whether units are sampled in training even if they are deterministic in evaluation.
    /// This is true for rules whose formula is an expectation over samples.
    fn explores(&self) -> bool {
        false
    }

    /// Returns whether training emits relaxed bits, real numbers in (0, 1).
    fn relaxes(&self) -> bool {
        false
    }

    /// Returns whether the rule depends on the temperature of a run.
    fn has_temperature(&self) -> bool {
        false
    }

    /// Returns whether the rule needs, in place of the gradient, the difference that each bit makes
    /// to the loss. A linear layer directly above computes it
    /// ([`crate::layers::LinearOp::record_differences`]).
    fn needs_differences(&self) -> bool {
        false
    }
}

/// A rule that uses the loss of the row. It may request the loss at other values than the sample,
/// and may have a control variate of mean zero with a learned scale.
pub trait ScoreFunction: Estimator {
    /// Returns the further evaluations of a sample that the rule requests, at most two.
    fn extras(&self) -> &'static [Extra] {
        &[]
    }

    /// Returns the gradients that a control-variate pass has to save for the rule.
    fn saved_grads(&self) -> SavedGrads {
        SavedGrads::None
    }

    /// Returns the smallest number of samples per image that the rule requires.
    fn min_samples(&self) -> usize {
        1
    }

    /// Returns whether a baseline reduces the variance of the rule.
    fn takes_baseline(&self) -> bool {
        false
    }

    /// Returns the learning signal of a row, by which the score is multiplied.
    fn learning_signal(&self, of: Outcome<'_>) -> f32 {
        (of.loss - of.baseline) * of.weight
    }

    /// Returns a control variate of the row's loss whose mean over the row's own bits is 0 for any
    /// values of all other bits. It is used for rules that need the gradients of the
    /// [samples](SavedGrads::Samples) and have learned numbers.
    fn control_variate(&self, _of: Outcome<'_>) -> f32 {
        0.0
    }

    /// Returns the initial values of the numbers that the rule learns for each layer; empty if it
    /// learns none.
    fn learned(&self) -> &'static [f32] {
        &[]
    }

    /// Returns the temperature of relaxed bits and the scale of the control part at step `step`,
    /// from the temperature of the run and the layer's learned numbers.
    fn control(&self, temperature: f32, _learned: &[f32], _step: u64) -> (f32, f32) {
        (temperature, 0.0)
    }

    /// Returns a term of mean zero; it is multiplied by the scale and added to [`Estimator::grad`].
    /// `signals` are the weighted losses of the extra rows. For a rule that needs the gradients of
    /// the [samples](SavedGrads::Samples), the first signal is instead [`Self::control_variate`] of
    /// the row minus the mean of those of the image's other samples.
    fn control_part(&self, _unit: Unit, _signals: [f32; 2]) -> f32 {
        0.0
    }

    /// Writes [`Self::control_part`] of many units to `to`.
    fn control_parts(&self, units: Units<'_>, signals: [f32; 2], to: &mut [f32]) {
        let units = units.first(to.len());
        for (i, to) in to.iter_mut().enumerate() {
            *to = self.control_part(units.at(i), signals);
        }
    }

    /// Updates the learned numbers after a step from the sums Σ g², Σ g·c and Σ c² over all units,
    /// for gradients `g` and their control parts `c`. For a rule that needs the gradients of the
    /// [samples](SavedGrads::Samples), the samples of an image are added up before they are
    /// squared.
    fn adapt(&self, _learned: &mut [f32], _sums: [f64; 3], _step: u64) {}
}

/// Methods of both kinds of rules. For a rule of the other kind, each returns the default value.
impl dyn Estimator + '_ {
    /// Returns the rule as a pathwise rule, if it is one.
    pub fn pathwise(&self) -> Option<&dyn Pathwise> {
        match self.rule() {
            Rule::Pathwise(rule) => Some(rule),
            _ => None,
        }
    }

    /// Returns the rule as a score-function rule, if it is one.
    pub fn score_function(&self) -> Option<&dyn ScoreFunction> {
        match self.rule() {
            Rule::ScoreFunction(rule) => Some(rule),
            _ => None,
        }
    }

    /// Returns whether units are sampled in training even if they are deterministic in evaluation.
    /// This is true for all score-function rules, and as [`Pathwise::explores`] states.
    pub fn explores(&self) -> bool {
        self.score_function().is_some() || self.pathwise().is_some_and(|rule| rule.explores())
    }

    /// Returns [`Pathwise::relaxes`], or false.
    pub fn relaxes(&self) -> bool {
        self.pathwise().is_some_and(|rule| rule.relaxes())
    }

    /// Returns [`Pathwise::has_temperature`], or false.
    pub fn has_temperature(&self) -> bool {
        self.pathwise().is_some_and(|rule| rule.has_temperature())
    }

    /// Returns [`Pathwise::needs_differences`], or false.
    pub fn needs_differences(&self) -> bool {
        self.pathwise().is_some_and(|rule| rule.needs_differences())
    }

    /// Returns [`ScoreFunction::extras`], or none.
    pub fn extras(&self) -> &'static [Extra] {
        self.score_function().map_or(&[], |rule| rule.extras())
    }

    /// Returns [`ScoreFunction::saved_grads`], or [`SavedGrads::None`].
    pub fn saved_grads(&self) -> SavedGrads {
        self.score_function()
            .map_or(SavedGrads::None, |rule| rule.saved_grads())
    }

    /// Returns [`ScoreFunction::min_samples`], or 1.
    pub fn min_samples(&self) -> usize {
        self.score_function().map_or(1, |rule| rule.min_samples())
    }

    /// Returns [`ScoreFunction::takes_baseline`], or false.
    pub fn takes_baseline(&self) -> bool {
        self.score_function()
            .is_some_and(|rule| rule.takes_baseline())
    }

    /// Returns [`ScoreFunction::learned`], or an empty slice.
    pub fn learned(&self) -> &'static [f32] {
        self.score_function().map_or(&[], |rule| rule.learned())
    }
}

#[cfg(test)]
mod tests;
