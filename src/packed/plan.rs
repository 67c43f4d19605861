//! From stages to operations: which kernel runs each product, in which order bits
//! lie between them, and what is fused.

use super::PackedNet;
use super::bit_conv::{BitConv, ConvSpec, Goal};
use super::emit::{Channel, Emit};
use super::layer::{Cut, Flow, Kind, Product, Stage, Step, Weights};
use super::layout::{Place, Rows, get};
use super::linear::BitLinear;
use super::pixel_conv::{PixelConv, PixelDot};
use super::real::{CutPool2, Load, LoadInts, RealConv, ToCells, ToRows, real_threshold};
use super::row_conv::RowConv;
use super::scratch::{Scratch, Sizes};
use super::steps::{Reading, Sink, Source, Tail};
use super::table::{TableConv, WindowSpec};
use crate::kernels::Kernels;
use crate::kernels::packed::rows::ROW;
use crate::tensor::Shape;

/// What an operation is given.
pub(super) struct Cx<'a> {
    pub image: &'a [u8],
    pub kernels: &'static Kernels,
    pub reading: Reading,
    pub s: &'a mut Scratch,
}

/// One operation on one image.
pub(super) trait Op: Send + Sync {
    /// Its kind, for profiles.
    fn name(&self) -> &'static str;

    /// Does it.
    fn run(&self, cx: &mut Cx<'_>);
}

/// Where a stage's output lies.
#[derive(Clone, Copy, Debug)]
enum Made {
    Pixels,
    Reals(usize),
    Bits(Place),
}

/// The operations of a network; made once, shared by threads.
pub struct Plan {
    ops: Vec<(usize, Box<dyn Op>)>,
    outputs: Vec<(Shape, Made)>,
    sizes: Sizes,
    kernels: &'static Kernels,
}

impl Plan {
    /// The plan of a network on those kernels.
    pub(super) fn new(net: &PackedNet, kernels: &'static Kernels) -> Self {
        let mut plan = Self {
            ops: Vec::new(),
            outputs: Vec::new(),
            sizes: Sizes::default(),
            kernels,
        };
        let mut at = Made::Pixels;
        if net.flows()[0].input.1 == Kind::Reals {
            let to = plan.sizes.reals(net.input().len());
            let table = net.pixels().table();
            plan.push(0, Load { table, to });
            at = Made::Reals(to);
        }
        for i in 0..net.stages().len() {
            at = plan.stage(net, i, at);
            plan.outputs.push((net.flows()[i].output().0, at));
        }
        plan
    }

    fn push(&mut self, stage: usize, op: impl Op + 'static) {
        self.ops.push((stage, Box::new(op)));
    }

    /// Where the bits that stage `i` makes should lie: as its reader wants them.
    fn bits_for(&mut self, net: &PackedNet, i: usize) -> Place {
        let (shape, _) = net.flows()[i].output();
        let Some(reader) = net.stages().get(i + 1) else {
            let to = self.sizes.bits(shape.len().div_ceil(64));
            return Place::Rows(to, Rows::flat(shape));
        };
        let flow = &net.flows()[i + 1];
        match (&reader.weights, reader.product) {
            (Weights::Binary { .. }, Product::Conv { .. }) => {
                let spec = conv(reader, flow, &|_, _| false);
                let (rows, words) = match self.by_rows(reader, flow, &spec) {
                    true => RowConv::input(&spec),
                    false => BitConv::input(&spec),
                };
                Place::Rows(self.sizes.bits(words), rows)
            }
            (Weights::Binary { .. }, _) => {
                let to = self.sizes.bits(shape.len().div_ceil(64));
                Place::Rows(to, Rows::flat(shape))
            }
            _ => {
                let (cells, bytes) = window(reader, flow).cells();
                Place::Cells(self.sizes.bytes(bytes), cells)
            }
        }
    }

