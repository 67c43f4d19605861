//! Arrays as they come from NumPy, as the engine reads them: images stored (height, width,
//! channel), one after the other. What has another order or type was brought into it by
//! `bnn_cpu/_arrays.py`; what does not fit is refused here.

use bnn_cpu::tensor::Shape;
use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Images in memory, as bytes or as numbers that enter the network as they are.
pub enum Images<'py> {
    Bytes(PyReadonlyArrayDyn<'py, u8>),
    Numbers(PyReadonlyArrayDyn<'py, f32>),
}

impl<'py> Images<'py> {
    /// The images of a C-contiguous array of uint8 or float32.
    pub fn of(array: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = array.cast::<PyArrayDyn<u8>>() {
            contiguous(bytes.is_c_contiguous())?;
            return Ok(Self::Bytes(bytes.try_readonly()?));
        }
        if let Ok(numbers) = array.cast::<PyArrayDyn<f32>>() {
            contiguous(numbers.is_c_contiguous())?;
            return Ok(Self::Numbers(numbers.try_readonly()?));
        }
        Err(PyTypeError::new_err(
            "images must be an array of uint8 or float32",
        ))
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(x) => x.len(),
            Self::Numbers(x) => x.len(),
        }
    }
}

fn contiguous(is: bool) -> PyResult<()> {
    match is {
        true => Ok(()),
        false => Err(PyValueError::new_err(
            "images must be contiguous; use numpy.ascontiguousarray",
        )),
    }
}

/// How many images of that shape so many numbers are.
pub fn count(len: usize, image: Shape) -> PyResult<usize> {
    let each = image.len();
    match each > 0 && len.is_multiple_of(each) {
        true => Ok(len / each),
        false => Err(PyValueError::new_err(format!(
            "an array of {len} numbers is no whole number of images of {each}: {} x {} with {} channel{}",
            image.height,
            image.width,
            image.channels,
            if image.channels == 1 { "" } else { "s" }
        ))),
    }
}

/// Labels as the engine has them.
pub fn labels(array: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    let array = array.cast::<PyArrayDyn<i64>>().map_err(|_| {
        PyTypeError::new_err(
            "labels must be an array of int64; use numpy.asarray(labels, numpy.int64)",
        )
    })?;
    let array = array.try_readonly()?;
    let mut out = Vec::with_capacity(array.len());
    for &label in array.as_array() {
        out.push(
            u32::try_from(label).map_err(|_| {
                PyValueError::new_err(format!("label {label}: labels count from 0"))
            })?,
        );
    }
    Ok(out)
}
