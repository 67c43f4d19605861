//! A packed network as one HTML page that needs nothing else: the network, and its inference as
//! WebAssembly.
//!
//! `runtime.bin` holds that runtime, made of the crate in `examples/page_runtime` by
//! `tests/tools/page_runtime.sh` and the same for every network: the lengths of what follows, and a
//! stream of DEFLATE with the module without SIMD and the steps that make the one with SIMD of it
//! (`runtime.js` reads them).

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};

use super::About;
use crate::error::{Error, Result};
use crate::packed::PackedNet;

/// The page: hand-written, with these names where other files are put.
const PAGE: &str = include_str!("page.html");
const PARTS: [(&str, &str); 4] = [
    ("/* style.css */", include_str!("style.css")),
    ("/* pen.js */", include_str!("pen.js")),
    ("/* bits.js */", include_str!("bits.js")),
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
        (
            "/* packed */",
            printed(&squeezed(&net.to_compact_bytes()?)?),
        ),
        ("/* runtime */", printed(RUNTIME)),
        ("/* title */", escaped(title)),
    ];
    let page = PARTS.iter().fold(PAGE.to_string(), |page, (name, text)| {
        page.replacen(name, text, 1)
    });
    // Comments and the blanks before a line are for those who read the source.
    let lines = page.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    let page: String = lines.flat_map(|line| [line, "\n"]).collect();
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
    // Of the training images; dark where that is not known.
    let light = net.lineage().and_then(|lineage| lineage.light_ground) == Some(true);
    json!({
        "title": title, "name": net.name(), "classes": net.classes(),
        "height": net.input().height, "width": net.input().width, "layers": layers,
        "light": light, "stochastic": net.is_stochastic(), "sha256": about.sha256, "lines": about.lines,
    })
}

/// Returns a text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Returns bytes as characters that a script element holds as they are: 13 bits, the lowest first, are
/// two digits of base 91, the lower one first. Four bytes take less than five characters.
fn printed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 5 / 4 + 2);
    let (mut held, mut count) = (0u32, 0);
    // Zeros fill the last word.
    let padded = bytes.iter().copied().chain([0, 0]);
    let mut left = (bytes.len() * 8).div_ceil(13);
    for byte in padded {
        (held, count) = (held | u32::from(byte) << count, count + 8);
        if count >= 13 && left > 0 {
            text.push(digit(held % (1 << 13) % 91));
            text.push(digit(held % (1 << 13) / 91));
            (held, count, left) = (held >> 13, count - 13, left - 1);
        }
    }
    text
}

/// A digit of base 91: the characters of ASCII from `#` to `~` without `<`.
fn digit(value: u32) -> char {
    let place = if value < 25 { 35 + value } else { 36 + value };
    char::from(place as u8)
}

/// Returns the number of bytes in four bytes, the lowest first, and a stream of DEFLATE (RFC 1951) of
/// the bytes.
fn squeezed(bytes: &[u8]) -> Result<Vec<u8>> {
    let fail = |e: std::io::Error| Error::spec(format!("the network is not compressed: {e}"));
    let size = u32::try_from(bytes.len());
    let size = size.map_err(|_| Error::spec("a page holds a network of less than 4 GiB"))?;
    let to = size.to_le_bytes().to_vec();
    let mut to = DeflateEncoder::new(to, Compression::best());
    to.write_all(bytes).map_err(fail)?;
    to.finish().map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_printed_and_can_be_read() {
        for length in [0, 1, 2, 3, 12, 13, 14, 100, 1001] {
            let bytes: Vec<u8> = (0..length).map(|i| (i * i * 7 + 3 * i) as u8).collect();
            let text = printed(&bytes);
            assert!(text.chars().all(|c| ('#'..='~').contains(&c) && c != '<'));
            assert_eq!(text.len(), (length * 8usize).div_ceil(13) * 2);
            let value = |c: u8| u32::from(c) - if c < b'<' { 35 } else { 36 };
            let (mut found, mut held, mut count) = (Vec::new(), 0, 0);
            for pair in text.as_bytes().chunks(2) {
                held |= (value(pair[0]) + 91 * value(pair[1])) << count;
                count += 13;
                while count >= 8 {
                    found.push(held as u8);
                    (held, count) = (held >> 8, count - 8);
                }
            }
            assert_eq!(found[..length], bytes);
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
