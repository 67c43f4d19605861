//! Execution of the steps of a tail one after another, for values of any shape. It serves all tails
//! that are not fused with a product.

use alloc::vec::Vec;

use super::layer::{Function, Step, Thresholds};
use super::layout::{Place, set};
use super::op::{Cx, Op};
use super::scratch::Sizes;
use super::windows::{add_windows, extreme, flatten, for_windows};
use crate::bits;
use crate::kernels::Inference;
use crate::kernels::elementwise::Pool;
use crate::random::fill_uniform;
use crate::tensor::Shape;

/// The buffer that the steps read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Ints(usize),
    Reals(usize),
}

/// The buffer that the steps write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sink {
    Ints(usize),
    Reals(usize),
    Bits(Place),
}

/// A step with the shape of its input.
pub(super) struct TailStep {
    pub step: Step,
    /// Shape of the input, and number of elements of the result.
    pub shape: Shape,
    pub made: usize,
    /// For a step that draws random bits: the number of integers per channel in its table of
    /// probabilities, and the smallest integer of each channel.
    pub table: (usize, Vec<i32>),
}

/// Buffers that the tails of all stages share.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailBuffers {
    ints: [usize; 2],
    reals: [usize; 2],
    index: usize,
}

impl TailBuffers {
    pub fn new(sizes: &mut Sizes) -> Self {
        Self {
            ints: [sizes.ints(0), sizes.ints(0)],
            reals: [sizes.reals(0), sizes.reals(0)],
            index: sizes.bytes(0),
        }
    }

    /// Enlarges the buffers to values of `len` numbers.
    fn grow(&self, len: usize, sizes: &mut Sizes) {
        self.ints.iter().for_each(|&i| sizes.grow_ints(i, len));
        self.reals.iter().for_each(|&i| sizes.grow_reals(i, len));
        sizes.grow_bytes(self.index, len);
    }
}

/// The operation that executes the steps of a tail.
pub(super) struct Tail {
    steps: Vec<TailStep>,
    output: Shape,
    source: Source,
    sink: Sink,
    buffers: TailBuffers,
}

