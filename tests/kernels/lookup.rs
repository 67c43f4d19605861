//! The convolution over bits against the direct sum in f64, on every instruction
//! set.

use crate::common::STEP;
use bnn_cpu::kernels::gemm::{Patches, pack_panels, panel_len};
use bnn_cpu::kernels::lookup::{GROUP, Lookup, Pattern};
use bnn_cpu::kernels::{Isa, Kernels, select};
use bnn_cpu::layers::{ConvOp, Terms, Weights, Window};
use bnn_cpu::random::{fill_uniform, keyed};
use bnn_cpu::tape::Tape;
use bnn_cpu::tensor::Shape;

fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut x = vec![0.0; len];
    fill_uniform(&mut keyed(&[seed]), &mut x);
    x.iter_mut().for_each(|x| *x = *x * 2.0 - 1.0);
    x
}

struct Case {
    channels: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    height: usize,
    width: usize,
}

/// Compares one shape; with whole weights the sums must be exact.
fn check(kernels: &Kernels, case: &Case, whole: bool) {
    let &Case {
        channels,
        outputs,
        kernel,
        stride,
        height,
        width,
    } = case;
    let patches = Patches {
        rows: (height - kernel) / stride + 1,
        cols: (width - kernel) / stride + 1,
        row_step: stride * width * channels,
        col_step: stride * channels,
        runs: kernel,
        run_len: kernel * channels,
        run_step: width * channels,
    };
    let (count, depth) = (patches.count(), patches.depth());
    let bits: Vec<f32> = numbers(1, height * width * channels)
        .into_iter()
        .map(|x| f32::from(x > 0.2))
        .collect();
    let mut w = numbers(2, depth * outputs);
    if whole {
        w.iter_mut()
            .for_each(|w| *w = if *w > 0.0 { 1.0 } else { -1.0 });
    }
    let bias = numbers(3, outputs);
    let bias = (!whole).then_some(&bias[..]);

    let mut panels = vec![f32::NAN; panel_len(depth, outputs)];
    pack_panels(depth, outputs, &w, (outputs, 1), &mut panels);
    let shape = Lookup::new(&patches, channels, outputs).expect("the shape is served");
    let mut tables = vec![f32::NAN; shape.tables_len()];
    kernels.lookup_tables(&shape, &panels, &mut tables);
    let mut patterns = vec![Pattern::default(); bits.len() / GROUP];
    kernels.lookup_patterns(&bits, &mut patterns);
    let mut y = vec![f32::NAN; count * outputs + 3];
    kernels.lookup_product(&shape, &patterns, &tables, bias, &mut y);

    assert!(y[count * outputs..].iter().all(|y| y.is_nan()));
    for p in 0..count {
        for o in 0..outputs {
            let (mut want, mut size) = (bias.map_or(0.0, |b| f64::from(b[o])), 1.0);
            for k in 0..depth {
                let at = k / patches.run_len * patches.run_step + k % patches.run_len;
                let x = bits[patches.start(p) + at] * w[k * outputs + o];
                want += f64::from(x);
                size += f64::from(x.abs());
            }
            let error = (f64::from(y[p * outputs + o]) - want).abs();
            let allowed = if whole { 0.0 } else { 1e-6 * size };
            assert!(
                error <= allowed,
                "{kernels:?} {patches:?} {p} {o}: {error:e} off"
            );
        }
    }
}

#[test]
fn every_shape_on_every_instruction_set() {
    for isa in Isa::available() {
        let kernels = isa.kernels().expect("available");
        for (channels, outputs) in [(16, 16), (16, 32), (48, 16), (64, 48)]
            .into_iter()
            .step_by(STEP)
        {
            for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (5, 1)] {
                for (height, width) in [(5, 5), (6, 12), (9, 7)].into_iter().step_by(STEP) {
                    let case = Case {
                        channels,
                        outputs,
                        kernel,
                        stride,
                        height,
                        width,
                    };
                    check(kernels, &case, false);
                    check(kernels, &case, true);
                }
            }
        }
    }
}

#[test]
fn shapes_that_are_not_served_are_declined() {
    for (channels, outputs) in [(1, 16), (12, 16), (24, 16), (16, 10), (0, 16)] {
        assert_eq!(
            Lookup::new(&Patches::matrix(3, 48), channels, outputs),
            None
        );
    }
}

/// A convolution layer that knows its input to be bits, beside one that does not.
#[test]
#[cfg_attr(miri, ignore = "threads and millions of products")]
fn a_layer_over_bits_is_the_layer_over_numbers() {
    let window = Window::square(5, 1, 2);
    for (name, weights) in [("real", Weights::Real), ("binary", Weights::Binary)] {
        for isa in Isa::available() {
            let engine = select(Some(isa.name())).expect("available");
            let [bits, plain] = [true, false].map(|declared| {
                let mut tape = Tape::new(engine, 20);
                let x = tape.input(Shape::image(16, 6, 9), true);
                if declared {
                    tape.declare_bits(x);
                }
                let terms = Terms {
                    bias: true,
                    weights,
                    scale: false,
                };
                let y = ConvOp::record(&mut tape, "conv", x, 32, window, terms).expect("it fits");
                tape.seal(true);
                tape.set_rows(19);
                let len = tape.value(x).len();
                let values = numbers(1, len).into_iter().map(|x| f32::from(x > 0.0));
                tape.value_mut(x)
                    .copy_from_slice(&values.collect::<Vec<_>>());
                let len = tape.params.values().len();
                tape.params.values_mut().copy_from_slice(&numbers(2, len));
                tape.forward();
                let seed = numbers(3, tape.value(y).len());
                tape.backward_from(y, |dy| dy.copy_from_slice(&seed));
                let y = tape.value(y).to_vec();
                (y, tape.grad(x).to_vec(), tape.params.grads().to_vec())
            });
            assert_eq!(
                (bits.1, bits.2),
                (plain.1, plain.2),
                "{name}: the same gradients"
            );
            let scale = plain.0.iter().fold(0.0f32, |m, y| m.max(y.abs()));
            for (a, b) in bits.0.iter().zip(&plain.0) {
                assert!(
                    (a - b).abs() <= 2e-6 * scale,
                    "{isa:?} {name}: {a} against {b}"
                );
            }
        }
    }
}
