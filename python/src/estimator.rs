//! Estimators: those that there are, and those that Python defines.
//!
//! A rule in Python is called with the units of a row as NumPy arrays. The engine calls it from
//! its worker threads, each of which takes the GIL for the call. An exception cannot pass through
//! the engine: it is kept, the row's gradient is 0, and it is raised when the step is over
//! ([`check`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bnn_cpu::estimators::{
    self, Emit, Estimator, Extra, Info, Needs, Outcome, Pathwise, Probability, Rule, SavedGrads,
    ScoreFunction, Unit, Units,
};
use bnn_cpu::kernels::{self, Elementwise};
use bnn_cpu::lab;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::{errors, pool};

/// The first exception of a rule since [`forget`].
static FAILED: Mutex<Option<PyErr>> = Mutex::new(None);
static HAS_FAILED: AtomicBool = AtomicBool::new(false);

fn keep(error: PyErr) {
    FAILED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(error);
    HAS_FAILED.store(true, Ordering::SeqCst);
}

/// Whether a rule has raised an exception.
pub fn has_failed() -> bool {
    HAS_FAILED.load(Ordering::SeqCst)
}

/// Forgets exceptions of earlier work.
pub fn forget() {
    if HAS_FAILED.swap(false, Ordering::SeqCst) {
        *FAILED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Raises the exception of a rule, if there was one.
pub fn check() -> PyResult<()> {
    if !HAS_FAILED.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    match FAILED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// What a Python object says of itself, read once when it is registered.
#[derive(Clone)]
struct Own {
    object: Arc<Py<PyAny>>,
    info: Info,
    probability: Probability,
    kind: Kind,
    needs: Needs,
    explores: bool,
    takes_baseline: bool,
    min_samples: usize,
    extras: &'static [Extra],
    saved_grads: SavedGrads,
    learned: &'static [f32],
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Pathwise,
    ScoreFunction,
}

/// A text that lives as long as the process: an estimator's name is one.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The value of that name among those that there are.
fn choice<T: Copy>(what: &str, name: &str, all: &[(&str, T)]) -> PyResult<T> {
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        PyValueError::new_err(format!(
            "{what} {name:?} is unknown; choose from {}",
            known.join(", ")
        ))
    })
}

const EMITS: [(&str, Emit); 5] = [
    ("sample", Emit::Sample),
    ("opposite", Emit::Opposite),
    ("mean", Emit::Mean),
    ("relaxed", Emit::Relaxed),
    ("conditional", Emit::Conditional),
];

impl Own {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text = |name: &str| -> PyResult<String> { object.getattr(name)?.extract() };
        let own = text("probability")?;
        let own = choice(
            "probability",
            &own,
            &Probability::ALL.map(|p| (p.name(), p)),
        )?;
        let kind = [
            ("pathwise", Kind::Pathwise),
            ("score-function", Kind::ScoreFunction),
        ];
        let needs: Vec<String> = object.getattr("needs")?.extract()?;
        let has = |name: &str| needs.iter().any(|n| n == name);
        if let Some(other) = needs
            .iter()
            .find(|n| !["p", "u", "v"].contains(&n.as_str()))
        {
            return Err(PyValueError::new_err(format!(
                "needs {other:?} is unknown; choose from p, u, v"
            )));
        }
        let saved = [
            ("none", SavedGrads::None),
            ("extra-rows", SavedGrads::ExtraRows),
            ("samples", SavedGrads::Samples),
        ];
        let learned: Vec<f32> = object.getattr("learned")?.extract()?;
        Ok(Self {
            info: Info {
                name: kept(text("name")?),
                formula: kept(text("formula")?),
                unbiased: object.getattr("unbiased")?.extract()?,
                cost: kept(text("cost")?),
                source: kept(text("source")?),
            },
            probability: own,
            kind: choice("kind", &text("kind")?, &kind)?,
            needs: Needs {
                p: has("p"),
                u: has("u"),
                v: has("v"),
            },
            explores: object.getattr("explores")?.extract()?,
            takes_baseline: object.getattr("takes_baseline")?.extract()?,
            min_samples: object.getattr("min_samples")?.extract()?,
            extras: Box::leak(extras(object)?.into_boxed_slice()),
            saved_grads: choice("saved_grads", &text("saved_grads")?, &saved)?,
            learned: Box::leak(learned.into_boxed_slice()),
            object: Arc::new(object.clone().unbind()),
        })
    }

    /// Calls a method of the object; an exception is kept and `otherwise` returned.
    fn call<T>(&self, otherwise: T, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> T {
        if has_failed() {
            return otherwise;
        }
        Python::attach(|py| work(self.object.bind(py))).unwrap_or_else(|error| {
            keep(error);
            otherwise
        })
    }
}

/// The further rows that a rule asks for: what its own layer emits, and what those above it do.
fn extras(object: &Bound<'_, PyAny>) -> PyResult<Vec<Extra>> {
    let pairs: Vec<(String, String)> = object.getattr("extras")?.extract()?;
    let mut out = Vec::new();
    for (here, above) in pairs {
        out.push(Extra {
            here: choice("extras", &here, &EMITS)?,
            above: choice("extras", &above, &EMITS)?,
        });
    }
    Ok(out)
}

/// A row's units as Python has them.
fn units<'py>(py: Python<'py>, of: Units<'_>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let arrays = [
        ("x", of.x),
        ("p", of.p),
        ("u", of.u),
        ("v", of.v),
        ("h", of.h),
        ("dh", of.dh),
    ];
    for (name, values) in arrays {
        dict.set_item(name, PyArray1::from_slice(py, values))?;
    }
    dict.set_item("slope", of.slope)?;
    dict.set_item("temperature", of.temperature)?;
    dict.set_item("learning_signal", of.learning_signal)?;
    dict.set_item("saved_grads", saved(py, of.saved_grads)?)?;
    Ok(dict)
}

