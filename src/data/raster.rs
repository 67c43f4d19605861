//! A decoded picture.

/// A decoded picture, turned the way in which it is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey), 2 (grey, opacity), 3 (red, green, blue) or 4 (with opacity).
    pub channels: usize,
    /// (height, width, channels).
    pub pixels: Vec<u8>,
}

impl Raster {
    /// Whether no pixel has a colour, however the file stores them.
    pub fn is_grey(&self) -> bool {
        self.channels < 3
            || self
                .pixels
                .chunks_exact(self.channels)
                .all(|p| p[0] == p[1] && p[1] == p[2])
    }
}
