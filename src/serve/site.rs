//! What is answered to a request: the page, the network's description, and what
//! the network makes of a drawing.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::hosts::Hosts;
use super::http::{Request, Response, Sizes, parse};
use super::reader::{Drawing, Reader};

/// The page: hand-written, with everything that it needs.
const PAGE: &str = include_str!("page.html");

/// The page may run its own script and style, talk to its own server, and nothing
/// else.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JSON: &str = "application/json";

/// A network behind its page.
pub struct Site {
    hosts: Hosts,
    about: Vec<u8>,
    reader: Mutex<Reader>,
}

impl Site {
    /// The site of a network, for requests addressed to `hosts`.
    pub fn new(reader: Reader, hosts: Hosts) -> Self {
        Self {
            hosts,
            about: json(reader.about()),
            reader: Mutex::new(reader),
        }
    }

    /// Answers the first request of `bytes`, and says how many of them it took; `None`
    /// if it is not whole yet. Whatever the bytes are, nothing panics.
    pub fn respond(&self, bytes: &[u8], sizes: Sizes) -> Option<(Vec<u8>, usize, bool)> {
        match parse(bytes, sizes) {
            Ok(None) => None,
            Ok(Some((request, used))) => {
                let mut response = self.answer(&request);
                response.close |= request.close;
                let head_only = request.method == "HEAD";
                Some((response.to_bytes(head_only), used, response.close))
            }
            Err(refusal) => Some((refusal.to_bytes(false), bytes.len(), true)),
        }
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request<'_>) -> Response {
        if !self.hosts.allow(request.host) {
            return Response::refusal(
                403,
                "this server has another name; use its address, or start it with this name",
            );
        }
        let own = |origin| self.hosts.is_own(origin, request.host);
        if request.origin.is_some_and(|origin| !own(origin)) {
            return Response::refusal(403, "a page from elsewhere may not ask");
        }
        match (request.method, request.path) {
            ("GET" | "HEAD", "/") => Response::ok("text/html; charset=utf-8", PAGE)
                .with("Content-Security-Policy", POLICY)
                .with("Referrer-Policy", "no-referrer"),
            ("GET" | "HEAD", "/network") => Response::ok(JSON, self.about.as_slice()),
            ("POST", "/read") => self.read(request),
            (_, "/" | "/network") => {
                Response::refusal(405, "only GET is known here").with("Allow", "GET, HEAD")
            }
            (_, "/read") => Response::refusal(405, "only POST is known here").with("Allow", "POST"),
            _ => Response::refusal(404, "there is nothing here; see /"),
        }
    }

    fn read(&self, request: &Request<'_>) -> Response {
        // A type that a page elsewhere cannot send without asking first.
        let kind = request.content_type.unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(JSON) {
            return Response::refusal(415, "send JSON, as Content-Type: application/json");
        }
        let drawing: Drawing = match serde_json::from_slice(request.body) {
            Ok(drawing) => drawing,
            Err(error) => return Response::refusal(400, &format!("this is no drawing: {error}")),
        };
        // A reader that panicked has whole values still.
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match reader.read(&drawing) {
            Ok(answer) => Response::ok(JSON, json(&answer)),
            Err(why) => Response::refusal(422, why),
        }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Maps with odd keys alone cannot be written, and there are none.
    serde_json::to_vec(value).unwrap_or_default()
}
