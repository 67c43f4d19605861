//! Ranks that are processes of MPI, through the safe interface of the crate `mpi`.
//!
//! Every exchange is a gathering of all parts (`MPI_Iallgatherv`) that is begun and then asked for
//! its end, so that a rank that waits in vain says so instead of hanging. The thread of the step
//! uses MPI's own communicator, the thread on which sums travel a copy of it. Calls of both are
//! made one at a time, which every MPI library allows for.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::request::{Scope, scope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{BufferMut, Communicator, CommunicatorCollectives, Equivalence};
use mpi::{Count, Threading};

use super::{Data, Lane, Share, Transport};
use crate::error::{Error, Result};

/// What is done where another rank cannot be reached any more: MPI has no way back from that, so
/// the process must end. The text is one line.
pub type Lost = fn(&str) -> !;

/// The process's membership in MPI, which ends with it.
pub struct World {
    /// Leaves MPI when it is dropped.
    _universe: Universe,
    share: Share,
}

impl World {
    /// Joins the processes that were started together.
    ///
    /// # Errors
    /// An MPI library that was joined before, or that is not made for threads.
    pub fn join() -> Result<Self> {
        let joined = mpi::initialize_with_threading(Threading::Serialized);
        let Some((universe, threading)) = joined else {
            return Err(Error::spec("MPI is in use in this process already"));
        };
        if threading < Threading::Serialized {
            return Err(Error::spec(
                "this MPI library was built without threads; use one that was built with them",
            ));
        }
        let world = universe.world();
        let number = |x: i32| usize::try_from(x).unwrap_or(0);
        let share = Share::new(number(world.rank()), number(world.size()));
        Ok(Self {
            _universe: universe,
            share,
        })
    }

    /// Returns this process's place.
    pub fn share(&self) -> Share {
        self.share
    }

    /// Returns the transport between the processes, which must have ended before this membership
    /// ends. A rank that waits longer than `patience` for another one calls `lost`.
    pub fn transport(&self, patience: Duration, lost: Lost) -> Arc<dyn Transport> {
        Arc::new(Mpi {
            share: self.share,
            patience,
            lost,
            calls: Mutex::new(()),
        })
    }
}

thread_local! {
    /// The communicator of a thread that has one of its own.
    static OWN: RefCell<Option<SimpleCommunicator>> = const { RefCell::new(None) };
}

/// Exchanges by MPI.
pub struct Mpi {
    share: Share,
    patience: Duration,
    lost: Lost,
    /// Held during each call of MPI.
    calls: Mutex<()>,
}

impl Transport for Mpi {
    fn share(&self) -> Share {
        self.share
    }

    fn prepare(&self, lane: Lane) {
        if lane == Lane::Background {
            let copy = self.call(|| SimpleCommunicator::world().duplicate());
            OWN.set(Some(copy));
        }
    }

    fn all_gather(&self, lane: Lane, data: Data<'_>, counts: &[usize]) -> Result<()> {
        match data {
            Data::F32(x) => self.exchange(lane, x, counts),
            Data::F64(x) => self.exchange(lane, x, counts),
            Data::Bytes(x) => self.exchange(lane, x, counts),
        }
    }
}

impl Mpi {
    fn call<T>(&self, work: impl FnOnce() -> T) -> T {
        let _alone = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    fn exchange<T: Equivalence + Copy>(
        &self,
        lane: Lane,
        data: &mut [T],
        counts: &[usize],
    ) -> Result<()>
    where
        [T]: BufferMut,
    {
        let too_large = |_| Error::spec("more numbers than MPI exchanges at a time, 2^31");
        let mut places = Vec::with_capacity(counts.len());
        let mut sizes = Vec::with_capacity(counts.len());
        let mut next = 0;
        for &count in counts {
            places.push(Count::try_from(next).map_err(too_large)?);
            sizes.push(Count::try_from(count).map_err(too_large)?);
            next += count;
        }
        Count::try_from(next).map_err(too_large)?;
        let first: usize = counts[..self.share.rank].iter().sum();
        let own = data[first..first + counts[self.share.rank]].to_vec();
        let mut all = PartitionMut::new(data, sizes, places);
        OWN.with_borrow(|copy| {
            let world = SimpleCommunicator::world();
            let communicator = copy.as_ref().unwrap_or(&world);
            scope(|scope| {
                let alone = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
                let request =
                    communicator.immediate_all_gather_varcount_into(scope, &own[..], &mut all);
                drop(alone);
                self.wait(lane, request);
            });
        });
        Ok(())
    }

    /// Asks for the end of an exchange until it is there.
    fn wait<'a, D: ?Sized, S: Scope<'a>>(
        &self,
        lane: Lane,
        begun: mpi::request::Request<'a, D, S>,
    ) {
        /// Questions before a thread lets others work in between.
        const EAGER: u32 = 200;
        let (mut request, mut asked, since) = (begun, 0u32, Instant::now());
        loop {
            request = match self.call(|| request.test()) {
                Ok(_) => return,
                Err(request) => request,
            };
            asked = asked.saturating_add(1);
            match lane {
                Lane::Main if asked < EAGER => std::hint::spin_loop(),
                Lane::Main => std::thread::yield_now(),
                // The step has the processor.
                Lane::Background => std::thread::sleep(Duration::from_micros(50)),
            }
            if asked.is_multiple_of(64) && since.elapsed() > self.patience {
                let Share { rank, ranks } = self.share;
                (self.lost)(&format!(
                    "rank {rank} of {ranks}: another rank did not answer within {} s; the run can be continued from its last checkpoint, on any number of ranks",
                    self.patience.as_secs_f64()
                ));
            }
        }
    }
}
