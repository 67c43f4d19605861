//! The orientation of a picture according to its Exif data.
//!
//! Source: CIPA DC-008 (Exif 2.32), tag 274, Orientation.

use exif::{Error, In, Reader, Tag};

/// One of the eight orientations of a stored picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orientation {
    /// Stored rows are the columns of the displayed picture.
    exchanged: bool,
    /// The displayed picture begins with the last stored row (column, if `exchanged`).
    upside_down: bool,
    /// Each displayed row begins with the last stored column (row, if `exchanged`).
    mirrored: bool,
}

impl Orientation {
    /// Parses a chunk of Exif data. Data without an orientation, or with a reserved number, give
    /// the orientation in which the picture is stored.
    ///
    /// # Errors
    /// The reason why the data cannot be parsed.
    pub(super) fn read(exif: &[u8]) -> Result<Self, String> {
        // Some programs copy the prefix of Exif data in JPEG files.
        let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
        let mut reader = Reader::new();
        // Damage in other parts of the data does not matter.
        let exif = match reader.continue_on_error(true).read_raw(exif.to_vec()) {
            Ok(whole) => whole,
            Err(Error::PartialResult(part)) => part.into_inner().0,
            Err(error) => return Err(error.to_string()),
        };
        let field = exif.get_field(Tag::Orientation, In::PRIMARY);
        let number = field.and_then(|field| field.value.get_uint(0));
        Ok(Self::numbered(number.unwrap_or(1)))
    }

    fn numbered(number: u32) -> Self {
        // The sides at which the first stored row and the first stored column are displayed follow
        // each number.
        let (exchanged, upside_down, mirrored) = match number {
            2 => (false, false, true), // top, right
            3 => (false, true, true),  // bottom, right
            4 => (false, true, false), // bottom, left
            5 => (true, false, false), // left, top
            6 => (true, false, true),  // right, top
            7 => (true, true, true),   // right, bottom
            8 => (true, true, false),  // left, bottom
            _ => (false, false, false),
        };
        Self {
            exchanged,
            upside_down,
            mirrored,
        }
    }

    /// Turns a stored picture: returns the height, the width and the pixels of the displayed
    /// picture, with `channels` bytes per pixel.
    pub(super) fn apply(
        self,
        (stored_height, stored_width): (usize, usize),
        channels: usize,
        stored: Vec<u8>,
    ) -> ((usize, usize), Vec<u8>) {
        if self == Self::numbered(1) {
            return ((stored_height, stored_width), stored);
        }
        let (height, width) = match self.exchanged {
            true => (stored_width, stored_height),
            false => (stored_height, stored_width),
        };
        let mut pixels = Vec::with_capacity(stored.len());
        for y in 0..height {
            let y = if self.upside_down { height - 1 - y } else { y };
            for x in 0..width {
                let x = if self.mirrored { width - 1 - x } else { x };
                let (row, column) = if self.exchanged { (x, y) } else { (y, x) };
                let at = (row * stored_width + column) * channels;
                pixels.extend_from_slice(&stored[at..at + channels]);
            }
        }
        ((height, width), pixels)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns Exif data that state an orientation, in little-endian or big-endian byte order.
    pub(in super::super) fn exif(number: u16, little: bool) -> Vec<u8> {
        let two = |n: u16| {
            if little {
                n.to_le_bytes()
            } else {
                n.to_be_bytes()
            }
        };
        let four = |n: u32| {
            if little {
                n.to_le_bytes()
            } else {
                n.to_be_bytes()
            }
        };
        let mut bytes = if little {
            b"II".to_vec()
        } else {
            b"MM".to_vec()
        };
        bytes.extend(two(42));
        bytes.extend(four(8));
        bytes.extend(two(1));
        bytes.extend([two(274), two(3)].concat());
        bytes.extend(four(1));
        bytes.extend([two(number), two(0)].concat());
        bytes.extend(four(0));
        bytes
    }

    /// Tests where the letters of a stored picture of three columns and two rows are displayed.
    #[test]
    fn all_eight_orientations() {
        for (number, shown) in [
            (1, "abc def"),
            (2, "cba fed"),
            (3, "fed cba"),
            (4, "def abc"),
            (5, "ad be cf"),
            (6, "da eb fc"),
            (7, "fc eb da"),
            (8, "cf be ad"),
            (0, "abc def"),
            (9, "abc def"),
        ] {
            for little in [false, true] {
                let orientation = Orientation::read(&exif(number, little)).unwrap();
                let stored = b"aAbBcCdDeEfF".to_vec();
                let ((height, width), pixels) = orientation.apply((2, 3), 2, stored);
                let first = |p: &[u8]| p[0];
                let luma: Vec<u8> = pixels.chunks(2).map(first).collect();
                let rows = luma.chunks(width);
                let rows: Vec<_> = rows.map(String::from_utf8_lossy).collect();
                assert_eq!(rows.join(" "), shown, "{number}");
                assert_eq!(rows.len(), height);
                for pixel in pixels.chunks(2) {
                    assert_eq!(pixel[1], pixel[0].to_ascii_uppercase());
                }
            }
        }
    }

    #[test]
    fn data_from_a_jpeg_file_and_without_an_orientation() {
        let six = exif(6, true);
        let prefixed = [b"Exif\0\0", &six[..]].concat();
        assert_eq!(Orientation::read(&prefixed), Orientation::read(&six));
        // Another tag in its place.
        let mut other = six.clone();
        other[10] = 0x0F;
        assert_eq!(Orientation::read(&other), Ok(Orientation::numbered(1)));
        // A next directory that is not there does not matter.
        let mut damaged = six.clone();
        damaged[22..26].copy_from_slice(&[9, 9, 9, 9]);
        assert_eq!(Orientation::read(&damaged), Orientation::read(&six));
        for bytes in [&b""[..], b"nonsense", &six[..4]] {
            assert!(Orientation::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
