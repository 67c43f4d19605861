//! What follows a product, one step after another, for values of any shape: the
//! way of all that has no fast path of its own.

use super::layer::{Function, Step};
use super::layout::{Place, set};
use super::plan::{Cx, Op};
use super::scratch::Sizes;
use crate::bits;
use crate::kernels::Elementwise;
use crate::kernels::elementwise::Pool;
use crate::random::{self, fill_uniform};
use crate::tensor::Shape;

/// How stochastic units are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As `[x > 0]`.
    #[default]
    Threshold,
    /// As samples, whose noise has this address; see [`crate::random::unit_noise`].
    Sample {
        /// The run's seed.
        seed: u64,
        /// Which pass.
        step: u64,
        /// Which draw of the pass.
        draw: u64,
        /// Which row of the batch.
        row: usize,
    },
}

impl Reading {
    pub(super) fn noise(self, node: usize) -> Option<rand_xoshiro::Xoshiro256PlusPlus> {
        match self {
            Reading::Threshold => None,
            Reading::Sample {
                seed,
                step,
                draw,
                row,
            } => Some(random::unit_noise((seed, step, draw), node, row)),
        }
    }
}

/// Largest (or, where `least`, smallest) number of each window; (height, width,
/// channel).
pub(super) fn pool_ints(
    x: &[i32],
    shape: Shape,
    (kernel, stride): (usize, usize),
    least: &[bool],
    y: &mut Vec<i32>,
) {
    y.clear();
    for_windows(shape, (kernel, stride), |corner, c| {
        let mut best = x[corner * shape.channels + c];
        for k in 0..kernel * kernel {
            let pixel = corner + k / kernel * shape.width + k % kernel;
            let x = x[pixel * shape.channels + c];
            best = if least[c] { best.min(x) } else { best.max(x) };
        }
        y.push(best);
    });
}

/// Largest number of each window, a NaN above all.
pub(super) fn max_pool(
    x: &[f32],
    shape: Shape,
    (kernel, stride): (usize, usize),
    y: &mut Vec<f32>,
) {
    y.clear();
    for_windows(shape, (kernel, stride), |corner, c| {
        let mut best = x[corner * shape.channels + c];
        for k in 0..kernel * kernel {
            let pixel = corner + k / kernel * shape.width + k % kernel;
            let x = x[pixel * shape.channels + c];
            best = if x > best || x.is_nan() { x } else { best };
        }
        y.push(best);
    });
}

fn for_windows(shape: Shape, (kernel, stride): (usize, usize), mut f: impl FnMut(usize, usize)) {
    for y in 0..(shape.height - kernel) / stride + 1 {
        for x in 0..(shape.width - kernel) / stride + 1 {
            for c in 0..shape.channels {
                f((y * shape.width + x) * stride, c);
            }
        }
    }
}

/// Where the steps read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Ints(usize),
    Reals(usize),
}

/// Where they write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sink {
    Reals(usize),
    Bits(Place),
}

/// A run of steps over one image.
pub(super) struct Tail {
    steps: Vec<(Step, Shape)>,
    output: Shape,
    source: Source,
    sink: Sink,
    /// Sums of a channel in a table of probabilities, and each one's least sum.
    sums: usize,
    low: Vec<i32>,
    ints: [usize; 2],
    reals: [usize; 2],
    index: usize,
}

impl Tail {
    /// The steps of a tail with the shape that each reads; the last writes `sink`.
    pub fn new(
        steps: Vec<(Step, Shape)>,
        output: Shape,
        source: Source,
        sink: Sink,
        (sums, low): (usize, Vec<i32>),
        sizes: &mut Sizes,
    ) -> Self {
        let most = steps.iter().map(|(_, s)| s.len()).max().unwrap_or(0);
        let most = most.max(output.len());
        Self {
            steps,
            output,
            source,
            sink,
            sums,
            low,
            ints: [sizes.ints(most), sizes.ints(most)],
            reals: [sizes.reals(most), sizes.reals(most)],
            index: sizes.bytes(most),
        }
    }

