//! Packed networks against the trained graph's evaluation: the same bits where
//! the weights are binary, on every instruction set, and within rounding where
//! they are real.

use crate::common::packed::{Mix, RandomNet};
use crate::common::{bits, engines, fastest, pool};
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::{Network, verify};
use bnn_cpu::packed::{Kind, PackedNet, Reading, Runner, Values};
use bnn_cpu::tape::{Noise, Units};

/// How many random nets of each kind: all in an ordinary run, a few where a test
/// runs on an emulated machine.
fn nets(all: u64) -> u64 {
    match std::env::var("BNN_CPU_PACKED_NETS") {
        Ok(n) => n.parse().expect("BNN_CPU_PACKED_NETS is a number"),
        Err(_) => all,
    }
}

/// The logits of one net by the float graph and by every packed path.
fn compare_exactly(seed: u64) {
    let mut random = RandomNet::new(seed, Firing::Deterministic);
    let mut spec = random.either(seed, Mix::Binary);
    RandomNet::levels(&mut spec, seed / 2);
    if seed.is_multiple_of(2) {
        RandomNet::groups(&mut spec, seed / 2);
    }
    let mut net = random.net(&spec, fastest(), 1);
    let packed = net
        .pack()
        .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{spec:?}"));
    let again = PackedNet::from_bytes(&packed.to_bytes().unwrap()).unwrap();
    assert_eq!(again, packed, "seed {seed}: the file holds the network");
    let mut runners: Vec<_> = engines().into_iter().map(|e| again.runner(e)).collect();
    for number in 0..3 {
        let image = random.image(spec.input.len());
        net.set_rows(1);
        net.set_row(0, &image, 0);
        net.forward();
        let want = bits(net.logits());
        let mut logits = vec![0.0; packed.classes()];
        for (runner, engine) in runners.iter_mut().zip(engines()) {
            runner.logits(&image, &mut logits);
            let isa = engine.kernels.isa.name();
            assert_eq!(
                bits(&logits),
                want,
                "seed {seed}, image {number}, {isa}, {:?}\n{spec:?}",
                runner.operations()
            );
        }
        // The naive twin is slow: one image in ten.
        if number > 0 || !seed.is_multiple_of(3) {
            continue;
        }
        if let Some(Values::Reals(naive)) = packed.naive(&image, Reading::Threshold).pop() {
            assert_eq!(bits(&naive), want, "seed {seed}, image {number}, naive");
        } else {
            panic!("the logits are reals");
        }
    }
}

#[test]
fn binary_nets_have_the_logits_of_the_graph_to_the_bit() {
    for seed in 0..nets(2000) {
        compare_exactly(seed);
    }
}

#[test]
fn stochastic_binary_nets_draw_the_bits_of_the_graph() {
    // The last one has 70 units over 19,344 bits: its table was refused as too large once.
    for seed in (0..nets(150)).chain([2167]) {
        let mut random = RandomNet::new(1 << 32 | seed, Firing::Stochastic);
        let mut spec = match seed {
            2167 => random.spec(Mix::Binary),
            _ => random.either(seed, Mix::Binary),
        };
        RandomNet::levels(&mut spec, seed / 2);
        let mut net = random.net(&spec, fastest(), 2);
        net.pass_mut().slope = 1.5;
        let packed = net
            .pack()
            .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{spec:?}"));
        let mut runner = packed.runner(fastest());
        let images: Vec<_> = (0..2).map(|_| random.image(spec.input.len())).collect();
        net.set_rows(2);
        for (row, image) in images.iter().enumerate() {
            net.set_row(row, image, 0);
        }
        let mut logits = vec![0.0; packed.classes()];
        for units in [Units::Sample, Units::Threshold] {
            net.pass_mut().units = units;
            net.pass_mut().noise = Noise {
                seed: 5,
                step: seed,
                draw: 3,
            };
            net.forward();
            for (row, image) in images.iter().enumerate() {
                let reading = match units {
                    Units::Threshold => Reading::Threshold,
                    Units::Sample => Reading::Sample {
                        seed: 5,
                        step: seed,
                        draw: 3,
                        row,
                    },
                };
                runner.read_as(reading);
                runner.logits(image, &mut logits);
                let want = &net.logits()[row * logits.len()..][..logits.len()];
                assert_eq!(
                    bits(&logits),
                    bits(want),
                    "seed {seed}, {units:?}\n{spec:?}"
                );
                let Some(Values::Reals(naive)) = packed.naive(image, reading).pop() else {
                    panic!("the logits are reals");
                };
                assert_eq!(bits(&naive), bits(want), "seed {seed}, {units:?}, naive");
            }
        }
    }
}

