//! A network out of the text of a file: also of what `inspect --json` prints, and of a run's
//! configuration; errors name the layer and the line.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ModelSpec;
use crate::bounded;
use crate::error::{Error, Result};
use crate::layers::LayerSpec;

impl ModelSpec {
    /// Reads and checks a JSON file: a network, or an object whose field `model` is one, as
    /// `bnn-cpu inspect --json` prints and as a run's `config.json` is.
    ///
    /// # Errors
    /// A file that cannot be read, is not JSON of this form, or describes an
    /// impossible network; one line that names the layer and the line of the file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&bounded::text(path)?, path)
    }

    /// Reads and checks the text of the file `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let inner = match serde_json::from_str::<Around<'_>>(text) {
            Ok(around) => around.model.get(),
            Err(_) => text,
        };
        let spec: Self = serde_json::from_str(inner).map_err(|e| {
            let what = wrong_layer(text, inner).unwrap_or_else(|| format!("not a model file: {e}"));
            Error::data(path, what)
        })?;
        spec.check().map_err(|e| Error::data(path, e.to_string()))?;
        Ok(spec)
    }
}

/// Something that holds a network.
#[derive(Deserialize)]
struct Around<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
}

/// A network whose layers are not looked at.
#[derive(Deserialize)]
struct Layers<'a> {
    #[serde(borrow)]
    layers: Vec<&'a RawValue>,
}

/// The first layer of `inner`, a part of `text`, that is wrong: its line and place, and why.
fn wrong_layer(text: &str, inner: &str) -> Option<String> {
    let layers = serde_json::from_str::<Layers<'_>>(inner).ok()?.layers;
    let (place, layer, error) = layers.iter().zip(1..).find_map(|(layer, place)| {
        let error = serde_json::from_str::<LayerSpec>(layer.get()).err()?;
        Some((place, layer.get(), error))
    })?;
    let before = (layer.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let line = 1 + text.get(..before)?.matches('\n').count();
    let value = serde_json::from_str::<serde_json::Value>(layer).ok();
    let name = value.as_ref().and_then(|v| v.get("name")?.as_str());
    let name = name.map_or(String::new(), |name| format!(", `{name}`"));
    // Where the error is within the layer says less than where the layer is.
    let what = error.to_string();
    let what = what
        .rsplit_once(" at line ")
        .map_or(what.as_str(), |(what, _)| what);
    Some(format!("line {line}, layer {place}{name}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use crate::tensor::Shape;

    fn parse(text: &str) -> Result<ModelSpec> {
        ModelSpec::parse(text, "net.json".as_ref())
    }

    #[test]
    fn what_holds_a_network_is_read_as_it() {
        let spec = preset("seed-net", Shape::image(1, 28, 28), 10).unwrap();
        let own = serde_json::to_string_pretty(&spec).unwrap();
        assert_eq!(parse(&own).unwrap(), spec);
        let printed = format!(r#"{{"event": "inspect", "bytes": 1, "model": {own}}}"#);
        assert_eq!(parse(&printed).unwrap(), spec);
    }

    #[test]
    fn an_error_names_the_line_and_the_layer() {
        let spec = preset("mlp", Shape::image(1, 28, 28), 10).unwrap();
        let good = serde_json::to_string_pretty(&spec).unwrap();
        for (from, to, what) in [
            (
                r#""bias": true"#,
                r#""bias": -1"#,
                "invalid type: integer `-1`",
            ),
            (
                r#""type": "linear""#,
                r#""type": "relu6""#,
                "unknown layer type `relu6`",
            ),
            (
                r#""bias": true"#,
                r#""biases": true"#,
                "unknown field `biases`",
            ),
        ] {
            let bad = good.replacen(from, to, 1);
            let at = bad.find(to).unwrap();
            // The layer begins at the last brace before what is wrong.
            let start = bad[..at].rfind('{').unwrap();
            let line = 1 + bad[..start].matches('\n').count();
            for (text, more) in [(bad.clone(), 0), (format!("{{\"model\":\n\n{bad}}}"), 2)] {
                let error = parse(&text).unwrap_err().to_string();
                let said = format!("line {}, layer ", line + more);
                assert!(error.contains(&said) && error.contains(what), "{error}");
                assert!(!error.contains('\n'), "{error}");
            }
        }
        let error = parse(r#"{"name": "x", "layers": []"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("not a model file: EOF"), "{error}");
    }
}
