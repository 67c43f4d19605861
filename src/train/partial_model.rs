//! A network of which only some choices are stated: where it comes from, and what is
//! changed in it.

use serde::{Deserialize, Serialize};

use super::model_source::ModelSource;
use super::pixel_choice::PixelChoice;
use super::placed::Placed;
use crate::error::{Error, Result};
use crate::estimators::{Firing, Probability};
use crate::layers::{Levels, Statistics, Weights};
use crate::model::{ModelSpec, PRESETS, Pixels, Placement, PoolForm};
use crate::tensor::Shape;

/// A struct with every field optional.
macro_rules! partial {
    ($(#[$of:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$of])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$about])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }
    };
}
pub(super) use partial;

partial! {
    /// A network of which only some choices are stated.
    PartialModel {
        /// A preset, a file of one's own, or the network itself; `seed-net` where absent.
        from: ModelSource,
        /// How blocks halve the size of an image, for presets that have both forms.
        pool: PoolForm,
        /// What pixels are to the network, where that is not left to it and the data set.
        pixels: PixelChoice,
        /// Which activations are binary.
        binary: Placement,
        /// How binary units fire.
        mode: Firing,
        /// Their gradient estimator, or a list joined by `+`.
        estimator: String,
        /// Their probability of a bit, where it is not the estimator's own.
        #[serde(alias = "link")]
        probability: Probability,
        /// Which two numbers they emit.
        levels: Levels,
        /// What batch norms above the first binary layer normalise by, where it is not
        /// what the estimator takes.
        statistics: Statistics,
        /// What every layer multiplies by.
        weights: Weights,
        /// Channels of the last convolution.
        last_width: usize,
    }
}

impl PartialModel {
    /// The network for images of that shape and that many classes.
    ///
    /// # Errors
    /// No such network, or choices that do not go together.
    pub fn build(&self, input: Shape, classes: usize) -> Result<ModelSpec> {
        let usual = ModelSource::from("seed-net");
        let from = self.from.as_ref().unwrap_or(&usual);
        let mut spec = from.formed(self.pool)?.load(input, classes)?;
        if let Some(channels) = self.last_width
            && !spec.set_last_width(channels)
        {
            let what = format!("has no effect on {}, which has no convolution", spec.name);
            return Err(Error::field("model.last_width", what));
        }
        self.set_weights(&mut spec);
        if !from.is_own() || self.binary.is_some() {
            self.place(&mut spec, None)?;
        } else if let Some(field) = self.first_unit() {
            return Err(Error::field(
                field,
                "has no effect on a network of one's own, which keeps its activations; say which of them are binary as well",
            ));
        }
        if let Some(statistics) = self.statistics {
            spec.set_statistics(statistics);
        }
        if let Some(choice) = self.pixels {
            spec.pixels = choice.pixels();
        }
        Ok(spec)
    }

    /// The first choice that is made of units.
    fn first_unit(&self) -> Option<&'static str> {
        let mode = self.mode.map(|_| "model.mode");
        let mode = mode.or(self.estimator.as_ref().map(|_| "model.estimator"));
        let probability = self.probability.map(|_| "model.probability");
        mode.or(probability).or(self.levels.map(|_| "model.levels"))
    }

    /// The first choice that is made beside where the network comes from.
    pub fn first_change(&self) -> Option<&'static str> {
        let binary = self.binary.map(|_| "model.binary");
        let units = binary.or(self.first_unit());
        let weights = units.or(self.weights.map(|_| "model.weights"));
        let pool = weights.or(self.pool.map(|_| "model.pool"));
        let pixels = pool.or(self.pixels.map(|_| "model.pixels"));
        pixels.or(self.last_width.map(|_| "model.last_width"))
    }

    fn set_weights(&self, spec: &mut ModelSpec) {
        if let Some(kind) = self.weights {
            spec.set_weights(kind);
        }
    }

    /// Makes activations binary as stated; what is not stated comes from `or`.
    fn place(&self, spec: &mut ModelSpec, or: Option<&Placed>) -> Result<()> {
        let placement = self.binary.or(or.map(|placed| placed.placement));
        let placement = placement.unwrap_or_else(|| match spec.placement() {
            // A preset may have units of its own, beside activations that are none.
            Some(own) if own != Placement::None => own,
            // The published few-shot encoder has none.
            _ if spec.few_shot().is_some() => Placement::None,
            _ => Placement::Both,
        });
        let units = or.and_then(|placed| placed.binary.as_ref());
        if placement == Placement::None
            && let Some(field) = self.first_unit()
        {
            return Err(Error::field(
                field,
                "has no effect with model.binary none, which leaves no binary unit",
            ));
        }
        let mode = self.mode.or(units.map(|unit| unit.0));
        let estimator = self.estimator.as_deref().or(units.map(|unit| &*unit.1));
        let mode = mode.unwrap_or(Firing::Deterministic);
        spec.place(placement, mode, estimator.unwrap_or("st"))?;
        if let Some(levels) = self.levels.or(or.and_then(|placed| placed.levels)) {
            spec.set_levels(levels);
        }
        match self
            .probability
            .or(or.and_then(|placed| placed.probability))
        {
            Some(probability) => spec.set_probability(Some(probability)),
            None => Ok(()),
        }
    }

    /// The first choice that `stored` contradicts; `None` where it is what the choices make
    /// of it.
    ///
    /// # Errors
    /// Choices that do not go together.
    pub fn contradiction(&self, stored: &ModelSpec) -> Result<Option<&'static str>> {
        let stored_name = ModelSource::from(&*stored.name);
        if self.pool.is_some() && *stored_name.formed(self.pool)? != stored_name {
            return Ok(Some("model.pool"));
        }
        let of = |pixels: &Pixels| Some(PixelChoice::of(pixels)) == self.pixels;
        if self.pixels.is_some() && !stored.pixels.as_ref().is_some_and(of) {
            return Ok(Some("model.pixels"));
        }
        if let Some(from) = &self.from {
            let mut spec = from
                .formed(self.pool)?
                .load(stored.input, stored.classes())?;
            // What the run's task made of the head.
            if let Some(head) = stored.few_shot() {
                spec.set_few_shot(*head);
            }
            if let Some(channels) = self.last_width {
                spec.set_last_width(channels);
            }
            // The weights are compared by their own choice.
            if let Some(kind) = uniform_weights(stored) {
                spec.set_weights(kind);
            }
            spec.pixels = spec.pixels.or_else(|| stored.pixels.clone());
            // The source's own activations, or those that the run was given.
            let mut placed = spec.clone();
            let fits = spec == *stored
                || Placed::of(stored).is_some_and(|units| {
                    Self::default().place(&mut placed, Some(&units)).is_ok() && placed == *stored
                });
            if !fits {
                return Ok(Some("model.from"));
            }
        }
        let mut spec = stored.clone();
        self.set_weights(&mut spec);
        if spec != *stored {
            return Ok(Some("model.weights"));
        }
        let units = Placed::of(stored);
        let differs = |choices: &Self| -> Result<bool> {
            let mut spec = stored.clone();
            if choices.binary.is_some() || choices.first_unit().is_some() {
                choices.place(&mut spec, units.as_ref())?;
            }
            Ok(spec != *stored)
        };
        if !differs(self)? {
            return Ok(None);
        }
        // Of several, the first that is wrong by itself.
        for (field, alone) in self.unit_by_unit() {
            if differs(&alone)? {
                return Ok(Some(field));
            }
        }
        Ok(self.first_change())
    }

    fn unit_by_unit(&self) -> [(&'static str, Self); 5] {
        let none = Self::default;
        [
            (
                "model.binary",
                Self {
                    binary: self.binary,
                    ..none()
                },
            ),
            (
                "model.mode",
                Self {
                    mode: self.mode,
                    ..none()
                },
            ),
            (
                "model.estimator",
                Self {
                    estimator: self.estimator.clone(),
                    ..none()
                },
            ),
            (
                "model.probability",
                Self {
                    probability: self.probability,
                    ..none()
                },
            ),
            (
                "model.levels",
                Self {
                    levels: self.levels,
                    ..none()
                },
            ),
        ]
    }

    /// The choices that make a network: those that make a preset into it, else the network
    /// itself.
    pub fn of(spec: &ModelSpec) -> Self {
        let own = Self {
            from: Some(ModelSource::Own(Box::new(spec.clone()))),
            ..Self::default()
        };
        let Some(placed) = Placed::of(spec) else {
            return own;
        };
        let weights = [None, Some(Weights::Binary), Some(Weights::Real)];
        for (name, _) in PRESETS {
            for weights in weights {
                let found = Self {
                    from: Some(name.into()),
                    pool: None,
                    pixels: spec.pixels.as_ref().map(PixelChoice::of),
                    binary: Some(placed.placement),
                    mode: placed.binary.as_ref().map(|units| units.0),
                    estimator: placed.binary.as_ref().map(|units| units.1.clone()),
                    probability: placed.probability,
                    levels: placed.levels.filter(|levels| !levels.is_bits()),
                    statistics: None,
                    weights,
                    last_width: None,
                };
                for statistics in [None, spec.statistics_above()] {
                    let found = Self {
                        statistics,
                        ..found.clone()
                    };
                    let built = found.build(spec.input, spec.classes());
                    if built.is_ok_and(|mut built| {
                        built.settle();
                        built.pixels = built.pixels.or_else(|| spec.pixels.clone());
                        if let Some(head) = spec.few_shot() {
                            built.set_few_shot(*head);
                        }
                        built == *spec
                    }) {
                        return found;
                    }
                }
            }
        }
        own
    }
}

/// The kind of weights that all layers of a network have.
fn uniform_weights(spec: &ModelSpec) -> Option<Weights> {
    let mut kinds = spec.layers.iter().filter_map(|l| l.layer().weights());
    let first = kinds.next()?;
    kinds.all(|kind| kind == first).then_some(first)
}
