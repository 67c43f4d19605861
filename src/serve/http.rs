//! One HTTP request out of the bytes of a connection, and a response into them.
//!
//! The grammar is `httparse`'s; the framing is here, as narrow as a page needs: HTTP/1.0
//! and 1.1, a body of declared length, nothing chunked. **Invariant:** whatever
//! the bytes are, the outcome is "more", a request, or a refusal of one line.

use super::reader::MAX_BODY;

/// Header fields that a request may have.
const MAX_FIELDS: usize = 64;

/// A whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// `GET`, `POST`, ...
    pub method: &'a str,
    /// The path, without what follows a `?`.
    pub path: &'a str,
    /// Whom it is addressed to: the authority of an absolute target, else the `Host`.
    pub host: &'a str,
    /// The page that sent it, where a browser says so.
    pub origin: Option<&'a str>,
    /// What the body is said to be.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// Whether the connection ends with it.
    pub close: bool,
}

/// The bytes that the parts of a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The most bytes of the request line and the header fields.
    pub head: usize,
    /// The most bytes of the body.
    pub body: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            head: 8 << 10,
            body: MAX_BODY,
        }
    }
}

/// The first request of `bytes` and how many of them it takes; `None` if it is not
/// whole yet.
///
/// # Errors
/// A refusal, after which the connection has to end: where the next request would
/// begin is not known.
pub fn parse(bytes: &[u8], sizes: Sizes) -> Result<Option<(Request<'_>, usize)>, Response> {
    let refuse = |status, why: &str| Err(Response::refusal(status, why).closing());
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let Some(length) = parse_head(&mut head, bytes, sizes)? else {
        return Ok(None);
    };
    let (Some(method), Some(target)) = (head.method, head.path) else {
        return refuse(400, "this is no HTTP request");
    };
    let old = head.version == Some(0);
    let mut found = Fields {
        close: old,
        ..Fields::default()
    };
    for field in head.headers.iter() {
        found.take(field)?;
    }
    let (authority, path) = split(target)?;
    let host = match (found.host, authority) {
        // Whom an absolute target names counts, whatever the Host says; HTTP/1.1 must
        // have a Host all the same.
        (Some(_), Some(authority)) => authority,
        (None, Some(authority)) if old => authority,
        (Some(host), None) => host,
        (None, _) => return refuse(400, "there must be a Host"),
    };
    let body = match (found.length, method) {
        (None, "POST" | "PUT" | "PATCH") => {
            return refuse(411, "a body needs its Content-Length");
        }
        (length, _) => length.unwrap_or(0),
    };
    if body > sizes.body {
        let most = sizes.body;
        return refuse(413, &format!("a body may have {most} bytes"));
    }
    let Some(body) = bytes.get(length..length + body) else {
        return Ok(None);
    };
    let request = Request {
        method,
        path,
        host,
        origin: found.origin,
        content_type: found.content_type,
        body,
        close: found.close,
    };
    Ok(Some((request, length + body.len())))
}

/// Parses the request line and the header fields, and gives the number of their bytes; `None`
/// if they are not whole yet.
fn parse_head<'b>(
    head: &mut httparse::Request<'_, 'b>,
    bytes: &'b [u8],
    sizes: Sizes,
) -> Result<Option<usize>, Response> {
    let refuse = |status, why: &str| Err(Response::refusal(status, why).closing());
    match head.parse(&bytes[..bytes.len().min(sizes.head)]) {
        Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
        Ok(httparse::Status::Partial) if bytes.len() < sizes.head => Ok(None),
        Ok(httparse::Status::Partial) => {
            refuse(431, "the request line and header fields are too long")
        }
        Err(httparse::Error::TooManyHeaders) => refuse(431, "there are too many header fields"),
        Err(httparse::Error::Version) => refuse(400, "send HTTP/1.1"),
        Err(error) => refuse(400, &format!("this is no HTTP request: {error}")),
    }
}

