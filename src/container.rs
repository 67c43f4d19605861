//! Safetensors files with a seal over header and tensors alike.
//!
//! The header's metadata has two keys of ours: the one that says what the file is
//! (`bnn-cpu` for weights, `bnn-cpu-packed` for packed networks), and in front of it
//! `bnn-cpu-sha256` with the SHA-256 of the whole file, the digest's own 64 digits read as zeros.
//! A file with either key must be sound: one flipped bit can spoil one key, and the other
//! still tells that the file is ours. Files of other programs have neither, and open as
//! unsealed.

use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::seal::{self, DIFFERS, ZEROS};

/// The metadata key of the digest.
pub(crate) const SEAL: &str = "bnn-cpu-sha256";

/// How all metadata keys of this program begin.
const OURS: &str = "bnn-cpu";

/// How the header of any safetensors file with metadata begins.
const METADATA: &str = "{\"__metadata__\":{";

/// Bytes before the header: its length.
const LENGTH: usize = 8;

/// A tensor as it lies in a file: its name, type, shape and bytes.
pub type Raw = (String, Dtype, Vec<usize>, Vec<u8>);

/// A file that was read.
pub struct Container<'a> {
    /// The tensors.
    pub tensors: SafeTensors<'a>,
    /// Whether the file has a seal, which was found sound.
    pub sealed: bool,
    metadata: BTreeMap<String, String>,
}

impl Container<'_> {
    /// Whether the file says that this program made it.
    #[cfg(feature = "std")]
    pub(crate) fn is_ours(&self) -> bool {
        self.metadata.keys().any(|key| ours(key))
    }

    /// What the metadata says under a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }
}

/// The sealed bytes of a file that says `text` under the metadata key `key`. The same
/// content always makes the same bytes.
///
/// # Errors
/// What is wrong with a tensor, such as a shape that its bytes do not have.
pub fn write(tensors: &[Raw], key: &str, text: String) -> Result<Vec<u8>, String> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| e.to_string())?;
    let metadata = [(key.to_string(), text)].into();
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())?;
    insert_seal(&bytes).ok_or_else(|| "its header does not begin with metadata".into())
}

/// How the header of a sealed file begins, up to the digest.
fn start() -> String {
    format!("{METADATA}\"{SEAL}\":\"")
}

/// The file with the seal as the first entry of its metadata.
fn insert_seal(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let (header, data) = bytes.get(LENGTH..)?.split_at_checked(length)?;
    let rest = header.strip_prefix(METADATA.as_bytes())?;
    let mut sealed = (start() + ZEROS + "\",").into_bytes();
    sealed.extend_from_slice(rest);
    // Tensors begin at a multiple of eight bytes, for programs that map the file.
    while !sealed.len().is_multiple_of(8) {
        sealed.push(b' ');
    }
    let mut file = (sealed.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(&sealed);
    file.extend_from_slice(data);
    reseal(file)
}

/// The file with the digest of its content where its seal says that it is; `None` where
/// there is no such place. For tests of what lies behind the seal.
pub fn reseal(mut file: Vec<u8>) -> Option<Vec<u8>> {
    let start = start();
    let at = LENGTH + start.len();
    if !file.get(LENGTH..)?.starts_with(start.as_bytes()) {
        return None;
    }
    let digest = seal::digest_around(&file, at)?;
    file[at..at + ZEROS.len()].copy_from_slice(digest.as_bytes());
    Some(file)
}

/// Reads a safetensors file and checks its seal.
///
/// # Errors
/// What is wrong, in words that complete "the file ...": bytes that are no whole
/// safetensors file, that name a tensor twice, or that differ from what was sealed.
pub fn read(bytes: &[u8]) -> Result<Container<'_>, String> {
    let cut_short = |e: safetensors::SafeTensorError| {
        format!("is no whole safetensors file ({e}); it may be cut short")
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(cut_short)?;
    let (length, metadata) = SafeTensors::read_metadata(bytes).map_err(cut_short)?;
    let header = &bytes[LENGTH..LENGTH + length];
    if let Some(twice) = named_twice(header) {
        return Err(format!(
            "names {twice:?} twice in its header, so it cannot be told which is meant; save it again"
        ));
    }
    let metadata: BTreeMap<String, String> = match metadata.metadata() {
        Some(all) => all.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        None => BTreeMap::new(),
    };
    let start = start();
    let sealed = header.starts_with(start.as_bytes());
    if sealed {
        let at = LENGTH + start.len();
        let stated = bytes.get(at..at + ZEROS.len());
        let found = seal::digest_around(bytes, at);
        if stated.is_none() || stated != found.as_ref().map(String::as_bytes) {
            return Err(DIFFERS.into());
        }
    } else if metadata.contains_key(SEAL) {
        return Err(DIFFERS.into());
    } else if metadata
        .iter()
        .any(|(key, text)| ours(key) && !is_old(text))
    {
        return Err(format!(
            "is damaged: its seal (the metadata key {SEAL}) is gone; restore it from a copy"
        ));
    }
    Ok(Container {
        tensors,
        sealed,
        metadata,
    })
}

/// Whether a metadata key is one of this program's.
fn ours(key: &str) -> bool {
    key.starts_with(OURS)
}

/// Whether a text of the metadata is of the format that had no seal.
fn is_old(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u32,
    }
    serde_json::from_str(text).is_ok_and(|version: Version| version.format == 1)
}

