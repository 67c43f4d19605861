//! The encoders of the few-shot study.

use super::spec::ModelSpec;
use super::topology::Source;
use crate::error::{Error, Result};
use crate::layers::{
    Activation, BatchNorm, Conv, FewShot, Flatten, Function, LayerSpec, MaxPool, Sides,
};

/// Channels of every block, and of the last where no other number is asked for.
const CHANNELS: usize = 64;

/// In which order a block of the encoder pools, normalises and fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Batch norm, pool, activation. A ReLU or a threshold after the pool is the same number as
    /// in front of it; the pool in front is computed together with the convolution.
    Usual,
    /// Batch norm, activation, pool, as published. A sampled bit is another than that of
    /// [`Self::Usual`]: it is 1 where one of four samples is.
    Published,
    /// Pool, batch norm, activation. About half of all bits are 1, where the greatest of four
    /// normalised numbers is above 0 nearly always.
    Balanced,
}

/// The layers of an encoder: four times a convolution 3x3 that keeps the size, and batch norm,
/// max-pool 2 and a ReLU in that order; then the vector of what is left, the embedding, and the
/// head that compares embeddings.
pub(super) fn layers(order: Order) -> Vec<LayerSpec> {
    let mut layers = Vec::new();
    for number in 1..=4 {
        let conv = Conv {
            padding: Sides::both(1),
            ..Conv::new(CHANNELS, 3)
        };
        layers.push(LayerSpec::named(format!("conv{number}"), conv));
        let norm = LayerSpec::named(format!("bn{number}"), BatchNorm::default());
        let pool = MaxPool::new(2).into();
        let relu = Activation {
            function: Function::Relu,
        };
        layers.extend(match order {
            Order::Usual => [norm, pool, relu.into()],
            Order::Published => [norm, relu.into(), pool],
            Order::Balanced => [pool, norm, relu.into()],
        });
    }
    layers.extend([
        LayerSpec::named("embedding", Flatten {}),
        LayerSpec::named("head", FewShot::default()),
    ]);
    layers
}

impl ModelSpec {
    /// The head that compares embeddings, where the network ends in one.
    pub fn few_shot(&self) -> Option<&FewShot> {
        self.layers.last()?.get()
    }

    /// The layer that the packed network ends in: the one that a few-shot head reads, or that
    /// of the logits.
    pub(super) fn packed_end(&self) -> Result<Option<usize>> {
        let logits = self.logits()?;
        let Some(head) = logits.filter(|&i| self.layers[i].is::<FewShot>()) else {
            return Ok(logits);
        };
        match self.topology()?.inputs[head].first() {
            Some(Source::Layer(embedding)) => Ok(Some(*embedding)),
            _ => Err(Error::spec(format!(
                "model {}: the head {} takes the images for embeddings; put an encoder below it",
                self.name,
                self.layers[head].label()
            ))),
        }
    }

    /// Puts `head` in the place of the head that the network ends in; whether it does.
    pub(crate) fn set_few_shot(&mut self, head: FewShot) -> bool {
        let last = self.layers.last_mut();
        last.is_some_and(|layer| layer.update::<FewShot>(|now| *now = head))
    }

    /// Gives the last convolution that many channels, and so the embedding of
    /// `few-shot-encoder` that many numbers; whether the network has a convolution.
    pub(crate) fn set_last_width(&mut self, channels: usize) -> bool {
        let last = self
            .layers
            .iter_mut()
            .rev()
            .find(|layer| layer.is::<Conv>());
        last.is_some_and(|layer| layer.update::<Conv>(|conv| conv.out = channels))
    }
}
