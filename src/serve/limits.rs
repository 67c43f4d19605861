//! What a server puts up with, and a lock that outlives whoever held it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::http::Sizes;

/// What a server puts up with.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request.
    pub sizes: Sizes,
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time of one peer: an IPv4 address, or an IPv6 network of 64
    /// bits. All clients behind a reverse proxy are one.
    pub per_peer: usize,
    /// How long a connection may wait for a whole request when others want its place.
    pub grace: Duration,
    /// From the first byte of a request to its last, and the same for a response.
    pub patience: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Requests of one peer a second, on average.
    pub rate: f64,
    /// Requests of one peer at once, after a rest.
    pub burst: f64,
    /// Peers whose requests are counted at a time; of more, those that have asked
    /// least of late are forgotten.
    pub peers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sizes: Sizes::default(),
            connections: 64,
            per_peer: 16,
            grace: Duration::from_secs(1),
            patience: Duration::from_secs(5),
            idle: Duration::from_secs(15),
            rate: 200.0,
            burst: 400.0,
            peers: 4096,
        }
    }
}

/// A value behind a lock, whole whatever a thread that held it did.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
