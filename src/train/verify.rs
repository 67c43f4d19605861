//! A look at a run: whether each of its files is sound, and whether they belong
//! together; and the sealing of a run from before there were seals.

use std::path::PathBuf;

use super::checkpoint::Checkpoint;
use super::metrics;
use super::record::TestRecord;
use super::run::{
    BEST, BestWeights, CHECKPOINT, CONFIG, METRICS, METRICS_CSV, PACKED, RunFolder, TEST,
};
use crate::bounded;
use crate::error::{Error, Result};
use crate::model::weights::{self, Opened};
use crate::packed::PackedNet;
use crate::seal::{self, Origin};

/// The most bytes of a packed file.
const MAX_PACKED: u64 = 4 << 30;

/// What a look at a file found.
#[derive(Debug)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// What it holds, in a few words; or what is wrong with it.
    pub outcome: Result<String>,
}

/// Looks at every file of a run that is there: its seal, its numbers, and whether it
/// agrees with the others.
pub fn verify(run: &RunFolder) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut note = |name: &str, outcome: Result<Option<String>>| {
        if let Some(outcome) = outcome.transpose() {
            let file = run.file(name);
            all.push(Finding { file, outcome });
        }
    };
    note(CONFIG, Ok(Some(configuration(run))));
    note(BEST, best(run));
    note(CHECKPOINT, checkpoint(run));
    note(METRICS, records(run));
    note(METRICS_CSV, csv(run));
    note(TEST, test(run));
    note(PACKED, packed(run));
    all
}

fn configuration(run: &RunFolder) -> String {
    let id = match run.origin() {
        Some(origin) => format!("run {}", origin.run_id),
        None => "no seal".into(),
    };
    format!("configuration, {id}")
}

fn best(run: &RunFolder) -> Result<Option<String>> {
    let file = run.file(BEST);
    let Some(found) = run.find_best()? else {
        return match run.test()? {
            Some(_) => Err(Error::checkpoint(
                file,
                "is gone, although the run has a test of it; put it back",
            )),
            None => Ok(None),
        };
    };
    weights::check(&run.config().model, &found.tensors, &file)?;
    weights::check_finite(&found.tensors, &file)?;
    let epoch = match found.about.epoch {
        0 => "imported weights".to_string(),
        n => format!("weights of epoch {n}"),
    };
    let digest = weights::digest(&found.tensors);
    Ok(Some(format!("{epoch}, sha256 of the tensors {digest}")))
}

fn checkpoint(run: &RunFolder) -> Result<Option<String>> {
    let file = run.file(CHECKPOINT);
    let Some(found) = run.weights::<Checkpoint>(CHECKPOINT)? else {
        return Ok(None);
    };
    let (config, about) = (run.config(), &found.about);
    if about.model != config.model {
        return Err(Error::checkpoint(
            file,
            "is of another network than the run's config.json",
        ));
    }
    weights::check(&config.model, &found.tensors, &file)?;
    weights::check_finite(&found.tensors, &file)?;
    let best = run.find_best()?;
    let data = match config.dataset.sha256.as_str() {
        "" => &about.data,
        known => known,
    };
    about.check(config, data, best.as_ref().map(|b| &b.about), &file)?;
    let progress = &about.progress;
    Ok(Some(match progress.step {
        0 => format!("state after epoch {}", progress.epoch - 1),
        step => format!("state in epoch {} after step {step}", progress.epoch),
    }))
}

fn records(run: &RunFolder) -> Result<Option<String>> {
    let file = run.file(METRICS);
    let found = run.metrics()?;
    let fail = |what: String| Err(Error::checkpoint(&file, what));
    let complete = run.test()?.is_some_and(|test| test.epoch > 0);
    if complete && found.len() != run.config().epochs {
        return fail(format!(
            "has records of {} epochs, but the run is complete after {}",
            found.len(),
            run.config().epochs
        ));
    }
    if let Some(checkpoint) = run.weights::<Checkpoint>(CHECKPOINT)? {
        let history = &checkpoint.about.progress.history;
        // A run that was killed between the two files lacks a record here.
        if found.len() > history.len() || found[..] != history[..found.len()] {
            return fail("differs from the records in checkpoint.safetensors".into());
        }
    }
    if found.is_empty() && run.read(METRICS, bounded::MAX_TEXT)?.is_none() {
        return Ok(None);
    }
    Ok(Some(format!("records of epochs, {} of them", found.len())))
}

