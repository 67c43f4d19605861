//! A run's folder: its files, and the lock that keeps it to one writer.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | everything that the result depends on |
//! | `checkpoint.safetensors` | the state to resume from |
//! | `best.safetensors` | the weights with the best validation loss |
//! | `metrics.jsonl`, `metrics.csv` | a record for each epoch |
//! | `test.json` | the one test of the best weights; the run is complete |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::record::{EpochRecord, TestRecord};
use crate::bounded;
use crate::error::{Error, Result};
use crate::files::{FolderLock, create_folder, remove_leftovers, write_atomic_bytes};
use crate::kernels::Engine;
use crate::model::{ModelSpec, Network, weights};

/// What `best.safetensors` says about itself. It holds nothing that changes
/// from one machine or run to another of the same configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestWeights {
    /// The network.
    pub model: ModelSpec,
    /// Name of the data set that it was trained on.
    pub dataset: String,
    /// The run's seed.
    pub seed: u64,
    /// The epoch after which the weights were kept; 0 for imported ones.
    pub epoch: usize,
    /// The slope of that epoch.
    pub slope: f32,
    /// Instruction set of the kernels.
    pub isa: String,
}

/// The files of a run, in the order in which replacing it removes them: at every
/// moment what is left is a run that can be continued, or none. Best weights are
/// of the checkpoint, so they outlive it; the configuration goes last.
const FILES: [&str; 6] = [
    "test.json",
    "metrics.jsonl",
    "metrics.csv",
    "checkpoint.safetensors",
    "best.safetensors",
    "config.json",
];

/// A run's folder; see the module's page.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    config: Config,
    _lock: Option<FolderLock>,
}

