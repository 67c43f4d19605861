//! Gradient checks, and what the formulas promise.

use super::*;
use crate::layers::Layer;
use crate::layers::testing::{check_layer_by, fill, layer_on_tape};

fn layer(head: Head, distance: Distance, shot: usize) -> FewShot {
    FewShot {
        head,
        distance,
        scale: Some(0.7),
        way: 3,
        shot,
        queries: 2,
    }
}

fn every(shot: usize) -> impl Iterator<Item = FewShot> {
    let heads = Head::ALL.iter();
    heads.flat_map(move |&h| Distance::ALL.iter().map(move |&d| layer(h, d, shot)))
}

#[test]
fn gradients_match_finite_differences() {
    for shot in [1, 2] {
        for layer in every(shot) {
            // Two episodes, and rows behind them.
            let rows = 2 * layer.episode().rows() + 2;
            check_layer_by(&layer, &[Shape::vector(4)], rows, 0.01);
        }
    }
    check_layer_by(
        &layer(Head::Matching, Distance::Squared, 2),
        &[Shape::image(2, 2, 1)],
        12,
        0.01,
    );
}

/// The logits and the gradient of the embeddings for a gradient of the logits.
fn results(layer: &FewShot, rows: usize, live: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut tape, x, y) = layer_on_tape(layer, &[Shape::vector(4)], rows);
    tape.set_rows(live);
    tape.forward();
    let z = tape.value(y).to_vec();
    let mut dy = vec![0.0; z.len()];
    fill(5, &mut dy);
    tape.backward_from(y, |grad| grad.copy_from_slice(&dy));
    (z, tape.grad(x[0]).to_vec())
}

#[test]
fn with_one_picture_a_class_both_heads_are_one_function() {
    for distance in [Distance::Squared, Distance::Cosine] {
        let of = |head| results(&layer(head, distance, 1), 18, 18);
        assert_eq!(of(Head::Matching), of(Head::Prototypical));
        // With two they are not.
        let of = |head| results(&layer(head, distance, 2), 24, 24);
        let (matching, prototypical) = (of(Head::Matching), of(Head::Prototypical));
        assert_ne!(matching.0, prototypical.0);
        assert_ne!(matching.1, prototypical.1);
    }
}

#[test]
fn episodes_do_not_meet_and_rows_behind_the_last_one_say_nothing() {
    for layer in every(2) {
        let rows = layer.episode().rows();
        let (both, grads) = results(&layer, 2 * rows, 2 * rows);
        let (first, of_first) = results(&layer, 2 * rows, rows + 3);
        assert_eq!(both[..3 * rows], first[..3 * rows]);
        assert_eq!(grads[..4 * rows], of_first[..4 * rows]);
        assert!(first[3 * rows..].iter().all(|&z| z == 0.0));
        assert!(of_first[4 * rows..].iter().all(|&g| g == 0.0));
        // Nor do the rows of a support set.
        let support = layer.episode().support();
        assert!(both[..3 * support].iter().all(|&z| z == 0.0));
    }
}

#[test]
fn impossible_episodes_are_refused_in_a_line() {
    for (way, shot, queries) in [(1, 1, 1), (2, 0, 1), (2, 1, 0)] {
        let bad = FewShot {
            way,
            shot,
            queries,
            ..FewShot::default()
        };
        let line = bad
            .output("head", &[Shape::vector(4)])
            .unwrap_err()
            .to_string();
        assert!(
            line.contains("layer head: an episode has 2 classes"),
            "{line}"
        );
    }
    let bad = FewShot {
        scale: Some(0.0),
        ..FewShot::default()
    };
    assert!(bad.output("head", &[Shape::vector(4)]).is_err());
}
