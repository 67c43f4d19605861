//! Support sets in files: a network's answers to come, taught once and kept.
//!
//! **Encoding.** Safetensors with a seal ([`crate::container`]). The metadata key
//! `bnn-cpu-support` holds one JSON text: `format` (1), how embeddings are compared, the width of an embedding,
//! `net_sha256`, the SHA-256 of the packed network that made the embeddings, and for each
//! class its name and the number of its pictures. The tensor `embeddings` is F32
//! (pictures, width), class by class.

use std::path::Path;

use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use super::{MAX_CLASSES, MAX_PICTURES, Support};
use crate::error::{Error, Result};
use crate::files::write_atomic_bytes;
use crate::similarity::Comparison;
use crate::{bounded, container};

const KEY: &str = "bnn-cpu-support";
const FORMAT: u32 = 1;

/// No file larger than this is read.
const MAX_BYTES: u64 = 256 << 20;

/// While a file is read its bytes and the numbers made of them are both there.
const COPIES: u64 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    compare: Comparison,
    width: usize,
    net_sha256: String,
    classes: Vec<Named>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    pictures: usize,
}

/// A support set and the network that it was taught to.
#[derive(Clone, Debug, PartialEq)]
pub struct Taught {
    /// The classes.
    pub support: Support,
    /// SHA-256 of the packed network's file, in hexadecimal.
    pub net_sha256: String,
}

impl Taught {
    /// Whether a file's bytes say that it is a support set.
    pub fn is_support(bytes: &[u8]) -> bool {
        container::read(bytes).is_ok_and(|file| file.text(KEY).is_some())
    }

    /// Writes the support set to `path`, whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes().map_err(Error::spec)?;
        write_atomic_bytes(path, &bytes)
    }

    /// Reads a support set.
    ///
    /// # Errors
    /// A file that cannot be read, is none or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = bounded::read(path, MAX_BYTES, COPIES)?;
        Self::from_bytes(&bytes).map_err(|what| Error::data(path, what))
    }

    /// The bytes of the file; the same support set always makes the same ones.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn to_bytes(&self) -> std::result::Result<Vec<u8>, String> {
        let support = &self.support;
        let named = |(name, pictures): (&str, usize)| Named {
            name: name.into(),
            pictures,
        };
        let header = Header {
            format: FORMAT,
            compare: support.by,
            width: support.width,
            net_sha256: self.net_sha256.clone(),
            classes: support.classes().map(named).collect(),
        };
        let numbers = support.classes.iter().flat_map(|class| &class.embeddings);
        let bytes: Vec<u8> = numbers.flat_map(|x| x.to_le_bytes()).collect();
        let pictures: usize = header.classes.iter().map(|class| class.pictures).sum();
        let tensor = (
            "embeddings".to_string(),
            Dtype::F32,
            vec![pictures, support.width],
            bytes,
        );
        let text = serde_json::to_string(&header).map_err(|e| e.to_string())?;
        container::write(&[tensor], KEY, text)
    }

    /// The support set in the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with it, in words that complete "the file ...".
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let file = container::read(bytes)?;
        let Some(text) = file.text(KEY) else {
            return Err("is no support set that was saved by this program".into());
        };
        if !file.sealed {
            return Err("has lost its seal; teach the classes anew".into());
        }
        let header: Header =
            serde_json::from_str(text).map_err(|e| format!("is no support set: {e}"))?;
        let Header { format, width, .. } = header;
        if format != FORMAT {
            return Err(format!(
                "is of format {format}; this version reads {FORMAT}"
            ));
        }
        let counts = || header.classes.iter().map(|class| class.pictures);
        let sound = |n: usize| (1..=MAX_PICTURES).contains(&n);
        if header.classes.len() > MAX_CLASSES {
            let n = header.classes.len();
            return Err(format!("has {n} classes; the limit is {MAX_CLASSES}"));
        }
        if !counts().all(sound) || width == 0 || !header.compare.is_sound() {
            return Err("is damaged: its classes, width or scale cannot be".into());
        }
        let pictures = counts().fold(0, usize::saturating_add);
        let view = file
            .tensors
            .tensor("embeddings")
            .map_err(|e| e.to_string())?;
        if view.dtype() != Dtype::F32 || view.shape() != [pictures, width] {
            return Err("is damaged: its embeddings are not those of its classes".into());
        }
        let (words, _) = view.data().as_chunks::<4>();
        let numbers: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        let mut support = Support::new(header.compare, width);
        let mut rest = &numbers[..];
        for class in &header.classes {
            let (own, others) = rest.split_at(class.pictures * width);
            if support.classes().any(|(name, _)| name == class.name) {
                return Err(format!(
                    "is damaged: the class {:?} is there twice",
                    class.name
                ));
            }
            support.teach(&class.name, own).map_err(|e| e.to_string())?;
            rest = others;
        }
        Ok(Self {
            support,
            net_sha256: header.net_sha256,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taught() -> Taught {
        let mut support = Support::new(crate::layers::FewShot::default().comparison(), 3);
        support
            .teach("a b", &[0.0, 1.0, 1.0, 1.0, 1.0, 0.0])
            .unwrap();
        support.teach("ü", &[0.5, -1.0, 2.0]).unwrap();
        Taught {
            support,
            net_sha256: "ab".repeat(32),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = taught().to_bytes().unwrap();
        assert!(Taught::is_support(&bytes));
        assert_eq!(Taught::from_bytes(&bytes).unwrap(), taught());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let bytes = taught().to_bytes().unwrap();
        for i in 0..bytes.len() {
            let mut other = bytes.clone();
            other[i] ^= 1;
            assert!(Taught::from_bytes(&other).is_err(), "byte {i}");
        }
        for end in 0..bytes.len() {
            assert!(Taught::from_bytes(&bytes[..end]).is_err(), "{end} bytes");
        }
    }
}
