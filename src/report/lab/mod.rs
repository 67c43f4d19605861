//! The lab: what an estimator's gradient is like, at given weights, rather than what
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
//! The reference is exact where the outcomes of all bits can be enumerated
//! ([`Pass::enumerate`](crate::tape::Pass)), else the mean of a long run of an
//! unbiased estimator, whose own error is part of the record. Products of different
//! parts of the draws have no noise of their own to take off; how much the square of the
//! bias could be off by chance is the jackknife's standard error over the parts.
//!
//! All estimators see the same network: the same link, and batch norms above the bits
//! that take running statistics, which keep rows apart; otherwise their gradients
//! would have different targets.

mod draw;
#[cfg(feature = "plots")]
pub mod figures;
mod moments;

pub use draw::{Contender, Lab, MOST_BITS};
pub use moments::{Figures, Moments, PARTS};

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
    /// For each parameter, and for `all` of them.
    pub figures: Vec<(String, Figures)>,
}

/// What the estimators were measured against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// `enumeration`, or the label of the long run, as that of [`Measured::name`].
    pub name: String,
    /// Draws of the long run; 1 of an enumeration.
    pub draws: usize,
    /// `|r|`
    pub norm: f64,
    /// The standard error of `r` as a share of its norm; 0 of an enumeration.
    pub error: f64,
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
    /// The link that all estimators share.
    pub link: String,
    /// Images of the batch.
    pub images: usize,
    /// Seed of weights, batch and noise.
    pub seed: u64,
    /// How the weights were come by.
    pub weights: String,
    /// Parameters that were looked at.
    pub parameters: Vec<String>,
    /// The points.
    pub points: Vec<Point>,
    /// Where the figures come from.
    pub provenance: Provenance,
}
