//! Helpers for the tests of this folder: the folder of the real MNIST, and a small web server.

#![cfg_attr(not(feature = "download"), allow(dead_code))]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

/// Returns the folder with the real MNIST, or `None` after printing which test is left out. The
/// line bypasses the capture of the test harness, so it is always shown.
pub(crate) fn mnist_folder(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BNN_CPU_DATA").filter(|value| !value.is_empty());
    if folder.is_none() {
        // One write keeps the lines of parallel tests whole.
        let line = format!("left out: {test} needs MNIST (set BNN_CPU_DATA)\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    folder.map(PathBuf::from)
}

/// What the server answers to one request.
pub(crate) struct Reply {
    status: u16,
    claimed: u64,
    /// The address in the header `location`; without such a header if it is empty.
    location: String,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::claiming(body, body.len() as u64)
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::ok(b"no")
        }
    }

    /// Redirects the client to `location`.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self {
            location: location.into(),
            ..Self::status(status)
        }
    }

    /// States the length of the whole `body` and closes the connection after `sent` bytes.
    pub(crate) fn cut_short(body: &[u8], sent: usize) -> Self {
        Self::claiming(&body[..sent], body.len() as u64)
    }

    /// Sends `body` with a header that states another length.
    pub(crate) fn claiming(body: &[u8], claimed: u64) -> Self {
        Self {
            status: 200,
            claimed,
            location: String::new(),
            body: body.to_vec(),
        }
    }
}

/// A server on the loopback interface; it ends with the test process.
pub(crate) struct Server {
    /// Its address, without a slash at the end.
    pub(crate) url: String,
}

/// Starts a server that answers each path by `reply`.
pub(crate) fn serve(reply: impl Fn(&str) -> Reply + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // An error of a client that closes the connection early is ignored.
            let _ = answer(stream, &reply);
        }
    });
    Server { url }
}

fn answer(mut stream: TcpStream, reply: &impl Fn(&str) -> Reply) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut block = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let n = stream.read(&mut block)?;
        if n == 0 {
            return Ok(());
        }
        request.extend_from_slice(&block[..n]);
    }
    let text = String::from_utf8_lossy(&request);
    let path = text.split(' ').nth(1).unwrap_or("");
    let reply = reply(path);
    let location = match &*reply.location {
        "" => String::new(),
        location => format!("Location: {location}\r\n"),
    };
    write!(
        stream,
        "HTTP/1.1 {} X\r\nContent-Length: {}\r\n{location}Connection: close\r\n\r\n",
        reply.status, reply.claimed
    )?;
    stream.write_all(&reply.body)
}

/// Returns a zip archive of these files, each compressed or stored.
pub(crate) fn zip(files: &[(&str, &[u8])], deflated: bool) -> Vec<u8> {
    use rawzip::CompressionMethod;
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content) in files {
        let method = match deflated {
            true => CompressionMethod::DEFLATE,
            false => CompressionMethod::STORE,
        };
        let file = archive.new_file(name).compression_method(method);
        let (mut entry, config) = file.start().unwrap();
        let descriptor = if deflated {
            let level = flate2::Compression::default();
            let encoder = flate2::write::DeflateEncoder::new(&mut entry, level);
            let mut writer = config.wrap(encoder);
            writer.write_all(content).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(content).unwrap();
            writer.finish().unwrap().1
        };
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}
