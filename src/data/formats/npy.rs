//! NumPy's format `.npy`: a header that describes an array, then its elements.
//!
//! ```text
//! \x93NUMPY, version (1, 2 or 3), length of the description (2 or 4 bytes), description
//! {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
//! ```
//!
//! Arrays of numbers are read. Arrays of Python objects are refused, because unpickling can run
//! programs, and so are structured arrays.
//!
//! Source: NumPy enhancement proposal 1, "A simple file format for NumPy arrays".

use std::io::Read;

use super::super::fault::Fault;
use super::numbers::{Array, Kind};
use crate::bounded;

/// The first bytes of every file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest description in bytes, which is also NumPy's limit.
const MAX_HEADER: usize = 10_000;

/// The largest size of the elements of an array: 64 GiB.
const MOST: u64 = 64 << 30;

fn fault(what: impl Into<String>) -> Fault {
    Fault::Format(what.into())
}

/// Reads an array.
///
/// # Errors
/// [`Fault::Format`] if the bytes are not a complete file, or the element type is not supported;
/// [`Fault::Read`] if `reader` fails.
pub(super) fn read(mut reader: impl Read) -> Result<Array, Fault> {
    let start = exactly(&mut reader, 8)?;
    if !start.starts_with(MAGIC) {
        return Err(fault(
            "is no .npy file; save an array by numpy.save or numpy.savez",
        ));
    }
    let length = match start[6] {
        1 => {
            let bytes = exactly(&mut reader, 2)?;
            usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
        }
        2 | 3 => {
            let bytes = exactly(&mut reader, 4)?;
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
        }
        other => {
            return Err(fault(format!(
                "is an .npy file of version {other}, which is not known; save it anew"
            )));
        }
    };
    if length > MAX_HEADER {
        return Err(fault(format!(
            "has a description of {length} bytes, over the limit of {MAX_HEADER}; save the array alone, without fields"
        )));
    }
    let header = exactly(&mut reader, length)?;
    let header = std::str::from_utf8(&header).ok();
    let header = header.and_then(|text| describe(text.trim_end()));
    let (descr, fortran, shape) =
        header.ok_or_else(|| fault("has a description that NumPy does not write; save it anew"))?;
    let (kind, big_endian) = kind(&descr)?;
    let bytes = numbers(reader, kind, &shape)?;
    Ok(Array {
        kind,
        shape,
        fortran,
        big_endian,
        bytes,
    })
}

/// Reads the elements of an array of that shape: exactly as many as it has.
fn numbers(reader: impl Read, kind: Kind, shape: &[usize]) -> Result<Vec<u8>, Fault> {
    let size = kind.size() as u64;
    let promised = shape
        .iter()
        .try_fold(size, |total, &side| total.checked_mul(side as u64))
        .filter(|&bytes| bytes <= MOST)
        .ok_or_else(|| {
            fault(format!(
                "claims an array of shape {shape:?}, over the limit of 64 GiB; it is damaged, or must be split"
            ))
        })?;
    if bounded::lacking(promised).is_some() {
        return Err(fault(format!(
            "claims {promised} bytes of data, more than this machine has memory free; it is damaged, or must be split"
        )));
    }
    let bytes = bounded::fill(reader, promised)?;
    match bytes.len() as u64 {
        found if found < promised => Err(fault(format!(
            "is cut short: its description promises {promised} bytes of data and {found} are there; copy it again"
        ))),
        found if found > promised => Err(fault(format!(
            "goes on after the {promised} bytes of data that it promises; copy it again"
        ))),
        _ => Ok(bytes),
    }
}

fn exactly(reader: &mut impl Read, length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(length);
    reader.take(length as u64).read_to_end(&mut bytes)?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(fault(
            "is cut short before the end of its description; copy it again",
        )),
    }
}

/// Returns the element type, and whether numbers are big-endian.
fn kind(descr: &str) -> Result<(Kind, bool), Fault> {
    let (big_endian, name) = match descr.split_at_checked(1) {
        Some(("<" | "|", name)) => (false, name),
        Some((">", name)) => (true, name),
        _ => (false, ""),
    };
    let kind = match name {
        "b1" => Kind::Bool,
        "u1" => Kind::U8,
        "i1" => Kind::I8,
        "u2" => Kind::U16,
        "i2" => Kind::I16,
        "u4" => Kind::U32,
        "i4" => Kind::I32,
        "u8" => Kind::U64,
        "i8" => Kind::I64,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        _ => {
            return Err(fault(format!(
                "holds elements of type {descr:?}; save it as uint8 or float32, labels as int64"
            )));
        }
    };
    Ok((kind, big_endian))
}

