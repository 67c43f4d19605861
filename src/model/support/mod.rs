//! [`Support`]: classes that a network is taught by a few pictures each, and what it answers
//! to queries.

mod bits;
mod file;

pub use file::Taught;

use crate::error::{Error, Result};
use crate::similarity::{Comparison, Head, log_sum_exp};
use bits::Bits;

/// The most pictures of one class.
pub const MAX_PICTURES: usize = 1024;

/// The most classes.
const MAX_CLASSES: usize = 4096;

/// Classes, each known by the embeddings of a few pictures, and how queries are compared with
/// them: what a few-shot head ([`crate::layers::FewShot`]) does, for any number of classes and pictures.
///
/// Where all embeddings are bits (0 and 1, or -1 and +1) they are kept packed, and a
/// comparison counts the ones of 64 of them at a time. The sums are whole numbers, exact
/// either way: the answers are those that the same formulas give over the trained network's
/// embeddings.
#[derive(Clone, Debug, PartialEq)]
pub struct Support {
    by: Comparison,
    width: usize,
    classes: Vec<Class>,
}

/// A class that was taught.
#[derive(Clone, Debug, PartialEq)]
struct Class {
    name: String,
    /// (pictures, width)
    embeddings: Vec<f32>,
    /// Of a prototypical network: their mean.
    mean: Vec<f64>,
    /// The embeddings as bits, where they are.
    bits: Option<Bits>,
}

impl Support {
    /// An empty support set of a network that compares embeddings of `width` numbers so.
    pub fn new(by: Comparison, width: usize) -> Self {
        Self {
            by,
            width,
            classes: Vec::new(),
        }
    }

    /// Teaches the class `name` by the embeddings of its pictures, (pictures, width); a class
    /// of that name that is there gets them beside its own.
    ///
    /// # Errors
    /// No embedding, too many, or numbers that are no whole finite embeddings.
    pub fn teach(&mut self, name: &str, embeddings: &[f32]) -> Result<()> {
        let fail = |what: String| Err(Error::spec(format!("the class {name:?} {what}")));
        if embeddings.is_empty() || !embeddings.len().is_multiple_of(self.width) {
            let (n, width) = (embeddings.len(), self.width);
            return fail(format!(
                "has {n} numbers, which are no embeddings of {width}"
            ));
        }
        if !embeddings.iter().all(|x| x.is_finite()) {
            return fail("has an embedding that is not finite; choose other pictures".into());
        }
        let place = self.classes.iter().position(|class| class.name == name);
        let mut all = place.map_or(Vec::new(), |i| self.classes[i].embeddings.clone());
        all.extend(embeddings);
        let count = all.len() / self.width;
        if count > MAX_PICTURES {
            return fail(format!("has {count} pictures; the limit is {MAX_PICTURES}"));
        }
        if place.is_none() && self.len() == MAX_CLASSES {
            return fail(format!("is one too many; the limit is {MAX_CLASSES}"));
        }
        let class = Class::new(name, all, self.width);
        match place {
            Some(i) => self.classes[i] = class,
            None => self.classes.push(class),
        }
        Ok(())
    }

    /// Forgets all classes.
    pub fn clear(&mut self) {
        self.classes.clear();
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether no class was taught.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// The classes, each with how many pictures taught it.
    pub fn classes(&self) -> impl Iterator<Item = (&str, usize)> {
        let count = |class: &Class| class.embeddings.len() / self.width;
        self.classes
            .iter()
            .map(move |class| (class.name.as_str(), count(class)))
    }

    /// Numbers of an embedding.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether all embeddings are bits, so that comparing them is counting.
    pub fn is_bits(&self) -> bool {
        let mut classes = self.classes.iter();
        !self.is_empty() && classes.all(|class| class.bits.is_some())
    }

    /// The logits of the classes for the embedding of a query; their softmax are the
    /// probabilities.
    ///
    /// # Panics
    /// If the embedding has another width, or `out` not one place for each class.
    pub fn logits(&self, query: &[f32], out: &mut [f32]) {
        assert_eq!(query.len(), self.width, "an embedding of another width");
        assert_eq!(out.len(), self.len(), "a logit for each class");
        let packed = Bits::of(query, self.width);
        for (class, z) in self.classes.iter().zip(out) {
            let similar = match (&packed, &class.bits) {
                (Some(query), Some(bits)) if query.signs == bits.signs => self.counted(query, bits),
                _ => self.compared(query, class),
            };
            *z = similar as f32;
        }
    }

    /// The logit of a class over real numbers.
    fn compared(&self, query: &[f32], class: &Class) -> f64 {
        let scale = f64::from(self.by.scale);
        let similar = |target: &[f64]| scale * self.by.distance.similarity(query, target);
        match self.by.head {
            Head::Prototypical => similar(&class.mean),
            Head::Matching => {
                let pictures = class.embeddings.chunks_exact(self.width);
                let each = pictures.map(|e| {
                    let e: Vec<f64> = e.iter().map(|&x| f64::from(x)).collect();
                    similar(&e)
                });
                log_sum_exp(&each.collect::<Vec<f64>>())
            }
        }
    }

    /// The logit of a class by counting bits.
    fn counted(&self, query: &Bits, class: &Bits) -> f64 {
        let scale = f64::from(self.by.scale);
        let similar = |picture| scale * query.similarity(class, picture, self.by.distance);
        match self.by.head {
            Head::Prototypical => scale * query.similarity_to_mean(class, self.by.distance),
            Head::Matching => {
                let each: Vec<f64> = (0..class.len()).map(similar).collect();
                log_sum_exp(&each)
            }
        }
    }
}

impl Class {
    fn new(name: &str, embeddings: Vec<f32>, width: usize) -> Self {
        let count = embeddings.len() / width;
        let mut mean = vec![0.0; width];
        for e in embeddings.chunks_exact(width) {
            for (mean, &e) in mean.iter_mut().zip(e) {
                *mean += f64::from(e);
            }
        }
        mean.iter_mut().for_each(|mean| *mean /= count as f64);
        Self {
            name: name.into(),
            bits: Bits::of(&embeddings, width),
            mean,
            embeddings,
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
