//! Processes that train one network together (floor 1).
//!
//! A group of *ranks* holds one copy of the network each. The leaves of a batch
//! ([`crate::kernels::tree`]) are shared out among them by the batch alone ([`Share`]); each rank
//! computes its own rows, and what is added up over rows is exchanged as nodes of the one tree of
//! sums, which every rank then merges in the same order. So a step has the same bits on any number
//! of ranks, and all ranks hold the same weights after it.
//!
//! What carries the numbers is a [`Transport`]: threads of one process ([`local`]), or MPI (the
//! module `mpi`, with the feature of that name).
//!
//! **Failure.** An exchange that fails returns nothing: the group remembers the failure
//! ([`Ranks::check`]), later exchanges do nothing, and whoever runs the loop ends it before it uses
//! or keeps what was computed since.

mod exchange;
mod local;
#[cfg(feature = "mpi")]
mod mpi;
mod sum;

pub use exchange::Traffic;
pub use local::local;
#[cfg(feature = "mpi")]
pub use mpi::{Lost, World};
pub use sum::Sum;

use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use exchange::Group;

/// The place of a rank in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    rank: usize,
    ranks: usize,
}

impl Share {
    /// The share of a rank that has no others beside it: everything.
    pub const WHOLE: Self = Self { rank: 0, ranks: 1 };

    /// Returns the place of rank `rank` of `ranks`.
    ///
    /// # Panics
    /// Panics if there is no such rank.
    pub fn new(rank: usize, ranks: usize) -> Self {
        assert!(rank < ranks, "rank {rank} of {ranks}");
        Self { rank, ranks }
    }

    /// Returns whether the share is everything.
    pub fn is_whole(self) -> bool {
        self.ranks == 1
    }

    /// Returns the number of the rank, from 0.
    pub fn rank(self) -> usize {
        self.rank
    }

    /// Returns the number of ranks.
    pub fn ranks(self) -> usize {
        self.ranks
    }

    /// Returns which of `pieces` pieces are this rank's.
    pub fn of(self, pieces: usize) -> Range<usize> {
        pieces * self.rank / self.ranks..pieces * (self.rank + 1) / self.ranks
    }

    /// Returns the same for each rank of the group, in their order.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (0..self.ranks).map(move |rank| Self { rank, ..self })
    }
}

/// What an exchange carries.
#[derive(Debug)]
pub enum Data<'a> {
    /// Numbers of 32 bits.
    F32(&'a mut [f32]),
    /// Numbers of 64 bits.
    F64(&'a mut [f64]),
    /// Bytes.
    Bytes(&'a mut [u8]),
}

/// Which of two streams an exchange belongs to. Each stream keeps its order, and neither waits for
/// the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What the step waits for.
    Main,
    /// Sums that travel while the step goes on.
    Background,
}

/// What carries numbers between the ranks of a group.
pub trait Transport: Send + Sync {
    /// Returns this rank's place in the group.
    fn share(&self) -> Share;

    /// Is called once on the thread of a lane that has a thread of its own, before any exchange, at
    /// the same time on all ranks.
    fn prepare(&self, _lane: Lane) {}

    /// Brings the parts of all ranks to each of them. `data` holds the parts one after another in
    /// the order of ranks, that of rank `r` with `counts[r]` elements; this rank's own part is set.
    /// All ranks call it with the same counts, in the same order on each lane.
    ///
    /// # Errors
    /// A rank that cannot be reached, in one line.
    fn all_gather(&self, lane: Lane, data: Data<'_>, counts: &[usize]) -> Result<()>;
}

/// A group of ranks as one of them sees it, or none. Clones are the same group.
#[derive(Clone, Default)]
pub struct Ranks(Option<Arc<Group>>);

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ranks({:?})", self.share())
    }
}

impl Ranks {
    /// Returns a group over that transport. With `overlap`, sums travel on a thread of their own
    /// while the step goes on; else the step waits for each of them.
    pub fn over(transport: Arc<dyn Transport>, overlap: bool) -> Self {
        match transport.share().is_whole() {
            true => Self(None),
            false => Self(Some(Arc::new(Group::new(transport, overlap)))),
        }
    }

    /// Returns this rank's place; that of a rank alone is everything.
    pub fn share(&self) -> Share {
        self.0.as_ref().map_or(Share::WHOLE, |group| group.share())
    }

    /// Returns this rank's number, from 0.
    pub fn rank(&self) -> usize {
        self.share().rank
    }

    /// Returns the number of ranks, at least 1.
    pub fn count(&self) -> usize {
        self.share().ranks
    }

    /// Returns whether there is no other rank.
    pub fn is_alone(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the first failure of an exchange, which the group does not recover from.
    ///
    /// # Errors
    /// That failure.
    pub fn check(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |group| group.check())
    }

    /// Returns the bytes and exchanges of this rank so far.
    pub fn traffic(&self) -> Traffic {
        self.0
            .as_ref()
            .map_or_else(Traffic::default, |group| group.traffic())
    }

    /// Brings the parts of all ranks to each, as [`Transport::all_gather`]; does nothing alone.
    pub fn gather(&self, data: Data<'_>, counts: &[usize]) {
        if let Some(group) = &self.0 {
            group.gather(Lane::Main, data, counts);
        }
    }

    /// Returns what every rank says, in the order of ranks. The messages may have any length.
    ///
    /// # Errors
    /// A rank that cannot be reached.
    pub fn messages(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        let Some(group) = &self.0 else {
            return Ok(vec![own.to_vec()]);
        };
        let mut sizes = vec![0.0f64; self.count()];
        sizes[self.rank()] = own.len() as f64;
        group.gather(Lane::Main, Data::F64(&mut sizes), &vec![1; self.count()]);
        group.check()?;
        let counts: Vec<usize> = sizes.iter().map(|&size| size as usize).collect();
        let mut all = vec![0; counts.iter().sum()];
        let before: usize = counts[..self.rank()].iter().sum();
        all[before..][..own.len()].copy_from_slice(own);
        group.gather(Lane::Main, Data::Bytes(&mut all), &counts);
        group.check()?;
        let mut rest = &all[..];
        let mut next = |&count: &usize| {
            let (message, behind) = rest.split_at(count);
            rest = behind;
            message.to_vec()
        };
        Ok(counts.iter().map(&mut next).collect())
    }

    /// Returns what rank 0 says; the other ranks' `own` is not looked at.
    ///
    /// # Errors
    /// A rank that cannot be reached.
    pub fn from_first(&self, own: &[u8]) -> Result<Vec<u8>> {
        let own = if self.rank() == 0 { own } else { &[] };
        Ok(self.messages(own)?.swap_remove(0))
    }
}

#[cfg(test)]
mod tests;