fn csv(run: &RunFolder) -> Result<Option<String>> {
    let Some(bytes) = run.read(METRICS_CSV, bounded::MAX_TEXT)? else {
        return Ok(None);
    };
    let whole = metrics::to_csv(&run.metrics()?);
    // A run that was killed between the two files lacks a line here.
    match whole.as_bytes().starts_with(&bytes) && (bytes.is_empty() || bytes.ends_with(b"\n")) {
        true => Ok(Some("the same records for spreadsheets".into())),
        false => Err(Error::checkpoint(
            run.file(METRICS_CSV),
            "differs from metrics.jsonl",
        )),
    }
}

fn test(run: &RunFolder) -> Result<Option<String>> {
    let Some(test) = run.test()? else {
        return Ok(None);
    };
    let epoch = run.best()?.epoch;
    if test.epoch != epoch {
        return Err(Error::checkpoint(
            run.file(TEST),
            format!(
                "is of a test of epoch {}, but best.safetensors is of epoch {epoch}",
                test.epoch
            ),
        ));
    }
    Ok(Some(format!(
        "test of epoch {epoch}: accuracy {:.2} %, loss {:.4}",
        test.accuracy * 100.0,
        test.loss
    )))
}

fn packed(run: &RunFolder) -> Result<Option<String>> {
    let file = run.file(PACKED);
    let Some(bytes) = run.read(PACKED, MAX_PACKED)? else {
        return Ok(None);
    };
    let (net, _) =
        PackedNet::decode(&bytes).map_err(|e| Error::checkpoint(&file, e.to_string()))?;
    let origin = net.lineage().and_then(|lineage| lineage.run.as_ref());
    run.check_origin(PACKED, origin)?;
    Ok(Some(format!("packed network, {} bytes", bytes.len())))
}

/// What sealing a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The run had seals already.
    Before,
    /// The run has seals now. The fingerprint of its data was in its checkpoint.
    Now,
    /// The run has seals now. The fingerprint of its data is that of a set at hand with the
    /// name and the counts that the run noted.
    WithDataAtHand,
}

/// Gives a run from before there were seals an id, and a seal to each of its files.
/// `fingerprint` is asked for that of the run's data set where no file of the run has
/// it. A sealing that was broken off is finished.
///
/// # Errors
/// A run that another process is writing, whose files are damaged or contradict each
/// other, or that cannot be written.
pub fn seal_run(
    path: &std::path::Path,
    fingerprint: impl FnOnce(&super::DatasetRecord) -> Result<String>,
) -> Result<Sealed> {
    let mut run = RunFolder::resume(path)?;
    if run.origin().is_some() {
        return Ok(Sealed::Before);
    }
    let files = Unsealed::read(&run)?;
    let mut config = run.config().clone();
    let mut how = Sealed::Now;
    if config.dataset.sha256.is_empty() {
        let known = files.checkpoint.as_ref().map(|c| c.about.data.clone());
        config.dataset.sha256 = match known {
            Some(known) if !known.is_empty() => known,
            _ => {
                how = Sealed::WithDataAtHand;
                config.dataset.sha256_inferred = true;
                fingerprint(&config.dataset)?
            }
        };
    }
    run.adopt(config, files.broken_off.clone())?;
    files.write(&run)?;
    Ok(how)
}

/// The runs that files say they are of, as far as they say so.
type Origins = Vec<Option<Origin>>;

/// The best weights of a run, sealed or not, where there are any; so below.
fn read_best(run: &RunFolder, origins: &mut Origins) -> Result<Option<Opened<BestWeights>>> {
    let Some(bytes) = run.read(BEST, weights::MAX_BYTES)? else {
        return Ok(None);
    };
    let file = run.file(BEST);
    let opened: Opened<BestWeights> = weights::decode(&bytes, &file)?;
    weights::check(&run.config().model, &opened.tensors, &file)?;
    origins.push(opened.origin.clone());
    Ok(Some(opened))
}

fn read_checkpoint(
    run: &RunFolder,
    best: Option<&Opened<BestWeights>>,
    origins: &mut Origins,
) -> Result<Option<Opened<Checkpoint>>> {
    let Some(bytes) = run.read(CHECKPOINT, weights::MAX_BYTES)? else {
        return Ok(None);
    };
    let file = run.file(CHECKPOINT);
    let opened: Opened<Checkpoint> = weights::decode(&bytes, &file)?;
    let (about, best) = (&opened.about, best.map(|b| &b.about));
    about.check(run.config(), &about.data, best, &file)?;
    origins.push(opened.origin.clone());
    Ok(Some(opened))
}

