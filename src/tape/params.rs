//! Parameters by name, in PyTorch's shapes and order of storage.

use std::ops::Range;

use ndarray::{ArrayViewD, IxDyn};

/// A trainable parameter's place in [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamId(usize);

/// A buffer's place in [`Params`]: saved with the weights, never trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(usize);

/// A named tensor in a flat store.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// PyTorch's `state_dict` name, e.g. `conv1.weight`.
    pub name: String,
    /// PyTorch's shape, e.g. (16, 1, 5, 5).
    pub shape: Vec<usize>,
    /// Where it lies in the flat store.
    pub span: Range<usize>,
    /// Whether the network uses its signs alone (binary weights), so that it is
    /// kept within [-1, 1].
    pub latent: bool,
    /// The number that all of it begins as, where its layer states one; else an initialiser
    /// draws it.
    pub initial: Option<f32>,
}

/// All parameters and buffers of a network. Parameters lie one after the other
/// in one slice, their gradients in another of the same layout, so an optimiser
/// is one pass over flat memory.
#[derive(Debug, Default)]
pub struct Params {
    entries: Vec<Entry>,
    values: Vec<f32>,
    grads: Vec<f32>,
    buffers: Vec<Entry>,
    buffer_values: Vec<f32>,
    /// Counts of batches that each batch norm has seen, by name.
    counters: Vec<(String, u64)>,
    version: u64,
}

impl Params {
    /// Adds a parameter of zeros.
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize]) -> ParamId {
        let span = grow(&mut self.values, shape);
        self.grads.resize(self.values.len(), 0.0);
        self.entries.push(Entry {
            name: name.into(),
            shape: shape.to_vec(),
            span,
            latent: false,
            initial: None,
        });
        ParamId(self.entries.len() - 1)
    }

    /// Adds a buffer filled with `value`.
    pub fn add_buffer(&mut self, name: impl Into<String>, shape: &[usize], value: f32) -> BufferId {
        let span = grow(&mut self.buffer_values, shape);
        self.buffer_values[span.clone()].fill(value);
        self.buffers.push(Entry {
            name: name.into(),
            shape: shape.to_vec(),
            span,
            latent: false,
            initial: None,
        });
        BufferId(self.buffers.len() - 1)
    }

    /// Adds a counter at 0 and returns its place.
    pub fn add_counter(&mut self, name: impl Into<String>) -> usize {
        self.counters.push((name.into(), 0));
        self.counters.len() - 1
    }

    /// A parameter's numbers.
    pub fn value(&self, id: ParamId) -> &[f32] {
        &self.values[self.entries[id.0].span.clone()]
    }

    /// A parameter's numbers, to write.
    pub fn value_mut(&mut self, id: ParamId) -> &mut [f32] {
        self.version += 1;
        &mut self.values[self.entries[id.0].span.clone()]
    }

    /// A parameter's gradient.
    pub fn grad(&self, id: ParamId) -> &[f32] {
        &self.grads[self.entries[id.0].span.clone()]
    }

    /// A parameter's gradient, to add to.
    pub fn grad_mut(&mut self, id: ParamId) -> &mut [f32] {
        &mut self.grads[self.entries[id.0].span.clone()]
    }

    /// A parameter's numbers beside its gradient to add to.
    pub fn value_and_grad(&mut self, id: ParamId) -> (&[f32], &mut [f32]) {
        let span = self.entries[id.0].span.clone();
        (&self.values[span.clone()], &mut self.grads[span])
    }

    /// Says that a parameter is used by its sign alone; see [`Entry::latent`].
    pub fn set_latent(&mut self, id: ParamId) {
        self.entries[id.0].latent = true;
    }

    /// Says what a parameter begins as; see [`Entry::initial`].
    pub fn set_initial(&mut self, id: ParamId, value: f32) {
        self.entries[id.0].initial = Some(value);
    }

    /// Brings latent weights back into [-1, 1] after a step. A NaN stays.
    pub fn clip_latents(&mut self) {
        for entry in self.entries.iter().filter(|e| e.latent) {
            self.version += 1;
            let values = &mut self.values[entry.span.clone()];
            values.iter_mut().for_each(|v| *v = v.clamp(-1.0, 1.0));
        }
    }

    /// A buffer's numbers.
    pub fn buffer(&self, id: BufferId) -> &[f32] {
        &self.buffer_values[self.buffers[id.0].span.clone()]
    }

    /// A buffer's numbers, to write.
    pub fn buffer_mut(&mut self, id: BufferId) -> &mut [f32] {
        &mut self.buffer_values[self.buffers[id.0].span.clone()]
    }

    /// Adds one to a counter.
    pub fn count(&mut self, counter: usize) {
        self.counters[counter].1 += 1;
    }

    /// Every parameter, in the order of the network.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every buffer, in the order of the network.
    pub fn buffer_entries(&self) -> &[Entry] {
        &self.buffers
    }

    /// Every counter by name.
    pub fn counters(&self) -> &[(String, u64)] {
        &self.counters
    }

    /// Every counter by name, to write.
    pub fn counters_mut(&mut self) -> &mut [(String, u64)] {
        &mut self.counters
    }

    /// All parameters as one slice.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All parameters as one slice, to write.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.version += 1;
        &mut self.values
    }

    /// All gradients as one slice, in the layout of [`Self::values`].
    pub fn grads(&self) -> &[f32] {
        &self.grads
    }

    /// All gradients as one slice, to write.
    pub fn grads_mut(&mut self) -> &mut [f32] {
        &mut self.grads
    }

    /// All parameters to write beside all gradients to read, for an optimiser.
    pub fn values_and_grads(&mut self) -> (&mut [f32], &[f32]) {
        self.version += 1;
        (&mut self.values, &self.grads)
    }

    /// All buffers as one slice.
    pub fn buffer_values(&self) -> &[f32] {
        &self.buffer_values
    }

    /// All buffers as one slice, to write.
    pub fn buffer_values_mut(&mut self) -> &mut [f32] {
        &mut self.buffer_values
    }

    /// A number that changes whenever a parameter may have changed, so that an op knows when
    /// to pack its weights again.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The parameter or buffer of that name as an array in PyTorch's shape.
    pub fn view(&self, name: &str) -> Option<ArrayViewD<'_, f32>> {
        let find = |entries: &[Entry]| entries.iter().position(|e| e.name == name);
        let (entry, values) = match find(&self.entries) {
            Some(i) => (&self.entries[i], &self.values),
            None => (&self.buffers[find(&self.buffers)?], &self.buffer_values),
        };
        ArrayViewD::from_shape(IxDyn(&entry.shape), &values[entry.span.clone()]).ok()
    }
}

/// Extends `values` by a tensor of zeros of that shape.
fn grow(values: &mut Vec<f32>, shape: &[usize]) -> Range<usize> {
    let start = values.len();
    values.resize(start + shape.iter().product::<usize>(), 0.0);
    start..values.len()
}
