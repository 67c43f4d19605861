//! A run's folder: its files, and the lock that keeps it to one writer.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | everything that the result depends on |
//! | `checkpoint.safetensors` | the state to resume from |
//! | `best.safetensors` | the weights with the best validation loss |
//! | `metrics.jsonl`, `metrics.csv` | a record for each epoch |
//! | `test.json` | the one test of the best weights; the run is complete |
//! | `best.packed` | the best weights on bits, where `pack` was asked for them |
//!
//! **The files belong together.** Every file that is read again has a seal
//! ([`crate::seal`], [`crate::container`]) and names the run, by a random id, and the
//! configuration, by its hash. A file of another run, or of a run with another
//! configuration, is refused. A run whose `config.json` has no seal was made before
//! there were seals; its files are read as they are, and nothing vouches for them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::metrics;
use super::record::{EpochRecord, TestRecord};
use crate::bounded;
use crate::data::Background;
use crate::error::{Error, Result};
use crate::files::{self, Dir, FolderLock, create_folder};
use crate::kernels::Engine;
use crate::model::weights::{self, NamedTensor, Opened};
use crate::model::{ModelSpec, Network};
use crate::packed::Lineage;
use crate::seal::{self, Origin};
use crate::{notice, random};

/// What `best.safetensors` says about itself. It holds nothing that changes
/// from one machine or run to another of the same configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestWeights {
    /// The network.
    pub model: ModelSpec,
    /// Name of the data set that it was trained on.
    pub dataset: String,
    /// Fingerprint of that data set; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_sha256: String,
    /// The background of the training images; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// The run's seed.
    pub seed: u64,
    /// The epoch after which the weights were kept; 0 for imported ones.
    pub epoch: usize,
    /// The slope of that epoch.
    pub slope: f32,
    /// Instruction set of the kernels.
    pub isa: String,
}

/// The configuration of a run.
pub const CONFIG: &str = "config.json";
/// The state to resume from.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The weights with the best validation loss.
pub const BEST: &str = "best.safetensors";
/// The best weights on bits.
pub const PACKED: &str = "best.packed";
/// The records of epochs.
pub const METRICS: &str = "metrics.jsonl";
/// The records of epochs, for spreadsheets; never read again.
pub const METRICS_CSV: &str = "metrics.csv";
/// The test.
pub const TEST: &str = "test.json";

/// The files of a run, in the order in which replacing it removes them: at every
/// moment what is left is a run that can be continued, or none. Best weights are
/// of the checkpoint, so they outlive it; the configuration goes last.
pub const FILES: [&str; 7] = [
    TEST,
    PACKED,
    METRICS,
    METRICS_CSV,
    CHECKPOINT,
    BEST,
    CONFIG,
];

/// A run's folder; see the module's page.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    config: Config,
    /// Which run it is; absent where the run was made before there were seals.
    origin: Option<Origin>,
    dir: Dir,
    lock: Option<FolderLock>,
}

impl RunFolder {
    /// Makes the folder, locks it and stores the configuration. With `force` the
    /// files of an earlier run are removed first.
    ///
    /// # Errors
    /// A folder that already holds a run or remains of one, is in use, or cannot be
    /// written.
    pub fn create(path: &Path, config: Config, force: bool) -> Result<Self> {
        if force {
            return Self::begin(path, config, Self::clear(path)?);
        }
        create_folder(path)?;
        let lock = Self::lock(path)?;
        if has(lock.dir(), path, CONFIG)? {
            return Err(Error::checkpoint(path, HOLDS_A_RUN));
        }
        refuse_remains(&lock, path)?;
        Self::begin(path, config, lock)
    }

    /// Makes the folder, locks it and removes the files of a run from it.
    ///
    /// # Errors
    /// A folder that is in use or cannot be written.
    pub fn clear(path: &Path) -> Result<FolderLock> {
        create_folder(path)?;
        let lock = Self::lock(path)?;
        for file in FILES {
            lock.remove(file)?;
        }
        Ok(lock)
    }