fn read_metrics(run: &RunFolder, origins: &mut Origins) -> Result<Option<Vec<metrics::Line>>> {
    let Some(bytes) = run.read(METRICS, bounded::MAX_TEXT)? else {
        return Ok(None);
    };
    let lines = metrics::lines(&bytes, &run.file(METRICS))?;
    origins.extend(lines.iter().map(|line| line.origin.clone()));
    Ok(Some(lines))
}

fn read_test(run: &RunFolder, origins: &mut Origins) -> Result<Option<TestRecord>> {
    let Some(bytes) = run.read(TEST, bounded::MAX_TEXT)? else {
        return Ok(None);
    };
    let file = run.file(TEST);
    let opened = seal::open(&bounded::decode(bytes, &file)?)
        .map_err(|e| Error::checkpoint(&file, e.to_string()))?;
    origins.push(opened.origin);
    let record: TestRecord = serde_json::from_value(opened.content)
        .map_err(|e| Error::checkpoint(&file, format!("is damaged: {e}")))?;
    record
        .check(run.config())
        .map_err(|what| Error::checkpoint(&file, what))?;
    Ok(Some(record))
}

fn read_packed(run: &RunFolder, origins: &mut Origins) -> Result<Option<PackedNet>> {
    let Some(bytes) = run.read(PACKED, MAX_PACKED)? else {
        return Ok(None);
    };
    let file = run.file(PACKED);
    let net = PackedNet::from_bytes(&bytes).map_err(|e| Error::checkpoint(&file, e.to_string()))?;
    origins.push(net.lineage().and_then(|lineage| lineage.run.clone()));
    Ok(Some(net))
}

/// The content of a run's files, whether they have seals yet or not.
struct Unsealed {
    best: Option<Opened<BestWeights>>,
    checkpoint: Option<Opened<Checkpoint>>,
    metrics: Option<Vec<metrics::Line>>,
    test: Option<TestRecord>,
    packed: Option<PackedNet>,
    /// The id that a sealing which was broken off gave to the run.
    broken_off: Option<String>,
}

impl Unsealed {
    fn read(run: &RunFolder) -> Result<Self> {
        let mut ids = Vec::new();
        let best = read_best(run, &mut ids)?;
        let checkpoint = read_checkpoint(run, best.as_ref(), &mut ids)?;
        let metrics = read_metrics(run, &mut ids)?;
        let test = read_test(run, &mut ids)?;
        let packed = read_packed(run, &mut ids)?;
        let mut ids: Vec<String> = ids.into_iter().flatten().map(|o| o.run_id).collect();
        ids.dedup();
        if ids.len() > 1 {
            return Err(Error::checkpoint(
                run.path(),
                "holds files of different runs; put the right ones back",
            ));
        }
        Ok(Self {
            best,
            checkpoint,
            metrics,
            test,
            packed,
            broken_off: ids.pop(),
        })
    }

    /// Writes everything with seals, the configuration last: until then the run counts
    /// as one whose sealing is not finished.
    fn write(self, run: &RunFolder) -> Result<()> {
        let data = run.config().dataset.sha256.clone();
        if let Some(best) = self.best {
            let about = BestWeights {
                data_sha256: data.clone(),
                ..best.about
            };
            run.write_weights(BEST, &best.tensors, &about)?;
        }
        if let Some(checkpoint) = self.checkpoint {
            let about = Checkpoint {
                data: data.clone(),
                ..checkpoint.about
            };
            run.write_weights(CHECKPOINT, &checkpoint.tensors, &about)?;
        }
        if let Some(lines) = self.metrics {
            let history: Vec<_> = lines.into_iter().map(|line| line.record).collect();
            run.write_metrics(&history)?;
        }
        if let Some(net) = self.packed {
            run.write(PACKED, &net.with_lineage(run.lineage()).to_bytes()?)?;
        }
        if let Some(test) = self.test {
            let record = TestRecord {
                data_sha256: data,
                ..test
            };
            run.write_json(TEST, &record)?;
        }
        run.write_json(CONFIG, run.config())
    }
}
