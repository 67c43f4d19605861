//! Addresses of the network, opened by Python: a wheel needs no TLS of its own, and Python's
//! certificates and proxies hold.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use bnn_cpu::data::web::{Answer, Web, set_web};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// `bnn_cpu._web`, which stands on `urllib`.
struct Urllib;

impl Web for Urllib {
    fn get(&self, url: &str, most: u64) -> Result<Answer, String> {
        let opened = Python::attach(|py| {
            let module = py.import("bnn_cpu._web")?;
            let opened = module.call_method1("opened", (url,))?;
            opened.extract::<(Option<u64>, Py<PyAny>)>()
        });
        let (total, file) = opened.map_err(|error| reason(&error))?;
        // As the program's own client: ten minutes, or longer at 100 kB a second.
        let whole = Duration::from_secs((most / 100_000).max(600));
        let until = Instant::now() + whole;
        Ok(Answer {
            total,
            body: Box::new(Body { file, until }),
        })
    }
}

/// The bytes of an answer.
struct Body {
    file: Py<PyAny>,
    until: Instant,
}

impl Read for Body {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.until {
            return Err(io::Error::other("it takes too long"));
        }
        Python::attach(|py| {
            let read = self.file.call_method1(py, "read", (to.len(),))?;
            let bytes = read.cast_bound::<PyBytes>(py)?.as_bytes();
            to[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        })
        .map_err(|error: PyErr| io::Error::other(reason(&error)))
    }
}

/// What an exception says, without its type.
fn reason(error: &PyErr) -> String {
    Python::attach(|py| error.value(py).to_string())
}

/// Has the engine open addresses so.
pub fn install() {
    // Only a module that is loaded a second time finds one there, and it is the same.
    let _ = set_web(Box::new(Urllib));
}
