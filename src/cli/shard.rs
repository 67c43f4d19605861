//! `--shard I/N`: the part of the work that one process of several does, as in an array job.

use std::fmt;

/// Every `of`-th thing to do, from the `part`-th (from 1) on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub part: usize,
    pub of: usize,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { part: 1, of: 1 };

    /// Reads `2/8`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parse = || {
            let (part, of) = text.split_once('/')?;
            let (part, of) = (part.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&part).then_some(Self { part, of })
        };
        parse().ok_or_else(|| "write I/N with I from 1 to N, such as 2/8".into())
    }

    /// What of a list is this process's.
    pub fn share<T>(self, all: &[T]) -> impl Iterator<Item = &T> {
        all.iter().skip(self.part - 1).step_by(self.of)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}
