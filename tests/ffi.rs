//! The interface for C, called as C does, with what C can get wrong.

use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};

use bnn_cpu::ffi::*;
use bnn_cpu::kernels::select;
use bnn_cpu::packed::PackedNet;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/results/networks/xnor-net/best.packed"
);

fn error() -> String {
    // SAFETY: the text lasts until the next call of this thread.
    unsafe { CStr::from_ptr(bnn_cpu_error()) }
        .to_str()
        .unwrap()
        .into()
}

fn refused(what: &str) {
    let said = error();
    assert!(said.contains(what) && !said.contains('\n'), "{said}");
}

#[test]
fn answers_are_those_of_the_runner() {
    let packed = PackedNet::read(FILE.as_ref()).unwrap();
    let mut runner = packed.runner(select(None).unwrap());
    let path = CString::new(FILE).unwrap();
    let bytes = std::fs::read(FILE).unwrap();
    // SAFETY: pointers and lengths are those of slices; every network is freed once.
    unsafe {
        let opened = bnn_cpu_open(path.as_ptr());
        let loaded = bnn_cpu_load(bytes.as_ptr(), bytes.len());
        let cloned = bnn_cpu_clone(opened);
        let mut shape = [0; 3];
        for net in [opened, loaded, cloned] {
            assert!(!net.is_null(), "{}", error());
            assert_eq!(bnn_cpu_shape(net, shape.as_mut_ptr()), 0);
            assert_eq!((shape, bnn_cpu_classes(net)), ([1, 28, 28], 10));
        }
        for seed in 0..50u32 {
            let pixel = |i: u32| (i.wrapping_mul(2_654_435_761 + seed) >> 24) as u8;
            let image: Vec<u8> = (0..784).map(pixel).collect();
            let (mut want, mut found) = ([0.0; 10], [0.0; 10]);
            runner.logits(&image, &mut want);
            let net = [opened, loaded, cloned][seed as usize % 3];
            let done = bnn_cpu_logits(net, image.as_ptr(), 784, found.as_mut_ptr(), 10);
            assert_eq!((done, found.map(f32::to_bits)), (0, want.map(f32::to_bits)));
            let class = bnn_cpu_classify(net, image.as_ptr(), 784);
            assert_eq!(Some(class as usize), runner.classify(&image));
        }
        for net in [opened, loaded, cloned] {
            bnn_cpu_free(net);
        }
        let isa = CStr::from_ptr(bnn_cpu_isa()).to_str().unwrap();
        assert_eq!(isa, select(None).unwrap().kernels.isa.name());
    }
}

#[test]
fn what_is_wrong_is_refused_in_a_line() {
    let path = CString::new(FILE).unwrap();
    let (image, mut logits, mut shape) = ([0u8; 784], [7.0f32; 10], [0usize; 3]);
    // SAFETY: pointers are null or those of slices that are long enough.
    unsafe {
        let net = bnn_cpu_open(path.as_ptr());
        assert!(bnn_cpu_open(null()).is_null());
        refused("the path is NULL");
        assert!(bnn_cpu_open(c"no/such/file".as_ptr()).is_null());
        refused("no/such/file");
        assert!(bnn_cpu_open(c"\xff".as_ptr()).is_null());
        refused("UTF-8");
        assert!(bnn_cpu_load(null(), 4).is_null());
        refused("the packed file is NULL");
        assert!(bnn_cpu_load(image.as_ptr(), 784).is_null());
        refused("packed network");
        assert!(bnn_cpu_load(image.as_ptr(), usize::MAX).is_null());
        refused("impossible length");
        assert!(bnn_cpu_clone(null()).is_null());
        refused("the network is NULL");
        assert_eq!(bnn_cpu_classes(null()), 0);
        assert_eq!(bnn_cpu_shape(null(), shape.as_mut_ptr()), -1);
        assert_eq!(bnn_cpu_shape(net, null_mut()), -1);
        refused("the shape is NULL");
        let crooked = shape.as_mut_ptr().cast::<u8>().wrapping_add(1).cast();
        assert_eq!(bnn_cpu_shape(net, crooked), -1);
        refused("no place of three numbers");
        assert_eq!(bnn_cpu_classify(null(), image.as_ptr(), 784), -1);
        refused("the network is NULL");
        assert_eq!(bnn_cpu_classify(net, null(), 784), -1);
        refused("the image is NULL");
        assert_eq!(bnn_cpu_classify(net, image.as_ptr(), 783), -1);
        refused("784 bytes, not 783");
        let to = logits.as_mut_ptr();
        assert_eq!(bnn_cpu_logits(net, image.as_ptr(), 784, to, 9), -1);
        refused("10 logits, and there is room for 9");
        assert_eq!(bnn_cpu_logits(net, image.as_ptr(), 784, null_mut(), 10), -1);
        refused("NULL");
        bnn_cpu_free(null_mut());
        bnn_cpu_free(net);
    }
    assert_eq!(logits, [7.0; 10]);
}

#[test]
fn threads_may_share_a_network_and_have_errors_of_their_own() {
    let path = CString::new(FILE).unwrap();
    // SAFETY: as above; the network outlives the threads.
    let net = unsafe { bnn_cpu_open(path.as_ptr()) } as usize;
    let image = [9u8; 784];
    let classify = |length| {
        // SAFETY: as above.
        unsafe { bnn_cpu_classify(net as *const bnn_cpu_net, image.as_ptr(), length) }
    };
    let want = classify(784);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|_| assert_eq!(classify(784), want)));
        }
        scope.spawn(|| {
            assert_eq!(classify(1), -1);
            refused("not 1");
        });
    });
    assert_eq!(error(), "");
    // SAFETY: as above.
    unsafe { bnn_cpu_free(net as *mut bnn_cpu_net) };
}
