//! Exported C: random networks of every form are written in both flavours, compiled by the compilers
//! that there are, as C and as C++, with all warnings as errors and with sanitisers, and answer
//! images with the bits of the packed network.

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bnn_cpu::estimators::Firing;
use bnn_cpu::export::{About, c99};
use bnn_cpu::packed::{PackedNet, Reading, Values};
use common::packed::{Mix, RandomNet};
use common::{bits, fastest};

/// Reads images and writes the bits of their logits, and their class.
const HARNESS: &str = r#"
#include "net.h"
#include <stdio.h>
static struct net_scratch scratch;
static uint8_t pixels[NET_PIXELS];
static float logits[NET_CLASSES];
int main(void) {
  while (fread(pixels, 1, sizeof pixels, stdin) == sizeof pixels) {
    unsigned char *bytes = (unsigned char *)&scratch;
    int32_t found;
    size_t i;
    /* What the last call left must not matter. */
    for (i = 0; i < sizeof scratch; i++) bytes[i] = 0xa5;
    net_logits(pixels, &scratch, logits);
    for (i = 0; i < sizeof scratch; i++) bytes[i] = 0x5a;
    found = net_classify(pixels, &scratch);
    fwrite(logits, sizeof logits, 1, stdout);
    fwrite(&found, sizeof found, 1, stdout);
  }
  return 0;
}
"#;

const STRICT: &[&str] = &["-Wall", "-Wextra", "-pedantic", "-Werror"];

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

/// Whether a compiler is there and takes the flags.
fn works(compiler: (&str, &[&str])) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.c");
    std::fs::write(&file, "int main(void) { return 0; }\n").unwrap();
    let done = Command::new(compiler.0)
        .args(compiler.1)
        .arg(&file)
        .arg("-o")
        .arg(dir.path().join("empty"))
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}

fn compilers() -> Vec<(&'static str, &'static [&'static str])> {
    let all = COMPILERS.iter().copied();
    let there: Vec<_> = all.filter(|&compiler| works(compiler)).collect();
    for missing in COMPILERS.iter().filter(|c| !there.contains(c)) {
        println!("left out: {} {}", missing.0, missing.1.join(" "));
    }
    there
}

/// The logits and the class of each image by the exported code.
fn answers(
    code: &c99::Code,
    compiler: (&str, &[&str]),
    images: &[Vec<u8>],
) -> Vec<(Vec<f32>, i32)> {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("net.h"), &code.header).unwrap();
    std::fs::write(at("net.c"), &code.source).unwrap();
    std::fs::write(at("main.c"), HARNESS).unwrap();
    compile(dir.path(), compiler);
    let mut child = Command::new(at("net"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = images.concat();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(out.status.success(), "{}", code.source);
    let each = out.stdout.len() / images.len();
    let number = |b: &[u8]| [b[0], b[1], b[2], b[3]];
    let one = |answer: &[u8]| {
        let (logits, class) = answer.split_at(each - 4);
        let logits = logits
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(number(b)));
        (logits.collect(), i32::from_le_bytes(number(class)))
    };
    out.stdout.chunks_exact(each).map(one).collect()
}

fn compile(dir: &Path, (program, flags): (&str, &[&str])) {
    let done = Command::new(program)
        .args(STRICT)
        .args(flags)
        .args(["main.c", "net.c", "-o", "net"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{program} {flags:?}: {}\n{}",
        String::from_utf8_lossy(&done.stderr),
        std::fs::read_to_string(dir.join("net.c")).unwrap()
    );
}

fn written(packed: &PackedNet, flavour: c99::Flavour) -> c99::Code {
    let name = Some("net".into());
    c99::code(packed, &c99::Options { name, flavour }, &About::default()).unwrap()
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
    nets(0, count(40), Mix::Binary);
}

#[test]
fn networks_with_real_weights_have_those_of_the_loops_to_the_bit() {
    nets(100, 100 + count(32), Mix::Either);
}

/// How many networks: as many as the environment says, for a long search.
fn count(few: u64) -> u64 {
    match std::env::var("BNN_CPU_EXPORT_NETS") {
        Ok(n) => n.parse().expect("BNN_CPU_EXPORT_NETS is a number"),
        Err(_) => few,
    }
}
