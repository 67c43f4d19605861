//! What the ranks of a training say to each other beside its numbers.

use serde::{Deserialize, Serialize};

use super::{SAVE_EVERY, Training};
use crate::error::{Error, Result};
use crate::kernels::Engine;
use crate::model::weights;
use crate::ranks::{Data, Ranks};
use crate::train::checkpoint::Checkpoint;
use crate::train::observer::Observer;
use crate::train::record::COMMIT;

/// What is done after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// The training ends.
    pub stops: bool,
    /// The state is given to the observer.
    pub saves: bool,
}

/// What must be the same on all ranks.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Alike {
    version: String,
    isa: String,
    forced: bool,
    data: String,
    config: String,
    /// The epoch and the step at which the training goes on.
    at: (usize, usize),
    /// A digest of the weights, and of all else that the next step depends on.
    state: String,
}

impl Alike {
    /// Says how a rank differs from rank 0, and what to do about it.
    fn differs(&self, first: &Self, rank: usize) -> Option<String> {
        let line = |what: &str, own: &str, of_first: &str, mend: &str| {
            Some(format!(
                "rank {rank} has {what} {own}, and rank 0 has {of_first}; {mend}"
            ))
        };
        if self.version != first.version {
            let mend = "start the same program on every machine";
            return line("version", &self.version, &first.version, mend);
        }
        if self.isa != first.isa {
            let mend = "kernels of different instruction sets give different bits: force one that every machine has, such as avx2";
            return line("the kernels", &self.isa, &first.isa, mend);
        }
        if self.forced != first.forced {
            return Some(format!(
                "rank {rank} and rank 0 do not both force their instruction set; do so on all of them or on none"
            ));
        }
        if self.data != first.data {
            let mend = "give every machine the same files";
            return line("the data", &self.data, &first.data, mend);
        }
        if self.config != first.config {
            return Some(format!(
                "rank {rank} has other settings than rank 0; give all of them the same flags"
            ));
        }
        (self != first).then(|| {
            format!(
                "rank {rank} is in another state than rank 0, epoch {} and step {} against epoch {} and step {}; report this",
                self.at.0, self.at.1, first.at.0, first.at.1
            )
        })
    }
}

/// Refuses a group of ranks that would not compute the same bits; `made` is what this rank is to
/// train, or why it cannot.
pub(super) fn compare<'a>(
    ranks: &Ranks,
    engine: Engine,
    made: Result<Training<'a>>,
) -> Result<Training<'a>> {
    if ranks.is_alone() {
        return made;
    }
    let said = match &made {
        Ok(training) => training.alike(engine).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let text = |error: serde_json::Error| Error::spec(error.to_string());
    let said = serde_json::to_vec(&said).map_err(text)?;
    let all = ranks.messages(&said)?;
    // This rank's own error says most.
    let made = made?;
    let mut alike = Vec::new();
    for (rank, message) in all.iter().enumerate() {
        let of_rank: std::result::Result<Alike, String> =
            serde_json::from_slice(message).map_err(|_| {
                Error::Lost(format!(
                    "rank {rank} is another version of the program than this one; start the same program on every machine"
                ))
            })?;
        alike.push(of_rank.map_err(|line| Error::Lost(format!("rank {rank}: {line}")))?);
    }
    let differs = |(rank, of_rank): (usize, &Alike)| of_rank.differs(&alike[0], rank);
    match alike.iter().enumerate().find_map(differs) {
        Some(line) => Err(Error::Lost(line)),
        None => Ok(made),
    }
}

impl Training<'_> {
    /// What must be the same on all ranks.
    fn alike(&self, engine: Engine) -> Result<Alike> {
        let (params, baseline) = (self.net.params(), self.baseline.as_ref());
        let seen = (&self.flips, &self.activity);
        let state = Checkpoint::tensors(params, &self.optimiser, baseline, seen);
        let text = |error: serde_json::Error| Error::spec(error.to_string());
        Ok(Alike {
            version: format!("{} ({COMMIT})", env!("CARGO_PKG_VERSION")),
            isa: self.isa.clone(),
            forced: engine.forced,
            data: self.data.clone(),
            config: serde_json::to_string(self.config).map_err(text)?,
            at: (self.progress.epoch, self.progress.step),
            state: weights::digest(&state),
        })
    }

    /// What is done after this step: of several ranks each may ask for an end, and the clock of
    /// rank 0 says when to save.
    pub(super) fn agreed(&self, observer: &dyn Observer) -> Result<Agreed> {
        let own = Agreed {
            stops: observer.stops(),
            saves: self.saved.elapsed() >= SAVE_EVERY,
        };
        if self.ranks.is_alone() {
            return Ok(own);
        }
        let ranks = self.ranks.count();
        let mut all = vec![0u8; ranks];
        all[self.ranks.rank()] = u8::from(own.stops) | u8::from(own.saves) << 1;
        self.ranks.gather(Data::Bytes(&mut all), &vec![1; ranks]);
        self.ranks.check()?;
        Ok(Agreed {
            stops: all.iter().any(|said| said & 1 == 1),
            saves: all[0] & 2 == 2,
        })
    }
}
