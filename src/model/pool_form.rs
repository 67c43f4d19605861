//! [`PoolForm`]: how the blocks of a network halve the size of an image.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How the blocks of a network halve the size of an image. `omniglot-net` and its like have
/// both forms, under two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolForm {
    /// A max-pool of 2 behind the convolution.
    Max,
    /// A stride of 2 in the convolution.
    Stride,
}

impl PoolForm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Max, Self::Stride];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Stride => "stride",
        }
    }
}

impl fmt::Display for PoolForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PoolForm {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|form| form.name() == text);
        found.ok_or_else(|| format!("`{text}` is none of max, stride"))
    }
}
