//! How often each value occurs in the outermost rows and columns of images. The background and the
//! ground of a data set are read off these counts.

use super::Split;

/// How often each value of a byte occurs.
pub(super) type Counts = [u64; 256];

/// How many tables of each channel take turns. A counter that the value before has raised has to be
/// waited for, and most borders have one value.
const TABLES: usize = 8;

/// Returns the counts of each channel. Each pixel of the border is counted once, except that the
/// only pixel of a row is counted as both of its ends.
pub(super) fn counts(images: &Split) -> Vec<Counts> {
    let (height, width, channels) = images.shape();
    let mut tables: Vec<Counts> = vec![[0; 256]; TABLES * channels];
    let mut border = Vec::new();
    for image in images.pixels().chunks_exact(height * width * channels) {
        gather(image, width * channels, channels, &mut border);
        for values in border.chunks(tables.len()) {
            for (table, &value) in tables.iter_mut().zip(values) {
                table[usize::from(value)] += 1;
            }
        }
    }
    let mut counts = vec![[0; 256]; channels];
    for (i, table) in tables.iter().enumerate() {
        let counts = counts[i % channels].iter_mut();
        counts.zip(table).for_each(|(a, b)| *a += b);
    }
    counts
}

/// Puts the border pixels of an image, whose rows have `row` bytes, one after another into `border`.
fn gather(image: &[u8], row: usize, channels: usize, border: &mut Vec<u8>) {
    border.clear();
    border.extend_from_slice(&image[..row]);
    if let Some(last) = image.len().checked_sub(row).filter(|&last| last > 0) {
        for row in image[row..last].chunks_exact(row) {
            border.extend_from_slice(&row[..channels]);
            border.extend_from_slice(&row[row.len() - channels..]);
        }
        border.extend_from_slice(&image[last..]);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;

    /// The counts, pixel by pixel from the definition.
    fn plain(images: &Split) -> Vec<Counts> {
        let (height, width, channels) = images.shape();
        let mut counts = vec![[0; 256]; channels];
        for ((_, y, x, c), &value) in images.images().indexed_iter() {
            let row = y == 0 || y + 1 == height;
            let ends = usize::from(x == 0) + usize::from(x + 1 == width);
            counts[c][usize::from(value)] += if row { 1 } else { ends as u64 };
        }
        counts
    }

    #[test]
    fn every_pixel_of_the_border_is_counted_in_its_channel() {
        for shape in [
            (1, 1, 1),
            (1, 4, 1),
            (5, 1, 2),
            (2, 2, 3),
            (6, 7, 1),
            (5, 4, 3),
        ] {
            let (height, width, channels) = shape;
            let n = 37;
            let value = |(n, y, x, c)| (n * 31 + y * 7 + x * 3 + c * 101) as u8;
            let images = Array4::from_shape_fn((n, height, width, channels), value);
            let images = Split::new(images, vec![0; n]).unwrap();
            assert_eq!(counts(&images), plain(&images), "{shape:?}");
        }
    }
}
