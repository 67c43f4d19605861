//! The record of a lab: its file, its figures, its lines.

use std::path::Path;

use bnn_cpu::draw::lab::figures;
use bnn_cpu::files::{create_folder, write_atomic_bytes};
use bnn_cpu::lab::Record;
use bnn_cpu::train::{BEST, CHECKPOINT, CONFIG, METRICS, METRICS_CSV, RunFolder, TEST};
use bnn_cpu::{Error, seal};

use super::super::Outcome;
use super::Args;

/// Writes a record of at least one point, and its figures.
pub fn write(args: &Args, record: &Record) -> Outcome {
    if record.points.is_empty() && record.own.is_empty() {
        return Err(Error::spec("nothing was measured, so there is no record to write").into());
    }
    let text = seal::text(record, None)
        .map_err(|e| Error::spec(format!("the record cannot be encoded: {e}")))?;
    create_folder(&args.out)?;
    write_atomic_bytes(&args.record(), text.as_bytes())?;
    draw(args, record)
}

/// Writes the figures of a record, each with its numbers beside it, once all of them are drawn.
pub fn draw(args: &Args, record: &Record) -> Outcome {
    let (form, theme) = args.look.chosen();
    let mut files = Vec::new();
    for (name, chart) in figures(record)? {
        let bytes = chart.draw()?.encode(form, theme)?;
        files.push((format!("{name}.{}", form.extension()), bytes));
        files.push((format!("{name}.csv"), chart.csv().into_bytes()));
    }
    for (name, bytes) in files {
        write_atomic_bytes(&args.out.join(name), &bytes)?;
    }
    Ok(())
}

/// Puts the run of a lab, which is complete, in the place of an earlier lab's.
pub fn keep_run(run: RunFolder, place: &Path) -> Outcome {
    let _lock = RunFolder::clear(place)?;
    // The configuration comes last: what says that there is a run.
    for name in [BEST, CHECKPOINT, METRICS, METRICS_CSV, TEST, CONFIG] {
        let file = place.join(name);
        std::fs::rename(run.file(name), &file).map_err(Error::io("write", &file))?;
    }
    remove_run(run);
    Ok(())
}

/// Removes the folder of a lab's run. What cannot be removed is in nobody's way: the next
/// lab replaces it.
pub fn remove_run(run: RunFolder) {
    let path = run.path().to_path_buf();
    // Windows removes no folder whose lock is open.
    drop(run);
    let _ = std::fs::remove_dir_all(path);
}