/// Whether the output of a stage is that of a layer.
fn is_compared(packed: &PackedNet, i: usize) -> bool {
    packed.flows()[i].output().1 != Kind::Ints
}

/// Where a bit of the last image differs, what its unit read is within rounding of 0. A
/// pool behind the unit hides that.
fn assert_ties(net: &Network, packed: &PackedNet, runner: &Runner, i: usize) {
    let layer = packed.stages()[i].layer;
    if net.spec().layers[layer].layer().kind() != "binary" {
        return;
    }
    let mut output = Vec::new();
    runner.output(i, &mut output);
    let (want, x) = (net.layer_output(layer), net.layer_input(layer));
    let largest = x.iter().fold(1.0f32, |m, x| m.max(x.abs()));
    for ((got, want), x) in output.iter().zip(want).zip(x) {
        assert!(
            got == want || x.abs() < 1e-4 * largest,
            "stage {i}: {x} is no tie, beside {largest}\n{:?}",
            net.spec()
        );
    }
}

/// Real weights: the order of summation differs, so a bit may differ where its
/// sum lies within rounding of the threshold, and everything after it then.
/// Until then the stages agree.
#[test]
fn real_weights_agree_until_a_tie() {
    let (mut compared, mut differing) = (0, 0);
    for seed in 0..nets(400) {
        let mix = if seed / 2 % 2 == 0 {
            Mix::Real
        } else {
            Mix::Either
        };
        let mut random = RandomNet::new(2 << 32 | seed, Firing::Deterministic);
        let mut spec = random.either(seed, mix);
        RandomNet::levels(&mut spec, seed / 4);
        let mut net = random.net(&spec, fastest(), 1);
        let packed = net
            .pack()
            .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{spec:?}"));
        let image = random.image(spec.input.len());
        for engine in engines() {
            let mut runner = packed.runner(engine);
            let found = verify(&mut net, &packed, &mut runner, [&image[..]].into_iter()).unwrap();
            let mut tie = false;
            let layers = (0..packed.stages().len()).filter(|&i| is_compared(&packed, i));
            for (stage, i) in found.stages.iter().zip(layers) {
                compared += stage.numbers;
                if stage.bits && stage.differing > 0 {
                    differing += stage.differing;
                    tie = true;
                    assert_ties(&net, &packed, &runner, i);
                }
                assert!(
                    tie || stage.bits || stage.largest < 1e-3 * stage.numbers as f32,
                    "seed {seed}, {}: {stage:?}\n{spec:?}",
                    engine.kernels.isa.name()
                );
                if tie {
                    break;
                }
            }
        }
    }
    // Whole means and weights of halves and quarters make exact ties now and then, more
    // where units stand behind sums without a norm.
    assert!(
        differing * 1000 < compared,
        "{differing} of {compared} bits differ"
    );
}

/// A sum of more than 32,640 bits has more parts than the kernel of thresholds adds up.
#[test]
fn very_deep_convolutions_are_packed_like_all_others() {
    for (levels, border) in [("0/1", 0), ("-1/+1", -1), ("-1/+1", 0)] {
        let text = format!(
            r#"{{"name":"deep","input":{{"channels":1,"height":4,"width":4}},"layers":[
            {{"type":"conv","name":"a","out":700,"kernel":1,"weights":"binary","bias":false}},
            {{"type":"batch_norm","name":"n"}},{{"type":"binary","mode":"det","levels":"{levels}"}},
            {{"type":"conv","name":"b","out":5,"kernel":7,"padding":3,"border":{border},"weights":"binary","bias":false}},
            {{"type":"batch_norm","name":"m"}},{{"type":"binary","mode":"det","levels":"{levels}"}},
            {{"type":"linear","name":"c","out":3,"weights":"binary","bias":false}}]}}"#
        );
        let spec = serde_json::from_str(&text).unwrap();
        let mut random = RandomNet::new(12, Firing::Deterministic);
        let mut net = random.net(&spec, fastest(), 1);
        let packed = net.pack().unwrap();
        for engine in engines() {
            let mut runner = packed.runner(engine);
            let image = random.image(16);
            net.set_rows(1);
            net.set_row(0, &image, 0);
            net.forward();
            let mut logits = vec![0.0; 3];
            runner.logits(&image, &mut logits);
            assert_eq!(bits(&logits), bits(net.logits()), "{levels}, {border}");
        }
    }
}