fn saved<'py>(py: Python<'py>, of: [&[f32]; 2]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, of.map(|values| PyArray1::from_slice(py, values)))
}

/// A row's outcome as Python has it.
fn outcome<'py>(py: Python<'py>, of: Outcome<'_>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("loss", of.loss)?;
    dict.set_item("extra", (of.extra[0], of.extra[1]))?;
    dict.set_item("baseline", of.baseline)?;
    dict.set_item("weight", of.weight)?;
    dict.set_item("h", PyArray1::from_slice(py, of.h))?;
    dict.set_item("p", PyArray1::from_slice(py, of.p))?;
    dict.set_item("saved_grads", saved(py, of.saved_grads)?)?;
    Ok(dict)
}

/// Numbers that a rule returned for so many units: an array of that length, or one number for
/// all.
fn numbers(name: &str, returned: &Bound<'_, PyAny>, len: usize) -> PyResult<Vec<f32>> {
    let read = || -> PyResult<Vec<f32>> {
        let numpy = returned.py().import("numpy")?;
        let array = numpy.call_method1("asarray", (returned, numpy.getattr("float32")?))?;
        let array = numpy.call_method1("broadcast_to", (array, (len,)))?;
        let array = numpy.call_method1("ascontiguousarray", (array,))?;
        let array: PyReadonlyArray1<'_, f32> = array.extract()?;
        Ok(array.as_slice()?.to_vec())
    };
    read().map_err(|e| {
        PyValueError::new_err(format!(
            "{name} must return {len} numbers, one for each unit: {e}"
        ))
    })
}

/// A single unit as a row of one.
fn row_of(unit: &Unit) -> Units<'_> {
    let one = std::slice::from_ref;
    Units {
        slope: unit.slope,
        temperature: unit.temperature,
        x: one(&unit.x),
        p: one(&unit.p),
        u: one(&unit.u),
        v: one(&unit.v),
        h: one(&unit.h),
        dh: one(&unit.dh),
        learning_signal: unit.learning_signal,
        saved_grads: [&unit.saved_grads[..1], &unit.saved_grads[1..]],
    }
}

impl Estimator for Own {
    fn info(&self) -> Info {
        self.info
    }

    fn probability(&self) -> Probability {
        self.probability
    }

    fn rule(&self) -> Rule<'_> {
        match self.kind {
            Kind::Pathwise => Rule::Pathwise(self),
            Kind::ScoreFunction => Rule::ScoreFunction(self),
        }
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    fn grad(&self, unit: Unit) -> f32 {
        let mut out = [0.0];
        let row = row_of(&unit);
        self.add(row, &mut out);
        out[0]
    }

    fn grads(&self, _ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        self.add(units, dx);
    }
}