impl TailStep {
    /// Turns integers into bits by thresholds.
    fn threshold(&self, thresholds: &Thresholds, x: &[i32], y: &mut [i32]) {
        let c = self.shape.channels;
        for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
            for (c, (y, &x)) in y.iter_mut().zip(x).enumerate() {
                *y = i32::from(thresholds.bit(c, x));
            }
        }
    }

    /// Turns integers into random bits; `u` is a buffer for uniform numbers.
    fn draw(
        &self,
        p: &[f32],
        rng: &mut rand_xoshiro::Xoshiro256PlusPlus,
        x: &[i32],
        (u, y): (&mut [f32], &mut [i32]),
    ) {
        fill_uniform(rng, u);
        let (c, (sums, low)) = (self.shape.channels, &self.table);
        for (i, y) in y.iter_mut().enumerate() {
            let sum = (x[i] - low[i % c]) as usize;
            *y = i32::from(u[i] < p[i % c * sums + sum]);
        }
    }

    /// Turns probabilities `p` into random bits.
    fn sample(rng: &mut rand_xoshiro::Xoshiro256PlusPlus, p: &[f32], y: &mut [i32]) {
        for (pair, p) in y.chunks_mut(2).zip(p.chunks(2)) {
            // Each random word gives two uniform numbers, as in `fill_uniform`.
            let mut u = [0.0; 2];
            fill_uniform(rng, &mut u[..pair.len()]);
            for ((y, &p), &u) in pair.iter_mut().zip(p).zip(&u) {
                *y = i32::from(u < p);
            }
        }
    }

    /// Applies a step that reads and makes integers, bits or signs; `reals` is a buffer.
    fn ints_of_ints(&self, cx: &Cx<'_>, x: &[i32], y: &mut [i32], reals: &mut [f32]) {
        let shape = self.shape;
        let n = shape.len();
        match &self.step {
            Step::Threshold { thresholds } => self.threshold(thresholds, &x[..n], &mut y[..n]),
            Step::Draw {
                node,
                thresholds,
                p,
            } => match cx.reading.noise(*node) {
                None => self.threshold(thresholds, &x[..n], &mut y[..n]),
                Some(mut rng) => self.draw(p, &mut rng, x, (&mut reals[..n], &mut y[..n])),
            },
            Step::PoolBits {
                kernel,
                stride,
                and: least,
            }
            | Step::PoolInts {
                kernel,
                stride,
                min: least,
            } => {
                let mut made = y.iter_mut();
                for_windows(shape, ((*kernel, *kernel), *stride), |corner, c| {
                    if let Some(y) = made.next() {
                        *y = extreme(x, shape, *kernel, (corner, c), least[c]);
                    }
                });
            }
            Step::SumPool {
                height,
                width,
                stride,
            } => add_windows(x, shape, ((*height, *width), *stride), &mut y[..self.made]),
            Step::Flatten => flatten(x, shape, y),
            Step::Signs => {
                for (y, &bit) in y[..n].iter_mut().zip(x) {
                    *y = 2 * bit - 1;
                }
            }
            _ => unreachable!("PackedNet::new has checked the order of the steps"),
        }
    }

    /// Applies a step that turns reals into bits; `p` is a buffer for probabilities.
    fn bits_of_reals(&self, cx: &Cx<'_>, x: &[f32], y: &mut [i32], p: &mut [f32]) {
        let n = self.shape.len();
        let noise = match &self.step {
            Step::Sample {
                node,
                probability,
                slope,
            } => cx.reading.noise(*node).map(|rng| (rng, probability, slope)),
            _ => None,
        };
        match noise {
            None => {
                for (y, &x) in y[..n].iter_mut().zip(x) {
                    *y = i32::from(bits::bit(x));
                }
            }
            Some((mut rng, probability, slope)) => {
                probability.on(cx.kernels, *slope, &x[..n], &mut p[..n]);
                Self::sample(&mut rng, &p[..n], &mut y[..n]);
            }
        }
    }

    /// Applies a step that turns integers into reals.
    fn reals_of_ints(&self, x: &[i32], y: &mut [f32]) {
        let (n, c) = (self.shape.len(), self.shape.channels);
        match &self.step {
            Step::Affine { scale, shift } => {
                for (i, y) in y[..n].iter_mut().enumerate() {
                    *y = x[i] as f32 * scale[i % c] + shift[i % c];
                }
            }
            Step::Divide { by } => {
                for (y, &x) in y[..n].iter_mut().zip(x) {
                    *y = x as f32 / *by as f32;
                }
            }
            _ => unreachable!("PackedNet::new has checked the order of the steps"),
        }
    }

    /// Applies a step that reads and makes reals; `index` is a buffer.
    fn reals_of_reals(&self, cx: &Cx<'_>, x: &[f32], y: &mut [f32], index: &mut [u8]) {
        let (shape, n) = (self.shape, self.shape.len());
        let kernels = cx.kernels;
        let x = &x[..n];
        match &self.step {
            Step::Affine { scale, shift } => (kernels.affine)(x, scale, shift, &mut y[..n]),
            Step::Function { function, slope } => function.on(kernels, *slope, x, &mut y[..n]),
            Step::MaxPool { kernel, stride } => {
                let pool = Pool {
                    height: shape.height,
                    width: shape.width,
                    channels: shape.channels,
                    kernel: (*kernel, *kernel),
                    stride: (*stride, *stride),
                };
                (kernels.max_pool)(&pool, x, &mut y[..self.made], &mut index[..self.made]);
            }
            Step::AvgPool {
                height,
                width,
                stride,
            } => {
                let y = &mut y[..self.made];
                add_windows(x, shape, ((*height, *width), *stride), y);
                let n = (height * width) as f32;
                y.iter_mut().for_each(|y| *y /= n);
            }
            Step::Flatten => flatten(x, shape, y),
            _ => unreachable!("PackedNet::new has checked the order of the steps"),
        }
    }
}

impl Tail {
    /// Makes the operation; the first step reads `source` and the last one writes `sink`.
    pub fn new(
        steps: Vec<TailStep>,
        output: Shape,
        (source, sink): (Source, Sink),
        buffers: TailBuffers,
        sizes: &mut Sizes,
    ) -> Self {
        let most = steps.iter().map(|s| s.shape.len().max(s.made)).max();
        buffers.grow(most.unwrap_or(0).max(output.len()), sizes);
        Self {
            steps,
            output,
            source,
            sink,
            buffers,
        }
    }