/// Parses the three entries of a description, each of which must occur once.
fn describe(text: &str) -> Option<(String, bool, Vec<usize>)> {
    let mut text = text.strip_prefix('{')?.trim_start();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !text.starts_with('}') {
        let (key, rest) = quoted(text)?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start();
        let rest = match key {
            "descr" if descr.is_none() => {
                let (value, rest) = quoted(rest)?;
                descr = Some(value.to_string());
                rest
            }
            "fortran_order" if fortran.is_none() => {
                let yes = rest.strip_prefix("True");
                fortran = Some(yes.is_some());
                yes.or_else(|| rest.strip_prefix("False"))?
            }
            "shape" if shape.is_none() => {
                let (inside, rest) = rest.strip_prefix('(')?.split_once(')')?;
                shape = Some(sides(inside)?);
                rest
            }
            _ => return None,
        };
        let rest = rest.trim_start();
        text = match rest.strip_prefix(',') {
            Some(rest) => rest.trim_start(),
            None if rest.starts_with('}') => rest,
            None => return None,
        };
    }
    (text == "}").then_some(())?;
    Some((descr?, fortran?, shape?))
}

/// Parses the lengths in a shape: `60000, 28, 28` or `10,` or nothing.
fn sides(text: &str) -> Option<Vec<usize>> {
    let text = text.trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    if text.is_empty() {
        return Some(Vec::new());
    }
    let side = |text: &str| text.trim().parse::<usize>().ok();
    let sides: Option<Vec<usize>> = text.split(',').map(side).collect();
    // NumPy's arrays have at most 64 dimensions.
    sides.filter(|sides| sides.len() <= 64)
}

/// Splits a text into a string in quotation marks at its start and the rest.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mark = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = [MAGIC, &[1, 0]].concat();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn refused(bytes: &[u8]) -> String {
        match read(bytes) {
            Err(Fault::Format(what)) => what,
            Err(Fault::Read(error)) => panic!("memory cannot fail to be read: {error}"),
            Ok(array) => panic!("{:?} was read", array.shape),
        }
    }

    #[test]
    fn descriptions_as_numpy_writes_them() {
        let text = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";
        let (descr, fortran, shape) = describe(text).unwrap();
        assert_eq!((&*descr, fortran, &shape[..]), ("<f4", true, &[2, 3][..]));
        let one = "{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }";
        assert_eq!(describe(one).unwrap().2, [7]);
        let none = "{'descr': '|u1', 'fortran_order': False, 'shape': ()}";
        assert!(describe(none).unwrap().2.is_empty());
        for bad in [
            "",
            "{",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} more",
        ] {
            assert!(describe(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_cut_short_goes_on_or_lies_is_refused() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }";
        let whole = file(header, &[1, 2, 3, 4]);
        assert_eq!(read(&whole[..]).unwrap().bytes, [1, 2, 3, 4]);
        for end in 0..whole.len() {
            assert!(refused(&whole[..end]).contains("cut short"), "{end}");
        }
        assert!(refused(&[&whole[..], b"x"].concat()).contains("goes on"));
        let claims = |shape: &str| {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape})}}");
            refused(&file(&header, &[0; 16]))
        };
        assert!(claims("18446744073709551615, 3").contains("over the limit"));
        assert!(
            claims("1000000000, 8").contains("more than this machine")
                || claims("1000000000, 8").contains("cut short")
        );
        assert!(claims("99999999999999999999").contains("NumPy does not write"));
        let mut long = [MAGIC, &[2, 0]].concat();
        long.extend(u32::MAX.to_le_bytes());
        assert!(refused(&long).contains("over the limit"));
        // Arrays of Python objects can run programs when they are unpickled.
        let object = "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}";
        assert!(refused(&file(object, &[0; 99])).contains("type \"|O\""));
    }
}