/// The authority of a target in absolute form (RFC 9112, 3.2.2), `None` of one in origin
/// form; and the path of either, without what follows a `?`.
fn split(target: &str) -> Result<(Option<&str>, &str), Response> {
    let refuse = |status, why: &str| Err(Response::refusal(status, why).closing());
    let path = |rest| str::split(rest, ['?', '#']).next().unwrap_or(rest);
    if target.starts_with('/') {
        return Ok((None, path(target)));
    }
    let Some((scheme, rest)) = target.split_once("://") else {
        return refuse(
            400,
            "the target must be a path, such as /, or begin with http://",
        );
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return refuse(421, "only targets that begin with http:// are known here");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.is_empty() || authority.starts_with(':') {
        return refuse(400, "the target names no host");
    }
    if authority.contains('@') {
        return refuse(400, "the target may hold no user's name");
    }
    match path(rest) {
        "" => Ok((Some(authority), "/")),
        path => Ok((Some(authority), path)),
    }
}

/// Whether a `Host` has the form of one; it may be empty. Whether it is known here is
/// another question.
fn is_host(value: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&b);
    value.bytes().all(known)
}

/// The header fields that matter.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a str>,
    origin: Option<&'a str>,
    content_type: Option<&'a str>,
    length: Option<usize>,
    close: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, field: &httparse::Header<'a>) -> Result<(), Response> {
        let refuse = |status, why: &str| Err(Response::refusal(status, why).closing());
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let known = ["host", "origin", "content-type", "content-length"];
        let other = ["transfer-encoding", "connection", "expect"];
        if !known.iter().chain(&other).any(|name| is(name)) {
            return Ok(());
        }
        let Ok(value) = std::str::from_utf8(field.value) else {
            return refuse(400, "a header field is not text");
        };
        let value = value.trim();
        if is("transfer-encoding") {
            return refuse(411, "send a Content-Length in place of Transfer-Encoding");
        }
        if is("expect") {
            return refuse(417, "send the body at once, without Expect");
        }
        if is("connection") {
            let mut words = value.split(',').map(str::trim);
            self.close |= words.any(|word| word.eq_ignore_ascii_case("close"));
            return Ok(());
        }
        let twice = if is("content-length") {
            // Digits alone: a sign or a list may be read differently elsewhere.
            if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
                return refuse(400, "Content-Length must be a number of bytes");
            }
            // What is no usize is too long as well.
            let length = value.parse().unwrap_or(usize::MAX);
            self.length.replace(length).is_some()
        } else if is("host") {
            if !is_host(value) {
                return refuse(400, "the Host is no name, address or port");
            }
            self.host.replace(value).is_some()
        } else if is("origin") {
            self.origin.replace(value).is_some()
        } else {
            self.content_type.replace(value).is_some()
        };
        match twice {
            true => refuse(400, &format!("{} stands there twice", field.name)),
            false => Ok(()),
        }
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// Further header fields.
    pub fields: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the connection ends with it.
    pub close: bool,
}

impl Response {
    /// The response 200 with a body that was asked for.
    pub fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            content_type,
            fields: Vec::new(),
            body: body.into(),
            close: false,
        }
    }

    /// A response with a status of failure and one line that says why.
    pub fn refusal(status: u16, why: &str) -> Self {
        let clean: String = why
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Self {
            status,
            ..Self::ok("text/plain; charset=utf-8", clean + "\n")
        }
    }

    /// The same response, which ends the connection.
    pub fn closing(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }

    /// The same response with a further header field.
    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push((name, value));
        self
    }

    /// The response as it is sent; to `HEAD` without its body.
    pub fn to_bytes(&self, head_only: bool) -> Vec<u8> {
        use std::io::Write;
        let mut bytes = Vec::with_capacity(self.body.len() + 512);
        let connection = if self.close { "close" } else { "keep-alive" };
        // Writing to memory cannot fail.
        let _ = write!(
            bytes,
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n",
            self.status,
            reason(self.status),
            self.content_type,
            self.body.len()
        );
        for (name, value) in &self.fields {
            let _ = write!(bytes, "{name}: {value}\r\n");
        }
        bytes.extend(b"\r\n");
        if !head_only {
            bytes.extend(&self.body);
        }
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
