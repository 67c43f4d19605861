//! Networks of every kind of stage, written out, against the graph's evaluation to the bit;
//! and what packing refuses, in its own words.

use crate::common::packed::RandomNet;
use crate::common::{bits, fastest};
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::{ModelSpec, Network, verify};
use bnn_cpu::packed::{Kind, Reading};
use bnn_cpu::tape::{Noise, Units};

/// A network over integer pixels of two channels, 8x8, with these layers. Names count up.
fn spec(pixels: &str, layers: &str) -> ModelSpec {
    let mut number = 0;
    let layers: Vec<String> = layers
        .split_whitespace()
        .map(|layer| {
            number += 1;
            let name = format!(r#""name":"l{number}""#);
            let conv = |out: usize, more: &str| {
                format!(r#"{{"type":"conv",{name},"out":{out},"kernel":3,"padding":1,{more}}}"#)
            };
            let plain = r#""bias":false,"weights":"binary""#;
            match layer {
                "conv" => conv(5, plain),
                "conv+bias" => conv(5, r#""bias":true,"weights":"binary""#),
                "conv+scale" => conv(5, r#""bias":false,"weights":"binary","scale":true"#),
                "real-conv" => conv(5, r#""bias":true"#),
                "norm" => format!(r#"{{"type":"batch_norm",{name}}}"#),
                "pool" => r#"{"type":"max_pool","kernel":2}"#.into(),
                "pool1" => r#"{"type":"max_pool","kernel":2,"stride":1}"#.into(),
                "relu" | "hard_sigmoid" | "sigmoid" => {
                    format!(r#"{{"type":"activation","function":"{layer}"}}"#)
                }
                "unit" => r#"{"type":"binary","mode":"det","estimator":"st"}"#.into(),
                "draw" => r#"{"type":"binary","mode":"stoch","estimator":"st"}"#.into(),
                "logistic-draw" => {
                    r#"{"type":"binary","mode":"stoch","estimator":"reinforce"}"#.into()
                }
                "linear" => format!(r#"{{"type":"linear",{name},"out":4}}"#),
                "binary-linear" => format!(r#"{{"type":"linear",{name},"out":4,{plain}}}"#),
                other => panic!("no layer {other}"),
            }
        })
        .collect();
    let layers = layers.join(",");
    let input = r#"{"channels":2,"height":8,"width":8}"#;
    let text = format!(r#"{{"name":"n","input":{input},"pixels":{pixels},"layers":[{layers}]}}"#);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

const INTEGER: &str = r#""integer""#;
const NORMALISED: &str = r#"{"mean":0.25,"std":0.5}"#;

/// A network with random parameters.
fn net(spec: &ModelSpec, seed: u64) -> (RandomNet, Network) {
    let mut random = RandomNet::new(seed, Firing::Deterministic);
    let net = random.net(spec, fastest(), 1);
    (random, net)
}

/// The logits of the graph and of the packed network over some images, sampled and not.
fn compare(pixels: &str, layers: &str, exact: bool) {
    let spec = spec(pixels, layers);
    for seed in 0..20 {
        let (mut random, mut net) = net(&spec, seed);
        net.pass_mut().slope = 1.25;
        let packed = net.pack().unwrap_or_else(|e| panic!("{layers}: {e}"));
        let mut runner = packed.runner(fastest());
        let mut logits = vec![0.0; packed.classes()];
        for step in 0..3 {
            let image = random.image(spec.input.len());
            net.set_rows(1);
            net.set_row(0, &image, 0);
            for units in [Units::Sample, Units::Threshold] {
                net.pass_mut().units = units;
                net.pass_mut().noise = Noise {
                    seed: 5,
                    step,
                    draw: 3,
                };
                net.forward();
                runner.read_as(match units {
                    Units::Threshold => Reading::Threshold,
                    Units::Sample => Reading::Sample {
                        seed: 5,
                        step,
                        draw: 3,
                        row: 0,
                    },
                });
                runner.logits(&image, &mut logits);
                let what = format!("{layers}, seed {seed}, {units:?}");
                if exact {
                    assert_eq!(bits(&logits), bits(net.logits()), "{what}");
                }
                let most = net.logits().iter().fold(1.0f32, |m, x| m.max(x.abs()));
                for (got, want) in logits.iter().zip(net.logits()) {
                    assert!(
                        (got - want).abs() <= 1e-5 * most,
                        "{what}: {got}, not {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_kind_of_stage_has_the_logits_of_the_graph() {
    for layers in [
        // Pixels that reach a unit without weights.
        "unit conv norm unit binary-linear",
        "norm unit conv norm unit binary-linear",
        "pool norm unit conv norm unit binary-linear",
        "norm pool1 draw conv norm unit binary-linear",
        // Sums that reach no unit: whole numbers, which add up the same in any order.
        "conv unit conv pool binary-linear",
        "conv unit conv pool pool1 binary-linear norm",
        "conv unit conv relu pool binary-linear",
        "conv pool1 relu binary-linear norm",
        "conv unit binary-linear",
        "pool relu binary-linear",
        // Units after other maps, and pools on either side.
        "conv+bias norm pool unit conv+scale norm draw binary-linear norm",
        "conv norm hard_sigmoid pool unit pool1 conv norm draw binary-linear",
        "conv+scale norm sigmoid draw pool conv+bias norm logistic-draw binary-linear",
        "conv pool1 norm pool1 draw conv pool1 norm unit pool1 binary-linear",
        // Scales and biases before draws move the noise of what follows by a layer each.
        "conv+bias draw conv+scale draw conv draw binary-linear",
    ] {
        compare(INTEGER, layers, true);
    }
}

/// What is no whole number is added in another order than in the graph.
#[test]
fn stages_over_reals_have_the_logits_of_the_graph_within_rounding() {
    for layers in [
        "norm linear",
        "pool norm linear",
        "pool hard_sigmoid linear",
        "conv unit conv+bias pool linear",
        "conv unit conv+scale pool1 norm linear",
        "conv unit conv pool norm relu linear",
        "conv unit conv norm pool binary-linear norm",
        "conv+bias pool hard_sigmoid linear",
        "real-conv relu pool linear norm",
        "linear",
    ] {
        compare(INTEGER, layers, false);
    }
    for layers in [
        "norm linear",
        "norm unit linear",
        "pool norm draw linear",
        "norm logistic-draw pool1 linear",
        "hard_sigmoid pool linear",
        "real-conv sigmoid linear norm",
    ] {
        compare(NORMALISED, layers, false);
    }
}

/// No step is there for nothing.
#[test]
fn stages_have_the_steps_of_their_layers() {
    for (layers, steps) in [
        (
            "conv norm pool unit binary-linear",
            "cut pool_bits | affine",
        ),
        (
            "conv unit conv pool norm linear",
            "cut | pool_ints affine | ",
        ),
        (
            "conv unit conv pool relu linear",
            "cut | pool_ints affine function | ",
        ),
        (
            "conv unit conv+bias pool linear",
            "cut | affine max_pool | ",
        ),
        ("conv pool draw linear", "pool_ints draw | "),
        ("pool norm linear", "pool_ints affine | "),
    ] {
        let (_, net) = net(&spec(INTEGER, layers), 1);
        let packed = net.pack().unwrap();
        let names = packed.stages().iter().map(|stage| {
            let names: Vec<_> = stage.tail.iter().map(|step| step.name()).collect();
            names.join(" ")
        });
        assert_eq!(names.collect::<Vec<_>>().join(" | "), steps, "{layers}");
    }
}

#[test]
fn the_largest_sums_are_counted_for_what_is_summed() {
    // 2 x 65,793 numbers of 255 pass 2^24; as bits they do not come near it.
    let wide = |layers: &str| {
        let text = spec(INTEGER, layers);
        let mut wide = text;
        wide.input.height = 257;
        wide.input.width = 257;
        wide
    };
    let (_, sums) = net(&wide("binary-linear norm"), 1);
    let error = sums.pack().expect_err("too large").to_string();
    assert!(
        error.contains("layer 1 (") && error.contains("its sums could reach 2^24"),
        "{error}"
    );
    let (_, fine) = net(&wide("unit binary-linear norm"), 1);
    fine.pack().expect("sums of bits");
}

#[test]
fn what_has_no_packed_form_is_refused_in_one_line() {
    for (layers, words) in [
        (
            "conv norm unit relu binary-linear",
            "layer 4 (relu) cannot be packed: it follows a binary unit",
        ),
        (
            "conv norm unit unit binary-linear",
            "layer 4 (binary) cannot be packed: it follows a binary unit",
        ),
        (
            "conv norm draw draw binary-linear",
            "layer 4 (binary) cannot be packed: it follows a binary unit",
        ),
    ] {
        let (_, net) = net(&spec(INTEGER, layers), 1);
        let error = net.pack().expect_err("refused").to_string();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

/// Sets numbers of a tensor, and returns what packing says.
fn said(layers: &str, tensor: &str, numbers: &[(usize, f32)]) -> String {
    let (_, mut net) = net(&spec(INTEGER, layers), 1);
    let params = net.params_mut();
    let (parameter, buffer) = (params.entries().to_vec(), params.buffer_entries().to_vec());
    for &(i, x) in numbers {
        if let Some(entry) = parameter.iter().find(|e| e.name == tensor) {
            params.values_mut()[entry.span.start + i] = x;
        } else {
            let entry = buffer.iter().find(|e| e.name == tensor).expect("a tensor");
            params.buffer_values_mut()[entry.span.start + i] = x;
        }
    }
    net.pack().err().map_or(String::new(), |e| e.to_string())
}

#[test]
fn numbers_that_are_not_finite_are_refused_where_they_stand() {
    let layers = "conv+bias norm unit linear";
    assert!(said(layers, "l1.weight", &[(3, f32::NAN)]).contains("a weight is not a finite"));
    assert!(said(layers, "l1.bias", &[(1, f32::INFINITY)]).contains("layer 1 ("));
    assert!(said(layers, "l4.weight", &[(0, f32::NEG_INFINITY)]).contains("layer 4 ("));
    // The shift alone; the scale, and with it the shift; and the scale alone.
    let none = "channel 2 has no finite scale and shift";
    assert!(said(layers, "l2.bias", &[(2, f32::INFINITY)]).contains(none));
    assert!(said(layers, "l2.weight", &[(2, f32::NAN)]).contains(none));
    assert_eq!(said(layers, "l2.bias", &[(2, 7.0)]), "");
}

/// Changes the sign of a tensor's numbers.
fn turn(net: &mut Network, tensor: &str) {
    let entries = net.params().entries().to_vec();
    let entry = entries.iter().find(|e| e.name == tensor).expect("a tensor");
    for i in entry.span.clone() {
        net.params_mut().values_mut()[i] *= -1.0;
    }
}

/// `verify` over a packed network whose threshold was moved counts what differs.
#[test]
fn verification_counts_every_difference() {
    let spec = spec(INTEGER, "conv norm pool unit conv norm unit binary-linear");
    let (mut random, mut net) = net(&spec, 3);
    let means = net.params().buffer_entries().to_vec();
    let means = means.iter().find(|e| e.name == "l6.running_mean").unwrap();
    for i in means.span.clone() {
        // No sum lies on a threshold, so that each margin is a distance.
        net.params_mut().buffer_values_mut()[i] += 0.25;
    }
    let images: Vec<Vec<u8>> = (0..30).map(|_| random.image(spec.input.len())).collect();
    let packed = net.pack().unwrap();
    let mut runner = packed.runner(fastest());
    let all = || images.iter().map(Vec::as_slice);
    let same = verify(&mut net, &packed, &mut runner, all()).unwrap();
    assert_eq!((same.images, same.logits), (30, 0));
    assert!(same.predictions.is_empty() && same.margins.is_empty());
    let numbers: Vec<u64> = same.stages.iter().map(|s| s.numbers).collect();
    assert_eq!(numbers, [30 * 5 * 16, 30 * 5 * 16, 30 * 4]);
    assert!(
        same.stages
            .iter()
            .all(|s| s.differing == 0 && s.largest == 0.0)
    );
    let kinds: Vec<bool> = same.stages.iter().map(|s| s.bits).collect();
    assert_eq!(kinds, [true, true, false]);

    // The second layer's weights the other way round: the first stage still agrees.
    let before = net.params().values().to_vec();
    turn(&mut net, "l5.weight");
    let off = verify(&mut net, &packed, &mut runner, all()).unwrap();
    assert_eq!(off.stages[0], same.stages[0]);
    let (bits, logits) = (&off.stages[1], &off.stages[2]);
    // Counted again from the layers' outputs.
    let mut want = (0, 0, 0, 0.0f32);
    let mut predictions = Vec::new();
    let mut margins = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let run = |net: &mut Network| {
            net.set_rows(1);
            net.set_row(0, image, 0);
            net.forward();
            let outputs = (net.layer_output(5).to_vec(), net.layer_output(6).to_vec());
            (outputs, net.logits().to_vec())
        };
        let ((read, bits), logits) = run(&mut net);
        let now = net.params().values().to_vec();
        net.params_mut().values_mut().copy_from_slice(&before);
        let ((_, old_bits), old_logits) = run(&mut net);
        net.params_mut().values_mut().copy_from_slice(&now);
        let other = |a: &f32, b: &f32| a.to_bits() != b.to_bits();
        want.0 += bits.iter().zip(&old_bits).filter(|(a, b)| a != b).count() as u64;
        let differing = logits.iter().zip(&old_logits).filter(|(a, b)| other(a, b));
        let differing = differing.count() as u64;
        want.1 += differing;
        want.2 += usize::from(differing > 0);
        let gaps = logits.iter().zip(&old_logits).map(|(a, b)| (a - b).abs());
        want.3 = gaps.fold(want.3, f32::max);
        let best = |x: &[f32]| (0..x.len()).rev().max_by(|&i, &j| x[i].total_cmp(&x[j]));
        if best(&logits) != best(&old_logits) {
            predictions.push(number);
            let ties = bits.iter().zip(&old_bits).zip(&read);
            let ties = ties.filter(|((a, b), _)| a != b).map(|(_, x)| x.abs());
            margins.push(Some(ties.fold(f32::INFINITY, f32::min)));
        }
    }
    assert!(
        want.0 > 0 && want.1 > 0 && !predictions.is_empty(),
        "{want:?}"
    );
    assert_eq!((bits.differing, bits.largest), (want.0, 1.0));
    assert_eq!(
        (logits.differing, off.logits, logits.largest),
        (want.1, want.2, want.3)
    );
    assert!(margins.iter().flatten().any(|&m| m > 0.0), "{margins:?}");
    assert_eq!((&off.predictions, &off.margins), (&predictions, &margins));
    // The last layer's alone: no bit differs, and no tie is near or far.
    turn(&mut net, "l5.weight");
    turn(&mut net, "l8.weight");
    let last = verify(&mut net, &packed, &mut runner, all()).unwrap();
    assert_eq!(last.stages[..2], same.stages[..2]);
    assert!(!last.predictions.is_empty());
    assert!(last.margins.iter().all(Option::is_none));
    assert_eq!(last.margins.len(), last.predictions.len());
    assert!(
        verify(
            &mut net,
            &packed,
            &mut runner,
            std::iter::once(&[0u8; 3][..])
        )
        .is_err()
    );
    assert_eq!(packed.flows()[0].output().1, Kind::Bits);
}

/// Windows that the packed form does not know are refused by what is new about them.
#[test]
fn groups_dilation_and_rectangles_are_refused_by_name() {
    let conv = r#"{"type":"conv","name":"c","out":4,"kernel":3,"weights":"binary","bias":false"#;
    for (layer, words) in [
        (
            format!(r#"{conv},"groups":2}}"#),
            "(c) cannot be packed: groups have a packed form only with binary weights over bits",
        ),
        (
            format!(r#"{conv},"dilation":2}}"#),
            "(c) cannot be packed: no packed form is known of dilation",
        ),
        (
            format!(r#"{conv},"padding":[1,0]}}"#),
            "(c) cannot be packed: no packed form is known of a window that differs",
        ),
        (
            format!(r#"{conv}}},{{"type":"max_pool","kernel":[2,1]}}"#),
            "layer 2 (max_pool) cannot be packed: no packed form is known of a window that differs",
        ),
    ] {
        let text = format!(
            r#"{{"name":"n","input":{{"channels":2,"height":8,"width":8}},"pixels":"integer","layers":[{layer},{{"type":"linear","name":"f","out":2}}]}}"#
        );
        let spec: ModelSpec = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let net = Network::new(&spec, fastest(), 1, false).unwrap();
        let error = net.pack().expect_err(words).to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    }
}
