//! Writing of IDX files; [`super::idx`] describes the format.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::ArrayView4;

use super::Dataset;
use super::idx_parse::{INT, SHORT, UNSIGNED_BYTE};
use crate::error::{Error, Result};
use crate::files::write_atomic_bytes;

/// Encodes images (N, H, W, C) as IDX bytes, with three dimensions if C is 1, else four.
///
/// # Errors
/// [`Error::Spec`] if a dimension does not fit the 32 bits of the format.
pub fn encode_images(images: ArrayView4<'_, u8>) -> Result<Vec<u8>> {
    let shape = images.shape();
    let rank = if shape[3] == 1 { 3 } else { 4 };
    let mut bytes = vec![0, 0, UNSIGNED_BYTE, rank];
    for &length in &shape[..usize::from(rank)] {
        let length = u32::try_from(length).map_err(|_| {
            Error::spec(format!(
                "a dimension of {length} does not fit IDX's 32 bits"
            ))
        })?;
        bytes.extend(length.to_be_bytes());
    }
    bytes.extend(images.iter());
    Ok(bytes)
}

/// Encodes labels as IDX bytes, in the narrowest of u8, i16 and i32 that holds all of them.
///
/// # Errors
/// [`Error::Spec`] if there are too many labels for the format, or one does not fit an `i32`.
pub fn encode_labels(labels: &[u32]) -> Result<Vec<u8>> {
    let count = u32::try_from(labels.len())
        .map_err(|_| Error::spec(format!("{} labels do not fit IDX's 32 bits", labels.len())))?;
    let last = labels.iter().copied().max().unwrap_or(0);
    let (kind, size) = match last {
        0..=0xFF => (UNSIGNED_BYTE, 1),
        0x100..=0x7FFF => (SHORT, 2),
        0x8000..=0x7FFF_FFFF => (INT, 4),
        _ => return Err(Error::spec(format!("label {last} does not fit IDX's i32"))),
    };
    let mut bytes = vec![0, 0, kind, 1];
    bytes.extend(count.to_be_bytes());
    for label in labels {
        bytes.extend(&label.to_be_bytes()[4 - size..]);
    }
    Ok(bytes)
}

/// Compresses `bytes` by gzip. No time stamp is written, so equal bytes give equal files.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

/// Writes `dataset` into `folder` as four gzip files with MNIST's names.
///
/// # Errors
/// [`Error::Io`] if a file cannot be written; [`Error::Spec`] as [`encode_images`] and
/// [`encode_labels`].
pub fn write_dataset(dataset: &Dataset, folder: &Path) -> Result<()> {
    for (prefix, split) in [("train", &dataset.train), ("t10k", &dataset.test)] {
        let images = gzip(&encode_images(split.images())?);
        write_atomic_bytes(
            &folder.join(format!("{prefix}-images-idx3-ubyte.gz")),
            &images,
        )?;
        let labels = gzip(&encode_labels(split.labels())?);
        write_atomic_bytes(
            &folder.join(format!("{prefix}-labels-idx1-ubyte.gz")),
            &labels,
        )?;
    }
    Ok(())
}