/// Layers of so many channels that their planes are made tile by tile: the sums become bits, with
/// pooling or stride, or stay integers.
#[test]
fn wide_convolutions_have_the_logits_of_the_graph_to_the_bit() {
    let tail = |kind: &str| match kind {
        "bits" => r#"{"type":"batch_norm","name":"m"},{"type":"binary","mode":"det"},"#,
        "pooled" => {
            r#"{"type":"max_pool","kernel":2},{"type":"batch_norm","name":"m"},{"type":"binary","mode":"det"},"#
        }
        _ => r#"{"type":"global_avg_pool","name":"p"}"#,
    };
    let cases = [
        // Channels, width, outputs, kernel, padding, stride, border, what follows.
        (70, 13, 9, 3, 1, 1, 0, "bits"),
        (300, 6, 5, 3, 1, 1, 0, "pooled"),
        (64, 53, 7, 3, 1, 1, 0, "pooled"),
        (33, 70, 3, 3, 1, 2, 0, "bits"),
        (90, 12, 4, 5, 2, 1, -1, "bits"),
        (90, 12, 4, 5, 2, 1, 1, "pooled"),
        (257, 20, 3, 1, 0, 1, 0, "bits"),
        (65, 25, 6, 4, 0, 3, 0, "sums"),
        (80, 31, 11, 3, 1, 1, 0, "sums"),
    ];
    for (channels, width, out, kernel, padding, stride, border, kind) in cases {
        let levels = if border == 0 { "0/1" } else { "-1/+1" };
        let end = match kind {
            "sums" => "",
            _ => r#"{"type":"linear","name":"c","out":3,"weights":"binary","bias":false}"#,
        };
        let text = format!(
            r#"{{"name":"wide","input":{{"channels":1,"height":{width},"width":{width}}},"layers":[
            {{"type":"conv","name":"a","out":{channels},"kernel":1,"weights":"binary","bias":false}},
            {{"type":"batch_norm","name":"n"}},{{"type":"binary","mode":"det","levels":"{levels}"}},
            {{"type":"conv","name":"b","out":{out},"kernel":{kernel},"padding":{padding},"stride":{stride},"border":{border},"weights":"binary","bias":false}},
            {}{end}]}}"#,
            tail(kind)
        );
        let spec = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let mut random = RandomNet::new(13, Firing::Deterministic);
        let mut net = random.net(&spec, fastest(), 1);
        let packed = net.pack().unwrap();
        for engine in engines() {
            let mut runner = packed.runner(engine);
            let kinds: Vec<&str> = runner.operations().iter().map(|op| op.1).collect();
            assert!(kinds.contains(&"tiled binary conv"), "{text}: {kinds:?}");
            let image = random.image(width * width);
            net.set_rows(1);
            net.set_row(0, &image, 0);
            net.forward();
            let mut logits = vec![0.0; packed.classes()];
            runner.logits(&image, &mut logits);
            let isa = engine.kernels.isa.name();
            assert_eq!(bits(&logits), bits(net.logits()), "{isa}: {text}");
        }
    }
}

#[test]
fn batches_threads_and_single_images_agree() {
    let mut random = RandomNet::new(77, Firing::Deterministic);
    let spec = random.spec(Mix::Either);
    let net = random.net(&spec, fastest(), 1);
    let packed = net.pack().unwrap();
    let images: Vec<_> = (0..101).map(|_| random.image(spec.input.len())).collect();
    let mut runner = packed.runner(fastest());
    let classes = packed.classes();
    let mut want = vec![0.0; 101 * classes];
    for (image, out) in images.iter().zip(want.chunks_exact_mut(classes)) {
        runner.logits(image, out);
    }
    for threads in [1, 2, 5] {
        for batch in [1, 7, 64, 101] {
            let mut out = vec![0.0; batch * classes];
            pool(threads).install(|| runner.batch(&images[..batch].concat(), &mut out));
            assert_eq!(
                bits(&out),
                bits(&want[..batch * classes]),
                "{threads}, {batch}"
            );
        }
    }
}
