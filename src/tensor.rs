//! Shapes of values, and the block of memory that holds all values of a tape (floor 1).

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// The shape of one row (one sample) of a value. Its numbers are stored as (height, width,
/// channel); a vector is an image of one pixel with many channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Number of channels.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl Shape {
    /// Returns the shape of an image.
    pub const fn image(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// Returns the shape of a vector of `length` numbers.
    pub fn vector(length: usize) -> Self {
        Self::image(length, 1, 1)
    }

    /// Returns the number of elements of a row; `usize::MAX` if the product overflows.
    pub fn len(&self) -> usize {
        self.channels.saturating_mul(self.pixels())
    }

    /// Returns whether a row has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of pixels of a row.
    pub fn pixels(&self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// Returns the storage index of the element whose index in PyTorch's order (channel, height,
    /// width) is `chw`.
    pub fn stored_at(&self, chw: usize) -> usize {
        let (channel, pixel) = (chw / self.pixels(), chw % self.pixels());
        pixel * self.channels + channel
    }
}

/// Makes the shape of (channels, height, width).
impl From<[usize; 3]> for Shape {
    fn from([channels, height, width]: [usize; 3]) -> Self {
        Self::image(channels, height, width)
    }
}

/// Makes the shape of a vector of that length.
impl From<usize> for Shape {
    fn from(length: usize) -> Self {
        Self::vector(length)
    }
}

impl core::fmt::Display for Shape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.pixels() == 1 {
            write!(f, "{}", self.channels)
        } else {
            write!(f, "{},{},{}", self.channels, self.height, self.width)
        }
    }
}

/// Number of 32-bit floats in a cache line.
const LINE: usize = 16;

/// Returns `len`, a number of 32-bit floats, rounded up to whole cache lines.
pub fn whole_lines(len: usize) -> usize {
    len.next_multiple_of(LINE)
}

/// A zero-initialised allocation of 32-bit floats that starts on a cache line.
#[derive(Debug, Default)]
pub struct Arena {
    memory: Vec<f32>,
    start: usize,
    len: usize,
}

impl Arena {
    /// Allocates `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let memory = vec![0.0; len + LINE];
        let start = memory.as_ptr().align_offset(LINE * size_of::<f32>());
        // `align_offset` may return `usize::MAX`; without alignment the result is only slower.
        let start = if start <= LINE { start } else { 0 };
        Self { memory, start, len }
    }

    /// Returns all numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.memory[self.start..self.start + self.len]
    }

    /// Returns all numbers, mutably.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl core::ops::Deref for Arena {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.as_slice()
    }
}

impl core::ops::DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.as_mut_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytorch_order_maps_to_storage_order() {
        // For (C,H,W) = (2,1,3), the element at channel 1 and pixel 2 is the last in both orders.
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
