//! `data/network.schema.json`, which editors use, against what is read: the same layers, the
//! same settings, the same choices.

use std::collections::BTreeSet;

use bnn_cpu::layers::{LayerSpec, registry};
use bnn_cpu::model::{ModelSpec, PRESETS, preset, usual_images};
use serde_json::{Value, json};

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/network.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The schema of each layer, by its `type`.
fn layers(schema: &Value) -> Vec<(String, Value)> {
    let all = schema["properties"]["layers"]["items"]["oneOf"]
        .as_array()
        .unwrap();
    let named = |layer: &Value| {
        let kind = layer["properties"]["type"]["const"].as_str().unwrap();
        (kind.to_string(), layer.clone())
    };
    all.iter().map(named).collect()
}

/// The settings of a layer in its schema.
fn settings(layer: &Value) -> BTreeSet<String> {
    let all = layer["properties"].as_object().unwrap().keys().cloned();
    all.filter(|name| !["type", "name", "inputs"].contains(&name.as_str()))
        .collect()
}

/// What reading a layer of that type with those settings says.
fn refusal(kind: &str, more: Value) -> Option<String> {
    let mut layer = json!({"type": kind, "name": "x"});
    layer
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value::<LayerSpec>(layer)
        .err()
        .map(|e| e.to_string())
}

/// The words in backquotes.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_string)
        .collect()
}

#[test]
fn it_has_the_layers_and_settings_that_there_are() {
    let layers = layers(&schema());
    let kinds: BTreeSet<_> = layers.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, registry::kind_names().into_iter().collect());
    assert_eq!(kinds.len(), layers.len(), "a type stands twice");
    for (kind, layer) in &layers {
        let said = refusal(kind, json!({"no such": 1})).expect("an unknown setting");
        let (_, known) = said.split_once("unknown field `no such`").expect(&said);
        assert_eq!(settings(layer), quoted(known), "{kind}: {said}");
    }
}

#[test]
fn its_choices_are_those_that_are_read() {
    for (kind, layer) in layers(&schema()) {
        for (name, setting) in layer["properties"].as_object().unwrap() {
            for choice in setting["enum"].as_array().into_iter().flatten() {
                let said = refusal(&kind, json!({ name: choice })).unwrap_or_default();
                let wrong = said.contains("unknown variant") || said.contains("invalid");
                assert!(!wrong, "{kind}.{name} = {choice}: {said}");
            }
            if setting["enum"].is_array() {
                let said = refusal(&kind, json!({ name: "no such" }));
                assert!(said.is_some(), "{kind}.{name} takes anything");
            }
        }
    }
}

#[test]
fn what_it_requires_is_what_cannot_be_left_out() {
    for (kind, layer) in layers(&schema()) {
        let required = layer["required"].as_array().unwrap();
        let required: BTreeSet<_> = required.iter().map(|r| r.as_str().unwrap()).collect();
        let said = serde_json::from_value::<LayerSpec>(json!({ "type": kind }));
        let lacks = said.err().map(|e| e.to_string()).unwrap_or_default();
        let named = required.contains("name");
        let settings = required.len() - 1 - usize::from(named);
        assert_eq!(
            lacks.contains("missing field"),
            settings > 0,
            "{kind}: {lacks}"
        );
        if settings == 0 {
            assert_eq!(lacks.contains("needs a `name`"), named, "{kind}: {lacks}");
        }
    }
}

#[test]
fn the_presets_have_nothing_that_it_lacks() {
    let schema = schema();
    let layers = layers(&schema);
    for (name, _) in PRESETS {
        let (shape, classes) = usual_images(name);
        let spec: ModelSpec = preset(name, shape, classes).unwrap();
        let spec = serde_json::to_value(&spec).unwrap();
        for (key, _) in spec.as_object().unwrap() {
            assert!(schema["properties"].get(key).is_some(), "{name}: {key}");
        }
        for layer in spec["layers"].as_array().unwrap() {
            let kind = layer["type"].as_str().unwrap();
            let (_, of) = layers.iter().find(|(known, _)| known == kind).unwrap();
            for key in layer.as_object().unwrap().keys() {
                assert!(of["properties"].get(key).is_some(), "{name}, {kind}: {key}");
            }
        }
    }
}
