//! Exported C: random networks of every form are written in both flavours, compiled by the compilers
//! that there are, as C and as C++, with all warnings as errors and with sanitisers, and answer
//! images with the bits of the packed network.

use crate::common::compiled::{answers, works, written};
use crate::common::packed::{Mix, RandomNet};
use crate::common::{bits, fastest};
use bnn_cpu::data::digits;
use bnn_cpu::estimators::Firing;
use bnn_cpu::export::{About, c99};
use bnn_cpu::packed::{PackedNet, Reading, Stage, Step, Values, Weights};
use bnn_cpu::similarity::{Comparison, Distance, Head};

/// The ways to compile, by turns.
const COMPILERS: &[(&str, &[&str])] = &[
    ("gcc", &["-std=c99", "-O2"]),
    ("clang", &["-std=c99", "-O1"]),
    ("g++", &["-x", "c++", "-std=c++98", "-Wno-long-long", "-O1"]),
    (
        "gcc",
        &[
            "-std=c99",
            "-O1",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
        ],
    ),
    (
        "clang++",
        &["-x", "c++", "-std=c++17", "-ffp-contract=off", "-O1"],
    ),
    (
        "clang",
        &[
            "-std=c99",
            "-O1",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
        ],
    ),
    ("gcc", &["-std=c99", "-O2", "-mpopcnt"]),
    ("gcc", &["-std=c99", "-Os", "-DNET_WORD_BITS=32"]),
];

