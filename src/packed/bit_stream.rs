//! Numbers of few bits, one after the other, for [`super::compact`]: the lowest bit of a number first,
//! into the lowest bit of a byte first.
//!
//! One description of a format serves both directions: a [`Coder`] either writes the numbers that it is
//! given, or replaces them by those that it reads.

use alloc::vec::Vec;

/// What is wrong with a stream that is read.
pub(super) type Fault = &'static str;

/// A writer or a reader of numbers.
pub(super) trait Coder {
    /// Whether numbers are read.
    const READS: bool;

    /// Writes the low `bits` bits of `x`, at most 64, or reads them into `x`.
    ///
    /// # Errors
    /// A reader's stream ends before.
    fn bits(&mut self, x: &mut u64, bits: u32) -> Result<(), Fault>;

    /// Returns the number of bits that are left to read.
    fn left(&self) -> usize;

    /// Writes or reads a count, in few bits if it is small: with `n = x + 4` and `b` the index of the
    /// highest bit of `n`, there are `b - 2` ones, a zero, and the lower `b` bits of `n` (exponential
    /// Golomb codes of order 2).
    ///
    /// # Errors
    /// As [`Self::bits`]; a reader's number has more than 32 bits.
    fn count(&mut self, x: &mut usize) -> Result<(), Fault> {
        let mut n = *x as u64 + 4;
        let mut width = 2;
        loop {
            let mut more = u64::from(!Self::READS && n >> width > 1);
            self.bits(&mut more, 1)?;
            if more == 0 {
                break;
            }
            width += 1;
            if width > 32 {
                return Err("a number has more than 32 bits");
            }
        }
        n &= (1 << width) - 1;
        self.bits(&mut n, width)?;
        if Self::READS {
            let n = (n | 1 << width) - 4;
            *x = usize::try_from(n).map_err(|_| "a number has more than 32 bits")?;
        }
        Ok(())
    }

    /// Writes or reads a flag.
    ///
    /// # Errors
    /// As [`Self::bits`].
    fn flag(&mut self, x: &mut bool) -> Result<(), Fault> {
        let mut bit = u64::from(*x);
        self.bits(&mut bit, 1)?;
        *x = bit == 1;
        Ok(())
    }

    /// Writes or reads a float, in 32 bits.
    ///
    /// # Errors
    /// As [`Self::bits`].
    fn real(&mut self, x: &mut f32) -> Result<(), Fault> {
        let mut bits = u64::from(x.to_bits());
        self.bits(&mut bits, 32)?;
        *x = f32::from_bits(bits as u32);
        Ok(())
    }

    /// Prepares `x` for `n` elements of at least `bits` bits each, which a reader's stream must have.
    ///
    /// # Errors
    /// A reader's stream has fewer bits, so that nothing is allocated for what is not there.
    fn room<T: Clone + Default>(&self, x: &mut Vec<T>, n: usize, bits: usize) -> Result<(), Fault> {
        if Self::READS {
            if n.checked_mul(bits).is_none_or(|all| all > self.left()) {
                return Err("it ends too early");
            }
            x.clear();
            x.resize(n, T::default());
        }
        Ok(())
    }
}

/// Writes numbers.
#[derive(Default)]
pub(super) struct Writer {
    pub bytes: Vec<u8>,
    /// Number of bits in use of the last byte; 0 if all are.
    used: u32,
}

impl Coder for Writer {
    const READS: bool = false;

    fn bits(&mut self, x: &mut u64, bits: u32) -> Result<(), Fault> {
        for i in 0..bits {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((*x >> i & 1) as u8) << self.used;
            }
            self.used = (self.used + 1) % 8;
        }
        Ok(())
    }

    fn left(&self) -> usize {
        usize::MAX
    }
}

/// Reads numbers.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether less than a byte is left, and that is zeros.
    pub fn is_done(&self) -> bool {
        let rest = self.bytes.last().map_or(0, |last| last >> (self.at % 8));
        self.left() == 0 || self.left() < 8 && rest == 0
    }
}

impl Coder for Reader<'_> {
    const READS: bool = true;

    fn bits(&mut self, x: &mut u64, bits: u32) -> Result<(), Fault> {
        if self.left() < bits as usize {
            return Err("it ends too early");
        }
        *x = 0;
        for i in 0..bits {
            let bit = self.bytes[self.at / 8] >> (self.at % 8) & 1;
            *x |= u64::from(bit) << i;
            self.at += 1;
        }
        Ok(())
    }

    fn left(&self) -> usize {
        8 * self.bytes.len() - self.at
    }
}

#[cfg(test)]
mod tests {
    use super::{Coder, Reader, Writer};

    #[test]
    fn what_is_written_is_read() {
        let counts = [0, 1, 3, 4, 11, 12, 27, 28, 1000, u32::MAX as usize - 8];
        let mut writer = Writer::default();
        for (i, n) in counts.into_iter().enumerate() {
            writer.count(&mut n.clone()).unwrap();
            writer.flag(&mut (i % 3 == 0)).unwrap();
            writer.real(&mut (i as f32 - 0.3)).unwrap();
            writer.bits(&mut (u64::MAX >> i), 64 - i as u32).unwrap();
        }
        let mut reader = Reader::new(&writer.bytes);
        for (i, n) in counts.into_iter().enumerate() {
            let (mut count, mut flag, mut real, mut bits) = (7, false, 0.0, 0);
            reader.count(&mut count).unwrap();
            reader.flag(&mut flag).unwrap();
            reader.real(&mut real).unwrap();
            reader.bits(&mut bits, 64 - i as u32).unwrap();
            assert_eq!((count, flag, real), (n, i % 3 == 0, i as f32 - 0.3));
            assert_eq!(bits, u64::MAX >> i);
        }
        assert!(reader.is_done());
        assert!(reader.bits(&mut 0, 9).is_err());
    }

    #[test]
    fn small_counts_take_few_bits() {
        let bits = |n: usize| {
            let mut writer = Writer::default();
            // A byte is full after each count of so many bits.
            let mut used = 0;
            writer.count(&mut n.clone()).unwrap();
            used += 8 * writer.bytes.len() as u32;
            used - (8 - writer.used) % 8
        };
        assert_eq!(
            [bits(0), bits(3), bits(4), bits(11), bits(12), bits(27)],
            [3, 3, 5, 5, 7, 7]
        );
    }

    #[test]
    fn nothing_is_allocated_for_what_is_not_there() {
        let reader = Reader::new(&[0; 4]);
        assert!(reader.room(&mut Vec::<u64>::new(), 33, 1).is_err());
        assert!(reader.room(&mut Vec::<u64>::new(), usize::MAX, 64).is_err());
        assert!(reader.room(&mut Vec::<u64>::new(), 4, 8).is_ok());
    }
}
