//! Trainings: the settings of one, and the loop.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bnn_cpu::cli::within;
use bnn_cpu::train::{self, Config, EpochRecord, Event, RunFolder};
use bnn_cpu::{draw, kernels};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::{Value, json};

use crate::data::Dataset;
use crate::network::Network;
use crate::{errors, estimator, pool, program};

/// The time between two steps that are told of.
const STEP: Duration = Duration::from_millis(100);

/// The configuration that flags of the program make on a data set, as JSON, and lines on where
/// its settings come from. Nothing is trained.
#[pyfunction]
#[pyo3(signature = (flags, dataset=None))]
pub fn settle(
    py: Python<'_>,
    flags: Vec<String>,
    dataset: Option<&Dataset>,
) -> PyResult<(String, Vec<String>, Dataset)> {
    let given = dataset.map(|d| (*d.inner).clone());
    let settled = program::hosted(py, None, |host| within::training(&flags, given, host))?;
    let config = serde_json::to_string(&settled.config).map_err(json_error)?;
    let dataset = Dataset {
        inner: settled.dataset.into(),
    };
    Ok((config, settled.notes, dataset))
}

/// The folder that the program would name a run of that configuration by, made and empty.
#[pyfunction]
pub fn default_folder(config: &str) -> PyResult<PathBuf> {
    within::default_folder(&parsed(config)?).map_err(|e| errors::of_failure(&e))
}

/// The configuration of a stored run, and its data: `dataset`, or what flags name, or what the
/// run remembers.
#[pyfunction]
#[pyo3(signature = (path, flags, dataset=None))]
pub fn stored(
    py: Python<'_>,
    path: PathBuf,
    flags: Vec<String>,
    dataset: Option<&Dataset>,
) -> PyResult<(String, Dataset)> {
    let run = RunFolder::open(&path).map_err(|e| errors::of(&e))?;
    let config = serde_json::to_string(run.config()).map_err(json_error)?;
    let inner = match dataset {
        Some(given) => given.inner.clone(),
        None => {
            let record = run.config().dataset.clone();
            program::hosted(py, None, |host| within::dataset_of(&flags, &record, host))?.into()
        }
    };
    Ok((config, Dataset { inner }))
}

fn parsed(config: &str) -> PyResult<Config> {
    serde_json::from_str(config)
        .map_err(|e| PyValueError::new_err(format!("not a configuration: {e}")))
}

fn json_error(e: serde_json::Error) -> PyErr {
    errors::Error::new_err(format!("not JSON: {e}"))
}

/// JSON as Python's objects.
pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(b) => b.into_pyobject(py)?.to_owned().into_any(),
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), ..) => i.into_pyobject(py)?.into_any(),
            (_, Some(u), _) => u.into_pyobject(py)?.into_any(),
            (.., x) => x.unwrap_or(f64::NAN).into_pyobject(py)?.into_any(),
        },
        Value::String(s) => s.into_pyobject(py)?.into_any(),
        Value::Array(all) => {
            let list = PyList::empty(py);
            for value in all {
                list.append(to_python(py, value)?)?;
            }
            list.into_any()
        }
        Value::Object(all) => {
            let dict = PyDict::new(py);
            for (key, value) in all {
                dict.set_item(key, to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// An event as the object that `--json` writes, in short.
fn object(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Begin {
            config,
            epoch,
            steps,
            resumed,
        } => json!({
            "event": "begin", "epoch": epoch, "epochs": config.epochs, "steps": steps, "resumed": resumed,
        }),
        Event::Step {
            epoch,
            epochs,
            step,
            steps,
            loss,
            step_loss,
            accuracy,
            img_per_s,
        } => json!({
            "event": "step", "epoch": epoch, "epochs": epochs, "step": step, "steps": steps,
            "loss": loss, "step_loss": step_loss, "accuracy": accuracy, "img_per_s": img_per_s,
        }),
        Event::Validating { epoch } => json!({ "event": "validating", "epoch": epoch }),
        Event::Epoch { record, best } => {
            let mut value = serde_json::to_value(record).ok()?;
            value["event"] = "epoch".into();
            value["best"] = (*best).into();
            value
        }
        Event::Warning(text) => json!({ "event": "warning", "message": text }),
        Event::Testing { epoch } => json!({ "event": "testing", "epoch": epoch }),
        Event::Test(record) => {
            let mut value = serde_json::to_value(record).ok()?;
            value["event"] = "test".into();
            value
        }
    })
}

/// Tells Python of a training.
struct Watch<'a> {
    on: &'a Py<PyAny>,
    every_step: bool,
    looked: Instant,
    stop: &'a AtomicBool,
    /// The first exception of a callback.
    failed: &'a Mutex<Option<PyErr>>,
}

impl Watch<'_> {
    fn event(&mut self, event: &Event<'_>) {
        // A step costs less than to take the GIL: most are not told of.
        let is_step = matches!(event, Event::Step { .. });
        let due = self.looked.elapsed() >= STEP;
        if is_step && !due && !self.every_step {
            if estimator::has_failed() {
                self.stop.store(true, Ordering::SeqCst);
            }
            return;
        }
        self.looked = Instant::now();
        let Some(value) = object(event) else { return };
        let told = Python::attach(|py| {
            let value = to_python(py, &value)?;
            self.on.call1(py, (value,)).map(drop)
        });
        let told = told.and_then(|()| estimator::check());
        if let Err(error) = told {
            self.stop.store(true, Ordering::SeqCst);
            let mut failed = self
                .failed
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            failed.get_or_insert(error);
        }
    }
}

