//! Exported ONNX files: random networks, images and the logits of the packed network are written
//! where BNN_CPU_ONNX says, for tests/tools/onnx.sh, which compares them with ONNX Runtime.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::common::fastest;
use crate::common::packed::{Mix, RandomNet};
use bnn_cpu::estimators::Firing;
use bnn_cpu::export::{About, onnx};
use bnn_cpu::model::{Placement, preset};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::similarity::{Comparison, Distance, Head};
use bnn_cpu::tensor::Shape;

/// Networks of each kind.
const NETS: u64 = 60;

#[test]
fn networks_are_written_for_another_runtime() {
    let Some(folder) = std::env::var_os("BNN_CPU_ONNX").map(PathBuf::from) else {
        let _ = writeln!(
            std::io::stderr(),
            "left out: networks for ONNX Runtime (run tests/tools/onnx.sh)"
        );
        return;
    };
    for (kind, mix) in [("binary", Mix::Binary), ("real", Mix::Real)] {
        for seed in 0..NETS {
            let mut random = RandomNet::new(1 << 41 | seed, Firing::Deterministic);
            let mut spec = random.either(seed, mix);
            RandomNet::levels(&mut spec, seed / 2);
            if seed.is_multiple_of(2) {
                RandomNet::groups(&mut spec, seed / 2);
            }
            let net = random.net(&spec, fastest(), 1);
            let packed = net
                .pack()
                .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{spec:?}"));
            let images: Vec<Vec<u8>> = (0..8).map(|_| random.image(spec.input.len())).collect();
            let input = onnx::Input::ALL[(seed / 2 % 2) as usize];
            write(
                &folder,
                &format!("{kind}-{seed:02}"),
                &packed,
                input,
                &images,
                &format!("{spec:?}"),
            );
        }
    }
    // Encoders of few-shot runs, whose answer is an embedding.
    for (i, name) in ["few-shot-encoder", "few-shot-published", "few-shot-binary"]
        .into_iter()
        .enumerate()
    {
        for (j, binary) in [[true; 4], [false, false, false, true]]
            .into_iter()
            .enumerate()
        {
            let n = 2 * i + j;
            let mut random = RandomNet::new(1 << 42 | n as u64, Firing::Deterministic);
            let mut spec = preset(name, Shape::image(1, 28, 28), 5).unwrap();
            spec.place(Placement::of(&binary).unwrap(), Firing::Deterministic, "st")
                .unwrap();
            let packed = random.net(&spec, fastest(), 1).pack().unwrap();
            let packed = packed.with_comparison(Some(Comparison {
                head: Head::Matching,
                distance: Distance::Squared,
                scale: 1.0,
            }));
            let images: Vec<Vec<u8>> = (0..8).map(|_| random.image(spec.input.len())).collect();
            write(
                &folder,
                &format!("encoder-{n:02}"),
                &packed,
                onnx::Input::ALL[j],
                &images,
                name,
            );
        }
    }
}

/// Writes a network in both forms, images, and what the packed network answers to them.
fn write(
    folder: &Path,
    name: &str,
    packed: &PackedNet,
    input: onnx::Input,
    images: &[Vec<u8>],
    line: &str,
) {
    let mut runner = packed.runner(fastest());
    let mut logits = vec![0.0; images.len() * packed.classes()];
    runner_logits(&mut runner, images, &mut logits);
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    let about = About {
        licence: String::new(),
        sha256: "0".repeat(64),
        lines: vec![line.into()],
    };
    std::fs::write(file("onnx"), onnx::bytes(packed, input, &about)).unwrap();
    std::fs::write(file("qonnx"), onnx::qonnx_bytes(packed, input, &about)).unwrap();
    std::fs::write(file("images"), images.concat()).unwrap();
    let bytes: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(file("logits"), bytes).unwrap();
}

fn runner_logits(runner: &mut bnn_cpu::packed::Runner, images: &[Vec<u8>], logits: &mut [f32]) {
    let classes = logits.len() / images.len();
    for (image, out) in images.iter().zip(logits.chunks_exact_mut(classes)) {
        runner.logits(image, out);
    }
}
