use ndarray::Array4;

use super::*;
use crate::data::digits;

fn split(values: &[u8], labels: &[u32]) -> Split {
    let images = Array4::from_shape_vec((labels.len(), 1, 2, 1), values.to_vec()).unwrap();
    Split::new(images, labels.to_vec()).unwrap()
}

/// A set of MNIST's counts and shape whose images are blank.
fn blank(name: &str) -> Dataset {
    let part = |count: usize| {
        let labels = (0..count).map(|i| (i % 10) as u32).collect();
        Split::new(Array4::zeros((count, 28, 28, 1)), labels).unwrap()
    };
    Dataset::new(name, 10, part(60_000), part(10_000)).unwrap()
}

#[test]
fn a_dataset_checks_shapes_and_labels() {
    let good = split(&[0, 0], &[1]);
    assert!(Dataset::new("x", 2, good.clone(), good.clone()).is_ok());
    let line = Dataset::new("x", 2, good.clone(), split(&[0, 0], &[2]))
        .unwrap_err()
        .to_string();
    assert!(line.contains("test label 2"), "{line}");
    let wide = Split::new(Array4::zeros((1, 1, 3, 1)), vec![0]).unwrap();
    assert!(Dataset::new("x", 2, good, wide).is_err());
}

#[test]
fn the_fingerprint_covers_every_pixel_label_and_size() {
    let of = |train: &Split, test: &Split| {
        let data = Dataset::new("x", 9, train.clone(), test.clone()).unwrap();
        assert_eq!(data.fingerprint.get(), None);
        let first = data.fingerprint();
        assert_eq!(data.fingerprint.get(), Some(&first));
        assert_eq!(data.renamed("y").fingerprint(), first);
        first
    };
    let (a, b) = (split(&[1, 2, 3, 4], &[5, 6]), split(&[7, 8], &[1]));
    let own = of(&a, &b);
    assert_eq!(own.len(), 64);
    for other in [
        split(&[1, 2, 3, 9], &[5, 6]),
        split(&[1, 2, 3, 4], &[6, 5]),
        split(&[1, 2], &[5]),
    ] {
        assert_ne!(of(&other, &b), own);
        assert_ne!(of(&b, &other), own);
    }
    assert_ne!(of(&b, &a), own);
    let tall = |s: &Split| {
        let images = s.images().to_shape((s.len(), 2, 1, 1)).unwrap().to_owned();
        Split::new(images, s.labels().to_vec()).unwrap()
    };
    assert_ne!(of(&tall(&a), &tall(&b)), own);
}

/// The counts, the shape and the name do not make a set MNIST.
#[test]
fn other_data_cannot_pass_for_mnist_or_the_built_in_digits() {
    let set = blank("MNIST");
    assert!(!set.is_mnist());
    assert_eq!(set.name, "MNIST (other data)");
    assert_eq!(set.normalisation().mean, 0.0);
    let small = |name: &str| {
        let one = split(&[0, 9], &[1]);
        Dataset::new(name, 2, one.clone(), one).unwrap()
    };
    for name in [
        "mnist",
        "M-N_I.S T",
        " MNIST!",
        "Built-In Digits, synthetic",
    ] {
        assert_eq!(small(name).name, format!("{name} (other data)"));
        assert_eq!(
            small("x").renamed(name).name,
            format!("{name} (other data)")
        );
    }
    for name in [
        "FashionMNIST",
        "emnist-mnist",
        "digits",
        "MNIST (other data)",
        "…",
    ] {
        assert_eq!(small(name).name, name);
    }
    assert_eq!(digits::generate(1, 10, 10).name, digits::NAME);
}
