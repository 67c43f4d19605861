//! The gradient of a convolution's input, by the phases of its stride.
//!
//! ```text
//! dx[c, r] = Σ_{o, u} dy[o, i] · w[o, c, u]        over u ≡ r + p (mod s), i = (r + p - u) / s
//! ```
//!
//! The pixels `r ≡ a (mod s)` are a phase. They meet the taps `u ≡ a + p (mod s)` alone, and
//! neighbours of a phase meet them at neighbouring outputs: a phase is a convolution of stride 1 of
//! the output gradient by these taps, the last one first. So no number is multiplied by the zeros of
//! a gradient that is dilated by the stride, which are three of four for a stride of 2. With a
//! stride of 1 there is one phase, of all taps.

use crate::kernels::Kernels;
use crate::kernels::gemm::{Patches, Store, panel_len};
use crate::tensor::Shape;

use super::super::Weights;
use super::super::panels::{self, Taps};
use super::super::sides::Sides;
use super::super::window::Window;

/// The pixels of a phase on one side of an image.
struct Line {
    /// The first pixel, and how many there are.
    pixel: usize,
    count: usize,
    /// The taps that they meet, the last one first.
    taps: Vec<usize>,
    /// The output that the first pixel meets at the first of these taps; before the image where it
    /// is below 0.
    output: isize,
}

impl Line {
    fn new(pixel: usize, (length, kernel, stride, padding): (usize, usize, usize, usize)) -> Self {
        let (first, nearest) = ((pixel + padding) % stride, (pixel + padding) / stride);
        let taps: Vec<usize> = (first..kernel).step_by(stride).rev().collect();
        Self {
            pixel,
            count: (length - pixel).div_ceil(stride),
            output: nearest as isize + 1 - taps.len() as isize,
            taps,
        }
    }

    /// Returns the phases of a side.
    fn all(length: usize, kernel: usize, stride: usize, padding: usize) -> Vec<Self> {
        let of = (length, kernel, stride, padding);
        (0..stride.min(length))
            .map(|pixel| Self::new(pixel, of))
            .collect()
    }

    /// Returns the zeros that these phases read before and behind `outputs` outputs.
    fn border(lines: &[Self], outputs: usize) -> [usize; 2] {
        let lines = lines.iter().filter(|line| !line.taps.is_empty());
        lines.fold([0; 2], |[before, behind], line| {
            let last = line.output + (line.count + line.taps.len()) as isize - 2;
            let beyond = last + 1 - outputs as isize;
            [
                before.max((-line.output).max(0) as usize),
                behind.max(beyond.max(0) as usize),
            ]
        })
    }
}

/// One phase of the pixels of an image.
struct Phase {
    /// The first pixel, down and across.
    first: (usize, usize),
    /// The patches of the output gradient in its border, from this number on.
    patches: Patches,
    start: usize,
    /// The taps in the order of the depth.
    taps: Vec<usize>,
    /// Where its panels begin.
    panels: usize,
}

/// All phases of a convolution's input.
pub(super) struct Phases {
    input: Shape,
    stride: Sides,
    each: Vec<Phase>,
    /// The zeros before the output gradient, and (height, width) of it in its border.
    pub margin: Sides,
    pub border: (usize, usize),
}

impl Phases {
    pub fn new(input: Shape, output: Shape, window: Window) -> Self {
        let (k, s, p) = (window.kernel, window.stride, window.padding);
        let down = Line::all(input.height, k.height, s.height, p.height);
        let across = Line::all(input.width, k.width, s.width, p.width);
        let [above, below] = Line::border(&down, output.height);
        let [left, right] = Line::border(&across, output.width);
        let border = (above + output.height + below, left + output.width + right);
        let row = border.1 * output.channels;
        let mut at = 0;
        let mut phase = |down: &Line, across: &Line| {
            let taps = down.taps.iter();
            let taps = taps.flat_map(|u| across.taps.iter().map(move |v| u * k.width + v));
            let place = |line: &Line, before: usize| match line.taps.is_empty() {
                true => 0,
                false => (line.output + before as isize) as usize,
            };
            let phase = Phase {
                first: (down.pixel, across.pixel),
                patches: Patches {
                    rows: down.count,
                    cols: across.count,
                    row_step: row,
                    col_step: output.channels,
                    runs: down.taps.len(),
                    run_len: across.taps.len() * output.channels,
                    run_step: row,
                },
                start: place(down, above) * row + place(across, left) * output.channels,
                taps: taps.collect(),
                panels: at,
            };
            at += panel_len(phase.patches.depth(), input.channels);
            phase
        };
        let pairs = down.iter().flat_map(|d| across.iter().map(move |a| (d, a)));
        Self {
            input,
            stride: s,
            each: pairs.map(|(down, across)| phase(down, across)).collect(),
            margin: Sides::new(above, left),
            border,
        }
    }

    /// Numbers that [`Self::product`] works in.
    pub fn scratch_len(&self) -> usize {
        match &self.each[..] {
            [_] => 0,
            phases => phases[0].patches.count() * self.input.channels,
        }
    }

    /// Writes the panels of all phases; `at` says how the weights lie, one column an input channel.
    pub fn fill(&self, panels: &mut [f32], at: Taps, weight: &[f32], weights: Weights) {
        for phase in self.each.iter().filter(|phase| !phase.taps.is_empty()) {
            let order = &phase.taps;
            let taps = order.len();
            let at = Taps { taps, ..at };
            let to = &mut panels[phase.panels..];
            panels::fill_weights(to, at, |i| order[i], weight, weights);
        }
    }

    /// Computes the gradient of an image out of the gradient `g` of its output in its border.
    pub fn product(
        &self,
        kernels: &Kernels,
        g: &[f32],
        panels: &[f32],
        (dx, store): (&mut [f32], Store),
        scratch: &mut [f32],
    ) {
        let columns = self.input.channels;
        let of = |phase: &Phase, to: &mut [f32], store| {
            let (g, panels) = (&g[phase.start..], &panels[phase.panels..]);
            kernels.product(&phase.patches, g, panels, columns, None, to, store);
        };
        if let [phase] = &self.each[..] {
            return of(phase, dx, store);
        }
        for phase in &self.each {
            of(phase, scratch, Store::Assign);
            self.scatter(phase, scratch, dx, store);
        }
    }

    /// Stores the pixels of a phase, or adds them, where they are in the image.
    fn scatter(&self, phase: &Phase, from: &[f32], dx: &mut [f32], store: Store) {
        let (channels, width) = (self.input.channels, self.input.width);
        let Patches { rows, cols, .. } = phase.patches;
        let from = from.chunks_exact(cols * channels).take(rows);
        for (i, from) in from.enumerate() {
            let row = (phase.first.0 + i * self.stride.height) * width;
            let dx = &mut dx[(row + phase.first.1) * channels..];
            let pixels = dx.chunks_mut(self.stride.width * channels);
            for (to, from) in pixels.zip(from.chunks_exact(channels)) {
                let to = &mut to[..channels];
                match store {
                    Store::Assign => to.copy_from_slice(from),
                    Store::Add => to.iter_mut().zip(from).for_each(|(to, x)| *to += x),
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "phases_tests.rs"]
mod tests;