/// Trains by a configuration, in the folder `out` or in memory, and tests once; returns the
/// network of the best epoch, the records of the epochs and of the test as JSON. `on` is called
/// with each event.
#[pyfunction]
#[pyo3(signature = (config, dataset, out, resume, force, no_test, on, every_step=false, threads=None))]
#[allow(
    clippy::too_many_arguments,
    reason = "bnn_cpu/training.py alone calls it, by name"
)]
pub fn fit(
    py: Python<'_>,
    config: &str,
    dataset: &Dataset,
    out: Option<PathBuf>,
    resume: bool,
    force: bool,
    no_test: bool,
    on: Py<PyAny>,
    every_step: bool,
    threads: Option<usize>,
) -> PyResult<(Network, String, Option<String>)> {
    let config = parsed(config)?;
    let data = dataset.inner.clone();
    let (stop, failed) = (AtomicBool::new(false), Mutex::new(None));
    estimator::forget();
    let pool = pool::pool(threads)?;
    let stopped = || stop.store(true, Ordering::SeqCst);
    let worked = program::attended(py, stopped, || {
        pool.install(|| {
            let engine = kernels::select(None).map_err(|e| errors::of(&e))?;
            let mut watch = Watch {
                on: &on,
                every_step,
                looked: Instant::now(),
                stop: &stop,
                failed: &failed,
            };
            let trained = match &out {
                None => in_memory(&config, &data, engine, &mut watch),
                Some(path) => {
                    let job = Job {
                        path,
                        resume,
                        force,
                        no_test,
                    };
                    job.run(&config, &data, engine, &mut watch)
                }
            };
            trained.map_err(|e| errors::of(&e))
        })
    });
    let failed = failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(error) = failed {
        return Err(error);
    }
    estimator::check()?;
    let (network, history, test) = worked?;
    let text = |value: &Value| value.to_string();
    Ok((
        Network::of_trained(network)?,
        text(&history),
        test.as_ref().map(text),
    ))
}

type Done = (bnn_cpu::model::Network, Value, Option<Value>);

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

struct InMemory<'a, 'b>(&'a mut Watch<'b>);

impl train::Observer for InMemory<'_, '_> {
    fn event(&mut self, event: Event<'_>) -> bnn_cpu::Result<()> {
        self.0.event(&event);
        Ok(())
    }

    fn stops(&self) -> bool {
        self.0.stop.load(Ordering::SeqCst)
    }
}

fn in_memory(
    config: &Config,
    data: &bnn_cpu::data::Dataset,
    engine: kernels::Engine,
    watch: &mut Watch<'_>,
) -> bnn_cpu::Result<Done> {
    let trained = train::train_in_memory(config, data, engine, &mut InMemory(watch))?;
    Ok((
        trained.network,
        value(&trained.history),
        Some(value(&trained.test)),
    ))
}

/// A training that is kept in a folder.
struct Job<'a> {
    path: &'a std::path::Path,
    resume: bool,
    force: bool,
    no_test: bool,
}

impl Job<'_> {
    fn run(
        &self,
        config: &Config,
        data: &bnn_cpu::data::Dataset,
        engine: kernels::Engine,
        watch: &mut Watch<'_>,
    ) -> bnn_cpu::Result<Done> {
        let mut run = match self.resume {
            true => RunFolder::resume(self.path)?,
            false => RunFolder::create(self.path, config.clone(), self.force)?,
        };
        let stop = watch.stop;
        let mut on = |event: Event<'_>| watch.event(&event);
        let test = match self.no_test {
            true => train::fit(&mut run, data, engine, stop, &mut on).map(|()| None),
            false => train::train(&mut run, data, engine, stop, &mut on).map(Some),
        }?;
        let network = run.network(engine, run.config().batch)?;
        Ok((network, value(&run.metrics()?), test.as_ref().map(value)))
    }
}

/// The network of a stored run with the weights of its best epoch, its configuration, its epochs
/// and its test, the last three as JSON.
#[pyfunction]
pub fn run_network(
    py: Python<'_>,
    path: PathBuf,
) -> PyResult<(Network, String, String, Option<String>)> {
    let read = || -> bnn_cpu::Result<_> {
        let run = RunFolder::open(&path)?;
        let engine = kernels::select(None)?;
        let network = run.network(engine, run.config().batch)?;
        let test = run.test()?.as_ref().map(|test| value(test).to_string());
        Ok((
            network,
            value(run.config()).to_string(),
            value(&run.metrics()?).to_string(),
            test,
        ))
    };
    let (network, config, history, test) =
        pool::compute(py, None, || read().map_err(|e| errors::of(&e)))?;
    Ok((Network::of_trained(network)?, config, history, test))
}

/// The curves of epochs, given as JSON, as an SVG.
#[pyfunction]
pub fn curves(name: &str, history: &str) -> PyResult<String> {
    let history: Vec<EpochRecord> = serde_json::from_str(history)
        .map_err(|e| PyValueError::new_err(format!("not epochs: {e}")))?;
    let courses = [draw::curves::Course {
        line: 0,
        history: &history,
    }];
    let settings = [draw::facets::Setting {
        name: name.into(),
        parts: Default::default(),
    }];
    let canvas = draw::curves::figure(&courses, &settings).and_then(|figure| figure.draw());
    let canvas = canvas.map_err(|e| errors::of(&e))?;
    Ok(canvas.svg(draw::Theme::Light))
}
