//! What is at an address of the network, as a stream of bytes, by the client that there is.

use std::io::{self, Write};

use super::event::Event;
#[cfg(feature = "download")]
use super::web::Web;
use super::web::{self, Answer, plain};

/// Returns whether addresses can be opened at all.
pub(super) fn is_there() -> bool {
    cfg!(feature = "download") || web::brought().is_some()
}

fn get(url: &str, most: u64) -> Result<Answer, String> {
    match web::brought() {
        Some(web) => web.get(url, most),
        #[cfg(feature = "download")]
        None => super::https::Client.get(url, most),
        #[cfg(not(feature = "download"))]
        None => Err("nothing opens addresses in this program".into()),
    }
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
