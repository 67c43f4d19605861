//! ONNX files that this program wrote are read back, and the network answers as before.

use crate::common::fastest;
use crate::common::packed::{Mix, RandomNet};
use bnn_cpu::estimators::Firing;
use bnn_cpu::export::{About, onnx};
use bnn_cpu::import;
use bnn_cpu::model::{Network, Pixels, weights};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::tape::Mode;

/// Networks of each kind.
const NETS: u64 = 40;

/// The logits of a network that was read, and those of its packed form if it has one.
struct Read {
    net: Network,
    packed: Option<PackedNet>,
}

fn read(bytes: &[u8], input: onnx::Input) -> Result<Read, String> {
    assert!(import::is_onnx(bytes));
    let found = import::onnx(bytes, "net")?;
    // Whether pixels are bytes or floats, the file says what they are.
    assert!(found.spec.pixels.is_some(), "{input:?}");
    let mut net = Network::new(&found.spec, fastest(), 1, false).map_err(|e| e.to_string())?;
    let path = std::path::Path::new("net.onnx");
    weights::import(net.params_mut(), found.tensors, path).map_err(|e| e.to_string())?;
    net.pass_mut().mode = Mode::Eval;
    let packed = net.pack().ok();
    Ok(Read { net, packed })
}

fn near(found: &[f32], wanted: &[f32]) -> bool {
    let most = wanted.iter().fold(0.0f32, |most, z| most.max(z.abs()));
    let reach = 1e-4 * most + 1e-5;
    found.len() == wanted.len()
        && found
            .iter()
            .zip(wanted)
            .all(|(a, b)| (a - b).abs() <= reach)
}

/// Whether a file's network answers as the packed one did, image by image.
fn differing(read: &mut Read, images: &[Vec<u8>], packed: &PackedNet) -> (usize, usize) {
    let (mut wrong, mut packed_wrong) = (0, 0);
    let mut runner = packed.runner(fastest());
    let mut own = read.packed.as_ref().map(|p| p.runner(fastest()));
    let (mut wanted, mut found) = (vec![0.0; packed.classes()], vec![0.0; packed.classes()]);
    for image in images {
        runner.logits(image, &mut wanted);
        read.net.set_rows(1);
        read.net.set_image(0, image);
        read.net.forward();
        wrong += usize::from(!near(read.net.logits(), &wanted));
        if let Some(own) = &mut own {
            own.logits(image, &mut found);
            packed_wrong += usize::from(!near(&found, &wanted));
        }
    }
    (wrong, packed_wrong)
}

#[test]
fn what_was_exported_is_read_back_and_answers_the_same() {
    let mut counts = Vec::new();
    for (kind, mix) in [("binary", Mix::Binary), ("real", Mix::Real)] {
        let (mut wrong, mut total, mut packable) = (0, 0, 0);
        for seed in 0..NETS {
            let mut random = RandomNet::new(1 << 43 | seed, Firing::Deterministic);
            let mut spec = random.either(seed, mix);
            RandomNet::levels(&mut spec, seed / 2);
            let net = random.net(&spec, fastest(), 1);
            let packed = net.pack().expect("a random network can be packed");
            let images: Vec<Vec<u8>> = (0..6).map(|_| random.image(spec.input.len())).collect();
            let input = onnx::Input::ALL[(seed / 2 % 2) as usize];
            let about = About::default();
            let forms = [
                onnx::bytes(&packed, input, &about),
                onnx::qonnx_bytes(&packed, input, &about),
            ];
            for (form, bytes) in ["onnx", "qonnx"].into_iter().zip(forms) {
                let mut found = read(&bytes, input)
                    .unwrap_or_else(|e| panic!("{kind} {seed} {form}: {e}\n{spec:?}"));
                let (differ, packed_differ) = differing(&mut found, &images, &packed);
                if kind == "binary" {
                    let what = format!("{kind} {seed} {form}: {spec:?}\n{:?}", found.net.spec());
                    assert_eq!((differ, packed_differ), (0, 0), "{what}");
                }
                packable += usize::from(found.packed.is_some());
                wrong += differ + packed_differ;
                total += images.len();
            }
        }
        counts.push((kind, wrong, total, packable));
    }
    // A rounding may turn a bit of a network with real weights.
    let (_, wrong, total, _) = counts[1];
    assert!(wrong * 50 <= total, "{counts:?}");
    for (kind, _, _, packable) in &counts {
        assert!(packable * 10 >= 9 * 2 * NETS as usize, "{kind}: {counts:?}");
    }
}

