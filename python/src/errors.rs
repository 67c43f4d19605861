//! Errors and panics of the engine as Python exceptions, each with one line.

use std::any::Any;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bnn_cpu::cli::{Failure, within};
use pyo3::create_exception;
use pyo3::exceptions::{
    PyException, PyFileExistsError, PyFileNotFoundError, PyKeyboardInterrupt, PyOSError,
    PyPermissionError, PyRuntimeWarning, PyValueError,
};
use pyo3::prelude::*;

create_exception!(
    bnn_cpu,
    Error,
    PyException,
    "What is wrong with data, a run, a file or a training, in one line.\n\nArguments that are impossible are a ValueError, and what the operating system refuses an OSError."
);
create_exception!(
    bnn_cpu,
    Diverged,
    Error,
    "The loss of a training is no longer a finite number; choose a smaller learning rate."
);

/// An error of the engine as an exception.
pub fn of(error: &bnn_cpu::Error) -> PyErr {
    let line = arguments(&one_line(&error.to_string()));
    match error {
        bnn_cpu::Error::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound => PyFileNotFoundError::new_err(line),
            ErrorKind::PermissionDenied => PyPermissionError::new_err(line),
            ErrorKind::AlreadyExists => PyFileExistsError::new_err(line),
            _ => PyOSError::new_err(line),
        },
        bnn_cpu::Error::Network(_) => PyOSError::new_err(line),
        bnn_cpu::Error::Spec(_) | bnn_cpu::Error::Field { .. } | bnn_cpu::Error::Mended { .. } => {
            PyValueError::new_err(line)
        }
        bnn_cpu::Error::Diverged(_) => Diverged::new_err(line),
        bnn_cpu::Error::Interrupted(_) => PyKeyboardInterrupt::new_err(line),
        _ => Error::new_err(line),
    }
}

/// What a command of the program failed by, as an exception.
pub fn of_failure(failure: &Failure) -> PyErr {
    let line = arguments(&within::message(failure));
    match failure {
        Failure::Error(error) => {
            let made = of(error);
            // The program's line names what would mend it.
            Python::attach(|py| {
                let kind = made.get_type(py);
                PyErr::from_type(kind, line)
            })
        }
        _ => PyValueError::new_err(line),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The line with the program's flags as the arguments that they are here: `--lr-schedule` as
/// `lr_schedule`.
fn arguments(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("--") {
        let before = rest[..at].chars().next_back();
        let name: String = rest[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
            .collect();
        let is_flag = name.starts_with(|c: char| c.is_ascii_lowercase())
            && before.is_none_or(|c| c.is_whitespace() || "(`".contains(c));
        out += &rest[..at];
        match is_flag {
            true => out += &name.trim_end_matches('-').replace('-', "_"),
            false => out += &format!("--{name}"),
        }
        rest = &rest[at + 2 + name.len()..];
    }
    out + rest
}

thread_local! {
    /// The message of the last panic of this thread.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the message of a panic for the exception that it becomes; nothing is printed.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
        PANIC.with(|panic| *panic.borrow_mut() = Some(place));
    }));
}

/// Notices of the engine become Python warnings.
pub fn tell_notices() {
    bnn_cpu::notice::listen(|text| {
        let text = text.to_string();
        Python::attach(|py| warn(py, &text));
    });
}

/// Warns as `warnings.warn` does. Where warnings are errors, the text is printed: there is no
/// caller to raise it to.
pub fn warn(py: Python<'_>, text: &str) {
    let Ok(text) = std::ffi::CString::new(arguments(text)) else {
        return;
    };
    let category = py.get_type::<PyRuntimeWarning>();
    if let Err(error) = PyErr::warn(py, &category, &text, 2) {
        error.print(py);
    }
}

/// Does `work`; a panic becomes an error that says where.
pub fn guarded<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(payload) => {
            let place = PANIC.with(|panic| panic.borrow_mut().take());
            let what = panic_text(&*payload);
            Err(Error::new_err(format!(
                "internal error: {}{}; please report it",
                one_line(&what),
                place.unwrap_or_default()
            )))
        }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".into())
}
