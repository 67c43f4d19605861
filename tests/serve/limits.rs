//! What one client may take: time, places and requests; and that it takes them from
//! itself alone.

use std::io::{Read, Write};
use std::time::Duration;

use bnn_cpu::serve::Limits;

use super::{connect, exchange, get, post, reply, serving, stroke};

/// Long enough that nothing in a test ends by itself.
const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn slow_and_silent_clients_are_let_go() {
    let limits = Limits {
        patience: Duration::from_millis(150),
        idle: Duration::from_millis(200),
        connections: 3,
        ..Limits::default()
    };
    serving(limits, |at| {
        // One byte at a time, each well within any limit between bytes.
        let mut slow = connect(at);
        let mut refusal = None;
        for _ in 0..4000 {
            if slow.write_all(b"G").is_err() {
                break;
            }
            slow.set_read_timeout(Some(Duration::from_millis(5)))
                .unwrap();
            if slow.peek(&mut [0]).is_ok_and(|n| n > 0) {
                slow.set_read_timeout(None).unwrap();
                refusal = reply(&mut slow);
                break;
            }
        }
        refusal
            .expect("a response while it is still sending")
            .refused(408);

        // A body that never comes; a client that never speaks.
        let mut half = connect(at);
        let whole = post(at, "", &stroke());
        half.write_all(&whole[..whole.len() - 5]).unwrap();
        reply(&mut half).unwrap().refused(408);
        let mut silent = connect(at);
        assert!(reply(&mut silent).is_none(), "nothing to answer");

        // All places taken by clients that say nothing: one more is told so, and when
        // they have been let go there is room again.
        let taken: Vec<_> = (0..3).map(|_| connect(at)).collect();
        let mut turned_away = connect(at);
        reply(&mut turned_away).unwrap().refused(503);
        for mut stream in taken {
            assert!(reply(&mut stream).is_none());
        }
        assert_eq!(exchange(at, &get("/network", at)).status, 200);
    });
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let limits = Limits {
        patience: Duration::from_millis(150),
        connections: 1,
        rate: 1e9,
        burst: 1e9,
        ..Limits::default()
    };
    serving(limits, |at| {
        // Asks for the page until no more fits into the pipes, and reads none of it.
        let mut deaf = connect(at);
        deaf.set_write_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        while deaf.write_all(&get("/", at)).is_ok() {}
        // Its place, the only one, is free again sooner or later.
        let served = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            let mut stream = connect(at);
            let _ = stream.write_all(&get("/network", at));
            reply(&mut stream).is_some_and(|reply| reply.status == 200)
        });
        assert!(served, "its place is taken for good");
    });
}

#[test]
fn many_at_once_are_all_answered() {
    serving(Limits::default(), |at| {
        std::thread::scope(|scope| {
            for _ in 0..Limits::default().per_peer {
                scope.spawn(|| {
                    let mut stream = connect(at);
                    for _ in 0..4 {
                        stream.write_all(&post(at, "", &stroke())).unwrap();
                        assert_eq!(
                            reply(&mut stream).unwrap().json()["agreement"]["class"],
                            true
                        );
                    }
                });
            }
        });
    });
}

#[test]
fn more_than_the_rate_is_refused() {
    let limits = Limits {
        rate: 1e-6,
        burst: 5.0,
        ..Limits::default()
    };
    serving(limits, |at| {
        for _ in 0..5 {
            assert_eq!(exchange(at, &get("/network", at)).status, 200);
        }
        exchange(at, &get("/network", at)).refused(429);
        // Refusals count as well.
        exchange(at, b"nonsense\r\n\r\n").refused(429);
    });
}

#[test]
fn a_stop_lets_idle_clients_go_at_once() {
    let limits = Limits {
        idle: Duration::from_secs(3600),
        patience: Duration::from_secs(3600),
        ..Limits::default()
    };
    let mut kept = Vec::new();
    // Would last an hour if the end waited for them.
    serving(limits, |at| {
        for bytes in [
            &b""[..],
            b"GET",
            b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        ] {
            let mut stream = connect(at);
            stream.write_all(bytes).unwrap();
            kept.push(stream);
        }
        assert_eq!(exchange(at, &get("/network", at)).status, 200);
    });
    for mut stream in kept {
        assert!(reply(&mut stream).is_none());
    }
}

