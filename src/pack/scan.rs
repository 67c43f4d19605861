//! The values of a channel at every sum that can occur.

use super::value::Map;
use crate::packed::Ranges;
use crate::{bits, bounded};

/// For each channel, the values of a function at all of its sums, in ascending order of the sums.
pub(super) struct Scan {
    low: Vec<i32>,
    values: Vec<Vec<f32>>,
}

/// The sum at which a channel's bit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChannelThreshold {
    pub threshold: i32,
    /// Whether the bit is 1 below the threshold and 0 from the threshold on.
    pub inverted: bool,
    pub constant: bool,
}

impl Scan {
    /// Makes the identity function on all sums in the given ranges.
    pub fn new(channels: usize, ranges: &Ranges) -> Self {
        let ranges: Vec<_> = (0..channels).map(|c| ranges.of(c)).collect();
        Self {
            low: ranges.iter().map(|r| r.0).collect(),
            values: ranges
                .iter()
                .map(|&(low, high)| (low..=high).map(|s| s as f32).collect())
                .collect(),
        }
    }

    /// Checks that all sums of `channels` channels, the largest of which is `largest`, can be
    /// evaluated in memory, at four bytes each.
    ///
    /// # Errors
    /// The reason why they cannot.
    pub fn check(largest: usize, channels: usize) -> Result<(), String> {
        if largest >= 1 << 24 {
            return Err("its sums could reach 2^24, where f32 is not exact".into());
        }
        let needed = 4 * (largest as u64 + 1) * channels as u64;
        match bounded::lacking(needed) {
            Some(free) => Err(format!(
                "trying all of its sums takes {} MiB, more than the {} MiB of memory that are free",
                needed >> 20,
                free >> 20
            )),
            None => Ok(()),
        }
    }

    /// Returns the values of a channel.
    pub fn values(&self, channel: usize) -> &[f32] {
        &self.values[channel]
    }

    /// Applies a map to every value.
    pub fn apply(&mut self, map: &Map) {
        for (c, values) in self.values.iter_mut().enumerate() {
            match map {
                Map::Affine { scale, shift } => {
                    values
                        .iter_mut()
                        .for_each(|x| *x = *x * scale[c] + shift[c]);
                }
                Map::Divide(by) => values.iter_mut().for_each(|x| *x /= *by as f32),
                Map::Function(f, slope) => values.iter_mut().for_each(|x| *x = f.of(*slope, *x)),
            }
        }
    }

    /// Returns for each channel whether the values increase with the sum (`Some(true)`), decrease
    /// (`Some(false)`) or are constant (`None`).
    ///
    /// # Errors
    /// The index of the first channel whose values are not monotone or contain a NaN.
    pub fn rises(&self) -> Result<Vec<Option<bool>>, usize> {
        let one = |(c, values): (usize, &Vec<f32>)| {
            let pairs = || values.windows(2).map(|w| (w[0], w[1]));
            let up = pairs().all(|(a, b)| a <= b);
            let down = pairs().all(|(a, b)| a >= b);
            match (up, down) {
                (true, true) => Ok(None),
                (true, false) => Ok(Some(true)),
                (false, true) => Ok(Some(false)),
                // With a NaN the values neither increase nor decrease.
                (false, false) => Err(c),
            }
        };
        self.values.iter().enumerate().map(one).collect()
    }

    /// Returns for each channel the sum at which its bit changes.
    ///
    /// # Errors
    /// The index of the first channel whose bit changes more than once.
    pub fn thresholds(&self) -> Result<Vec<ChannelThreshold>, usize> {
        let one = |(c, (&low, values)): (usize, (&i32, &Vec<f32>))| {
            let bit = |i: usize| bits::bit(values[i]);
            let changes: Vec<usize> = (1..values.len())
                .filter(|&i| bit(i) != bit(i - 1))
                .collect();
            match (&changes[..], bit(0)) {
                // A constant 1 is `sum >= low`; a constant 0 is its inverse.
                ([], first) => Ok(ChannelThreshold {
                    threshold: low,
                    inverted: !first,
                    constant: true,
                }),
                (&[at], first) => Ok(ChannelThreshold {
                    threshold: low + at as i32,
                    inverted: first,
                    constant: false,
                }),
                _ => Err(c),
            }
        };
        self.low
            .iter()
            .zip(&self.values)
            .enumerate()
            .map(one)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(scale: f32, shift: f32) -> Scan {
        let mut scan = Scan::new(1, &Ranges::Same(-4, 5));
        scan.apply(&Map::Affine {
            scale: vec![scale],
            shift: vec![shift],
        });
        scan
    }

    #[test]
    fn thresholds_inversions_constants_and_ties() {
        let threshold = |scale, shift| scan(scale, shift).thresholds().unwrap()[0];
        let expected = |threshold, inverted, constant| ChannelThreshold {
            threshold,
            inverted,
            constant,
        };
        // At the sum 2 the value is 0, whose bit is 0.
        assert_eq!(threshold(1.0, -2.0), expected(3, false, false));
        assert_eq!(threshold(-1.0, 2.0), expected(2, true, false));
        assert_eq!(threshold(0.0, 1.0), expected(-4, false, true));
        assert_eq!(threshold(0.0, 0.0), expected(-4, true, true));
        assert_eq!(threshold(1.0, 100.0), expected(-4, false, true));
    }

    #[test]
    fn sums_that_are_too_many_or_too_large_are_refused() {
        Scan::check((1 << 24) - 1, 1).unwrap();
        let large = Scan::check(1 << 24, 1).unwrap_err();
        assert!(large.contains("2^24"), "{large}");
        if bounded::memory().is_some() {
            // There are 2^20 sums of 4 bytes in each of 2^30 channels.
            let many = Scan::check((1 << 20) - 1, 1 << 30).unwrap_err();
            assert!(many.contains("takes 4294967296 MiB"), "{many}");
        }
    }

    #[test]
    fn what_is_not_monotone_is_refused() {
        let mut bad = scan(1.0, 0.0);
        bad.values[0] = vec![-1.0, 1.0, -1.0];
        assert_eq!((bad.thresholds(), bad.rises()), (Err(0), Err(0)));
        bad.values[0] = vec![0.0, f32::NAN, 1.0];
        assert_eq!(bad.rises(), Err(0));
        assert_eq!(scan(0.0, 1.0).rises(), Ok(vec![None]));
        assert_eq!(scan(-2.0, 1.0).rises(), Ok(vec![Some(false)]));
    }
}
