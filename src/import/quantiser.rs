//! The operator `Quant` of QONNX, of constants and as levels of a value.

use super::array::Array;
use super::file::Node;

/// How many levels a value may have: each but the lowest is a layer of binary units.
const MOST_LEVELS: i64 = 16;

type Read<T> = Result<T, String>;

/// What `Quant` does to a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantiser {
    /// The distance of neighbouring levels.
    pub scale: f32,
    /// The whole number that stands for 0.
    pub zero: f32,
    /// The lowest and the highest whole number.
    pub lowest: i64,
    pub highest: i64,
    round: fn(f32) -> f32,
}

impl Quantiser {
    /// The quantiser of a node with that scale.
    pub fn new(node: &Node<'_>, scale: f32, zero: f32, bits: f32) -> Read<Self> {
        let int = |name, usual| node.settings.get(name).map_or(usual, |setting| setting.int);
        if bits.fract() != 0.0 || !(1.0..=24.0).contains(&bits) {
            return Err("has another width than 1 to 24 bits".into());
        }
        if !(scale.is_finite() && scale > 0.0) {
            return Err("has a scale that is no number above 0".into());
        }
        let (signed, narrow) = (int("signed", 1) == 1, i64::from(int("narrow", 0) == 1));
        let half = 1i64 << (bits as u32 - 1);
        let (lowest, highest) = match signed {
            true => (narrow - half, half - 1),
            false => (0, 2 * half - 1 - narrow),
        };
        let mode = node.settings.get("rounding_mode");
        let round = match mode.map_or(&b"ROUND"[..], |mode| mode.text) {
            b"ROUND" | b"HALF_EVEN" => f32::round_ties_even,
            b"FLOOR" => f32::floor,
            b"CEIL" => f32::ceil,
            _ => return Err("rounds otherwise than to the nearest, down or up".into()),
        };
        Ok(Self {
            scale,
            zero,
            lowest,
            highest,
            round,
        })
    }

    /// The whole number of a number.
    fn whole(&self, x: f32) -> f32 {
        let y = x / self.scale + self.zero;
        let held = y.min(self.highest as f32).max(self.lowest as f32);
        (self.round)(held)
    }

    /// The number that a number becomes.
    pub fn of(&self, x: f32) -> f32 {
        (self.whole(x) - self.zero) * self.scale
    }

    /// The number that stands for the lowest level.
    pub fn least(&self) -> f32 {
        (self.lowest as f32 - self.zero) * self.scale
    }

    /// For every level but the lowest the least number that reaches it: found by trying, with the
    /// roundings of the operator.
    pub fn limits(&self) -> Read<Vec<f32>> {
        let levels = self.highest - self.lowest + 1;
        if levels > MOST_LEVELS {
            return Err(format!(
                "has {levels} levels; {MOST_LEVELS} are the most of a value here"
            ));
        }
        let limit = |level: i64| {
            // Floats in their order as integers.
            let (mut below, mut reached) = (key(f32::MIN), key(f32::MAX));
            while reached - below > 1 {
                let middle = below + (reached - below) / 2;
                match self.whole(float(middle)) >= level as f32 {
                    true => reached = middle,
                    false => below = middle,
                }
            }
            float(reached)
        };
        Ok((self.lowest + 1..=self.highest).map(limit).collect())
    }
}

/// The place of a float in the order of all.
fn key(x: f32) -> i64 {
    let bits = i64::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() { -bits } else { bits }
}

/// The float at that place.
fn float(key: i64) -> f32 {
    let magnitude = f32::from_bits(key.unsigned_abs() as u32);
    if key < 0 { -magnitude } else { magnitude }
}

/// `Quant` of a constant; its scale and its zero fit it as broadcasting has it.
pub(super) fn constant(node: &Node<'_>, of: [&Array; 3], bits: f32) -> Read<Array> {
    // What does not hang on the numbers is refused once.
    for &scale in &of[1].numbers {
        Quantiser::new(node, scale, 0.0, bits)?;
    }
    Array::combined(&of, |x| {
        Quantiser::new(node, x[1], x[2], bits).map_or(f32::NAN, |q| q.of(x[0]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::file::Setting;

    fn quantiser(signed: i64, bits: f32, scale: f32) -> Quantiser {
        let mut node = Node::default();
        let setting = Setting {
            int: signed,
            ..Setting::default()
        };
        node.settings.insert("signed", setting);
        Quantiser::new(&node, scale, 0.0, bits).unwrap()
    }

    #[test]
    fn limits_are_where_the_operator_changes() {
        for (signed, bits, scale) in [(1, 2.0, 0.3), (0, 2.0, 1.0), (0, 4.0, 0.017), (1, 4.0, 7.0)]
        {
            let q = quantiser(signed, bits, scale);
            let limits = q.limits().unwrap();
            assert_eq!(limits.len() as i64, q.highest - q.lowest);
            for (i, limit) in limits.iter().enumerate() {
                let level = (q.lowest + i as i64 + 1) as f32;
                assert_eq!(q.whole(*limit), level);
                assert_eq!(q.whole(limit.next_down()), level - 1.0);
            }
        }
        // Halves go to the even number: 0.5 to 0, 1.5 to 2.
        let limits = quantiser(0, 2.0, 1.0).limits().unwrap();
        assert_eq!(limits, [0.5f32.next_up(), 1.5, 2.5f32.next_up()]);
        assert!(quantiser(0, 8.0, 1.0).limits().is_err());
    }

    #[test]
    fn numbers_are_held_between_the_lowest_and_the_highest() {
        let q = quantiser(1, 4.0, 0.5);
        assert_eq!([q.of(100.0), q.of(-100.0), q.of(0.3)], [3.5, -4.0, 0.5]);
        assert_eq!(q.least(), -4.0);
    }
}
