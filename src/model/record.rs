//! From a layer of a spec to its op on the tape.

use std::sync::Arc;

use super::spec::LayerSpec;
use crate::error::{Error, Result};
use crate::estimators::{Estimator, Signal};
use crate::ops::{
    Activation, BatchNorm, Conv, ConvNormPool, Linear, MaxPool, NormPool, Terms, Window,
};
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

/// Records the first of these layers together with those behind it that are one op with
/// it; how many layers that op is.
pub(super) fn record_fused(
    tape: &mut Tape,
    layers: &[LayerSpec],
    x: Value,
) -> Result<Option<(Value, usize)>> {
    let (conv, rest) = match layers {
        [conv @ LayerSpec::Conv { .. }, rest @ ..] => (Some(conv), rest),
        rest => (None, rest),
    };
    let [
        LayerSpec::BatchNorm {
            name,
            eps,
            momentum,
            statistics,
        },
        LayerSpec::MaxPool { kernel, stride },
        ..,
    ] = rest
    else {
        return Ok(None);
    };
    let settings = (*eps, *momentum, *statistics);
    let pool = (*kernel, stride.unwrap_or(*kernel));
    let input = tape.shape(x);
    match conv.and_then(LayerSpec::as_conv) {
        Some((first, channels, window, terms))
            if ConvNormPool::serves(input, (channels, window, terms), pool) =>
        {
            let conv = (first, channels, window, terms);
            let y = ConvNormPool::record(tape, x, conv, (name, settings))?;
            Ok(Some((y, 3)))
        }
        None if NormPool::serves(input, pool.0, pool.1) => {
            Ok(Some((NormPool::record(tape, name, x, settings)?, 2)))
        }
        _ => Ok(None),
    }
}

impl LayerSpec {
    /// Name, channels, window and terms of a convolution.
    fn as_conv(&self) -> Option<(&str, usize, Window, Terms)> {
        let LayerSpec::Conv {
            name,
            out,
            kernel,
            stride,
            padding,
            bias,
            weights,
            scale,
        } = self
        else {
            return None;
        };
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
        Some((name, *out, window, terms))
    }
}

/// Records one layer.
pub(super) fn record(tape: &mut Tape, layer: &LayerSpec, x: Value) -> Result<Value> {
    if let Some((name, channels, window, terms)) = layer.as_conv() {
        return Conv::record(tape, name, x, channels, window, terms);
    }
    Ok(match layer {
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
        LayerSpec::Conv { .. } | LayerSpec::Binary { .. } => {
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
