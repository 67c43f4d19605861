//! Networks in a training loop of one's own: `Network`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bnn_cpu::cli::within;
use bnn_cpu::graph::{Model, Options};
use bnn_cpu::model::{Init, ModelSpec, Pixels, table};
use bnn_cpu::tape::Entry;
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::Baseline;
use numpy::ndarray::ArrayViewD;
use numpy::{IntoPyArray, PyArray2, PyArrayDyn, PyArrayMethods};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use crate::arrays::{self, Images};
use crate::optimiser::Optimizer;
use crate::packed::PackedNet;
use crate::{errors, estimator, pool, program, training, views};

/// A network with its gradients.
#[pyclass(module = "bnn_cpu._native", frozen, name = "_Network", subclass)]
pub struct Network {
    model: Mutex<Model>,
    spec: ModelSpec,
    capacity: usize,
}

/// What a text names: an initialiser, a baseline.
fn named<T: serde::de::DeserializeOwned>(what: &str, name: &str) -> PyResult<T> {
    serde_json::from_value(json!(name)).map_err(|e| PyValueError::new_err(format!("{what}: {e}")))
}

impl Network {
    /// A network that was trained.
    pub fn of_trained(net: bnn_cpu::model::Network) -> PyResult<Self> {
        let (spec, capacity) = (net.spec().clone(), net.capacity());
        let model = Model::with_weights_of(&net).map_err(|e| errors::of(&e))?;
        Ok(Self {
            model: Mutex::new(model),
            spec,
            capacity,
        })
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` with the network without the GIL. What Python wrote to views of the weights
    /// counts from here on.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Model) -> bnn_cpu::Result<T> + Send,
    ) -> PyResult<T> {
        estimator::forget();
        let result = pool::compute(py, None, || {
            let mut model = self.model();
            let _ = model.network_mut().params_mut().values_mut();
            work(&mut model).map_err(|e| errors::of(&e))
        });
        estimator::check()?;
        result
    }

    /// The tensors of a kind as views, by name.
    fn views<'py>(
        slf: &Bound<'py, Self>,
        of: impl Fn(&Model) -> (&[Entry], &[f32]),
    ) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(slf.py());
        let model = slf.get().model();
        let (entries, values) = of(&model);
        for entry in entries {
            let of = &values[entry.span.clone()];
            let view = ArrayViewD::from_shape(entry.shape.clone(), of)
                .map_err(|e| errors::Error::new_err(format!("{}: {e}", entry.name)))?;
            dict.set_item(&entry.name, views::view(&view, slf.clone().into_any()))?;
        }
        Ok(dict)
    }
}

#[pymethods]
impl Network {
    /// Builds the network that flags of the program, or a JSON object, state.
    #[new]
    #[pyo3(signature = (spec, flags, input, classes, batch, samples, baseline, init, seed, pixels))]
    #[allow(
        clippy::too_many_arguments,
        reason = "bnn_cpu/_network.py alone calls it, by name"
    )]
    fn new(
        py: Python<'_>,
        spec: Option<&str>,
        flags: Vec<String>,
        input: (usize, usize, usize),
        classes: usize,
        batch: usize,
        samples: usize,
        baseline: Option<&str>,
        init: &str,
        seed: u64,
        pixels: Option<(Vec<f32>, Vec<f32>)>,
    ) -> PyResult<Self> {
        let mut spec = match spec {
            Some(text) => {
                let made: ModelSpec = serde_json::from_str(text)
                    .map_err(|e| PyValueError::new_err(format!("not a network: {e}")))?;
                made.check().map_err(|e| errors::of(&e))?;
                made
            }
            None => {
                let input = Shape::image(input.0, input.1, input.2);
                program::hosted(py, None, |host| {
                    within::network(&flags, input, classes, host)
                })?
            }
        };
        spec.settle();
        if let Some((mean, std)) = pixels {
            spec.pixels = Some(Pixels::normalised_each(mean, std));
        }
        let options = Options {
            samples,
            baseline: baseline
                .map(|name| named::<Baseline>("baseline", name))
                .transpose()?,
            init: named::<Init>("init", init)?,
            seed,
            ..Options::default()
        };
        let made = pool::compute(py, None, || {
            Model::new(&spec, batch, options).map_err(|e| errors::of(&e))
        })?;
        Ok(Self {
            model: Mutex::new(made),
            spec,
            capacity: batch,
        })
    }

    /// The forward pass of a training step; returns the mean loss.
    fn loss_of(
        &self,
        py: Python<'_>,
        images: &Bound<'_, PyAny>,
        labels: &Bound<'_, PyAny>,
    ) -> PyResult<f64> {
        let (images, labels) = (Images::of(images)?, arrays::labels(labels)?);
        arrays::count(images.len(), self.spec.input)?;
        match &images {
            Images::Bytes(x) => {
                let x = x.as_slice()?;
                self.work(py, |model| model.forward(x, &labels))
            }
            Images::Numbers(x) => {
                let x = x.as_slice()?;
                self.work(py, |model| model.forward(x, &labels))
            }
        }
    }

    /// The backward pass of the last `loss_of`.
    fn backward(&self, py: Python<'_>) -> PyResult<()> {
        self.work(py, |model| {
            model.backward();
            Ok(())
        })
    }

    /// A step of that optimiser with the gradients that are there.
    fn apply(&self, py: Python<'_>, optimiser: &Optimizer) -> PyResult<()> {
        self.work(py, |model| {
            optimiser.step(model.network_mut());
            Ok(())
        })
    }

    /// The logits of an evaluation, (N, classes), in batches of at most the network's.
    fn logits_of<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let images = Images::of(images)?;
        let n = arrays::count(images.len(), self.spec.input)?;
        let each = self.spec.input.len() * self.capacity;
        let mut out = Vec::new();
        let to = &mut out;
        match &images {
            Images::Bytes(x) => {
                let x = x.as_slice()?;
                self.work(py, |model| {
                    x.chunks(each).try_for_each(|x| {
                        model.evaluate(x, &[])?;
                        to.extend_from_slice(model.network().embeddings());
                        Ok(())
                    })
                })
            }
            Images::Numbers(x) => {
                let x = x.as_slice()?;
                self.work(py, |model| {
                    x.chunks(each).try_for_each(|x| {
                        model.evaluate(x, &[])?;
                        to.extend_from_slice(model.network().embeddings());
                        Ok(())
                    })
                })
            }
        }?;
        let width = out.len().checked_div(n).unwrap_or(0);
        out.into_pyarray(py).reshape([n, width])
    }

    /// The logits of the samples of the last `loss_of`, (samples, classes).
    fn last_logits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let model = self.model();
        let net = model.network();
        let z = net.logits().to_vec();
        let classes = net.classes().max(1);
        let rows = z.len() / classes;
        z.into_pyarray(py).reshape([rows, classes])
    }

    /// What a layer gave for the last images: an array (rows, channels, height, width), or (rows,
    /// numbers) of a vector.
    fn layer_output<'py>(
        &self,
        py: Python<'py>,
        name: &str,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let at = self
            .spec
            .layers
            .iter()
            .position(|layer| layer.label() == name);
        let at = at.ok_or_else(|| PyKeyError::new_err(format!("there is no layer {name:?}")))?;
        let shapes = self.spec.layer_shapes().map_err(|e| errors::of(&e))?;
        let shape = shapes[at].output;
        if !self.model().network().has_output(at) {
            let own = |i: &usize| self.model().network().has_output(*i);
            let next = (at..shapes.len())
                .find(own)
                .map(|i| self.spec.layers[i].label());
            return Err(PyValueError::new_err(format!(
                "layer {name} is computed together with those that follow it; the next one with an output of its own is {}",
                next.unwrap_or("none")
            )));
        }
        let values = self.model().network().layer_output(at).to_vec();
        let rows = values.len() / shape.len().max(1);
        let dims = vec![rows, shape.height, shape.width, shape.channels];
        let stored = numpy::ndarray::ArrayD::from_shape_vec(dims, values)
            .map_err(|e| errors::Error::new_err(e.to_string()))?;
        let order = stored.permuted_axes(vec![0, 3, 1, 2]);
        Ok(order.as_standard_layout().into_owned().into_pyarray(py))
    }

    /// The parameters by name, as views of the network's memory.
    fn parameters<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        Self::views(slf, |model| {
            let params = model.network().params();
            (params.entries(), params.values())
        })
    }

    /// The gradients by name, as views of the network's memory.
    fn gradients<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        Self::views(slf, |model| {
            let params = model.network().params();
            (params.entries(), params.grads())
        })
    }

    /// The buffers by name, such as running means, as views of the network's memory.
    fn buffers<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        Self::views(slf, |model| {
            let params = model.network().params();
            (params.buffer_entries(), params.buffer_values())
        })
    }

    /// The numbers of batches that batch norms have seen, by name.
    fn counters(&self) -> BTreeMap<String, u64> {
        let model = self.model();
        model
            .network()
            .params()
            .counters()
            .iter()
            .cloned()
            .collect()
    }

    /// Sets the numbers of batches that batch norms have seen.
    fn set_counters(&self, counters: BTreeMap<String, u64>) {
        let mut model = self.model();
        for (name, count) in model.network_mut().params_mut().counters_mut() {
            if let Some(&set) = counters.get(name) {
                *count = set;
            }
        }
    }

    /// Packs the network into bits.
    fn packed(&self, py: Python<'_>) -> PyResult<PackedNet> {
        PackedNet::of(self.work(py, |model| model.pack())?)
    }

    /// The network as a JSON object, in the form of a model file.
    fn spec_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.spec).map_err(|e| errors::Error::new_err(e.to_string()))
    }

    /// The layer table: what `bnn-cpu inspect` prints.
    fn layer_table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rows = table(&self.spec).map_err(|e| errors::of(&e))?;
        let rows =
            serde_json::to_value(&rows).map_err(|e| errors::Error::new_err(e.to_string()))?;
        training::to_python(py, &rows)
    }

    /// (channels, height, width) of an image.
    #[getter]
    fn input(&self) -> (usize, usize, usize) {
        let input = self.spec.input;
        (input.channels, input.height, input.width)
    }

    /// The number of classes; 0 where the network is no classifier.
    #[getter]
    fn classes(&self) -> usize {
        self.spec.classes()
    }

    /// The most images of a step.
    #[getter]
    fn batch(&self) -> usize {
        self.capacity
    }

    /// Training steps so far; they number the noise of the next one.
    #[getter]
    fn steps(&self) -> u64 {
        self.model().steps()
    }

    #[setter]
    fn set_steps(&self, steps: u64) {
        self.model().set_steps(steps);
    }

    /// The slope `a` of binary units and hard sigmoids.
    #[getter]
    fn slope(&self) -> f32 {
        self.model().network().pass().slope
    }

    #[setter]
    fn set_slope(&self, slope: f32) -> PyResult<()> {
        positive("slope", slope)?;
        self.model().network_mut().pass_mut().slope = slope;
        Ok(())
    }

    /// The temperature of relaxed bits.
    #[getter]
    fn temperature(&self) -> f32 {
        self.model().network().pass().temperature
    }

    #[setter]
    fn set_temperature(&self, temperature: f32) -> PyResult<()> {
        positive("temperature", temperature)?;
        self.model().network_mut().pass_mut().temperature = temperature;
        Ok(())
    }
}

fn positive(what: &str, x: f32) -> PyResult<()> {
    match x.is_finite() && x > 0.0 {
        true => Ok(()),
        false => Err(PyValueError::new_err(format!(
            "{what} must be above 0, not {x}"
        ))),
    }
}
