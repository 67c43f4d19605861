//! Who asks, and how often each may.
//!
//! Every peer has a bucket of its own, so nobody uses up what is another's. A peer is
//! an IPv4 address, or the first 64 bits of an IPv6 address: whoever has one address of
//! such a network has all of them. Clients behind a reverse proxy, or behind one router
//! that translates addresses, are one peer. **Invariant:** there are at most as many
//! buckets as [`Limits::peers`], however many peers there are.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::Instant;

use super::limits::{Limits, lock};

/// Whom a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    /// Whoever connects from that address.
    pub fn of(address: IpAddr) -> Self {
        // A socket for both kinds names IPv4 addresses by IPv6 ones of a single network.
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        })
    }
}

/// The requests that each peer may still make.
pub(super) struct Rates {
    limits: Limits,
    buckets: Mutex<HashMap<Peer, Bucket>>,
}

impl Rates {
    /// Nobody has asked anything yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buckets: Mutex::default(),
        }
    }

    /// Takes a request out of a peer's bucket; whether there was one.
    pub fn take(&self, peer: Peer, now: Instant) -> bool {
        let mut buckets = lock(&self.buckets);
        if !buckets.contains_key(&peer) && buckets.len() >= self.limits.peers.max(1) {
            // A bucket that is full again says what no bucket says, so the fullest is
            // the one to forget.
            let left = |bucket: &Bucket| bucket.at(&self.limits, now).left;
            let fullest = buckets
                .iter()
                .max_by(|(_, a), (_, b)| left(a).total_cmp(&left(b)));
            if let Some((&fullest, _)) = fullest {
                buckets.remove(&fullest);
            }
        }
        let full = Bucket {
            left: self.limits.burst,
            at: now,
        };
        let bucket = buckets.entry(peer).or_insert(full);
        *bucket = bucket.at(&self.limits, now);
        let enough = bucket.left >= 1.0;
        if enough {
            bucket.left -= 1.0;
        }
        enough
    }
}

/// Requests that may still be made: `rate` more each second, up to `burst`.
#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// The bucket as it is by now.
    fn at(&self, limits: &Limits, now: Instant) -> Self {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        Self {
            left: (self.left + since * limits.rate).min(limits.burst),
            at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn peer(address: &str) -> Peer {
        Peer::of(address.parse().unwrap())
    }

    fn rates(peers: usize) -> Rates {
        Rates::new(Limits {
            rate: 10.0,
            burst: 3.0,
            peers,
            ..Limits::default()
        })
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_64_bits() {
        assert_ne!(peer("192.168.1.5"), peer("192.168.1.6"));
        assert_eq!(peer("::ffff:192.168.1.5"), peer("192.168.1.5"));
        assert_ne!(peer("::ffff:192.168.1.5"), peer("::ffff:192.168.1.6"));
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff:9:9:9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_ne!(peer("::1"), peer("127.0.0.1"));
    }

    #[test]
    fn one_peer_uses_up_its_own_and_no_other() {
        let (rates, now) = (rates(8), Instant::now());
        let (one, other) = (peer("10.0.0.1"), peer("10.0.0.2"));
        let taken = (0..9).filter(|_| rates.take(one, now)).count();
        assert_eq!(taken, 3);
        assert!(rates.take(other, now));
        // A tenth of a second later there is one more, and after a rest no more than
        // the burst.
        let later = now + Duration::from_millis(101);
        assert!(rates.take(one, later) && !rates.take(one, later));
        let rested = now + Duration::from_secs(3600);
        assert_eq!((0..9).filter(|_| rates.take(one, rested)).count(), 3);
    }

    #[test]
    fn records_of_peers_are_bounded_and_the_fullest_is_forgotten() {
        let (rates, now) = (rates(4), Instant::now());
        let greedy = peer("10.0.0.1");
        assert_eq!((0..9).filter(|_| rates.take(greedy, now)).count(), 3);
        for i in 0..1000u32 {
            let passing = Peer::of(IpAddr::V4((0x0b00_0000 + i).into()));
            assert!(rates.take(passing, now), "{i}");
            assert!(lock(&rates.buckets).len() <= 4);
        }
        // Others came and went, and it has still used up what it had.
        assert!(!rates.take(greedy, now));
    }
}
