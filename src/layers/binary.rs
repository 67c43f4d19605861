//! The binary layer: units that emit bits, with a gradient estimator; see
//! [`BinaryUnit`] for what it computes, and [`Levels`] for which two numbers a bit is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder, Shapes, values};
use super::levels::Levels;
use super::sight::Sight;
use crate::error::{Error, Result};
use crate::estimators::{self, BinaryUnit, Estimator, Firing, Probability};
use crate::pack::{Packed, Packer};
use crate::packed::Function;
use crate::tape::Value;
use crate::tensor::Shape;

/// See the module's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    /// How its units fire.
    pub mode: Firing,
    /// The name of its gradient estimator.
    #[serde(default = "straight_through")]
    pub estimator: String,
    /// Probabilities of bits; the estimator's own where absent.
    #[serde(default, alias = "link")]
    pub probability: Option<Probability>,
    /// Which two numbers its units emit; 0 and 1 where absent.
    #[serde(default, skip_serializing_if = "Levels::is_bits")]
    pub levels: Levels,
    /// An estimator that is used in place of the one that is registered under the name.
    #[serde(skip)]
    own: Option<Own>,
}

/// An estimator that a program made itself.
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
    /// Units with that estimator and its own probabilities.
    pub fn new(mode: Firing, estimator: impl Into<String>) -> Self {
        let estimator = estimator.into();
        Self {
            mode,
            probability: own_probability(&estimator),
            levels: Levels::Bits,
            estimator,
            own: None,
        }
    }

    /// Units with an estimator that a program made itself. It need not be registered; a
    /// spec with it can be read again where one of its name is.
    pub fn with(mode: Firing, estimator: Arc<dyn Estimator>) -> Self {
        Self {
            mode,
            probability: Some(estimator.probability()),
            levels: Levels::Bits,
            estimator: estimator.info().name.into(),
            own: Some(Own(estimator)),
        }
    }

    /// The estimator.
    ///
    /// # Errors
    /// An unknown name, or probabilities that its formula does not hold for.
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

/// The probabilities of an estimator where nothing else is said.
pub fn own_probability(estimator: &str) -> Option<Probability> {
    Some(estimators::by_name(estimator, None).ok()?.probability())
}

impl Layer for Binary {
    fn kind(&self) -> &'static str {
        "binary"
    }

    /// The probabilities of an estimator that is not known stay open.
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
        // Uniform numbers, probabilities and saved gradients beside the values; signs are
        // values beside the bits.
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
            Probability::HardSigmoid => Function::HardSigmoid,
            Probability::Sigmoid => Function::Sigmoid,
        };
        let probability = |x: f32| probability.of(slope, x);
        let bits = at.unit(&inputs[0], Some((function, &probability)))?;
        Ok(self.levels.pack(at, bits))
    }
}
