//! Parameters and buffers by name, in PyTorch's shapes and order of elements.

use std::ops::Range;

use ndarray::{ArrayViewD, IxDyn};

use crate::kernels::gemm::Store;

/// A handle of a trainable parameter in [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamId(usize);

/// A handle of a buffer in [`Params`], which is saved with the weights and not trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(usize);

/// The description of a named tensor in flat storage.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name as in PyTorch's `state_dict`, for example `conv1.weight`.
    pub name: String,
    /// The shape as in PyTorch, for example (16, 1, 5, 5).
    pub shape: Vec<usize>,
    /// The range of the tensor's elements in the flat storage.
    pub span: Range<usize>,
    /// Whether the network uses only the signs of the parameter (binary weights); its values are
    /// then clipped to [-1, 1].
    pub latent: bool,
    /// The initial value of all elements, if the layer states one; else an initialiser draws random
    /// values.
    pub initial: Option<f32>,
}

/// All parameters and buffers of a network. The parameters are stored one after another in one
/// slice, and their gradients in another slice of the same layout, so an optimiser makes one pass
/// over contiguous memory.
#[derive(Debug, Default)]
pub struct Params {
    entries: Vec<Entry>,
    values: Vec<f32>,
    grads: Vec<f32>,
    /// Whether the gradient of a parameter stands for zeros, whatever it holds.
    cleared: Vec<bool>,
    buffers: Vec<Entry>,
    buffer_values: Vec<f32>,
    /// The number of batches that each batch norm has processed (`num_batches_tracked`), by name.
    counters: Vec<(String, u64)>,
    version: u64,
}

