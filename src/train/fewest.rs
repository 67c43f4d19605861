//! From a configuration back to the fewest settings that make it, as a recipe states them.

use serde_json::{Map, Value};

use super::config::Config;
use super::partial::{PartialConfig, stated};
use super::partial_model::PartialModel;
use super::pixel_choice::PixelChoice;
use super::subject::Subject;
use crate::error::Error;
use crate::model::Pixels;

impl PartialConfig {
    /// The fewest settings that make a configuration, and whether they do: what no partial
    /// configuration can state is left out.
    pub fn of(config: &Config) -> (Self, bool) {
        let subject = Subject {
            record: config.dataset.clone(),
            input: config.model.input,
            // Of pixels that the data set does not tell, a statement is kept.
            pixels: match config.model.pixel_encoding() {
                pixels if PixelChoice::of(&pixels) == PixelChoice::Normalised => pixels,
                _ => Pixels::normalised(0.5, 0.5),
            },
        };
        let gives = |value: &Value| {
            let partial: Self = serde_json::from_value(value.clone()).unwrap_or_default();
            partial
                .complete(&subject)
                .is_ok_and(|found| found == *config)
        };
        // Numbers of 32 bits as the shortest decimal that means them.
        let text = serde_json::to_string(config).unwrap_or_default();
        let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
        value["model"] = Value::Object(stated(&PartialModel::of(&config.model)));
        remove(&mut value, "dataset");
        // Settings that have no effect beside the others are not stated.
        while let Err(Error::Field { field, .. }) = serde_json::from_value::<Self>(value.clone())
            .map_or_else(
                |e| Err(Error::spec(e.to_string())),
                |p| p.complete(&subject),
            )
        {
            if !remove(&mut value, field) {
                break;
            }
        }
        let exact = gives(&value);
        for field in leaves(&value) {
            let mut less = value.clone();
            remove(&mut less, &field);
            if gives(&less) {
                value = less;
            }
        }
        (serde_json::from_value(value).unwrap_or_default(), exact)
    }
}

/// The paths of all values of an object that are no objects; a network is one value.
fn leaves(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(below) => found.extend(below.keys().map(|k| format!("{key}.{k}"))),
            _ => found.push(key.clone()),
        }
    }
    found
}

/// Removes the value at that path, and the object around it where that becomes empty;
/// whether there was one.
fn remove(value: &mut Value, field: &str) -> bool {
    let Some(map) = value.as_object_mut() else {
        return false;
    };
    let Some((head, rest)) = field.split_once('.') else {
        return map.remove(field).is_some();
    };
    let Some(below) = map.get_mut(head) else {
        return false;
    };
    let removed = remove(below, rest);
    if below.as_object().is_some_and(Map::is_empty) {
        map.remove(head);
    }
    removed
}
