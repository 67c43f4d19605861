//! What the published figures were made by, and whether a run kept to it.

use crate::data::{mnist, omniglot};
use crate::model::{Pixels, preset};
use crate::tensor::Shape;
use crate::train::{Config, DatasetRecord, FewShotRecord, FewShotTask, Placed, SlopeKind, Task};

/// The preset of the thirteen rows.
pub const SEED_NET: &str = "seed-net";
/// The preset with one hidden layer.
pub const MLP: &str = "mlp";
/// The preset of the few-shot study.
pub const FEW_SHOT: &str = "few-shot-published";

/// All that a published table fixes, beside its rows.
pub(super) struct Protocol {
    /// The fingerprint of its data set.
    data: &'static str,
    /// The shape of an image.
    input: Shape,
    classes: usize,
    /// How pixels enter the network; `None` where it was not published.
    pixels: Option<Pixels>,
    /// Epochs.
    pub epochs: usize,
    /// The images for training and for validation, where batch, optimiser and learning rate
    /// were not published and are free.
    free: Option<(usize, usize)>,
    /// What is learned.
    task: Task,
}

impl Protocol {
    /// The protocol that the figures of that network were published with; `None` for a
    /// network without any.
    pub fn of(model: &str) -> Option<Self> {
        let of = mnist::NORMALISATION;
        let on_mnist = |pixels, epochs| Self {
            data: mnist::FINGERPRINT,
            input: Shape::image(1, 28, 28),
            classes: 10,
            pixels: Some(pixels),
            epochs,
            free: None,
            task: Task::Classify,
        };
        Some(match model {
            SEED_NET => on_mnist(Pixels::normalised(of.mean, of.std), 10),
            MLP => on_mnist(Pixels::normalised(of.mean, of.std), 100),
            "plain-net" | "plain-net-stride" | "mixed-net" | "mixed-net-stride" => Self {
                free: Some((54_000, 6_000)),
                ..on_mnist(Pixels::normalised(0.0, 1.0), 10)
            },
            "omniglot-net" | "omniglot-net-stride" | "omniglot-mixed" | "omniglot-mixed-stride" => {
                Self {
                    data: omniglot::FINGERPRINT,
                    input: Shape::image(1, 105, 105),
                    classes: 964,
                    pixels: None,
                    epochs: 10,
                    free: Some((15_424, 1_928)),
                    task: Task::Classify,
                }
            }
            FEW_SHOT => Self {
                data: omniglot::FINGERPRINT_28,
                input: Shape::image(1, 28, 28),
                classes: 964,
                pixels: None,
                epochs: 10,
                free: None,
                task: Task::FewShot(FewShotTask {
                    train_way: 5,
                    train_queries: 15,
                    episodes: 10,
                    ..FewShotTask::default()
                }),
            },
            _ => return None,
        })
    }

    /// Whether that is its data set, by its fingerprint.
    pub fn is_of(&self, dataset: &DatasetRecord) -> bool {
        dataset.sha256 == self.data
    }
}

/// Whether all that the protocol of its network fixes is as it fixes it; the seed is free.
pub(super) fn keeps(config: &Config, row: &Placed) -> bool {
    let Some(protocol) = Protocol::of(&row.model).filter(|p| p.is_of(&config.dataset)) else {
        return false;
    };
    let Ok(mut model) = preset(&row.model, protocol.input, protocol.classes) else {
        return false;
    };
    let placed = match &row.binary {
        Some((mode, estimator)) => model.place(row.placement, *mode, estimator),
        None => model.place(
            row.placement,
            crate::estimators::Firing::Deterministic,
            "st",
        ),
    };
    if placed.is_err() {
        return false;
    }
    let slope = config.slope;
    // Over 100 epochs the reference's slope stays below any maximum it meets.
    let slope_kept = match slope.kind {
        SlopeKind::None => slope.start == 1.0,
        SlopeKind::Exp => (slope.start, slope.rate) == (1.0, 1.005) && slope.max >= 2.0,
        _ => false,
    };
    let pixels = protocol.pixels.or_else(|| config.model.pixels.clone());
    model.pixels = pixels;
    let mut kept = Config {
        epochs: protocol.epochs,
        slope,
        seed: config.seed,
        // What a score function takes from the loss is no part of the protocol, which
        // has no score function.
        samples: config.samples,
        baseline: config.baseline,
        ..Config::reference(model, config.dataset.clone())
    };
    kept.take_task(protocol.task);
    if let Some(split) = protocol.free {
        if config.split_sizes() != split {
            return false;
        }
        kept = Config {
            batch: config.batch,
            optimiser: config.optimiser,
            lr: config.lr,
            lr_schedule: config.lr_schedule,
            val_fraction: config.val_fraction,
            ..kept
        };
    }
    slope_kept && kept == *config
}

/// What a table over few-shot runs says above its figures of the characters that they are of;
/// `None` where no run is one, or where their alphabets differ.
pub(super) fn held_back<'a>(mut tests: impl Iterator<Item = &'a FewShotRecord>) -> Option<String> {
    let first = tests.next()?;
    let parts = |of: &FewShotRecord| (of.test_alphabets.clone(), of.val_alphabets.clone());
    if tests.any(|other| parts(other) != parts(first)) {
        return None;
    }
    Some(format!(
        "Tested on the {} characters of {} alphabets that are never learned from: {}. Weights are chosen by the {} of {} more: {}. The published figures are of twenty other alphabets, a set that is not at hand, and stand beside ours without having been made on the same characters.",
        first.test_characters,
        first.test_alphabets.len(),
        listed(&first.test_alphabets),
        first.val_characters,
        first.val_alphabets.len(),
        listed(&first.val_alphabets),
    ))
}

/// Names of folders as words: `Angelic, Sanskrit and Old_Church_Slavonic_(Cyrillic)`.
fn listed(names: &[String]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => {
            format!("{} and {last}", before.join(", "))
        }
        all => all.join(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(test: &[&str], validation: &[&str]) -> FewShotRecord {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_string()).collect();
        FewShotRecord {
            way: 5,
            shot: 1,
            queries: 15,
            episodes: 1000,
            interval: 0.01,
            test_alphabets: names(test),
            test_characters: 232,
            val_alphabets: names(validation),
            val_characters: 74,
        }
    }

    #[test]
    fn a_table_names_the_alphabets_held_back_where_they_are_the_same_in_all_runs() {
        let one = record(&["Korean", "Ojibwe", "Syriac"], &["Latin"]);
        let text = held_back([&one, &one].into_iter()).unwrap();
        for part in [
            "the 232 characters of 3 alphabets",
            ": Korean, Ojibwe and Syriac.",
            "by the 74 of 1 more: Latin.",
            "twenty other alphabets, a set that is not at hand",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let other = record(&["Korean", "Ojibwe", "Tifinagh"], &["Latin"]);
        assert_eq!(held_back([&one, &other].into_iter()), None);
        assert_eq!(held_back(std::iter::empty()), None);
    }
}
