//! Choice of the test images if the files have none of their own.
//!
//! The choice is a function of the content of the images (or of the names of the alphabets), never
//! of a run's seed, of file names or of their order: the test set is the same on every machine and
//! in every run, and the fingerprint of the data set covers it.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// The share that is held out: a tenth. With a ninth of the rest for validation the proportions are
/// 80/10/10, as published for Omniglot.
const SHARE: (usize, usize) = (1, 10);

/// Returns how many of `all` are held out: the share, rounded, but at least one of two or more.
fn count(all: usize) -> usize {
    let (part, whole) = SHARE;
    match all {
        0 | 1 => 0,
        n => ((2 * n * part + whole) / (2 * whole)).max(1),
    }
}

/// Returns for each image whether it is a test image: in each class, those whose pixels have the
/// lowest SHA-256.
pub fn by_image(pixels: &[u8], labels: &[u32]) -> Vec<bool> {
    let size = pixels.len() / labels.len().max(1);
    let hash = |i: usize| -> [u8; 32] { Sha256::digest(&pixels[i * size..][..size]).into() };
    let mut order: Vec<(u32, [u8; 32], usize)> =
        (0..labels.len()).map(|i| (labels[i], hash(i), i)).collect();
    order.sort_unstable();
    let mut test = vec![false; labels.len()];
    for class in order.chunk_by(|a, b| a.0 == b.0) {
        for &(_, _, i) in &class[..count(class.len())] {
            test[i] = true;
        }
    }
    test
}

/// Returns the alphabets that are tested on: those whose names have the lowest SHA-256.
pub(super) fn by_name(alphabets: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut order: Vec<([u8; 32], &str)> = alphabets
        .iter()
        .map(|name| (Sha256::digest(name).into(), *name))
        .collect();
    order.sort_unstable();
    let held = &order[..count(order.len())];
    held.iter().map(|(_, name)| name.to_string()).collect()
}

/// Moves the rows of test images behind those of training images, in place; both keep their order.
/// Labels are reordered likewise. Returns the number of training images.
pub(super) fn put_behind(pixels: &mut [u8], labels: &mut Vec<u32>, test: &[bool]) -> usize {
    let size = pixels.len() / labels.len().max(1);
    let part = |wanted: bool| (0..test.len()).filter(move |&i| test[i] == wanted);
    let order: Vec<usize> = part(false).chain(part(true)).collect();
    let in_front = part(false).count();
    *labels = order.iter().map(|&from| labels[from]).collect();
    // Row i becomes row order[i], one cycle of the permutation at a time.
    let mut done = vec![false; order.len()];
    let mut kept = vec![0; size];
    for first in 0..order.len() {
        if done[first] || order[first] == first {
            continue;
        }
        kept.copy_from_slice(&pixels[first * size..][..size]);
        let mut to = first;
        loop {
            done[to] = true;
            let from = order[to];
            if from == first {
                pixels[to * size..][..size].copy_from_slice(&kept);
                break;
            }
            pixels.copy_within(from * size..(from + 1) * size, to * size);
            to = from;
        }
    }
    in_front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_each_class_and_one_at_least() {
        for (all, held) in [(0, 0), (1, 0), (2, 1), (10, 1), (14, 1), (15, 2), (20, 2)] {
            assert_eq!(count(all), held, "{all}");
        }
        let labels: Vec<u32> = (0..60).map(|i| i % 3).collect();
        let pixels: Vec<u8> = (0..120).map(|i| (i * i % 251) as u8).collect();
        let test = by_image(&pixels, &labels);
        for class in 0..3 {
            let held = (0..60).filter(|&i| test[i] && labels[i] == class).count();
            assert_eq!(held, 2);
        }
    }

    #[test]
    fn the_choice_follows_the_images_and_not_their_order() {
        let labels: Vec<u32> = (0..40).map(|i| i / 20).collect();
        let pixels: Vec<u8> = (0..80).map(|i| (i * 7 % 241) as u8).collect();
        let chosen = |pixels: &[u8], labels: &[u32]| -> BTreeSet<(u32, Vec<u8>)> {
            let test = by_image(pixels, labels);
            let held = (0..labels.len()).filter(|&i| test[i]);
            held.map(|i| (labels[i], pixels[2 * i..2 * i + 2].to_vec()))
                .collect()
        };
        let back: Vec<u8> = pixels.chunks(2).rev().flatten().copied().collect();
        let labels_back: Vec<u32> = labels.iter().rev().copied().collect();
        assert_eq!(chosen(&pixels, &labels), chosen(&back, &labels_back));
        assert_eq!(chosen(&pixels, &labels).len(), 4);
    }

    #[test]
    fn rows_change_places_within_their_memory() {
        for seed in 0..50_u32 {
            let n = 1 + seed as usize % 13;
            let test: Vec<bool> = (0..n).map(|i| (seed >> (i % 7)) & 1 == 1).collect();
            let mut pixels: Vec<u8> = (0..n).flat_map(|i| [i as u8, 100 + i as u8]).collect();
            let mut labels: Vec<u32> = (0..n as u32).collect();
            let front = put_behind(&mut pixels, &mut labels, &test);
            let expected: Vec<u32> = (0..n)
                .filter(|&i| !test[i])
                .chain((0..n).filter(|&i| test[i]))
                .map(|i| i as u32)
                .collect();
            assert_eq!(labels, expected);
            assert_eq!(front, test.iter().filter(|t| !**t).count());
            for (row, label) in pixels.chunks(2).zip(&labels) {
                assert_eq!(row, [*label as u8, 100 + *label as u8]);
            }
        }
    }

    #[test]
    fn alphabets_are_chosen_by_name() {
        let names: Vec<String> = (0..30).map(|i| format!("alphabet {i}")).collect();
        let all: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let held = by_name(&all);
        assert_eq!(held.len(), 3);
        assert_eq!(held, by_name(&all));
        assert!(held.iter().all(|name| all.contains(&**name)));
    }
}
