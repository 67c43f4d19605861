//! Packed files: what is written is read, and what is damaged, lying or newer is
//! refused in one line.

use crate::common::fastest;
use crate::common::packed::{Mix, RandomNet};
use bnn_cpu::container;
use bnn_cpu::estimators::Firing;
use bnn_cpu::model::{Init, Network, preset};
use bnn_cpu::packed::{PackedNet, Pixels, Product, Stage, Step, Weights};
use bnn_cpu::tensor::Shape;

fn xnor() -> PackedNet {
    let spec = preset("xnor-net", Shape::image(1, 28, 28), 10).unwrap();
    let mut net = Network::new(&spec, fastest(), 1, false).unwrap();
    net.init(Init::Pytorch, 3);
    net.pack().unwrap()
}

/// The one-line error of bytes that are no packed network.
fn refused(bytes: &[u8]) -> String {
    let error = PackedNet::from_bytes(bytes)
        .expect_err("bad bytes")
        .to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

/// The file with the first `from` in it replaced by `to`, of the same length.
fn patched(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes
        .windows(from.len())
        .position(|w| w == from.as_bytes())
        .unwrap_or_else(|| panic!("no {from} in the file"));
    let mut bytes = bytes.to_vec();
    bytes[at..][..to.len()].copy_from_slice(to.as_bytes());
    // What lies behind the seal is tested, so the seal is made to fit.
    container::reseal(bytes).expect("a seal")
}

/// Where a tensor's data lies in a file.
fn data_of(bytes: &[u8], name: &str) -> std::ops::Range<usize> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let data = file.tensor(name).unwrap().data();
    let at = data.as_ptr() as usize - bytes.as_ptr() as usize;
    at..at + data.len()
}

#[test]
fn the_xnor_net_takes_less_than_8_kb() {
    let bytes = xnor().to_bytes().unwrap();
    assert!(bytes.len() < 8000, "{} bytes", bytes.len());
    assert_eq!(
        PackedNet::from_bytes(&bytes).unwrap().to_bytes().unwrap(),
        bytes
    );
}

#[test]
fn files_hold_every_kind_of_stage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.packed");
    for seed in 0..60 {
        for firing in [Firing::Deterministic, Firing::Stochastic] {
            let mut random = RandomNet::new(3 << 32 | seed, firing);
            let mut spec = random.either(seed, Mix::Either);
            RandomNet::levels(&mut spec, seed / 2);
            let packed = random.net(&spec, fastest(), 1).pack().unwrap();
            let size = packed.write(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), size as u64);
            assert_eq!(PackedNet::read(&path).unwrap(), packed, "seed {seed}");
        }
    }
}

#[test]
fn a_file_cut_short_is_refused_at_every_length() {
    let whole = xnor().to_bytes().unwrap();
    for length in 0..whole.len() {
        let error = refused(&whole[..length]);
        assert!(error.contains("cut short"), "{length}: {error}");
    }
}

#[test]
fn other_files_and_versions_are_refused() {
    let whole = xnor().to_bytes().unwrap();
    assert!(refused(&[]).contains("safetensors"));
    assert!(refused(&[255; 100]).contains("safetensors"));
    assert!(refused(&patched(&whole, "format\\\":2", "format\\\":9")).contains("format 9"));
    assert!(
        refused(&patched(&whole, "bnn-cpu-packed", "bnn-cpu-parked")).contains("something else")
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.packed");
    std::fs::write(&path, &whole[..100]).unwrap();
    let error = PackedNet::read(&path).expect_err("a part").to_string();
    assert!(
        error.contains("net.packed") && error.contains("cut short"),
        "{error}"
    );
    let error = PackedNet::read(&dir.path().join("none"))
        .expect_err("nothing")
        .to_string();
    assert!(error.starts_with("cannot read"), "{error}");
}

#[test]
fn lying_shapes_are_refused_before_anything_is_allocated() {
    let whole = xnor().to_bytes().unwrap();
    // More channels than the tensors have, far too many, and impossible windows.
    for (from, to) in [
        ("\\\"out\\\":16", "\\\"out\\\":17"),
        (
            "\\\"out\\\":16,\\\"kernel\\\":5",
            "\\\"out\\\":1,\\\"kernel\\\":60",
        ),
        ("\\\"kernel\\\":5", "\\\"kernel\\\":0"),
        ("\\\"kernel\\\":5,", "\\\"kernel\\\":99"),
        ("\\\"stride\\\":1", "\\\"stride\\\":0"),
        ("\\\"padding\\\":2", "\\\"padding\\\":7"),
        ("\\\"channels\\\":1", "\\\"channels\\\":0"),
        ("\\\"height\\\":28", "\\\"height\\\":27"),
        ("\\\"type\\\":\\\"cut\\\"", "\\\"type\\\":\\\"cup\\\""),
        ("\\\"type\\\":\\\"linear\\\"", "\\\"type\\\":\\\"linear\\\""),
    ] {
        if from == to {
            continue;
        }
        refused(&patched(&whole, from, to));
    }
    let stage = |out: usize| Stage {
        name: "fc".into(),
        layer: 0,
        inputs: Vec::new(),
        product: Product::Linear { out },
        weights: Weights::Real {
            values: Vec::new(),
            bias: Vec::new(),
        },
        tail: Vec::new(),
    };
    for out in [0, 10, 1 << 20, usize::MAX] {
        let input = Shape::image(1, 1 << 14, 1 << 14);
        let error = PackedNet::new("lie".into(), input, Pixels::Raw, vec![stage(out)]);
        assert!(error.is_err());
    }
}

#[test]
fn lying_numbers_are_refused() {
    let whole = xnor().to_bytes().unwrap();
    let with = |name: &str, at: usize, value: &[u8]| {
        let mut bytes = whole.clone();
        let range = data_of(&whole, name);
        bytes[range][at..][..value.len()].copy_from_slice(value);
        refused(&container::reseal(bytes).expect("a seal"))
    };
    for threshold in [i32::MIN, -7000, 7000, i32::MAX] {
        let error = with("0.0.threshold", 8, &threshold.to_le_bytes());
        assert!(
            error.contains("channel 2") && error.contains("outside"),
            "{error}"
        );
    }
    assert!(with("1.0.flip", 3, &[2]).contains("not 0 or 1"));
    // The 25 weights of a channel end at bit 24.
    assert!(with("0.weight", 3, &[2]).contains("beyond the last"));
}

#[test]
fn a_network_must_end_in_reals_and_its_steps_must_fit() {
    let packed = xnor();
    let stages = packed.stages();
    let new = |stages: Vec<Stage>| {
        let error = PackedNet::new("x".into(), packed.input(), packed.pixels().clone(), stages);
        error.expect_err("unsound").to_string()
    };
    assert!(new(stages[..2].to_vec()).contains("must end in"));
    assert!(new(Vec::new()).contains("must end in"));
    let mut unsound = stages.to_vec();
    unsound[0].tail.insert(0, Step::Fire);
    let error = new(unsound);
    assert!(
        error.contains("stage conv1") && error.contains("fire"),
        "{error}"
    );
    let mut unsound = stages.to_vec();
    if let Step::Threshold { thresholds } = &mut unsound[1].tail[0] {
        thresholds.threshold.pop();
    }
    assert!(new(unsound).contains("wrong length"));
}
