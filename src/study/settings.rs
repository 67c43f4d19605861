//! The settings in which the rows of a table differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cell::Cell;
use crate::train::Config;

/// A setting and what it is in every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Varied {
    /// Its path in a configuration, such as `slope.max`.
    pub field: String,
    /// Its value in each row that has one, by the row's id.
    pub values: BTreeMap<String, String>,
}

/// The settings that are not the same in all rows of these cells, by their paths. What a row
/// does not state is what its configuration came to; a setting that has no meaning for a row,
/// such as the momentum of an optimiser without one, is absent there.
pub fn varied(cells: &[Cell]) -> Vec<Varied> {
    let mut rows: BTreeMap<&str, (&Cell, Value)> = BTreeMap::new();
    for cell in cells {
        let row = || (cell, written(&cell.config));
        rows.entry(&cell.row.id).or_insert_with(row);
    }
    let stated = rows
        .values()
        .flat_map(|(cell, _)| cell.row.settings.paths());
    let fields: BTreeSet<String> = stated.filter(|path| path != "about").collect();
    let of = |field: String| {
        let value = |(id, (cell, config)): (&&str, &(&Cell, Value))| {
            let stated = cell.row.settings.get(&field);
            let pointer = format!("/{}", field.replace('.', "/"));
            let value = stated.or_else(|| config.pointer(&pointer).cloned())?;
            Some((id.to_string(), text(&value)))
        };
        let values: BTreeMap<String, String> = rows.iter().filter_map(value).collect();
        let different: BTreeSet<&String> = values.values().collect();
        let differs = different.len() > 1 || (!values.is_empty() && values.len() < rows.len());
        differs.then_some(Varied { field, values })
    };
    fields.into_iter().filter_map(of).collect()
}

/// A configuration as it is written, numbers of 32 bits with the digits that they have there.
fn written(config: &Config) -> Value {
    let text = serde_json::to_string(config).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A value as one writes it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => n.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}
