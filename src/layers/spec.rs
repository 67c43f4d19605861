//! One node of a network as a text says it: a layer with its name and its inputs.

use std::any::Any;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::layer::Layer;
use super::weights::Weights;
use super::{alias, registry};
use crate::tensor::Shape;

/// A layer within a network. In JSON one object: `type`, `name`, `inputs`, and the
/// settings of the layer.
#[derive(Clone, Debug)]
pub struct LayerSpec {
    /// The prefix of its parameters' names, and what other layers' inputs call it. A layer
    /// with parameters must have one.
    pub name: Option<String>,
    /// The names of its inputs; the layer before it where there are none.
    pub inputs: Vec<String>,
    layer: Arc<dyn Layer>,
}

impl<L: Layer> From<L> for LayerSpec {
    fn from(layer: L) -> Self {
        Self {
            name: None,
            inputs: Vec::new(),
            layer: Arc::new(layer),
        }
    }
}

impl LayerSpec {
    /// A layer with a name.
    pub fn named(name: impl Into<String>, layer: impl Layer) -> Self {
        Self {
            name: Some(name.into()),
            ..layer.into()
        }
    }

    /// Names the layers that it reads, in the order of its inputs.
    #[must_use]
    pub fn with_inputs<N: Into<String>>(self, inputs: impl IntoIterator<Item = N>) -> Self {
        let inputs = inputs.into_iter().map(Into::into).collect();
        Self { inputs, ..self }
    }

    /// The layer.
    pub fn layer(&self) -> &dyn Layer {
        &*self.layer
    }

    /// The layer, if it is of that kind.
    pub fn get<L: Layer>(&self) -> Option<&L> {
        (self.layer() as &dyn Any).downcast_ref()
    }

    /// Whether the layer is of that kind.
    pub fn is<L: Layer>(&self) -> bool {
        self.get::<L>().is_some()
    }

    /// Puts another layer in the place of this one, under the same name and with the same
    /// inputs.
    pub fn set(&mut self, layer: impl Layer) {
        self.layer = Arc::new(layer);
    }

    /// Changes the layer, if it is of that kind, and returns whether it is.
    pub fn update<L: Layer + Clone>(&mut self, change: impl FnOnce(&mut L)) -> bool {
        let Some(mut layer) = self.get::<L>().cloned() else {
            return false;
        };
        change(&mut layer);
        self.set(layer);
        true
    }

    /// Whether it has tensors, which take its name as their prefix.
    pub(crate) fn has_parameters(&self) -> bool {
        let inputs = vec![Shape::vector(1); *self.layer.arity().start()];
        !self.layer.tensors(&inputs).is_empty()
    }

    /// The layer's name, or its kind where it has none.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.layer.label())
    }

    /// Writes out every setting that the layer leaves to another of its settings, such as a
    /// stride that is the kernel's size.
    pub fn settle(&mut self) {
        if let Some(settled) = self.layer.settled() {
            self.layer = settled;
        }
    }

    /// Whether it has binary weights.
    pub fn has_binary_weights(&self) -> bool {
        self.layer.weights() == Some(Weights::Binary)
    }

    /// The settings of the layer by their names.
    pub fn settings(&self) -> Map<String, Value> {
        match serde_json::to_value(self.layer()) {
            Ok(Value::Object(settings)) => settings,
            _ => Map::new(),
        }
    }
}

impl PartialEq for LayerSpec {
    fn eq(&self, other: &Self) -> bool {
        let same =
            |a: &Self, b: &Self| a.layer.kind() == b.layer.kind() && a.settings() == b.settings();
        self.name == other.name && self.inputs == other.inputs && same(self, other)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    inputs: &'a [String],
    #[serde(flatten)]
    layer: &'a dyn Layer,
}

impl Serialize for LayerSpec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            r#type: self.layer.kind(),
            name: self.name.as_deref(),
            inputs: &self.inputs,
            layer: self.layer(),
        };
        written.serialize(to)
    }
}

impl<'de> Deserialize<'de> for LayerSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut map = Map::deserialize(from)?;
        let kind = match map.remove("type") {
            Some(Value::String(kind)) => kind,
            Some(other) => {
                let what = format!("the type of a layer must be a text, not {other}");
                return Err(D::Error::custom(what));
            }
            None => return Err(D::Error::missing_field("type")),
        };
        let kind = alias::resolve(kind, &mut map).map_err(D::Error::custom)?;
        let said = |what: &str, e: serde_json::Error| {
            D::Error::custom(format!("{what} of a layer of type {kind}: {e}"))
        };
        let name = match map.remove("name") {
            Some(name) => serde_json::from_value(name).map_err(|e| said("the name", e))?,
            None => None,
        };
        let inputs = match map.remove("inputs") {
            Some(inputs) => serde_json::from_value(inputs).map_err(|e| said("the inputs", e))?,
            None => Vec::new(),
        };
        let layer = registry::read(&kind, Value::Object(map)).map_err(D::Error::custom)?;
        let spec = Self {
            name,
            inputs,
            layer,
        };
        if spec.name.is_none() && spec.has_parameters() {
            let what = format!("layer of type {kind}: it has parameters, so it needs a `name`");
            return Err(D::Error::custom(what));
        }
        Ok(spec)
    }
}
