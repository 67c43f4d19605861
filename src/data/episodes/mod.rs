//! Characters for few-shot learning: a set's classes cut by alphabet, and the episodes drawn
//! from them.

mod draw;
mod turn;

pub use draw::{Deck, Drawn, Order};
pub use turn::turn;

use sha2::{Digest, Sha256};

use super::{Dataset, Split};
use crate::error::{Error, Result};

/// The classes of a data set, called characters, in three parts that share no alphabet.
///
/// The alphabet of a class is its name up to the first `/`, as in `Greek/character07`; where
/// names have none, every class is an alphabet of its own. All images of a class belong to
/// its part, those that the data set would test on too: what is new in a few-shot test is the
/// character. Alphabets are chosen by the SHA-256 of their names, the lowest to test on, the
/// next for validation, so the parts are the same on every machine, in every run and whatever
/// its seed.
#[derive(Clone, Debug)]
pub struct Characters {
    /// All images, those to learn from in front; labels say nothing and are 0, for a
    /// character's number is another in every episode.
    pub images: Split,
    /// What is learned from.
    pub train: Part,
    /// What settings and weights are chosen by.
    pub validation: Part,
    /// What is tested on.
    pub test: Part,
}

/// Whole alphabets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The alphabets' names, in their order.
    pub alphabets: Vec<String>,
    /// The characters' names.
    pub names: Vec<String>,
    /// The images of each character, by their numbers in [`Characters::images`].
    pub drawings: Vec<Vec<u32>>,
}

impl Part {
    /// The images of all characters.
    pub fn images(&self) -> Vec<u32> {
        self.drawings.iter().flatten().copied().collect()
    }

    /// The fewest images of a character, and its name.
    pub fn fewest(&self) -> (usize, &str) {
        let counts = self.drawings.iter().map(Vec::len).zip(&self.names);
        counts.min().map_or((0, ""), |(n, name)| (n, name.as_str()))
    }
}

/// How many alphabets are kept from training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// To test on.
    pub test: usize,
    /// For validation.
    pub validation: usize,
}

impl Characters {
    /// The characters of a data set.
    ///
    /// # Errors
    /// Fewer alphabets than are kept from training and one more.
    pub fn of(dataset: &Dataset, held: Held) -> Result<Self> {
        let [train, validation, test] = alphabets(dataset, held)?;
        let mut labels = dataset.train.labels().to_vec();
        labels.extend(dataset.test.labels());
        let mut of_class = vec![Vec::new(); dataset.classes];
        for (image, &class) in (0..).zip(&labels) {
            of_class[class as usize].push(image);
        }
        let part = |alphabets: Vec<String>| {
            let mut part = Part {
                alphabets,
                ..Part::default()
            };
            for (class, images) in of_class.iter().enumerate() {
                let name = class_name(dataset, class);
                let alphabet = alphabet(&name);
                if !images.is_empty() && part.alphabets.iter().any(|a| a == alphabet) {
                    part.drawings.push(images.clone());
                    part.names.push(name);
                }
            }
            part
        };
        let mut pixels = dataset.train.pixels().to_vec();
        pixels.extend(dataset.test.pixels());
        let count = labels.len();
        Ok(Self {
            images: Split::from_pixels(dataset.shape(), pixels, vec![0; count])?,
            train: part(train),
            validation: part(validation),
            test: part(test),
        })
    }
}

/// The names of the alphabets of the three parts: training, validation and test.
///
/// # Errors
/// Fewer alphabets than are kept from training and one more.
pub fn alphabets(dataset: &Dataset, held: Held) -> Result<[Vec<String>; 3]> {
    let names = (0..dataset.classes).map(|class| class_name(dataset, class));
    let mut all: Vec<String> = names.map(|name| alphabet(&name).to_string()).collect();
    all.sort_unstable();
    all.dedup();
    let kept = held.test.saturating_add(held.validation);
    if all.len() <= kept {
        let what = match dataset.class_names.iter().any(|name| name.contains('/')) {
            true => "alphabets",
            false => "classes, each of which counts as an alphabet,",
        };
        return Err(Error::spec(format!(
            "{} has {} {what} where {} to test on, {} for validation and one to learn from are needed; hold fewer back, or take a set of more",
            dataset.name,
            all.len(),
            held.test,
            held.validation
        ))
        .mended_by(&["task.test_alphabets", "task.val_alphabets"]));
    }
    let digest = |name: &String| -> [u8; 32] { Sha256::digest(name).into() };
    all.sort_by_cached_key(digest);
    let mut train = all.split_off(kept);
    let mut validation = all.split_off(held.test);
    for part in [&mut train, &mut validation, &mut all] {
        part.sort_unstable();
    }
    Ok([train, validation, all])
}

fn class_name(dataset: &Dataset, class: usize) -> String {
    let name = dataset.class_names.get(class);
    name.map_or_else(|| class.to_string(), Clone::clone)
}

fn alphabet(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
