//! The program: its command line as a console script, and its commands within Python.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bnn_cpu::cli::within::{self, Host, Stream};
use bnn_cpu::cli::{self, Outcome, Registry};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::data::Dataset;
use crate::{errors, estimator, pool};

/// How often it is looked whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(50);

/// The program `bnn-cpu` with those arguments, its name first; returns its exit code.
#[pyfunction]
pub fn main(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| cli::main_of(&args, Registry::default()))
}

/// Does `work` on a thread of its own while this one, which may be Python's main thread, hears
/// Ctrl-C and then calls `stop` once. What the signal raised is raised when the work is over.
pub fn attended<T: Send>(
    py: Python<'_>,
    stop: impl Fn() + Send + Sync,
    work: impl FnOnce() -> PyResult<T> + Send,
) -> PyResult<T> {
    let done = AtomicBool::new(false);
    let waiting = std::thread::current();
    py.detach(|| {
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let result = errors::guarded(work);
                done.store(true, Ordering::SeqCst);
                waiting.unpark();
                result
            });
            let mut pressed = None;
            while !done.load(Ordering::SeqCst) {
                std::thread::park_timeout(LOOK);
                if pressed.is_none()
                    && let Err(error) = Python::attach(|py| py.check_signals())
                {
                    pressed = Some(error);
                    stop();
                }
            }
            let result = worker.join().unwrap_or_else(|_| {
                let what = "internal error: a thread ended; please report it";
                Err(errors::Error::new_err(what))
            });
            match (pressed, result) {
                (None, result) => result,
                // The engine's own line says where the work was saved.
                (Some(raised), Err(said)) if both_interrupts(&raised, &said) => Err(said),
                (Some(raised), _) => Err(raised),
            }
        })
    })
}

fn both_interrupts(raised: &PyErr, said: &PyErr) -> bool {
    Python::attach(|py| {
        let is = |error: &PyErr| error.is_instance_of::<PyKeyboardInterrupt>(py);
        is(raised) && is(said)
    })
}

/// Does `work` of the command line: results go to `told`, and notes become warnings.
pub fn hosted<T: Send>(
    py: Python<'_>,
    told: Option<Py<PyAny>>,
    work: impl FnOnce(Host) -> Outcome<T> + Send,
) -> PyResult<T> {
    let host: Host = Arc::new(move |stream: Stream, line: &str| {
        Python::attach(|py| match (stream, &told) {
            (Stream::Result, Some(told)) => {
                if let Err(error) = told.call1(py, (line,)) {
                    error.print(py);
                }
            }
            (Stream::Result, None) => {}
            (Stream::Note, _) => errors::warn(py, line.trim_start_matches("warning: ")),
        });
    });
    estimator::forget();
    let result = attended(py, within::stop, || {
        work(host).map_err(|e| errors::of_failure(&e))
    });
    estimator::check()?;
    result
}

/// Runs a command of the program in this process: `told` is given each line of its results, and
/// runs that were made with `dataset` find their images there.
#[pyfunction]
#[pyo3(signature = (args, told=None, dataset=None))]
pub fn command(
    py: Python<'_>,
    args: Vec<String>,
    told: Option<Py<PyAny>>,
    dataset: Option<&Dataset>,
) -> PyResult<()> {
    let threads = pool::threads()?.to_string();
    let dataset = dataset.map(|d| (*d.inner).clone());
    let mut whole = args;
    if !whole.iter().any(|arg| arg.starts_with("--threads")) {
        whole.extend(["--threads".to_string(), threads]);
    }
    hosted(py, told, move |host| within::run(&whole, dataset, host))
}
