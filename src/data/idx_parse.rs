//! Parsing of IDX files; [`super::idx`] describes the format.
//!
//! **Invariant:** the lengths that a header states are not trusted. Memory grows with the bytes
//! that are really there, and never beyond [`LIMIT`].

use std::io::{self, BufReader, Read};

use ndarray::Array4;

use super::fault::Fault;
use super::gzip::{Garbage, MAGIC, Members};
use crate::bounded;

/// The largest number of bytes of one file once it is decompressed: 4 GiB.
pub const LIMIT: u64 = 4 << 30;

/// The bound of labels: a label that is not below this number is reported as a damaged file, so
/// that no output layer of such a width is made.
pub const MAX_CLASSES: u32 = 1 << 20;

/// How many bytes of a file are read at a time.
const BLOCK: usize = 1 << 16;

/// Number of columns in a label file of QMNIST: the class, then seven numbers on the image's
/// origin.
const QMNIST_COLUMNS: u32 = 8;

pub(super) const UNSIGNED_BYTE: u8 = 0x08;
pub(super) const SHORT: u8 = 0x0B;
pub(super) const INT: u8 = 0x0C;

impl From<io::Error> for Fault {
    /// An error with an error code of the operating system is a failed read; any other comes from
    /// the gzip decoder and means that the content is damaged.
    fn from(error: io::Error) -> Self {
        let garbage = error.get_ref().and_then(|e| e.downcast_ref::<Garbage>());
        if let Some(garbage) = garbage {
            fault(format!("{garbage}; fetch or copy the file again"))
        } else if error.raw_os_error().is_some() {
            Self::Read(error)
        } else if error.kind() == io::ErrorKind::OutOfMemory {
            fault("holds more than this machine has memory for; split it")
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            fault("the gzip stream is cut short; fetch or copy the file again")
        } else {
            fault("the gzip stream is damaged; fetch or copy the file again")
        }
    }
}

fn fault(what: impl Into<String>) -> Fault {
    Fault::Format(what.into())
}

/// Parses images, compressed by gzip or not, as (N, H, W, C); C is 1 in a 3-dimensional file.
///
/// The result depends on the bytes of `reader` only.
///
/// # Errors
/// [`Fault::Format`] if the bytes are not a complete image file with at least one image and at most
/// [`LIMIT`] bytes; [`Fault::Read`] if `reader` fails.
pub fn parse_images(reader: impl Read) -> std::result::Result<Array4<u8>, Fault> {
    let mut reader = decompressed(reader)?;
    let header = Header::read(&mut reader)?;
    if header.kind != UNSIGNED_BYTE {
        return Err(fault(format!(
            "holds elements of {}; images must be unsigned bytes (type 0x08)",
            kind_name(header.kind)
        )));
    }
    let lengths = match *header.lengths.as_slice() {
        [count, height, width] => [count, height, width, 1],
        [count, height, width, channels] => [count, height, width, channels],
        [_] => {
            return Err(fault(
                "has 1 dimension, as label files have; name the image file here (3 or 4 dimensions)",
            ));
        }
        ref other => {
            return Err(fault(format!(
                "has {} dimensions; images need 3 (N, H, W) or 4 (N, H, W, C)",
                other.len()
            )));
        }
    };
    if lengths[0] == 0 {
        return Err(fault("holds no images; give a file with at least one"));
    }
    if lengths.contains(&0) {
        return Err(fault(format!(
            "holds images of size {}; every side must be at least 1",
            lengths[1..]
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join("x")
        )));
    }
    let pixels = header.elements(&mut reader, 1)?;
    let shape = lengths.map(|length| length as usize);
    Array4::from_shape_vec(shape, pixels).map_err(|error| fault(error.to_string()))
}

/// Parses labels, compressed by gzip or not: one number per image, or the first of QMNIST's eight.
///
/// The result depends on the bytes of `reader` only.
///
/// # Errors
/// [`Fault::Format`] if the bytes are not a complete label file, or a label is negative or not
/// below [`MAX_CLASSES`]; [`Fault::Read`] if `reader` fails.
pub fn parse_labels(reader: impl Read) -> std::result::Result<Vec<u32>, Fault> {
    let mut reader = decompressed(reader)?;
    let header = Header::read(&mut reader)?;
    let size = match header.kind {
        UNSIGNED_BYTE => 1,
        SHORT => 2,
        INT => 4,
        other => {
            return Err(fault(format!(
                "holds elements of {}; labels must be u8, i16 or i32 (type 0x08, 0x0b or 0x0c)",
                kind_name(other)
            )));
        }
    };
    let columns = match *header.lengths.as_slice() {
        [_] => 1,
        [_, QMNIST_COLUMNS] if header.kind == INT => QMNIST_COLUMNS as usize,
        [rows, columns] => {
            return Err(fault(format!(
                "holds {rows}x{columns} elements of {}; labels have one dimension, or are QMNIST's Nx{QMNIST_COLUMNS} of i32",
                kind_name(header.kind)
            )));
        }
        ref other => {
            return Err(fault(format!(
                "has {} dimensions, {}; name the label file here (1 dimension, or QMNIST's Nx{QMNIST_COLUMNS})",
                other.len(),
                match other.len() {
                    3 | 4 => "as image files have",
                    _ => "as neither image nor label files have",
                }
            )));
        }
    };
    if header.lengths[0] == 0 {
        return Err(fault("holds no labels; give a file with at least one"));
    }
    let bytes = header.elements(&mut reader, size)?;
    let row = size as usize * columns;
    let mut labels = Vec::with_capacity(bytes.len() / row);
    for (i, row) in bytes.chunks_exact(row).enumerate() {
        let value = match row[..size as usize] {
            [a] => i64::from(a),
            [a, b] => i64::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
            _ => return Err(fault("holds elements of an unknown size")),
        };
        match u32::try_from(value) {
            Ok(label) if label < MAX_CLASSES => labels.push(label),
            _ => {
                return Err(fault(format!(
                    "label {i} is {value}; labels count from 0 and stay below {MAX_CLASSES}"
                )));
            }
        }
    }
    Ok(labels)
}

