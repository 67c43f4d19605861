//! Floor 2: reverse-mode differentiation over a tape that is recorded once and
//! replayed every step.
//!
//! A [`Tape`] is a list of nodes in the order of recording. A node is one layer
//! ([`Op`]); its output, one row a sample, lies in a single arena at a place
//! fixed when the tape is sealed, and the adjoint of that output lies at the
//! same place of a second arena.
//!
//! **Invariants.**
//! - A node reads only values recorded before it. So `split_at_mut` at its
//!   output hands it the whole past to read and its own output to write; there
//!   is no interior mutability and no copying.
//! - `backward` *adds* to the adjoints of its inputs. The tape clears an adjoint
//!   when its first contribution arrives ([`Grad`]).
//! - A warm step allocates nothing.
//! - No result depends on the number of threads ([`Rows`]), and noise is keyed by
//!   position ([`Noise`]).

pub mod check;
mod params;
mod rows;

pub use params::{BufferId, Entry, ParamId, Params};
pub use rows::{Pool, Rows, reduce};

use rand_xoshiro::Xoshiro256PlusPlus;

use crate::kernels::Engine;
use crate::kernels::gemm::Store;
use crate::random;
use crate::tensor::{Arena, Shape, whole_lines};

/// Which statistics batch norm uses, and whether buffers are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics are updated.
    Train,
    /// Running statistics; nothing is updated.
    Eval,
}

/// What a stochastic binary unit emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// A Bernoulli sample.
    Sample,
    /// The more likely bit: the deterministic reading `[x > 0]`.
    Threshold,
}

/// Where the noise of a pass comes from. Node and row complete the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step, or any number that tells passes apart.
    pub step: u64,
    /// Which draw of several at the same step (and, by convention, high numbers
    /// for evaluation, so that it never reuses training noise).
    pub draw: u64,
}

/// Everything that a pass over the tape is told.
#[derive(Debug)]
pub struct Pass {
    /// Kernels in use.
    pub engine: Engine,
    /// Live rows and how they are cut.
    pub rows: Rows,
    /// Training or evaluation.
    pub mode: Mode,
    /// Samples or thresholds.
    pub units: Units,
    /// Slope `a` of every hard sigmoid, sigmoid and binary unit.
    pub slope: f32,
    /// Address of the noise.
    pub noise: Noise,
    /// The class of each row.
    pub labels: Vec<u32>,
    /// The learning signal of each row, for score-function estimators; set
    /// between `forward` and `backward`.
    pub credit: Vec<f32>,
}

impl Pass {
    /// The generator of `row`'s noise at `node`.
    pub fn noise(&self, node: usize, row: usize) -> Xoshiro256PlusPlus {
        let Noise { seed, step, draw } = self.noise;
        random::keyed(&[
            random::purpose(b"bits\0\0\0\0"),
            seed,
            step,
            draw,
            node as u64,
            row as u64,
        ])
    }
}

/// One layer: a forward rule and its adjoint.
pub trait Op: Send {
    /// The layer's kind, e.g. `conv`.
    fn name(&self) -> &'static str;

    /// Computes the output from the inputs.
    fn forward(&mut self, cx: Forward<'_>);

    /// Adds to the adjoints of the inputs and of the parameters. There is no
    /// default: an op without a rule does not compile.
    fn backward(&mut self, cx: Backward<'_>);
}

/// A value on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(usize);

#[derive(Debug)]
struct Place {
    shape: Shape,
    offset: usize,
    wants_grad: bool,
}

struct Node {
    op: Box<dyn Op>,
    inputs: Vec<Value>,
    output: Value,
}

/// What [`Op::forward`] is given.
pub struct Forward<'a> {
    past: &'a [f32],
    places: &'a [Place],
    inputs: &'a [Value],
    /// The node's number, part of the address of its noise.
    pub node: usize,
    /// The output to write: live rows, one after the other.
    pub y: &'a mut [f32],
    /// Parameters and buffers.
    pub params: &'a mut Params,
    /// The settings of this pass.
    pub pass: &'a Pass,
}

impl<'a> Forward<'a> {
    /// The live rows of input `i`.
    pub fn x(&self, i: usize) -> &'a [f32] {
        let place = &self.places[self.inputs[i].0];
        &self.past[place.offset..][..self.pass.rows.live * place.shape.len()]
    }
}

