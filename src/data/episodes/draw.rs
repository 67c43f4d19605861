//! Which images an episode is made of.

use super::Part;
use crate::random::{below, keyed, purpose};

/// How an episode is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Classes.
    pub way: usize,
    /// Pictures of each in the support set.
    pub shot: usize,
    /// Queries of each.
    pub queries: usize,
    /// Whether a character turned by 90, 180 and 270 degrees counts as three more.
    pub rotations: bool,
}

/// An image of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Its number in [`super::Characters::images`].
    pub image: u32,
    /// By how many quarters it is turned.
    pub quarters: u8,
    /// Its class within the episode, from 0.
    pub class: u32,
}

/// What an episode is drawn with: classes and images in the order of their drawing. It is kept
/// from one episode to the next, so that a warm draw allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Deck {
    classes: Vec<u32>,
    images: Vec<u32>,
}

impl Order {
    /// How many classes a part offers.
    pub fn classes_of(&self, part: &Part) -> usize {
        part.drawings.len() * if self.rotations { 4 } else { 1 }
    }

    /// Appends an episode to `out`: the support set class by class, then the queries class by
    /// class. It is a function of the part and of `key` alone. Classes are drawn without
    /// replacement across alphabets, and images of a class without replacement too.
    ///
    /// # Panics
    /// If the part has fewer classes, or a class fewer images.
    pub fn draw(&self, part: &Part, key: &[u64; 4], deck: &mut Deck, out: &mut Vec<Drawn>) {
        let [a, b, c, d] = *key;
        let mut rng = keyed(&[purpose(b"episode\0"), a, b, c, d]);
        let Deck { classes, images } = deck;
        classes.clear();
        classes.extend(0..self.classes_of(part) as u32);
        let first = out.len();
        let (support, each) = (self.way * self.shot, self.shot + self.queries);
        let nothing = Drawn {
            image: 0,
            quarters: 0,
            class: 0,
        };
        out.resize(first + self.way * each, nothing);
        for class in 0..self.way {
            let left = (classes.len() - class) as u64;
            let chosen = class + below(&mut rng, left) as usize;
            classes.swap(class, chosen);
            let number = classes[class] as usize;
            let (character, quarters) = match self.rotations {
                true => (number / 4, (number % 4) as u8),
                false => (number, 0),
            };
            images.clone_from(&part.drawings[character]);
            for i in 0..each {
                let left = (images.len() - i) as u64;
                let chosen = i + below(&mut rng, left) as usize;
                images.swap(i, chosen);
                let place = match i < self.shot {
                    true => class * self.shot + i,
                    false => support + class * self.queries + i - self.shot,
                };
                out[first + place] = Drawn {
                    image: images[i],
                    quarters,
                    class: class as u32,
                };
            }
        }
    }
}
