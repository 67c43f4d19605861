//! The layer of binary units with a gradient estimator. [`BinaryUnit`] states what the units
//! compute, and [`Levels`] the two values of a bit.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::activation::Function;
use super::layer::{Layer, Recorder, Shapes, values};
use super::levels::Levels;
use super::sight::Sight;
use crate::error::{Error, Result};
use crate::estimators::{self, BinaryUnit, Estimator, Firing, Probability};
use crate::pack::{Packed, Packer};
use crate::packed;
use crate::tape::Value;
use crate::tensor::Shape;

/// A layer of binary units, the binary counterpart of an activation function such as ReLU. It emits
/// a bit for each input value, 1 if x > 0 (deterministic) or with probability p(x) (stochastic),
/// and its backward pass uses a gradient estimator. Input and output have the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    /// Whether the units fire deterministically or stochastically.
    pub mode: Firing,
    /// The registered name of the gradient estimator.
    #[serde(default = "straight_through")]
    pub estimator: String,
    /// The probability function p(x) of a bit; if `None`, that of the estimator.
    #[serde(default, alias = "link")]
    pub probability: Option<Probability>,
    /// The two values that the units emit: 0 and 1 (the default), or -1 and +1.
    #[serde(default, skip_serializing_if = "Levels::is_bits")]
    pub levels: Levels,
    /// The activation that the layer becomes where [`ModelSpec::place`](crate::model::ModelSpec::place)
    /// makes its place real; a hard sigmoid if `None`. It does not change what the layer computes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Function>,
    /// An estimator that replaces the registered one of the same name.
    #[serde(skip)]
    own: Option<Own>,
}

/// An estimator that was made outside of the registry.
#[derive(Clone)]
struct Own(Arc<dyn Estimator>);

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.info().name)
    }
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn straight_through() -> String {
    "st".into()
}

impl Binary {
    /// Makes units with the registered estimator of that name and its own probability function.
    pub fn new(mode: Firing, estimator: impl Into<String>) -> Self {
        let estimator = estimator.into();
        Self {
            mode,
            probability: own_probability(&estimator),
            levels: Levels::Bits,
            instead_of: None,
            estimator,
            own: None,
        }
    }

    /// Makes units with an estimator that need not be registered. A specification with such an
    /// estimator is written with its name, and can be read only by a program that has an estimator
    /// of that name registered.
    pub fn with(mode: Firing, estimator: Arc<dyn Estimator>) -> Self {
        Self {
            mode,
            probability: Some(estimator.probability()),
            levels: Levels::Bits,
            instead_of: None,
            estimator: estimator.info().name.into(),
            own: Some(Own(estimator)),
        }
    }

    /// Returns the estimator.
    ///
    /// # Errors
    /// If the name is unknown, or the formula of the estimator does not hold for the probability
    /// function.
    pub fn rule(&self) -> Result<Arc<dyn Estimator>> {
        match &self.own {
            Some(own)
                if own.0.info().name == self.estimator
                    && self.probability == Some(own.0.probability()) =>
            {
                Ok(own.0.clone())
            }
            _ => estimators::by_name(&self.estimator, self.probability),
        }
    }
}

/// Returns the probability function of an estimator if none is stated; `None` for an unknown name.
pub fn own_probability(estimator: &str) -> Option<Probability> {
    Some(estimators::by_name(estimator, None).ok()?.probability())
}

impl Layer for Binary {
    fn kind(&self) -> &'static str {
        "binary"
    }

    /// The probability function of an unknown estimator is left unset.
    fn settled(&self) -> Option<Arc<dyn Layer>> {
        let probability = self
            .probability
            .or_else(|| own_probability(&self.estimator));
        Some(Arc::new(Self {
            probability,
            ..self.clone()
        }))
    }

    fn describe(&self) -> String {
        let mode = match self.mode {
            Firing::Deterministic => "deterministic",
            Firing::Stochastic => "stochastic",
        };
        let levels = match self.levels {
            Levels::Bits => String::new(),
            Levels::Signs => format!(", {}", self.levels.name()),
        };
        format!("binary unit, {mode}, {}{levels}", self.estimator)
    }

    fn output(&self, _name: &str, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn memory(&self, shapes: &Shapes, rows: usize, training: bool) -> u64 {
        // Training stores uniform numbers, probabilities and saved gradients beside the values; the
        // levels -1 and +1 are stored beside the bits.
        let unit = values(shapes, rows, if training { 8 } else { 1 });
        match self.levels {
            Levels::Bits => unit,
            Levels::Signs => {
                unit.saturating_add(values(shapes, rows, if training { 2 } else { 1 }))
            }
        }
    }

    fn makes_bits(&self, _inputs: &[bool]) -> bool {
        true
    }

    fn sight(&self) -> Sight {
        Sight::Place
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        let Some((estimator, part, number)) = to.unit.take() else {
            return Err(Error::spec(
                "a binary layer is recorded with its part in a plan",
            ));
        };
        let name = format!("estimator{number}");
        let h = BinaryUnit::record_as(to.tape, inputs[0], self.mode, estimator, part, &name);
        Ok(self.levels.record(to.tape, h, to.ignores_gradient))
    }

    fn pack(&self, at: &mut Packer<'_>, inputs: &[Packed]) -> Result<Packed> {
        if self.mode == Firing::Deterministic {
            let bits = at.unit(&inputs[0], None)?;
            return Ok(self.levels.pack(at, bits));
        }
        let (probability, slope) = (self.rule()?.probability(), at.slope());
        let function = match probability {
            Probability::HardSigmoid => packed::Function::HardSigmoid,
            Probability::Sigmoid => packed::Function::Sigmoid,
        };
        let probability = |x: f32| probability.of(slope, x);
        let bits = at.unit(&inputs[0], Some((function, &probability)))?;
        Ok(self.levels.pack(at, bits))
    }
}
