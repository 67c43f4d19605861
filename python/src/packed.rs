//! Packed networks: `PackedNet`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bnn_cpu::kernels::{self, Engine};
use bnn_cpu::packed::{self, Runner};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::arrays::{Images, count};
use crate::{errors, pool};

/// Images up to so many are computed on the calling thread: to wake others takes longer.
const FEW: usize = 8;

/// A network packed into bits.
#[pyclass(module = "bnn_cpu._native", frozen, name = "_PackedNet", subclass)]
pub struct PackedNet {
    net: packed::PackedNet,
    engine: Engine,
    /// Runners that no call is using.
    idle: Mutex<Vec<Runner>>,
}

impl PackedNet {
    /// That network with the fastest kernels of this machine.
    pub fn of(net: packed::PackedNet) -> PyResult<Self> {
        Ok(Self {
            net,
            engine: kernels::select(None).map_err(|e| errors::of(&e))?,
            idle: Mutex::default(),
        })
    }

    /// Does `work` with a runner, which has scratch of its own.
    fn with_runner<T>(&self, work: impl FnOnce(&mut Runner) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut runner = taken.unwrap_or_else(|| self.net.runner(self.engine));
        let result = work(&mut runner);
        idle().push(runner);
        result
    }

    /// The logits of images, one row each.
    fn rows(
        &self,
        py: Python<'_>,
        images: &Bound<'_, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<Vec<f32>> {
        let images = self.bytes(images)?;
        let pixels = images.as_slice()?;
        let n = count(pixels.len(), self.net.input())?;
        let mut out = vec![0.0; n * self.net.classes()];
        if n <= FEW {
            py.detach(|| {
                errors::guarded(|| {
                    self.with_runner(|runner| runner.batch_here(pixels, &mut out));
                    Ok(())
                })
            })?;
            return Ok(out);
        }
        let to = &mut out;
        pool::compute(py, threads, move || {
            self.with_runner(|runner| runner.batch(pixels, to));
            Ok(())
        })?;
        Ok(out)
    }

    fn bytes<'py>(
        &self,
        images: &Bound<'py, PyAny>,
    ) -> PyResult<numpy::PyReadonlyArrayDyn<'py, u8>> {
        match Images::of(images)? {
            Images::Bytes(bytes) => Ok(bytes),
            Images::Numbers(_) => Err(PyTypeError::new_err(
                "a packed network reads pixels of uint8, 0 to 255, not float32",
            )),
        }
    }
}

#[pymethods]
impl PackedNet {
    /// Reads a packed file, or its bytes.
    #[new]
    fn new(py: Python<'_>, file: &Bound<'_, PyAny>) -> PyResult<Self> {
        let read = match file.cast::<PyBytes>() {
            Ok(bytes) => {
                let bytes = bytes.as_bytes().to_vec();
                py.detach(|| {
                    errors::guarded(|| {
                        packed::PackedNet::from_bytes(&bytes).map_err(|e| errors::of(&e))
                    })
                })
            }
            Err(_) => {
                let path: PathBuf = file.extract()?;
                py.detach(|| {
                    errors::guarded(|| packed::PackedNet::read(&path).map_err(|e| errors::of(&e)))
                })
            }
        };
        Self::of(read?)
    }

    /// The class of a single image, given as contiguous uint8; None where a logit is NaN.
    fn class_of(&self, py: Python<'_>, image: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        let image = self.bytes(image)?;
        let pixels = image.as_slice()?;
        if pixels.len() != self.net.input().len() {
            count(pixels.len(), self.net.input())?;
            return Err(pyo3::exceptions::PyValueError::new_err(
                "these are several images",
            ));
        }
        py.detach(|| errors::guarded(|| Ok(self.with_runner(|runner| runner.classify(pixels)))))
    }

    /// The class of each image; -1 where a logit is NaN.
    #[pyo3(signature = (images, threads=None))]
    fn classes_of<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let rows = self.rows(py, images, threads)?;
        let classes = rows.chunks_exact(self.net.classes());
        let classes: Vec<i64> = classes
            .map(|z| bnn_cpu::model::argmax(z).map_or(-1, |class| class as i64))
            .collect();
        Ok(classes.into_pyarray(py))
    }

    /// The logits of each image, (N, classes); of a few-shot network its embedding.
    #[pyo3(signature = (images, threads=None))]
    fn logits_of<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let rows = self.rows(py, images, threads)?;
        let classes = self.net.classes();
        let n = rows.len() / classes.max(1);
        rows.into_pyarray(py).reshape([n, classes])
    }

    /// The name of the network.
    #[getter]
    fn name(&self) -> &str {
        self.net.name()
    }

    /// (height, width, channels) of an image.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        let input = self.net.input();
        (input.height, input.width, input.channels)
    }

    /// The number of classes, or of numbers in an embedding.
    #[getter]
    fn classes(&self) -> usize {
        self.net.classes()
    }

    /// Whether it ends in an embedding for few-shot learning, and has no classes of its own.
    #[getter]
    fn embeds(&self) -> bool {
        self.net.comparison().is_some()
    }

    /// The kernels that it runs on.
    #[getter]
    fn isa(&self) -> &'static str {
        self.engine.kernels.isa.name()
    }

    /// The packed file as bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py
            .detach(|| self.net.to_bytes())
            .map_err(|e| errors::of(&e))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Writes the packed file, whole or not at all; returns its size in bytes.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<usize> {
        py.detach(|| self.net.write(&path))
            .map_err(|e| errors::of(&e))
    }

    /// The stages in order: name, shape of the output, and what it consists of.
    fn stages(&self) -> Vec<(String, String, String)> {
        let stages = self.net.stages().iter().zip(self.net.flows());
        stages
            .map(|(stage, flow)| {
                let (shape, kind) = flow.output();
                let kind = format!("{kind:?}").to_lowercase();
                (stage.name.clone(), shape.to_string(), kind)
            })
            .collect()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let bytes = slf.get().to_bytes(py)?;
        let arguments = PyTuple::new(py, [bytes])?;
        PyTuple::new(py, [slf.get_type().into_any(), arguments.into_any()])
    }
}
