//! Translation of stages to operations: the buffer and layout of each value, joins and steps.
//! [`super::products`] and [`super::real_products`] translate products with weights.

use alloc::boxed::Box;
use alloc::vec::Vec;

use alloc::collections::BTreeMap;

use super::PackedNet;
use super::bit_conv::{BitConv, ConvSpec};
use super::flow::Flow;
use super::geometry::{bits_of_sums, conv, window};
use super::join::{ConcatBits, Join, JoinInts, JoinReals, Part};
use super::layer::{Kind, Product, Source, Stage, Step, Weights};
use super::layout::Place;
use super::nibbles::{ToNibbles, ToRows};
use super::op::Op;
use super::places::{Layout, Output, Rearrange, Unpack};
use super::real::{Load, LoadInts};
use super::row_conv::RowConv;
use super::scratch::Sizes;
use super::steps::{self, Sink, Tail, TailBuffers, TailStep};
use crate::kernels::Inference;
use crate::tensor::Shape;

/// The state of translating a network to operations.
pub(super) struct Planner<'a> {
    pub net: &'a PackedNet,
    pub kernels: &'static Inference,
    pub ops: Vec<(usize, Box<dyn Op>)>,
    pub outputs: Vec<Output>,
    pub sizes: Sizes,
    /// Buffers that hold the bits of a stage, with their layout.
    orders: Vec<(usize, Layout, Place)>,
    /// Buffers that hold the bits of a stage as integers.
    unpacked: BTreeMap<usize, usize>,
    /// Buffers that hold the image as integers and as reals.
    image: (Option<usize>, Option<usize>),
    /// The smallest integer of each channel, for each step that draws random bits.
    lows: BTreeMap<(usize, usize), Vec<i32>>,
    buffers: Option<TailBuffers>,
    /// Whether sums that become pooled bits are estimated in 16 bits where that is possible.
    pub estimates: bool,
}

impl<'a> Planner<'a> {
    pub fn new(net: &'a PackedNet, kernels: &'static Inference) -> Self {
        Self {
            net,
            kernels,
            ops: Vec::new(),
            outputs: Vec::new(),
            sizes: Sizes::default(),
            orders: Vec::new(),
            unpacked: BTreeMap::new(),
            image: (None, None),
            lows: net.lows(),
            buffers: None,
            estimates: true,
        }
    }

    /// Translates all stages and returns the planner.
    pub fn run(mut self) -> Self {
        for i in 0..self.net.stages().len() {
            let output = self.stage(i);
            self.outputs.push(output);
        }
        self
    }

    pub fn push(&mut self, stage: usize, op: impl Op + 'static) {
        self.ops.push((stage, Box::new(op)));
    }

    pub fn at(&self, i: usize) -> (&'a Stage, &'a Flow) {
        (&self.net.stages()[i], &self.net.flows()[i])
    }

    fn stage(&mut self, i: usize) -> Output {
        let (stage, flow) = self.at(i);
        match (&stage.weights, flow.input().1) {
            (Weights::None, _) => self.join(i),
            (Weights::Binary { words }, Kind::Pixels | Kind::Bits | Kind::Signs) => {
                self.integers(i, words)
            }
            _ => self.reals(i),
        }
    }

    /// Returns whether a layer over bits is computed row by row ([`RowConv`]).
    pub fn by_rows(&self, stage: &Stage, flow: &Flow, spec: &ConvSpec<'_>) -> bool {
        bits_of_sums(stage).is_some()
            && stage.product.groups() == 1
            && !stage.product.varies(flow.input().1)
            && RowConv::fits(spec, self.kernels.row_lanes())
    }

    /// Returns the layout in which a stage with weights reads bits; `None` if it does not read
    /// bits.
    pub fn layout_of(&self, reader: usize) -> Option<Layout> {
        let (stage, flow) = self.at(reader);
        Some(match (&stage.weights, stage.product) {
            (Weights::None, _) => return None,
            (Weights::Binary { .. }, Product::Conv { .. }) => {
                let spec = conv(stage, flow, &|_, _| false);
                let (rows, words) = match self.by_rows(stage, flow, &spec) {
                    true => RowConv::input(&spec),
                    false => BitConv::input(&spec),
                };
                Layout::Rows(rows, words)
            }
            (Weights::Binary { .. }, _) => Layout::flat(flow.input().0),
            _ => {
                let (nibbles, bytes) = window(stage, flow).nibbles();
                Layout::Nibbles(nibbles, bytes)
            }
        })
    }

