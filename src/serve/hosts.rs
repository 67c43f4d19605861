//! Whom a request may be addressed to.
//!
//! A page elsewhere can have its own name resolve to 127.0.0.1, and the browser
//! then lets it talk to what listens there ("DNS rebinding"). Such a request
//! carries that name as its `Host`, so only names that cannot be bent are taken:
//! addresses, `localhost`, and what the user has named.

use std::net::{IpAddr, SocketAddr};

/// The names by which requests may address a server: addresses, `localhost`, and what the user
/// has named.
#[derive(Clone, Debug)]
pub struct Hosts {
    bound: IpAddr,
    names: Vec<String>,
}

impl Hosts {
    /// The names of a server that listens on `bound`, and the further `names`.
    pub fn new(bound: SocketAddr, names: Vec<String>) -> Self {
        Self {
            bound: bound.ip().to_canonical(),
            names,
        }
    }

    /// Whether a `Host` field names this server. The port may be any: behind a tunnel it is
    /// another than here.
    pub fn allow(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
        let address = match bare {
            Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
            None => name.parse().ok().filter(IpAddr::is_ipv4),
        };
        match address {
            Some(address) if self.bound.is_unspecified() || address == self.bound => true,
            Some(address) => self.bound.is_loopback() && address.is_loopback(),
            None => {
                let mut known = self.names.iter().map(String::as_str).chain(["localhost"]);
                bare.is_none() && known.any(|known| known.eq_ignore_ascii_case(name))
            }
        }
    }

    /// Whether an `Origin` field names the page that `host` itself serves.
    pub fn is_own(&self, origin: &str, host: &str) -> bool {
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    }
}

/// The name without a port, which must be a number where there is one.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.rfind(']') {
        Some(end) => end + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    match port.strip_prefix(':') {
        None => port.is_empty().then_some(name),
        Some("") => Some(name),
        Some(digits) => {
            let number = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 5;
            number.then_some(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(bound: &str) -> Hosts {
        Hosts::new(bound.parse().unwrap(), vec!["digits.lan".into()])
    }

    #[test]
    fn loopback_answers_to_loopback_alone() {
        let hosts = hosts("127.0.0.1:8080");
        for good in [
            "127.0.0.1:8080",
            "127.0.0.1",
            "localhost:9000",
            "LOCALHOST",
            "[::1]:8080",
            "digits.lan:8080",
            "localhost:",
        ] {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "evil.example:8080",
            "localhost.evil.example",
            "evil.example#localhost",
            "192.168.1.5:8080",
            "127.0.0.1.evil.example",
            "localhost:80x",
            "[localhost]",
            "[127.0.0.1]",
            "::1",
            "[::1",
            "]",
            "",
            ":",
            "é]",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }

    #[test]
    fn elsewhere_addresses_are_taken_and_names_are_not() {
        let any = hosts("0.0.0.0:80");
        assert!(any.allow("192.168.1.5") && any.allow("[fe80::1]:80") && any.allow("digits.lan"));
        assert!(!any.allow("evil.example"));
        // A socket for both kinds names an IPv4 address by an IPv6 one.
        assert!(hosts("[::ffff:127.0.0.1]:80").allow("localhost:80"));
        assert!(hosts("[::ffff:127.0.0.1]:80").allow("127.0.0.1:80"));
        let one = hosts("192.168.1.5:80");
        assert!(one.allow("192.168.1.5:80"));
        assert!(!one.allow("192.168.1.6") && !one.allow("127.0.0.1"));
    }

    #[test]
    fn a_page_elsewhere_is_not_our_own() {
        let hosts = hosts("127.0.0.1:8080");
        assert!(hosts.is_own("http://127.0.0.1:8080", "127.0.0.1:8080"));
        for other in ["null", "http://127.0.0.1:9000", "http://evil.example", ""] {
            assert!(!hosts.is_own(other, "127.0.0.1:8080"), "{other}");
        }
    }
}
