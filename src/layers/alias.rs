//! The words by which other programs call layers, understood in the `type` of a layer.

use serde_json::{Map, Value};

use super::levels::Levels;
use super::registry::kind_names;

/// What a word stands for: a `type`, and for activations their function.
const ALIASES: &[(&str, &str, Option<&str>)] = &[
    ("relu", "activation", Some("relu")),
    ("hardsigmoid", "activation", Some("hard_sigmoid")),
    ("sigmoid", "activation", Some("sigmoid")),
    ("avgpool", "avg_pool", None),
    ("averagepool", "avg_pool", None),
    ("batchnorm", "batch_norm", None),
    ("bn", "batch_norm", None),
    ("bce", "bernoulli_nll", None),
    ("concatenate", "concat", None),
    ("cat", "concat", None),
    ("convolution", "conv", None),
    ("crossentropyloss", "cross_entropy", None),
    ("dense", "linear", None),
    ("fc", "linear", None),
    ("maxpool", "max_pool", None),
    ("mseloss", "mse", None),
    ("globalaveragepool", "global_avg_pool", None),
    ("sign", "binary", None),
    ("heaviside", "binary", None),
];

/// A word without what programs spell differently: case, `_`, `-`, and the `2d` of images.
fn plain(word: &str) -> String {
    let letters = word.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    let lower: String = letters.flat_map(char::to_lowercase).collect();
    let short = lower.strip_suffix("2d").or(lower.strip_suffix("1d"));
    short.map_or(lower.clone(), str::to_string)
}

/// The `type` that a word means, with the setting that it states added to the layer's.
///
/// # Errors
/// A word that means none, with the types that there are.
pub(super) fn resolve(
    word: String,
    settings: &mut Map<String, Value>,
) -> std::result::Result<String, String> {
    let kinds = kind_names();
    if kinds.contains(&word.as_str()) {
        return Ok(word);
    }
    let key = plain(&word);
    if let Some(kind) = kinds.iter().find(|kind| plain(kind) == key) {
        return Ok((*kind).to_string());
    }
    let Some((_, kind, function)) = ALIASES.iter().find(|(name, ..)| *name == key) else {
        return Err(format!(
            "unknown layer type `{word}`; choose from {} (an activation has a function: relu, hard_sigmoid or sigmoid)",
            kinds.join(", ")
        ));
    };
    // A sign has the levels -1 and +1, unless the layer says otherwise.
    let stated = match (*function, key.as_str()) {
        (Some(function), _) => Some(("function", function)),
        (None, "sign") => Some(("levels", Levels::Signs.name())),
        (None, _) => None,
    };
    if let Some((name, value)) = stated {
        settings.entry(name).or_insert_with(|| value.into());
    }
    if *kind == "binary" {
        settings.entry("mode").or_insert_with(|| "det".into());
    }
    Ok((*kind).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LayerSpec;

    fn read(text: &str) -> LayerSpec {
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn every_word_means_a_layer_that_there_is() {
        for (word, kind, _) in ALIASES {
            assert!(kind_names().contains(kind), "{word}");
            assert_eq!(plain(word), *word, "no other spelling would find it");
        }
    }

    #[test]
    fn words_of_other_programs_are_the_layer_itself() {
        for (word, own) in [
            (
                r#"{"type": "ReLU"}"#,
                r#"{"type": "activation", "function": "relu"}"#,
            ),
            (
                r#"{"type": "Conv2d", "name": "c", "out": 4, "kernel": 3}"#,
                r#"{"type": "conv", "name": "c", "out": 4, "kernel": 3}"#,
            ),
            (
                r#"{"type": "Dense", "name": "d", "out": 4}"#,
                r#"{"type": "linear", "name": "d", "out": 4}"#,
            ),
            (
                r#"{"type": "MaxPool2d", "kernel": 2}"#,
                r#"{"type": "max_pool", "kernel": 2}"#,
            ),
            (
                r#"{"type": "Sign"}"#,
                r#"{"type": "binary", "mode": "deterministic", "levels": "-1/+1"}"#,
            ),
            (
                r#"{"type": "binary", "mode": "stochastic"}"#,
                r#"{"type": "binary", "mode": "stoch"}"#,
            ),
        ] {
            assert_eq!(read(word), read(own), "{word}");
        }
    }

    #[test]
    fn what_there_is_not_is_refused_with_what_there_is() {
        let error = serde_json::from_str::<LayerSpec>(r#"{"type": "relu6"}"#).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`relu6`") && text.contains("hard_sigmoid"),
            "{text}"
        );
    }
}
