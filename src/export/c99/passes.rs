//! A packed network as a list of passes. A pass goes once over the positions of a value and makes
//! another one of it: a product, what is done to single numbers, at most one pooling, and what is
//! done to single numbers after it. What lies between is never stored.

use std::collections::HashMap;

use crate::packed::{Flow, Kind, PackedNet, Product, Source, Stage, Step, Weights};
use crate::tensor::Shape;

use super::memory::Arena;

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Image,
    Buffer(usize),
}

/// A value that a pass reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub place: Place,
    pub shape: Shape,
    pub kind: Kind,
}

/// What a pass begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The numbers of a value.
    Read(Value),
    /// The sums of several values.
    Add(Vec<Value>),
    /// Several values side by side.
    Concat(Vec<Value>),
    /// Sums over binary weights that are whole numbers.
    Counted(Value),
    /// Sums over weights that are real numbers, or over real numbers.
    Real(Value),
}

/// A pass.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub stage: usize,
    pub origin: Origin,
    /// The index of what it begins with among the stage's values.
    pub first: usize,
    /// Steps of the stage's tail: before the pooling, the pooling, and after it.
    pub before: Vec<usize>,
    pub pool: Option<usize>,
    pub after: Vec<usize>,
    /// Whether the result is stored in the order (channel, row, column).
    pub flatten: bool,
    /// The buffer of the result.
    pub out: usize,
}

/// A stored value.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    pub name: String,
    pub shape: Shape,
    pub kind: Kind,
    pub arena: Arena,
    /// The pass that makes it, and the last one that reads it.
    pub life: (usize, usize),
}

/// All passes of a network.
pub(super) struct Passes {
    pub all: Vec<Pass>,
    pub buffers: Vec<Buffer>,
}

struct Lowering<'a> {
    net: &'a PackedNet,
    /// The smallest and the largest number of each value of whole numbers.
    ranges: HashMap<(usize, usize), (i32, i32)>,
    passes: Passes,
    /// The buffer of each stage's result.
    outputs: Vec<usize>,
}

/// Makes the passes of a network.
pub(super) fn passes(net: &PackedNet) -> Passes {
    let mut ranges = HashMap::new();
    net.each_range(|i, j, of| {
        let channels = 0..net.flows()[i].values[j].0.channels;
        let wider = |all: (i32, i32), c| (all.0.min(of.of(c).0), all.1.max(of.of(c).1));
        ranges.insert((i, j), channels.fold((0, 0), wider));
    });
    let passes = Passes {
        all: Vec::new(),
        buffers: Vec::new(),
    };
    let mut lowering = Lowering {
        net,
        ranges,
        passes,
        outputs: Vec::new(),
    };
    for i in 0..net.stages().len() {
        lowering.stage(i);
    }
    lowering.passes
}

impl Passes {
    /// Returns the value in a buffer.
    pub fn value(&self, buffer: usize) -> Value {
        let Buffer { shape, kind, .. } = self.buffers[buffer];
        Value {
            place: Place::Buffer(buffer),
            shape,
            kind,
        }
    }
}

impl Pass {
    /// Returns the values that the pass reads.
    pub fn reads(&self) -> &[Value] {
        match &self.origin {
            Origin::Read(value) | Origin::Counted(value) | Origin::Real(value) => {
                std::slice::from_ref(value)
            }
            Origin::Add(values) | Origin::Concat(values) => values,
        }
    }

    /// Returns the index of the pass's result among the stage's values.
    pub fn last(&self) -> usize {
        let steps = self.before.len() + self.after.len() + usize::from(self.pool.is_some());
        self.first + steps + usize::from(self.flatten)
    }
}

impl<'a> Lowering<'a> {
    fn at(&self, i: usize) -> (&'a Stage, &'a Flow) {
        (&self.net.stages()[i], &self.net.flows()[i])
    }

    fn origin(&self, i: usize) -> Origin {
        let (stage, flow) = self.at(i);
        let value = |(source, &(shape, kind)): (&Source, &(Shape, Kind))| Value {
            place: match *source {
                Source::Image => Place::Image,
                Source::Stage(j) => Place::Buffer(self.outputs[j]),
            },
            shape,
            kind,
        };
        let values: Vec<Value> = flow.sources.iter().zip(&flow.inputs).map(value).collect();
        match (stage.product, &stage.weights, flow.values[0].1) {
            (Product::Add, ..) => Origin::Add(values),
            (Product::Concat, ..) => Origin::Concat(values),
            (Product::Input, ..) => Origin::Read(values[0]),
            (_, Weights::Binary { .. }, Kind::Ints) => Origin::Counted(values[0]),
            _ => Origin::Real(values[0]),
        }
    }

    fn stage(&mut self, i: usize) {
        let (stage, flow) = self.at(i);
        let mut pass = Pass::new(i, self.origin(i), 0);
        for (j, step) in stage.tail.iter().enumerate() {
            let pool = step.window().is_some();
            let flatten = matches!(step, Step::Flatten);
            if pass.flatten || (pass.pool.is_some() && pool) {
                pass = self.split(pass);
            }
            match (pool, flatten, pass.pool) {
                (true, ..) => pass.pool = Some(j),
                (_, true, _) => pass.flatten = true,
                (_, _, None) => pass.before.push(j),
                _ => pass.after.push(j),
            }
        }
        debug_assert_eq!(pass.last() + 1, flow.values.len());
        let out = self.finish(pass);
        self.outputs.push(out);
    }

    /// Ends a pass and begins another one of its result.
    fn split(&mut self, pass: Pass) -> Pass {
        let (stage, last) = (pass.stage, pass.last());
        let out = self.finish(pass);
        Pass::new(stage, Origin::Read(self.passes.value(out)), last)
    }

    /// Ends a pass; returns the buffer of its result.
    fn finish(&mut self, mut pass: Pass) -> usize {
        let (number, last) = (self.passes.all.len(), pass.last());
        for value in pass.reads().to_vec() {
            if let Place::Buffer(read) = value.place {
                self.passes.buffers[read].life.1 = number;
            }
        }
        let (shape, kind) = self.at(pass.stage).1.values[last];
        let (low, high) = self.ranges[&(pass.stage, last)];
        let short = low >= i32::from(i16::MIN) && high <= i32::from(i16::MAX);
        pass.out = self.passes.buffers.len();
        self.passes.buffers.push(Buffer {
            name: format!("VALUE_{number}"),
            shape,
            kind,
            arena: match kind {
                Kind::Bits | Kind::Signs => Arena::Bits,
                Kind::Reals => Arena::Reals,
                _ if short => Arena::Shorts,
                _ => Arena::Longs,
            },
            life: (number, number),
        });
        let out = pass.out;
        self.passes.all.push(pass);
        out
    }
}

impl Pass {
    fn new(stage: usize, origin: Origin, first: usize) -> Self {
        Self {
            stage,
            origin,
            first,
            before: Vec::new(),
            pool: None,
            after: Vec::new(),
            flatten: false,
            out: 0,
        }
    }
}
