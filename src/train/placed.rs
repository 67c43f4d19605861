//! [`Placed`]: the binary units of a network in words.

use crate::estimators::{Firing, Probability};
use crate::layers::{Activation, Binary, Function, LayerSpec, Levels, own_probability};
use crate::model::{ModelSpec, Placement};

/// The binary units of a network in the words that placed them: which activations are
/// binary, how they fire, and what estimates their gradients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placed {
    /// The model's name.
    pub model: String,
    /// Which activations are binary; of a single one, [`Placement::Both`].
    pub placement: Placement,
    /// How they fire, and their estimator (or the list of them, joined by `+`), where
    /// there are any.
    pub binary: Option<(Firing, String)>,
    /// Their probability function, where it is not each estimator's own.
    pub probability: Option<Probability>,
    /// Their levels, where all have the same.
    pub levels: Option<Levels>,
}

impl Placed {
    /// The units of a network, or `None` for one that [`ModelSpec::place`] cannot
    /// have made: binary units of several kinds, or placed otherwise.
    pub fn of(spec: &ModelSpec) -> Option<Self> {
        let mut places = Vec::new();
        let (mut probabilities, mut own, mut levels) = (Vec::new(), true, Vec::new());
        for layer in &spec.layers {
            if let Some(unit) = layer.get::<Binary>() {
                places.push(Some(unit.mode));
                levels.push(unit.levels);
                let usual = own_probability(&unit.estimator)?;
                own &= unit
                    .probability
                    .is_none_or(|probability| probability == usual);
                probabilities.push(unit.probability.unwrap_or(usual));
            } else if let Some(activation) = layer.get::<Activation>()
                && activation.function == Function::HardSigmoid
            {
                places.push(None);
            }
        }
        let mut modes = places.iter().flatten().copied();
        let mode = modes.next();
        if modes.any(|other| Some(other) != mode) {
            return None;
        }
        let probability = if own {
            None
        } else {
            probabilities.first().copied()
        };
        if probability
            .is_some_and(|probability| probabilities.iter().any(|other| *other != probability))
        {
            return None;
        }
        let binary = mode.map(|mode| (mode, spec.estimator_list()));
        let same = |first: &Levels| levels.iter().all(|other| other == first);
        let count = places.iter().flatten().count();
        let first = places.first().is_some_and(Option::is_some);
        let last = places.last().is_some_and(Option::is_some);
        let placement = match count {
            0 => Placement::None,
            n if n == places.len() => Placement::Both,
            1 if first => Placement::First,
            1 if last => Placement::Last,
            _ => return None,
        };
        Some(Self {
            model: spec.name.clone(),
            placement,
            binary,
            probability,
            levels: levels.first().copied().filter(same),
        })
    }

    /// Whether a network has activations that can be binary units or not.
    pub(super) fn has_places(spec: &ModelSpec) -> bool {
        let hard = |layer: &LayerSpec| {
            layer
                .get::<Activation>()
                .is_some_and(|a| a.function == Function::HardSigmoid)
        };
        spec.layers
            .iter()
            .any(|layer| layer.is::<Binary>() || hard(layer))
    }

    /// The parts of a name for the run: `seed-net`, `both`, `det`, `st`.
    pub fn words(&self) -> Vec<&str> {
        let mut words = vec![self.model.as_str(), placement_name(self.placement)];
        if let Some((mode, estimator)) = &self.binary {
            words.extend([firing_name(*mode), estimator.as_str()]);
        }
        words
    }
}

/// The word for a placement.
pub fn placement_name(placement: Placement) -> &'static str {
    match placement {
        Placement::None => "none",
        Placement::First => "first",
        Placement::Last => "last",
        Placement::Both => "both",
    }
}

/// The word for a mode.
pub fn firing_name(mode: Firing) -> &'static str {
    match mode {
        Firing::Deterministic => "det",
        Firing::Stochastic => "stoch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use crate::tensor::Shape;

    fn spec(name: &str, placement: Placement, mode: Firing) -> ModelSpec {
        let mut spec = preset(name, Shape::image(1, 28, 28), 10).unwrap();
        spec.place(placement, mode, "st").unwrap();
        spec
    }

    #[test]
    fn rows_are_read_from_networks() {
        for placement in [
            Placement::None,
            Placement::First,
            Placement::Last,
            Placement::Both,
        ] {
            let row = Placed::of(&spec("seed-net", placement, Firing::Stochastic)).unwrap();
            assert_eq!(row.placement, placement);
            assert_eq!(row.binary.is_none(), placement == Placement::None);
        }
        let mut signs = spec("seed-net", Placement::Both, Firing::Deterministic);
        assert_eq!(Placed::of(&signs).unwrap().levels, Some(Levels::Bits));
        signs.set_levels(Levels::Signs);
        assert_eq!(Placed::of(&signs).unwrap().levels, Some(Levels::Signs));
        // Placing anew changes how units fire, not what they emit.
        signs
            .place(Placement::Last, Firing::Stochastic, "st")
            .unwrap();
        assert_eq!(Placed::of(&signs).unwrap().levels, Some(Levels::Signs));
        signs
            .place(Placement::Both, Firing::Stochastic, "st")
            .unwrap();
        assert_eq!(Placed::of(&signs).unwrap().levels, None);
        // One hidden layer: first, last and both are the same network.
        let row = Placed::of(&spec("mlp", Placement::First, Firing::Deterministic)).unwrap();
        assert_eq!(row.words(), ["mlp", "both", "det", "st"]);
        let mut mixed = spec("seed-net", Placement::Both, Firing::Deterministic);
        let mut layers = mixed.layers.iter_mut();
        assert!(layers.any(|layer| layer.update::<Binary>(|unit| unit.mode = Firing::Stochastic)));
        assert_eq!(Placed::of(&mixed), None);
    }
}