/// An array as NumPy writes it: its sides, and the bytes of its numbers.
fn array(path: &str) -> (Vec<usize>, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..length]).unwrap();
    let sides = header.split(['(', ')']).nth(1).unwrap();
    let sides = sides.split(',').filter_map(|side| side.trim().parse().ok());
    (sides.collect(), bytes[length..].to_vec())
}

/// Networks that other programs trained and exported, with what those answer
/// (`tests/tools/foreign.py`).
#[test]
fn networks_of_other_programs_answer_as_they_did_there() {
    for name in ["torch", "torch_dynamo", "brevitas", "larq"] {
        let file = |end: &str| format!("tests/golden/onnx/{name}.{end}");
        let bytes = std::fs::read(file("onnx")).unwrap();
        let mut found = import::onnx(&bytes, name).unwrap_or_else(|e| panic!("{name} {e}"));
        found.spec.pixels = Some(Pixels::normalised(0.0, 1.0));
        let mut net = Network::new(&found.spec, fastest(), 1, false).expect("a network");
        let path = std::path::Path::new(name);
        weights::import(net.params_mut(), found.tensors, path).expect("its weights");
        net.pass_mut().mode = Mode::Eval;
        net.set_rows(1);
        let (given, images) = array(&file("x.npy"));
        let (wanted, logits) = array(&file("y.npy"));
        let logits: Vec<f32> = logits
            .as_chunks()
            .0
            .iter()
            .map(|w| f32::from_le_bytes(*w))
            .collect();
        assert_eq!((given[0], wanted[0], wanted[1]), (20, 20, 5));
        let (size, shape) = (images.len() / 20, found.spec.input);
        // Of TensorFlow (row, column, channel), as here; of the others (channel, row, column).
        let packed = net.pack();
        let packed = packed.unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut runner = packed.runner(fastest());
        let mut out = vec![0.0; 5];
        for (image, wanted) in images.chunks_exact(size).zip(logits.chunks_exact(5)) {
            let mut turned = image.to_vec();
            if name != "larq" {
                for (i, &x) in image.iter().enumerate() {
                    turned[shape.stored_at(i)] = x;
                }
            }
            net.set_image(0, &turned);
            net.forward();
            assert!(
                near(net.logits(), wanted),
                "{name}: {:?} {wanted:?}",
                net.logits()
            );
            runner.logits(&turned, &mut out);
            assert!(near(&out, wanted), "{name}, packed: {out:?} {wanted:?}");
        }
    }
}

#[test]
fn pixels_are_what_they_were_to_the_exported_network() {
    for pixels in [
        Pixels::Integer,
        Pixels::normalised(0.25, 0.5),
        Pixels::normalised(0.0, 1.0),
    ] {
        let mut random = RandomNet::new(7, Firing::Deterministic);
        let mut spec = random.spec(Mix::Real);
        spec.pixels = Some(pixels.clone());
        let packed = random.net(&spec, fastest(), 1).pack().unwrap();
        for input in onnx::Input::ALL {
            let bytes = onnx::bytes(&packed, *input, &About::default());
            let found = import::onnx(&bytes, "net").unwrap();
            assert_eq!(found.spec.pixels, Some(pixels.clone()), "{input:?}");
        }
    }
}
