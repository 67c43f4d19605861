//! Products of real weights with a vector of bits by look-up in tables that no cache holds.
//!
//! The tables are those of [`super::table`], with all outputs in a row: an entry is then some
//! kilobytes that are read one after another, at the rate at which the memory delivers them, while
//! [`super::table`] would read 128 bytes here and there. The sums are added in the same order.

use alloc::vec::Vec;

use super::op::{Cx, Op};
use super::table::{block_table, first_sums, lookups, offset, starts};
use super::window_spec::WindowSpec;

/// Whether the operation is part of the program. Pages, which run as WebAssembly, are shorter without
/// it, and have no layers of that size.
const WORTHWHILE: bool = cfg!(not(target_family = "wasm"));

/// Size in bytes of tables that a processor's caches do not hold.
const CACHES: usize = 8 << 20;

/// The fewest outputs whose entries are read one after another for long enough.
const OUTPUTS: usize = 256;

/// The operation of a layer with many real weights over a vector of bits.
pub(super) struct LongTables {
    from: usize,
    to: usize,
    bias: Vec<f32>,
    /// Index of each look-up's nibble.
    places: Vec<u32>,
    /// For each look-up 16 entries, each with a number for every output.
    table: Vec<f32>,
}

impl LongTables {
    /// Returns whether a layer has one position and tables of that size.
    pub fn fits(spec: &WindowSpec) -> bool {
        let outputs = spec.output.channels;
        let bytes = 16 * size_of::<f32>() * lookups(spec).len() * outputs;
        WORTHWHILE && spec.output.pixels() == 1 && outputs >= OUTPUTS && bytes > CACHES
    }

    /// Makes the operation of a layer that [`LongTables::fits`]; the arguments are those of
    /// [`super::table::TableConv::new`].
    pub fn new(
        (spec, signs): (&WindowSpec, bool),
        weight: impl Fn(usize, usize) -> f32,
        bias: &[f32],
        (from, to): (usize, usize),
    ) -> Self {
        let (outputs, lookups, start) = (spec.output.channels, lookups(spec), starts(spec)[0]);
        let place = |lookup: &(usize, usize)| start + offset(spec, *lookup);
        Self {
            from,
            to,
            bias: first_sums((spec, signs), &weight, bias, outputs),
            places: lookups.iter().map(place).collect(),
            table: block_table((spec, signs), &weight, &lookups, (0, outputs)),
        }
    }
}

impl Op for LongTables {
    fn name(&self) -> &'static str {
        "long tables"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let (nibbles, out) = (&cx.s.bytes[self.from], &mut cx.s.reals[self.to]);
        out.copy_from_slice(&self.bias);
        let tables = self.table.chunks_exact(16 * self.bias.len());
        for (table, &place) in tables.zip(&self.places) {
            let entry = usize::from(nibbles[place as usize] & 15);
            let entry = &table[entry * self.bias.len()..][..self.bias.len()];
            for (out, number) in out.iter_mut().zip(entry) {
                *out += number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::super::op::Reading;
    use super::super::scratch::{Scratch, Sizes};
    use super::super::table::TableConv;
    use super::*;
    use crate::kernels;
    use crate::random::{between, keyed};
    use crate::tensor::Shape;

    fn layer(channels: usize, outputs: usize) -> WindowSpec {
        WindowSpec {
            input: Shape::image(channels, 2, 3),
            output: Shape::image(outputs, 1, 1),
            kernel: (2, 3),
            stride: 1,
            padding: 0,
            border: 0,
            groups: 1,
        }
    }

    #[test]
    fn the_sums_are_those_of_short_rows_to_the_bit() {
        for (channels, outputs, signs) in [(3, 256, false), (9, 300, true), (16, 517, false)] {
            let (spec, mut rng) = (layer(channels, outputs), keyed(&[4, 7]));
            let mut number = || between(&mut rng, -1.0, 1.0);
            let bias: Vec<f32> = (0..outputs).map(|_| number()).collect();
            let weights: Vec<f32> = (0..outputs * spec.depth()).map(|_| number()).collect();
            let weight = |o: usize, i: usize| weights[o * spec.depth() + i];
            let (_, bytes) = spec.nibbles();
            let mut sizes = Sizes::default();
            let (from, a, b) = (
                sizes.bytes(bytes),
                sizes.reals(outputs),
                sizes.reals(outputs),
            );
            let of = (&spec, signs);
            let short = TableConv::new(of, weight, &bias, (from, a), &mut sizes);
            let long = LongTables::new(of, weight, &bias, (from, b));
            let mut scratch = Scratch::new(&sizes);
            for (i, byte) in scratch.bytes[from].iter_mut().enumerate() {
                *byte = (i * i % 16) as u8;
            }
            let mut cx = Cx {
                image: &[],
                kernels: kernels::select(None).unwrap().kernels,
                reading: Reading::Threshold,
                s: &mut scratch,
            };
            short.run(&mut cx);
            long.run(&mut cx);
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
            assert_ne!(bits(&cx.s.reals[a]), vec![0; outputs]);
            assert_eq!(bits(&cx.s.reals[a]), bits(&cx.s.reals[b]), "{channels}");
        }
    }

    #[test]
    fn layers_of_one_position_and_large_tables_are_long() {
        assert!(LongTables::fits(&layer(1024, 512)));
        assert!(!LongTables::fits(&layer(1024, 10)));
        assert!(!LongTables::fits(&layer(8, 512)));
        let image = WindowSpec {
            output: Shape::image(512, 2, 2),
            ..layer(1024, 512)
        };
        assert!(!LongTables::fits(&image));
    }
}
