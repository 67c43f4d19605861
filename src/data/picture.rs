//! Pictures of any size in luminance and opacity; `raster`, behind the feature `pictures`, decodes the
//! files.

#[cfg(feature = "pictures")]
use super::fault::Fault;
#[cfg(feature = "pictures")]
use super::raster::{self, Raster};

#[cfg(feature = "pictures")]
pub use super::raster::MAX_PIXELS;

/// A grey picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Number of pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Luminance of each pixel, row by row: 0 is black, 255 is white.
    pub luma: Vec<u8>,
    /// Opacity of each pixel, row by row: 0 is transparent, 255 is opaque. `None` if the file has
    /// no opacity.
    pub alpha: Option<Vec<u8>>,
}

impl Picture {
    /// Makes a picture of consecutive pixels of `channels` bytes each: grey, grey and opacity,
    /// red-green-blue, or those and opacity. What is left of a last pixel is dropped.
    ///
    /// # Panics
    /// Panics if `channels` is not 1 to 4.
    pub fn of_pixels(width: usize, height: usize, channels: usize, pixels: &[u8]) -> Self {
        assert!((1..=4).contains(&channels), "1 to 4 bytes a pixel");
        let luma = |p: &[u8]| match p {
            [grey] | [grey, _] => *grey,
            [r, g, b, ..] => luminance(*r, *g, *b),
            [] => 0,
        };
        let opaque = matches!(channels, 1 | 3);
        let alpha = |p: &[u8]| p[channels - 1];
        let pixels = || pixels.chunks_exact(channels);
        Self {
            width,
            height,
            luma: pixels().map(luma).collect(),
            alpha: (!opaque).then(|| pixels().map(alpha).collect()),
        }
    }
}

/// Decodes a PNG or JPEG file, as [`super::raster::decode`] does, and converts it to grey.
///
/// # Errors
/// [`Fault::Format`] if the bytes are not a complete file of either format, or the picture has more
/// than [`MAX_PIXELS`].
#[cfg(feature = "pictures")]
pub fn decode(bytes: &[u8]) -> Result<Picture, Fault> {
    raster::decode(bytes).map(Picture::from)
}

#[cfg(feature = "pictures")]
impl From<Raster> for Picture {
    fn from(raster: Raster) -> Self {
        Self::of_pixels(raster.width, raster.height, raster.channels, &raster.pixels)
    }
}

/// Returns the luma of Rec. 601 in integer arithmetic, in which white is 255.
fn luminance(r: u8, g: u8, b: u8) -> u8 {
    let sum = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    ((sum + 500) / 1000) as u8
}

#[cfg(all(test, feature = "pictures"))]
pub(crate) mod testing {
    use super::*;

