//! The output of a layer of a graph under construction, and the layers that can follow.

use std::sync::Arc;

use super::Graph;
use crate::estimators::{Estimator, Firing};
use crate::layers::{
    Activation, Add, AvgPool, BatchNorm, Binary, Concat, Conv, CrossEntropy, Dropout, Function,
    GlobalAvgPool, Layer, Linear, MaxPool, Mse, OwnLoss, RowLoss,
};
use crate::model::Source;

/// See the module's page. A layer without a method here follows by [`Node::then`].
#[derive(Clone)]
pub struct Node {
    pub(super) graph: Graph,
    pub(super) at: Source,
}

/// What names a gradient estimator: its name, or the estimator itself.
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
    /// A layer of any kind, without a name.
    pub fn then(&self, layer: impl Layer) -> Node {
        self.graph.layer(layer, &[self])
    }

    /// A layer of any kind with a name.
    pub fn then_named(&self, name: &str, layer: impl Layer) -> Node {
        self.graph.named(name, layer, &[self])
    }

    /// A convolution with stride 1 that keeps the size of the image, for an odd `kernel`.
    pub fn conv(&self, name: &str, channels: usize, kernel: usize) -> Node {
        let conv = Conv {
            padding: (kernel / 2).into(),
            ..Conv::new(channels, kernel)
        };
        self.then_named(name, conv)
    }

    /// A fully connected layer.
    pub fn linear(&self, name: &str, out: usize) -> Node {
        self.then_named(name, Linear::new(out))
    }

    /// Batch normalisation.
    pub fn batch_norm(&self, name: &str) -> Node {
        self.then_named(name, BatchNorm::default())
    }

    /// Max-pool over windows side by side.
    pub fn max_pool(&self, kernel: usize) -> Node {
        self.then(MaxPool::new(kernel))
    }

    /// Average pool over windows side by side.
    pub fn avg_pool(&self, kernel: usize) -> Node {
        self.then(AvgPool::new(kernel))
    }

    /// The mean of each channel.
    pub fn global_avg_pool(&self) -> Node {
        self.then(GlobalAvgPool {})
    }

    /// Dropout with probability `p`.
    pub fn dropout(&self, p: f32) -> Node {
        self.then(Dropout { p })
    }

    /// `max(x, 0)`
    pub fn relu(&self) -> Node {
        let function = Function::Relu;
        self.then(Activation { function })
    }

    /// Bits `[x > 0]` with that gradient estimator.
    pub fn binary(&self, rule: impl Rule) -> Node {
        self.then(rule.layer(Firing::Deterministic))
    }

    /// Random bits with that gradient estimator.
    pub fn stochastic(&self, rule: impl Rule) -> Node {
        self.then(rule.layer(Firing::Stochastic))
    }

    /// The sum with another value of the same shape.
    pub fn add(&self, other: &Node) -> Node {
        self.graph.layer(Add {}, &[self, other])
    }

    /// The channels of another value beside these.
    pub fn concat(&self, other: &Node) -> Node {
        self.graph.layer(Concat {}, &[self, other])
    }

    /// The loss of these logits against the labels of the batch.
    pub fn cross_entropy(&self) -> Node {
        self.then(CrossEntropy::default())
    }

    /// A loss of the program's own against the labels of the batch.
    pub fn own_loss(&self, loss: impl RowLoss) -> Node {
        self.then(OwnLoss(loss))
    }

    /// The mean squared difference from a target.
    pub fn mse(&self, target: &Node) -> Node {
        self.graph.layer(Mse {}, &[self, target])
    }
}
