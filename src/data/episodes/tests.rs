//! Over a small set made in memory, which has alphabets as Omniglot has.

use std::collections::BTreeSet;

use super::*;
use crate::data::testing_set;

fn small() -> Dataset {
    testing_set::alphabets(6, 3, 5)
}

const HELD: Held = Held {
    test: 2,
    validation: 1,
};

#[test]
fn parts_share_no_alphabet_and_leave_no_image_out() {
    let found = Characters::of(&small(), HELD).unwrap();
    let parts = [&found.train, &found.validation, &found.test];
    assert_eq!(parts.map(|part| part.alphabets.len()), [3, 1, 2]);
    assert_eq!(parts.map(|part| part.drawings.len()), [9, 3, 6]);
    let mut alphabets: Vec<&String> = parts.iter().flat_map(|part| &part.alphabets).collect();
    alphabets.sort();
    alphabets.dedup();
    assert_eq!(alphabets.len(), 6);
    let mut images: Vec<u32> = parts.iter().flat_map(|part| part.images()).collect();
    images.sort_unstable();
    assert!(images.iter().copied().eq(0..6 * 3 * 5));
    for part in parts {
        for (name, drawings) in part.names.iter().zip(&part.drawings) {
            assert_eq!(drawings.len(), 5);
            assert!(
                part.alphabets
                    .iter()
                    .any(|a| name.starts_with(&format!("{a}/")))
            );
        }
    }
}

#[test]
fn too_few_alphabets_are_told_in_a_line() {
    let held = Held {
        test: 5,
        validation: 1,
    };
    let line = Characters::of(&small(), held).unwrap_err().to_string();
    assert!(
        line.contains("has 6 alphabets where 5 to test on, 1 for validation"),
        "{line}"
    );
    // Digits have no alphabets: each class is one.
    let digits = crate::data::digits::generate(1, 60, 20);
    let held = Held {
        test: 3,
        validation: 2,
    };
    assert_eq!(
        Characters::of(&digits, held).unwrap().train.drawings.len(),
        5
    );
    let held = Held {
        test: 8,
        validation: 3,
    };
    let line = Characters::of(&digits, held).unwrap_err().to_string();
    assert!(
        line.contains("has 10 classes, each of which counts"),
        "{line}"
    );
}

#[test]
fn an_episode_is_its_support_set_and_then_its_queries() {
    let characters = Characters::of(&small(), HELD).unwrap();
    for rotations in [false, true] {
        let order = Order {
            way: 4,
            shot: 2,
            queries: 3,
            rotations,
        };
        let (mut seen, mut deck) = (BTreeSet::new(), Deck::default());
        for number in 0..50 {
            let mut drawn = Vec::new();
            order.draw(&characters.train, &[1, 2, 3, number], &mut deck, &mut drawn);
            let mut again = Vec::new();
            order.draw(
                &characters.train,
                &[1, 2, 3, number],
                &mut Deck::default(),
                &mut again,
            );
            assert_eq!(drawn, again);
            assert_eq!(drawn.len(), 4 * 5);
            let classes: Vec<u32> = drawn.iter().map(|d| d.class).collect();
            let support = [0, 0, 1, 1, 2, 2, 3, 3];
            assert_eq!(classes[..8], support);
            assert_eq!(classes[8..], [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
            // Every image of a class once, all of one character and one turn.
            let mut turned = BTreeSet::new();
            for class in 0..4 {
                let own: Vec<&Drawn> = drawn.iter().filter(|d| d.class == class).collect();
                let images: BTreeSet<u32> = own.iter().map(|d| d.image).collect();
                assert_eq!(images.len(), 5);
                let of = |d: &&Drawn| {
                    let mut all = characters.train.drawings.iter();
                    (all.position(|c| c.contains(&d.image)).unwrap(), d.quarters)
                };
                let kinds: BTreeSet<(usize, u8)> = own.iter().map(of).collect();
                assert_eq!(kinds.len(), 1);
                turned.extend(kinds);
            }
            assert_eq!(turned.len(), 4, "four classes");
            seen.extend(turned);
        }
        // All of them come up.
        assert_eq!(seen.len(), order.classes_of(&characters.train));
    }
}