    /// The rest of a stage's steps, from step `first` on.
    fn tail(&mut self, net: &PackedNet, i: usize, first: usize, source: Source) -> Made {
        let (stage, flow) = (&net.stages()[i], &net.flows()[i]);
        let steps: Vec<_> = stage.tail[first..]
            .iter()
            .cloned()
            .zip(flow.values[first..].iter().map(|v| v.0))
            .collect();
        let (output, kind) = flow.output();
        if let (true, Source::Reals(x)) = (steps.is_empty(), source) {
            return Made::Reals(x);
        }
        let (sink, made) = match kind {
            Kind::Bits => {
                let place = self.bits_for(net, i);
                (Sink::Bits(place), Made::Bits(place))
            }
            _ => {
                let to = self.sizes.reals(output.len());
                (Sink::Reals(to), Made::Reals(to))
            }
        };
        let channels = 0..flow.values[0].0.channels;
        let low = channels.map(|c| net.range(stage, flow, c).0).collect();
        let table = (net.sums(stage, flow), low);
        let tail = Tail::new(steps, output, source, sink, table, &mut self.sizes);
        self.push(i, tail);
        made
    }

    fn stage(&mut self, net: &PackedNet, i: usize, from: Made) -> Made {
        let (stage, flow) = (&net.stages()[i], &net.flows()[i]);
        let len = flow.values[0].0.len();
        match (&stage.weights, from) {
            (Weights::None, Made::Pixels) => {
                let to = self.sizes.ints(len);
                self.push(i, LoadInts { to });
                self.tail(net, i, 0, Source::Ints(to))
            }
            (Weights::None, Made::Reals(x)) => self.tail(net, i, 0, Source::Reals(x)),
            (Weights::Binary { words }, Made::Pixels | Made::Bits(_)) => {
                self.integers(net, i, words, from)
            }
            (_, Made::Pixels) => {
                let to = self.sizes.reals(flow.input.0.len());
                let table = net.pixels().table();
                self.push(i, Load { table, to });
                self.reals(net, i, Made::Reals(to))
            }
            _ => self.reals(net, i, from),
        }
    }

    /// Binary weights over pixels or bits.
    fn integers(&mut self, net: &PackedNet, i: usize, words: &[u64], from: Made) -> Made {
        let (stage, flow) = (&net.stages()[i], &net.flows()[i]);
        let depth = stage.product.depth(flow.input.0);
        let row = depth.div_ceil(64);
        let positive = |o: usize, i: usize| get(&words[o * row..], i);
        let Product::Conv { .. } = stage.product else {
            let to = self.sizes.ints(flow.values[0].0.len());
            match self.rows(i, flow.input.0, from) {
                Some(from) => self.push(i, BitLinear::new(words, depth, from, to)),
                None => {
                    let spec = ConvSpec {
                        kernel: 1,
                        ..conv(stage, flow, &positive)
                    };
                    let kernel = (flow.input.0.height, flow.input.0.width);
                    let dot = PixelDot::new(&spec, kernel, to, &mut self.sizes);
                    self.push(i, dot);
                }
            }
            return self.tail(net, i, 0, Source::Ints(to));
        };
        let spec = conv(stage, flow, &positive);
        let pixels = matches!(from, Made::Pixels);
        let bits = self.rows(i, flow.input.0, from);
        if pixels && !PixelConv::fits(&spec) {
            let to = self.sizes.ints(flow.values[0].0.len());
            let kernel = (spec.kernel, spec.kernel);
            let dot = PixelDot::new(&spec, kernel, to, &mut self.sizes);
            self.push(i, dot);
            return self.tail(net, i, 0, Source::Ints(to));
        }
        let step = match pixels {
            true => spec
                .dense()
                .1
                .next_multiple_of(crate::kernels::packed::LANES),
            false if self.by_rows(stage, flow, &spec) => ROW,
            false => spec.input.width + spec.padding,
        };
        let Some((channels, pool)) = cut_of(stage, flow) else {
            let to = self.sizes.ints(flow.values[0].0.len());
            self.conv(i, &spec, bits, Goal::Ints(to));
            return self.tail(net, i, 0, Source::Ints(to));
        };
        // The bits that the reader wants, or else rows that are turned into them.
        let (shape, _) = flow.output();
        let place = self.bits_for(net, i);
        let (to, rows) = match place {
            Place::Rows(to, rows) => (to, rows),
            Place::Cells(..) => {
                let rows = Rows::flat(shape);
                (self.sizes.bits(shape.len().div_ceil(64)), rows)
            }
        };
        let emit = Emit {
            step,
            stride: spec.stride,
            pool,
            size: (shape.height, shape.width),
            to: rows,
        };
        self.conv(i, &spec, bits, Goal::Bits(channels, emit, to));
        if let Place::Cells(buffer, cells) = place {
            let (from, to) = ((to, rows), (buffer, cells));
            self.push(i, ToCells { shape, from, to });
        }
        Made::Bits(place)
    }

