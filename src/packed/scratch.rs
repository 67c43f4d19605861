//! Working memory of a run: buffers that are made once, each on a cache line.

/// A zeroed buffer that starts on a cache line.
#[derive(Debug, Default)]
pub struct Lines<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Lines<T> {
    fn new(len: usize) -> Self {
        let line = 64 / size_of::<T>();
        let memory = vec![T::default(); len + line];
        let start = memory.as_ptr().align_offset(64);
        // `align_offset` may decline (usize::MAX); alignment is for speed alone.
        let start = if start <= line { start } else { 0 };
        Self { memory, start, len }
    }
}

impl<T> std::ops::Deref for Lines<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..][..self.len]
    }
}

impl<T> std::ops::DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..][..self.len]
    }
}

macro_rules! buffers {
    ($($(#[$doc:meta])* $name:ident, $grow:ident: $ty:ty,)*) => {
        /// Sizes of the buffers that a plan asks for.
        #[derive(Clone, Debug, Default)]
        pub struct Sizes { $($name: Vec<usize>,)* }

        impl Sizes {
            $($(#[$doc])* pub fn $name(&mut self, len: usize) -> usize {
                self.$name.push(len);
                self.$name.len() - 1
            }

            /// Makes room in such a buffer.
            #[allow(dead_code, reason = "not every kind is grown")]
            pub fn $grow(&mut self, buffer: usize, len: usize) {
                let size = &mut self.$name[buffer];
                *size = len.max(*size);
            })*
        }

        /// The buffers; one set a thread.
        #[derive(Debug, Default)]
        pub struct Scratch { $(pub $name: Vec<Lines<$ty>>,)* }

        impl Scratch {
            /// Buffers of those sizes.
            pub fn new(sizes: &Sizes) -> Self {
                Self { $($name: sizes.$name.iter().map(|&n| Lines::new(n)).collect(),)* }
            }
        }
    };
}

buffers! {
    /// A buffer of bits; its number.
    bits, grow_bits: u64,
    /// A buffer of bytes; its number.
    bytes, grow_bytes: u8,
    /// A buffer of 16-bit integers; its number.
    shorts, grow_shorts: i16,
    /// A buffer of 32-bit integers; its number.
    ints, grow_ints: i32,
    /// A buffer of reals; its number.
    reals, grow_reals: f32,
}
