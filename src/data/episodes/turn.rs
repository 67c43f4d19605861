//! Images turned by quarters.

/// Turns a square image of bytes (height, width, channel) by `quarters` of 90 degrees,
/// counter-clockwise, into `out`: what was at the right edge is at the top after one.
///
/// # Panics
/// If the image is not `side` pixels of `channels` bytes each way, or `out` has another length.
pub fn turn(image: &[u8], (side, channels): (usize, usize), quarters: u8, out: &mut [u8]) {
    assert_eq!(image.len(), side * side * channels, "a square image");
    assert_eq!(out.len(), image.len(), "an image of another size");
    for (y, row) in out.chunks_exact_mut(side * channels).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let (from_y, from_x) = match quarters % 4 {
                0 => (y, x),
                1 => (x, side - 1 - y),
                2 => (side - 1 - y, side - 1 - x),
                _ => (side - 1 - x, y),
            };
            let at = (from_y * side + from_x) * channels;
            pixel.copy_from_slice(&image[at..at + channels]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_turn_counter_clockwise() {
        let image = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let turned = |quarters| {
            let mut out = [0; 9];
            turn(&image, (3, 1), quarters, &mut out);
            out
        };
        assert_eq!(turned(0), image);
        assert_eq!(turned(1), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(turned(2), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(turned(3), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        let mut out = [0; 8];
        turn(&[1, 2, 3, 4, 5, 6, 7, 8], (2, 2), 1, &mut out);
        assert_eq!(out, [3, 4, 7, 8, 1, 2, 5, 6]);
    }
}
