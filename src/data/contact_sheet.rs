//! Contact sheets: pictures that show many samples in a grid.

use super::Split;
use crate::error::{Error, Result};

/// Width of the gaps between two samples and around the grid, in pixels.
const GAP: usize = 2;
/// Brightness of the gaps, which differs from black and from white.
const GAP_VALUE: u8 = 96;
/// The largest number of pixels that a sheet may have.
const MAX_PIXELS: usize = 100_000_000;

/// An uncompressed picture of 8 bits a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSheet {
    /// Number of pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of channels: 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Pixels, stored as (height, width, channel).
    pub pixels: Vec<u8>,
}

/// Draws the samples `indices` of `split` in a grid of `columns` columns, each pixel enlarged to
/// `scale` x `scale` pixels. Images of three channels are drawn in colour; of images with any other
/// number of channels the first channel is drawn in grey.
///
/// # Errors
/// [`Error::Spec`] if `indices` is empty, `columns` or `scale` is 0, an index is not below the
/// length of `split`, or the picture would have more than 100 million pixels.
pub fn contact_sheet(
    split: &Split,
    indices: &[usize],
    columns: usize,
    scale: usize,
) -> Result<ContactSheet> {
    if indices.is_empty() || columns == 0 || scale == 0 {
        return Err(Error::spec(
            "a contact sheet needs at least one sample, one column and a scale of 1",
        ));
    }
    if let Some(index) = indices.iter().find(|&&index| index >= split.len()) {
        return Err(Error::spec(format!(
            "sample {index} does not exist; the set has {}, counted from 0",
            split.len()
        )));
    }
    let (image_height, image_width, depth) = split.shape();
    let columns = columns.min(indices.len());
    let rows = indices.len().div_ceil(columns);
    let extent = |side: usize, times: usize| {
        let cell = side.checked_mul(scale)?.checked_add(GAP)?;
        cell.checked_mul(times)?.checked_add(GAP)
    };
    let (width, height) = extent(image_width, columns)
        .zip(extent(image_height, rows))
        .filter(|&(width, height)| {
            width
                .checked_mul(height)
                .is_some_and(|pixels| pixels <= MAX_PIXELS)
        })
        .ok_or_else(|| {
            Error::spec("the contact sheet would exceed 100 million pixels; show fewer samples or lower the scale")
        })?;
    let channels = if depth == 3 { 3 } else { 1 };
    let mut pixels = vec![GAP_VALUE; width * height * channels];
    for (place, &index) in indices.iter().enumerate() {
        let image = split.image(index);
        let left = GAP + place % columns * (image_width * scale + GAP);
        let top = GAP + place / columns * (image_height * scale + GAP);
        for y in 0..image_height * scale {
            for x in 0..image_width * scale {
                let from = (y / scale * image_width + x / scale) * depth;
                let to = ((top + y) * width + left + x) * channels;
                pixels[to..to + channels].copy_from_slice(&image[from..from + channels]);
            }
        }
    }
    Ok(ContactSheet {
        width,
        height,
        channels,
        pixels,
    })
}

impl ContactSheet {
    /// Encodes the picture as a PNG file.
    ///
    /// # Errors
    /// [`Error::Spec`] if `pixels` does not have the length that `width`, `height` and `channels`
    /// require.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let color = if self.channels == 3 {
            png::ColorType::Rgb
        } else {
            png::ColorType::Grayscale
        };
        let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width), side(self.height));
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder
            .write_header()
            .and_then(|mut writer| {
                writer.write_image_data(&self.pixels)?;
                writer.finish()
            })
            .map_err(|error| {
                Error::spec(format!("the contact sheet cannot be made a PNG: {error}"))
            })?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    fn split(shape: (usize, usize, usize, usize)) -> Split {
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let values = (0..count).map(|i| i as u8).collect();
        let images = Array4::from_shape_vec(shape, values).unwrap();
        Split::new(images, vec![0; shape.0]).unwrap()
    }

    #[test]
    fn samples_stand_in_rows_with_gaps() {
        let sheet = contact_sheet(&split((3, 1, 2, 1)), &[2, 0, 1], 2, 1).unwrap();
        assert_eq!((sheet.width, sheet.height, sheet.channels), (10, 8, 1));
        let row = |y: usize| &sheet.pixels[y * 10..][..10];
        let g = GAP_VALUE;
        assert_eq!(row(0), [g; 10]);
        assert_eq!(row(2), [g, g, 4, 5, g, g, 0, 1, g, g]);
        assert_eq!(row(5), [g, g, 2, 3, g, g, g, g, g, g]);
    }

    #[test]
    fn scaling_repeats_pixels() {
        let sheet = contact_sheet(&split((1, 1, 2, 1)), &[0], 9, 3).unwrap();
        assert_eq!((sheet.width, sheet.height), (10, 7));
        assert_eq!(sheet.pixels[2 * 10 + 2..][..6], [0, 0, 0, 1, 1, 1]);
        assert_eq!(sheet.pixels[4 * 10 + 2..][..6], [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn a_png_decodes_to_the_same_pixels() {
        for depth in [1, 2, 3] {
            let sheet = contact_sheet(&split((5, 4, 3, depth)), &[0, 1, 2, 3, 4], 3, 2).unwrap();
            assert_eq!(sheet.channels, if depth == 3 { 3 } else { 1 });
            let bytes = sheet.to_png().unwrap();
            let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
            let mut reader = decoder.read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!(
                (info.width as usize, info.height as usize),
                (sheet.width, sheet.height)
            );
            assert_eq!(pixels, sheet.pixels);
        }
    }

    #[test]
    fn impossible_sheets_are_refused() {
        let split = split((2, 2, 2, 1));
        assert!(contact_sheet(&split, &[], 1, 1).is_err());
        assert!(contact_sheet(&split, &[0], 0, 1).is_err());
        assert!(contact_sheet(&split, &[0], 1, 0).is_err());
        let line = contact_sheet(&split, &[0, 2], 1, 1)
            .unwrap_err()
            .to_string();
        assert!(line.contains("sample 2"), "{line}");
        assert!(contact_sheet(&split, &[0], 1, usize::MAX).is_err());
        assert!(contact_sheet(&split, &[0], 1, 1_000_000).is_err());
    }
}
