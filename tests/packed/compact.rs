//! The compact form of packed networks.

use crate::common::bits;
use crate::common::fastest;
use crate::common::packed::{Mix, RandomNet};
use bnn_cpu::estimators::Firing;
use bnn_cpu::packed::{PackedNet, Reading, Values};
use bnn_cpu::random::{below, keyed};
use bnn_cpu::seal;

/// A random network that is packed, some with real weights, stochastic units and joins.
fn packed(seed: u64) -> (PackedNet, Vec<u8>) {
    let firing = match seed % 3 {
        0 => Firing::Stochastic,
        _ => Firing::Deterministic,
    };
    let mut random = RandomNet::new(7 << 32 | seed, firing);
    let mix = [Mix::Binary, Mix::Either][seed as usize % 2];
    let mut spec = random.either(seed, mix);
    RandomNet::levels(&mut spec, seed / 2);
    if seed.is_multiple_of(2) {
        RandomNet::groups(&mut spec, seed / 2);
    }
    let net = random.net(&spec, fastest(), 1);
    let packed = net.pack().unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    let image = random.image(spec.input.len());
    (packed, image)
}

/// Gives changed content its checksum.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = seal::sha256(&bytes[9..]);
    for i in 0..4 {
        bytes[5 + i] = u8::from_str_radix(&sum[2 * i..][..2], 16).unwrap();
    }
    bytes
}

#[test]
fn a_network_comes_back_but_for_its_names() {
    let mut smaller = 0.0;
    for seed in 0..100 {
        let (net, image) = packed(seed);
        let bytes = net.to_compact_bytes().unwrap();
        let again = PackedNet::from_bytes(&bytes).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(again.input(), net.input());
        assert_eq!(again.pixels(), net.pixels());
        assert_eq!(again.comparison(), net.comparison());
        assert_eq!(again.flows(), net.flows());
        for (a, b) in again.stages().iter().zip(net.stages()) {
            assert_eq!(
                (&a.inputs, &a.product),
                (&b.inputs, &b.product),
                "seed {seed}"
            );
            assert_eq!((&a.weights, &a.tail), (&b.weights, &b.tail), "seed {seed}");
        }
        assert_eq!(again.to_compact_bytes().unwrap(), bytes, "seed {seed}");
        let reading = Reading::Sample {
            seed,
            step: 1,
            draw: 0,
            row: 0,
        };
        for reading in [Reading::Threshold, reading] {
            let logits = |net: &PackedNet| match net.naive(&image, reading).pop() {
                Some(Values::Reals(x)) => bits(&x),
                other => panic!("logits are reals, not {other:?}"),
            };
            assert_eq!(logits(&again), logits(&net), "seed {seed}");
        }
        smaller += bytes.len() as f64 / net.to_bytes().unwrap().len() as f64 / 100.0;
    }
    assert!(smaller < 0.7, "the compact form has {smaller} of the bytes");
}

#[test]
fn the_committed_network_takes_its_weights_and_a_few_bytes_more() {
    let bytes = std::fs::read("results/networks/xnor-net/best.packed").unwrap();
    let net = PackedNet::from_bytes(&bytes).unwrap();
    let compact = net.to_compact_bytes().unwrap();
    // 28,880 weights, 48 thresholds of 5 to 14 bits and two flags each, 20 floats, the shape.
    let weights = 28_880 / 8;
    assert!(
        (weights..weights + 250).contains(&compact.len()),
        "{}",
        compact.len()
    );
}

#[test]
fn every_changed_bit_and_every_shorter_file_is_told() {
    let (net, _) = packed(5);
    let bytes = net.to_compact_bytes().unwrap();
    for bit in 0..8 * bytes.len() {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(PackedNet::from_bytes(&changed).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(PackedNet::from_bytes(&bytes[..len]).is_err(), "{len} bytes");
    }
    let more = sealed([&bytes[..], &[0]].concat());
    let said = PackedNet::from_bytes(&more).unwrap_err().to_string();
    assert!(said.contains("behind its end"), "{said}");
    let newer = [b"BNNC\x02", &bytes[5..]].concat();
    let said = PackedNet::from_bytes(&newer).unwrap_err().to_string();
    assert!(
        said.contains("version 2") && said.contains("update bnn-cpu"),
        "{said}"
    );
}

/// Content that was changed on purpose, with a checksum that fits.
#[test]
fn hostile_content_is_refused_or_a_network() {
    let mut rng = keyed(&[11, 62]);
    let mut networks = 0;
    for seed in 0..40 {
        let (net, _) = packed(seed);
        let bytes = net.to_compact_bytes().unwrap();
        for _ in 0..80 {
            let mut changed = bytes.clone();
            for _ in 0..=below(&mut rng, 3) {
                // The shape stands first, so that most changes go there.
                let most = [60, changed.len() as u64 - 9][below(&mut rng, 2) as usize];
                let at = 9 + below(&mut rng, most.min(changed.len() as u64 - 9)) as usize;
                changed[at] ^= 1 << below(&mut rng, 8);
            }
            if below(&mut rng, 4) == 0 {
                changed.truncate(9 + below(&mut rng, changed.len() as u64 - 9) as usize);
            }
            if let Ok(net) = PackedNet::from_bytes(&sealed(changed)) {
                networks += 1;
                PackedNet::from_bytes(&net.to_compact_bytes().unwrap()).unwrap();
            }
        }
    }
    assert!(networks > 0, "some changes give another network");
}
