//! What is answered to a request: the page, the network's description, and what
//! the network makes of a drawing.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::comparer::{Comparer, Question};
use super::hosts::Hosts;
use super::http::{Request, Response, Sizes, parse};
use super::reader::{Drawing, Reader};

/// The pages: hand-written. What both have stands in files of its own, in whose place a page has
/// their names.
const DIGITS: &str = include_str!("page/digits.html");
const FEW_SHOT: &str = include_str!("page/few_shot.html");
const STYLE: [&str; 2] = ["/* style.css */", include_str!("../export/page/style.css")];
const PEN: [&str; 2] = ["/* pen.js */", include_str!("../export/page/pen.js")];
const BITS: [&str; 2] = ["/* bits.js */", include_str!("../export/page/bits.js")];

/// The page may run its own script and style, talk to its own server, and nothing
/// else.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JSON: &str = "application/json";

/// What a site does with a drawing.
enum Behind {
    Reads(Box<Mutex<Reader>>),
    Compares(Box<Mutex<Comparer>>),
}

/// A network behind its page.
pub struct Site {
    hosts: Hosts,
    page: String,
    about: Vec<u8>,
    behind: Behind,
}

impl Site {
    /// The site of a network with classes of its own, for requests addressed to `hosts`.
    pub fn new(reader: Reader, hosts: Hosts) -> Self {
        Self {
            hosts,
            page: whole(DIGITS),
            about: json(reader.about()),
            behind: Behind::Reads(Box::new(Mutex::new(reader))),
        }
    }

    /// The site of a network that compares, for requests addressed to `hosts`.
    pub fn comparing(comparer: Comparer, hosts: Hosts) -> Self {
        Self {
            hosts,
            page: whole(FEW_SHOT),
            about: json(comparer.about()),
            behind: Behind::Compares(Box::new(Mutex::new(comparer))),
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
            ("GET" | "HEAD", "/") => Response::ok("text/html; charset=utf-8", self.page.as_str())
                .with("Content-Security-Policy", POLICY)
                .with("Referrer-Policy", "no-referrer"),
            ("GET" | "HEAD", "/network") => Response::ok(JSON, self.about.as_slice()),
            (_, "/" | "/network") => {
                Response::refusal(405, "only GET is known here").with("Allow", "GET, HEAD")
            }
            (method, path) if path == self.asked_at() => match method {
                "POST" => self.asked(request),
                _ => Response::refusal(405, "only POST is known here").with("Allow", "POST"),
            },
            _ => Response::refusal(404, "there is nothing here; see /"),
        }
    }

    /// Where drawings are sent.
    fn asked_at(&self) -> &'static str {
        match self.behind {
            Behind::Reads(_) => "/read",
            Behind::Compares(_) => "/compare",
        }
    }

    fn asked(&self, request: &Request<'_>) -> Response {
        match &self.behind {
            Behind::Reads(reader) => on(request, "drawing", reader, |r, d: &Drawing| r.read(d)),
            Behind::Compares(comparer) => on(request, "question", comparer, |c, q: &Question| {
                c.compare(q)
            }),
        }
    }
}

/// The page with what it shares with the other.
fn whole(page: &str) -> String {
    let parts = [STYLE, PEN, BITS].into_iter();
    parts.fold(page.to_string(), |page, [name, text]| {
        page.replace(name, text)
    })
}

/// Answers what a request has for a body.
fn on<Asked: DeserializeOwned, Net, Answer: Serialize>(
    request: &Request<'_>,
    what: &str,
    behind: &Mutex<Net>,
    answer: impl FnOnce(&mut Net, &Asked) -> Result<Answer, &'static str>,
) -> Response {
    // A type that a page elsewhere cannot send without asking first.
    let kind = request.content_type.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(JSON) {
        return Response::refusal(415, "send JSON, as Content-Type: application/json");
    }
    let asked: Asked = match serde_json::from_slice(request.body) {
        Ok(asked) => asked,
        Err(error) => return Response::refusal(400, &format!("this is no {what}: {error}")),
    };
    // One that panicked has whole values still.
    let mut net = behind.lock().unwrap_or_else(PoisonError::into_inner);
    match answer(&mut net, &asked) {
        Ok(answer) => Response::ok(JSON, json(&answer)),
        Err(why) => Response::refusal(422, why),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Maps with odd keys alone cannot be written, and there are none.
    serde_json::to_vec(value).unwrap_or_default()
}
