//! [`ModelSource`]: where a network comes from.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::files;
use crate::model::{ModelSpec, PRESETS, PoolForm, preset, with_pool};
use crate::tensor::Shape;

/// Where a network comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub enum ModelSource {
    /// The name of a preset, or a JSON file.
    Named(PathBuf),
    /// The network itself.
    Own(Box<ModelSpec>),
}

impl TryFrom<Value> for ModelSource {
    type Error = String;

    fn try_from(value: Value) -> std::result::Result<Self, String> {
        match value {
            Value::String(name) => Ok(Self::Named(name.into())),
            value => serde_json::from_value(value)
                .map(|spec| Self::Own(Box::new(spec)))
                .map_err(|e| format!("model.from: not a network: {e}")),
        }
    }
}

impl From<&str> for ModelSource {
    fn from(name: &str) -> Self {
        Self::Named(name.into())
    }
}

impl ModelSource {
    /// Whether it is no preset, but a network that states its own activations.
    pub fn is_own(&self) -> bool {
        match self {
            Self::Named(name) => !is_preset(name),
            Self::Own(_) => true,
        }
    }

    /// The network, for images of that shape and that many classes.
    pub(super) fn load(&self, input: Shape, classes: usize) -> Result<ModelSpec> {
        let path = match self {
            Self::Own(spec) => return spec.check().map(|()| (**spec).clone()),
            Self::Named(path) => path,
        };
        if let Some(name) = path.to_str().filter(|_| is_preset(path)) {
            return preset(name, input, classes);
        }
        if path.extension().is_none_or(|e| e != "json") && files::look(path)?.is_none() {
            let names = PRESETS.map(|(name, _)| name).join(", ");
            return Err(Error::field(
                "model.from",
                format!(
                    "{}: no such model; choose {names}, or a JSON file",
                    path.display()
                ),
            ));
        }
        ModelSpec::read(path)
    }

    /// The source in that form of its pools.
    ///
    /// # Errors
    /// A network that does not have both.
    pub(super) fn formed(&self, pool: Option<PoolForm>) -> Result<Cow<'_, Self>> {
        let Some(form) = pool else {
            return Ok(Cow::Borrowed(self));
        };
        let name = match self {
            Self::Named(name) => name.to_str().unwrap_or_default(),
            Self::Own(_) => "",
        };
        let formed = with_pool(name, form).ok_or_else(|| {
            let both = PRESETS.iter().map(|(name, _)| *name);
            let both = both.filter(|name| with_pool(name, PoolForm::Max) == Some(name));
            Error::field(
                "model.pool",
                format!(
                    "has no effect on a network that has one form; {} have both",
                    both.collect::<Vec<_>>().join(", ")
                ),
            )
        })?;
        Ok(Cow::Owned(formed.into()))
    }
}

/// Whether that is the name of a preset rather than of a file.
pub fn is_preset(name: &Path) -> bool {
    PRESETS
        .iter()
        .any(|(preset, _)| name.as_os_str() == *preset)
}
