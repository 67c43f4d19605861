//! What tensors a layer or a network has: names, shapes, and how many numbers.

/// Name and shape of a tensor, as [`crate::tape::Entry`] has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// PyTorch's `state_dict` name, e.g. `conv1.weight`; of a layer by itself `weight`.
    pub name: String,
    /// PyTorch's shape, e.g. (16, 1, 5, 5).
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// A tensor of a layer by itself.
    pub fn new(name: &str, shape: &[usize]) -> Self {
        Self {
            name: name.into(),
            shape: shape.to_vec(),
        }
    }

    /// How many numbers it holds; `u64::MAX` where there would be more.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |n, &s| n.saturating_mul(s))
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The tensors of a layer or of a network, in the order in which they are registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tensors {
    /// What is trained: [`crate::tape::Params::entries`].
    pub params: Vec<TensorSpec>,
    /// What is saved and not trained: [`crate::tape::Params::buffer_entries`].
    pub buffers: Vec<TensorSpec>,
    /// Names of the counts, a single integer each: [`crate::tape::Params::counters`].
    pub counters: Vec<String>,
}

impl Tensors {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.params.is_empty() && self.buffers.is_empty() && self.counters.is_empty()
    }

    /// Adds the tensors of the layer `name`, whose names get that prefix.
    pub(crate) fn extend_with(&mut self, name: &str, of: Tensors) {
        let full = |t: TensorSpec| TensorSpec {
            name: format!("{name}.{}", t.name),
            ..t
        };
        self.params.extend(of.params.into_iter().map(full));
        self.buffers.extend(of.buffers.into_iter().map(full));
        let counters = of.counters.into_iter().map(|c| format!("{name}.{c}"));
        self.counters.extend(counters);
    }
}

/// The product of the factors, or `u64::MAX` where it is larger.
pub fn product(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |a, &b| a.saturating_mul(b))
}
