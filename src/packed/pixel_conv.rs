//! Binary weights over bytes: by sums of neighbours under all patterns of signs if the sums fit 16
//! bits, else by dot products of patches.

use alloc::vec;
use alloc::vec::Vec;

use super::bit_conv::{ConvSpec, OutputLayout};
use super::op::{Cx, Op};
use super::scratch::Sizes;
use crate::kernels::packed::{LANES, Terms};
use crate::tensor::Shape;

/// The largest kernel width for which all patterns of signs are tabulated.
const WIDEST: usize = 6;

/// The largest number of tabulated sums, so that they fit the L2 cache.
const MOST: usize = 1 << 17;

/// The operation of a convolution over pixels by tabulated signed sums.
pub(super) struct PixelConv {
    input: Shape,
    output: Shape,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// Number of positions in a row, number of pixels in a padded row, and number of padded rows.
    lanes: usize,
    pitch: usize,
    rows: usize,
    /// Number of output rows at stride 1.
    dense: usize,
    terms: Vec<Terms>,
    layout: OutputLayout,
    pixels: usize,
    table: usize,
    sums: usize,
    stream: usize,
}

impl PixelConv {
    /// Returns whether the sums fit 16 bits and their table fits the cache.
    pub fn fits(spec: &ConvSpec<'_>) -> bool {
        let depth = spec.kernel * spec.kernel * spec.input.channels;
        let lanes = spec.dense().1.next_multiple_of(LANES);
        let rows = spec.input.height + 2 * spec.padding;
        let table = spec.input.channels * rows * lanes;
        spec.kernel <= WIDEST && depth <= 128 && table << (spec.kernel - 1) <= MOST
    }

    pub fn new(spec: &ConvSpec<'_>, layout: OutputLayout, sizes: &mut Sizes) -> Self {
        let (input, k) = (spec.input, spec.kernel);
        let (dense, width) = spec.dense();
        let lanes = width.next_multiple_of(LANES);
        let pitch = lanes + k - 1;
        let rows = input.height + 2 * spec.padding;
        let patterns = 1 << (k - 1);
        let terms = |o: usize| {
            let negate = match &layout {
                OutputLayout::Bits(channels, ..) => channels[o].negate,
                OutputLayout::Ints(_) => false,
            };
            let (mut adds, mut subs) = (Vec::new(), Vec::new());
            for (c, dy) in (0..input.channels).flat_map(|c| (0..k).map(move |dy| (c, dy))) {
                let positive = |j: usize| (spec.positive)(o, (c * k + dy) * k + j) != negate;
                // The first sign of a tabulated pattern is +.
                let m: usize = (1..k)
                    .map(|j| usize::from(positive(j) != positive(0)) << (j - 1))
                    .sum();
                let at = ((c * patterns + m) * rows + dy) * lanes;
                match positive(0) {
                    true => adds.push(at as u32),
                    false => subs.push(at as u32),
                }
            }
            Terms::new(0, &adds, &subs)
        };
        let terms = (0..spec.output.channels).map(terms).collect();
        Self {
            input,
            output: spec.output,
            kernel: k,
            stride: spec.stride,
            padding: spec.padding,
            lanes,
            pitch,
            rows,
            dense,
            terms,
            layout,
            pixels: sizes.shorts(input.channels * input.height * pitch),
            table: sizes.shorts(input.channels * patterns * rows * lanes),
            sums: sizes.shorts(dense * lanes),
            stream: sizes.bits((dense * lanes).div_ceil(64)),
        }
    }
}

impl PixelConv {
    /// Copies the image into 16-bit integers, one plane per channel.
    fn load(&self, image: &[u8], pixels: &mut [i16]) {
        let (channels, height, width) = (self.input.channels, self.input.height, self.input.width);
        let plane = height * self.pitch;
        for (y, row) in image.chunks_exact(width * channels).enumerate() {
            for c in 0..channels {
                let out = &mut pixels[c * plane + y * self.pitch + self.padding..][..width];
                if channels == 1 {
                    for (out, &pixel) in out.iter_mut().zip(row) {
                        *out = i16::from(pixel);
                    }
                    continue;
                }
                for (out, pixel) in out.iter_mut().zip(row[c..].iter().step_by(channels)) {
                    *out = i16::from(*pixel);
                }
            }
        }
    }
}

