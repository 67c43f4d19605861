//! How addresses of the network are opened: by the crate's own client (the cargo feature
//! `download`), or by one that the program brings ([`set_web`]). The Python package brings
//! Python's, with its certificates and proxies.

use std::io::{self, Read, Write};
use std::sync::OnceLock;

use super::event::Event;

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

/// Returns whether addresses can be opened at all.
pub(super) fn is_there() -> bool {
    cfg!(feature = "download") || BROUGHT.get().is_some()
}

fn get(url: &str, most: u64) -> Result<Answer, String> {
    match BROUGHT.get() {
        Some(web) => web.get(url, most),
        #[cfg(feature = "download")]
        None => super::https::Client.get(url, most),
        #[cfg(not(feature = "download"))]
        None => Err("nothing opens addresses in this program".into()),
    }
}

/// Returns whether `text` is an `http` or `https` address.
pub(super) fn is_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    })
}

/// The reason why a response body was not received.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server did not send it; the text says why.
    Network(String),
    /// It could not be written to the disk.
    Disk(io::Error),
}

impl From<String> for Broken {
    fn from(why: String) -> Self {
        Self::Network(why)
    }
}

/// Writes the response body at `url` to `sink`, and fails if it has more than `most` bytes.
pub(super) fn stream(
    url: &str,
    file: &str,
    most: u64,
    sink: &mut impl Write,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<(), Broken> {
    let Answer { total, mut body } = get(url, most)?;
    let too_long = || Broken::Network(format!("the file is larger than {most} bytes"));
    if total.is_some_and(|total| total > most) {
        return Err(too_long());
    }
    let mut received = 0;
    let mut block = vec![0; 1 << 16];
    loop {
        let n = body.read(&mut block).map_err(|e| plain(&e))?;
        if n == 0 {
            break;
        }
        received += n as u64;
        if received > most {
            return Err(too_long());
        }
        sink.write_all(&block[..n]).map_err(Broken::Disk)?;
        events(Event::Received {
            file,
            bytes: received,
            total,
        });
    }
    match total {
        Some(total) if total != received => Err(Broken::Network(format!(
            "the connection ended after {received} of {total} bytes"
        ))),
        _ => Ok(()),
    }
}

/// Returns an error in plain words, without the error number of the operating system.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}