    /// Allocates a buffer for the bits of stage `i`, in the layout of its first reader with
    /// weights.
    pub fn place_bits(&mut self, i: usize) -> Place {
        let later = i + 1..self.net.stages().len();
        let reads = |&j: &usize| self.net.flows()[j].sources.contains(&Source::Stage(i));
        let wanted = later.filter(reads).find_map(|j| self.layout_of(j));
        let (shape, _) = self.net.flows()[i].output();
        let layout = wanted.unwrap_or(Layout::flat(shape));
        self.new_place(i, layout)
    }

    fn new_place(&mut self, i: usize, layout: Layout) -> Place {
        let place = match layout {
            Layout::Rows(rows, words) => Place::Rows(self.sizes.bits(words), rows),
            Layout::Nibbles(nibbles, bytes) => Place::Nibbles(self.sizes.bytes(bytes), nibbles),
        };
        self.orders.push((i, layout, place));
        place
    }

    /// Returns the bits that stage `i` reads, converted to the given layout if necessary.
    pub fn bits_for(&mut self, i: usize, layout: Layout) -> Place {
        let (_, flow) = self.at(i);
        let Source::Stage(from) = flow.sources[0] else {
            unreachable!("an image is no bits")
        };
        let there = |o: &&(usize, Layout, Place)| (o.0, o.1) == (from, layout);
        if let Some((_, _, place)) = self.orders.iter().find(there) {
            return *place;
        }
        let Output::Bits(source) = self.outputs[from] else {
            unreachable!("the flow says that these are bits")
        };
        let to = self.new_place(from, layout);
        let shape = flow.input().0;
        match (source, to) {
            (Place::Rows(a, rows), Place::Nibbles(b, nibbles)) => {
                let (from, to) = ((a, rows), (b, nibbles));
                self.push(i, ToNibbles { shape, from, to });
            }
            (Place::Nibbles(a, nibbles), Place::Rows(b, rows)) => {
                let (from, to) = ((a, nibbles), (b, rows));
                self.push(i, ToRows { shape, from, to });
            }
            (from, to) => self.push(i, Rearrange { shape, from, to }),
        }
        to
    }

    /// Returns the buffer of the image as reals; the conversion is part of stage `i`.
    fn image_reals(&mut self, i: usize) -> usize {
        if let Some(buffer) = self.image.1 {
            return buffer;
        }
        let to = self.sizes.reals(self.net.input().len());
        let tables = self.net.pixels().tables();
        self.push(i, Load { tables, to });
        self.image.1 = Some(to);
        to
    }

    /// Returns the buffer of the reals that a stage with weights reads.
    pub fn real_input(&mut self, i: usize) -> usize {
        let (_, flow) = self.at(i);
        match flow.sources[0] {
            Source::Image => self.image_reals(i),
            Source::Stage(j) => match self.outputs[j] {
                Output::Reals(buffer) => buffer,
                _ => unreachable!("the flow says that these are reals"),
            },
        }
    }

    /// Returns the buffer of an input of stage `i` as integers; the input must not be reals.
    fn ints(&mut self, i: usize, source: Source, shape: Shape) -> usize {
        let from = match source {
            Source::Image => {
                if let Some(buffer) = self.image.0 {
                    return buffer;
                }
                let to = self.sizes.ints(shape.len());
                self.push(i, LoadInts { to });
                self.image.0 = Some(to);
                return to;
            }
            Source::Stage(j) => j,
        };
        match self.outputs[from] {
            Output::Ints(buffer) => buffer,
            Output::Bits(place) => {
                if let Some(&buffer) = self.unpacked.get(&from) {
                    return buffer;
                }
                let to = self.sizes.ints(shape.len());
                self.unpacked.insert(from, to);
                let signs = self.at(from).1.output().1 == Kind::Signs;
                let from = place;
                let unpack = Unpack {
                    shape,
                    signs,
                    from,
                    to,
                };
                self.push(i, unpack);
                to
            }
            Output::Reals(_) => unreachable!("the flow says that these are no reals"),
        }
    }

    /// Returns input `n` of stage `i` as an operand of a join.
    fn part(&mut self, i: usize, n: usize) -> Part {
        let (_, flow) = self.at(i);
        let (source, (shape, kind)) = (flow.sources[n], flow.inputs[n]);
        match (source, kind) {
            (Source::Image, Kind::Reals) => Part::Reals(self.image_reals(i)),
            (Source::Stage(j), Kind::Reals) => match self.outputs[j] {
                Output::Reals(buffer) => Part::Reals(buffer),
                _ => unreachable!("the flow says that these are reals"),
            },
            _ => Part::Ints(self.ints(i, source, shape)),
        }
    }

