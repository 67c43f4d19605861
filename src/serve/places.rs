//! The places of connections: so many in all, and fewer for each peer.
//!
//! A connection that waits for a request holds its place only as long as nobody else
//! wants it: where there is none left, the one that has waited longest for a whole
//! request, and for more than a moment, is given up. Bytes that trickle in count as
//! waiting. A request that is being answered is never given up.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::time::Instant;

use super::limits::{Limits, lock};
use super::peers::Peer;

/// The open connections by their numbers.
pub(super) struct Places {
    limits: Limits,
    open: Mutex<HashMap<u64, Held>>,
}

/// A place that is taken.
struct Held {
    peer: Peer,
    stream: TcpStream,
    /// Since when it waits for a request; `None` while one is being answered.
    waiting: Option<Instant>,
}

/// A connection's place; given back when dropped.
pub(super) struct Place<'a>(&'a Places, u64);

impl Places {
    /// All places are free.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
        }
    }

    /// A place for a connection of that peer; `None` where there is none.
    pub fn take(
        &self,
        number: u64,
        peer: Peer,
        stream: &TcpStream,
        now: Instant,
    ) -> Option<Place<'_>> {
        let stream = stream.try_clone().ok()?;
        let mut open = lock(&self.open);
        if of(&open, peer) >= self.limits.per_peer {
            self.give_up(&mut open, Some(peer), now)?;
        } else if open.len() >= self.limits.connections {
            self.give_up(&mut open, None, now)?;
        }
        let held = Held {
            peer,
            stream,
            waiting: Some(now),
        };
        open.insert(number, held);
        Some(Place(self, number))
    }

    /// Ends a connection, of one peer or of any, that has waited for a request for
    /// longer than a moment. First come those of peers that hold many places.
    fn give_up(
        &self,
        open: &mut HashMap<u64, Held>,
        peer: Option<Peer>,
        now: Instant,
    ) -> Option<()> {
        let waited = open.iter().filter_map(|(&number, held)| {
            let since = now.saturating_duration_since(held.waiting?);
            let of_peer = peer.is_none_or(|peer| peer == held.peer);
            let long = since >= self.limits.grace;
            (of_peer && long).then(|| (of(open, held.peer), since, number))
        });
        let (_, _, number) = waited.max()?;
        // Its thread finds that the connection has ended.
        let held = open.remove(&number)?;
        let _ = held.stream.shutdown(Shutdown::Both);
        Some(())
    }

    /// Nothing more is read from any of them; answers under way still go out.
    pub fn hang_up(&self) {
        for held in lock(&self.open).values() {
            let _ = held.stream.shutdown(Shutdown::Read);
        }
    }
}

/// The places that a peer holds.
fn of(open: &HashMap<u64, Held>, peer: Peer) -> usize {
    open.values().filter(|held| held.peer == peer).count()
}

impl Place<'_> {
    /// Says since when the connection waits for a request, or that it answers one;
    /// whether it still has its place.
    pub fn waits(&self, since: Option<Instant>) -> bool {
        let mut open = lock(&self.0.open);
        let held = open.get_mut(&self.1);
        let kept = held.map(|held| held.waiting = since);
        kept.is_some()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.0.open).remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

    /// Both ends of a connection.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn peer(last: u8) -> Peer {
        Peer::of([10, 0, 0, last].into())
    }

    fn places() -> Places {
        Places::new(Limits {
            connections: 4,
            per_peer: 2,
            grace: Duration::from_secs(1),
            ..Limits::default()
        })
    }

    #[test]
    fn a_peer_has_its_places_and_leaves_the_others_theirs() {
        let (places, now, (_client, stream)) = (places(), Instant::now(), pair());
        let take = |number, of| places.take(number, peer(of), &stream, now);
        let first = take(1, 1).unwrap();
        let _second = take(2, 1).unwrap();
        assert!(take(3, 1).is_none());
        let _others = (take(4, 2).unwrap(), take(5, 3).unwrap());
        assert!(take(6, 4).is_none(), "four are all that there are");
        drop(first);
        assert!(take(7, 4).is_some());
    }

    #[test]
    fn the_longest_silent_of_the_peer_with_most_is_given_up() {
        let (places, begin) = (places(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        let ends: Vec<_> = (0..4).map(|_| pair()).collect();
        let take = |number: usize, of, ms| {
            let (_, stream) = &ends[number % 4];
            places.take(number as u64, peer(of), stream, at(ms))
        };
        let single = take(0, 1, 0).unwrap();
        let busy = take(1, 2, 1).unwrap();
        let silent = take(2, 2, 2).unwrap();
        let fresh = take(3, 3, 1500).unwrap();
        assert!(busy.waits(None));
        // Nobody has been silent for long enough.
        assert!(take(4, 4, 900).is_none());
        // The single one has been silent for longer, but peer 2 holds more places.
        let new = take(4, 4, 1600).unwrap();
        assert!(!silent.waits(Some(at(1600))) && single.waits(Some(at(0))));
        assert!(busy.waits(None) && fresh.waits(Some(at(1500))));
        let mut gone = &ends[2].0;
        assert_eq!(gone.read(&mut [0]).unwrap(), 0, "its connection has ended");
        // A place that was given up is not given back a second time.
        drop(silent);
        assert!(new.waits(None));
        // Its own peer's, where that has all that one may have: not the single one.
        let _more = take(5, 3, 1700);
        assert!(_more.is_some() && !single.waits(None), "the longest silent");
        assert!(take(6, 3, 1800).is_none(), "neither has waited for long");
        assert!(fresh.waits(Some(at(1500))));
        assert!(take(6, 3, 2600).is_some() && !fresh.waits(None));
    }
}
