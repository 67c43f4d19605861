//! Tests of damaged and malicious picture files; `tests/loaders.rs` compares sound ones with
//! Pillow's.

use super::*;

/// Reads a JPEG file that Pillow wrote, of 24x16 grey pixels, from the fixtures.
fn jpeg(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jpeg.zip");
    let zip = std::fs::read(path).unwrap();
    let archive = rawzip::ZipArchive::from_slice(&zip[..]).unwrap();
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().unwrap() {
        if entry.file_path().as_bytes().ends_with(name.as_bytes()) {
            let data = archive.get_entry(entry.wayfinder()).unwrap();
            let mut reader = flate2::read::DeflateDecoder::new(data.data());
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
            return bytes;
        }
    }
    panic!("{name} is not in the fixture");
}

#[test]
fn grey_is_told_by_the_pixels() {
    let grey = decode(&jpeg("grey.jpg")).unwrap();
    assert_eq!((grey.width, grey.height, grey.channels), (24, 16, 1));
    let colour = decode(&jpeg("444.jpg")).unwrap();
    assert_eq!(colour.channels, 3);
    assert!(grey.is_grey() && !colour.is_grey());
    let stored_in_colour = Raster {
        channels: 4,
        pixels: vec![5, 5, 5, 0, 9, 9, 9, 1],
        width: 2,
        height: 1,
    };
    assert!(stored_in_colour.is_grey());
}

#[test]
fn a_jpeg_that_is_cut_short_is_refused() {
    for name in ["grey.jpg", "420.jpeg", "progressive.JPG", "turned.jpg"] {
        let whole = jpeg(name);
        decode(&whole).unwrap();
        for end in 0..whole.len() {
            let Err(Fault::Format(what)) = decode(&whole[..end]) else {
                panic!("{end} bytes of {name} are a picture");
            };
            assert!(!what.contains('\n') && what.contains(';'), "{what}");
        }
    }
}

#[test]
fn a_jpeg_that_claims_to_be_large_is_refused() {
    let mut giant = jpeg("grey.jpg");
    // The header of the frame: marker, length, bits, height, width.
    let at = giant.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    giant[at + 5..at + 9].copy_from_slice(&[0xFF, 0xFE, 0xFF, 0xFE]);
    let Err(Fault::Format(what)) = decode(&giant) else {
        panic!("a giant was decoded");
    };
    assert!(what.contains("65534x65534; the limit is"), "{what}");
}