/// Decompresses `reader` if its first two bytes are those of gzip, else returns it unchanged.
pub(super) fn decompressed<'r>(
    mut reader: impl Read + 'r,
) -> std::result::Result<Box<dyn Read + 'r>, Fault> {
    let mut start = Vec::with_capacity(2);
    reader.by_ref().take(2).read_to_end(&mut start)?;
    Ok(if start == MAGIC {
        let reader = BufReader::with_capacity(BLOCK, reader);
        Box::new(Members::after_magic(reader))
    } else {
        let whole = io::Cursor::new(start).chain(reader);
        Box::new(BufReader::with_capacity(BLOCK, whole))
    })
}

/// The header of an IDX file: element type and lengths of the dimensions.
struct Header {
    kind: u8,
    lengths: Vec<u32>,
}

impl Header {
    fn read(reader: &mut impl Read) -> std::result::Result<Self, Fault> {
        let magic = word(reader)?;
        let [0, 0, kind, rank] = magic else {
            return Err(fault(format!(
                "is not an IDX file: it starts with {:02x} {:02x}, not 00 00; give an IDX file, raw or gzip'd",
                magic[0], magic[1]
            )));
        };
        let lengths = (0..rank)
            .map(|_| word(reader).map(u32::from_be_bytes))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { kind, lengths })
    }

    /// Reads the elements, of `size` bytes each: exactly as many as the lengths of the header
    /// require.
    fn elements(&self, reader: &mut impl Read, size: u64) -> std::result::Result<Vec<u8>, Fault> {
        let product = |total: u64, &length: &u32| total.checked_mul(u64::from(length));
        let promised = self
            .lengths
            .iter()
            .try_fold(size, product)
            .filter(|&bytes| bytes <= LIMIT && usize::try_from(bytes).is_ok())
            .ok_or_else(|| {
                let lengths: Vec<String> = self.lengths.iter().map(u32::to_string).collect();
                fault(format!(
                    "its header claims {} elements, over the limit of 4 GiB; the file is damaged or must be split",
                    lengths.join("x")
                ))
            })?;
        if bounded::lacking(promised).is_some() {
            return Err(fault(format!(
                "its header claims {promised} bytes of data, more than this machine has memory free; it is damaged, or must be split"
            )));
        }
        // One byte more than required is read: it shows a file that is too long, and at the end of
        // the file the gzip decoder compares its checksum.
        let bytes = bounded::fill(reader, promised)?;
        let found = bytes.len() as u64;
        if found < promised {
            return Err(fault(format!(
                "is cut short: its header promises {promised} bytes of data and {found} are there; fetch or copy the file again"
            )));
        }
        if found > promised {
            return Err(fault(format!(
                "goes on after the {promised} bytes of data its header promises; fetch or copy the file again"
            )));
        }
        Ok(bytes)
    }
}

fn word(reader: &mut impl Read) -> std::result::Result<[u8; 4], Fault> {
    let mut bytes = Vec::with_capacity(4);
    reader.take(4).read_to_end(&mut bytes)?;
    <[u8; 4]>::try_from(bytes).map_err(|short| {
        fault(match short.len() {
            0 => "is cut short before the end of its header; fetch or copy the file again".into(),
            n => {
                format!("is cut short {n} bytes into a header field; fetch or copy the file again")
            }
        })
    })
}

fn kind_name(kind: u8) -> String {
    match kind {
        0x08 => "type 0x08 (u8)".into(),
        0x09 => "type 0x09 (i8)".into(),
        0x0B => "type 0x0b (i16)".into(),
        0x0C => "type 0x0c (i32)".into(),
        0x0D => "type 0x0d (f32)".into(),
        0x0E => "type 0x0e (f64)".into(),
        other => format!("unknown type 0x{other:02x}"),
    }
}
