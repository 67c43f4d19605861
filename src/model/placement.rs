//! Which of a network's activations are binary units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Places of units that can be named by their numbers, at most.
const MAX_PLACES: usize = 64;

/// Which of a network's activations are binary units. A place is an activation that can be
/// one ([`ModelSpec::unit_places`](super::ModelSpec::unit_places)); places are numbered from 1
/// in the order of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Placement {
    /// None of them.
    None,
    /// The first.
    First,
    /// The last.
    Last,
    /// All of them; the seed-net has two.
    Both,
    /// Those with these numbers.
    At(Places),
}

/// Numbers of places, from 1 to 64, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Places(u64);

impl Places {
    /// The places with those numbers, from 1 on; `None` without any, or where one is 0 or
    /// above 64.
    pub const fn new(numbers: &[usize]) -> Option<Self> {
        let (mut bits, mut i) = (0_u64, 0);
        while i < numbers.len() {
            if numbers[i] == 0 || numbers[i] > MAX_PLACES {
                return None;
            }
            bits |= 1 << (numbers[i] - 1);
            i += 1;
        }
        match bits {
            0 => None,
            bits => Some(Self(bits)),
        }
    }

    /// The numbers, in order.
    pub fn numbers(self) -> impl Iterator<Item = usize> {
        (1..=MAX_PLACES).filter(move |number| self.has(*number))
    }

    /// Whether place `number` is one of them.
    fn has(self, number: usize) -> bool {
        (1..=MAX_PLACES).contains(&number) && self.0 >> (number - 1) & 1 == 1
    }

    /// The greatest number.
    pub fn last(self) -> usize {
        MAX_PLACES - self.0.leading_zeros() as usize
    }
}

impl Placement {
    /// The words for placements that no numbers name.
    pub const WORDS: [&'static str; 4] = ["none", "first", "last", "both"];

    /// Whether the activation in place `n`, counted from 0, is binary where there are
    /// `places`.
    pub fn takes(self, n: usize, places: usize) -> bool {
        match self {
            Self::None => false,
            Self::First => n == 0,
            Self::Last => n + 1 == places,
            Self::Both => true,
            Self::At(these) => these.has(n + 1),
        }
    }

    /// The placement of a network with these places, each binary or not, by a word where one
    /// says it; `None` where a place beyond the 64th would have to be named.
    pub fn of(binary: &[bool]) -> Option<Self> {
        let numbers = || (1..).zip(binary).filter(|(_, is)| **is).map(|(n, _)| n);
        let (count, all) = (numbers().count(), binary.len());
        Some(match numbers().next() {
            None => Self::None,
            Some(_) if count == all => Self::Both,
            Some(1) if count == 1 => Self::First,
            Some(n) if count == 1 && n == all => Self::Last,
            Some(_) => Self::At(Places::new(&numbers().collect::<Vec<_>>())?),
        })
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::First => "first",
            Self::Last => "last",
            Self::Both => "both",
            Self::At(these) => {
                let numbers: Vec<String> = these.numbers().map(|n| n.to_string()).collect();
                return f.write_str(&numbers.join(","));
            }
        })
    }
}

impl FromStr for Placement {
    type Err = String;

    /// Reads `none`, `first`, `last`, `both` (or `all`, which says the same), or numbers with
    /// commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` names no activations; choose {}, or their numbers from 1 to {MAX_PLACES} as 1,3",
                Self::WORDS.join(", ")
            )
        };
        Ok(match text {
            "none" => Self::None,
            "first" => Self::First,
            "last" => Self::Last,
            "both" | "all" => Self::Both,
            _ => {
                let number = |text: &str| {
                    let digits = text.bytes().all(|b| b.is_ascii_digit());
                    text.parse::<usize>().ok().filter(|_| digits)
                };
                let numbers: Option<Vec<usize>> = text.split(',').map(number).collect();
                let places = numbers.and_then(|numbers| Places::new(&numbers));
                Self::At(places.ok_or_else(wrong)?)
            }
        })
    }
}

impl TryFrom<String> for Placement {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Placement> for String {
    fn from(placement: Placement) -> Self {
        placement.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_read_back() {
        for text in ["none", "first", "last", "both", "1", "1,3", "2,5,64"] {
            let placement: Placement = text.parse().unwrap();
            assert_eq!(placement.to_string(), text);
            let json = serde_json::to_string(&placement).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Placement>(&json).unwrap(), placement);
        }
        assert_eq!("all".parse(), Ok(Placement::Both));
        // The order and a repeat say nothing.
        assert_eq!("3,1,3".parse::<Placement>(), "1,3".parse());
        for bad in [
            "", "0", "65", "1,", ",1", "1 3", "+1", "-1", "middle", "1,x",
        ] {
            let line = bad.parse::<Placement>().unwrap_err();
            assert!(line.contains("names no activations; choose none"), "{line}");
        }
    }

    #[test]
    fn placements_are_named_by_the_shortest_word() {
        let named = |binary: &[bool]| Placement::of(binary).unwrap().to_string();
        let (y, n) = (true, false);
        for (binary, name) in [
            (&[][..], "none"),
            (&[n, n], "none"),
            (&[y], "both"),
            (&[y, y], "both"),
            (&[y, n], "first"),
            (&[n, y], "last"),
            (&[n, y, n], "2"),
            (&[n, n, y, y], "3,4"),
        ] {
            assert_eq!(named(binary), name);
            let placement: Placement = name.parse().unwrap();
            let takes = |i| placement.takes(i, binary.len());
            let taken: Vec<bool> = (0..binary.len()).map(takes).collect();
            assert_eq!(taken, binary, "{name}");
        }
        let mut many = vec![false; 66];
        (many[1], many[64]) = (true, true);
        assert_eq!(Placement::of(&many), None);
    }
}
