//! `bnn-cpu verify`: whether files are what was written, and belong together.

mod kinds;

use std::path::{Path, PathBuf};

use bnn_cpu::train::{self, CONFIG, DatasetRecord, FILES, Finding, RunFolder, Sealed};
use bnn_cpu::{Error, files};
use serde_json::json;

use super::data_args::DataArgs;
use super::output;
use super::progress::Progress;
use super::{Context, Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu verify runs/seed-net-both-det-st-1       every file of a run
  bnn-cpu verify results                           every table and record below a folder
  bnn-cpu verify net.packed weights.safetensors    single files
  bnn-cpu verify --seal runs/old                   a run from before files had seals";

/// Check files against the SHA-256 that they state, and runs against themselves
///
/// Every file that the program reads again carries a digest over all that it says, and
/// names its run and configuration. This command looks at each: exit code 0 if all are
/// sound, 1 if any is damaged. Files of other programs have no digest; they are read,
/// and named as such.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Runs, folders of runs, tables or records, and files
    #[arg(required = true, value_name = "RUN|FILE")]
    paths: Vec<PathBuf>,
    /// Give seals to runs and records from before there were any, after a look. Where
    /// no file says which data they were made with, the set at hand is named if it has
    /// the noted name and counts
    #[arg(long)]
    seal: bool,
    /// With --seal: the commit that records without one were made with, where you know it
    #[arg(long, value_name = "HASH", requires = "seal", value_parser = commit)]
    commit: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// What was found, and how much of it was damaged.
#[derive(Default)]
struct Tally {
    files: usize,
    damaged: usize,
    /// The set at hand that was looked at last: records of a table share theirs.
    at_hand: Option<DatasetRecord>,
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let mut tally = Tally::default();
    for path in &args.paths {
        args.look(path, true, &mut tally, context)?;
    }
    match tally.damaged {
        0 if tally.files > 1 && !context.json && !context.quiet => {
            output::note(&format!("none of {} files is damaged", tally.files));
            Ok(())
        }
        0 => Ok(()),
        n => Err(Failure::Error(Error::Spec(format!(
            "{n} of {} files cannot be trusted; the lines above say why",
            tally.files
        )))),
    }
}

impl Args {
    /// Looks at a file or folder; `named` on the command line rather than found.
    fn look(&self, path: &Path, named: bool, tally: &mut Tally, context: &Context) -> Outcome {
        let Some(found) = files::look(path)? else {
            return Err(Error::data(path, "no such file or folder").into());
        };
        if !found.is_dir() {
            return self.look_at_file(path, named, tally, context);
        }
        if is_run(path)? {
            return self.look_at_run(path, tally, context);
        }
        let read = || Error::io("read", path);
        let mut below = Vec::new();
        for entry in std::fs::read_dir(path).map_err(read())? {
            below.push(entry.map_err(read())?.path());
        }
        below.sort();
        for path in below {
            let folder = files::is_folder(&path)?;
            let known = path
                .extension()
                .and_then(|e| e.to_str())
                .is_some_and(|e| matches!(e, "json" | "jsonl" | "safetensors" | "packed"));
            if folder || known {
                self.look(&path, false, tally, context)?;
            }
        }
        Ok(())
    }

    fn look_at_run(&self, path: &Path, tally: &mut Tally, context: &Context) -> Outcome {
        if self.seal {
            let sealed = train::seal_run(path, |record| {
                self.fingerprint(record, tally, context)
                    .map_err(|failure| match failure {
                        Failure::Error(error) => error,
                        Failure::Usage(what) => Error::Spec(what),
                        Failure::Pipe => Error::Spec("nobody reads the output".into()),
                    })
            });
            match sealed {
                Ok(Sealed::Before) => {}
                Ok(how) => say_sealed(path, how, context)?,
                Err(error) => return tell(path, Err(error), tally, context),
            }
        }
        let findings = match RunFolder::open(path) {
            Ok(run) => train::verify(&run),
            Err(error) => vec![Finding {
                file: path.join(CONFIG),
                outcome: Err(error),
            }],
        };
        for Finding { file, outcome } in findings {
            tell(&file, outcome, tally, context)?;
        }
        Ok(())
    }

    fn look_at_file(
        &self,
        path: &Path,
        named: bool,
        tally: &mut Tally,
        context: &Context,
    ) -> Outcome {
        if self.seal {
            self.seal_record(path, tally, context)?;
        }
        match kinds::look(path) {
            Ok(None) if !named => Ok(()),
            Ok(None) => {
                let error = Error::data(path, "is nothing that this program writes or reads");
                tell(path, Err(error), tally, context)
            }
            Ok(Some(what)) => tell(path, Ok(what), tally, context),
            Err(error) => tell(path, Err(error), tally, context),
        }
    }

    /// Seals a record of a table's cell from before there were seals, and completes it by
    /// what it does not state.
    fn seal_record(&self, path: &Path, tally: &mut Tally, context: &Context) -> Outcome {
        // What cannot be read is told by the look that follows.
        let Ok(Some(mut record)) = kinds::cell(path) else {
            return self.seal_figures(path, context);
        };
        if record.sealed && record.missing.is_empty() {
            return Ok(());
        }
        let (mut how, added) = (Sealed::Now, record.missing.len());
        record.complete(self.commit.as_deref());
        if record.config.dataset.sha256.is_empty() {
            let sha256 = self.fingerprint(&record.config.dataset, tally, context)?;
            record.config.dataset.sha256_inferred = true;
            record.finish.data_sha256_mut().clone_from(&sha256);
            record.config.dataset.sha256 = sha256;
            how = Sealed::WithDataAtHand;
        }
        record.write(path)?;
        say_completed(path, added, context)?;
        say_sealed(path, how, context)
    }

    /// Seals a table or a record of the lab from before there were seals. They note the
    /// name of their data alone.
    fn seal_figures(&self, path: &Path, context: &Context) -> Outcome {
        let Ok(Some(figures)) = kinds::unsealed_figures(path) else {
            return Ok(());
        };
        let mut progress = Progress::new(context);
        let dataset = self.data.load_named(figures.dataset(), &mut progress)?;
        let text = figures
            .sealed(&dataset.fingerprint())
            .map_err(|e| Error::checkpoint(path, format!("cannot be encoded: {e}")))?;
        files::write_atomic_bytes(path, text.as_bytes())?;
        say_sealed(path, Sealed::WithDataAtHand, context)
    }

    /// The fingerprint of the set at hand that has the name and counts of a record.
    fn fingerprint(
        &self,
        record: &DatasetRecord,
        tally: &mut Tally,
        context: &Context,
    ) -> Outcome<String> {
        if let Some(known) = &tally.at_hand
            && known.name == record.name
            && record.difference(known).is_none()
        {
            return Ok(known.sha256.clone());
        }
        let mut progress = Progress::new(context);
        let dataset = self.data.load_for(record, &mut progress)?;
        let known = DatasetRecord::of(&dataset);
        let sha256 = known.sha256.clone();
        tally.at_hand = Some(known);
        Ok(sha256)
    }
}

/// Whether a folder holds a run, or remains of one.
fn is_run(path: &Path) -> Outcome<bool> {
    for file in FILES {
        if files::look(&path.join(file))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Forty hexadecimal digits.
fn commit(text: &str) -> Result<String, String> {
    match text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(text.to_lowercase()),
        false => Err("write a commit as its 40 hexadecimal digits".into()),
    }
}

fn say_completed(path: &Path, added: usize, context: &Context) -> Outcome {
    let path = path.display().to_string();
    match (added, context.json) {
        (0, _) => Ok(()),
        (_, true) => output::json(&json!({ "event": "completed", "path": path, "values": added })),
        (_, false) => output::line(&format!(
            "complete {path}: {added} values that it did not state, named under `inferred`"
        )),
    }
}

fn say_sealed(path: &Path, how: Sealed, context: &Context) -> Outcome {
    let data = match how {
        Sealed::WithDataAtHand => {
            ", with the fingerprint of the data at hand, which has the noted name and counts"
        }
        Sealed::Before | Sealed::Now => "",
    };
    let path = path.display().to_string();
    match context.json {
        true => output::json(&json!({
            "event": "sealed", "path": path, "data_at_hand": how == Sealed::WithDataAtHand,
        })),
        false => output::line(&format!("sealed   {path}{data}")),
    }
}

/// Says what was found of one file.
fn tell(
    path: &Path,
    outcome: Result<String, Error>,
    tally: &mut Tally,
    context: &Context,
) -> Outcome {
    tally.files += 1;
    tally.damaged += usize::from(outcome.is_err());
    let path = path.display().to_string();
    if context.json {
        let (sound, what) = match &outcome {
            Ok(what) => (true, what.clone()),
            Err(error) => (false, error.to_string()),
        };
        return output::json(&json!({
            "event": "verify", "file": path, "sound": sound, "what": what,
        }));
    }
    match outcome {
        Ok(what) => output::sentence(&format!("sound    {path}: {what}"), "         "),
        Err(error) => output::line(&format!(
            "DAMAGED  {}",
            output::one_line(&error.to_string())
        )),
    }
}
