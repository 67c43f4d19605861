//! Trains the cells of a table, several at a time, each in a folder of its own
//! that one process at a time may write: a killed table goes on where it was,
//! and several processes can share one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::cell::{Cell, CellRecord};
use crate::bounded;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::kernels::Engine;
use crate::train::{self, RunFolder};

/// What the runner reports.
#[derive(Debug)]
pub enum CellEvent<'a> {
    /// A cell was finished before.
    Known(&'a CellRecord),
    /// A cell's training begins or goes on.
    Begin(&'a Cell),
    /// An epoch of a cell is finished.
    Epoch(&'a Cell, usize),
    /// A cell is finished.
    Done(&'a CellRecord),
    /// Another process is at work on a cell.
    Elsewhere(&'a Cell),
    /// The training of a cell came to numbers that are not finite.
    Diverged(&'a Cell),
}

/// Trains every cell that is not finished, `jobs` at a time, each on `threads`
/// threads. Returns the records of all finished cells, in the order of `cells`.
///
/// # Errors
/// The first error of any cell; the others are stopped and their states saved. A cell whose
/// training diverges stops no other: its error is returned when all others are finished.
pub fn run_cells(
    suite: &str,
    cells: &[Cell],
    dataset: &Dataset,
    engine: Engine,
    (jobs, threads): (usize, usize),
    stop: &AtomicBool,
    on: &(dyn Fn(CellEvent<'_>) + Sync),
) -> Result<Vec<CellRecord>> {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let diverged: Mutex<Option<Error>> = Mutex::new(None);
    let results: Mutex<Vec<(usize, CellRecord)>> = Mutex::new(Vec::new());
    let fail = |error| {
        lock(&failed).get_or_insert(error);
        stop.store(true, Ordering::Relaxed);
    };
    let work = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = cells.get(i) else { break };
            match run_cell(suite, cell, dataset, engine, threads, stop, on) {
                Ok(Some(record)) => lock(&results).push((i, record)),
                Ok(None) => {}
                Err(error @ Error::Diverged(_)) => {
                    on(CellEvent::Diverged(cell));
                    lock(&diverged).get_or_insert(error);
                }
                Err(error) => {
                    fail(error);
                    break;
                }
            }
        }
    };
    // A job has a thread of its own beside the threads that it works on.
    let jobs = jobs.clamp(1, cells.len().max(1));
    bounded::check_threads(threads.saturating_add(1).saturating_mul(jobs))?;
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let job = std::thread::Builder::new().spawn_scoped(scope, work);
            if let Err(e) = job {
                let what = format!("cannot start {jobs} jobs: {e}; run fewer at a time");
                fail(Error::spec(what));
                break;
            }
        }
    });
    for errors in [&failed, &diverged] {
        if let Some(error) = lock(errors).take() {
            return Err(error);
        }
    }
    let mut results = std::mem::take(&mut *lock(&results));
    results.sort_by_key(|(i, _)| *i);
    Ok(results.into_iter().map(|(_, record)| record).collect())
}

/// The record of one cell: read, or trained now; `None` where another process
/// has it.
fn run_cell(
    suite: &str,
    cell: &Cell,
    dataset: &Dataset,
    engine: Engine,
    threads: usize,
    stop: &AtomicBool,
    on: &(dyn Fn(CellEvent<'_>) + Sync),
) -> Result<Option<CellRecord>> {
    if let Some(record) = cell.read()? {
        on(CellEvent::Known(&record));
        return Ok(Some(record));
    }
    if stop.load(Ordering::Relaxed) {
        return Err(interrupted());
    }
    let mut run = match RunFolder::open_or_create(&cell.run, cell.config.clone()) {
        Ok(run) => run,
        Err(Error::InUse { .. }) => {
            on(CellEvent::Elsewhere(cell));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if let Some(what) = cell.config.difference(run.config()) {
        return Err(Error::checkpoint(
            &cell.run,
            format!(
                "holds a run with other settings than this table's ({what}); move it away to train the cell again"
            ),
        ));
    }
    // Another process may have finished the cell since it was looked at.
    if let Some(record) = cell.read()? {
        on(CellEvent::Known(&record));
        return Ok(Some(record));
    }
    on(CellEvent::Begin(cell));
    let mut watch = |event: train::Event<'_>| {
        if let train::Event::Epoch { record, .. } = event {
            on(CellEvent::Epoch(cell, record.epoch));
        }
    };
    let record = bounded::pool(threads)?.install(|| {
        let trained = match cell.validation_only {
            true => train::fit(&mut run, dataset, engine, stop, &mut watch),
            false => train::train(&mut run, dataset, engine, stop, &mut watch).map(drop),
        };
        trained.map_err(|error| match error {
            Error::Interrupted(_) => interrupted(),
            Error::Diverged(what) => Error::Diverged(format!("{}: {what}", cell.name())),
            other => other,
        })?;
        cell.write(suite, &run, engine.kernels.isa.name())
    })?;
    on(CellEvent::Done(&record));
    Ok(Some(record))
}

fn interrupted() -> Error {
    Error::Interrupted("interrupted; saved. The same command continues the table".into())
}

/// The value behind a lock; a thread that panicked while it held the lock left
/// a whole value behind.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
