//! Seals: a SHA-256 of the whole content of a file, stated in the file itself.
//!
//! A sealed text is a JSON object whose first key is `sha256`. The digest is that of the whole text
//! with the 64 digits of the digest replaced by zeros, so it covers every byte. The object also
//! states the format and, for a file of a run, the run that it belongs to ([`Origin`]).
//! [`crate::container`] seals safetensors files in the same way.
//!
//! A text without any key of a seal was written before there were seals, or by another program; it
//! is opened as unsealed, and the caller decides whether to accept it. A text with some keys of a
//! seal but without a correct digest is damaged: one changed bit in a key must not turn a sealed
//! file into an unsealed one.

use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The format of sealed files; files of format 1 had no seal.
pub(crate) const FORMAT: u32 = 2;

/// The digits that replace the digest while it is computed.
pub(crate) const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The first characters of a sealed text: with line breaks, and on one line.
const STARTS: [&str; 2] = ["{\n  \"sha256\": \"", "{\"sha256\":\""];

/// The run that a file belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The random identifier of the run: 32 hexadecimal digits.
    pub run_id: String,
    /// SHA-256 of the run's configuration, written as compact JSON, in hexadecimal.
    pub config_sha256: String,
}

/// The content of an opened text, and whether it was sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The content, without the keys of the seal.
    pub content: Value,
    /// Whether the text had a seal, which was verified.
    pub sealed: bool,
    /// The run that the text states, if it states one.
    pub origin: Option<Origin>,
}

#[derive(Serialize)]
struct Sealed<'a, T> {
    sha256: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<u32>,
    #[serde(flatten)]
    origin: Option<&'a Origin>,
    #[serde(flatten)]
    content: &'a T,
}

/// Returns the SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Returns `bytes` in lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the digest of `bytes` with the 64 bytes from index `at` on replaced by zeros; `None` if
/// there are fewer.
pub(crate) fn digest_around(bytes: &[u8], at: usize) -> Option<String> {
    let end = at.checked_add(ZEROS.len())?;
    let mut hash = Sha256::new();
    hash.update(bytes.get(..at)?);
    hash.update(ZEROS);
    hash.update(bytes.get(end..)?);
    Some(hexadecimal(&hash.finalize()))
}

/// Writes a value as a sealed text of several lines.
///
/// # Errors
/// If the value is not a JSON object.
pub fn text(content: &impl Serialize, origin: Option<&Origin>) -> serde_json::Result<String> {
    let sealed = Sealed {
        sha256: ZEROS,
        format: Some(FORMAT),
        origin,
        content,
    };
    Ok(fill(serde_json::to_string_pretty(&sealed)? + "\n"))
}

/// Writes a value as a sealed text of one line, without the line break at its end.
///
/// # Errors
/// If the value is not a JSON object.
pub fn line(content: &impl Serialize, origin: Option<&Origin>) -> serde_json::Result<String> {
    let sealed = Sealed {
        sha256: ZEROS,
        format: None,
        origin,
        content,
    };
    Ok(fill(serde_json::to_string(&sealed)?))
}

/// Writes the digest of a text's content into its seal; a text without a seal is returned
/// unchanged.
pub fn fill(mut text: String) -> String {
    let start = STARTS.iter().find(|start| text.starts_with(**start));
    if let Some(at) = start.map(|start| start.len())
        && text.is_char_boundary(at + ZEROS.len())
        && let Some(digest) = digest_around(text.as_bytes(), at)
    {
        text.replace_range(at..at + ZEROS.len(), &digest);
    }
    text
}