    /// Whether [`Self::create`] would find the folder free.
    ///
    /// # Errors
    /// A folder that holds a run or remains of one, or cannot be looked at.
    pub fn check_free(path: &Path) -> Result<()> {
        match files::look(path)? {
            None => return Ok(()),
            Some(found) if !found.is_dir() => {
                return Err(Error::checkpoint(path, "is no folder; choose another --out"));
            }
            Some(_) => {}
        }
        let dir = Dir::open(path).map_err(Error::io("open", path))?;
        match has(&dir, path, CONFIG)? {
            true => Err(Error::checkpoint(path, HOLDS_A_RUN)),
            false => Ok(()),
        }
    }

    /// Opens the run in `path` to continue it, or begins one there.
    ///
    /// # Errors
    /// A run that another process is writing, a damaged configuration, remains of a
    /// run, or a folder that cannot be written.
    pub fn open_or_create(path: &Path, config: Config) -> Result<Self> {
        create_folder(path)?;
        // Locked before it is looked at: another process may be doing the same.
        let lock = Self::lock(path)?;
        if has(lock.dir(), path, CONFIG)? {
            return Self::open_locked(path, Some(lock));
        }
        refuse_remains(&lock, path)?;
        Self::begin(path, config, lock)
    }

    fn begin(path: &Path, config: Config, lock: FolderLock) -> Result<Self> {
        let origin = Origin {
            run_id: new_id().map_err(Error::io("name the run in", path))?,
            config_sha256: hash(&config, path)?,
        };
        let run = Self {
            path: path.to_path_buf(),
            config,
            origin: Some(origin),
            dir: Dir::open(path).map_err(Error::io("open", path))?,
            lock: Some(lock),
        };
        run.write_json(CONFIG, &run.config)?;
        Ok(run)
    }

    /// Locks the folder, and clears what a killed process left in it.
    fn lock(path: &Path) -> Result<FolderLock> {
        let lock = FolderLock::acquire(path)?;
        for file in FILES {
            lock.sweep(file);
        }
        Ok(lock)
    }

