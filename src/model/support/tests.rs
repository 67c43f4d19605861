//! Support sets: bits against reals, and what is refused.

use super::*;
use crate::layers::testing::fill;
use crate::similarity::Distance;

fn head(head: Head, distance: Distance) -> Comparison {
    Comparison {
        head,
        distance,
        scale: 0.3,
    }
}

fn numbers(seed: u64, count: usize, low: f32) -> Vec<f32> {
    let mut x = vec![0.0; count];
    fill(seed, &mut x);
    x.iter().map(|&x| if x > 0.0 { 1.0 } else { low }).collect()
}

/// Counting gives what the formulas over real numbers give: of one picture to the bit.
#[test]
fn counting_bits_is_comparing_them() {
    const WIDTH: usize = 70;
    for (low, shot) in [(0.0, 1), (0.0, 3), (-1.0, 1), (-1.0, 3)] {
        for &kind in Head::ALL {
            for &distance in Distance::ALL {
                let mut support = Support::new(head(kind, distance), WIDTH);
                for class in 0..4_u64 {
                    let pictures = numbers(class, shot * WIDTH, low);
                    support.teach(&format!("{class}"), &pictures).unwrap();
                }
                assert!(support.is_bits());
                let mut reals = support.clone();
                reals.classes.iter_mut().for_each(|class| class.bits = None);
                assert!(!reals.is_bits());
                let (mut counted, mut compared) = (vec![0.0; 4], vec![0.0; 4]);
                for seed in 10..20 {
                    let query = numbers(seed, WIDTH, low);
                    support.logits(&query, &mut counted);
                    reals.logits(&query, &mut compared);
                    for (a, b) in counted.iter().zip(&compared) {
                        match shot {
                            1 => assert_eq!(a, b),
                            _ => assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{a} {b}"),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_query_that_is_no_bits_is_compared_as_real() {
    let mut support = Support::new(head(Head::Matching, Distance::Squared), 2);
    support.teach("a", &[0.0, 1.0]).unwrap();
    support.teach("b", &[1.0, 1.0]).unwrap();
    let mut z = [0.0; 2];
    support.logits(&[0.5, 1.0], &mut z);
    assert_eq!(z, [-0.075, -0.075]);
    support.logits(&[0.0, 1.0], &mut z);
    assert_eq!(z, [0.0, -0.3]);
}

#[test]
fn a_class_is_taught_once_or_twice() {
    let mut support = Support::new(head(Head::Prototypical, Distance::Squared), 1);
    support.teach("a", &[0.0]).unwrap();
    support.teach("b", &[4.0]).unwrap();
    support.teach("a", &[2.0]).unwrap();
    assert_eq!(support.classes().collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    let mut z = [0.0; 2];
    support.logits(&[2.0], &mut z);
    assert_eq!(z, [-0.3, -1.2]);
    for (bad, what) in [
        (&[][..], "no embeddings of 1"),
        (&[f32::NAN][..], "not finite"),
    ] {
        let line = support.teach("c", bad).unwrap_err().to_string();
        assert!(
            line.contains("the class \"c\"") && line.contains(what),
            "{line}"
        );
    }
    let many = vec![0.0; MAX_PICTURES];
    assert!(support.teach("a", &many).is_err());
    assert_eq!(support.len(), 2);
}
