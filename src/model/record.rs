//! From a spec to ops on a tape.

use super::topology::{Source, Topology};
use crate::error::Result;
use crate::estimators::{Plan, Recorded};
use crate::layers::{
    BatchNorm, Binary, Conv, ConvNormPool, CrossEntropyOp, LayerSpec, Levels, MaxPool, NormPool,
    Recorder,
};
use crate::tape::{Tape, Value};

/// A network on a tape.
pub(super) struct OnTape {
    /// The output of each layer; none where it is computed together with the next.
    pub layers: Vec<Option<Value>>,
    /// The number of the node after each layer's last.
    pub ends: Vec<usize>,
    /// One loss a row.
    pub loss: Value,
    /// The binary layers.
    pub units: Vec<Recorded>,
}

/// Records every layer, and the cross-entropy of the last one where that is no loss. With
/// `fuse`, layers that can be one op are.
pub(super) fn record(
    tape: &mut Tape,
    layers: &[LayerSpec],
    topology: &Topology,
    keys: &[usize],
    plan: &Plan,
    input: Value,
    fuse: bool,
) -> Result<OnTape> {
    let (mut values, mut ends) = (Vec::<Option<Value>>::new(), Vec::new());
    let mut units = Vec::new();
    while values.len() < layers.len() {
        let i = values.len();
        let inputs = tape.align(&inputs_of(&topology.inputs[i], input, &values));
        if fuse
            && let Some(&x) = inputs.first()
            && let Some((fused, count)) = record_fused(tape, layers, topology, i, x)?
        {
            values.resize(i + count - 1, None);
            values.push(Some(fused));
            ends.resize(values.len(), tape.nodes());
            continue;
        }
        let layer = &layers[i];
        let number = units.len();
        let unit = layer.get::<Binary>().map(|_| {
            let estimator = plan.units()[number].estimator.clone();
            (estimator, plan.part(number), number + 1)
        });
        if let Some((estimator, ..)) = &unit {
            let (x, probability) = (inputs[0], estimator.probability());
            units.push(Recorded { x, probability });
        }
        let loss_differences = read_differences(layers, &topology.inputs[i]);
        let mut to = Recorder {
            name: layer.name.as_deref().unwrap_or_default(),
            noise: keys[i],
            ignores_gradient: unit.is_some() && plan.ignores_gradient(number),
            unit,
            loss_differences,
            tape,
        };
        let y = layer.layer().record(&mut to, &inputs)?;
        values.push(Some(y));
        ends.push(tape.nodes());
    }
    Ok(OnTape {
        loss: record_loss(tape, layers, &values),
        layers: values,
        ends,
        units,
    })
}

/// The values of a layer's sources, out of the outputs of the layers before it.
fn inputs_of(sources: &[Source], input: Value, outputs: &[Option<Value>]) -> Vec<Value> {
    let of = |source: &Source| match source {
        Source::Input => input,
        // Only a layer that no other one but the next reads is computed with it.
        Source::Layer(j) => outputs[*j].expect("a layer that is read has an output"),
    };
    sources.iter().map(of).collect()
}

/// The loss: the last layer where it is one, else the cross-entropy of what it gives.
fn record_loss(tape: &mut Tape, layers: &[LayerSpec], values: &[Option<Value>]) -> Value {
    let last = values[layers.len() - 1].expect("the last layer has an output");
    match layers[layers.len() - 1].layer().is_loss() {
        true => last,
        false => CrossEntropyOp::record(tape, last),
    }
}

/// The levels of the bits among the sources whose estimator asks for what each bit does to the
/// loss; `None` without any.
fn read_differences(layers: &[LayerSpec], sources: &[Source]) -> Option<Levels> {
    sources.iter().find_map(|source| match source {
        Source::Layer(j) => {
            let unit = layers[*j].get::<Binary>()?;
            unit.rule().ok()?.needs_differences().then_some(unit.levels)
        }
        Source::Input => None,
    })
}

/// Records layer `i` together with those behind it that are one op with it, as far as
/// nothing else reads what lies between; how many layers that op is.
fn record_fused(
    tape: &mut Tape,
    layers: &[LayerSpec],
    topology: &Topology,
    i: usize,
    x: Value,
) -> Result<Option<(Value, usize)>> {
    let conv = layers[i].get::<Conv>();
    if conv.is_some_and(|conv| conv.groups != 1) {
        return Ok(None);
    }
    let first = i + usize::from(conv.is_some());
    let (Some(norm), Some(pool)) = (layers.get(first), layers.get(first + 1)) else {
        return Ok(None);
    };
    if !(i..=first).all(|j| topology.leads_on(j)) {
        return Ok(None);
    }
    let (Some(batch_norm), Some(pool)) = (norm.get::<BatchNorm>(), pool.get::<MaxPool>()) else {
        return Ok(None);
    };
    let settings = (batch_norm.eps, batch_norm.momentum, batch_norm.statistics);
    let norm = norm.label();
    let pool = (pool.kernel, pool.step());
    let input = tape.shape(x);
    match conv {
        Some(conv) => {
            let of = (conv.out, conv.window(), conv.terms());
            if !ConvNormPool::supports(input, of, pool) {
                return Ok(None);
            }
            let conv = (layers[i].label(), conv.out, conv.window(), conv.terms());
            let y = ConvNormPool::record(tape, x, conv, (norm, settings))?;
            Ok(Some((y, 3)))
        }
        None if NormPool::supports(input, pool.0, pool.1) => {
            Ok(Some((NormPool::record(tape, norm, x, settings)?, 2)))
        }
        None => Ok(None),
    }
}
