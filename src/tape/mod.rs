//! Reverse-mode automatic differentiation over a tape that is recorded once and replayed in every
//! step (floor 2).
//!
//! A [`Tape`] is a list of nodes in the order of recording. A node is one layer ([`Op`]); its
//! output, one row per sample, is stored in an arena at a position that is fixed when the tape is
//! sealed, and the gradient of the output at the same position of a second arena.
//!
//! **Invariants.**
//! - A node reads only values recorded before it. Therefore `split_at_mut` at its output separates
//!   all earlier values, which it reads, from its output, which it writes, without interior
//!   mutability or copies.
//! - `backward` *adds* to the gradients of a node's inputs. The tape clears a gradient when its
//!   first contribution arrives ([`Grad`]).
//! - A step allocates nothing after the first one.
//! - Sums over rows are added in a fixed tree over leaves that depends on the batch only, so no
//!   result depends on the number of threads ([`Rows`], [`tree`]); noise is keyed by position
//!   ([`Noise`]).
//! - A value that depends on no sampled unit has one row per image; every other value has
//!   [`Group::size`] rows per image ([`Tape::with_group`]), one for each sample and each further
//!   evaluation that an estimator requests. If one node reads both, the former is repeated
//!   ([`Tape::align`]).
//! - Of several ranks ([`Tape::set_ranks`]), each computes its own rows of a value, and all rows
//!   where a node couples rows ([`Op::couples_rows`]) or an image's one row meets its group of
//!   rows. What such a node reads is gathered first; sums over rows are exchanged.
//! - If a node needs its gradient in the primary rows only ([`Op::narrows`]), the nodes that depend
//!   on its input do not compute gradients in the other rows, unless another path from them to the
//!   root needs these.

mod across;
pub mod check;
mod grads;
mod op;
mod params;
mod pass;
mod repeat;
mod rows;

pub use crate::kernels::tree;
pub use grads::{Grad, Grads};
pub use op::{Backward, Finish, Forward, Op};
pub use params::{BufferId, Entry, ParamId, Params};
pub use pass::{Batch, Group, Mode, Noise, Pass, Phase, Signals, Units};
pub use rows::{LEAVES, Pool, Rows, begin_reduce, reduce, share_chunks};

use crate::kernels::Engine;
use crate::ranks::Ranks;
use crate::tensor::{Arena, Shape, whole_lines};

/// A handle of a value on the tape, which is an input or the output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(usize);

#[derive(Debug)]
struct Place {
    shape: Shape,
    offset: usize,
    wants_grad: bool,
    /// Whether an image has a group of rows of this value, rather than one row.
    expanded: bool,
    /// Whether every element is 0 or 1.
    bits: bool,
    /// Whether the node of this value takes part in the backward pass although its gradient is not
    /// needed.
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

/// A network as a list of nodes, with the memory for values and gradients. It is recorded once and
/// then replayed forwards and backwards for every batch.
pub struct Tape {
    nodes: Vec<Node>,
    places: Vec<Place>,
    values: Arena,
    grads: Arena,
    begun: Vec<bool>,
    /// Of several ranks: whether this one has all rows of a value, and of its gradient.
    complete: Vec<bool>,
    complete_grads: Vec<bool>,
    ranks: Ranks,
    /// For each value, the number of rows of its gradient that the current backward pass computes.
    reach: Vec<usize>,
    capacity: usize,
    /// Rows of images, and rows of groups.
    image_rows: Rows,
    full: Rows,
    /// Parameters and buffers.
    pub params: Params,
    /// Settings of the next pass.
    pub pass: Pass,
    /// Labels of the next pass.
    pub batch: Batch,
    /// The learning signals of score-function estimators.
    pub signals: Signals,
}

impl Tape {
    /// Makes an empty tape for batches of at most `capacity` images, with one row per image.
    pub fn new(engine: Engine, capacity: usize) -> Self {
        Self::with_group(engine, capacity, 1)
    }

