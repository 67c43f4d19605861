//! Optimisers of a training loop in Python.

use std::sync::{Mutex, PoisonError};

use bnn_cpu::graph::{Optimise, Stated};
use bnn_cpu::train::OptimiserSpec;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors;

/// An optimiser of a training loop of one's own; `SGD`, `Adam` and `AdamW` make one.
///
/// Its state begins with its first step and belongs to one network.
#[pyclass(module = "bnn_cpu", frozen)]
pub struct Optimizer {
    inner: Mutex<Stated>,
    text: String,
}

#[pymethods]
impl Optimizer {
    /// Makes the optimiser that a JSON object states, as in a run's config.json.
    #[new]
    fn new(spec: &str, lr: f64) -> PyResult<Self> {
        let wrong = |e: serde_json::Error| PyValueError::new_err(format!("no optimiser: {e}"));
        let made: OptimiserSpec = serde_json::from_str(spec).map_err(wrong)?;
        if !(lr.is_finite() && lr > 0.0) {
            return Err(PyValueError::new_err(format!(
                "lr must be above 0, not {lr}"
            )));
        }
        let inner = Stated::new(made, lr).map_err(|e| errors::of(&e))?;
        Ok(Self {
            inner: Mutex::new(inner),
            text: spec.into(),
        })
    }

    /// The learning rate, which may be changed between steps.
    #[getter]
    fn lr(&self) -> f64 {
        self.inner().lr
    }

    #[setter]
    fn set_lr(&self, lr: f64) -> PyResult<()> {
        if !(lr.is_finite() && lr > 0.0) {
            return Err(PyValueError::new_err(format!(
                "lr must be above 0, not {lr}"
            )));
        }
        self.inner().lr = lr;
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<bnn_cpu.Optimizer {} lr={}>", self.text, self.lr())
    }
}

impl Optimizer {
    fn inner(&self) -> std::sync::MutexGuard<'_, Stated> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Optimizer {
    /// Takes a step of that network.
    pub fn step(&self, net: &mut bnn_cpu::model::Network) {
        self.inner().step(net);
    }
}
