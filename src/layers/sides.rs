//! A number for each side of an image.

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pack::Packer;

/// A number down and a number across. A text has one number where both are equal, else
/// `[height, width]`; either form is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sides {
    /// Down.
    pub height: usize,
    /// Across.
    pub width: usize,
}

impl Sides {
    /// 1 on both sides.
    pub const ONE: Sides = Sides::both(1);

    /// The same number on both sides.
    pub const fn both(side: usize) -> Self {
        Self::new(side, side)
    }

    /// A number for each side.
    pub const fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }

    /// Whether both sides are 1.
    pub fn is_one(&self) -> bool {
        *self == Self::ONE
    }

    /// The side of a square window; packed layers have no others.
    ///
    /// # Errors
    /// Sides that differ: no packed form is known of them.
    pub fn packed(&self, at: &Packer<'_>) -> crate::Result<usize> {
        let what = "no packed form is known of a window that differs by side yet";
        self.equal().ok_or_else(|| at.refuse(what))
    }

    /// The number that both sides have, where they have one.
    pub fn equal(&self) -> Option<usize> {
        (self.height == self.width).then_some(self.height)
    }

    /// The smaller of the two.
    pub fn least(&self) -> usize {
        self.height.min(self.width)
    }

    /// The larger of the two.
    pub fn most(&self) -> usize {
        self.height.max(self.width)
    }

    /// The product of both numbers, the pixels of a window; `usize::MAX` where it would be
    /// larger.
    pub fn area(&self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// Both numbers, e.g. `3x1`.
    pub fn pair(&self) -> String {
        format!("{}x{}", self.height, self.width)
    }
}

impl From<usize> for Sides {
    fn from(side: usize) -> Self {
        Self::both(side)
    }
}

impl From<[usize; 2]> for Sides {
    fn from([height, width]: [usize; 2]) -> Self {
        Self::new(height, width)
    }
}

/// One number where both are equal, else both.
impl std::fmt::Display for Sides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.equal() {
            Some(side) => write!(f, "{side}"),
            None => f.write_str(&self.pair()),
        }
    }
}

impl Serialize for Sides {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.equal() {
            Some(side) => side.serialize(to),
            None => [self.height, self.width].serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Sides {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Sides;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number or [height, width]")
            }

            fn visit_u64<E: serde::de::Error>(self, side: u64) -> Result<Sides, E> {
                let side = usize::try_from(side).map_err(E::custom)?;
                Ok(Sides::both(side))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Sides, A::Error> {
                let missing = |i| A::Error::invalid_length(i, &self);
                let height = from.next_element()?.ok_or_else(|| missing(0))?;
                let width = from.next_element()?.ok_or_else(|| missing(1))?;
                match from.next_element::<serde::de::IgnoredAny>()? {
                    Some(_) => Err(missing(3)),
                    None => Ok(Sides::new(height, width)),
                }
            }
        }

        from.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sides_are_one_number() {
        for (text, sides) in [
            ("3", Sides::both(3)),
            ("[3,1]", Sides::new(3, 1)),
            ("0", Sides::both(0)),
        ] {
            assert_eq!(serde_json::from_str::<Sides>(text).unwrap(), sides);
            assert_eq!(serde_json::to_string(&sides).unwrap(), text);
        }
        assert_eq!(
            serde_json::from_str::<Sides>("[2, 2]").unwrap(),
            Sides::both(2)
        );
        assert_eq!(Sides::new(3, 1).to_string(), "3x1");
        assert_eq!(
            (Sides::both(3).to_string(), Sides::both(3).pair()),
            ("3".into(), "3x3".into())
        );
    }

    #[test]
    fn anything_else_is_refused_in_a_line() {
        for text in [
            "-1",
            "1.5",
            "\"3\"",
            "null",
            "[]",
            "[3]",
            "[1,2,3]",
            "[1,-1]",
            "[[1],2]",
            "{}",
            "1e30",
            "[1,18446744073709551616]",
        ] {
            let error = serde_json::from_str::<Sides>(text).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{text}: {error}");
        }
        let error = serde_json::from_str::<Sides>("\"3\"").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("expected a whole number or [height, width]"),
            "{error}"
        );
    }
}
