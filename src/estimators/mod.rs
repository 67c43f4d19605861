//! Floor 3: gradient estimators for binary units.
//!
//! An estimator is a scalar rule inside one generic layer, [`BinaryUnit`]: given
//! a unit's pre-activation `x`, the bit `h` that it emitted, and what came back
//! from above, it says what to pass on to `x`. *Pathwise* rules use the adjoint of
//! the bit; *score-function* rules use the row's learning signal, made from its
//! loss, instead.
//!
//! ```text
//! h ~ Bernoulli(p),  p = s(a·x)      s the hard sigmoid or the logistic (Link)
//! ```
//!
//! A rule that needs the loss somewhere else than at the sample (at the opposite
//! bits, at the mean, at a relaxed sample) asks for [`Extra`] rows; a rule with
//! a control variate that has a gradient of its own asks for a first replay
//! ([`Estimator::probes`]).
//!
//! To add one: write its file, name it in [`ALL`]; from another crate, call
//! [`register`]. The tests run over the registry.
//!
//! Left out: PSA (Shekhovtsov 2020, arXiv 2006.03143). Its analytic step needs the next
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
mod link;
mod local_expectation;
mod muprop;
mod none;
mod plan;
mod polynomial;
mod rebar;
mod registry;
mod reinforce;
mod reinmax;
mod reste;
mod roles;
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
pub use link::Link;
pub use local_expectation::LocalExpectation;
pub use muprop::MuProp;
pub use none::NoGradient;
pub use plan::{Part, Plan, Unit as PlannedUnit};
pub use polynomial::ApproxSign;
pub use rebar::Rebar;
pub use registry::{ALL, Make, all, by_name, register};
pub use reinforce::Reinforce;
pub use reinmax::ReinMax;
pub use reste::ReSte;
pub use roles::{Emit, Extra, Roles, samples};
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

/// What an estimator learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The adjoint of the bit: pathwise rules.
    Adjoint,
    /// The loss of the row: score-function rules. Such units are sampled in
    /// training whatever they do in evaluation, for without noise there is no
    /// score; a deterministic one is thresholded when it is evaluated.
    Loss,
    /// Nothing.
    Nothing,
}

/// One unit on the way back.
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
    /// What it emitted.
    pub h: f32,
    /// Adjoint of what it emitted.
    pub dh: f32,
    /// The row's learning signal, [`Estimator::credit`].
    pub credit: f32,
    /// Adjoints of what it emitted in its extra rows, from the probe.
    pub noted: [f32; 2],
}

/// Many units of one row on the way back: [`Unit`] as slices of equal length.
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
    pub credit: f32,
    pub noted: [&'a [f32]; 2],
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
            credit: self.credit,
            noted: [self.noted[0][i], self.noted[1][i]],
        }
    }
}

/// What [`Estimator::credit`] is made from: one main row at one layer.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Loss of the sample.
    pub loss: f32,
    /// Losses of the layer's extra rows.
    pub extra: [f32; 2],
    /// What the baseline expects.
    pub baseline: f32,
    /// The weight of the row in the objective.
    pub weight: f32,
    /// Bits and probabilities of the layer.
    pub h: &'a [f32],
    /// Probabilities; zeros unless the rule needs them.
    pub p: &'a [f32],
    /// Adjoints noted by the probe, of the weighted loss.
    pub noted: [&'a [f32]; 2],
}

/// Numbers of a row that a rule needs beside pre-activations and bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Probabilities.
    pub p: bool,
    /// The uniform numbers of the sample.
    pub u: bool,
    /// Further uniform numbers.
    pub v: bool,
}

/// A rule that carries gradients through a binary unit.
pub trait Estimator: Send + Sync {
    /// Name, formula, bias, cost, source.
    fn info(&self) -> Info;

    /// What it learns from.
    fn signal(&self) -> Signal {
        Signal::Adjoint
    }

    /// Probabilities of bits.
    fn link(&self) -> Link;

    /// The gradient passed to `x`.
    fn pullback(&self, unit: Unit) -> f32;

    /// The function whose derivative a pathwise rule uses in place of the
    /// step's, if it has one; the tests compare the two.
    fn surrogate(&self, _slope: f32, _x: f32) -> Option<f64> {
        None
    }

    /// Numbers of a row that [`Self::pullback`] or [`Self::credit`] use.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether units are sampled in training even where evaluation thresholds
    /// them: rules whose formula is an expectation over samples.
    fn explores(&self) -> bool {
        self.signal() == Signal::Loss
    }

    /// Whether training emits relaxed bits, real numbers within (0, 1).
    fn relaxes(&self) -> bool {
        false
    }

    /// Whether the temperature of a run is its temperature.
    fn has_temperature(&self) -> bool {
        false
    }

    /// Whether the loss must be a linear layer away: see
    /// [`crate::layers::LinearOp::record_flips`].
    fn flips(&self) -> bool {
        false
    }

    /// Extra rows of a sample, at most two.
    fn extras(&self) -> &'static [Extra] {
        &[]
    }

    /// Whether the adjoints of the extra rows' outputs are found first.
    fn probes(&self) -> bool {
        false
    }

    /// Whether the probe is of the samples themselves: [`Unit::noted`] is then the mean
    /// adjoint of the image's other samples.
    fn probes_samples(&self) -> bool {
        false
    }

    /// Samples of an image that it needs at least.
    fn least_samples(&self) -> usize {
        1
    }

    /// Whether a baseline lowers its variance.
    fn takes_baseline(&self) -> bool {
        false
    }

    /// The learning signal of a row.
    fn credit(&self, of: Outcome<'_>) -> f32 {
        (of.loss - of.baseline) * of.weight
    }

    /// A control variate of the row's loss whose mean over the row's own bits is 0,
    /// whatever all other bits are; for rules that
    /// [probe the samples](Self::probes_samples) and have learned numbers.
    fn line(&self, _of: Outcome<'_>) -> f32 {
        0.0
    }

    /// Learned numbers of a layer, as they begin.
    fn controls(&self) -> &'static [f32] {
        &[]
    }

    /// Temperature of relaxed bits, and scale of the control part, at a step.
    fn control(&self, temperature: f32, _controls: &[f32], _step: u64) -> (f32, f32) {
        (temperature, 0.0)
    }

    /// A part of mean zero that is added to [`Self::pullback`] times the scale.
    /// `signals` are the weighted losses of the extra rows. Where the rule
    /// [probes the samples](Self::probes_samples), the first one is what [`Self::line`]
    /// of the row is above the mean of those of the image's other samples.
    fn control_part(&self, _unit: Unit, _signals: [f32; 2]) -> f32 {
        0.0
    }

    /// Adapts the learned numbers after a step from Σ g², Σ g·c and Σ c² over
    /// all units, for gradients `g` and their control parts `c`. Where the rule
    /// [probes the samples](Self::probes_samples), the samples of an image are added up
    /// before they are squared.
    fn adapt(&self, _controls: &mut [f32], _sums: [f64; 3], _step: u64) {}

    /// [`Self::pullback`] of many units, added to `dx`; a rule with a kernel
    /// overrides it.
    fn pullbacks(&self, _ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        for (i, dx) in dx.iter_mut().enumerate() {
            *dx += self.pullback(units.at(i));
        }
    }
}

#[cfg(test)]
mod tests;