    fn conv(&mut self, i: usize, spec: &ConvSpec<'_>, bits: Option<usize>, goal: Goal) {
        let lanes = self.kernels.row_lanes();
        match (bits, goal) {
            (None, goal) => {
                let op = PixelConv::new(spec, goal, &mut self.sizes);
                self.push(i, op);
            }
            (Some(from), Goal::Bits(channels, emit, to)) if RowConv::fits(spec, lanes) => {
                let goal = (channels, emit, to);
                let op = RowConv::new(spec, lanes, from, goal, &mut self.sizes);
                self.push(i, op);
            }
            (Some(from), goal) => {
                let op = BitConv::new(spec, from, goal, &mut self.sizes);
                self.push(i, op);
            }
        }
    }

    /// Whether a layer over bits is summed row by row.
    fn by_rows(&self, stage: &Stage, flow: &Flow, spec: &ConvSpec<'_>) -> bool {
        cut_of(stage, flow).is_some() && RowConv::fits(spec, self.kernels.row_lanes())
    }

    /// The buffer of bits in rows, where there are bits.
    fn rows(&mut self, _stage: usize, _shape: Shape, from: Made) -> Option<usize> {
        match from {
            Made::Bits(Place::Rows(buffer, _)) => Some(buffer),
            _ => None,
        }
    }

    /// Real weights, or binary ones over reals.
    fn reals(&mut self, net: &PackedNet, i: usize, from: Made) -> Made {
        let (stage, flow) = (&net.stages()[i], &net.flows()[i]);
        let (shape, channels) = (flow.values[0].0, flow.values[0].0.channels);
        let depth = stage.product.depth(flow.input.0);
        // Where the sums become pooled bits at once, the affine map and the unit
        // are one threshold each, and a falling map takes the opposite weights.
        let fused = match &stage.tail[..] {
            [
                Step::Affine { scale, shift },
                Step::MaxPool {
                    kernel: 2,
                    stride: 2,
                },
                Step::Fire,
            ] if channels.is_multiple_of(8) => Some((scale, shift)),
            _ => None,
        };
        let sign = |o: usize| match fused {
            Some((scale, _)) if scale[o] < 0.0 => -1.0,
            _ => 1.0,
        };
        let row = depth.div_ceil(64);
        let weight = |o: usize, i: usize| {
            sign(o)
                * match &stage.weights {
                    Weights::Real { values, .. } => values[o * depth + i],
                    Weights::Binary { words } if get(&words[o * row..], i) => 1.0,
                    _ => -1.0,
                }
        };
        let bias: Vec<f32> = match &stage.weights {
            Weights::Real { bias, .. } => {
                bias.iter().enumerate().map(|(o, b)| sign(o) * b).collect()
            }
            _ => vec![0.0; channels],
        };
        let spec = window(stage, flow);
        let to = self.sizes.reals(shape.len());
        match from {
            Made::Bits(Place::Cells(from, _)) => {
                let op = TableConv::new(&spec, weight, &bias, from, to, &mut self.sizes);
                self.push(i, op);
            }
            Made::Reals(from) => {
                let op = RealConv::new(&spec, weight, &bias, from, to, &mut self.sizes);
                self.push(i, op);
            }
            _ => unreachable!("bits lie as their reader wants them"),
        }
        let Some((scale, shift)) = fused else {
            return self.tail(net, i, 0, Source::Reals(to));
        };
        let threshold = scale
            .iter()
            .zip(shift)
            .map(|(s, t)| real_threshold(s.abs(), *t));
        let threshold = threshold.collect();
        let (pooled, _) = flow.output();
        let place = self.bits_for(net, i);
        let (buffer, cells) = match place {
            Place::Cells(buffer, cells) => (buffer, cells),
            Place::Rows(..) => {
                let spec = WindowSpec {
                    input: pooled,
                    output: pooled,
                    kernel: (1, 1),
                    stride: 1,
                    padding: 0,
                };
                let (cells, bytes) = spec.cells();
                (self.sizes.bytes(bytes), cells)
            }
        };
        let cut = CutPool2 {
            from: to,
            shape,
            threshold,
            to: buffer,
            cells,
        };
        self.push(i, cut);
        if let Place::Rows(to, rows) = place {
            let (from, to) = ((buffer, cells), (to, rows));
            let shape = pooled;
            self.push(i, ToRows { shape, from, to });
        }
        Made::Bits(place)
    }
}

/// A convolution's geometry; of a linear layer the shapes alone count.
fn conv<'a>(
    stage: &Stage,
    flow: &Flow,
    positive: &'a dyn Fn(usize, usize) -> bool,
) -> ConvSpec<'a> {
    let w = window(stage, flow);
    ConvSpec {
        input: w.input,
        output: w.output,
        kernel: w.kernel.0,
        stride: w.stride,
        padding: w.padding,
        positive,
    }
}

