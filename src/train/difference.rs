//! In what two configurations differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::config::Config;
use crate::data::Augment;

impl Config {
    /// The first setting in which another configuration differs, with both values;
    /// `None` where none does. A data set without a fingerprint is one from before
    /// fingerprints were noted, and is compared by its name and counts.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if let Some(what) = self.dataset.difference(&other.dataset) {
            return Some(format!("other data: {what}"));
        }
        if let Some(what) = self.other_ground(other) {
            return Some(what);
        }
        let (mut a, b) = (self.clone(), other.clone());
        // The same data, as was just seen; older records note less of them.
        a.dataset.clone_from(&b.dataset);
        if a == b {
            return None;
        }
        let value = |config| serde_json::to_value(config).unwrap_or_default();
        Some(first_difference("", &value(&a), &value(&b)).unwrap_or_else(|| "a setting".into()))
    }

    /// The difference between the grounds by which two runs continue their images; `None` where
    /// they continue none, or by the same. Few-shot runs continue images by their own rule.
    fn other_ground(&self, other: &Self) -> Option<String> {
        let continued = self.augment != Augment::None && self.task.is_classification();
        let (a, b) = (&self.dataset.ground, &other.dataset.ground);
        (continued && a != b).then(|| format!("dataset.ground: {} is not {}", b.words(), a.words()))
    }
}

/// The first place in which two JSON values differ, as `path: 1 is not 2`.
fn first_difference(path: &str, a: &Value, b: &Value) -> Option<String> {
    let below = |key: &str| match path {
        "" => key.to_string(),
        _ => format!("{path}.{key}"),
    };
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                first_difference(&below(key), &of(a), &of(b))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| first_difference(&below(&i.to_string()), a, b))
        }
        _ => (a != b).then(|| format!("{path}: {b} is not {a}")),
    }
}
