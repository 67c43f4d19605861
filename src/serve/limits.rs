//! What a server puts up with, and a lock that outlives whoever held it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::http::Sizes;

/// The limits of a server on requests, connections, time and peers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The bytes that a request may have.
    pub sizes: Sizes,
    /// The connections that may be open at a time.
    pub connections: usize,
    /// The connections that one peer may have open at a time. A peer is an IPv4 address, or an
    /// IPv6 network of 64 bits; all clients behind a reverse proxy are one.
    pub per_peer: usize,
    /// How long a connection may wait for a whole request when others want its place.
    pub grace: Duration,
    /// How long a request may take from its first byte to its last; a response may take as
    /// long.
    pub patience: Duration,
    /// How long a connection may stay without a request.
    pub idle: Duration,
    /// The requests that one peer may send a second, on average.
    pub rate: f64,
    /// The requests that one peer may send at once, after a rest.
    pub burst: f64,
    /// The number of peers whose requests are counted at a time. Where there are more, those
    /// that have asked least of late are forgotten.
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