    /// Opens a run to read it.
    ///
    /// # Errors
    /// A file, a folder that holds no run, or a damaged configuration.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_locked(path, None)
    }

    fn open_locked(path: &Path, lock: Option<FolderLock>) -> Result<Self> {
        match files::look(path)? {
            Some(found) if !found.is_dir() => {
                return Err(Error::checkpoint(
                    path,
                    "is a file, not the folder of a run; bring weights in with `bnn-cpu import`",
                ));
            }
            None => return Err(Error::checkpoint(path, "holds no run (there is no such folder)")),
            Some(_) => {}
        }
        let dir = Dir::open(path).map_err(Error::io("open", path))?;
        let file = path.join(CONFIG);
        let Some(bytes) = files::read_in(&dir, Path::new(CONFIG), &file, (bounded::MOST_TEXT, 1))?
        else {
            return Err(Error::checkpoint(
                path,
                "holds no run (there is no config.json)",
            ));
        };
        let opened = seal::open(&bounded::decode(bytes, &file)?)
            .map_err(|e| Error::checkpoint(&file, e.to_string()))?;
        if opened.sealed != opened.origin.is_some() {
            return Err(Error::checkpoint(
                &file,
                "is damaged: it does not say which run it is of; restore it from a copy",
            ));
        }
        if !opened.sealed {
            notice::once(
                &path.display().to_string(),
                &format!(
                    "{}: this run was made before files had seals, so damage to it would not be noticed; `bnn-cpu verify --seal` looks at it and seals it",
                    path.display()
                ),
            );
        }
        Ok(Self {
            path: path.to_path_buf(),
            config: from_value(opened.content, &file)?,
            origin: opened.origin,
            dir,
            lock,
        })
    }

    /// Opens a run to continue it, and locks its folder.
    ///
    /// # Errors
    /// As [`Self::open`], or a run that another process is writing.
    pub fn resume(path: &Path) -> Result<Self> {
        // Looked at before it is locked, so that no lock appears where no run is,
        // and again afterwards: another process may have replaced it.
        Self::open(path)?;
        let lock = Self::lock(path)?;
        Self::open_locked(path, Some(lock))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What the run is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Which run it is; `None` where it was made before there were seals, so that
    /// nothing vouches for its files.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The bytes of a file of the run, at most `most`; `None` where it is not there.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
        files::read_in(&self.dir, Path::new(name), &self.file(name), (most, 2))
    }

    /// Whether a file that was read is of this run.
    ///
    /// # Errors
    /// A file of another run or configuration, or one that does not say.
    pub fn check_origin(&self, name: &str, found: Option<&Origin>) -> Result<()> {
        let fail = |what: &str| Err(Error::checkpoint(self.file(name), what));
        match (&self.origin, found) {
            (None, None) => Ok(()),
            (Some(run), Some(found)) if run == found => Ok(()),
            (Some(run), Some(found)) if run.run_id != found.run_id => fail(
                "is of another run than the config.json beside it; put the right one back",
            ),
            (Some(_), Some(_)) => fail(
                "was made with another configuration than that of the config.json beside it; put the right one back",
            ),
            (Some(_), None) => fail(
                "does not say that it is of this run, as its files do; put the right one back",
            ),
            (None, Some(_)) => fail(
                "has a seal, but the config.json beside it has none; put the right one back, or finish what was begun with `bnn-cpu verify --seal`",
            ),
        }
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(bytes) = self.read(name, bounded::MOST_TEXT)? else {
            return Ok(None);
        };
        let file = self.file(name);
        let opened = seal::open(&bounded::decode(bytes, &file)?)
            .map_err(|e| Error::checkpoint(&file, e.to_string()))?;
        self.check_origin(name, opened.origin.as_ref())?;
        from_value(opened.content, &file).map(Some)
    }

    /// The records of the epochs so far. A last line that a crash cut off is left out.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is of another run.
    pub fn metrics(&self) -> Result<Vec<EpochRecord>> {
        let Some(bytes) = self.read(METRICS, bounded::MOST_TEXT)? else {
            return Ok(Vec::new());
        };
        let file = self.file(METRICS);
        let mut records = Vec::new();
        for line in metrics::lines(&bytes, &file)? {
            self.check_origin(METRICS, line.origin.as_ref())?;
            records.push(line.record);
        }
        metrics::check(&records, &file)?;
        Ok(records)
    }

    /// The test of a complete run.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is of another run or other data.
    pub fn test(&self) -> Result<Option<TestRecord>> {
        let test: Option<TestRecord> = self.json(TEST)?;
        if let Some(test) = &test {
            test.check(&self.config)
                .map_err(|what| Error::checkpoint(self.file(TEST), what))?;
        }
        Ok(test)
    }

    /// What the best weights say about themselves.
    ///
    /// # Errors
    /// No such file yet, or one that is damaged or of another run.
    pub fn best(&self) -> Result<BestWeights> {
        Ok(self.best_weights()?.about)
    }

    /// The best weights, and what they say about themselves; `None` before an epoch is
    /// finished.
    ///
    /// # Errors
    /// A file that is damaged or of another run.
    pub fn find_best(&self) -> Result<Option<Opened<BestWeights>>> {
        let Some(opened) = self.weights::<BestWeights>(BEST)? else {
            return Ok(None);
        };
        self.check_best(&opened.about)
            .map_err(|what| Error::checkpoint(self.file(BEST), what))?;
        Ok(Some(opened))
    }

    /// A safetensors file of the run; `None` where it is not there.
    ///
    /// # Errors
    /// A file that is damaged or of another run.
    pub fn weights<T: DeserializeOwned>(&self, name: &str) -> Result<Option<Opened<T>>> {
        let Some(bytes) = self.read(name, weights::MAX_BYTES)? else {
            return Ok(None);
        };
        let opened = weights::decode::<T>(&bytes, &self.file(name))?;
        self.check_origin(name, opened.origin.as_ref())?;
        Ok(Some(opened))
    }

    fn best_weights(&self) -> Result<Opened<BestWeights>> {
        self.find_best()?.ok_or_else(|| {
            Error::checkpoint(
                &self.path,
                "has no weights yet (no epoch is finished); continue it with `bnn-cpu train --resume`",
            )
        })
    }

    fn check_best(&self, best: &BestWeights) -> std::result::Result<(), String> {
        let config = &self.config;
        if best.model != config.model || best.seed != config.seed {
            return Err("is of another network or seed than the run's config.json".into());
        }
        let known = [&best.data_sha256, &config.dataset.sha256];
        if known.iter().all(|sha| !sha.is_empty()) && known[0] != known[1] {
            return Err("was trained on other data than the run's config.json names".into());
        }
        if best.epoch > config.epochs {
            let (epoch, epochs) = (best.epoch, config.epochs);
            return Err(format!("is of epoch {epoch}, but the run has {epochs}"));
        }
        if !(best.slope.is_finite() && best.slope > 0.0) {
            return Err(format!("has a slope of {}, not above 0", best.slope));
        }
        Ok(())
    }

    /// The network with the best weights, its slope set, ready to evaluate
    /// batches of up to `batch`.
    ///
    /// # Errors
    /// A run that has no weights yet, or a damaged or foreign file.
    pub fn network(&self, engine: Engine, batch: usize) -> Result<Network> {
        let best = self.best_weights()?;
        let file = self.file(BEST);
        // A configuration may describe a network of any size; it gets memory only once
        // a file has shown weights of that size.
        weights::check(&self.config.model, &best.tensors, &file)?;
        let mut net = Network::new(&self.config.model, engine, batch, false)?;
        weights::import(net.params_mut(), best.tensors, &file)?;
        net.pass_mut().slope = best.about.slope;
        Ok(net)
    }

    /// What a packed network of the run's weights says that it was made from.
    pub fn lineage(&self) -> Lineage {
        let data = &self.config.dataset;
        Lineage {
            run: self.origin.clone(),
            data_sha256: data.sha256.clone(),
            light_ground: data.background.map(|b| b == Background::Light),
        }
    }

    /// Whether the folder's path still leads to the folder that is locked.
    ///
    /// # Errors
    /// A folder that was moved, removed or replaced, or a run that was opened to be
    /// read alone.
    pub fn check_place(&self) -> Result<()> {
        self.writer()?.check()
    }

    fn writer(&self) -> Result<&FolderLock> {
        self.lock.as_ref().ok_or_else(|| {
            Error::checkpoint(&self.path, "was opened to be read, and cannot be written")
        })
    }

    /// Writes a file of the run.
    ///
    /// # Errors
    /// A file that cannot be written, or a folder that was moved, removed or replaced.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.writer()?.write(name, bytes)
    }

    /// Writes a safetensors file of the run.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_weights(
        &self,
        name: &str,
        tensors: &[NamedTensor],
        about: &impl Serialize,
    ) -> Result<()> {
        let origin = self.origin.as_ref();
        let bytes = weights::encode(&self.file(name), tensors, about, origin)?;
        self.write(name, &bytes)
    }

    /// Writes the records of all epochs so far, as JSON lines and as CSV.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_metrics(&self, history: &[EpochRecord]) -> Result<()> {
        let text = metrics::to_lines(history, self.origin.as_ref(), &self.file(METRICS))?;
        self.write(METRICS, text.as_bytes())?;
        self.write(METRICS_CSV, metrics::to_csv(history).as_bytes())
    }

    /// Writes a small JSON file of the run.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let text = seal::text(value, self.origin.as_ref())
            .map_err(|e| Error::checkpoint(self.file(name), format!("cannot be encoded: {e}")))?;
        self.write(name, text.as_bytes())
    }

    /// Gives a run from before there were seals an id, and with it a seal to every file
    /// that is written from now on. `run_id` continues a sealing that was broken off.
    pub(super) fn adopt(&mut self, config: Config, run_id: Option<String>) -> Result<()> {
        let run_id = match run_id {
            Some(known) => known,
            None => new_id().map_err(Error::io("name the run in", &self.path))?,
        };
        self.origin = Some(Origin {
            run_id,
            config_sha256: hash(&config, &self.path)?,
        });
        self.config = config;
        Ok(())
    }

    /// Makes the folder `parent/base-n` for the smallest `n` from 1 that is free.
    /// Of two processes that do so at once, each gets its own.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn claim(parent: &Path, base: &str) -> Result<PathBuf> {
        create_folder(parent)?;
        let mut n = 1u64;
        loop {
            let path = parent.join(format!("{base}-{n}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => n += 1,
                Err(e) => return Err(Error::io("create folder", path)(e)),
            }
        }
    }

    /// The runs in `parent`, the one whose checkpoint (or configuration) is the newest
    /// first. They may be damaged.
    ///
    /// # Errors
    /// A folder or file that cannot be looked at.
    pub fn newest_first(parent: &Path) -> Result<Vec<PathBuf>> {
        if files::look(parent)?.is_none() {
            return Ok(Vec::new());
        }
        let read = || Error::io("read", parent);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(parent).map_err(read())? {
            let path = entry.map_err(read())?.path();
            if !files::is_folder(&path)? {
                continue;
            }
            if let Some(configured) = time(&path.join(CONFIG))? {
                let saved = time(&path.join(CHECKPOINT))?;
                found.push((configured.max(saved.unwrap_or(configured)), path));
            }
        }
        found.sort();
        Ok(found.into_iter().rev().map(|(_, path)| path).collect())
    }

    /// The first of [`Self::newest_first`].
    ///
    /// # Errors
    /// As [`Self::newest_first`].
    pub fn newest(parent: &Path) -> Result<Option<PathBuf>> {
        Ok(Self::newest_first(parent)?.into_iter().next())
    }
}

