//! [`Trouble`]: a sign that a training fails.

use serde::{Deserialize, Serialize};

/// A sign that a training fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// Nearly all units of a layer are saturated: hardly any gradient passes it.
    Saturated,
    /// No unit of a layer tells any two images apart: nothing passes it.
    Dead,
    /// The accuracy is that of naming the most frequent class.
    Chance,
    /// The loss is far above that of a guess.
    Loss,
}

/// A sign, and what it was seen by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What it is.
    pub sign: Sign,
    /// The epoch after which it was seen.
    pub epoch: usize,
    /// What was seen, in words.
    pub seen: String,
}
