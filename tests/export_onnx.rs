//! Exported ONNX files: random networks, images and the logits of the packed network are written
//! where BNN_CPU_ONNX says, for tests/tools/onnx.sh, which compares them with ONNX Runtime.

mod common;

use std::io::Write;
use std::path::PathBuf;

use bnn_cpu::estimators::Firing;
use bnn_cpu::export::{About, onnx};
use common::fastest;
use common::packed::{Mix, RandomNet};

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
            let net = random.net(&spec, fastest(), 1);
            let packed = net
                .pack()
                .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{spec:?}"));
            let input = onnx::Input::ALL[(seed / 2 % 2) as usize];
            let mut runner = packed.runner(fastest());
            let images: Vec<Vec<u8>> = (0..8).map(|_| random.image(spec.input.len())).collect();
            let mut logits = vec![0.0; 8 * packed.classes()];
            runner_logits(&mut runner, &images, &mut logits);
            let file = |end: &str| folder.join(format!("{kind}-{seed:02}.{end}"));
            let about = About {
                licence: String::new(),
                sha256: "0".repeat(64),
                lines: vec![format!("{spec:?}")],
            };
            std::fs::write(file("onnx"), onnx::bytes(&packed, input, &about)).unwrap();
            std::fs::write(file("qonnx"), onnx::qonnx_bytes(&packed, input, &about)).unwrap();
            std::fs::write(file("images"), images.concat()).unwrap();
            let bytes: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
            std::fs::write(file("logits"), bytes).unwrap();
        }
    }
}

fn runner_logits(runner: &mut bnn_cpu::packed::Runner, images: &[Vec<u8>], logits: &mut [f32]) {
    let classes = logits.len() / images.len();
    for (image, out) in images.iter().zip(logits.chunks_exact_mut(classes)) {
        runner.logits(image, out);
    }
}
