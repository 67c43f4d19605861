//! Floor 2: reverse-mode differentiation over a tape that is recorded once and
//! replayed every step.
//!
//! A [`Tape`] is a list of nodes in the order of recording. A node is one layer
//! ([`Op`]); its output, one row a sample, lies in a single arena at a place
//! fixed when the tape is sealed, and the gradient of that output lies at the
//! same place of a second arena.
//!
//! **Invariants.**
//! - A node reads only values recorded before it. So `split_at_mut` at its
//!   output hands it the whole past to read and its own output to write; there
//!   is no interior mutability and no copying.
//! - `backward` *adds* to the gradients of its inputs. The tape clears a gradient
//!   when its first contribution arrives ([`Grad`]).
//! - A warm step allocates nothing.
//! - Sums over rows are added up in one tree over leaves that the batch sets alone, so no
//!   result depends on the number of threads ([`Rows`], [`tree`]); noise is keyed by
//!   position ([`Noise`]).
//! - A value that depends on no sampled unit has one row an image; every other value has
//!   [`Group::size`] rows an image ([`Tape::with_group`]), one for each sample and each
//!   extra evaluation that an estimator asks for. Where the two meet in one node, the
//!   first is repeated ([`Tape::align`]).
//! - A node that needs its gradient in the primary rows alone ([`Op::narrows`]) spares the
//!   nodes below it the other rows, as far as no other way leads from them to the root.

pub mod check;
mod grads;
mod op;
mod params;
mod pass;
mod repeat;
mod rows;

pub use crate::kernels::tree;
pub use grads::{Grad, Grads};
pub use op::{Backward, Forward, Op};
pub use params::{BufferId, Entry, ParamId, Params};
pub use pass::{Batch, Group, Mode, Noise, Pass, Phase, Signals, Units};
pub use rows::{LEAVES, Pool, Rows, reduce};

use crate::kernels::Engine;
use crate::tensor::{Arena, Shape, whole_lines};

/// The handle of a value on the tape: an input, or the output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(usize);

#[derive(Debug)]
struct Place {
    shape: Shape,
    offset: usize,
    wants_grad: bool,
    /// Whether an image has a group of rows here, rather than one.
    expanded: bool,
    /// Whether every number is 0 or 1.
    bits: bool,
    /// Whether its node is replayed backwards although nothing asks for its gradient.
    no_grad: bool,
}

impl Place {
    fn rows(&self, pass: &Pass) -> usize {
        if self.expanded {
            pass.group.rows()
        } else {
            pass.group.images
        }
    }
}

struct Node {
    op: Box<dyn Op>,
    inputs: Vec<Value>,
    output: Value,
}

/// A network as a list of nodes; see the module's page.
pub struct Tape {
    nodes: Vec<Node>,
    places: Vec<Place>,
    values: Arena,
    grads: Arena,
    begun: Vec<bool>,
    /// For each value, the rows of its gradient that the replay under way computes.
    reach: Vec<usize>,
    capacity: usize,
    /// Rows of images, and of groups of rows.
    image_rows: Rows,
    full: Rows,
    /// Parameters and buffers.
    pub params: Params,
    /// Settings of the next pass.
    pub pass: Pass,
    /// Labels of the next pass.
    pub batch: Batch,
    /// What score-function estimators learn from.
    pub signals: Signals,
}

impl Tape {
    /// An empty tape for batches of at most `capacity` images, each of them one row.
    pub fn new(engine: Engine, capacity: usize) -> Self {
        Self::with_group(engine, capacity, 1)
    }

    /// An empty tape for batches of at most `capacity` images, each of which has up to
    /// `size` rows from the sampled units on.
    pub fn with_group(engine: Engine, capacity: usize, size: usize) -> Self {
        Self {
            nodes: Vec::new(),
            places: Vec::new(),
            values: Arena::default(),
            grads: Arena::default(),
            begun: Vec::new(),
            reach: Vec::new(),
            capacity,
            image_rows: Rows::new(capacity),
            full: Rows::new(capacity * size),
            params: Params::default(),
            pass: Pass::new(engine, capacity),
            batch: Batch::new(capacity * size),
            signals: Signals::new(capacity * size),
        }
    }

    /// Records an input of that shape, which has one row an image. With `wants_grad`
    /// false (images, targets) no gradient is computed for it.
    pub fn input(&mut self, shape: Shape, wants_grad: bool) -> Value {
        self.place(shape, wants_grad, false)
    }

    fn place(&mut self, shape: Shape, wants_grad: bool, expanded: bool) -> Value {
        let offset = self.end();
        self.places.push(Place {
            shape,
            offset,
            wants_grad,
            expanded,
            bits: false,
            no_grad: false,
        });
        Value(self.places.len() - 1)
    }

