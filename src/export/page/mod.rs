//! A packed network as one HTML page that needs nothing else: the network, and its inference as
//! WebAssembly.
//!
//! `runtime.bin` holds that runtime, made of the crate in `examples/page_runtime` by
//! `tests/tools/page_runtime.sh` and the same for every network: the lengths of what follows, and a
//! stream of DEFLATE with the module without SIMD and the steps that make the one with SIMD of it
//! (`runtime.js` reads them).

use serde_json::{Value, json};

use super::About;
use crate::error::{Error, Result};
use crate::packed::PackedNet;

/// The page: hand-written, with these names where other files are put.
const PAGE: &str = include_str!("page.html");
const PARTS: [(&str, &str); 3] = [
    ("/* style.css */", include_str!("style.css")),
    ("/* pen.js */", include_str!("pen.js")),
    ("/* runtime.js */", include_str!("runtime.js")),
];

/// The runtime.
const RUNTIME: &[u8] = include_bytes!("runtime.bin");

/// The longest side of an image: larger ones are slow on a page.
const MAX_SIDE: usize = 256;

/// Returns the page. Its title is that of the network in a few words.
///
/// # Errors
/// [`Error::Spec`] if the network takes images that are not grey or have more than 256 pixels to a
/// side, or ends in an embedding and has no classes of its own.
pub fn html(net: &PackedNet, title: &str, about: &About) -> Result<String> {
    let input = net.input();
    let fail = |what: String| Err(Error::spec(format!("{}: {what}", net.name())));
    if input.channels != 1 {
        return fail(format!(
            "a page shows grey drawings and pictures, but this network takes images of {input}; export a network of one channel"
        ));
    }
    if input.height.max(input.width) > MAX_SIDE {
        return fail(format!(
            "a page takes images of at most {MAX_SIDE} pixels to a side, but this network those of {input}; export a network of smaller images"
        ));
    }
    if net.comparison().is_some() {
        return fail(
            "a page names classes, but this network ends in an embedding and has none; `bnn-cpu serve` has a page for it"
                .into(),
        );
    }
    let data = [
        (
            "/* network */",
            described(net, title, about)
                .to_string()
                .replace('<', "\\u003c"),
        ),
        ("/* packed */", base64(&net.to_bytes()?)),
        ("/* runtime */", base64(RUNTIME)),
        ("/* title */", escaped(title)),
    ];
    let page = PARTS.iter().fold(PAGE.to_string(), |page, (name, text)| {
        page.replacen(name, text, 1)
    });
    // What a network says of itself comes last, so that no name within it is replaced.
    let at = |name: &str| page.find(name).unwrap_or(page.len());
    let mut places: Vec<_> = data
        .iter()
        .map(|(name, text)| (at(name), name, text))
        .collect();
    places.sort();
    let (mut whole, mut done) = (String::with_capacity(page.len() * 8), 0);
    for (place, name, text) in places {
        whole += &page[done..place];
        whole += text;
        done = place + name.len();
    }
    whole += &page[done..];
    Ok(whole)
}

/// What the page knows of its network.
fn described(net: &PackedNet, title: &str, about: &About) -> Value {
    let outputs = net.stages().iter().zip(net.flows()).enumerate();
    let layers = outputs.filter(|(_, (_, flow))| flow.output().1.is_bits());
    let layers: Vec<_> = layers
        .map(|(i, (stage, flow))| {
            let shape = flow.output().0;
            json!({
                "stage": i, "name": stage.name,
                "channels": shape.channels, "height": shape.height, "width": shape.width,
            })
        })
        .collect();
    json!({
        "title": title, "name": net.name(), "classes": net.classes(),
        "height": net.input().height, "width": net.input().width, "layers": layers,
        "stochastic": net.is_stochastic(), "sha256": about.sha256, "lines": about.lines,
    })
}

/// Returns a text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Returns bytes in Base64 (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = (0..3).fold(0, |word, i| {
            word << 8 | u32::from(*three.get(i).unwrap_or(&0))
        });
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { digit as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_its_digits_and_its_padding() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (b"\xff\xfe\xfd\x00", "//79AA=="),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn every_name_of_a_part_is_in_the_page_once() {
        let data = [
            "/* network */",
            "/* packed */",
            "/* runtime */",
            "/* title */",
        ];
        let parts = PARTS.iter().map(|(name, _)| *name);
        for name in parts.chain(data) {
            assert_eq!(PAGE.matches(name).count(), 1, "{name}");
        }
    }
}
