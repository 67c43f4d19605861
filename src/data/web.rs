//! How addresses of the network are opened: by the crate's own client (the cargo feature
//! `download`), or by one that the program brings ([`set_web`]). The Python package brings
//! Python's, with its certificates and proxies.

use std::io::{self, Read};
use std::sync::OnceLock;

/// What a server answers: a file.
pub struct Answer {
    /// Its number of bytes, if the server says.
    pub total: Option<u64>,
    /// Its bytes.
    pub body: Box<dyn Read + Send>,
}

/// A client that opens `http` and `https` addresses.
pub trait Web: Send + Sync {
    /// Returns what is at `url`, or at the address that it redirects to; at most `most` bytes of it
    /// will be read.
    ///
    /// # Errors
    /// The reason, in plain words, why there is nothing: no such host, a status of refusal.
    fn get(&self, url: &str, most: u64) -> Result<Answer, String>;
}

/// The client that the program brought.
static BROUGHT: OnceLock<Box<dyn Web>> = OnceLock::new();

/// Has every address opened by `web` from now on. Returns whether it is the first that was set;
/// a second one is not taken.
pub fn set_web(web: Box<dyn Web>) -> bool {
    BROUGHT.set(web).is_ok()
}

/// Returns the client that the program brought.
pub(super) fn brought() -> Option<&'static dyn Web> {
    BROUGHT.get().map(|web| &**web)
}

/// Returns whether `text` is an `http` or `https` address.
pub(super) fn is_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    })
}

/// Returns an error in plain words, without the error number of the operating system.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}
