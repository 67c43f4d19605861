//! The committed xnor-net as C on all test images of real MNIST: every logit of both flavours is
//! that of the packed network, to the bit.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::common::compiled::{answers, works, written};
use crate::common::{bits, fastest};
use bnn_cpu::data::mnist;
use bnn_cpu::export::c99;
use bnn_cpu::packed::PackedNet;

/// The committed network; a package of the crate does not have it.
const NETWORK: &str = "results/networks/xnor-net/best.packed";

#[test]
fn every_logit_of_every_test_image_is_that_of_the_packed_network() {
    let left_out = |why: &str| {
        // Past the harness's capture, so that it is always seen.
        let _ = writeln!(std::io::stderr(), "left out: exported C on MNIST ({why})");
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(NETWORK);
    let folder = std::env::var_os("BNN_CPU_DATA").filter(|v| !v.is_empty());
    let Some(folder) = folder.map(PathBuf::from) else {
        return left_out("set BNN_CPU_DATA");
    };
    if !path.exists() {
        return left_out("the package has no results");
    }
    let compiler: (&str, &[&str]) = ("cc", &["-std=c99", "-O2"]);
    if !works(compiler) {
        return left_out("there is no C compiler");
    }
    let found = mnist::find(None, Some(&folder)).unwrap();
    let data = mnist::load(&found.expect("a named folder is never passed over")).unwrap();
    let net = PackedNet::read(&path).unwrap();
    let images: Vec<Vec<u8>> = (0..data.test.len())
        .map(|i| data.test.image(i).to_vec())
        .collect();
    assert_eq!(images.len(), 10_000);
    let mut runner = net.runner(fastest());
    let mut want = vec![0.0; 10];
    for &flavour in c99::Flavour::ALL {
        let answered = answers(&written(&net, flavour), compiler, &images);
        assert_eq!(answered.len(), images.len());
        let mut right = 0;
        for (i, (logits, class)) in answered.iter().enumerate() {
            runner.logits(&images[i], &mut want);
            assert_eq!(bits(logits), bits(&want), "{flavour:?}, image {i}");
            let best = runner.classify(&images[i]).unwrap();
            assert_eq!(*class, best as i32, "{flavour:?}, image {i}");
            right += usize::from(best == data.test.labels()[i] as usize);
        }
        // The accuracy that the run's test.json states.
        assert_eq!(right, 9868, "{flavour:?}");
    }
}
