//! A number for all channels of an image, or one for each.

use alloc::vec::Vec;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number for all channels of an image, or one for each. In JSON it is one number, or a
/// list.
#[derive(Clone, Debug, PartialEq)]
pub enum Channels {
    /// The same number for every channel.
    All(f32),
    /// One number a channel.
    Each(Vec<f32>),
}

impl Channels {
    /// The number of a channel.
    ///
    /// # Panics
    /// If there is none of that channel.
    pub fn of(&self, channel: usize) -> f32 {
        match self {
            Self::All(x) => *x,
            Self::Each(all) => all[channel],
        }
    }

    /// All numbers.
    pub fn numbers(&self) -> &[f32] {
        match self {
            Self::All(x) => core::slice::from_ref(x),
            Self::Each(all) => all,
        }
    }

    /// Whether there is one number, or one for each of so many channels.
    pub fn fits(&self, channels: usize) -> bool {
        match self {
            Self::All(_) => true,
            Self::Each(all) => all.len() == channels,
        }
    }
}

impl From<f32> for Channels {
    fn from(x: f32) -> Self {
        Self::All(x)
    }
}

/// A list of one number is that number.
impl From<Vec<f32>> for Channels {
    fn from(all: Vec<f32>) -> Self {
        match all[..] {
            [x] => Self::All(x),
            _ => Self::Each(all),
        }
    }
}

impl Serialize for Channels {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All(x) => x.serialize(to),
            Self::Each(all) => all.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Channels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Channels;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a number, or a list of one number a channel")
            }

            fn visit_f64<E: serde::de::Error>(self, x: f64) -> Result<Channels, E> {
                Ok(Channels::All(x as f32))
            }

            fn visit_u64<E: serde::de::Error>(self, x: u64) -> Result<Channels, E> {
                Ok(Channels::All(x as f32))
            }

            fn visit_i64<E: serde::de::Error>(self, x: i64) -> Result<Channels, E> {
                Ok(Channels::All(x as f32))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Channels, A::Error> {
                let mut all = Vec::new();
                while let Some(x) = from.next_element()? {
                    all.push(x);
                }
                match all.is_empty() {
                    true => Err(A::Error::invalid_length(0, &self)),
                    false => Ok(all.into()),
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
    fn one_number_is_written_as_a_number_and_several_as_a_list() {
        for (text, numbers, written) in [
            ("0.5", Channels::All(0.5), "0.5"),
            ("2", Channels::All(2.0), "2.0"),
            ("-1", Channels::All(-1.0), "-1.0"),
            ("[0.25]", Channels::All(0.25), "0.25"),
            ("[0.1, 2]", Channels::Each(vec![0.1, 2.0]), "[0.1,2.0]"),
        ] {
            assert_eq!(serde_json::from_str::<Channels>(text).unwrap(), numbers);
            assert_eq!(serde_json::to_string(&numbers).unwrap(), written);
        }
        assert!(Channels::All(1.0).fits(3) && Channels::Each(vec![1.0; 3]).fits(3));
        assert!(!Channels::Each(vec![1.0; 3]).fits(2));
    }

    #[test]
    fn anything_else_is_refused_in_a_line() {
        for text in ["\"1\"", "null", "[]", "[[1]]", "[1,null]", "{}", "true"] {
            let error = serde_json::from_str::<Channels>(text).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{text}: {error}");
        }
        let error = serde_json::from_str::<Channels>("[]").unwrap_err();
        assert!(error.to_string().contains("a list of one number a channel"));
    }
}