/// What [`Op::backward`] is given.
pub struct Backward<'a> {
    values: &'a [f32],
    places: &'a [Place],
    inputs: &'a [Value],
    output: Value,
    /// The node's number.
    pub node: usize,
    /// The adjoint of the output.
    pub dy: &'a [f32],
    /// The adjoints of the inputs.
    pub grads: Grads<'a>,
    /// Parameters, and their gradients to add to.
    pub params: &'a mut Params,
    /// The settings of this pass.
    pub pass: &'a Pass,
}

impl<'a> Backward<'a> {
    /// The live rows of input `i`.
    pub fn x(&self, i: usize) -> &'a [f32] {
        self.at(self.inputs[i])
    }

    /// The live rows of the output.
    pub fn y(&self) -> &'a [f32] {
        self.at(self.output)
    }

    fn at(&self, value: Value) -> &'a [f32] {
        let place = &self.places[value.0];
        &self.values[place.offset..][..self.pass.rows.live * place.shape.len()]
    }
}

/// The adjoints of a node's inputs.
pub struct Grads<'a> {
    past: &'a mut [f32],
    places: &'a [Place],
    inputs: &'a [Value],
    begun: &'a mut [bool],
    rows: Rows,
}

impl Grads<'_> {
    /// The adjoint of input `i`, or `None` where nothing asks for it (images).
    pub fn of(&mut self, i: usize) -> Option<Grad<'_>> {
        let value = self.inputs[i].0;
        let place = &self.places[value];
        if !place.wants_grad {
            return None;
        }
        let begun = std::mem::replace(&mut self.begun[value], true);
        Some(Grad {
            slice: &mut self.past[place.offset..][..self.rows.live * place.shape.len()],
            width: place.shape.len(),
            rows: self.rows,
            begun,
        })
    }
}

/// An adjoint to add to.
pub struct Grad<'a> {
    slice: &'a mut [f32],
    width: usize,
    rows: Rows,
    begun: bool,
}

impl Grad<'_> {
    /// Runs `work(rows, their adjoint, slot)` for every chunk; the adjoint holds
    /// zeros or earlier contributions, and `work` adds to it.
    pub fn add<S: Send>(
        self,
        slots: &mut [S],
        work: impl Fn(std::ops::Range<usize>, &mut [f32], &mut S) + Sync,
    ) {
        self.store(slots, |rows, dx, slot, store| {
            if store == Store::Assign {
                dx.fill(0.0);
            }
            work(rows, dx, slot);
        });
    }

    /// [`Self::add`] for work that can overwrite: it is told whether to assign
    /// (the adjoint holds anything) or to add to earlier contributions.
    pub fn store<S: Send>(
        self,
        slots: &mut [S],
        work: impl Fn(std::ops::Range<usize>, &mut [f32], &mut S, Store) + Sync,
    ) {
        let store = if self.begun {
            Store::Add
        } else {
            Store::Assign
        };
        let write = |rows, dx: &mut [f32], slot: &mut S| work(rows, dx, slot, store);
        self.rows.write(self.slice, self.width, slots, write);
    }
}

/// A network as a list of nodes; see the module's page.
pub struct Tape {
    nodes: Vec<Node>,
    places: Vec<Place>,
    values: Arena,
    adjoints: Arena,
    begun: Vec<bool>,
    capacity: usize,
    /// Parameters and buffers.
    pub params: Params,
    /// Settings of the next pass.
    pub pass: Pass,
}

impl Tape {
    /// An empty tape for batches of at most `capacity` rows.
    pub fn new(engine: Engine, capacity: usize) -> Self {
        Self {
            nodes: Vec::new(),
            places: Vec::new(),
            values: Arena::default(),
            adjoints: Arena::default(),
            begun: Vec::new(),
            capacity,
            params: Params::default(),
            pass: Pass {
                engine,
                rows: Rows::new(capacity),
                mode: Mode::Train,
                units: Units::Sample,
                slope: 1.0,
                noise: Noise {
                    seed: 0,
                    step: 0,
                    draw: 0,
                },
                labels: vec![0; capacity],
                credit: vec![0.0; capacity],
            },
        }
    }

    /// Records an input of that shape. With `wants_grad` false (images) no
    /// adjoint is computed for it.
    pub fn input(&mut self, shape: Shape, wants_grad: bool) -> Value {
        let offset = self.end();
        self.places.push(Place {
            shape,
            offset,
            wants_grad,
        });
        Value(self.places.len() - 1)
    }