    /// Makes an empty tape for batches of at most `capacity` images, each of which has up to `size`
    /// rows in values that depend on sampled units.
    pub fn with_group(engine: Engine, capacity: usize, size: usize) -> Self {
        Self {
            nodes: Vec::new(),
            places: Vec::new(),
            values: Arena::default(),
            grads: Arena::default(),
            begun: Vec::new(),
            complete: Vec::new(),
            complete_grads: Vec::new(),
            ranks: Ranks::default(),
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

    /// Records an input of that shape, with one row per image. If `wants_grad` is false (images,
    /// targets), its gradient is not computed.
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

    /// Records a node whose output has that shape, with a group of rows per image if any of its
    /// inputs has one.
    pub fn push(&mut self, op: Box<dyn Op>, inputs: &[Value], shape: Shape) -> Value {
        let expanded = inputs.iter().any(|&x| self.is_expanded(x));
        self.node(op, inputs, shape, expanded)
    }

    /// Records a node whose output has a group of rows per image, whatever its inputs have.
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

    /// Returns the values, each with a group of rows per image if any of them has one, so that they
    /// can be inputs of one node.
    pub fn align(&mut self, values: &[Value]) -> Vec<Value> {
        let mixed = values.iter().any(|&x| self.is_expanded(x));
        let aligned = |x: &Value| match mixed && !self.is_expanded(*x) {
            true => repeat::record(self, *x),
            false => *x,
        };
        values.iter().map(aligned).collect()
    }

    /// Declares that every element of `value` is 0 or 1 in every pass, so that layers above may
    /// compute with bits.
    pub fn declare_bits(&mut self, value: Value) {
        self.places[value.0].bits = true;
    }

    /// Declares that the node of `value` does not use the gradient of its output. The layers above
    /// then do not compute it, and the node still takes part in the backward pass.
    pub fn declare_no_grad(&mut self, value: Value) {
        let place = &mut self.places[value.0];
        (place.wants_grad, place.no_grad) = (false, true);
    }

    /// Returns whether every element of `value` is declared to be 0 or 1.
    pub fn is_bits(&self, value: Value) -> bool {
        self.places[value.0].bits
    }

    /// Returns whether an image has a group of rows of `value`, rather than one row.
    pub fn is_expanded(&self, value: Value) -> bool {
        self.places[value.0].expanded
    }

    /// Ends the recording: allocates the memory for values and, if `training` is set, for their
    /// gradients.
    pub fn seal(&mut self, training: bool) {
        let len = self.end();
        self.values = Arena::zeros(len);
        self.grads = Arena::zeros(if training { len } else { 0 });
        self.begun = vec![false; self.places.len()];
        self.complete = vec![false; self.places.len()];
        self.complete_grads = vec![false; self.places.len()];
        self.reach = vec![0; self.places.len()];
    }

    /// Returns the largest number of images in a batch.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the rows of `value` in a full batch, and how they are split.
    pub fn cut(&self, value: Value) -> Rows {
        match self.is_expanded(value) {
            true => self.full,
            false => self.image_rows,
        }
    }

    /// Returns the number of scratch buffers that an operation over `value` needs, one for each
    /// chunk of rows.
    pub fn chunks(&self, value: Value) -> usize {
        Rows::chunks_of(self.cut(value).live)
    }

    /// Returns the largest number of rows in a chunk of `value`.
    pub fn chunk(&self, value: Value) -> usize {
        self.cut(value).most_of_chunk()
    }

    /// Returns the rows of a batch's images, and how they are split.
    pub fn image_rows(&self) -> Rows {
        let live = self.pass.group.images;
        self.image_rows.with_live(live)
    }

    /// Returns the rows of a full batch in which images have groups of rows, and how they are
    /// split.
    pub fn full(&self) -> Rows {
        self.full
    }

    /// Returns the shape of one row of `value`.
    pub fn shape(&self, value: Value) -> Shape {
        self.places[value.0].shape
    }

    /// Sets the number of images in the next pass.
    ///
    /// # Panics
    /// Panics if `images` is 0 or more than the capacity.
    pub fn set_rows(&mut self, images: usize) {
        assert!(
            (1..=self.capacity).contains(&images),
            "{images} rows on a tape for 1 to {}",
            self.capacity
        );
        self.pass.group.images = images;
        self.pass.rows = self.image_rows();
    }

    /// Sets the number of samples per image, and of particles (evaluations) per sample.
    ///
    /// # Panics
    /// Panics if the product is 0, or more than the size stated to [`Self::with_group`].
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

    /// Returns the rows in use of a value.
    pub fn value(&self, value: Value) -> &[f32] {
        let place = &self.places[value.0];
        &self.values.as_slice()[place.offset..][..place.rows(&self.pass) * place.shape.len()]
    }

    /// Returns the rows in use of a value, mutably; this is how inputs are set.
    pub fn value_mut(&mut self, value: Value) -> &mut [f32] {
        let place = &self.places[value.0];
        let len = place.rows(&self.pass) * place.shape.len();
        &mut self.values.as_mut_slice()[place.offset..][..len]
    }

    /// Returns the gradient of a value after [`Self::backward`], in the rows in use.
    pub fn grad(&self, value: Value) -> &[f32] {
        let place = &self.places[value.0];
        &self.grads.as_slice()[place.offset..][..place.rows(&self.pass) * place.shape.len()]
    }

    /// Returns the number of recorded nodes, which is the index of the next one.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Returns how each node is computed ([`Op::way`]).
    pub fn ways(&self) -> impl Iterator<Item = Option<String>> {
        self.nodes.iter().map(|node| node.op.way())
    }

    /// Runs the forward pass.
    pub fn forward(&mut self) {
        self.forward_watched(|_| {});
    }

    /// As [`Self::forward`]; after each node, `done` is called with its index.
    pub fn forward_watched(&mut self, mut done: impl FnMut(usize)) {
        self.batch.repeat_labels(self.pass.group);
        self.complete.fill(false);
        for number in 0..self.nodes.len() {
            let output = self.nodes[number].output;
            self.pass.rows = self.rows_of_forward(number);
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
                ranks: &self.ranks,
            });
            done(number);
        }
        self.pass.rows = self.image_rows();
    }