fn compilers() -> Vec<(&'static str, &'static [&'static str])> {
    let all = COMPILERS.iter().copied();
    let there: Vec<_> = all.filter(|&compiler| works(compiler)).collect();
    for missing in COMPILERS.iter().filter(|c| !there.contains(c)) {
        println!("left out: {} {}", missing.0, missing.1.join(" "));
    }
    there
}

/// The logits by the packed network: by its runner where they are exact, else by the loops over
/// single numbers, whose order is that of the code.
fn expected(packed: &PackedNet, mix: Mix, image: &[u8]) -> Vec<f32> {
    if mix == Mix::Binary {
        let mut logits = vec![0.0; packed.classes()];
        packed.runner(fastest()).logits(image, &mut logits);
        return logits;
    }
    match packed.naive(image, Reading::Threshold).pop() {
        Some(Values::Reals(logits)) => logits,
        _ => panic!("logits are reals"),
    }
}

fn compare(seed: u64, mix: Mix, compiler: (&str, &[&str])) {
    let firing = match seed % 5 {
        0 => Firing::Stochastic,
        _ => Firing::Deterministic,
    };
    let mut random = RandomNet::new(1 << 40 | seed, firing);
    let mut spec = random.either(seed, mix);
    RandomNet::levels(&mut spec, seed / 2);
    let net = random.net(&spec, fastest(), 1);
    let packed = net
        .pack()
        .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{spec:?}"));
    let images: Vec<Vec<u8>> = (0..6).map(|_| random.image(spec.input.len())).collect();
    for &flavour in c99::Flavour::ALL {
        let code = written(&packed, flavour);
        let found = answers(&code, compiler, &images);
        assert_eq!(found.len(), images.len());
        for (i, (image, (logits, class))) in images.iter().zip(found).enumerate() {
            let want = expected(&packed, mix, image);
            let about = format!("seed {seed}, {flavour:?}, {compiler:?}, image {i}\n{spec:?}");
            assert_eq!(bits(&logits), bits(&want), "{about}\n{}", code.source);
            let best = (0..want.len())
                .rev()
                .max_by(|&a, &b| want[a].total_cmp(&want[b]));
            assert_eq!(class, best.unwrap() as i32, "{about}");
        }
    }
}

fn nets(from: u64, to: u64, mix: Mix) {
    let compilers = compilers();
    if compilers.is_empty() {
        println!("left out: there is no compiler of C");
        return;
    }
    for seed in from..to {
        // A net of either parity, so a chain and a graph, meets each compiler.
        let turn = (seed / 2 + seed % 2 * 3) as usize;
        compare(seed, mix, compilers[turn % compilers.len()]);
    }
}

#[test]
fn binary_networks_have_the_logits_of_the_runner_to_the_bit() {
    nets(0, count(24), Mix::Binary);
}

#[test]
fn networks_with_real_weights_have_those_of_the_loops_to_the_bit() {
    nets(100, 100 + count(20), Mix::Either);
}

/// The comparison notices a threshold that is turned round and a weight that is turned.
#[test]
fn planted_faults_are_noticed() {
    let compiler: (&str, &[&str]) = ("cc", &["-std=c99", "-O1"]);
    if !works(compiler) {
        println!("left out: there is no compiler of C");
        return;
    }
    let mut random = RandomNet::new(1 << 40 | 13, Firing::Deterministic);
    let spec = random.graph(Mix::Binary);
    let packed = random.net(&spec, fastest(), 1).pack().unwrap();
    let images: Vec<Vec<u8>> = (0..40).map(|_| random.image(spec.input.len())).collect();
    let differing = |change: &dyn Fn(&mut Stage)| {
        let mut stages = packed.stages().to_vec();
        stages.iter_mut().for_each(change);
        let (input, pixels) = (packed.input(), packed.pixels().clone());
        let changed = PackedNet::new("changed".into(), input, pixels, stages).unwrap();
        let code = written(&changed, c99::Flavour::Small);
        let found = answers(&code, compiler, &images);
        let other = |(image, (logits, _)): &(&Vec<u8>, (Vec<f32>, i32))| {
            bits(logits) != bits(&expected(&packed, Mix::Binary, image))
        };
        images.iter().zip(found).filter(other).count()
    };
    assert_eq!(differing(&|_| {}), 0);
    let turned = differing(&|stage| {
        if let Weights::Binary { words } = &mut stage.weights {
            words[0] ^= 1;
        }
    });
    let moved = differing(&|stage| {
        for step in &mut stage.tail {
            if let Step::Threshold { thresholds } = step {
                thresholds.inverted[0] ^= true;
            }
        }
    });
    assert!(turned > 0 && moved > 0, "{turned} and {moved} of 40");
}

/// A network of a few-shot run ends in an embedding, and has no classes to choose from.
#[test]
fn an_embedding_is_no_class() {
    let mut random = RandomNet::new(7, Firing::Deterministic);
    let spec = random.either(7, Mix::Binary);
    let packed = random.net(&spec, fastest(), 1).pack().unwrap();
    let by = Comparison {
        head: Head::Matching,
        distance: Distance::Squared,
        scale: 1.0,
    };
    let code = written(&packed.with_comparison(Some(by)), c99::Flavour::Small);
    assert!(code.header.contains("void net_embedding(") && code.header.contains("NET_ELEMENTS"));
    assert!(!code.header.contains("classify") && !code.source.contains("classify"));
}

/// C has no constant for what is no number.
#[test]
fn numbers_that_are_not_finite_are_refused_by_the_name_of_their_stage() {
    let mut random = RandomNet::new(101, Firing::Deterministic);
    let spec = random.either(101, Mix::Real);
    let packed = random.net(&spec, fastest(), 1).pack().unwrap();
    let mut stages = packed.stages().to_vec();
    let Weights::Real { values, .. } = &mut stages[0].weights else {
        panic!("the weights are real")
    };
    values[0] = f32::NAN;
    let (input, pixels) = (packed.input(), packed.pixels().clone());
    let wrong = PackedNet::new("wrong".into(), input, pixels, stages).unwrap();
    let error = c99::code(&wrong, &c99::Options::default(), &About::default());
    let error = error.unwrap_err().to_string();
    let name = &wrong.stages()[0].name;
    assert!(
        error.contains(&format!("stage {name}: a number")),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
}

/// How many networks: as many as the environment says, for a long search.
fn count(few: u64) -> u64 {
    match std::env::var("BNN_CPU_EXPORT_NETS") {
        Ok(n) => n.parse().expect("BNN_CPU_EXPORT_NETS is a number"),
        Err(_) => few,
    }
}

/// The pictures of the example for microcontrollers are the first that `--dataset digits` tests on.
#[test]
fn the_microcontroller_classifies_built_in_digits() {
    let text = include_str!("../../examples/microcontroller/digits/digits.h");
    let numbers = |name: &str| -> Vec<u8> {
        let (_, rest) = text.split_once(name).unwrap();
        let (_, rest) = rest.split_once('=').unwrap();
        let (table, _) = rest.split_once(';').unwrap();
        let words = table.split(|c: char| !c.is_ascii_digit());
        words.filter_map(|word| word.parse().ok()).collect()
    };
    let data = digits::generate(digits::SEED, 1, 10);
    let test = &data.test;
    let (labels, pixels) = (numbers("digit_labels"), numbers("digit_pixels"));
    let labels: Vec<_> = labels.into_iter().map(u32::from).collect();
    assert_eq!(labels, test.labels());
    assert!(pixels == test.pixels(), "digits.h has other pictures");
}