    /// Applies one step; bits are integers 0 and 1.
    fn apply(&self, step: &Step, shape: Shape, cx: &mut Cx<'_>, x: Source) -> Source {
        let (n, c) = (shape.len(), shape.channels);
        let other = |of: [usize; 2], used: usize| if of[0] == used { of[1] } else { of[0] };
        let (from_ints, from_reals) = match x {
            Source::Ints(i) => (i, usize::MAX),
            Source::Reals(i) => (usize::MAX, i),
        };
        let to_ints = other(self.ints, from_ints);
        let to_reals = other(self.reals, from_reals);
        let mut ints = std::mem::take(&mut cx.s.ints[to_ints]);
        let mut reals = std::mem::take(&mut cx.s.reals[to_reals]);
        let ew = &cx.kernels.ew;
        let xi: &[i32] = cx.s.ints.get(from_ints).map_or(&[], |x| x);
        let xr: &[f32] = cx.s.reals.get(from_reals).map_or(&[], |x| x);
        let mut made = Source::Ints(to_ints);
        match step {
            Step::Cut { cut } => {
                for (i, y) in ints[..n].iter_mut().enumerate() {
                    *y = i32::from(cut.bit(i % c, xi[i]));
                }
            }
            Step::Draw { node, cut, p } => match cx.reading.noise(*node) {
                None => {
                    for (i, y) in ints[..n].iter_mut().enumerate() {
                        *y = i32::from(cut.bit(i % c, xi[i]));
                    }
                }
                Some(mut rng) => {
                    let u = &mut reals[..n];
                    fill_uniform(&mut rng, u);
                    for (i, y) in ints[..n].iter_mut().enumerate() {
                        let sum = (xi[i] - self.low[i % c]) as usize;
                        *y = i32::from(u[i] < p[i % c * self.sums + sum]);
                    }
                }
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
                let mut i = 0;
                for_windows(shape, (*kernel, *stride), |corner, ch| {
                    let mut best = xi[corner * c + ch];
                    for k in 0..kernel * kernel {
                        let x = xi[(corner + k / kernel * shape.width + k % kernel) * c + ch];
                        best = if least[ch] { best.min(x) } else { best.max(x) };
                    }
                    ints[i] = best;
                    i += 1;
                });
            }
            Step::Affine { scale, shift } => {
                made = Source::Reals(to_reals);
                if from_reals == usize::MAX {
                    for (i, y) in reals[..n].iter_mut().enumerate() {
                        *y = xi[i] as f32 * scale[i % c] + shift[i % c];
                    }
                } else {
                    (ew.affine)(&xr[..n], scale, shift, &mut reals[..n]);
                }
            }
            Step::Function { function, slope } => {
                made = Source::Reals(to_reals);
                function.on(ew, *slope, &xr[..n], &mut reals[..n]);
            }
            Step::MaxPool { kernel, stride } => {
                made = Source::Reals(to_reals);
                let pool = Pool {
                    height: shape.height,
                    width: shape.width,
                    channels: c,
                    kernel: (*kernel, *kernel),
                    stride: (*stride, *stride),
                };
                let (height, width) = pool.output();
                let n_out = height * width * c;
                let index = &mut cx.s.bytes[self.index][..n_out];
                (ew.max_pool)(&pool, &xr[..n], &mut reals[..n_out], index);
            }
            Step::Fire => {
                for (y, &x) in ints[..n].iter_mut().zip(xr) {
                    *y = i32::from(bits::bit(x));
                }
            }
            Step::Sample { node, link, slope } => match cx.reading.noise(*node) {
                None => {
                    for (y, &x) in ints[..n].iter_mut().zip(xr) {
                        *y = i32::from(bits::bit(x));
                    }
                }
                Some(mut rng) => {
                    link.on(ew, *slope, &xr[..n], &mut reals[..n]);
                    for (pair, p) in ints[..n].chunks_mut(2).zip(reals[..n].chunks(2)) {
                        // Two numbers a word, as `fill_uniform` draws them.
                        let mut u = [0.0; 2];
                        fill_uniform(&mut rng, &mut u[..pair.len()]);
                        for ((y, &p), &u) in pair.iter_mut().zip(p).zip(&u) {
                            *y = i32::from(u < p);
                        }
                    }
                }
            },
        }
        cx.s.ints[to_ints] = ints;
        cx.s.reals[to_reals] = reals;
        made
    }

    /// Puts integers 0 and 1, (height, width, channel), where the bits belong.
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
                        set(out, rows.place(c, y, column), x != 0);
                    }
                }
            }
            Place::Cells(buffer, cells) => {
                let out = &mut cx.s.bytes[buffer];
                for (p, x) in pixels {
                    let (y, column) = at(p);
                    let first = cells.place(0, y, column);
                    for (cell, x) in out[first..].iter_mut().zip(x.chunks(4)) {
                        let bits = x.iter().enumerate();
                        *cell = bits.fold(0, |cell, (j, &x)| cell | u8::from(x != 0) << j);
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
        for (step, shape) in &self.steps {
            x = self.apply(step, *shape, cx, x);
        }
        match (self.sink, x) {
            (Sink::Bits(place), Source::Ints(x)) => self.place(place, cx, x),
            (Sink::Reals(to), Source::Reals(x)) if to != x => {
                let mut out = std::mem::take(&mut cx.s.reals[to]);
                let n = out.len();
                out.copy_from_slice(&cx.s.reals[x][..n]);
                cx.s.reals[to] = out;
            }
            _ => {}
        }
    }
}

impl Function {
    fn on(self, ew: &Elementwise, slope: f32, x: &[f32], y: &mut [f32]) {
        match self {
            Function::Relu => (ew.relu)(x, y),
            Function::HardSigmoid => (ew.hard_sigmoid)(slope, x, y),
            Function::Sigmoid => (ew.sigmoid)(slope, x, y),
        }
    }
}