impl RunFolder {
    /// Makes the folder, locks it and stores the configuration. With `force` the
    /// files of an earlier run are removed first.
    ///
    /// # Errors
    /// A folder that already holds a run, is in use, or cannot be written.
    pub fn create(path: &Path, config: Config, force: bool) -> Result<Self> {
        create_folder(path)?;
        let lock = Self::lock(path)?;
        if path.join("config.json").exists() {
            if !force {
                return Err(Error::checkpoint(
                    path,
                    "already holds a run; continue it with --resume, replace it with --force, or choose another --out",
                ));
            }
            for file in FILES {
                match std::fs::remove_file(path.join(file)) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Error::io("remove", path.join(file))(e));
                    }
                    _ => {}
                }
            }
        }
        Self::begin(path, config, lock)
    }

    /// Opens the run in `path` to continue it, or begins one there.
    ///
    /// # Errors
    /// A run that another process is writing, a damaged configuration, or a folder
    /// that cannot be written.
    pub fn open_or_create(path: &Path, config: Config) -> Result<Self> {
        create_folder(path)?;
        // Locked before it is looked at: another process may be doing the same.
        let lock = Self::lock(path)?;
        if !path.join("config.json").exists() {
            return Self::begin(path, config, lock);
        }
        Ok(Self {
            _lock: Some(lock),
            ..Self::open(path)?
        })
    }

    fn begin(path: &Path, config: Config, lock: FolderLock) -> Result<Self> {
        let run = Self {
            path: path.to_path_buf(),
            config,
            _lock: Some(lock),
        };
        run.write_json("config.json", &run.config)?;
        Ok(run)
    }

    /// Locks the folder, and clears what a killed process left in it.
    fn lock(path: &Path) -> Result<FolderLock> {
        let lock = FolderLock::acquire(path)?;
        for file in FILES {
            remove_leftovers(&path.join(file));
        }
        Ok(lock)
    }

    /// Opens a run to read it.
    ///
    /// # Errors
    /// A file, a folder that holds no run, or a damaged configuration.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_file() {
            return Err(Error::checkpoint(
                path,
                "is a file, not the folder of a run; bring weights in with `bnn-cpu import`",
            ));
        }
        let file = path.join("config.json");
        if !file.exists() {
            return Err(Error::checkpoint(
                path,
                "holds no run (there is no config.json)",
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            config: read_json(&file)?,
            _lock: None,
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
        Ok(Self {
            _lock: Some(lock),
            ..Self::open(path)?
        })
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

    /// The records of the epochs so far.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn metrics(&self) -> Result<Vec<EpochRecord>> {
        let file = self.file("metrics.jsonl");
        if !file.exists() {
            return Ok(Vec::new());
        }
        parse_metrics(&bounded::text(&file)?, &file)
    }

    /// The test of a complete run.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn test(&self) -> Result<Option<TestRecord>> {
        let file = self.file("test.json");
        if file.exists() {
            read_json(&file).map(Some)
        } else {
            Ok(None)
        }
    }

    /// What the best weights say about themselves.
    ///
    /// # Errors
    /// No such file yet, or a damaged one.
    pub fn best(&self) -> Result<BestWeights> {
        Ok(weights::read(&self.best_file()?)?.1)
    }

    /// The network with the best weights, its slope set, ready to evaluate
    /// batches of up to `batch`.
    ///
    /// # Errors
    /// A run that has no weights yet, or a damaged or foreign file.
    pub fn network(&self, engine: Engine, batch: usize) -> Result<Network> {
        let file = self.best_file()?;
        let (tensors, best) = weights::read::<BestWeights>(&file)?;
        let mut net = Network::new(&self.config.model, engine, batch, false)?;
        weights::import(net.params_mut(), tensors, &file)?;
        net.pass_mut().slope = best.slope;
        Ok(net)
    }

    fn best_file(&self) -> Result<PathBuf> {
        let file = self.file("best.safetensors");
        if !file.exists() {
            return Err(Error::checkpoint(
                &self.path,
                "has no weights yet (no epoch is finished); continue it with `bnn-cpu train --resume`",
            ));
        }
        Ok(file)
    }

    /// Writes the records of all epochs so far, as JSON lines and as CSV.
    pub(super) fn write_metrics(&self, history: &[EpochRecord]) -> Result<()> {
        let mut lines = String::new();
        let mut csv = String::from(
            "epoch,train_loss,train_accuracy,val_loss,val_accuracy,slope,lr,img_per_s,seconds",
        );
        let columns = SHARES.map(|share| share.columns(history));
        for (share, columns) in SHARES.iter().zip(&columns) {
            for layer in columns {
                csv += &format!(",{}", share.name);
                if let Some(layer) = layer {
                    // A name of the user's own must not begin another column.
                    csv += &format!(" {}", layer.replace([',', '"', '\n', '\r'], "_"));
                }
            }
        }
        csv.push('\n');
        for r in history {
            lines += &json(r, &self.path)?;
            lines.push('\n');
            let optional = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
            csv += &format!(
                "{},{},{},{},{},{},{},{},{}",
                r.epoch,
                r.train_loss,
                r.train_accuracy,
                optional(r.val_loss),
                optional(r.val_accuracy),
                r.slope,
                r.lr,
                r.img_per_s,
                r.seconds
            );
            for (share, columns) in SHARES.iter().zip(&columns) {
                for layer in columns {
                    let value = match layer {
                        None => (share.all)(r),
                        Some(layer) => (share.layers)(r).get(layer).copied(),
                    };
                    csv += &format!(",{}", optional(value));
                }
            }
            csv.push('\n');
        }
        write_atomic_bytes(&self.file("metrics.jsonl"), lines.as_bytes())?;
        write_atomic_bytes(&self.file("metrics.csv"), csv.as_bytes())
    }

    /// Writes a small JSON file of the run.
    pub(super) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.file(name);
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::checkpoint(&path, format!("cannot be encoded: {e}")))?;
        text.push('\n');
        write_atomic_bytes(&path, text.as_bytes())
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

    /// The run in `parent` whose checkpoint (or configuration) is the newest.
    pub fn newest(parent: &Path) -> Option<PathBuf> {
        let time = |path: &Path| {
            let of = |name: &str| path.join(name).metadata().and_then(|m| m.modified()).ok();
            of("config.json").map(|t| of("checkpoint.safetensors").map_or(t, |c| c.max(t)))
        };
        let folders = std::fs::read_dir(parent).ok()?;
        folders
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter_map(|path| Some((time(&path)?, path)))
            .max()
            .map(|(_, path)| path)
    }
}

