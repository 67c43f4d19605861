//! Reading a run: every file is compared with the run that it lies in.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::{BEST, BestWeights, METRICS, RunFolder, TEST, from_value};
use crate::bounded;
use crate::data::Background;
use crate::error::{Error, Result};
use crate::files;
use crate::kernels::Engine;
use crate::model::Network;
use crate::model::weights::{self, Opened};
use crate::packed::Lineage;
use crate::seal::{self, Origin};
use crate::train::metrics;
use crate::train::record::{EpochRecord, TestRecord};

impl RunFolder {
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
            (Some(run), Some(found)) if run.run_id != found.run_id => {
                fail("is of another run than the config.json beside it; put the right one back")
            }
            (Some(_), Some(_)) => fail(
                "was made with another configuration than that of the config.json beside it; put the right one back",
            ),
            (Some(_), None) => {
                fail("does not say that it is of this run, as its files do; put the right one back")
            }
            (None, Some(_)) => fail(
                "has a seal, but the config.json beside it has none; put the right one back, or finish the sealing that was begun",
            ),
        }
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(bytes) = self.read(name, bounded::MAX_TEXT)? else {
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
        let Some(bytes) = self.read(METRICS, bounded::MAX_TEXT)? else {
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
                "has no weights yet (no epoch is finished); continue its training",
            )
            .mended_by(&["resume"])
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
}
