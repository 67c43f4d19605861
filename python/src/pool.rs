//! The threads that the engine works on.
//!
//! A pool belongs to the process that made it. A forked child has none of the threads of its
//! parent, so pools are kept by the process's number, in a list whose earlier elements a child
//! only compares numbers with: a lock that some thread of the parent held is never waited for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bnn_cpu::bounded;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::ThreadPool;

use crate::errors;

/// The most threads of a pool, as of the program.
const MOST: usize = 1024;

/// The pools of a process, by their number of threads.
struct Pools {
    process: u32,
    by_threads: Mutex<BTreeMap<usize, Arc<ThreadPool>>>,
    /// Those of a process that was forked from this one.
    child: OnceLock<Box<Pools>>,
}

impl Pools {
    fn of(process: u32) -> Self {
        Self {
            process,
            by_threads: Mutex::default(),
            child: OnceLock::new(),
        }
    }
}

static FIRST: OnceLock<Pools> = OnceLock::new();

/// The number that [`set_threads`] has set; 0 before it was called.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The pools of this process.
fn own() -> &'static Pools {
    let process = std::process::id();
    let mut at = FIRST.get_or_init(|| Pools::of(process));
    while at.process != process {
        at = at.child.get_or_init(|| Box::new(Pools::of(process)));
    }
    at
}

/// The number of threads that work is done on where none is stated.
fn usual() -> PyResult<usize> {
    match THREADS.load(Ordering::Relaxed) {
        0 => {}
        set => return Ok(set),
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    match std::env::var("BNN_CPU_THREADS") {
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(n) if (1..=MOST).contains(&n) => Ok(n),
            _ => Err(PyValueError::new_err(format!(
                "BNN_CPU_THREADS is {text:?}; it must be a number from 1 to {MOST}"
            ))),
        },
        _ => Ok(cores()),
    }
}

/// The pool of so many threads, or of the usual number.
pub fn pool(threads: Option<usize>) -> PyResult<Arc<ThreadPool>> {
    let threads = match threads {
        Some(n) if (1..=MOST).contains(&n) => n,
        Some(n) => {
            return Err(PyValueError::new_err(format!(
                "threads is {n}; it must be from 1 to {MOST}"
            )));
        }
        None => usual()?,
    };
    let mut pools = own()
        .by_threads
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&threads) {
        return Ok(pool.clone());
    }
    let made = Arc::new(bounded::pool(threads).map_err(|e| errors::of(&e))?);
    pools.insert(threads, made.clone());
    Ok(made)
}

/// Does `work` on the usual pool without the GIL; a panic becomes an exception.
pub fn compute<T: Send>(
    py: Python<'_>,
    threads: Option<usize>,
    work: impl FnOnce() -> PyResult<T> + Send,
) -> PyResult<T> {
    let pool = pool(threads)?;
    py.detach(|| errors::guarded(|| pool.install(work)))
}

/// Sets the number of threads that work is done on from now on; 0 is the default again:
/// `BNN_CPU_THREADS`, else as many as there are cores. Results do not depend on it.
#[pyfunction]
#[pyo3(signature = (threads, /))]
pub fn set_threads(threads: usize) -> PyResult<()> {
    if threads > MOST {
        return Err(PyValueError::new_err(format!(
            "threads is {threads}; it must be from 1 to {MOST}, or 0 for the default"
        )));
    }
    THREADS.store(threads, Ordering::Relaxed);
    Ok(())
}

/// The number of threads that work is done on.
#[pyfunction]
pub fn threads() -> PyResult<usize> {
    usual()
}