impl Params {
    /// Adds a parameter of zeros and returns its handle.
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize]) -> ParamId {
        let span = grow(&mut self.values, shape);
        self.grads.resize(self.values.len(), 0.0);
        self.cleared.push(false);
        self.entries.push(Entry {
            name: name.into(),
            shape: shape.to_vec(),
            span,
            latent: false,
            initial: None,
        });
        ParamId(self.entries.len() - 1)
    }

    /// Adds a buffer filled with `value` and returns its handle.
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

    /// Adds a counter with the value 0 and returns its index.
    pub fn add_counter(&mut self, name: impl Into<String>) -> usize {
        self.counters.push((name.into(), 0));
        self.counters.len() - 1
    }

    /// Returns the values of a parameter.
    pub fn value(&self, id: ParamId) -> &[f32] {
        &self.values[self.entries[id.0].span.clone()]
    }

    /// Returns the values of a parameter, mutably.
    pub fn value_mut(&mut self, id: ParamId) -> &mut [f32] {
        self.version += 1;
        &mut self.values[self.entries[id.0].span.clone()]
    }

    /// Returns the gradient of a parameter.
    pub fn grad(&self, id: ParamId) -> &[f32] {
        &self.grads[self.entries[id.0].span.clone()]
    }

    /// Returns the gradient of a parameter, mutably.
    pub fn grad_mut(&mut self, id: ParamId) -> &mut [f32] {
        self.zero(id.0);
        &mut self.grads[self.entries[id.0].span.clone()]
    }

    /// Returns the values of a parameter and, mutably, its gradient.
    pub fn value_and_grad(&mut self, id: ParamId) -> (&[f32], &mut [f32]) {
        self.zero(id.0);
        let span = self.entries[id.0].span.clone();
        (&self.values[span.clone()], &mut self.grads[span])
    }

    /// As [`Self::value_and_grad`], for work that can overwrite: it is told whether to assign (the
    /// content of the gradient is arbitrary) or to add.
    pub(crate) fn value_and_grad_to_store(&mut self, id: ParamId) -> (&[f32], &mut [f32], Store) {
        let store = match std::mem::take(&mut self.cleared[id.0]) {
            true => Store::Assign,
            false => Store::Add,
        };
        let span = self.entries[id.0].span.clone();
        (&self.values[span.clone()], &mut self.grads[span], store)
    }

    /// Clears all gradients. Zeros are written when a gradient is first asked for, or by
    /// [`Self::settle_grads`], which must come before all gradients are read as one slice.
    pub(crate) fn clear_grads(&mut self) {
        self.cleared.fill(true);
    }

    /// Writes the zeros of the gradients that nothing was added to.
    pub(crate) fn settle_grads(&mut self) {
        (0..self.cleared.len()).for_each(|i| self.zero(i));
    }

    /// Writes the zeros of a gradient that is cleared.
    fn zero(&mut self, i: usize) {
        if std::mem::take(&mut self.cleared[i]) {
            self.grads[self.entries[i].span.clone()].fill(0.0);
        }
    }

    /// Declares that only the signs of a parameter are used, which sets [`Entry::latent`].
    pub fn set_latent(&mut self, id: ParamId) {
        self.entries[id.0].latent = true;
    }

    /// Sets the initial value of a parameter, [`Entry::initial`].
    pub fn set_initial(&mut self, id: ParamId, value: f32) {
        self.entries[id.0].initial = Some(value);
    }

    /// Clips latent weights to [-1, 1] after an optimiser step. A NaN is not changed.
    pub fn clip_latents(&mut self) {
        for entry in self.entries.iter().filter(|e| e.latent) {
            self.version += 1;
            let values = &mut self.values[entry.span.clone()];
            values.iter_mut().for_each(|v| *v = v.clamp(-1.0, 1.0));
        }
    }

    /// Returns the values of a buffer.
    pub fn buffer(&self, id: BufferId) -> &[f32] {
        &self.buffer_values[self.buffers[id.0].span.clone()]
    }

    /// Returns the values of a buffer, mutably.
    pub fn buffer_mut(&mut self, id: BufferId) -> &mut [f32] {
        &mut self.buffer_values[self.buffers[id.0].span.clone()]
    }

    /// Increments the counter with that index.
    pub fn count(&mut self, counter: usize) {
        self.counters[counter].1 += 1;
    }

    /// Returns the descriptions of all parameters, in the order of the network.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the descriptions of all buffers, in the order of the network.
    pub fn buffer_entries(&self) -> &[Entry] {
        &self.buffers
    }

    /// Returns all counters, by name.
    pub fn counters(&self) -> &[(String, u64)] {
        &self.counters
    }

    /// Returns all counters, by name, mutably.
    pub fn counters_mut(&mut self) -> &mut [(String, u64)] {
        &mut self.counters
    }

    /// Returns all parameters as one slice.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns all parameters as one slice, mutably.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.version += 1;
        &mut self.values
    }

    /// Returns all gradients as one slice, in the layout of [`Self::values`].
    pub fn grads(&self) -> &[f32] {
        &self.grads
    }

    /// Returns all gradients as one slice, mutably.
    pub fn grads_mut(&mut self) -> &mut [f32] {
        &mut self.grads
    }

    /// Returns all parameters, mutably, and all gradients, for an optimiser.
    pub fn values_and_grads(&mut self) -> (&mut [f32], &[f32]) {
        self.version += 1;
        (&mut self.values, &self.grads)
    }

    /// Returns all buffers as one slice.
    pub fn buffer_values(&self) -> &[f32] {
        &self.buffer_values
    }

    /// Returns all buffers as one slice, mutably.
    pub fn buffer_values_mut(&mut self) -> &mut [f32] {
        &mut self.buffer_values
    }

    /// Returns a number that changes whenever a parameter may have changed. Operations compare it
    /// to decide whether to pack their weights again.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the parameter or buffer of that name as an array in PyTorch's shape.
    pub fn view(&self, name: &str) -> Option<ArrayViewD<'_, f32>> {
        let find = |entries: &[Entry]| entries.iter().position(|e| e.name == name);
        let (entry, values) = match find(&self.entries) {
            Some(i) => (&self.entries[i], &self.values),
            None => (&self.buffers[find(&self.buffers)?], &self.buffer_values),
        };
        ArrayViewD::from_shape(IxDyn(&entry.shape), &values[entry.span.clone()]).ok()
    }
}

/// Appends a tensor of zeros with that shape to `values` and returns its range.
fn grow(values: &mut Vec<f32>, shape: &[usize]) -> Range<usize> {
    let start = values.len();
    values.resize(start + shape.iter().product::<usize>(), 0.0);
    start..values.len()
}