    /// Translates the product of a stage without weights.
    fn join(&mut self, i: usize) -> Output {
        let (stage, flow) = self.at(i);
        let (shape, kind) = flow.values[0];
        let join = match stage.product {
            Product::Add => Join::Add,
            Product::Concat => Join::Concat,
            _ => {
                let source = match self.part(i, 0) {
                    Part::Ints(x) => steps::Source::Ints(x),
                    Part::Reals(x) => steps::Source::Reals(x),
                };
                return self.tail(i, source);
            }
        };
        if kind.is_bits()
            && stage.tail.is_empty()
            && let Some(output) = self.concat_bits(i)
        {
            return output;
        }
        let parts = (0..flow.inputs.len()).map(|n| (self.part(i, n), flow.inputs[n].0.channels));
        let parts: Vec<(Part, usize)> = parts.collect();
        if kind == Kind::Reals {
            let to = self.sizes.reals(shape.len());
            self.push(i, JoinReals { join, parts, to });
            return self.tail(i, steps::Source::Reals(to));
        }
        let ints = |(part, channels): (Part, usize)| match part {
            Part::Ints(x) => (x, channels),
            Part::Reals(_) => unreachable!("integers are made of integers"),
        };
        let parts = parts.into_iter().map(ints).collect();
        let to = self.sizes.ints(shape.len());
        self.push(i, JoinInts { join, parts, to });
        self.tail(i, steps::Source::Ints(to))
    }

    /// Concatenates bits, if all inputs are bits in rows.
    fn concat_bits(&mut self, i: usize) -> Option<Output> {
        let (_, flow) = self.at(i);
        let mut parts = Vec::new();
        for (source, (shape, _)) in flow.sources.iter().zip(&flow.inputs) {
            let Source::Stage(j) = source else {
                return None;
            };
            let Output::Bits(Place::Rows(buffer, rows)) = self.outputs[*j] else {
                return None;
            };
            parts.push((buffer, rows, *shape));
        }
        let place = self.place_bits(i);
        let (to, wanted) = match place {
            Place::Rows(to, rows) => ((to, rows), None),
            Place::Nibbles(buffer, nibbles) => {
                let shape = flow.output().0;
                let Place::Rows(to, rows) = self.new_place(i, Layout::flat(shape)) else {
                    unreachable!("that layout is rows")
                };
                ((to, rows), Some((shape, (buffer, nibbles))))
            }
        };
        self.push(i, ConcatBits { parts, to });
        if let Some((shape, nibbles)) = wanted {
            let (from, to) = (to, nibbles);
            self.push(i, ToNibbles { shape, from, to });
        }
        Some(Output::Bits(place))
    }

    /// Translates the tail of a stage.
    pub fn tail(&mut self, i: usize, source: steps::Source) -> Output {
        let (stage, flow) = self.at(i);
        let (output, kind) = flow.output();
        match (stage.tail.is_empty(), source, kind) {
            (true, steps::Source::Reals(x), _) => return Output::Reals(x),
            (true, steps::Source::Ints(x), Kind::Ints) => return Output::Ints(x),
            _ => {}
        }
        let step = |(j, step): (usize, Step)| TailStep {
            step,
            shape: flow.values[j].0,
            made: flow.values[j + 1].0.len(),
            table: (flow.sums(j), self.lows.remove(&(i, j)).unwrap_or_default()),
        };
        let steps = stage.tail.iter().cloned().enumerate().map(step).collect();
        let (sink, made) = match kind {
            Kind::Bits | Kind::Signs => {
                let place = self.place_bits(i);
                (Sink::Bits(place), Output::Bits(place))
            }
            Kind::Ints => {
                let to = self.sizes.ints(output.len());
                (Sink::Ints(to), Output::Ints(to))
            }
            _ => {
                let to = self.sizes.reals(output.len());
                (Sink::Reals(to), Output::Reals(to))
            }
        };
        let sizes = &mut self.sizes;
        let buffers = *self.buffers.get_or_insert_with(|| TailBuffers::new(sizes));
        let tail = Tail::new(steps, output, (source, sink), buffers, sizes);
        self.push(i, tail);
        made
    }
}
