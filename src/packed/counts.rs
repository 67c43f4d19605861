//! Corrections of sums over bits for inputs of -1 and +1 and for borders.
//!
//! The kernels compute `r`, the sum of weights times bits (or pixels), with a border of 0. The sum
//! `s` of the network follows from `r`:
//!
//! ```text
//! s = r + border·W_out            over bits and pixels
//! s = 2r + border·W_out - W_in    over signs, x = 2·bit - 1
//! ```
//!
//! `W_in` and `W_out` are the sums of the weights inside and outside of the image at a position.
//! Positions with the same taps inside form a class. There is only one class without a border, and
//! for signs with a border of -1, because `W_in + W_out` is the same at all positions.

use alloc::vec;
use alloc::vec::Vec;

use super::bit_conv::ConvSpec;
use super::layer::{Kind, Product};
use super::op::{Cx, Op};
use super::window_spec::WindowSpec;
use crate::tensor::Shape;

impl Product {
    /// Returns whether `s` minus its multiple of `r` depends on the position, for an input of that
    /// kind.
    pub(super) fn varies(&self, kind: Kind) -> bool {
        let same = if kind == Kind::Signs { -1 } else { 0 };
        matches!(self, Product::Conv { padding, border, .. } if *padding > 0 && *border != same)
    }
}

/// The classes of positions, at stride 1, and a number for each class and output.
pub(super) struct Classes {
    /// The class of a position is the sum of the entries for its row and its column.
    rows: Vec<usize>,
    columns: Vec<usize>,
    out: usize,
    numbers: Vec<f64>,
}

/// Returns the range (from, to) of taps inside of the image along a side, for each position.
fn inside(length: usize, kernel: usize, padding: usize) -> Vec<(usize, usize)> {
    let positions = (length + 2 * padding + 1).saturating_sub(kernel);
    let taps = |p: usize| {
        let to = kernel.min((length + padding).saturating_sub(p));
        (padding.saturating_sub(p).min(to), to)
    };
    (0..positions).map(taps).collect()
}

/// Returns the distinct ranges, and for each position the index of its range.
fn distinct(of: &[(usize, usize)]) -> (Vec<(usize, usize)>, Vec<usize>) {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let number = |range: &(usize, usize)| {
        // Most positions have the range of their neighbour.
        match found.iter().rposition(|f| f == range) {
            Some(n) => n,
            None => {
                found.push(*range);
                found.len() - 1
            }
        }
    };
    let numbers = of.iter().map(number).collect();
    (found, numbers)
}

impl Classes {
    /// Computes `of(W_in, W_out)` for every class and output.
    pub fn new(
        spec: &WindowSpec,
        weight: impl Fn(usize, usize) -> f64,
        of: impl Fn(f64, f64) -> f64,
    ) -> Self {
        let (input, (height, width), out) = (spec.input, spec.kernel, spec.output.channels);
        let (downs, rows) = distinct(&inside(input.height, height, spec.padding));
        let (acrosses, columns) = distinct(&inside(input.width, width, spec.padding));
        let mut numbers = vec![0.0; downs.len() * acrosses.len() * out];
        // Sums of the taps above and to the left of each corner (a summed-area table).
        let mut corners = vec![0.0; (height + 1) * (width + 1)];
        let corner = |y: usize, x: usize| y * (width + 1) + x;
        for o in 0..out {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let tap = |c: usize| weight(o, (c * height + y) * width + x);
                let sum: f64 = (0..input.channels / spec.groups).map(tap).sum();
                corners[corner(y + 1, x + 1)] =
                    sum + corners[corner(y, x + 1)] + corners[corner(y + 1, x)]
                        - corners[corner(y, x)];
            }
            let all = corners[corner(height, width)];
            for (i, &(top, bottom)) in downs.iter().enumerate() {
                for (j, &(left, right)) in acrosses.iter().enumerate() {
                    let within = corners[corner(bottom, right)]
                        - corners[corner(top, right)]
                        - corners[corner(bottom, left)]
                        + corners[corner(top, left)];
                    numbers[(i * acrosses.len() + j) * out + o] = of(within, all - within);
                }
            }
        }
        Self {
            rows: rows.iter().map(|i| i * acrosses.len()).collect(),
            columns,
            out,
            numbers,
        }
    }

    /// Returns the numbers of all outputs at a position, counted at stride 1.
    pub fn at(&self, y: usize, x: usize) -> &[f64] {
        let class = self.rows[y] + self.columns[x];
        &self.numbers[class * self.out..][..self.out]
    }
}

