//! From a layer of a spec to its op on the tape.

use std::sync::Arc;

use super::spec::LayerSpec;
use crate::error::{Error, Result};
use crate::estimators::{Estimator, Signal};
use crate::ops::{Activation, BatchNorm, Conv, Linear, MaxPool, NormPool, Terms, Window};
use crate::tape::{Tape, Value};

/// Whether a gradient needs a probe first. An adjoint that the gradient itself brings is
/// as good, unless it carries a loss, which knows the bits it is set against.
pub(super) fn needs_probe(estimators: &[Arc<dyn Estimator>]) -> bool {
    let mut probing = estimators.iter().enumerate().filter(|(_, e)| e.probes());
    probing.any(|(i, e)| {
        let mut above = estimators[i + 1..].iter();
        !e.probes_samples() || above.any(|e| e.signal() == Signal::Loss)
    })
}

/// Records a layer together with the next where the two are one op.
pub(super) fn record_fused(
    tape: &mut Tape,
    layer: &LayerSpec,
    next: Option<&&LayerSpec>,
    x: Value,
) -> Result<Option<Value>> {
    let (
        LayerSpec::BatchNorm {
            name,
            eps,
            momentum,
            statistics,
        },
        Some(LayerSpec::MaxPool { kernel, stride }),
    ) = (layer, next)
    else {
        return Ok(None);
    };
    if !NormPool::serves(tape.shape(x), *kernel, stride.unwrap_or(*kernel)) {
        return Ok(None);
    }
    NormPool::record(tape, name, x, (*eps, *momentum, *statistics)).map(Some)
}

/// Records one layer.
pub(super) fn record(tape: &mut Tape, layer: &LayerSpec, x: Value) -> Result<Value> {
    Ok(match layer {
        LayerSpec::Conv {
            name,
            out,
            kernel,
            stride,
            padding,
            bias,
            weights,
            scale,
        } => {
            let terms = Terms {
                bias: *bias,
                weights: *weights,
                scale: *scale,
            };
            let window = Window {
                kernel: *kernel,
                stride: *stride,
                padding: *padding,
            };
            Conv::record(tape, name, x, *out, window, terms)?
        }
        LayerSpec::BatchNorm {
            name,
            eps,
            momentum,
            statistics,
        } => BatchNorm::record_with(tape, name, x, *eps, *momentum, *statistics)?,
        LayerSpec::MaxPool { kernel, stride } => {
            MaxPool::record(tape, "max_pool", x, *kernel, stride.unwrap_or(*kernel))?
        }
        LayerSpec::Activation { function } => Activation::record(tape, x, *function),
        LayerSpec::Binary { .. } => {
            return Err(Error::spec("binary layers are recorded with their roles"));
        }
        LayerSpec::Linear {
            name,
            out,
            bias,
            weights,
            scale,
        } => {
            let terms = Terms {
                bias: *bias,
                weights: *weights,
                scale: *scale,
            };
            Linear::record(tape, name, x, *out, terms)?
        }
    })
}
