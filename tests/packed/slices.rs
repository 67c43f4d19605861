//! Batches of networks that are computed on 64 images at once, against one image after another.

use crate::common::packed::{Mix, RandomNet};
use crate::common::{bits, engines, fastest, pool};
use bnn_cpu::estimators::Firing;
use bnn_cpu::layers::{Binary, LayerSpec};
use bnn_cpu::model::{ModelSpec, Network, Pixels};
use bnn_cpu::packed::PackedNet;

/// How many random nets: all in an ordinary run, a few where a test runs on an emulated machine.
fn nets(all: u64) -> u64 {
    match std::env::var("BNN_CPU_PACKED_NETS") {
        Ok(n) => n.parse().expect("BNN_CPU_PACKED_NETS is a number"),
        Err(_) => all,
    }
}

/// A random net that begins with bits of pixels, and whether it has convolutions in groups.
fn spec(random: &mut RandomNet, seed: u64) -> (ModelSpec, bool) {
    let mut spec = random.spec(Mix::Binary);
    let unit = LayerSpec::from(Binary::new(Firing::Deterministic, "st"));
    spec.layers.insert(0, unit);
    RandomNet::levels(&mut spec, seed);
    let groups = RandomNet::groups(&mut spec, seed);
    spec.pixels = Some(match seed % 3 {
        0 => Pixels::Integer,
        1 => Pixels::normalised(0.5, 0.25),
        // No pixel is above the mean, so all bits are 0.
        _ => Pixels::normalised(if seed.is_multiple_of(2) { 1.0 } else { 0.1 }, 1.0),
    });
    (spec, groups)
}

/// The logits of all images, one after another.
fn one_by_one(packed: &PackedNet, images: &[u8]) -> Vec<f32> {
    let mut runner = packed.runner(fastest());
    let mut all = vec![0.0; images.len() / runner.pixels() * packed.classes()];
    let rows = all.chunks_exact_mut(packed.classes());
    for (image, out) in images.chunks_exact(packed.input().len()).zip(rows) {
        runner.logits(image, out);
    }
    all
}

#[test]
fn batches_have_the_logits_of_single_images() {
    let (mut sliced, mut in_groups, all) = (0, 0, nets(300));
    for seed in 0..all {
        let mut random = RandomNet::new(7 << 32 | seed, Firing::Deterministic);
        let (spec, groups) = spec(&mut random, seed);
        let packed = random.net(&spec, fastest(), 1).pack();
        let packed = packed.unwrap_or_else(|e| panic!("seed {seed}: {e}\n{spec:?}"));
        let count = [1, 2, 63, 64, 65, 130][seed as usize % 6];
        let images: Vec<u8> = (0..count)
            .flat_map(|_| random.image(spec.input.len()))
            .collect();
        let want = one_by_one(&packed, &images);
        for engine in engines() {
            let mut runner = packed.runner(engine);
            let (mut got, mut here) = (vec![f32::NAN; want.len()], vec![f32::NAN; want.len()]);
            pool(1 + seed as usize % 2).install(|| runner.batch(&images, &mut got));
            runner.batch_here(&images, &mut here);
            let isa = engine.kernels.isa.name();
            assert_eq!(bits(&got), bits(&want), "seed {seed}, {isa}\n{spec:?}");
            assert_eq!(bits(&here), bits(&want), "seed {seed}, {isa}\n{spec:?}");
            sliced += u64::from(runner.is_sliced());
            in_groups += u64::from(runner.is_sliced() && groups);
        }
    }
    let sets = engines().len() as u64;
    assert!(
        5 * sliced > all * sets && 50 * in_groups > all * sets,
        "{sliced} sliced, {in_groups} with groups, of {all} on {sets} sets"
    );
}

/// Whether batches of a network of these layers over bits of pixels are computed on 64 images at once.
fn is_sliced(layers: &str) -> bool {
    let text = format!(
        r#"{{"name":"n","input":{{"channels":1,"height":28,"width":28}},"pixels":"integer","layers":[
        {{"type":"binary","mode":"det"}},{layers},
        {{"type":"linear","name":"f","out":10,"weights":"binary","bias":false}},
        {{"type":"batch_norm","name":"n"}}]}}"#
    );
    let spec: ModelSpec = serde_json::from_str(&text).unwrap();
    let net = Network::new(&spec, fastest(), 1, false).unwrap();
    net.pack().unwrap().runner(fastest()).is_sliced()
}

#[test]
fn few_outputs_of_windows_that_overlap_do_not_pay() {
    let unit = r#"{"type":"binary","mode":"det"}"#;
    let layer = |name: &str, kind: &str, more: &str| {
        format!(
            r#"{{"type":"{kind}","name":"{name}","weights":"binary","bias":false,{more}}},{unit}"#
        )
    };
    assert!(is_sliced(&layer("a", "linear", r#""out":256"#)));
    assert!(is_sliced(&layer(
        "a",
        "conv",
        r#""out":16,"kernel":3,"stride":2"#
    )));
    let wide = |name| layer(name, "conv", r#""out":4,"kernel":5,"padding":2"#);
    assert!(!is_sliced(&format!("{},{}", wide("a"), wide("b"))));
}

#[test]
fn networks_of_another_form_are_computed_image_by_image() {
    let mut random = RandomNet::new(8 << 32, Firing::Deterministic);
    // Without bits of pixels in front.
    let chain = random.spec(Mix::Binary);
    let packed = random.net(&chain, fastest(), 1).pack().unwrap();
    assert!(!packed.runner(fastest()).is_sliced());
    // With noise.
    let mut random = RandomNet::new(9 << 32, Firing::Stochastic);
    let mut drawn = random.spec(Mix::Binary);
    let unit = LayerSpec::from(Binary::new(Firing::Deterministic, "st"));
    drawn.layers.insert(0, unit);
    drawn.pixels = Some(Pixels::Integer);
    let packed = random.net(&drawn, fastest(), 1).pack().unwrap();
    assert!(packed.is_stochastic() && !packed.runner(fastest()).is_sliced());
}