/// The map from the sum `r` over bits to the sum `s` of the network: s = scale·r + offset.
pub(super) struct Counts {
    scale: i32,
    offsets: Classes,
}

impl Counts {
    /// Makes the map for a sum over binary weights; returns `None` if `s = r`.
    pub fn new(
        product: Product,
        kind: Kind,
        (spec, window): (&ConvSpec<'_>, &WindowSpec),
    ) -> Option<Self> {
        let signs = kind == Kind::Signs;
        if !signs && !product.varies(kind) {
            return None;
        }
        let weight = |o: usize, i: usize| if (spec.positive)(o, i) { 1.0 } else { -1.0 };
        let border = f64::from(window.border);
        let offset = |within: f64, outside: f64| match signs {
            true => border * outside - within,
            false => border * outside,
        };
        Some(Self {
            scale: if signs { 2 } else { 1 },
            offsets: Classes::new(window, weight, offset),
        })
    }

    /// Returns the factor of `r`.
    #[cfg(feature = "std")]
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// Returns the offsets.
    #[cfg(feature = "std")]
    pub fn offsets(&self) -> &Classes {
        &self.offsets
    }

    /// Returns the smallest `r` at a position for which `s` is at least `threshold`.
    pub fn threshold(&self, o: usize, threshold: i32, (y, x): (usize, usize)) -> i32 {
        let rest = threshold - self.offsets.at(y, x)[o] as i32;
        (rest + self.scale - 1).div_euclid(self.scale)
    }
}

/// The operation that replaces sums over bits by the sums of the network, in place.
pub(super) struct Settle {
    pub counts: Counts,
    pub output: Shape,
    pub stride: usize,
    pub at: usize,
}

impl Op for Settle {
    fn name(&self) -> &'static str {
        "signs and borders"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let Shape {
            channels, width, ..
        } = self.output;
        let pixels = cx.s.ints[self.at].chunks_exact_mut(channels).enumerate();
        for (p, sums) in pixels {
            let (y, x) = (p / width * self.stride, p % width * self.stride);
            for (s, offset) in sums.iter_mut().zip(self.counts.offsets.at(y, x)) {
                *s = self.counts.scale * *s + *offset as i32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares each class with the sums of the taps inside and outside, added one by one.
    #[test]
    fn classes_are_the_sums_of_the_taps_inside_and_outside() {
        let weight = |o: usize, i: usize| ((o * 31 + i * 7) % 11) as f64 - 5.0;
        for (input, kernel, padding) in [
            (Shape::image(2, 5, 6), 3, 1),
            (Shape::image(1, 7, 4), 5, 4),
            (Shape::image(3, 1, 2), 3, 2),
            (Shape::image(1, 4, 4), 1, 0),
            (Shape::image(2, 3, 9), 3, 0),
        ] {
            let side = |n: usize| n + 2 * padding + 1 - kernel;
            let output = Shape::image(2, side(input.height), side(input.width));
            let spec = WindowSpec {
                input,
                output,
                kernel: (kernel, kernel),
                stride: 1,
                padding,
                border: 0,
                groups: 1,
            };
            let classes = Classes::new(&spec, weight, |within, outside| within * 1e3 + outside);
            for (y, x) in (0..output.height).flat_map(|y| (0..output.width).map(move |x| (y, x))) {
                for o in 0..2 {
                    let (mut within, mut outside) = (0.0, 0.0);
                    for i in 0..kernel * kernel * input.channels {
                        let tap = i % (kernel * kernel);
                        let row = (y + tap / kernel).wrapping_sub(padding);
                        let column = (x + tap % kernel).wrapping_sub(padding);
                        match row < input.height && column < input.width {
                            true => within += weight(o, i),
                            false => outside += weight(o, i),
                        }
                    }
                    assert_eq!(
                        classes.at(y, x)[o],
                        within * 1e3 + outside,
                        "{input} {y} {x}"
                    );
                }
            }
        }
    }
}
