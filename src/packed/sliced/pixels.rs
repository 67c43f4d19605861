//! Bits of pixels, for 64 images.

use alloc::vec::Vec;

use super::SLICE;
use crate::kernels::Inference;
use crate::kernels::packed::LANES;
use crate::packed::PackedNet;
use crate::packed::flow::Flow;
use crate::packed::layer::{Kind, Pixels, Product, Stage, Step};

/// The bits of a first stage that compares each pixel with a number.
pub(super) struct PixelBits {
    pixels: usize,
    /// The smallest byte whose bit is 1, or is 0 if the bits are inverted.
    least: i32,
    inverted: bool,
}

/// Returns the smallest byte whose bit differs from that of all smaller ones, and whether it is 0;
/// `None` if there are several such bytes.
fn threshold(bit: impl Fn(u8) -> bool) -> Option<(i32, bool)> {
    let inverted = bit(0);
    let least = (0..=255).find(|&p| bit(p) != inverted);
    let from = least.map_or(256, i32::from);
    let same = (0..=255u8).all(|p| bit(p) == ((i32::from(p) >= from) != inverted));
    same.then_some((from, inverted))
}

impl PixelBits {
    /// Makes the operation of a stage; `None` if it does something else, or not the same in all
    /// channels.
    pub fn new(net: &PackedNet, stage: &Stage, flow: &Flow) -> Option<Self> {
        if stage.product != Product::Input || !flow.output().1.is_bits() {
            return None;
        }
        let tables = net.pixels().tables();
        let steps: Vec<&Step> = stage.tail.iter().collect();
        let steps = match steps[..] {
            [first] | [first, Step::Signs] => first,
            _ => return None,
        };
        let channel = |c: usize| match (steps, net.pixels()) {
            (Step::Threshold { thresholds }, Pixels::Raw) => {
                threshold(|p| thresholds.bit(c, i32::from(p)))
            }
            (Step::Fire, Pixels::Normalised { .. }) => {
                let table = &tables[c % tables.len()];
                threshold(|p| crate::bits::bit(table[usize::from(p)]))
            }
            _ => None,
        };
        let (least, inverted) = channel(0)?;
        let same = (1..flow.input().0.channels).all(|c| channel(c) == Some((least, inverted)));
        debug_assert!(matches!(flow.input().1, Kind::Pixels | Kind::Reals));
        same.then_some(Self {
            pixels: net.input().len(),
            least,
            inverted,
        })
    }

    /// Returns the number of words of the bits, and of a zero word behind them.
    pub fn words(&self) -> usize {
        self.pixels.next_multiple_of(SLICE) + 1
    }

    /// Returns the number of words of the bits of 64 images, image by image.
    pub fn rows(&self) -> usize {
        SLICE * self.pixels.div_ceil(SLICE)
    }

    /// Writes the words of up to 64 images; the bits of images that are not there are undefined.
    pub fn run(&self, kernels: &Inference, images: &[u8], out: &mut [u64], rows: &mut [u64]) {
        let (blocks, whole) = (self.pixels.div_ceil(SLICE), self.pixels / LANES * LANES);
        for (image, row) in images
            .chunks_exact(self.pixels)
            .zip(rows.chunks_exact_mut(blocks))
        {
            let (words, rest) = (whole.div_ceil(SLICE), &image[whole..]);
            if whole > 0 {
                kernels.cut8(&image[..whole], 1, self.least, &mut row[..words]);
            }
            if !rest.is_empty() {
                // The rest is less than a word, which may be begun already.
                let mut last = [0; LANES];
                last[..rest.len()].copy_from_slice(rest);
                let mut word = [0];
                kernels.cut8(&last, 1, self.least, &mut word);
                match whole % SLICE {
                    0 => row[blocks - 1] = word[0],
                    held => row[blocks - 1] |= word[0] << held,
                }
            }
        }
        let inversion = if self.inverted { u64::MAX } else { 0 };
        for (block, out) in out.chunks_exact_mut(SLICE).take(blocks).enumerate() {
            let mut square: [u64; SLICE] = core::array::from_fn(|i| rows[i * blocks + block]);
            kernels.transpose(&mut square);
            for (out, word) in out.iter_mut().zip(square) {
                *out = word ^ inversion;
            }
        }
        // Behind the bits is the zero that borders read.
        out[self.pixels] = 0;
    }
}
