//! The published shapes of presets, and where their units stand.

use super::*;
use crate::layers::Binary;
use crate::model::{Network, table};

/// The preset for its own images.
fn usual(name: &str) -> ModelSpec {
    let (input, classes) = usual_images(name);
    preset(name, input, classes).unwrap()
}

/// The numbers that enter each linear layer.
fn linear_inputs(name: &str) -> Vec<usize> {
    let spec = usual(name);
    let shapes = spec.layer_shapes().unwrap();
    let linear = spec.layers.iter().zip(shapes);
    let linear = linear.filter(|(layer, _)| layer.is::<Linear>());
    linear.map(|(_, shapes)| shapes.input().len()).collect()
}

fn parameters(name: &str) -> usize {
    table(&usual(name))
        .unwrap()
        .iter()
        .map(|row| row.params_f32 + row.params_bit)
        .sum()
}

#[test]
fn flattened_sizes_are_the_published_ones() {
    for (name, inputs) in [
        ("plain-net", &[980][..]),
        ("plain-net-stride", &[980]),
        ("mixed-net", &[980]),
        ("mixed-net-stride", &[980]),
        ("omniglot-net", &[4608, 4096]),
        ("omniglot-net-stride", &[8192, 4096]),
        ("omniglot-mixed", &[4608, 4096]),
        ("omniglot-mixed-stride", &[8192, 4096]),
        ("omniglot-binary", &[4608, 4096]),
        ("omniglot-binary-stride", &[8192, 4096]),
    ] {
        assert_eq!(linear_inputs(name), inputs, "{name}");
    }
    for name in ["few-shot-encoder", "few-shot-published", "few-shot-binary"] {
        let head = usual(name).layer_shapes().unwrap().pop().unwrap();
        assert_eq!(head.inputs, [Shape::vector(64)], "{name}");
    }
}

/// Counted by hand from the published description: weights and biases of convolutions and
/// linear layers, two numbers a channel of batch norms.
#[test]
fn parameters_are_as_many_as_the_published_shapes_have() {
    let conv = |from: usize, to: usize| from * to * 9 + to + 2 * to;
    let linear = |from: usize, to: usize| from * to + to;
    let plain = conv(1, 10) + conv(10, 20) + linear(980, 10);
    let mixed = 2 * (conv(1, 5) + conv(5, 10)) + linear(980, 10);
    let convs = |of: [usize; 5]| -> usize {
        let from = [1, of[0], of[1], of[2], of[3]];
        from.into_iter().zip(of).map(|(a, b)| conv(a, b)).sum()
    };
    let head = |flat: usize| linear(flat, 4096) + linear(4096, 1623);
    let whole = convs([64, 128, 256, 512, 512]);
    let halves = 2 * convs([32, 64, 128, 256, 256]);
    for (name, count) in [
        ("plain-net", plain),
        ("plain-net-stride", plain),
        ("mixed-net", mixed),
        ("mixed-net-stride", mixed),
        ("omniglot-net", whole + head(4608)),
        ("omniglot-net-stride", whole + head(8192)),
        ("omniglot-mixed", halves + head(4608)),
        ("omniglot-mixed-stride", halves + head(8192)),
    ] {
        assert_eq!(parameters(name), count, "{name}");
    }
}

#[test]
fn multiply_adds_of_the_net_for_omniglot_are_what_is_published() {
    let madds = |name: &str| -> f64 {
        let rows = table(&usual(name)).unwrap();
        rows.iter()
            .map(|row| (row.madds_f32 + row.madds_bit) as f64)
            .sum::<f64>()
            / 1e9
    };
    assert!((0.65..0.8).contains(&madds("omniglot-net")));
    assert!((0.2..0.27).contains(&madds("omniglot-net-stride")));
}