    /// A PNG file of those pixels.
    pub fn encode(
        width: u32,
        height: u32,
        color: png::ColorType,
        depth: png::BitDepth,
        data: &[u8],
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == png::ColorType::Indexed {
            encoder.set_palette(vec![0, 0, 0, 255, 255, 255, 255, 0, 0]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn every_kind_of_pixel_is_understood() {
        use png::BitDepth::{Eight, One, Sixteen};
        use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        let red = luminance(255, 0, 0);
        assert_eq!(
            (luminance(255, 255, 255), luminance(0, 0, 0), red),
            (255, 0, 76)
        );
        for (color, depth, data, luma, alpha) in [
            (Grayscale, Eight, vec![0, 200], [0, 200], None),
            (Grayscale, One, vec![0b0100_0000], [0, 255], None),
            (Grayscale, Sixteen, vec![0, 9, 255, 0], [0, 255], None),
            (
                GrayscaleAlpha,
                Eight,
                vec![7, 0, 9, 255],
                [7, 9],
                Some([0, 255]),
            ),
            (Rgb, Eight, vec![255, 0, 0, 255, 255, 255], [red, 255], None),
            (
                Rgba,
                Eight,
                vec![255, 0, 0, 4, 0, 0, 0, 5],
                [red, 0],
                Some([4, 5]),
            ),
            (Indexed, Eight, vec![1, 2], [255, red], None),
        ] {
            let picture = decode(&encode(2, 1, color, depth, &data)).unwrap();
            assert_eq!((picture.width, picture.height), (2, 1));
            assert_eq!(picture.luma, luma, "{color:?}");
            assert_eq!(picture.alpha, alpha.map(|a| a.to_vec()), "{color:?}");
        }
    }

    /// A PNG file with another chunk before or behind its pixels.
    fn with_chunk(png: &[u8], name: &[u8; 4], content: &[u8], before: bool) -> Vec<u8> {
        let mark = if before { b"IDAT" } else { b"IEND" };
        let at = png.windows(4).position(|w| w == mark).unwrap() - 4;
        let body = [name, content].concat();
        let mut bytes = png[..at].to_vec();
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend(&body);
        bytes.extend(crc(&body).to_be_bytes());
        bytes.extend(&png[at..]);
        bytes
    }

    #[test]
    fn the_orientation_in_exif_data_is_applied() {
        use super::super::orientation::tests::exif;
        let stored = encode(
            3,
            2,
            png::ColorType::Grayscale,
            png::BitDepth::Eight,
            b"abcdef",
        );
        let shown = [
            "abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead",
        ];
        for (number, shown) in (1..).zip(shown) {
            for (before, little) in [(true, true), (false, false)] {
                let png = with_chunk(&stored, b"eXIf", &exif(number, little), before);
                let picture = decode(&png).unwrap();
                let turned = number > 4;
                assert_eq!(picture.width, if turned { 2 } else { 3 });
                assert_eq!(picture.height, if turned { 3 } else { 2 });
                assert_eq!(picture.luma, shown.as_bytes(), "{number}");
            }
        }
        let Err(Fault::Format(what)) = decode(&with_chunk(&stored, b"eXIf", b"?", true)) else {
            panic!("it is not known which way up it is");
        };
        assert!(
            what.contains("which way up") && what.contains("save it anew"),
            "{what}"
        );
        // Chunks of other kinds, and bytes after the end, are ignored.
        let mut other = with_chunk(&stored, b"prVt", b"?", false);
        other.extend(b"and more");
        assert_eq!(decode(&other).unwrap().luma, b"abcdef");
    }

    /// The decoder itself panics on some of these (found by fuzzing).
    #[test]
    fn palettes_that_are_not_in_colours_of_three_are_refused() {
        for (length, sound) in [
            (3, true),
            (4, false),
            (5, false),
            (137, false),
            (768, true),
            (771, false),
        ] {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(vec![9; length]);
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(&[0, 0]).unwrap();
            writer.finish().unwrap();
            match decode(&bytes) {
                Ok(picture) => assert!(sound && picture.luma == [9, 9], "{length}"),
                Err(Fault::Format(what)) => assert!(!sound && what.contains("PNG file"), "{what}"),
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn damaged_and_giant_files_are_refused() {
        let whole = encode(
            40,
            30,
            png::ColorType::Grayscale,
            png::BitDepth::Eight,
            &[9; 1200],
        );
        decode(&whole).unwrap();
        for length in 0..whole.len() {
            let Err(Fault::Format(what)) = decode(&whole[..length]) else {
                panic!("{length} bytes of {} are a picture", whole.len());
            };
            let known = if length < 8 {
                "no PNG or JPEG picture"
            } else {
                "PNG file"
            };
            assert!(what.contains(known) && !what.contains('\n'), "{what}");
        }
        // A header that claims more than any machine has, with the right checksum.
        let mut giant = whole;
        giant[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        let checksum = crc(&giant[12..29]).to_be_bytes();
        giant[29..33].copy_from_slice(&checksum);
        let Err(Fault::Format(what)) = decode(&giant) else {
            panic!("a giant was decoded");
        };
        assert!(
            what.contains("2147483647x2147483647") || what.contains("too"),
            "{what}"
        );
    }

    /// The CRC-32 of PNG chunks.
    pub fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| {
                (c >> 1) ^ (0xEDB8_8320 & (c & 1).wrapping_neg())
            })
        })
    }
}
