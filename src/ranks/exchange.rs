//! The exchanges of a group, and the thread on which sums travel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use super::{Data, Lane, Share, Transport};
use crate::error::{Error, Result};

/// What a rank has exchanged so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Number of exchanges.
    pub exchanges: u64,
    /// Bytes that came from the other ranks.
    pub received: u64,
}

/// A buffer whose parts are to be gathered, and where to send it then.
struct Job {
    buffer: Vec<f32>,
    counts: Vec<usize>,
    done: Sender<Vec<f32>>,
}

/// A sum on its way.
pub(super) enum Travelling {
    /// It has arrived.
    Here(Vec<f32>),
    /// It comes on a channel.
    Coming(Receiver<Vec<f32>>),
}

/// The state that the clones of a [`super::Ranks`] share.
pub(super) struct Group {
    wire: Arc<Wire>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Buffers that are used again.
    spare: Mutex<Vec<Vec<f32>>>,
}

/// What the group and its thread share.
struct Wire {
    transport: Arc<dyn Transport>,
    failed: OnceLock<String>,
    exchanges: AtomicU64,
    received: AtomicU64,
}

impl Wire {
    fn gather(&self, lane: Lane, data: Data<'_>, counts: &[usize]) {
        if self.failed.get().is_some() {
            return;
        }
        let (len, size) = match &data {
            Data::F32(x) => (x.len(), 4),
            Data::F64(x) => (x.len(), 8),
            Data::Bytes(x) => (x.len(), 1),
        };
        assert_eq!(len, counts.iter().sum::<usize>(), "parts of another size");
        if len == 0 {
            return;
        }
        let others = len - counts[self.transport.share().rank];
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.received
            .fetch_add((others * size) as u64, Ordering::Relaxed);
        if let Err(error) = self.transport.all_gather(lane, data, counts) {
            // The first failure counts; those after it follow from it.
            let _ = self.failed.set(error.to_string());
        }
    }
}

impl Group {
    pub fn new(transport: Arc<dyn Transport>, overlap: bool) -> Self {
        let wire = Arc::new(Wire {
            transport,
            failed: OnceLock::new(),
            exchanges: AtomicU64::new(0),
            received: AtomicU64::new(0),
        });
        let courier = overlap.then(|| courier(Arc::clone(&wire))).flatten();
        if overlap && courier.is_none() {
            // The others wait for this rank's thread: nothing can be exchanged with them.
            let line =
                "the system gives no thread on which sums can travel; allow more (ulimit -u)";
            let _ = wire.failed.set(line.into());
        }
        let (jobs, thread) = courier.unzip();
        Self {
            jobs,
            thread,
            wire,
            spare: Mutex::default(),
        }
    }

    pub fn share(&self) -> Share {
        self.wire.transport.share()
    }

    pub fn check(&self) -> Result<()> {
        match self.wire.failed.get() {
            Some(line) => Err(Error::Lost(line.clone())),
            None => Ok(()),
        }
    }

    pub fn traffic(&self) -> Traffic {
        Traffic {
            exchanges: self.wire.exchanges.load(Ordering::Relaxed),
            received: self.wire.received.load(Ordering::Relaxed),
        }
    }

    pub fn gather(&self, lane: Lane, data: Data<'_>, counts: &[usize]) {
        self.wire.gather(lane, data, counts);
    }

    /// Returns a buffer of that length, whatever it holds.
    pub fn buffer(&self, len: usize) -> Vec<f32> {
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        // Steps ask for the same lengths in the same order.
        let fits = spare().iter().position(|buffer| buffer.len() == len);
        match fits {
            Some(i) => spare().swap_remove(i),
            None => vec![0.0; len],
        }
    }

    /// Takes a buffer back.
    pub fn give_back(&self, buffer: Vec<f32>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(buffer);
    }

    /// Sends the own part of a buffer on its way.
    pub fn send(&self, mut buffer: Vec<f32>, counts: Vec<usize>) -> Travelling {
        let Some(jobs) = &self.jobs else {
            let data = Data::F32(&mut buffer);
            self.wire.gather(Lane::Background, data, &counts);
            return Travelling::Here(buffer);
        };
        let (done, coming) = channel();
        let job = Job {
            buffer,
            counts,
            done,
        };
        match jobs.send(job) {
            Ok(()) => Travelling::Coming(coming),
            Err(failed) => Travelling::Here(self.lost(failed.0.buffer)),
        }
    }

    /// Waits for a buffer.
    pub fn receive(&self, travelling: Travelling) -> Vec<f32> {
        match travelling {
            Travelling::Here(buffer) => buffer,
            Travelling::Coming(coming) => coming.recv().unwrap_or_else(|_| self.lost(Vec::new())),
        }
    }

    fn lost(&self, buffer: Vec<f32>) -> Vec<f32> {
        let line = "the thread that exchanges sums has ended; report this";
        let _ = self.wire.failed.set(line.into());
        buffer
    }
}

/// What the thread holds of the transport ends before the transport may.
impl Drop for Group {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts the thread on which sums travel; none where the system gives no thread.
fn courier(wire: Arc<Wire>) -> Option<(Sender<Job>, JoinHandle<()>)> {
    let ((jobs, inbox), (ready, begun)) = (channel::<Job>(), channel());
    let work = move || {
        wire.transport.prepare(Lane::Background);
        let _ = ready.send(());
        for mut job in inbox {
            let data = Data::F32(&mut job.buffer);
            wire.gather(Lane::Background, data, &job.counts);
            // Nobody waits any more where the training has ended meanwhile.
            let _ = job.done.send(job.buffer);
        }
    };
    let thread = std::thread::Builder::new().name("sums".into());
    let thread = thread.spawn(work).ok()?;
    begun.recv().ok().map(|()| (jobs, thread))
}
