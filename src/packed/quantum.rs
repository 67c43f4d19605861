//! The quantum of a channel: the unit in which its sums are estimated by 16-bit integers, and the
//! largest error of such an estimate.

/// The largest estimate, in quanta; with the margin it fits 16 bits.
const RANGE: f64 = 31_000.0;

/// The largest margin.
const MARGIN: f64 = 800.0;

/// Half of the distance from 1 to the next float: the relative error of one rounding.
const ROUNDING: f64 = (f32::EPSILON / 2.0) as f64;

/// The unit of the estimates of a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantum {
    /// Quanta of a number 1; 0 for a channel whose bit is the same for all inputs.
    per_one: f64,
    /// The largest difference between an estimate and `(sum - threshold) / quantum`.
    pub margin: i16,
}

/// Returns the nearest integer.
fn nearest(x: f64) -> i64 {
    (if x < 0.0 { x - 0.5 } else { x + 0.5 }) as i64
}

/// Returns an integer modulo 2^16. A sum of such numbers is right if it fits 16 bits itself.
pub(super) fn wrapped(x: i64) -> i16 {
    x as i16
}

/// Returns the distance to the nearest integer.
fn error(x: f64) -> f64 {
    (x - nearest(x) as f64).abs()
}

impl Quantum {
    /// Returns the quantum of a sum of one entry of each table and the bias of a position, compared
    /// with `threshold`; `None` if a number is not finite or the margin would be too large.
    pub fn of_tables(
        tables: &[[f32; 16]],
        bias: impl Iterator<Item = f32> + Clone,
        threshold: f32,
    ) -> Option<Self> {
        if threshold.is_infinite() {
            return Some(Self::same());
        }
        let each = |of: fn(f64, f64) -> f64| -> f64 {
            let most = |t: &[f32; 16]| t.iter().map(|&x| f64::from(x)).reduce(of);
            tables.iter().filter_map(most).sum()
        };
        let first = bias.clone().map(|b| f64::from(b) - f64::from(threshold));
        let low = first.clone().fold(f64::INFINITY, f64::min) + each(f64::min);
        let high = first.clone().fold(f64::NEG_INFINITY, f64::max) + each(f64::max);
        let range = low.abs().max(high.abs());
        if !range.is_finite() {
            return None;
        }
        let per_one = if range > 0.0 { RANGE / range } else { 1.0 };
        let table = |t: &[f32; 16]| {
            let errors = t.iter().map(|&x| error(f64::from(x) * per_one));
            errors.fold(0.0, f64::max)
        };
        let size = each(|a, b| a.abs().max(b.abs()))
            + bias.map(|b| f64::from(b).abs()).fold(0.0, f64::max);
        let margin = tables.iter().map(table).sum::<f64>()
            + first.map(|x| error(x * per_one)).fold(0.0, f64::max)
            + (tables.len() + 2) as f64 * ROUNDING * size * per_one;
        Self::with(per_one, margin)
    }

    /// Returns the quantum, unless the margin is too large.
    fn with(per_one: f64, margin: f64) -> Option<Self> {
        (margin < MARGIN).then(|| Self {
            per_one,
            margin: margin as i16 + 1,
        })
    }

    /// Returns the quantum of a channel whose bit is the same for all inputs.
    fn same() -> Self {
        Self {
            per_one: 0.0,
            margin: 0,
        }
    }

    /// Returns a number in quanta.
    pub fn units(self, x: f64) -> i64 {
        nearest(x * self.per_one)
    }

    /// Returns the estimate of a sum that has only its bias.
    pub fn first(self, bias: f32, threshold: f32) -> i16 {
        if self.per_one == 0.0 {
            return if threshold < 0.0 {
                i16::MAX / 2
            } else {
                i16::MIN / 2
            };
        }
        wrapped(self.units(f64::from(bias) - f64::from(threshold)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Quantum, wrapped};
    use crate::random::{between, keyed};

    /// Sums of random entries, whose estimates are within the margin of the sums of floats.
    #[test]
    fn estimates_of_tables_are_within_their_margin() {
        let mut rng = keyed(&[4, 93]);
        let mut largest: f64 = 0.0;
        for number in 0..200 {
            let size = [1e-6, 1.0, 1e6][number % 3];
            let mut entry = |_| between(&mut rng, -size, size);
            let tables: Vec<[f32; 16]> = (0..1 + number % 40)
                .map(|_| core::array::from_fn(&mut entry))
                .collect();
            let (bias, threshold) = ([entry(0), entry(1)], entry(2) * (number % 5) as f32);
            let quantum = Quantum::of_tables(&tables, bias.into_iter(), threshold).unwrap();
            for draw in 0..20u64 {
                let bias = bias[draw as usize % 2];
                let mut estimate = quantum.first(bias, threshold);
                let mut sum = bias;
                for table in &tables {
                    let bits = crate::random::below(&mut rng, 16) as usize;
                    estimate = estimate.wrapping_add(wrapped(quantum.units(table[bits].into())));
                    sum += table[bits];
                }
                let exact = (f64::from(sum) - f64::from(threshold)) * quantum.per_one;
                let off = (f64::from(estimate) - exact).abs() / f64::from(quantum.margin);
                assert!(off <= 1.0, "{number}: {estimate} for {exact}");
                largest = largest.max(off);
            }
        }
        assert!(largest > 0.1, "margins are many times too wide: {largest}");
    }

    #[test]
    fn numbers_that_are_not_finite_have_no_estimates() {
        let entries = [[f32::INFINITY; 16]];
        assert!(Quantum::of_tables(&entries, [0.0].into_iter(), 0.0).is_none());
        assert!(Quantum::of_tables(&[[1.0; 16]], [f32::NAN].into_iter(), 0.0).is_none());
    }
}
