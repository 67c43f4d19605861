//! What a pixel is to a network.

use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::channels::Channels;

/// `(pixel / 255 - mean) / std`, with one mean and deviation for all channels, or one for
/// each, as torchvision's `Normalize` has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// Mean of all pixels, in units of 255.
    pub mean: Channels,
    /// Standard deviation of all pixels, in units of 255.
    pub std: Channels,
}

/// How bytes become the network's input. In JSON, `"integer"` or the object of
/// [`Normalise`].
///
/// Where the first layer has binary weights the pixels stay integers: its sums
/// are integers then, below 255 times the weights of a channel, and exact. Its
/// padding is the pixel 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// The bytes themselves, 0 to 255.
    Integer,
    /// Centred and scaled.
    Normalised(Normalise),
}

impl Pixels {
    /// Pixels centred and scaled, in units of 255.
    pub const fn normalised(mean: f32, std: f32) -> Self {
        Self::Normalised(Normalise {
            mean: Channels::All(mean),
            std: Channels::All(std),
        })
    }

    /// Pixels centred and scaled channel by channel, in units of 255.
    pub fn normalised_each(mean: Vec<f32>, std: Vec<f32>) -> Self {
        Self::Normalised(Normalise {
            mean: mean.into(),
            std: std.into(),
        })
    }

    /// The input for a byte of a channel.
    ///
    /// # Panics
    /// If there is no mean or deviation of that channel.
    pub fn value(&self, channel: usize, byte: u8) -> f32 {
        match self {
            Self::Integer => f32::from(byte),
            Self::Normalised(Normalise { mean, std }) => {
                (f32::from(byte) / 255.0 - mean.of(channel)) / std.of(channel)
            }
        }
    }

    /// The input for every byte: 256 numbers for all channels, or for each one.
    pub(super) fn tables(&self) -> Vec<f32> {
        let channels = match self {
            Self::Integer => 1,
            Self::Normalised(n) => n.mean.numbers().len().max(n.std.numbers().len()),
        };
        let table = |c: usize| (0..=255u8).map(move |byte| self.value(c, byte));
        (0..channels).flat_map(table).collect()
    }
}

impl Serialize for Pixels {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Integer => to.serialize_str("integer"),
            Self::Normalised(normalise) => normalise.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Pixels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Pixels;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"integer\" or an object of mean and std")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Pixels, E> {
                match text {
                    "integer" => Ok(Pixels::Integer),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Pixels, A::Error> {
                Normalise::deserialize(MapAccessDeserializer::new(map))
                    .map(Pixels::Normalised)
                    .map_err(A::Error::custom)
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{BatchNorm, LayerSpec};
    use crate::model::{ModelSpec, preset};
    use crate::tensor::Shape;

    #[test]
    fn json_has_both_forms_and_explains_itself() {
        let normalised = Pixels::normalised(0.5, 0.25);
        let each = Pixels::normalised_each(vec![0.5, 0.25], vec![0.25, 0.5]);
        assert_eq!((each.value(0, 255), each.value(1, 255)), (2.0, 1.5));
        for (pixels, text) in [
            (Pixels::Integer, r#""integer""#),
            (normalised.clone(), r#"{"mean":0.5,"std":0.25}"#),
            (each, r#"{"mean":[0.5,0.25],"std":[0.25,0.5]}"#),
        ] {
            assert_eq!(serde_json::to_string(&pixels).unwrap(), text);
            assert_eq!(serde_json::from_str::<Pixels>(text).unwrap(), pixels);
        }
        for text in [
            r#""bytes""#,
            "3",
            r#"{"mean":1}"#,
            r#"{"mean":1,"std":1,"x":1}"#,
        ] {
            let error = serde_json::from_str::<Pixels>(text)
                .unwrap_err()
                .to_string();
            let known = ["integer", "missing field `std`", "unknown field `x`"];
            assert!(known.iter().any(|k| error.contains(k)), "{error}");
        }
        assert_eq!(Pixels::Integer.value(0, 200), 200.0);
        assert_eq!(normalised.value(0, 255), 2.0);
    }

    #[test]
    fn means_and_deviations_are_as_many_as_channels() {
        let mut spec = preset("mlp", Shape::image(3, 4, 4), 10).unwrap();
        for (mean, std) in [(3, 3), (1, 3), (3, 1), (1, 1)] {
            spec.pixels = Some(Pixels::normalised_each(vec![0.5; mean], vec![0.25; std]));
            spec.check().unwrap();
        }
        for (mean, std, what) in [(2, 3, "2 means"), (3, 4, "4 deviations"), (2, 2, "2 means")] {
            spec.pixels = Some(Pixels::normalised_each(vec![0.5; mean], vec![0.25; std]));
            let error = spec.check().unwrap_err().to_string();
            let line = format!(
                "model mlp: pixels have {what}, and the input has 3 channels; give one number for all channels, or one for each"
            );
            assert_eq!(error, line);
        }
        spec.pixels = Some(Pixels::normalised_each(vec![0.5; 3], vec![0.25, 0.0, 1.0]));
        let error = spec.check().unwrap_err().to_string();
        assert!(error.contains("a std above 0"), "{error}");
    }

    #[test]
    fn binary_weights_see_integers_and_nothing_else() {
        let mut spec = preset("xnor-net", Shape::image(1, 28, 28), 10).unwrap();
        assert_eq!(spec.pixel_encoding(), Pixels::Integer);
        spec.pixels = Some(Pixels::normalised(0.1, 0.3));
        let error = spec.check().unwrap_err().to_string();
        assert!(error.contains("layer conv1 has binary weights"), "{error}");
        spec.layers
            .insert(0, LayerSpec::named("bn0", BatchNorm::default()));
        spec.check().unwrap();
    }

    #[test]
    fn older_files_say_normalise() {
        let text = r#"{"name": "n", "input": {"channels": 1, "height": 2, "width": 2},
            "normalise": {"mean": 0.1, "std": 0.3},
            "layers": [{"type": "linear", "name": "fc", "out": 2}]}"#;
        let spec: ModelSpec = serde_json::from_str(text).unwrap();
        assert!(matches!(&spec.pixels, Some(Pixels::Normalised(n)) if n.std == Channels::All(0.3)));
        let text = serde_json::to_string(&spec).unwrap();
        assert!(
            text.contains("\"pixels\":{") && text.contains("\"weights\":\"real\""),
            "{text}"
        );
    }
}
