//! Buffers of a run, which are allocated once and start on a cache line.

use alloc::vec;
use alloc::vec::Vec;

use crate::kernels::packed::TableRow;

/// A buffer of zeros that starts on a cache line.
#[derive(Debug, Default)]
pub struct Lines<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Lines<T> {
    pub(super) fn new(len: usize) -> Self {
        let line = 64 / size_of::<T>();
        let memory = vec![T::default(); len + line];
        let start = memory.as_ptr().align_offset(64);
        // `align_offset` may return `usize::MAX`; without alignment the result is only slower.
        let start = if start <= line { start } else { 0 };
        Self { memory, start, len }
    }
}

impl<T> core::ops::Deref for Lines<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..][..self.len]
    }
}

impl<T> core::ops::DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..][..self.len]
    }
}

macro_rules! buffers {
    ($($(#[$doc:meta])* $name:ident, $grow:ident: $ty:ty,)*) => {
        /// The lengths of all buffers that a plan needs.
        #[derive(Clone, Debug, Default)]
        pub struct Sizes { $($name: Vec<usize>,)* }

        impl Sizes {
            $($(#[$doc])* pub fn $name(&mut self, len: usize) -> usize {
                self.$name.push(len);
                self.$name.len() - 1
            }

            /// Enlarges the buffer to at least `len` elements.
            #[allow(dead_code, reason = "not every kind is grown")]
            pub fn $grow(&mut self, buffer: usize, len: usize) {
                let size = &mut self.$name[buffer];
                *size = len.max(*size);
            })*
        }

        /// The buffers of one thread.
        #[derive(Debug, Default)]
        pub struct Scratch { $(pub $name: Vec<Lines<$ty>>,)* }

        impl Scratch {
            /// Allocates buffers of the given lengths.
            pub fn new(sizes: &Sizes) -> Self {
                Self { $($name: sizes.$name.iter().map(|&n| Lines::new(n)).collect(),)* }
            }
        }
    };
}

buffers! {
    /// Adds a buffer of 64-bit words of bits and returns its index.
    bits, grow_bits: u64,
    /// Adds a buffer of bytes and returns its index.
    bytes, grow_bytes: u8,
    /// Adds a buffer of 16-bit integers and returns its index.
    shorts, grow_shorts: i16,
    /// Adds a buffer of rows of tables and returns its index.
    rows, grow_rows: TableRow,
    /// Adds a buffer of 32-bit integers and returns its index.
    ints, grow_ints: i32,
    /// Adds a buffer of 32-bit floats and returns its index.
    reals, grow_reals: f32,
}
