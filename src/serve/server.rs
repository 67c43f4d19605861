//! Connections: at most so many, each with a limit on its time, until told to stop.
//!
//! A request has one deadline from its first byte to its last, whatever the pace at
//! which bytes come in, and a response one for going out; so a client that is slow
//! or silent holds its place for a bounded time, and the others wait for nothing. It
//! counts against its peer's rate from its first byte on, before its body is read or
//! anything is worked out for it.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::http::Response;
use super::limits::Limits;
use super::peers::{Peer, Rates};
use super::places::{Place, Places};
use super::site::Site;
use crate::bounded;
use crate::error::{Error, Result};

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    stopper: Stopper,
    limits: Limits,
}

/// Ends a server from another thread.
#[derive(Clone)]
pub struct Stopper {
    address: SocketAddr,
    flag: Arc<AtomicBool>,
}

impl Stopper {
    /// Asks the server to finish what it is answering and end.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::SeqCst);
        // It waits for connections, so it gets one.
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let address = SocketAddr::new(ip, self.address.port());
        let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
    }

    fn is_set(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }
}

impl Server {
    /// Makes a server that listens on `address`; with port 0 it takes any port that is free.
    ///
    /// # Errors
    /// An address that cannot be had, or no room for the threads of so many connections.
    pub fn bind(address: SocketAddr, limits: Limits) -> Result<Self> {
        let fail = |e: std::io::Error| {
            let why = match e.kind() {
                ErrorKind::AddrInUse => "another program listens there".into(),
                ErrorKind::PermissionDenied => "that port is reserved".into(),
                ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
                _ => e.to_string(),
            };
            let what = format!("cannot listen on {address}: {why}; choose another");
            Error::Network(what).mended_by(&["listen"])
        };
        // Each connection has a thread.
        bounded::check_threads(limits.connections)?;
        let listener = TcpListener::bind(address).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let flag = Arc::default();
        Ok(Self {
            listener,
            stopper: Stopper { address, flag },
            limits,
        })
    }

    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.stopper.address
    }

    /// A handle that ends the server from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Answers requests to `site` until it is stopped.
    pub fn run(&self, site: &Site) {
        let places = Places::new(self.limits);
        let rates = Rates::new(self.limits);
        std::thread::scope(|scope| {
            for number in 0.. {
                let accepted = self.listener.accept();
                if self.stopper.is_set() {
                    break;
                }
                let (stream, peer) = match accepted {
                    Ok((stream, address)) => (stream, Peer::of(address.ip())),
                    Err(_) => {
                        // Out of descriptors, or the client has gone: neither for long.
                        std::thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                };
                let Some(place) = places.take(number, peer, &stream, Instant::now()) else {
                    turn_away(stream);
                    continue;
                };
                let (rates, limits, stopper) = (&rates, &self.limits, &self.stopper);
                let mut connection = Connection {
                    stream,
                    place,
                    peer,
                    site,
                    rates,
                    limits,
                    stopper,
                };
                // Without a thread the closure is dropped, and the connection with it.
                let _ = std::thread::Builder::new().spawn_scoped(scope, move || connection.serve());
            }
            places.hang_up();
        });
    }
}

/// Says that there is no place, without waiting for anything.
fn turn_away(mut stream: TcpStream) {
    let busy = Response::refusal(503, "there are too many connections; try again").closing();
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write(&busy.to_bytes(false));
        let _ = stream.shutdown(Shutdown::Write);
        // What is left unread would take the answer back.
        let _ = stream.read(&mut [0; 4096]);
    }
}

/// One client.
struct Connection<'a> {
    stream: TcpStream,
    place: Place<'a>,
    peer: Peer,
    site: &'a Site,
    rates: &'a Rates,
    limits: &'a Limits,
    stopper: &'a Stopper,
}

impl Connection<'_> {
    /// Answers its requests, one after the other.
    fn serve(&mut self) {
        let _ = self.stream.set_nodelay(true);
        let mut bytes = Vec::new();
        while let Some((response, used, close)) = self.next(&mut bytes) {
            let close = close || self.stopper.is_set();
            if !self.send(&response) || close {
                self.part();
                return;
            }
            bytes.drain(..used);
        }
    }

    /// Reads a request and answers it; `None` where the client has gone, or has lost
    /// its place to another.
    fn next(&mut self, bytes: &mut Vec<u8>) -> Option<(Vec<u8>, usize, bool)> {
        let begun = Instant::now();
        let refuse = |bytes: &[u8], response: Response| {
            Some((response.closing().to_bytes(false), bytes.len(), true))
        };
        let (mut late, mut chunk) = (None, [0; 16 << 10]);
        loop {
            if !bytes.is_empty() {
                // Nothing of the connection is given up while its request is looked at.
                if !self.place.waits(None) {
                    return None;
                }
                if late.is_none() {
                    late = Some(Instant::now() + self.limits.patience);
                    if !self.rates.take(self.peer, Instant::now()) {
                        let why = "too many requests; wait a second";
                        let busy = Response::refusal(429, why).with("Retry-After", "1");
                        return refuse(bytes, busy);
                    }
                }
                // A panic here is a mistake of ours: the client is told, the server goes on.
                let respond = || self.site.respond(bytes, self.limits.sizes);
                match catch_unwind(AssertUnwindSafe(respond)) {
                    Ok(Some(answer)) => return Some(answer),
                    Ok(None) => {}
                    Err(_) => {
                        let why = "an internal error; please report it";
                        return refuse(bytes, Response::refusal(500, why));
                    }
                }
            }
            let deadline = late.unwrap_or(begun + self.limits.idle);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return match late {
                    Some(_) => refuse(bytes, Response::refusal(408, "the request took too long")),
                    None => None,
                };
            }
            if self.stopper.is_set()
                || !self.place.waits(Some(begun))
                || self.stream.set_read_timeout(Some(left)).is_err()
            {
                return None;
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(n) => bytes.extend(&chunk[..n]),
                Err(e) if is_passing(e.kind()) => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends a response; whether all of it went out in time.
    fn send(&mut self, mut bytes: &[u8]) -> bool {
        let deadline = Instant::now() + self.limits.patience;
        while !bytes.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_write_timeout(Some(left)).is_err() {
                return false;
            }
            match self.stream.write(bytes) {
                Ok(0) => return false,
                Ok(n) => bytes = &bytes[n..],
                Err(e) if is_passing(e.kind()) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Ends the connection so that the last response arrives: bytes that were sent
    /// and never read would make the system take it back.
    fn part(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let deadline = Instant::now() + self.limits.patience.min(Duration::from_millis(500));
        let (mut chunk, mut read) = ([0; 16 << 10], 0);
        while read < self.limits.sizes.body {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return;
            }
            match self.stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(n) => read += n,
            }
        }
    }
}

/// Whether the same call may succeed later.
fn is_passing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
