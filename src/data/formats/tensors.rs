//! Data sets in safetensors files, whose tensors are named as the arrays in [`super::arrays`].

use std::path::Path;

use safetensors::Dtype;

use super::super::reading::Options;
use super::arrays;
use super::material::Material;
use super::numbers::{Array, Kind};
use super::without_effect;
use crate::error::{Error, Result};
use crate::{bounded, container};

/// The largest size of a file: 16 GiB.
const MOST: u64 = 16 << 30;

/// Reads the images and labels of a file.
pub(super) fn read(path: &Path, options: &Options) -> Result<Material> {
    without_effect(options, "tensors")?;
    arrays::joined(arrays(path)?, path, options, Vec::new())
}

/// Reads the arrays of a file, by name. Tensors of other types are skipped where they can be
/// neither images nor labels.
pub(super) fn arrays(path: &Path) -> Result<Vec<(String, Array)>> {
    // Three times the size of the file may be in memory: the file, its tensors and the images.
    let bytes = bounded::read(path, MOST, 3)?;
    let at = |what: String| Error::data(path, what);
    let file = container::read(&bytes).map_err(at)?;
    let mut arrays = Vec::new();
    for (name, view) in file.tensors.iter() {
        let Some(kind) = kind(view.dtype()) else {
            if matches!(view.shape().len(), 3 | 4) {
                return Err(at(format!(
                    "holds {name} in {:?}; save it as U8 or F32, labels as I64",
                    view.dtype()
                )));
            }
            continue;
        };
        let array = Array {
            kind,
            shape: view.shape().to_vec(),
            fortran: false,
            big_endian: false,
            bytes: view.data().to_vec(),
        };
        arrays.push((name.to_string(), array));
    }
    arrays.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(arrays)
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::BOOL => Kind::Bool,
        Dtype::U8 => Kind::U8,
        Dtype::I8 => Kind::I8,
        Dtype::U16 => Kind::U16,
        Dtype::I16 => Kind::I16,
        Dtype::U32 => Kind::U32,
        Dtype::I32 => Kind::I32,
        Dtype::U64 => Kind::U64,
        Dtype::I64 => Kind::I64,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        _ => return None,
    })
}