#[test]
fn units_stand_where_the_preset_has_them() {
    for (name, placement, places) in [
        ("seed-net", "none", 2),
        ("xnor-net", "both", 2),
        ("plain-net", "none", 2),
        ("mixed-net", "3,4", 4),
        ("mixed-net-stride", "3,4", 4),
        ("omniglot-net", "none", 6),
        ("omniglot-mixed", "6,7,8,9,10", 11),
        ("omniglot-binary", "1,2,3,4,5", 6),
        ("few-shot-encoder", "none", 4),
        ("few-shot-published", "none", 4),
        ("few-shot-binary", "none", 4),
    ] {
        let spec = usual(name);
        assert_eq!(spec.placement().unwrap().to_string(), placement, "{name}");
        assert_eq!(spec.unit_places().len(), places, "{name}");
    }
}

#[test]
fn units_can_stand_anywhere_and_be_taken_away_again() {
    for name in ["seed-net", "plain-net", "mixed-net", "omniglot-net"] {
        let mut bare = usual(name);
        bare.place(Placement::None, Firing::Deterministic, "st")
            .unwrap();
        let count = bare.unit_places().len();
        for bits in 0..1_usize << count {
            let binary: Vec<bool> = (0..count).map(|n| bits >> n & 1 == 1).collect();
            let placement = Placement::of(&binary).unwrap();
            let mut spec = usual(name);
            spec.place(placement, Firing::Stochastic, "st").unwrap();
            assert_eq!(spec.placement(), Some(placement), "{name}");
            let units = spec.layers.iter().filter(|l| l.is::<Binary>()).count();
            assert_eq!(units, bits.count_ones() as usize);
            // Read back from a text, the real activations are still known.
            let text = serde_json::to_string(&spec).unwrap();
            let mut read: ModelSpec = serde_json::from_str(&text).unwrap();
            assert_eq!(read, spec);
            read.place(Placement::None, Firing::Deterministic, "st")
                .unwrap();
            assert_eq!(read, bare, "{name} {placement}");
        }
    }
}

#[test]
fn a_place_that_is_not_there_is_refused() {
    let mut spec = usual("plain-net");
    let placement = "1,3".parse().unwrap();
    let error = spec.place(placement, Firing::Deterministic, "st");
    let line = error.unwrap_err().to_string();
    assert!(
        line.contains("plain-net has 2 activations that can be binary, and none is number 3"),
        "{line}"
    );
}

#[test]
fn a_hard_sigmoid_is_the_place_and_a_relu_beside_it_is_none() {
    let text = r#"{"name":"n","input":{"channels":1,"height":2,"width":2},"layers":[
        {"type":"linear","name":"a","out":3},{"type":"activation","function":"relu"},
        {"type":"linear","name":"b","out":3},{"type":"activation","function":"hard_sigmoid"},
        {"type":"linear","name":"c","out":2}]}"#;
    let mut spec: ModelSpec = serde_json::from_str(text).unwrap();
    assert_eq!(spec.unit_places(), [3]);
    spec.place(Placement::Both, Firing::Deterministic, "st")
        .unwrap();
    assert_eq!(spec.unit_places(), [3]);
    spec.place(Placement::None, Firing::Deterministic, "st")
        .unwrap();
    assert_eq!(spec, serde_json::from_str(text).unwrap());
}

#[test]
fn both_forms_are_one_name_apart() {
    assert_eq!(
        with_pool("mixed-net", PoolForm::Stride),
        Some("mixed-net-stride")
    );
    assert_eq!(
        with_pool("mixed-net-stride", PoolForm::Max),
        Some("mixed-net")
    );
    assert_eq!(with_pool("plain-net", PoolForm::Max), Some("plain-net"));
    assert_eq!(with_pool("seed-net", PoolForm::Stride), None);
    assert_eq!(with_pool("seed-net", PoolForm::Max), None);
}

#[test]
fn every_preset_for_mnist_can_be_built() {
    for (name, _) in PRESETS
        .iter()
        .filter(|(name, _)| !name.starts_with("omniglot"))
    {
        let engine = crate::kernels::select(None).unwrap();
        Network::new(&usual(name), engine, 2, true).unwrap();
    }
}
