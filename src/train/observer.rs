//! Who watches a training loop, and what it may keep of it.
//!
//! The loop itself writes no file. What lasts is kept by an [`Observer`]; a run's folder
//! is one.

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::event::Event;
use super::run::BestWeights;
use crate::error::Result;
use crate::model::weights::NamedTensor;

/// The weights of the best epoch so far, and what is said about them.
#[derive(Clone, Debug)]
pub struct Best {
    /// Parameters, buffers and counters, by their names and in PyTorch's shapes.
    pub tensors: Vec<NamedTensor>,
    /// The network, the data, the epoch and its slope.
    pub about: BestWeights,
}

/// Watches a training loop, which itself writes no file, and keeps of it what shall last; the
/// folder of a run ([`crate::train::RunFolder`]) is one. An error of an observer ends the
/// loop.
///
/// Any `FnMut(Event<'_>)` is one that keeps nothing.
pub trait Observer {
    /// Is told what happened.
    ///
    /// # Errors
    /// What the observer could not do; training ends with it.
    fn event(&mut self, event: Event<'_>) -> Result<()>;

    /// Is given the weights of the epoch just finished, the best so far; its checkpoint
    /// follows.
    ///
    /// # Errors
    /// What the observer could not do; training ends with it.
    fn best(&mut self, _best: &Best) -> Result<()> {
        Ok(())
    }

    /// Is given a state from which training can be continued: at the end of each epoch (where
    /// `about().progress.step` is 0), each minute within one, and before an interruption.
    ///
    /// # Errors
    /// What the observer could not do; training ends with it.
    fn checkpoint(&mut self, _state: &State<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether training is to end after this step, with
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    fn stops(&self) -> bool {
        false
    }

    /// Where the last checkpoint lies, for messages; `None` where none is kept.
    fn kept_in(&self) -> Option<&Path> {
        None
    }
}

impl<F: FnMut(Event<'_>)> Observer for F {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        self(event);
        Ok(())
    }
}

/// The state of a training loop. Its tensors are copied only for those who ask.
pub struct State<'a> {
    pub(super) about: Checkpoint,
    pub(super) tensors: &'a dyn Fn() -> Vec<NamedTensor>,
}

impl State<'_> {
    /// What is said about the state: the network, the data, and how far training has got.
    pub fn about(&self) -> &Checkpoint {
        &self.about
    }

    /// Weights, the optimiser's state, and whatever else the next step depends on.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        (self.tensors)()
    }
}