/// Opens a text that [`text()`] or [`line()`] made, or an unsealed one.
///
/// # Errors
/// What is wrong, in words that complete "the file ...": the text is not a JSON object, its content
/// differs from the digest, or it has a newer format.
pub fn open(text: &str) -> Result<Opened, Fault> {
    let value: Value = serde_json::from_str(text).map_err(Fault::Syntax)?;
    let Value::Object(mut map) = value else {
        return Err(Fault::Damaged("is damaged: it is no JSON object".into()));
    };
    let start = STARTS.iter().find(|start| text.starts_with(**start));
    let sealed = match start {
        Some(start) => {
            let stated = text.get(start.len()..start.len() + ZEROS.len());
            let found = digest_around(text.as_bytes(), start.len());
            if stated.is_none() || stated != found.as_deref() {
                return Err(Fault::Damaged(DIFFERS.into()));
            }
            true
        }
        None => false,
    };
    let ours = ["sha256", "format", "run_id", "config_sha256"];
    if !sealed && ours.iter().any(|key| map.contains_key(*key)) {
        return Err(Fault::Damaged(
            "is damaged: its seal (the key `sha256` at its start) is gone; restore it from a copy"
                .into(),
        ));
    }
    map.remove("sha256");
    if let Some(format) = map.remove("format")
        && format != FORMAT
    {
        return Err(Fault::Damaged(format!(
            "has format {format}, where this program knows {FORMAT}; update bnn-cpu"
        )));
    }
    Ok(Opened {
        origin: origin(&mut map),
        content: Value::Object(map),
        sealed,
    })
}

/// The message for bytes whose digest differs from the one that they state.
pub(crate) const DIFFERS: &str =
    "is damaged: its content differs from the SHA-256 that it states; restore it from a copy";

fn origin(map: &mut Map<String, Value>) -> Option<Origin> {
    let mut take = |key: &str| match map.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (run_id, config_sha256) = (take("run_id"), take("config_sha256"));
    Some(Origin {
        run_id: run_id?,
        config_sha256: config_sha256?,
    })
}

/// The reason why a text could not be opened.
#[derive(Debug)]
pub enum Fault {
    /// The text is not valid JSON.
    Syntax(serde_json::Error),
    /// The text is valid JSON that differs from what was sealed, or has a newer format.
    Damaged(String),
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "is damaged: {error}"),
            Self::Damaged(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn origin() -> Origin {
        Origin {
            run_id: "0123456789abcdef0123456789abcdef".into(),
            config_sha256: sha256(b"{}"),
        }
    }

    #[test]
    fn what_is_sealed_opens_as_it_was() {
        let content = json!({ "a": 1, "b": { "format": 7 }, "loss": 0.1 });
        for origin in [None, Some(origin())] {
            let texts = [
                text(&content, origin.as_ref()).unwrap(),
                line(&content, origin.as_ref()).unwrap(),
            ];
            assert!(texts[0].ends_with("}\n") && !texts[1].contains('\n'));
            for text in texts {
                let opened = open(&text).unwrap();
                assert!(opened.sealed);
                assert_eq!(opened.content, content);
                assert_eq!(opened.origin, origin);
            }
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_damage() {
        let content = json!({ "name": "seed-net", "seed": 1, "loss": 0.25 });
        for sealed in [
            text(&content, Some(&origin())).unwrap(),
            line(&content, Some(&origin())).unwrap(),
        ] {
            for at in 0..sealed.len() {
                for bit in 0..8 {
                    let mut bytes = sealed.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let Ok(text) = String::from_utf8(bytes) else {
                        continue;
                    };
                    assert!(open(&text).is_err(), "byte {at}, bit {bit}: {text}");
                }
            }
        }
    }

    #[test]
    fn texts_without_a_seal_open_as_unsealed_and_remains_of_one_do_not() {
        let opened = open(r#"{"epochs": 3}"#).unwrap();
        assert!(!opened.sealed && opened.origin.is_none());
        assert_eq!(opened.content, json!({ "epochs": 3 }));
        for text in [
            r#"{"epochs": 3, "sha256": "00"}"#,
            r#"{"format": 2, "epochs": 3}"#,
            r#"{"run_id": "x"}"#,
            r#"{"config_sha256": "x"}"#,
        ] {
            let error = open(text).unwrap_err().to_string();
            assert!(error.contains("its seal"), "{error}");
        }
        for text in ["", "[1]", "{", "{\"sha256\":\"", "{\"sha256\":\"é\"}"] {
            open(text).unwrap_err();
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let newer = r#"{"sha256":"ZEROS","format":3,"a":1}"#.replace("ZEROS", ZEROS);
        let error = open(&fill(newer)).unwrap_err().to_string();
        assert!(error.contains("has format 3"), "{error}");
    }
}
