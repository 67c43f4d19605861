//! Data sets out of arrays, or of whatever the program reads.

use std::sync::Arc;

use bnn_cpu::cli::within;
use bnn_cpu::data::{self, Split, held_out};
use numpy::{IntoPyArray, PyArray1, PyArray4, PyArrayMethods, PyReadonlyArray4};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::{arrays, errors, pool, program};

/// Training and test images with their labels.
///
/// Known by its content: a run refuses other images than those that it was made with.
#[pyclass(module = "bnn_cpu", frozen, name = "_Dataset")]
pub struct Dataset {
    pub inner: Arc<data::Dataset>,
}

/// Images and their labels.
type Labelled<'py> = (Bound<'py, PyArray4<u8>>, Bound<'py, PyArray1<i64>>);

fn split(images: PyReadonlyArray4<'_, u8>, labels: &Bound<'_, PyAny>) -> PyResult<Split> {
    let images = images.as_array().as_standard_layout().into_owned();
    Split::new(images, arrays::labels(labels)?).map_err(|e| errors::of(&e))
}

#[pymethods]
impl Dataset {
    /// Joins images (N, height, width, channels) of uint8 and labels of int64. Without test
    /// images, a tenth of each class is held out, chosen by the content of the images alone.
    #[new]
    #[pyo3(signature = (name, images, labels, test_images, test_labels, class_names))]
    fn new(
        py: Python<'_>,
        name: &str,
        images: PyReadonlyArray4<'_, u8>,
        labels: &Bound<'_, PyAny>,
        test_images: Option<PyReadonlyArray4<'_, u8>>,
        test_labels: Option<&Bound<'_, PyAny>>,
        class_names: Vec<String>,
    ) -> PyResult<Self> {
        let all = split(images, labels)?;
        let test = match (test_images, test_labels) {
            (Some(images), Some(labels)) => Some(split(images, labels)?),
            (None, None) => None,
            _ => {
                return Err(PyValueError::new_err(
                    "test images and test labels belong together",
                ));
            }
        };
        let name = name.to_string();
        let made = pool::compute(py, None, move || {
            let (train, test) = match test {
                Some(test) => (all, test),
                None => halves(&all)?,
            };
            let highest = train.labels().iter().chain(test.labels()).max();
            let classes = highest
                .map_or(0, |&l| l as usize + 1)
                .max(class_names.len());
            let made =
                data::Dataset::new(&name, classes, train, test).map_err(|e| errors::of(&e))?;
            match class_names.is_empty() {
                true => Ok(made),
                false => made
                    .with_class_names(class_names)
                    .map_err(|e| errors::of(&e)),
            }
        })?;
        Ok(Self {
            inner: Arc::new(made),
        })
    }

    /// Reads what the flags of the program name.
    #[staticmethod]
    fn load(py: Python<'_>, flags: Vec<String>) -> PyResult<Self> {
        let made = program::hosted(py, None, |host| within::dataset(&flags, host))?;
        Ok(Self {
            inner: Arc::new(made),
        })
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }

    /// The number of classes.
    #[getter]
    fn classes(&self) -> usize {
        self.inner.classes
    }

    /// Names of the classes, in the order of their labels; empty where they have none.
    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.inner.class_names.clone()
    }

    /// The SHA-256 over images and labels.
    #[getter]
    fn sha256(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.fingerprint())
    }

    /// (height, width, channels) of an image.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        self.inner.shape()
    }

    /// Images (N, height, width, channels) and labels of a part: `"train"` or `"test"`.
    fn part<'py>(&self, py: Python<'py>, part: &str) -> PyResult<Labelled<'py>> {
        let split = match part {
            "train" => &self.inner.train,
            "test" => &self.inner.test,
            other => {
                return Err(PyValueError::new_err(format!(
                    "there is no part {other:?}; choose \"train\" or \"test\""
                )));
            }
        };
        let (height, width, channels) = self.inner.shape();
        let pixels = numpy::PyArray1::from_slice(py, split.pixels());
        let images = pixels.reshape([split.len(), height, width, channels])?;
        let labels: Vec<i64> = split.labels().iter().map(|&l| i64::from(l)).collect();
        Ok((images, labels.into_pyarray(py)))
    }

    /// How many images there are to train on and to test on.
    fn sizes(&self) -> (usize, usize) {
        (self.inner.train.len(), self.inner.test.len())
    }
}

/// The images that are trained on and those that are held out.
fn halves(all: &Split) -> PyResult<(Split, Split)> {
    let test = held_out::by_image(all.pixels(), all.labels());
    let (height, width, channels) = all.shape();
    let size = height * width * channels;
    let part = |wanted: bool| {
        let mine = (0..test.len()).filter(|&i| test[i] == wanted);
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for i in mine {
            pixels.extend_from_slice(&all.pixels()[i * size..][..size]);
            labels.push(all.labels()[i]);
        }
        Split::from_pixels((height, width, channels), pixels, labels).map_err(|e| errors::of(&e))
    };
    Ok((part(false)?, part(true)?))
}
