//! Packed inference against the float path of the training side and against naive
//! loops, on every instruction set. `examples/inference_roofline.rs` times each operation.
//!
//! `cargo bench --bench inference -- xnor` runs what has `xnor` in its name. Speed
//! does not depend on the weights, so these are initial ones; "elements" a second
//! are images a second.

use std::hint::black_box;
use std::time::Duration;

use bnn_cpu::data::digits;
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::{Engine, Isa, select};
use bnn_cpu::model::{Init, Network, Placement, preset};
use bnn_cpu::packed::Reading;
use bnn_cpu::tape::Mode;
use bnn_cpu::tensor::Shape;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const IMAGES: usize = 64;

fn network(name: &str, engine: Engine) -> Network {
    let mut spec = preset(name, Shape::image(1, 28, 28), 10).expect("a preset");
    spec.place(Placement::Both, Firing::Deterministic, "st")
        .expect("it has units");
    let mut net = Network::new(&spec, engine, IMAGES, false).expect("it is sound");
    net.init(Init::Pytorch, 1);
    net.pass_mut().mode = Mode::Eval;
    net
}

fn benches(c: &mut Criterion) {
    let digits = digits::generate(1, IMAGES, 1).train.clone();
    let images: Vec<u8> = (0..IMAGES).flat_map(|i| digits.image(i).to_vec()).collect();
    // Real weights ("seed-net"), binary weights ("xnor-net", "xnor-large").
    for name in ["seed-net", "xnor-net", "xnor-large"] {
        for isa in Isa::available() {
            let engine = select(Some(isa.name())).expect("it is available");
            let mut net = network(name, engine);
            let packed = net.pack().expect("it can be packed");
            let mut runner = packed.runner(engine);
            let pixels = runner.pixels();
            let mut out = vec![0.0; IMAGES * 10];

            let mut group = c.benchmark_group(name);
            group
                .sample_size(20)
                .warm_up_time(Duration::from_millis(300));
            group.measurement_time(Duration::from_secs(1));
            group.throughput(Throughput::Elements(1));
            group.bench_function(BenchmarkId::new("packed_1", isa.name()), |b| {
                let mut each = images.chunks_exact(pixels).cycle();
                b.iter(|| {
                    let image = each.next().expect("a cycle");
                    runner.logits(black_box(image), &mut out[..10]);
                });
            });
            group.throughput(Throughput::Elements(IMAGES as u64));
            group.bench_function(BenchmarkId::new("packed_64", isa.name()), |b| {
                b.iter(|| runner.batch(black_box(&images), &mut out));
            });
            group.bench_function(BenchmarkId::new("float_64", isa.name()), |b| {
                b.iter(|| {
                    net.set_rows(IMAGES);
                    for (row, image) in images.chunks_exact(pixels).enumerate() {
                        net.set_row(row, image, 0);
                    }
                    net.forward();
                    black_box(net.logits());
                });
            });
            if isa == Isa::Scalar {
                group.throughput(Throughput::Elements(1));
                group.bench_function("naive_1", |b| {
                    b.iter(|| packed.naive(black_box(&images[..pixels]), Reading::Threshold));
                });
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = inference;
    config = Criterion::default().nresamples(5_000).without_plots();
    targets = benches
}
criterion_main!(inference);