/// A share of the record that not every network has: in all, and of each layer.
struct Share {
    name: &'static str,
    all: fn(&EpochRecord) -> Option<f64>,
    layers: fn(&EpochRecord) -> &BTreeMap<String, f64>,
}

const SHARES: [Share; 3] = [
    Share {
        name: "flip_ratio",
        all: |r| r.flip_ratio,
        layers: |r| &r.flip_ratios,
    },
    Share {
        name: "saturated",
        all: |r| r.saturated,
        layers: |r| &r.saturated_layers,
    },
    Share {
        name: "bit_flips",
        all: |r| r.bit_flips,
        layers: |r| &r.bit_flips_layers,
    },
];

impl Share {
    /// Its columns: none where no epoch has it, else one for all and one a layer.
    /// Not every epoch has every share, so all are asked.
    fn columns(&self, history: &[EpochRecord]) -> Vec<Option<String>> {
        if !history.iter().any(|r| (self.all)(r).is_some()) {
            return Vec::new();
        }
        let layers = history
            .iter()
            .flat_map(|r| (self.layers)(r).keys().cloned());
        let layers: BTreeSet<String> = layers.collect();
        std::iter::once(None)
            .chain(layers.into_iter().map(Some))
            .collect()
    }
}

fn json(value: &impl Serialize, path: &Path) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::checkpoint(path, format!("cannot be encoded: {e}")))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse_json(&bounded::text(path)?, path)
}

/// A small JSON file of a run, from the text of the file `path`.
///
/// # Errors
/// A damaged text.
pub fn parse_json<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::checkpoint(path, format!("is damaged: {e}")))
}

/// The records of epochs, one a line, from the text of the file `path`.
///
/// # Errors
/// A damaged line.
pub fn parse_metrics(text: &str, path: &Path) -> Result<Vec<EpochRecord>> {
    let lines = text.lines();
    lines.map(|line| parse_json(line, path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_columns_where_any_epoch_has_them() {
        // The first record is of a run that began before units were watched.
        let old = r#"{"epoch":1,"train_loss":0.5,"train_accuracy":0.9,"val_loss":null,"val_accuracy":null,"slope":1.0,"lr":0.1,"img_per_s":2.0,"seconds":3.0}"#;
        let old: EpochRecord = serde_json::from_str(old).unwrap();
        let mut new = EpochRecord {
            epoch: 2,
            saturated: Some(0.25),
            ..old.clone()
        };
        new.saturated_layers.insert("a,b".into(), 0.5);
        let columns: Vec<_> = SHARES
            .iter()
            .map(|s| s.columns(&[old.clone(), new.clone()]))
            .collect();
        assert_eq!(
            columns,
            [vec![], vec![None, Some("a,b".to_string())], vec![]]
        );
        let folder = tempfile::tempdir().unwrap();
        let spec = crate::model::preset("mlp", crate::tensor::Shape::image(1, 2, 2), 2).unwrap();
        let dataset = super::super::DatasetRecord {
            name: "none".into(),
            train: 1,
            test: 1,
            classes: 2,
        };
        let run =
            RunFolder::create(folder.path(), Config::reference(spec, dataset), false).unwrap();
        run.write_metrics(&[old.clone(), new.clone()]).unwrap();
        let csv = std::fs::read_to_string(run.file("metrics.csv")).unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert!(
            lines[0].ends_with(",seconds,saturated,saturated a_b"),
            "{csv}"
        );
        assert_eq!(lines[1], "1,0.5,0.9,,,1,0.1,2,3,,");
        assert_eq!(lines[2], "2,0.5,0.9,,,1,0.1,2,3,0.25,0.5");
        assert_eq!(run.metrics().unwrap(), [old, new]);
    }
}
