//! Floor 7, the lab: what an estimator's gradient is like, at given weights, rather than what
//! accuracy it ends at.
//!
//! For a fixed batch of images and fixed weights, the gradient of the expected loss
//! with respect to each parameter is one number, and an estimator is a random
//! variable that tries to hit it. Over many draws `g_1 … g_D` with mean `m` and
//! variance `v` (over D - 1), and a reference gradient `r`:
//!
//! ```text
//! bias       √max(0, mean of d_b·d_c over b ≠ c) / |r|  d_b = m_b - r_b of ten parts of the draws
//! variance   Σv                                         summed over parameters
//! SNR        √(max(0, Σm² - Σv/D) / Σv)                 of one draw
//! cosine     mean of g·r/(|g||r|); and m·r/(|m||r|)
//! ```
//!
//! Each has its standard error ([`Errors`]), and the bias its resolution: the smallest bias
//! that could be told from chance. A squared bias is told from chance where it is above two
//! of the standard errors that it has where there is none; those come out of the covariance
//! of the parts, of the estimator's draws and of the reference's.
//!
//! The reference is exact where the outcomes of all bits can be enumerated
//! ([`Pass::enumerate`](crate::tape::Pass)), else the mean of a long run of an
//! unbiased estimator, whose own error is part of the record. Products of different
//! parts of the draws have no noise of their own to take off; how much the square of the
//! bias could be off by chance is the jackknife's standard error over the parts.
//!
//! All estimators see the same network: the same probability function, and batch norms above the bits
//! that take running statistics, which keep rows apart; otherwise their gradients
//! would have different targets.
//!
//! Without a reference ([`Spread`]) variance and SNR are measured along an estimator's own
//! trajectory: at weights that were trained by it.

mod contender;
mod draw;
mod figures;
mod measure;
mod moments;
mod part;
mod unit;

pub use contender::Contender;
pub use draw::{Lab, MAX_BITS};
pub use figures::{Errors, Figures, Spread, around, error_of_root};
pub use measure::{Effort, On};
pub use moments::{Moments, PARTS, Target};
pub use part::{Part, Parts, listed};
pub use unit::{UnitGradient, at_one_unit};

use serde::{Deserialize, Serialize};

use crate::train::Provenance;

/// What one estimator's gradient was like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The estimator of every binary layer, as a list where they differ, and the baseline
    /// and the samples, as asked for.
    pub name: String,
    /// Whether it claims to be unbiased.
    pub unbiased: bool,
    /// Draws.
    pub draws: usize,
    /// Rows of an image above the first binary layer: forward passes of that part.
    pub forward: usize,
    /// Replays backwards.
    pub backward: usize,
    /// Median milliseconds of a draw.
    pub milliseconds: f64,
    /// Its standard error; absent in records from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds_error: Option<f64>,
    /// For each parameter, and for `all` of them.
    pub figures: Vec<(String, Figures)>,
}

/// What the estimators were measured against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// `enumeration`, or the estimator of the long run in the form of [`Measured::name`].
    pub name: String,
    /// Draws of the long run; 1 of an enumeration.
    pub draws: usize,
    /// The norm `|r|` of the reference gradient.
    pub norm: f64,
    /// The standard error of `r` as a share of its norm; 0 of an enumeration.
    pub error: f64,
    /// The smallest bias that could be told from chance of an estimator without any noise, as
    /// a share of the norm; absent in records from before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<f64>,
}

/// The measurements at one point of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Epochs trained.
    pub epoch: usize,
    /// Slope.
    pub slope: f64,
    /// The reference gradient.
    pub reference: Reference,
    /// The estimators.
    pub estimators: Vec<Measured>,
}

/// What one estimator's gradient was like where there is no reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scattered {
    /// The estimator, in the form of [`Measured::name`].
    pub name: String,
    /// Draws.
    pub draws: usize,
    /// Median milliseconds of a draw.
    pub milliseconds: f64,
    /// Its standard error.
    pub milliseconds_error: f64,
    /// For each parameter, and for `all` of them.
    pub figures: Vec<(String, Spread)>,
}

/// The measurements at one point of a training with the estimator that is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnPoint {
    /// Epochs trained.
    pub epoch: usize,
    /// Slope.
    pub slope: f64,
    /// Share of validation images classified right after that epoch.
    pub val_accuracy: Option<f64>,
    /// The estimator of the training, and after it others at the same weights.
    pub estimators: Vec<Scattered>,
}

/// A training with an estimator, and what was measured on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// The estimator, in the form of [`Measured::name`].
    pub name: String,
    /// The points.
    pub points: Vec<OwnPoint>,
}

/// A record of the lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The network and its binary layers.
    pub network: String,
    /// Name of the data set.
    pub dataset: String,
    /// Fingerprint of the data set; empty in records from before it was noted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_sha256: String,
    /// The probability function that all estimators share.
    #[serde(alias = "link")]
    pub probability: String,
    /// Images of the batch.
    pub images: usize,
    /// Seed of weights, batch and noise.
    pub seed: u64,
    /// How the weights were come by.
    pub weights: String,
    /// Parameters that were looked at.
    pub parameters: Vec<String>,
    /// The standard error that draws went on until, as a share of the gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
    /// The points, all estimators at the same weights.
    pub points: Vec<Point>,
    /// Trainings with each estimator, where those were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<Trajectory>,
    /// The machine and the build that the figures come from.
    pub provenance: Provenance,
}
