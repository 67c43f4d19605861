//! A warm training step allocates nothing.
//!
//! A program without the test harness, because the counter sees every thread of the process, and the
//! harness's own allocates when it says that a test has been running for a minute.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use bnn_cpu::data::{Dataset, digits};
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels::{Engine, select};
use bnn_cpu::layers::{Conv, Weights};
use bnn_cpu::model::{Init, ModelSpec, Network, Placement};
use bnn_cpu::train::OptimiserSpec;
use common::nets::{ADAM, SGD, Trainee, digits_net, graph_net, grouped_net, signs_net, tiny_net};

static COUNTING: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with a count of what is asked of it.
struct Counting;

fn note(size: usize) {
    if COUNTING.load(SeqCst) {
        CALLS.fetch_add(1, SeqCst);
        BYTES.fetch_add(size, SeqCst);
    }
}

// SAFETY: every call goes to the system's allocator with the caller's own
// arguments; counting touches no memory but the atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls and bytes that `work` asks for, on all threads together.
fn allocations(work: impl FnOnce()) -> (usize, usize) {
    CALLS.store(0, SeqCst);
    BYTES.store(0, SeqCst);
    COUNTING.store(true, SeqCst);
    work();
    COUNTING.store(false, SeqCst);
    (CALLS.load(SeqCst), BYTES.load(SeqCst))
}

/// So many that a chunk of rows is two leaves of the tree.
const BATCH: usize = 40;

/// Fills the batch, runs both ways, reads the losses, takes an optimiser step.
fn warm_steps(
    spec: &ModelSpec,
    engine: Engine,
    optimiser: OptimiserSpec,
    data: &Dataset,
) -> (usize, usize) {
    let mut trainee = Trainee::new(spec, engine, BATCH, optimiser, 0.01, 1);
    if spec.min_samples() > 1 {
        trainee.net = Network::sampled(spec, engine, BATCH, spec.min_samples()).unwrap();
        trainee.net.init(Init::Pytorch, 1);
    }
    let full: Vec<u32> = (0..BATCH as u32).collect();
    let short = &full[..5];
    let mut total = 0.0;
    for _ in 0..2 {
        total += trainee.step(&data.train, &full);
    }
    let counted = allocations(|| {
        for batch in [&full[..], &full, short, &full] {
            total += trainee.step(&data.train, batch);
            total += trainee.net.correct() as f64;
        }
    });
    assert!(total.is_finite());
    counted
}

fn main() {
    // A counter that counts nothing would prove nothing.
    let (calls, bytes) = allocations(|| drop(std::hint::black_box(vec![1u8; 100])));
    assert!(calls >= 1 && bytes >= 100, "{calls} calls, {bytes} bytes");

    let data = digits::generate(1, BATCH, 1);
    let mut binary_weights = tiny_net(Firing::Deterministic);
    binary_weights.pixels = None;
    binary_weights.set_weights(Weights::Binary);
    for layer in &mut binary_weights.layers {
        layer.update::<Conv>(|conv| (conv.scale, conv.bias) = (true, true));
    }
    let estimated = |estimator: &str| {
        let mut spec = digits_net("seed-net", Placement::Both, Firing::Stochastic);
        let firing = Firing::Stochastic;
        spec.place(Placement::Both, firing, estimator).unwrap();
        spec
    };
    let nets = [
        ("seed-net double-cv", estimated("double-cv"), ADAM),
        (
            "seed-net double-cv below another",
            estimated("double-cv+local-expectation"),
            ADAM,
        ),
        ("seed-net rebar", estimated("rebar"), ADAM),
        ("seed-net reinmax", estimated("reinmax"), ADAM),
        (
            "seed-net none",
            digits_net("seed-net", Placement::None, Firing::Deterministic),
            SGD,
        ),
        (
            "seed-net det",
            digits_net("seed-net", Placement::Both, Firing::Deterministic),
            SGD,
        ),
        (
            "seed-net stoch",
            digits_net("seed-net", Placement::Both, Firing::Stochastic),
            SGD,
        ),
        (
            "mlp det, adam",
            digits_net("mlp", Placement::Both, Firing::Deterministic),
            ADAM,
        ),
        (
            "mlp stoch",
            digits_net("mlp", Placement::Both, Firing::Stochastic),
            SGD,
        ),
        ("tiny stoch, adam", tiny_net(Firing::Stochastic), ADAM),
        ("grouped", grouped_net(Firing::Stochastic), ADAM),
        ("graph, disarm", graph_net("disarm"), ADAM),
        ("graph, rebar", graph_net("rebar"), SGD),
        ("signs, st", signs_net("st"), ADAM),
        ("signs, reinforce", signs_net("reinforce"), SGD),
        ("tiny, binary weights", binary_weights, ADAM),
    ];
    let mut engines = common::engines();
    engines.push(select(None).unwrap());
    let mut failures = Vec::new();
    for threads in [1, 2] {
        let pool = common::pool(threads);
        for &engine in &engines {
            for (name, spec, optimiser) in &nets {
                // Inside the pool: handing work in from outside is rayon's own cost.
                let (calls, bytes) = pool.install(|| warm_steps(spec, engine, *optimiser, &data));
                if calls != 0 {
                    failures.push(format!(
                        "{name}, {engine:?}, {threads} threads: {calls} calls, {bytes} bytes"
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
