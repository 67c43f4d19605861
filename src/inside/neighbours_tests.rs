use super::*;
use crate::data::{Split, digits};
use crate::inside::site::tests::{network, two};
use crate::random::{between, keyed};
use crate::tape::{Mode, Units};

/// The squared distance in double precision, number by number.
fn exact(a: &[f32], b: &[f32]) -> f64 {
    let d = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
    a.iter().zip(b).map(d).sum()
}

#[test]
fn hamming_distances_are_squared_distances_of_bits() {
    let mut rng = keyed(&[1]);
    for len in [1, 63, 64, 65, 200] {
        let mut bits = || -> Vec<f32> {
            (0..len)
                .map(|_| f32::from(between(&mut rng, 0.0, 1.0) < 0.4))
                .collect()
        };
        let (a, b) = (bits(), bits());
        let words = |bits: &[f32]| {
            let mut words = Vec::new();
            pack(bits, &mut words);
            words
        };
        assert_eq!(f64::from(hamming(&words(&a), &words(&b))), exact(&a, &b));
        assert_eq!(f64::from(squared(&a, &b)), exact(&a, &b));
        // The same bits as -1 and +1: four times the distance, the same words.
        let signs: Vec<f32> = a.iter().map(|h| 2.0 * h - 1.0).collect();
        assert_eq!(words(&signs), words(&a));
    }
}

/// The share of queries whose nearest reference, found number by number, is of their class.
fn by_brute_force(data: &Dataset, images: &Images, rows: impl Fn(&Split, u32) -> Vec<f32>) -> f64 {
    let all = |split, of: &[u32]| of.iter().map(|&i| rows(split, i)).collect::<Vec<_>>();
    let references = all(&data.train, &images.references);
    let queries = all(&data.test, &images.queries);
    let mut right = 0;
    for (query, &i) in queries.iter().zip(&images.queries) {
        let distances: Vec<f64> = references.iter().map(|r| exact(query, r)).collect();
        let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
        let nearest = distances.iter().position(|d| *d == least).unwrap();
        let reference = images.references[nearest] as usize;
        right += usize::from(data.train.label(reference) == data.test.label(i as usize));
    }
    right as f64 / queries.len() as f64
}

#[test]
fn accuracies_are_those_of_a_search_by_brute_force() {
    let data = digits::generate(4, 60, 30);
    let (mut net, _) = network(8);
    let images = Images::draw(&data, 50, 20, 9);
    assert_eq!((images.references.len(), images.queries.len()), (50, 20));
    assert!(images.references.windows(2).all(|w| w[0] < w[1]));
    let sites = Site::of_blocks(&two()).unwrap();
    let of = (&data, &images);
    let found = neighbours(&mut net, &sites, of, &[1, 3, 99], Pass::Threshold).unwrap();
    (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Threshold);
    let net = std::cell::RefCell::new(net);
    let mut compared = 0;
    for (k, layer) in found.layers.iter().enumerate() {
        let at = k.checked_sub(1).map(|k| sites[k].layer);
        for form in &layer.forms {
            let expected = by_brute_force(&data, &images, |split, i| {
                let mut net = net.borrow_mut();
                net.set_rows(1);
                net.set_image(0, split.image(i as usize));
                net.forward();
                let y = at.map_or_else(|| net.input(), |layer| net.layer_output(layer));
                let Some((pool, side)) = form.pool else {
                    return y.to_vec();
                };
                let mut out = Vec::new();
                pooled(y, layer.shape, pool, side, &mut out);
                assert_eq!(out.len(), form.numbers);
                out
            });
            assert_eq!(form.accuracy, Some(expected), "{form:?}");
            compared += 1;
        }
    }
    // Pixels, a-block and b-block in five forms each, the hidden layer as it is.
    assert_eq!(compared, 16);
    let bits = &found.layers[2].forms;
    let hamming = bits.iter().filter(|f| f.distance == "hamming").count();
    assert_eq!(hamming, 3, "as it is and max-pooled, but not their means");
    let chance = found.chance;
    assert!(chance > 0.05 && chance < 0.2, "{chance}");
    assert!(found.network.is_some());
}

#[test]
fn layers_too_large_to_compare_say_so() {
    let forms = forms(Shape::image(64, 52, 52), false, &[1]);
    let whole = forms.last().unwrap();
    assert_eq!(
        (whole.numbers, whole.not_compared_above),
        (173_056, Some(MOST))
    );
    assert_eq!(forms[0].not_compared_above, None);
    let found = |forms: Vec<Form>| Neighbours {
        references: 1,
        queries: 1,
        chance: 0.5,
        network: None,
        layers: vec![Layer {
            name: "conv1-block".into(),
            shape: Shape::image(64, 52, 52),
            forms,
        }],
    };
    assert_eq!(found(forms[..1].to_vec()).left_out(), None);
    let said = found(forms).left_out().unwrap();
    let line = "Not compared, with more than 32768 numbers an image: conv1-block (173056 numbers).";
    assert_eq!(said, line);
}
