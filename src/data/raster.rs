//! Decoding of PNG and JPEG files, which are told apart by their first bytes.
//!
//! **Invariant:** a picture that states too large a size is refused before memory is allocated for
//! it. The same file gives the same pixels on every machine; therefore the JPEG decoder is built
//! without code for particular instruction sets.

use std::io::Cursor;

use super::fault::Fault;
use super::orientation::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The largest number of pixels of a picture.
pub const MAX_PIXELS: u64 = 1 << 25;

/// The first bytes of every PNG file.
const PNG_SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// The first bytes of every JPEG file.
const JPEG_START: [u8; 3] = [0xFF, 0xD8, 0xFF];

/// The largest number of scans of a JPEG file; cameras and programs write about ten.
const MAX_SCANS: usize = 64;

/// A decoded picture, turned to the orientation in which it is displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    /// Number of pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of channels: 1 (grey), 2 (grey, opacity), 3 (red, green, blue) or 4 (red, green,
    /// blue, opacity).
    pub channels: usize,
    /// Pixels, stored as (height, width, channel).
    pub pixels: Vec<u8>,
}

impl Raster {
    /// Returns whether the picture has no colour: it has fewer than three channels, or red, green
    /// and blue are equal in every pixel.
    pub fn is_grey(&self) -> bool {
        self.channels < 3
            || self
                .pixels
                .chunks_exact(self.channels)
                .all(|p| p[0] == p[1] && p[1] == p[2])
    }
}

/// Returns whether a name has the extension of a format that [`decode`] reads. Names decide which
/// files of a folder are meant as pictures; what a file is, its content decides.
pub fn is_named_picture(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    ["png", "jpg", "jpeg", "jpe", "jfif"]
        .iter()
        .any(|known| end.eq_ignore_ascii_case(known))
}

/// Returns whether a file begins with the first bytes of a format that [`decode`] reads.
pub fn is_picture(start: &[u8]) -> bool {
    start.starts_with(&PNG_SIGNATURE) || start.starts_with(&JPEG_START)
}

/// Decodes a PNG or JPEG file.
///
/// # Errors
/// [`Fault::Format`] if the bytes are not a complete file of either format, or the picture has more
/// than [`MAX_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Raster, Fault> {
    if bytes.starts_with(&PNG_SIGNATURE) {
        decode_png(bytes)
    } else if bytes.starts_with(&JPEG_START) {
        decode_jpeg(bytes)
    } else {
        Err(fault("is no PNG or JPEG picture; save it anew as one"))
    }
}

/// Turns a picture to the orientation in which it is displayed.
fn turned(stored: Raster, orientation: Orientation) -> Raster {
    let (size, channels) = ((stored.height, stored.width), stored.channels);
    let ((height, width), pixels) = orientation.apply(size, channels, stored.pixels);
    Raster {
        width,
        height,
        channels,
        pixels,
    }
}

fn fault(what: impl Into<String>) -> Fault {
    Fault::Format(what.into())
}

fn check_size(width: usize, height: usize) -> Result<(), Fault> {
    match width as u64 * height as u64 {
        1..=MAX_PIXELS => Ok(()),
        0 => Err(fault("is a picture without pixels; leave it out")),
        _ => Err(fault(format!(
            "is a picture of {width}x{height}; the limit is {MAX_PIXELS} pixels, make it smaller"
        ))),
    }
}

/// Decodes a PNG file: grey, colour or palette, 1 to 16 bits, with or without opacity, interlaced
/// or not. The picture is turned as its Exif data state. Of an animation, the first frame is
/// decoded.
fn decode_png(bytes: &[u8]) -> Result<Raster, Fault> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| explain_png(&e))?;
    let (width, height) = reader.info().size();
    check_size(width as usize, height as usize)?;
    // The decoder assumes, without a check, that a palette is a multiple of three bytes.
    let palette = reader.info().palette.as_ref().map_or(0, |p| p.len());
    if palette % 3 != 0 {
        return Err(fault(format!(
            "is no sound PNG file: its palette has {palette} bytes, not three a colour"
        )));
    }
    let size = reader.output_buffer_size();
    let size = size.ok_or_else(|| fault("is too large for this machine"))?;
    let mut pixels = vec![0; size];
    let frame = reader
        .next_frame(&mut pixels)
        .map_err(|e| explain_png(&e))?;
    pixels.truncate(frame.buffer_size());
    // Exif data may follow the pixels.
    reader.finish().map_err(|e| explain_png(&e))?;
    let orientation = match &reader.info().exif_metadata {
        Some(exif) => Some(Orientation::read(exif).map_err(|why| {
            fault(format!(
                "has Exif data that say which way up it is, and cannot be read ({why}); save it anew without them"
            ))
        })?),
        None => None,
    };
    let raster = Raster {
        width: frame.width as usize,
        height: frame.height as usize,
        channels: frame.color_type.samples(),
        pixels,
    };
    Ok(match orientation {
        Some(orientation) => turned(raster, orientation),
        None => raster,
    })
}

/// Returns a fault that describes the decoder's error in terms of the file.
fn explain_png(error: &png::DecodingError) -> Fault {
    fault(match error {
        png::DecodingError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            "is a PNG file cut short; copy it again".into()
        }
        png::DecodingError::LimitsExceeded => {
            "is a PNG file that needs too much memory; make it smaller".into()
        }
        other => format!("is no sound PNG file: {other}"),
    })
}

/// Decodes a grey or colour JPEG file and turns it as its Exif data state. Exif data that cannot be
/// parsed are ignored, as picture viewers do.
fn decode_jpeg(bytes: &[u8]) -> Result<Raster, Fault> {
    let options = DecoderOptions::new_safe()
        .set_use_unsafe(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| explain_jpeg(&e))?;
    let (width, height) = decoder
        .dimensions()
        .ok_or_else(|| fault("is a JPEG file without a size; copy it again"))?;
    check_size(width, height)?;
    // The decoder fills in what is missing in a truncated file. A complete file has an end marker
    // after its last pixels; a thumbnail before them has an end marker of its own.
    let last = |mark: [u8; 2]| bytes.windows(2).rposition(|pair| pair == mark);
    if last([0xFF, 0xD9]) < last([0xFF, 0xDA]) {
        return Err(fault("is a JPEG file cut short; copy it again"));
    }
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (out, channels) = match grey {
        true => (ColorSpace::Luma, 1),
        false => (ColorSpace::RGB, 3),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let pixels = decoder.decode().map_err(|e| explain_jpeg(&e))?;
    if pixels.len() != width * height * channels {
        return Err(fault(
            "is a JPEG file whose pixels are not those of its size; save it anew",
        ));
    }
    let raster = Raster {
        width,
        height,
        channels,
        pixels,
    };
    let orientation = decoder.exif().and_then(|exif| Orientation::read(exif).ok());
    Ok(match orientation {
        Some(orientation) => turned(raster, orientation),
        None => raster,
    })
}

fn explain_jpeg(error: &impl std::fmt::Debug) -> Fault {
    // The decoder's messages may have several lines.
    let text = format!("{error:?}");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut text = words.join(" ");
    if let Some((end, _)) = text.char_indices().nth(120) {
        text.truncate(end);
    }
    fault(format!("is no sound JPEG file: {text}; save it anew"))
}

#[cfg(all(test, feature = "formats"))]
#[path = "raster_tests.rs"]
mod tests;