    /// Applies one step; bits are the integers 0 and 1, signs -1 and +1.
    fn apply(&self, step: &TailStep, cx: &mut Cx<'_>, x: Source) -> Source {
        let other = |of: [usize; 2], used: usize| if of[0] == used { of[1] } else { of[0] };
        let (from_ints, from_reals) = match x {
            Source::Ints(i) => (i, usize::MAX),
            Source::Reals(i) => (usize::MAX, i),
        };
        let to_ints = other(self.buffers.ints, from_ints);
        let to_reals = other(self.buffers.reals, from_reals);
        let mut ints = core::mem::take(&mut cx.s.ints[to_ints]);
        let mut reals = core::mem::take(&mut cx.s.reals[to_reals]);
        let mut index = core::mem::take(&mut cx.s.bytes[self.buffers.index]);
        let makes_reals = match (&step.step, x) {
            (Step::Flatten, x) => matches!(x, Source::Reals(_)),
            (step, _) => step.makes_reals(),
        };
        match (x, makes_reals) {
            (Source::Ints(x), false) => {
                step.ints_of_ints(cx, &cx.s.ints[x], &mut ints, &mut reals);
            }
            (Source::Ints(x), true) => step.reals_of_ints(&cx.s.ints[x], &mut reals),
            (Source::Reals(x), false) => {
                step.bits_of_reals(cx, &cx.s.reals[x], &mut ints, &mut reals);
            }
            (Source::Reals(x), true) => {
                step.reals_of_reals(cx, &cx.s.reals[x], &mut reals, &mut index);
            }
        }
        cx.s.ints[to_ints] = ints;
        cx.s.reals[to_reals] = reals;
        cx.s.bytes[self.buffers.index] = index;
        match makes_reals {
            true => Source::Reals(to_reals),
            false => Source::Ints(to_ints),
        }
    }

    /// Writes integers that stand for bits (0 and 1, or signs), stored as (height, width, channel),
    /// as bits to `place`.
    fn place(&self, place: Place, cx: &mut Cx<'_>, x: usize) {
        let shape = self.output;
        let x = &cx.s.ints[x][..shape.len()];
        let pixels = x.chunks_exact(shape.channels).enumerate();
        let at = |p: usize| (p / shape.width, p % shape.width);
        match place {
            Place::Rows(buffer, rows) => {
                let out = &mut cx.s.bits[buffer];
                out.fill(0);
                for (p, x) in pixels {
                    let (y, column) = at(p);
                    for (c, &x) in x.iter().enumerate() {
                        set(out, rows.place(c, y, column), x > 0);
                    }
                }
            }
            Place::Nibbles(buffer, nibbles) => {
                let out = &mut cx.s.bytes[buffer];
                for (p, x) in pixels {
                    let (y, column) = at(p);
                    let first = nibbles.place(0, y, column);
                    for (nibble, x) in out[first..].iter_mut().zip(x.chunks(4)) {
                        let bits = x.iter().enumerate();
                        *nibble = bits.fold(0, |nibble, (j, &x)| nibble | u8::from(x > 0) << j);
                    }
                }
            }
        }
    }
}

impl Op for Tail {
    fn name(&self) -> &'static str {
        "steps"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut x = self.source;
        for step in &self.steps {
            x = self.apply(step, cx, x);
        }
        match (self.sink, x) {
            (Sink::Bits(place), Source::Ints(x)) => self.place(place, cx, x),
            (Sink::Ints(to), Source::Ints(x)) if to != x => {
                let mut out = core::mem::take(&mut cx.s.ints[to]);
                let n = out.len();
                out.copy_from_slice(&cx.s.ints[x][..n]);
                cx.s.ints[to] = out;
            }
            (Sink::Reals(to), Source::Reals(x)) if to != x => {
                let mut out = core::mem::take(&mut cx.s.reals[to]);
                let n = out.len();
                out.copy_from_slice(&cx.s.reals[x][..n]);
                cx.s.reals[to] = out;
            }
            _ => {}
        }
    }
}

impl Step {
    /// Returns whether the step makes reals; flattening makes the kind that it reads.
    fn makes_reals(&self) -> bool {
        matches!(
            self,
            Step::Affine { .. }
                | Step::Function { .. }
                | Step::MaxPool { .. }
                | Step::AvgPool { .. }
                | Step::Divide { .. }
        )
    }
}

impl Function {
    fn on(self, kernels: &Inference, slope: f32, x: &[f32], y: &mut [f32]) {
        match self {
            Function::Relu => (kernels.relu)(x, y),
            Function::HardSigmoid => (kernels.hard_sigmoid)(slope, x, y),
            Function::Sigmoid => (kernels.sigmoid)(slope, x, y),
        }
    }
}
