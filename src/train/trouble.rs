//! Signs that a training fails, read off the record of an epoch, and what usually helps.

use super::config::Config;
use super::optimiser::OptimiserSpec;
use super::record::{EpochRecord, TestRecord};
use super::sign::{Sign, Trouble};
use crate::layers::Binary;

/// Share of a layer's units from which on it counts as saturated. In the last epochs of the suite
/// `reference` (seeds 1 to 3, `results/cells/reference-mnist`) the rows of ST and of no gradient
/// that learn have at most 0.9812, and the rows of REINFORCE at least 0.9887: of these it misses
/// one seed.
const SATURATED: f64 = 0.99;

/// How far a mean loss may be above that of a guess (all classes equally likely), as a factor.
const LOSS: f64 = 2.0;

/// Standard errors above chance from which on an accuracy counts as learned.
const BEYOND_CHANCE: f64 = 2.0;

/// What a guess comes to on the images that are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// Share of right answers of one who always names the most frequent class.
    pub accuracy: f64,
    /// Loss of one who holds all classes equally likely.
    pub loss: f64,
    /// How many answers are judged; 0 where none are held out.
    pub answers: usize,
}

impl Guess {
    /// A guess between so many classes, whose images among those judged are counted.
    pub fn of(classes: usize, counts: &[usize]) -> Self {
        let answers: usize = counts.iter().sum();
        let most = counts.iter().copied().max().unwrap_or(0);
        let even = 1.0 / classes.max(1) as f64;
        Self {
            accuracy: (most as f64 / answers.max(1) as f64).max(even),
            loss: (classes.max(2) as f64).ln(),
            answers,
        }
    }

    /// Whether an accuracy over those images is no better, by two standard errors.
    pub fn is_as_good_as(&self, accuracy: f64) -> bool {
        let p = self.accuracy;
        let error = (p * (1.0 - p) / self.answers.max(1) as f64).sqrt();
        self.answers > 0 && p < 1.0 && accuracy <= p + BEYOND_CHANCE * error
    }
}

/// The signs in the record of an epoch.
pub fn of_epoch(record: &EpochRecord, guess: &Guess) -> Vec<Trouble> {
    let found = |sign, seen: String| Trouble {
        sign,
        epoch: record.epoch,
        seen,
    };
    let mut troubles = Vec::new();
    for name in &record.dead_layers {
        troubles.push(found(
            Sign::Dead,
            format!("layer {name} is dead: no unit tells any two images apart"),
        ));
    }
    let saturated = record.saturated_layers.iter();
    for (name, &share) in saturated.filter(|&(_, &share)| share >= SATURATED) {
        troubles.push(found(
            Sign::Saturated,
            format!(
                "{:.1} % of the units of {name} are saturated",
                100.0 * share
            ),
        ));
    }
    let loss = record.val_loss.unwrap_or(record.train_loss);
    if loss > LOSS * guess.loss {
        let seen = format!("the loss is {loss:.4}, that of a guess {:.4}", guess.loss);
        troubles.push(found(Sign::Loss, seen));
    }
    if let Some(accuracy) = record.val_accuracy.filter(|&a| guess.is_as_good_as(a)) {
        let seen = at_chance("validation", accuracy, guess);
        troubles.push(found(Sign::Chance, seen));
    }
    troubles
}

/// The signs that stand over a test: those of the last epoch, and an accuracy at chance.
pub fn of_test(
    history: &[EpochRecord],
    judged: &Guess,
    test: &TestRecord,
    all: &Guess,
) -> Vec<Trouble> {
    let last = history.last();
    let mut troubles = last.map_or_else(Vec::new, |record| of_epoch(record, judged));
    troubles.retain(|trouble| trouble.sign != Sign::Chance);
    if all.is_as_good_as(test.accuracy) {
        troubles.push(Trouble {
            sign: Sign::Chance,
            epoch: test.epoch,
            seen: at_chance("test", test.accuracy, all),
        });
    }
    troubles
}

fn at_chance(of: &str, accuracy: f64, guess: &Guess) -> String {
    format!(
        "the {of} accuracy is {:.2} %, no better than naming the most frequent class ({:.2} %)",
        100.0 * accuracy,
        100.0 * guess.accuracy
    )
}

