//! The output of a layer of a graph under construction, and the layers that can follow.

use std::sync::Arc;

use super::Graph;
use crate::estimators::{Estimator, Firing};
use crate::layers::{
    Activation, Add, AvgPool, BatchNorm, Binary, Concat, Conv, CrossEntropy, Dropout, Function,
    GlobalAvgPool, Layer, Linear, MaxPool, Mse, OwnLoss, RowLoss,
};
use crate::model::Source;

/// The output of a layer of a [`Graph`] under construction. Its methods add the layers that
/// read it and return their outputs; a layer that has no method here is added by
/// [`Node::then`].
#[derive(Clone)]
pub struct Node {
    pub(super) graph: Graph,
    pub(super) at: Source,
}

/// Whatever can stand for a gradient estimator: its name, such as `"st"`, or the estimator
/// itself.
pub trait Rule {
    /// A binary layer with that estimator.
    fn layer(self, mode: Firing) -> Binary;
}

impl Rule for &str {
    fn layer(self, mode: Firing) -> Binary {
        Binary::new(mode, self)
    }
}

impl<E: Estimator + 'static> Rule for E {
    fn layer(self, mode: Firing) -> Binary {
        Binary::with(mode, Arc::new(self))
    }
}

impl Node {
    /// Adds a layer of any kind that reads this node, without a name.
    pub fn then(&self, layer: impl Layer) -> Node {
        self.graph.layer(layer, &[self])
    }

    /// Adds a layer of any kind that reads this node, with a name.
    pub fn then_named(&self, name: &str, layer: impl Layer) -> Node {
        self.graph.named(name, layer, &[self])
    }

    /// Adds a convolution of `kernel` x `kernel` pixels, with stride 1 and a zero border of
    /// `kernel / 2` pixels, which keeps the size of the image where `kernel` is odd. Settings
    /// beside these: [`Node::then_named`] with a [`Conv`].
    pub fn conv(&self, name: &str, channels: usize, kernel: usize) -> Node {
        let conv = Conv {
            padding: (kernel / 2).into(),
            ..Conv::new(channels, kernel)
        };
        self.then_named(name, conv)
    }

    /// Adds a fully connected layer with `out` outputs, real weights and a bias.
    pub fn linear(&self, name: &str, out: usize) -> Node {
        self.then_named(name, Linear::new(out))
    }

    /// Adds batch normalisation, channel by channel, with PyTorch's defaults.
    pub fn batch_norm(&self, name: &str) -> Node {
        self.then_named(name, BatchNorm::default())
    }

    /// Adds max-pooling over windows of `kernel` x `kernel` pixels, side by side.
    pub fn max_pool(&self, kernel: usize) -> Node {
        self.then(MaxPool::new(kernel))
    }

    /// Adds average pooling over windows of `kernel` x `kernel` pixels, side by side.
    pub fn avg_pool(&self, kernel: usize) -> Node {
        self.then(AvgPool::new(kernel))
    }

    /// Adds the mean of each channel over the whole image.
    pub fn global_avg_pool(&self) -> Node {
        self.then(GlobalAvgPool {})
    }

    /// Adds dropout: in training each number becomes 0 with probability `p`.
    pub fn dropout(&self, p: f32) -> Node {
        self.then(Dropout { p })
    }

    /// Adds a rectifier, `max(x, 0)`.
    pub fn relu(&self) -> Node {
        let function = Function::Relu;
        self.then(Activation { function })
    }

    /// Adds a binary activation that emits `[x > 0]`, 0 or 1, with that gradient estimator.
    pub fn binary(&self, rule: impl Rule) -> Node {
        self.then(rule.layer(Firing::Deterministic))
    }

    /// Adds a stochastic binary activation with that gradient estimator: it emits 1 with the
    /// probability that the estimator's probability function gives, else 0.
    pub fn stochastic(&self, rule: impl Rule) -> Node {
        self.then(rule.layer(Firing::Stochastic))
    }

    /// Adds a layer that sums this node and another of the same shape, number by number.
    pub fn add(&self, other: &Node) -> Node {
        self.graph.layer(Add {}, &[self, other])
    }

    /// Adds a layer that puts the channels of another node behind these; height and width must
    /// be the same.
    pub fn concat(&self, other: &Node) -> Node {
        self.graph.layer(Concat {}, &[self, other])
    }

    /// Adds the loss: the softmax cross-entropy of these logits against the labels of the
    /// batch.
    pub fn cross_entropy(&self) -> Node {
        self.then(CrossEntropy::default())
    }

    /// Adds a loss of the program's own against the labels of the batch.
    pub fn own_loss(&self, loss: impl RowLoss) -> Node {
        self.then(OwnLoss(loss))
    }

    /// Adds the loss: the mean squared difference from a target, such as a
    /// [`Graph::further_input`].
    pub fn mse(&self, target: &Node) -> Node {
        self.graph.layer(Mse {}, &[self, target])
    }
}