/// The first name that occurs twice in the header, among the tensors or in the
/// metadata.
fn named_twice(header: &[u8]) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(header);
    json.deserialize_map(Names { metadata: true }).ok()?
}

/// Looks at the names of a JSON object.
struct Names {
    /// Whether to look into the object `__metadata__` as well.
    metadata: bool,
}

impl<'de> Visitor<'de> for Names {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut known, mut twice) = (BTreeSet::new(), None);
        while let Some(name) = map.next_key::<String>()? {
            let inside = match self.metadata && name == "__metadata__" {
                true => map.next_value_seed(Names { metadata: false })?,
                false => {
                    map.next_value::<IgnoredAny>()?;
                    None
                }
            };
            twice = twice.or(inside);
            if known.contains(&name) {
                twice = twice.or(Some(name));
            } else {
                known.insert(name);
            }
        }
        Ok(twice)
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Names {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Vec<u8> {
        let tensors = [
            ("a".to_string(), Dtype::F32, vec![2], vec![1; 8]),
            ("b".to_string(), Dtype::U8, vec![3], vec![2; 3]),
        ];
        write(&tensors, "bnn-cpu", "{\"format\":2}".into()).unwrap()
    }

    #[test]
    fn a_sealed_file_is_a_safetensors_file_and_says_what_it_said() {
        let bytes = sealed();
        assert_eq!(bytes, sealed());
        let file = read(&bytes).unwrap();
        assert!(file.sealed && file.is_ours());
        assert_eq!(file.text("bnn-cpu"), Some("{\"format\":2}"));
        assert_eq!(file.tensors.tensor("b").unwrap().data(), [2; 3]);
        let header = u64::from_le_bytes(*bytes.first_chunk().unwrap());
        assert_eq!(header % 8, 0);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_damage() {
        let whole = sealed();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                assert!(read(&bytes).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn files_of_other_programs_are_unsealed() {
        let view = TensorView::new(Dtype::U8, vec![1], &[7]).unwrap();
        let bytes = safetensors::serialize([("x", view)], None).unwrap();
        let file = read(&bytes).unwrap();
        assert!(!file.sealed && !file.is_ours());
    }

    #[test]
    fn files_from_before_there_were_seals_are_read_and_no_others() {
        for (format, fine) in [(1, true), (2, false), (3, false)] {
            let view = TensorView::new(Dtype::U8, vec![1], &[7]).unwrap();
            let text = format!("{{\"format\":{format}}}");
            let metadata = [("bnn-cpu".to_string(), text)].into();
            let bytes = safetensors::serialize([("x", view)], Some(metadata)).unwrap();
            assert_eq!(read(&bytes).is_ok_and(|file| !file.sealed), fine);
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        for (header, twice) in [
            (
                r#"{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
                "x",
            ),
            (
                r#"{"__metadata__":{"k":"1","k":"2"},"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
                "k",
            ),
        ] {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.push(7);
            let Err(error) = read(&bytes) else {
                panic!("{header} was read");
            };
            assert!(error.contains(&format!("names {twice:?} twice")), "{error}");
        }
    }
}
