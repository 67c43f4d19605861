//! The settings of a node, and how it is refused.

use serde_json::{Value, json};

use super::file::Node;

/// Nothing, or why a node is not understood.
pub(super) type Done = Result<(), String>;

/// An integer, or what it is where the node does not say.
pub(super) fn int(node: &Node<'_>, name: &str, usual: i64) -> i64 {
    node.settings.get(name).map_or(usual, |setting| setting.int)
}

/// A float.
pub(super) fn float(node: &Node<'_>, name: &str, usual: f32) -> f32 {
    let found = node.settings.get(name);
    found.map_or(usual, |setting| setting.float)
}

/// A list of integers.
pub(super) fn ints(node: &Node<'_>, name: &str, usual: &[i64]) -> Vec<i64> {
    let found = node.settings.get(name).map(|setting| setting.ints.clone());
    found.unwrap_or_else(|| usual.to_vec())
}

/// A word.
pub(super) fn word<'a>(node: &Node<'a>, name: &str, usual: &'a str) -> &'a str {
    let found = node.settings.get(name);
    found.map_or(usual, |s| std::str::from_utf8(s.text).unwrap_or("?"))
}

/// Refuses a node unless something holds.
pub(super) fn refuse(unless: bool, what: &str) -> Done {
    if unless { Ok(()) } else { Err(what.into()) }
}

/// A pair as a layer's setting.
pub(super) fn pair(of: &[i64]) -> Result<Value, String> {
    match *of {
        [a, b] if a == b && a >= 0 => Ok(json!(a)),
        [a, b] if a >= 0 && b >= 0 => Ok(json!([a, b])),
        _ => Err("has another number of sides than two".into()),
    }
}