/// What is said of a folder that cannot take a new run.
const HOLDS_A_RUN: &str = "already holds a run; continue it with --resume, replace it with --force, or choose another --out";

/// When a file was last written; `None` where it is not there.
fn time(path: &Path) -> Result<Option<SystemTime>> {
    match files::look(path)? {
        Some(found) => Ok(Some(found.modified().map_err(Error::io("look at", path))?)),
        None => Ok(None),
    }
}

/// Whether anything of that name is in the folder.
fn has(dir: &Dir, path: &Path, name: &str) -> Result<bool> {
    let found = dir.kind(Path::new(name));
    Ok(found
        .map_err(Error::io("look at", path.join(name)))?
        .is_some())
}

/// Refuses to begin a run among the files of one whose configuration is gone: they
/// would be taken for the new run's.
fn refuse_remains(lock: &FolderLock, path: &Path) -> Result<()> {
    for file in FILES {
        if has(lock.dir(), path, file)? {
            return Err(Error::checkpoint(
                path,
                format!(
                    "holds {file} of a run whose config.json is gone; put that back, replace the run with --force, or choose another --out"
                ),
            ));
        }
    }
    Ok(())
}

/// A run's random name.
fn new_id() -> std::io::Result<String> {
    Ok(format!(
        "{:016x}{:016x}",
        random::entropy()?,
        random::entropy()?
    ))
}

/// SHA-256 of a configuration as compact JSON.
fn hash(config: &Config, path: &Path) -> Result<String> {
    let text = serde_json::to_string(config)
        .map_err(|e| Error::checkpoint(path, format!("the configuration cannot be encoded: {e}")))?;
    Ok(seal::sha256(text.as_bytes()))
}

fn from_value<T: DeserializeOwned>(value: serde_json::Value, path: &Path) -> Result<T> {
    serde_json::from_value(value).map_err(|e| Error::checkpoint(path, format!("is damaged: {e}")))
}

/// The content of a small JSON file, sealed or not, from the text of the file `path`.
///
/// # Errors
/// A damaged text.
pub fn parse_json<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    let opened = seal::open(text).map_err(|e| Error::checkpoint(path, e.to_string()))?;
    from_value(opened.content, path)
}