    /// Runs the backward pass from `root`, whose gradient is `grad_output` in every element of
    /// every row. It adds to the gradients of the parameters.
    ///
    /// # Panics
    /// Panics if the tape was not sealed for training.
    pub fn backward(&mut self, root: Value, grad_output: f32) {
        self.backward_from(root, |grad| grad.fill(grad_output));
    }

    /// As [`Self::backward`], with a gradient of `root` that `set` writes.
    pub fn backward_from(&mut self, root: Value, set: impl FnOnce(&mut [f32])) {
        self.begun.fill(false);
        self.complete_grads.fill(true);
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
            let rows = self.rows_of_backward(number);
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
                    image_rows: image_rows.with_share(rows.share()),
                    rows,
                },
                params: &mut self.params,
                pass: &self.pass,
                batch: &self.batch,
                signals: &self.signals,
                ranks: &self.ranks,
            });
        }
        self.finish_sums();
        self.pass.rows = image_rows;
    }

    /// Determines the rows of each value's gradient that a backward pass from `root` computes: the
    /// largest number that any node above needs. A node that narrows needs the primary rows only; a
    /// value that another node also reads has the rows of that node.
    fn plan_reach(&mut self, root: Value) {
        self.reach.fill(0);
        self.reach[root.0] = self.places[root.0].rows(&self.pass);
        for node in self.nodes.iter().rev() {
            let place = &self.places[node.output.0];
            let mut rows = self.reach[node.output.0];
            if place.no_grad {
                // The node uses the losses of the primary rows.
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
