//! The crate's own client of [`super::web`], with TLS and the certificate authorities that browsers
//! trust.

use std::time::Duration;

use super::web::{self, Answer, Web, is_address};

/// The client.
pub(super) struct Client;

impl Web for Client {
    fn get(&self, url: &str, most: u64) -> Result<Answer, String> {
        let response = follow(url, most)?;
        Ok(Answer {
            total: response.body().content_length(),
            body: Box::new(response.into_body().into_reader()),
        })
    }
}

/// The largest number of redirects that are followed.
pub(super) const MAX_REDIRECTS: usize = 5;

/// Returns the response at `url`, or at the address that `url` redirects to.
fn follow(url: &str, most: u64) -> Result<ureq::http::Response<ureq::Body>, String> {
    let mut url = url.to_string();
    for _ in 0..=MAX_REDIRECTS {
        let response = agent(&url, most).get(&url).call().map_err(plain)?;
        let status = response.status();
        if !status.is_redirection() {
            return Ok(response);
        }
        let location = response.headers().get("location");
        let location = location.and_then(|to| to.to_str().ok()).ok_or_else(|| {
            format!("the server answered with status {status} and no address to go on to")
        })?;
        url = redirected(&url, location)?;
    }
    Err(format!(
        "the server sent on to another address more than {MAX_REDIRECTS} times"
    ))
}

/// Returns the address that the header `location`, sent by the server at `url`, stands for.
pub(super) fn redirected(url: &str, location: &str) -> Result<String, String> {
    if is_address(location) {
        return Ok(location.to_string());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (server, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let starts = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let before = location.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((other, _)) = before.split_once(':')
        && other.chars().all(starts)
    {
        return Err(format!(
            "the server sends on to \"{other}:\", which is no http:// or https:// address"
        ));
    }
    if let Some(server) = location.strip_prefix("//") {
        return Ok(format!("{scheme}://{server}"));
    }
    if location.starts_with('/') {
        return Ok(format!("{scheme}://{server}{location}"));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
    let between = if folder.is_empty() { "/" } else { folder };
    Ok(format!("{scheme}://{server}{between}{location}"))
}

/// Returns a network error in plain words.
fn plain(error: ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(status) => format!("the server answered with status {status}"),
        ureq::Error::HostNotFound => "no such host, or no network".to_string(),
        ureq::Error::Io(source) => web::plain(&source),
        other => web::plain(&std::io::Error::other(other.to_string())),
    }
}

/// Makes an HTTP agent with time limits: seconds for a connection, half a minute without data, and
/// ten minutes in all, or longer for a file of which `most` bytes are expected at 100 kB a second.
fn agent(url: &str, most: u64) -> ureq::Agent {
    let slow = Duration::from_secs((most / 100_000).max(600));
    let mut config = ureq::Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(5)))
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .timeout_global(Some(slow))
        // `follow` follows redirects itself and checks each address.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("bnn-cpu/", env!("CARGO_PKG_VERSION")));
    // A mirror on this machine is never reached through a proxy on another one.
    let on_this_machine = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    if on_this_machine.iter().any(|start| url.starts_with(start)) {
        config = config.proxy(None);
    }
    config.build().into()
}