impl Own {
    /// Adds the gradient of a row's units.
    fn add(&self, of: Units<'_>, dx: &mut [f32]) {
        let len = dx.len();
        let made = self.call(None, |object| {
            let units = units(object.py(), of)?;
            let returned = object.call_method1("_grad", (units,))?;
            numbers("grad", &returned, len).map(Some)
        });
        for (dx, g) in dx.iter_mut().zip(made.into_iter().flatten()) {
            *dx += g;
        }
    }
}

impl Pathwise for Own {
    fn surrogate(&self, slope: f32, x: f32) -> Option<f64> {
        self.call(None, |object| {
            object.call_method1("surrogate", (slope, x))?.extract()
        })
    }

    fn explores(&self) -> bool {
        self.explores
    }
}

impl ScoreFunction for Own {
    fn extras(&self) -> &'static [Extra] {
        self.extras
    }

    fn saved_grads(&self) -> SavedGrads {
        self.saved_grads
    }

    fn min_samples(&self) -> usize {
        self.min_samples
    }

    fn takes_baseline(&self) -> bool {
        self.takes_baseline
    }

    fn learned(&self) -> &'static [f32] {
        self.learned
    }

    fn learning_signal(&self, of: Outcome<'_>) -> f32 {
        self.call(0.0, |object| {
            let outcome = outcome(object.py(), of)?;
            object
                .call_method1("_learning_signal", (outcome,))?
                .extract()
        })
    }

    fn control(&self, temperature: f32, learned: &[f32], step: u64) -> (f32, f32) {
        self.call((temperature, 0.0), |object| {
            object
                .call_method1("control", (temperature, learned.to_vec(), step))?
                .extract()
        })
    }

    fn control_part(&self, unit: Unit, signals: [f32; 2]) -> f32 {
        self.call(0.0, |object| {
            let py = object.py();
            let row = row_of(&unit);
            let returned = object
                .call_method1("_control_part", (units(py, row)?, (signals[0], signals[1])))?;
            Ok(numbers("control_part", &returned, 1)?[0])
        })
    }

    fn adapt(&self, learned: &mut [f32], sums: [f64; 3], step: u64) {
        let made: Option<Vec<f32>> = self.call(None, |object| {
            let sums = (sums[0], sums[1], sums[2]);
            object
                .call_method1("adapt", (learned.to_vec(), sums, step))?
                .extract()
                .map(Some)
        });
        if let Some(made) = made {
            if made.len() == learned.len() {
                learned.copy_from_slice(&made);
            } else {
                keep(PyValueError::new_err(format!(
                    "adapt must return {} numbers",
                    learned.len()
                )));
            }
        }
    }
}

/// Makes the estimator of a Python object known by its name. Its formula is taken to hold for its
/// own probability function alone.
#[pyfunction]
pub fn register(py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<()> {
    let own = Own::of(object)?;
    let make = move |probability: Option<Probability>| {
        let holds = probability.is_none_or(|probability| probability == own.probability);
        holds.then(|| Arc::new(own.clone()) as Arc<dyn Estimator>)
    };
    py.detach(|| estimators::replace(make))
        .map_err(|e| errors::of(&e))
}

/// Every estimator: name, formula, whether it is unbiased, cost, source, probability function.
#[pyfunction(name = "estimators")]
pub fn listed<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for estimator in bnn_cpu::estimators::all() {
        let (info, dict) = (estimator.info(), PyDict::new(py));
        dict.set_item("name", info.name)?;
        dict.set_item("formula", info.formula)?;
        dict.set_item("unbiased", info.unbiased)?;
        dict.set_item("cost", info.cost)?;
        dict.set_item("source", info.source)?;
        dict.set_item("probability", estimator.probability().name())?;
        list.append(dict)?;
    }
    Ok(list)
}

/// The gradient that an estimator gives at a single unit, at each of those pre-activations: the
/// exact one, and the mean and the standard deviation of so many draws.
#[pyfunction]
pub fn at_one_unit(
    py: Python<'_>,
    name: &str,
    at: Vec<f64>,
    draws: u64,
) -> PyResult<Vec<(f64, f64, f64)>> {
    forget();
    let made = pool::compute(py, None, || {
        let engine = kernels::select(None).map_err(|e| errors::of(&e))?;
        lab::at_one_unit(name, engine, &at, draws).map_err(|e| errors::of(&e))
    });
    check()?;
    Ok(made?
        .iter()
        .map(|g| (g.exact, g.mean, g.deviation))
        .collect())
}