    /// Records a node whose output has that shape.
    pub fn push(&mut self, op: Box<dyn Op>, inputs: &[Value], shape: Shape) -> Value {
        let output = self.input(shape, true);
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            output,
        });
        output
    }

    /// Ends the recording: reserves memory for values and, with `training`, for
    /// their adjoints.
    pub fn seal(&mut self, training: bool) {
        let len = self.end();
        self.values = Arena::zeros(len);
        self.adjoints = Arena::zeros(if training { len } else { 0 });
        self.begun = vec![false; self.places.len()];
    }

    /// Rows that a batch may have.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Slots that an op on this tape needs: one for each chunk of rows.
    pub fn slots(&self) -> usize {
        Rows::chunks_of(self.capacity)
    }

    /// The shape of one row of `value`.
    pub fn shape(&self, value: Value) -> Shape {
        self.places[value.0].shape
    }

    /// Sets the live rows of the next pass.
    ///
    /// # Panics
    /// If `live` is 0 or more than the capacity.
    pub fn set_rows(&mut self, live: usize) {
        assert!(
            (1..=self.capacity).contains(&live),
            "{live} rows on a tape for 1 to {}",
            self.capacity
        );
        self.pass.rows.live = live;
    }

    /// The live rows of a value.
    pub fn value(&self, value: Value) -> &[f32] {
        let place = &self.places[value.0];
        &self.values.as_slice()[place.offset..][..self.pass.rows.live * place.shape.len()]
    }

    /// The live rows of a value, to write: how inputs are set.
    pub fn value_mut(&mut self, value: Value) -> &mut [f32] {
        let place = &self.places[value.0];
        &mut self.values.as_mut_slice()[place.offset..][..self.pass.rows.live * place.shape.len()]
    }

    /// The live rows of a value's adjoint after [`Self::backward`].
    pub fn adjoint(&self, value: Value) -> &[f32] {
        let place = &self.places[value.0];
        &self.adjoints.as_slice()[place.offset..][..self.pass.rows.live * place.shape.len()]
    }

    /// Replays the tape forwards.
    pub fn forward(&mut self) {
        let live = self.pass.rows.live;
        for (number, node) in self.nodes.iter_mut().enumerate() {
            let place = &self.places[node.output.0];
            let (past, rest) = self.values.as_mut_slice().split_at_mut(place.offset);
            node.op.forward(Forward {
                past,
                places: &self.places,
                inputs: &node.inputs,
                node: number,
                y: &mut rest[..live * place.shape.len()],
                params: &mut self.params,
                pass: &self.pass,
            });
        }
    }

    /// Replays the tape backwards from `root`, whose adjoint is `seed` in every
    /// number of every row. Parameter gradients are added to.
    ///
    /// # Panics
    /// If the tape was not sealed for training.
    pub fn backward(&mut self, root: Value, seed: f32) {
        self.backward_from(root, |adjoint| adjoint.fill(seed));
    }

    /// [`Self::backward`] with an adjoint of `root` that `set` writes.
    pub fn backward_from(&mut self, root: Value, set: impl FnOnce(&mut [f32])) {
        let live = self.pass.rows.live;
        self.begun.fill(false);
        let place = &self.places[root.0];
        let adjoint = &mut self.adjoints.as_mut_slice()[place.offset..];
        set(&mut adjoint[..live * place.shape.len()]);
        self.begun[root.0] = true;
        for (number, node) in self.nodes.iter_mut().enumerate().rev() {
            // A node that the root does not depend on has no adjoint.
            if !self.begun[node.output.0] {
                continue;
            }
            let place = &self.places[node.output.0];
            let (past, rest) = self.adjoints.as_mut_slice().split_at_mut(place.offset);
            node.op.backward(Backward {
                values: self.values.as_slice(),
                places: &self.places,
                inputs: &node.inputs,
                output: node.output,
                node: number,
                dy: &rest[..live * place.shape.len()],
                grads: Grads {
                    past,
                    places: &self.places,
                    inputs: &node.inputs,
                    begun: &mut self.begun,
                    rows: self.pass.rows,
                },
                params: &mut self.params,
                pass: &self.pass,
            });
        }
    }

    fn end(&self) -> usize {
        self.places.last().map_or(0, |last| {
            last.offset + whole_lines(self.capacity * last.shape.len())
        })
    }
}