/// What usually helps where such a run fails, in words that follow a semicolon.
pub fn advice(config: &Config) -> String {
    let sgd = matches!(config.optimiser, OptimiserSpec::Sgd { .. });
    let large = if sgd { 0.5 } else { 0.05 };
    if config.lr > large {
        let usual = if sgd { 0.1 } else { 0.001 };
        return format!("lower the learning rate, to {usual} for instance");
    }
    let units = config.model.layers.iter().filter_map(|l| l.get::<Binary>());
    let rules: Vec<_> = units.filter_map(|unit| unit.rule().ok()).collect();
    let unbiased = rules.iter().find(|rule| rule.info().unbiased);
    let Some(rule) = unbiased.or(rules.first()) else {
        let lower = config.lr / 10.0;
        return format!("lower the learning rate, to {lower} for instance");
    };
    let name = rule.info().name;
    if name == "none" {
        return "this estimator passes no gradient below the unit; choose another".into();
    }
    let adam = match sgd {
        true => "Adam at 0.001",
        false => "a tenth of the learning rate",
    };
    if !rule.info().unbiased {
        return format!("with {name} {adam} usually helps, or a batch_norm before the unit");
    }
    let own = config.samples == 1 && name == "reinforce";
    let less = match own {
        true => ", and 4 samples an image with the baseline loo",
        false => "",
    };
    format!("with {name} the logistic probability function (sigmoid) and {adam} usually help{less}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> EpochRecord {
        serde_json::from_str(
            r#"{"epoch": 3, "train_loss": 0.4, "train_accuracy": 0.9, "val_loss": 0.5,
                "val_accuracy": 0.85, "slope": 1.0, "lr": 0.1, "img_per_s": 1.0, "seconds": 1.0,
                "saturated": 0.5, "saturated_layers": {"activation1": 0.981, "activation2": 0.2}}"#,
        )
        .unwrap()
    }

    /// 600 answers, 68 of them of the most frequent of 10 classes.
    fn guess() -> Guess {
        Guess::of(10, &[68, 60, 60, 60, 60, 60, 60, 60, 56, 56])
    }

    fn signs(record: &EpochRecord) -> Vec<Sign> {
        let troubles = of_epoch(record, &guess());
        assert!(troubles.iter().all(|trouble| trouble.epoch == record.epoch));
        troubles.into_iter().map(|trouble| trouble.sign).collect()
    }

    #[test]
    fn each_sign_is_seen_and_a_sound_epoch_has_none() {
        assert!(signs(&record()).is_empty());
        let mut collapsed = record();
        collapsed
            .saturated_layers
            .insert("activation2".into(), 0.99);
        assert_eq!(signs(&collapsed), [Sign::Saturated]);
        let mut dead = record();
        dead.dead_layers = vec!["relu".into()];
        assert_eq!(signs(&dead), [Sign::Dead]);
        let mut far = record();
        far.val_loss = Some(4.7);
        assert_eq!(signs(&far), [Sign::Loss]);
        far.val_loss = Some(4.5);
        assert!(signs(&far).is_empty());
        let mut lost = record();
        // Two standard errors of 11.3 % among 600 are 2.6 %.
        lost.val_accuracy = Some(0.138);
        assert_eq!(signs(&lost), [Sign::Chance]);
        lost.val_accuracy = Some(0.141);
        assert!(signs(&lost).is_empty());
    }

    #[test]
    fn the_advice_is_that_for_the_estimator_and_the_rate() {
        let data = crate::data::digits::generate(0, 10, 10);
        let config = |estimator: &str, lr: f64| {
            let text = format!(r#"{{"model": {{"estimator": "{estimator}", "mode": "stoch"}}}}"#);
            let stated: crate::train::PartialConfig = serde_json::from_str(&text).unwrap();
            let mut config = stated.complete(&crate::train::Subject::of(&data)).unwrap();
            config.lr = lr;
            config
        };
        for (estimator, lr, parts) in [
            ("st", 1e9, vec!["lower the learning rate, to 0.1 "]),
            ("st", 0.1, vec!["with st Adam at 0.001", "batch_norm"]),
            (
                "reinforce",
                0.1,
                vec!["with reinforce ", "sigmoid", "baseline loo"],
            ),
            ("disarm", 0.1, vec!["with disarm ", "Adam"]),
            ("none", 0.1, vec!["passes no gradient"]),
        ] {
            let told = advice(&config(estimator, lr));
            assert!(
                parts.iter().all(|part| told.contains(part)),
                "{estimator}: {told}"
            );
        }
    }

    #[test]
    fn nothing_is_said_of_answers_that_are_not_judged_or_cannot_differ() {
        let mut lost = record();
        lost.val_accuracy = None;
        assert!(of_epoch(&lost, &Guess::of(10, &[])).is_empty());
        lost.val_accuracy = Some(1.0);
        assert!(of_epoch(&lost, &Guess::of(1, &[50])).is_empty());
    }
}
