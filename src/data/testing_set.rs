//! A small set with alphabets for tests, made in memory: it shows no script of this world,
//! and no accuracy on it says anything of Omniglot.

use super::{Dataset, Split};
use crate::random::{below, keyed, purpose};

/// A set of images 28x28 with `alphabets` of `characters` each and `drawings` of each, named
/// as torchvision names Omniglot's. A character is a few strokes, white on black, which every
/// drawing shifts by up to two pixels each way; a fifth of the drawings are test images.
pub fn alphabets(alphabets: usize, characters: usize, drawings: usize) -> Dataset {
    const SIDE: usize = 28;
    let (mut names, mut parts) = (
        Vec::new(),
        [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())],
    );
    for alphabet in 0..alphabets {
        for character in 0..characters {
            let class = names.len() as u64;
            names.push(format!("alphabet{alphabet:02}/character{character:02}"));
            let mut rng = keyed(&[purpose(b"testing\0"), class]);
            let mut number = |n: u64| below(&mut rng, n) as usize;
            // A walk of four strokes over the middle of the image.
            let points: Vec<(usize, usize)> =
                (0..5).map(|_| (5 + number(18), 5 + number(18))).collect();
            for drawing in 0..drawings {
                let mut rng = keyed(&[purpose(b"drawing\0"), class, drawing as u64]);
                let shift = (below(&mut rng, 5) as usize, below(&mut rng, 5) as usize);
                let mut image = vec![0_u8; SIDE * SIDE];
                for pair in points.windows(2) {
                    for step in 0..=16 {
                        let at = |a: usize, b: usize| (a * (16 - step) + b * step) / 16;
                        let (x, y) = (at(pair[0].0, pair[1].0), at(pair[0].1, pair[1].1));
                        let (x, y) = (x + shift.0 - 2, y + shift.1 - 2);
                        for at in [y * SIDE + x, y * SIDE + x + 1, (y + 1) * SIDE + x] {
                            image[at] = 255;
                        }
                    }
                }
                let part = &mut parts[usize::from(drawing % 5 == 4)];
                part.0.extend(image);
                part.1.push(class as u32);
            }
        }
    }
    let [train, test] = parts.map(|(pixels, labels)| {
        Split::from_pixels((SIDE, SIDE, 1), pixels, labels).expect("whole images")
    });
    let dataset = Dataset::new("strokes", names.len(), train, test).expect("labels below classes");
    dataset
        .with_class_names(names)
        .expect("a name for each class")
}