    /// Records a node whose output has that shape, and a group of rows an image if any of
    /// its inputs has.
    pub fn push(&mut self, op: Box<dyn Op>, inputs: &[Value], shape: Shape) -> Value {
        let expanded = inputs.iter().any(|&x| self.is_expanded(x));
        self.node(op, inputs, shape, expanded)
    }

    /// Records a node whose output has a group of rows an image whatever its inputs have.
    pub fn push_expanded(&mut self, op: Box<dyn Op>, inputs: &[Value], shape: Shape) -> Value {
        self.node(op, inputs, shape, true)
    }

    fn node(&mut self, op: Box<dyn Op>, inputs: &[Value], shape: Shape, expanded: bool) -> Value {
        let output = self.place(shape, true, expanded);
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            output,
        });
        output
    }

    /// Gives all these values a group of rows an image if any of them has, so that they
    /// can be inputs of one node.
    pub fn align(&mut self, values: &[Value]) -> Vec<Value> {
        let mixed = values.iter().any(|&x| self.is_expanded(x));
        let aligned = |x: &Value| match mixed && !self.is_expanded(*x) {
            true => repeat::record(self, *x),
            false => *x,
        };
        values.iter().map(aligned).collect()
    }

    /// Declares that every number of `value` is 0 or 1, in every pass: layers above
    /// may then compute with bits.
    pub fn declare_bits(&mut self, value: Value) {
        self.places[value.0].bits = true;
    }

    /// Declares that the node of `value` makes nothing of the gradient of its output: the
    /// layers above then leave it out, and the node is still replayed backwards.
    pub fn declare_no_grad(&mut self, value: Value) {
        let place = &mut self.places[value.0];
        (place.wants_grad, place.no_grad) = (false, true);
    }

    /// Whether every number of `value` is declared to be 0 or 1.
    pub fn is_bits(&self, value: Value) -> bool {
        self.places[value.0].bits
    }

    /// Whether an image has a group of rows of `value`, rather than one.
    pub fn is_expanded(&self, value: Value) -> bool {
        self.places[value.0].expanded
    }

    /// Ends the recording: reserves memory for values and, with `training`, for
    /// their gradients.
    pub fn seal(&mut self, training: bool) {
        let len = self.end();
        self.values = Arena::zeros(len);
        self.grads = Arena::zeros(if training { len } else { 0 });
        self.begun = vec![false; self.places.len()];
        self.reach = vec![0; self.places.len()];
    }

    /// Images that a batch may have.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How the rows of `value` are cut in a full batch.
    pub fn cut(&self, value: Value) -> Rows {
        match self.is_expanded(value) {
            true => self.full,
            false => self.image_rows,
        }
    }

    /// Pieces of scratch memory that an op over `value` needs: one for each chunk of rows.
    pub fn chunks(&self, value: Value) -> usize {
        Rows::chunks_of(self.cut(value).live)
    }

    /// The most rows that a chunk of `value` has.
    pub fn chunk(&self, value: Value) -> usize {
        self.cut(value).most_of_chunk()
    }

    /// How the images of the batch are cut.
    pub fn image_rows(&self) -> Rows {
        let live = self.pass.group.images;
        self.image_rows.with_live(live)
    }

    /// How the rows of a full batch are cut where images have groups of rows.
    pub fn full(&self) -> Rows {
        self.full
    }

    /// The shape of one row of `value`.
    pub fn shape(&self, value: Value) -> Shape {
        self.places[value.0].shape
    }

    /// Sets the live images of the next pass.
    ///
    /// # Panics
    /// If `images` is 0 or more than the capacity.
    pub fn set_rows(&mut self, images: usize) {
        assert!(
            (1..=self.capacity).contains(&images),
            "{images} rows on a tape for 1 to {}",
            self.capacity
        );
        self.pass.group.images = images;
        self.pass.rows = self.image_rows();
    }

    /// Sets the samples of an image, and its evaluations of each sample.
    ///
    /// # Panics
    /// If that makes no rows, or more than [`Self::with_group`] was told.
    pub fn set_group(&mut self, samples: usize, particles: usize) {
        let size = samples * particles;
        assert!(
            size >= 1 && size * self.capacity <= self.full.live,
            "{samples} samples of {particles} rows on a tape for fewer"
        );
        self.pass.group.samples = samples;
        self.pass.group.particles = particles;
    }

    fn rows_at(&self, value: Value) -> Rows {
        if self.places[value.0].expanded {
            let live = self.pass.group.rows();
            self.full.with_live(live)
        } else {
            self.image_rows()
        }
    }

    /// The live rows of a value.
    pub fn value(&self, value: Value) -> &[f32] {
        let place = &self.places[value.0];
        &self.values.as_slice()[place.offset..][..place.rows(&self.pass) * place.shape.len()]
    }

    /// The live rows of a value, to write: how inputs are set.
    pub fn value_mut(&mut self, value: Value) -> &mut [f32] {
        let place = &self.places[value.0];
        let len = place.rows(&self.pass) * place.shape.len();
        &mut self.values.as_mut_slice()[place.offset..][..len]
    }

    /// The live rows of a value's gradient after [`Self::backward`].
    pub fn grad(&self, value: Value) -> &[f32] {
        let place = &self.places[value.0];
        &self.grads.as_slice()[place.offset..][..place.rows(&self.pass) * place.shape.len()]
    }

    /// The number of nodes recorded so far, which is the number that the next one gets.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Replays the tape forwards.
    pub fn forward(&mut self) {
        self.forward_watched(|_| {});
    }

    /// [`Self::forward`], which calls `done` with the number of each node after it.
    pub fn forward_watched(&mut self, mut done: impl FnMut(usize)) {
        self.batch.repeat_labels(self.pass.group);
        for number in 0..self.nodes.len() {
            let output = self.nodes[number].output;
            self.pass.rows = self.rows_at(output);
            let node = &mut self.nodes[number];
            let place = &self.places[output.0];
            let (past, rest) = self.values.as_mut_slice().split_at_mut(place.offset);
            node.op.forward(Forward {
                past,
                places: &self.places,
                inputs: &node.inputs,
                y: &mut rest[..self.pass.rows.live * place.shape.len()],
                params: &mut self.params,
                pass: &self.pass,
                batch: &self.batch,
            });
            done(number);
        }
        self.pass.rows = self.image_rows();
    }

    /// Replays the tape backwards from `root`, whose gradient is `grad_output` in every
    /// number of every row. Parameter gradients are added to.
    ///
    /// # Panics
    /// If the tape was not sealed for training.
    pub fn backward(&mut self, root: Value, grad_output: f32) {
        self.backward_from(root, |grad| grad.fill(grad_output));
    }

    /// [`Self::backward`] with a gradient of `root` that `set` writes.
    pub fn backward_from(&mut self, root: Value, set: impl FnOnce(&mut [f32])) {
        self.begun.fill(false);
        let place = &self.places[root.0];
        let len = place.rows(&self.pass) * place.shape.len();
        set(&mut self.grads.as_mut_slice()[place.offset..][..len]);
        self.begun[root.0] = true;
        self.plan_reach(root);
        let image_rows = self.image_rows();
        for number in (0..self.nodes.len()).rev() {
            let output = self.nodes[number].output;
            // A node that the root does not depend on has no gradient.
            if !self.begun[output.0] && !self.places[output.0].no_grad {
                continue;
            }
            let rows = self.rows_at(output).with_live(self.reach[output.0]);
            self.pass.rows = rows;
            let node = &mut self.nodes[number];
            let place = &self.places[output.0];
            let (past, rest) = self.grads.as_mut_slice().split_at_mut(place.offset);
            node.op.backward(Backward {
                values: self.values.as_slice(),
                places: &self.places,
                inputs: &node.inputs,
                output,
                dy: &rest[..rows.live * place.shape.len()],
                grads: Grads {
                    past,
                    places: &self.places,
                    inputs: &node.inputs,
                    begun: &mut self.begun,
                    reach: &self.reach,
                    image_rows,
                    rows,
                },
                params: &mut self.params,
                pass: &self.pass,
                batch: &self.batch,
                signals: &self.signals,
            });
        }
        self.pass.rows = image_rows;
    }

    /// Finds the rows of each value's gradient that a replay from `root` computes: the
    /// most that any node above asks for. A node that narrows asks for the primary rows, and
    /// a value that is read by another node as well keeps that one's rows.
    fn plan_reach(&mut self, root: Value) {
        self.reach.fill(0);
        self.reach[root.0] = self.places[root.0].rows(&self.pass);
        for node in self.nodes.iter().rev() {
            let place = &self.places[node.output.0];
            let mut rows = self.reach[node.output.0];
            if place.no_grad {
                // It learns from the losses of the primary rows.
                rows = rows.max(self.pass.group.primary());
                self.reach[node.output.0] = rows;
            }
            if node.op.narrows(&self.pass) {
                rows = rows.min(self.pass.group.primary());
            }
            for input in &node.inputs {
                let place = &self.places[input.0];
                let most = place.rows(&self.pass);
                let reach = &mut self.reach[input.0];
                *reach = (*reach).max(rows).min(most);
            }
        }
    }

    fn end(&self) -> usize {
        self.places.last().map_or(0, |last| {
            let rows = if last.expanded {
                self.full.live
            } else {
                self.capacity
            };
            last.offset + whole_lines(rows * last.shape.len())
        })
    }
}
