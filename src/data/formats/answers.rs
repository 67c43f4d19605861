//! What another program put into a network and what it got out of it: two arrays, in `.npy` files
//! or in one safetensors file.

use std::path::{Path, PathBuf};

use super::super::place::Place;
use super::numbers::{Array, Kind};
use super::{npy, tensors};
use crate::error::{Error, Result};

/// Names of the first array in a safetensors file.
const INPUTS: [&str; 5] = ["inputs", "input", "images", "image", "x"];

/// Names of the second.
const LOGITS: [&str; 5] = ["logits", "outputs", "output", "scores", "y"];

/// An array of numbers, in the order of its indices, the last of which varies fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// The file, and in a safetensors file the tensor's name.
    pub origin: String,
    /// The lengths of its axes.
    pub shape: Vec<usize>,
    /// Its elements.
    pub values: Vec<f32>,
    /// Whether the elements are stored as bytes, so that of an image they are pixels.
    pub bytes: bool,
}

/// Reads inputs (N, ...) and logits (N, classes): `files` are two `.npy` files in that order, or
/// one safetensors file whose tensors are called `inputs` and `logits`.
///
/// # Errors
/// Another number of files, a file that cannot be read or is of another kind, arrays without
/// elements or of different N, and a logit that is not finite.
pub fn read(files: &[PathBuf]) -> Result<[Numbers; 2]> {
    let both = match files {
        [inputs, logits] => [of_npy(inputs)?, of_npy(logits)?],
        [file] => of_safetensors(file)?,
        _ => {
            return Err(Error::spec(
                "inputs and logits are two .npy files, or one safetensors file",
            ));
        }
    };
    let [inputs, logits] = &both;
    let fault = |of: &Numbers, what: String| Err(Error::spec(format!("{} {what}", of.origin)));
    if logits.shape.len() != 2 || inputs.shape.len() < 2 {
        let of = if logits.shape.len() == 2 {
            inputs
        } else {
            logits
        };
        return fault(
            of,
            format!(
                "is an array of shape {:?}; inputs have a first axis of examples, and logits have the shape (N, classes)",
                of.shape
            ),
        );
    }
    if inputs.shape[0] != logits.shape[0] || logits.values.is_empty() || inputs.values.is_empty() {
        return fault(
            logits,
            format!(
                "holds logits of {} examples, and {} holds {}; each must have one example or more, and both the same",
                logits.shape[0], inputs.origin, inputs.shape[0]
            ),
        );
    }
    for of in [inputs, logits] {
        if let Some(at) = of.values.iter().position(|x| !x.is_finite()) {
            return fault(
                of,
                format!("holds a number that is not finite (element {at})"),
            );
        }
    }
    Ok(both)
}

fn of_npy(path: &Path) -> Result<Numbers> {
    let array = Place::File(path.to_path_buf()).read(|reader| npy::read(reader))?;
    Ok(numbers(&array, path.display().to_string()))
}

fn of_safetensors(path: &Path) -> Result<[Numbers; 2]> {
    let mut arrays = tensors::arrays(path)?;
    let mut take = |what: &str, names: [&str; 5]| {
        let found = names
            .iter()
            .find_map(|name| arrays.iter().position(|(own, _)| own == name));
        let found = found.ok_or_else(|| {
            Error::data(
                path,
                format!(
                    "has no tensor of {what}; it must be called {}",
                    names.join(", ")
                ),
            )
        })?;
        let (name, array) = arrays.swap_remove(found);
        Ok(numbers(&array, format!("{}: {name}", path.display())))
    };
    Ok([take("inputs", INPUTS)?, take("logits", LOGITS)?])
}

fn numbers(array: &Array, origin: String) -> Numbers {
    Numbers {
        origin,
        shape: array.shape.clone(),
        values: array.in_order(),
        bytes: array.kind == Kind::U8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `.npy` file of numbers of 32 bits.
    fn npy_of(shape: &str, fortran: bool, values: &[f32]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        let header = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        file
    }

    fn read_two(inputs: Vec<u8>, logits: Vec<u8>) -> Result<[Numbers; 2]> {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["x.npy", "y.npy"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], inputs).unwrap();
        std::fs::write(&paths[1], logits).unwrap();
        read(&paths)
    }

    #[test]
    fn either_order_in_memory_gives_the_same_numbers() {
        let rows = npy_of("(2, 3)", false, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let columns = npy_of("(2, 3)", true, &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let [a, b] = read_two(rows, columns).unwrap();
        assert_eq!(a.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!((a.values, a.shape, a.bytes), (b.values, b.shape, false));
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let of = |shape: &str, n: usize| npy_of(shape, false, &vec![0.5; n]);
        for (inputs, logits, what) in [
            (of("(2, 3)", 6), of("(3, 2)", 6), "both the same"),
            (of("(2, 3)", 6), of("(2,)", 2), "shape (N, classes)"),
            (of("(6,)", 6), of("(6, 1)", 6), "first axis of examples"),
            (of("(0, 3)", 0), of("(0, 2)", 0), "one example or more"),
            (
                of("(1, 1)", 1),
                npy_of("(1, 1)", false, &[f32::NAN]),
                "not finite (element 0)",
            ),
            (b"no array".to_vec(), of("(1, 1)", 1), "no .npy file"),
        ] {
            let error = read_two(inputs, logits).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        assert!(read(&[]).is_err());
    }
}