impl Op for PixelConv {
    fn name(&self) -> &'static str {
        "pixel conv"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut pixels = core::mem::take(&mut cx.s.shorts[self.pixels]);
        let mut table = core::mem::take(&mut cx.s.shorts[self.table]);
        let mut sums = core::mem::take(&mut cx.s.shorts[self.sums]);
        let mut stream = core::mem::take(&mut cx.s.bits[self.stream]);
        let channels = self.input.channels;
        let plane = self.input.height * self.pitch;
        self.load(cx.image, &mut pixels);
        // Rows of padding stay 0 in the table.
        let patterns = (self.rows * self.lanes) << (self.kernel - 1);
        for c in 0..channels {
            let out = &mut table[c * patterns + self.padding * self.lanes..];
            cx.kernels.signed_sums(
                &pixels[c * plane..][..plane],
                (self.kernel, self.pitch),
                (self.lanes, self.rows),
                out,
            );
        }
        if let OutputLayout::Bits(_, _, to) = self.layout {
            cx.s.bits[to].fill(0);
        }
        debug_assert_eq!(sums.len(), self.dense * self.lanes);
        for (o, terms) in self.terms.iter().enumerate() {
            match &self.layout {
                OutputLayout::Bits(channels, epilogue, to) => {
                    let channel = channels[o];
                    // Sums are within ±128 · 255, and thresholds are at most 1 above that range.
                    let below = (channel.threshold - 1) as i16;
                    cx.kernels
                        .cut_sum16(&table, terms, below, sums.len(), &mut stream);
                    let out = &mut cx.s.bits[*to];
                    epilogue.channel(cx.kernels, &stream, o, channel.invert, out);
                }
                OutputLayout::Ints(to) => {
                    cx.kernels.sum16(&table, terms, &mut sums);
                    let out = &mut cx.s.ints[*to];
                    for p in 0..self.output.pixels() {
                        let (y, x) = (p / self.output.width, p % self.output.width);
                        let at = (y * self.lanes + x) * self.stride;
                        out[p * self.output.channels + o] = i32::from(sums[at]);
                    }
                }
            }
        }
        cx.s.shorts[self.pixels] = pixels;
        cx.s.shorts[self.table] = table;
        cx.s.shorts[self.sums] = sums;
        cx.s.bits[self.stream] = stream;
    }
}

/// The operation of a convolution or linear layer over pixels by dot products of copied patches.
pub(super) struct PixelDot {
    input: Shape,
    output: Shape,
    /// Height and width of the window.
    kernel: (usize, usize),
    stride: usize,
    padding: usize,
    /// Weights, of shape (out, kernel row, kernel column, channel).
    weights: Vec<i8>,
    to: usize,
    patch: usize,
    sums: usize,
}

impl PixelDot {
    pub fn new(spec: &ConvSpec<'_>, kernel: (usize, usize), to: usize, sizes: &mut Sizes) -> Self {
        let depth = kernel.0 * kernel.1 * spec.input.channels;
        let mut weights = vec![0; depth * spec.output.channels];
        for (at, w) in weights.iter_mut().enumerate() {
            let (o, i) = (at / depth, at % depth);
            let (tap, c) = (i / spec.input.channels, i % spec.input.channels);
            let positive = (spec.positive)(o, c * kernel.0 * kernel.1 + tap);
            *w = if positive { 1 } else { -1 };
        }
        Self {
            input: spec.input,
            output: spec.output,
            kernel,
            stride: spec.stride,
            padding: spec.padding,
            weights,
            to,
            patch: sizes.bytes(depth),
            sums: sizes.ints(spec.output.channels),
        }
    }
}

impl Op for PixelDot {
    fn name(&self) -> &'static str {
        "pixel dot"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut patch = core::mem::take(&mut cx.s.bytes[self.patch]);
        let mut sums = core::mem::take(&mut cx.s.ints[self.sums]);
        let (input, channels) = (self.input, self.input.channels);
        for p in 0..self.output.pixels() {
            let (y, x) = (p / self.output.width, p % self.output.width);
            for (dy, row) in patch.chunks_exact_mut(self.kernel.1 * channels).enumerate() {
                for (dx, pixel) in row.chunks_exact_mut(channels).enumerate() {
                    let y = (y * self.stride + dy).wrapping_sub(self.padding);
                    let x = (x * self.stride + dx).wrapping_sub(self.padding);
                    if y < input.height && x < input.width {
                        let from = (y * input.width + x) * channels;
                        pixel.copy_from_slice(&cx.image[from..][..channels]);
                    } else {
                        pixel.fill(0);
                    }
                }
            }
            cx.kernels.dot(&patch, &self.weights, &mut sums);
            cx.s.ints[self.to][p * self.output.channels..][..sums.len()].copy_from_slice(&sums);
        }
        cx.s.bytes[self.patch] = patch;
        cx.s.ints[self.sums] = sums;
    }
}