/// A connection from another address of this machine: another peer.
#[cfg(target_os = "linux")]
fn connect_from(last: u8, address: &str) -> std::net::TcpStream {
    use nix::sys::socket as sys;
    use std::os::fd::AsRawFd;
    let (family, kind) = (sys::AddressFamily::Inet, sys::SockType::Stream);
    let socket = sys::socket(family, kind, sys::SockFlag::SOCK_CLOEXEC, None).unwrap();
    let own = sys::SockaddrIn::new(127, 0, 0, last, 0);
    sys::bind(socket.as_raw_fd(), &own).unwrap();
    let address: std::net::SocketAddrV4 = address.parse().unwrap();
    sys::connect(socket.as_raw_fd(), &sys::SockaddrIn::from(address)).unwrap();
    let stream = std::net::TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// Asks on a connection from that address; the status.
#[cfg(target_os = "linux")]
fn ask_from(last: u8, address: &str) -> u16 {
    let mut stream = connect_from(last, address);
    let _ = stream.write_all(&get("/network", address));
    reply(&mut stream).expect("a response").status
}

#[cfg(target_os = "linux")]
#[test]
fn one_peer_does_not_use_up_the_rate_of_another() {
    let limits = Limits {
        rate: 1e-6,
        burst: 3.0,
        ..Limits::default()
    };
    serving(limits, |at| {
        let asked: Vec<u16> = (0..5).map(|_| ask_from(1, at)).collect();
        assert_eq!(asked, [200, 200, 200, 429, 429]);
        let asked: Vec<u16> = (0..4).map(|_| ask_from(2, at)).collect();
        assert_eq!(asked, [200, 200, 200, 429]);
    });
}

#[test]
fn the_rate_is_spent_before_the_work() {
    let limits = Limits {
        rate: 1e-6,
        burst: 50.0,
        patience: NEVER,
        idle: NEVER,
        ..Limits::default()
    };
    serving(limits, |at| {
        // A request whose body is still to come has been counted.
        let mut begun = connect(at);
        let whole = post(at, "", &stroke());
        let (head, body) = whole.split_at(whole.len() - 9);
        begun
            .write_all(&[&get("/network", at)[..], head].concat())
            .unwrap();
        assert_eq!(reply(&mut begun).unwrap().status, 200);
        let mut others = connect(at);
        let mut answered = 0;
        loop {
            others.write_all(&get("/network", at)).unwrap();
            let reply = reply(&mut others).unwrap();
            if reply.status == 429 {
                assert!(reply.head.contains("\r\nRetry-After: 1\r\n"));
                reply.refused(429);
                break;
            }
            answered += 1;
        }
        assert_eq!(answered, 48);
        begun.write_all(body).unwrap();
        assert_eq!(reply(&mut begun).unwrap().status, 200);
        // Nobody waits for the body of one that is too many.
        let mut late = connect(at);
        late.write_all(head).unwrap();
        reply(&mut late).unwrap().refused(429);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_silent_client_leaves_the_others_their_places() {
    let limits = Limits {
        connections: 6,
        per_peer: 2,
        grace: NEVER,
        patience: NEVER,
        idle: NEVER,
        ..Limits::default()
    };
    assert!(4 * Limits::default().per_peer <= Limits::default().connections);
    serving(limits, |at| {
        let mut silent = [connect_from(1, at), connect_from(1, at)];
        for _ in 0..10 {
            reply(&mut connect_from(1, at)).unwrap().refused(503);
        }
        for last in 2..20 {
            assert_eq!(ask_from(last, at), 200);
        }
        // Without anybody in need those that are silent are kept.
        for stream in &mut silent {
            stream.write_all(&get("/network", at)).unwrap();
            assert_eq!(reply(stream).unwrap().status, 200);
        }
    });
}

#[test]
fn silent_and_trickling_clients_give_way_to_those_who_wait() {
    // Where there is no place left at all, and where the peer has all that it may have.
    for (per_peer, places) in [(9, 3), (2, 2)] {
        let limits = Limits {
            connections: 3,
            per_peer,
            grace: Duration::from_millis(50),
            patience: NEVER,
            idle: NEVER,
            ..Limits::default()
        };
        serving(limits, |at| {
            let mut taken: Vec<_> = (0..places).map(|_| connect(at)).collect();
            // One has begun a request and goes on with it byte by byte.
            taken[0].write_all(b"GET /networ").unwrap();
            for _ in 0..places {
                let mut tries = 0..1000;
                let mut got = tries.find_map(|_| {
                    let _ = taken[0].write_all(b"k");
                    std::thread::sleep(Duration::from_millis(5));
                    let mut stream = connect(at);
                    let _ = stream.write_all(&get("/network", at));
                    reply(&mut stream)
                        .is_some_and(|reply| reply.status == 200)
                        .then_some(stream)
                });
                taken.push(got.take().expect("a place is given up"));
            }
            // All that were silent are gone; the newest, which has asked, is not.
            for stream in &mut taken[1..places] {
                assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            }
            let newest = taken.last_mut().unwrap();
            newest.write_all(&get("/network", at)).unwrap();
            assert_eq!(reply(newest).unwrap().status, 200);
        });
    }
}
