//! Floor 1: shapes, and one block of memory for all values of a tape.

use serde::{Deserialize, Serialize};

/// The shape of one row (one sample) of a value. Numbers are stored
/// (height, width, channel); a vector is one pixel of many channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl Shape {
    /// An image of `channels` x `height` x `width`.
    pub const fn image(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// A vector of `length` numbers.
    pub fn vector(length: usize) -> Self {
        Self::image(length, 1, 1)
    }

    /// How many numbers a row has; `usize::MAX` where there would be more.
    pub fn len(&self) -> usize {
        self.channels.saturating_mul(self.pixels())
    }

    /// Whether a row holds no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many pixels a row has.
    pub fn pixels(&self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// Where the number at PyTorch's flat (channel, height, width) position
    /// `chw` is stored.
    pub fn stored_at(&self, chw: usize) -> usize {
        let (channel, pixel) = (chw / self.pixels(), chw % self.pixels());
        pixel * self.channels + channel
    }
}

/// (channels, height, width)
impl From<[usize; 3]> for Shape {
    fn from([channels, height, width]: [usize; 3]) -> Self {
        Self::image(channels, height, width)
    }
}

/// A vector of that length.
impl From<usize> for Shape {
    fn from(length: usize) -> Self {
        Self::vector(length)
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pixels() == 1 {
            write!(f, "{}", self.channels)
        } else {
            write!(f, "{},{},{}", self.channels, self.height, self.width)
        }
    }
}

/// Numbers in a cache line; every span of an [`Arena`] starts on one.
const LINE: usize = 16;

/// The count of numbers `len`, rounded up to whole cache lines.
pub fn whole_lines(len: usize) -> usize {
    len.next_multiple_of(LINE)
}

/// One zeroed allocation that starts on a cache line.
#[derive(Debug, Default)]
pub struct Arena {
    memory: Vec<f32>,
    start: usize,
    len: usize,
}

impl Arena {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let memory = vec![0.0; len + LINE];
        let start = memory.as_ptr().align_offset(LINE * size_of::<f32>());
        // `align_offset` may decline (usize::MAX); alignment is for speed alone.
        let start = if start <= LINE { start } else { 0 };
        Self { memory, start, len }
    }

    /// All numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.memory[self.start..self.start + self.len]
    }

    /// All numbers, to write.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl std::ops::Deref for Arena {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.as_slice()
    }
}

impl std::ops::DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.as_mut_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytorch_order_maps_to_storage_order() {
        // (C,H,W) = (2,1,3): channel 1, pixel 2 is PyTorch's last number and ours.
        let shape = Shape::image(2, 1, 3);
        let order: Vec<_> = (0..6).map(|i| shape.stored_at(i)).collect();
        assert_eq!(order, [0, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn arena_starts_on_a_cache_line() {
        for len in [0, 1, 17, 1000] {
            let arena = Arena::zeros(len);
            assert_eq!(arena.as_slice().len(), len);
            assert_eq!(arena.as_slice().as_ptr().align_offset(64), 0);
        }
    }
}