fn window(stage: &Stage, flow: &Flow) -> WindowSpec {
    let input = flow.input.0;
    let (kernel, stride, padding) = match stage.product {
        Product::Conv {
            kernel,
            stride,
            padding,
            ..
        } => ((kernel, kernel), stride, padding),
        _ => ((input.height, input.width), 1, 0),
    };
    WindowSpec {
        input,
        output: flow.values[0].0,
        kernel,
        stride,
        padding,
    }
}

/// How a tail that is a cut, alone or with one pool, makes bits of sums.
#[allow(
    clippy::type_complexity,
    reason = "channels, and kernel and stride of a pool"
)]
fn cut_of(stage: &Stage, flow: &Flow) -> Option<(Vec<Channel>, Option<(usize, usize)>)> {
    let channels = |cut: &Cut, and: &dyn Fn(usize) -> bool| {
        let c = 0..flow.values[0].0.channels;
        c.map(|c| Channel::new(cut.threshold[c], cut.flip[c], and(c)))
            .collect()
    };
    match &stage.tail[..] {
        [Step::Cut { cut }] => Some((channels(cut, &|_| false), None)),
        [
            Step::Cut { cut },
            Step::PoolBits {
                kernel,
                stride,
                and,
            },
        ] => Some((channels(cut, &|c| and[c]), Some((*kernel, *stride)))),
        _ => None,
    }
}

impl Plan {
    /// Working memory for one thread.
    pub(super) fn scratch(&self) -> Scratch {
        Scratch::new(&self.sizes)
    }

    /// Runs every operation; calls `after(operation)` after each.
    pub(super) fn run(
        &self,
        image: &[u8],
        reading: Reading,
        s: &mut Scratch,
        mut after: impl FnMut(usize),
    ) {
        let mut cx = Cx {
            image,
            kernels: self.kernels,
            reading,
            s,
        };
        for (i, (_, op)) in self.ops.iter().enumerate() {
            op.run(&mut cx);
            after(i);
        }
    }

    /// The stage and the kind of each operation.
    pub(super) fn operations(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.ops.iter().map(|(stage, op)| (*stage, op.name()))
    }

    /// The logits of the last run.
    pub(super) fn logits<'a>(&self, s: &'a Scratch) -> &'a [f32] {
        match self.outputs.last() {
            Some((_, Made::Reals(x))) => &s.reals[*x],
            _ => unreachable!("a network ends in reals"),
        }
    }

    /// What stage `i` made in the last run, (height, width, channel); bits are 0
    /// and 1.
    pub(super) fn output(&self, i: usize, s: &Scratch, out: &mut Vec<f32>) {
        out.clear();
        let (shape, made) = self.outputs[i];
        for p in 0..shape.pixels() {
            let (y, x) = (p / shape.width, p % shape.width);
            for c in 0..shape.channels {
                out.push(match made {
                    Made::Reals(b) => s.reals[b][p * shape.channels + c],
                    Made::Bits(Place::Rows(b, rows)) => {
                        f32::from(u8::from(get(&s.bits[b], rows.place(c, y, x))))
                    }
                    Made::Bits(Place::Cells(b, cells)) => {
                        f32::from(s.bytes[b][cells.place(c, y, x)] >> (c % 4) & 1)
                    }
                    Made::Pixels => unreachable!("pixels are no stage's output"),
                });
            }
        }
    }
}
