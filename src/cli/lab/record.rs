//! The record of a lab: its file, its figures, its lines.

use std::path::Path;

use bnn_cpu::files::{create_folder, write_atomic_bytes};
use bnn_cpu::report::lab::Record;
use bnn_cpu::train::{BEST, CHECKPOINT, CONFIG, METRICS, METRICS_CSV, RunFolder, TEST};
use bnn_cpu::{Error, seal};
use serde_json::json;

use super::super::output::{self, Align};
use super::super::{Context, Outcome};
use super::Args;

/// Writes a record of at least one point, and its figures.
pub fn write(args: &Args, record: &Record) -> Outcome {
    if record.points.is_empty() {
        return Err(Error::spec("nothing was measured, so there is no record to write").into());
    }
    let text = seal::text(record, None)
        .map_err(|e| Error::spec(format!("the record cannot be encoded: {e}")))?;
    create_folder(&args.out)?;
    write_atomic_bytes(&args.record(), text.as_bytes())?;
    draw(args, record)
}

/// Writes the figures of a record, once all of them are drawn.
#[cfg(feature = "plots")]
pub fn draw(args: &Args, record: &Record) -> Outcome {
    let mut figures = Vec::new();
    for plot in &bnn_cpu::report::lab::figures::PLOTS {
        figures.push((format!("{}.svg", plot.file), plot.svg(record)?));
    }
    for (name, svg) in figures {
        write_atomic_bytes(&args.out.join(name), svg.as_bytes())?;
    }
    Ok(())
}

/// There are no figures without the crate that draws them.
#[cfg(not(feature = "plots"))]
pub fn draw(_args: &Args, _record: &Record) -> Outcome {
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

/// Shows a record: a table for each point, or one event.
pub fn print(record: &Record, args: &Args, context: &Context) -> Outcome {
    if context.json {
        return output::json(&json!({ "event": "lab", "record": record }));
    }
    for point in &record.points {
        let of = &point.reference;
        output::line(&output::bold(&format!(
            "{} on {}, epoch {}, {} link, {} images",
            record.network, record.dataset, point.epoch, record.link, record.images
        )))?;
        output::line(&format!(
            "reference: {}, {} draws, standard error {:.1} % of the gradient",
            of.name,
            of.draws,
            of.error * 100.0
        ))?;
        let mut table = output::Table::new(&[
            ("estimator", Align::Left),
            ("bias %", Align::Right),
            ("+-", Align::Right),
            ("variance", Align::Right),
            ("SNR", Align::Right),
            ("cosine", Align::Right),
            ("of mean", Align::Right),
            ("ms", Align::Right),
        ]);
        for measured in &point.estimators {
            let Some((_, f)) = measured.figures.last() else {
                continue;
            };
            table.row(vec![
                measured.name.clone(),
                format!("{:.1}", f.bias * 100.0),
                format!("{:.1}", f.bias_error * 100.0),
                format!("{:.2e}", f.variance_per_parameter),
                format!("{:.3}", f.snr),
                format!("{:.3}", f.cosine),
                format!("{:.3}", f.cosine_of_mean),
                format!("{:.2}", measured.milliseconds),
            ]);
        }
        table.print()?;
    }
    output::note(&format!("written: {}", args.record().display()));
    Ok(())
}
