//! Winograd's convolution against the direct sum in f64, on every instruction
//! set, and its rounding error beside that of the direct product.

use crate::common::STEP;
use bnn_cpu::kernels::gemm::{Patches, Store, pack_panels, panel_len};
use bnn_cpu::kernels::winograd::Winograd;
use bnn_cpu::kernels::{Isa, Kernels, NR};
use bnn_cpu::random::{fill_uniform, keyed};

fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut x = vec![0.0; len];
    fill_uniform(&mut keyed(&[seed]), &mut x);
    x.iter_mut().for_each(|x| *x = *x * 2.0 - 1.0);
    x
}

/// A convolution over a bordered image.
#[derive(Clone, Copy)]
struct Case {
    kernel: usize,
    stride: usize,
    inputs: usize,
    outputs: usize,
    height: usize,
    width: usize,
}

impl Case {
    fn shape(&self) -> Winograd {
        let (io, hw) = ((self.inputs, self.outputs), (self.height, self.width));
        let shape = match self.stride {
            1 => Winograd::new(self.kernel, io, hw),
            _ => Winograd::strided(io, hw),
        };
        shape.expect("the shape is served")
    }

    fn depth(&self) -> usize {
        self.kernel * self.kernel * self.inputs
    }

    fn patches(&self) -> Patches {
        let row = self.shape().bordered().1 * self.inputs;
        Patches {
            rows: self.height,
            cols: self.width,
            row_step: self.stride * row,
            col_step: self.stride * self.inputs,
            runs: self.kernel,
            run_len: self.kernel * self.inputs,
            run_step: row,
        }
    }

    /// Calls `term(patch, depth, place in the image)` for every product.
    fn each(&self, mut term: impl FnMut(usize, usize, usize)) {
        let patches = self.patches();
        for p in 0..patches.count() {
            for k in 0..self.depth() {
                let at = k / patches.run_len * patches.run_step + k % patches.run_len;
                term(p, k, patches.start(p) + at);
            }
        }
    }
}

/// Root mean square of the differences, in units of that of what is wanted.
fn error(got: impl Iterator<Item = f32>, want: &[f64]) -> f64 {
    let mut sum = 0.0;
    let mut count = 0;
    for (got, want) in got.zip(want) {
        sum += (f64::from(got) - want).powi(2);
        count += 1;
    }
    assert_eq!(count, want.len());
    (sum / want.iter().map(|x| x * x).sum::<f64>()).sqrt()
}

/// Errors (forward, weight gradient) by Winograd and by the direct product.
fn errors(kernels: &Kernels, case: &Case) -> [[f64; 2]; 2] {
    let (shape, patches) = (case.shape(), case.patches());
    let (count, depth, outputs) = (patches.count(), case.depth(), case.outputs);
    let (rows, cols) = shape.bordered();
    let image = numbers(1, rows * cols * case.inputs);
    let w = numbers(2, depth * outputs);
    let (bias, g) = (numbers(3, outputs), numbers(4, count * outputs));
    let before = numbers(5, count * outputs);

    let mut want: Vec<f64> = (0..count * outputs)
        .map(|i| f64::from(bias[i % outputs]) + f64::from(before[i]))
        .collect();
    let mut want_w = vec![0.0; depth * outputs];
    case.each(|p, k, at| {
        let x = f64::from(image[at]);
        for o in 0..outputs {
            want[p * outputs + o] += x * f64::from(w[k * outputs + o]);
            want_w[k * outputs + o] += x * f64::from(g[p * outputs + o]);
        }
    });

    let mut panels = vec![0.0; panel_len(depth, outputs)];
    pack_panels(depth, outputs, &w, (outputs, 1), &mut panels);
    let place = |k: usize, o: usize| (o / NR * depth + k) * NR + o % NR;
    let in_order = |panels: &[f32]| -> Vec<f32> {
        (0..depth * outputs)
            .map(|i| panels[place(i / outputs, i % outputs)])
            .collect()
    };
    let mut u = vec![f32::NAN; shape.weights_len()];
    let mut scratch = vec![f32::NAN; shape.scratch_len()];
    kernels.winograd_weights(&shape, &panels, &mut u);
    let (bias, mut y, mut direct) = (Some(&bias[..]), before.clone(), before.clone());
    kernels.winograd_product(&shape, &image, &u, bias, &mut y, Store::Add, &mut scratch);
    kernels.product(
        &patches,
        &image,
        &panels,
        outputs,
        bias,
        &mut direct,
        Store::Add,
    );
    let mut assigned = vec![f32::NAN; y.len()];
    kernels.winograd_product(
        &shape,
        &image,
        &u,
        bias,
        &mut assigned,
        Store::Assign,
        &mut scratch,
    );
    for ((y, old), new) in y.iter().zip(&before).zip(&assigned) {
        assert_eq!(*y, new + old);
    }

    // Twice half the gradient: it adds to what is there.
    let half: Vec<f32> = g.iter().map(|g| g * 0.5).collect();
    let mut d = vec![f32::NAN; shape.weights_len()];
    for store in [Store::Assign, Store::Add] {
        kernels.winograd_transposed(&shape, &image, &half, (&mut d, store), &mut scratch);
    }
    let mut dw = vec![f32::NAN; panels.len()];
    kernels.winograd_weight_grad(&shape, &d, &mut dw);
    let mut direct_w = vec![0.0; panels.len()];
    kernels.transposed(&patches, &image, &g, outputs, &mut direct_w);

    let weights = |panels: &[f32]| error(in_order(panels).into_iter(), &want_w);
    [
        [
            error(y.into_iter(), &want),
            error(direct.into_iter(), &want),
        ],
        [weights(&dw), weights(&direct_w)],
    ]
}

/// Kernels and strides that are served.
const FORMS: [(usize, usize); 3] = [(3, 1), (5, 1), (3, 2)];

#[test]
fn every_shape_on_every_instruction_set() {
    for isa in Isa::available() {
        for (kernel, stride) in FORMS {
            for (inputs, outputs) in [(16, 16), (32, 16), (16, 48)].into_iter().step_by(STEP) {
                for (height, width) in [(2, 5), (1, 1), (7, 4), (9, 9), (14, 14), (21, 6)]
                    .into_iter()
                    .step_by(STEP)
                {
                    let case = Case {
                        kernel,
                        stride,
                        inputs,
                        outputs,
                        height,
                        width,
                    };
                    let all = errors(isa.kernels().expect("available"), &case);
                    for error in all.into_iter().flatten() {
                        let what = (kernel, stride, inputs, outputs, height, width);
                        assert!(error < 2e-6, "{} {what:?}: {all:?}", isa.name());
                    }
                }
            }
        }
    }
}

/// The claims of the module's page: about twice the error of the direct sum with six points, and
/// about three times (outputs) and five times (weights' gradient) with eight points across.
#[test]
#[cfg_attr(miri, ignore = "millions of products")]
fn the_error_is_that_of_the_direct_sum() {
    for isa in Isa::available() {
        for (kernel, stride) in FORMS {
            let case = Case {
                kernel,
                stride,
                inputs: 32,
                outputs: 32,
                height: 14,
                width: 14,
            };
            for [fast, direct] in errors(isa.kernels().expect("available"), &case) {
                let what = format!("{} {kernel}/{stride}", isa.name());
                println!("{what}: {fast:e} {direct:e}");
                let most = if kernel == 5 { 6.0 } else { 4.0 };
                assert!(fast < most * direct, "{what}: {fast:e} {direct:e}");
            }
        }
    }
}

#[test]
fn shapes_that_are_not_served_are_declined() {
    for (kernel, inputs, outputs) in [
        (4, 16, 16),
        (5, 1, 16),
        (5, 16, 10),
        (3, 24, 16),
        (1, 16, 16),
    ] {
        assert_eq!(Winograd::new(kernel, (inputs, outputs), (14, 14)), None);
    }
}

/// The gradient of the inputs, against the sums over outputs in f64.
#[test]
fn the_data_gradient_of_stride_2() {
    for isa in Isa::available() {
        let kernels = isa.kernels().expect("available");
        for (height, width) in [(1usize, 1usize), (2, 5), (7, 4), (9, 9), (14, 11)]
            .into_iter()
            .step_by(STEP)
        {
            let (inputs, outputs) = (32, 16);
            let (h, w) = (height.div_ceil(2), width.div_ceil(2));
            let shape = Winograd::spread((outputs, inputs), (height, width)).expect("served");
            let (rows, cols) = shape.bordered();
            let (weights, g) = (
                numbers(1, outputs * inputs * 9),
                numbers(2, h * w * outputs),
            );
            let mut want = vec![0.0; height * width * inputs];
            let mut image = vec![0.0; rows * cols * outputs];
            let (mut rotated, depth) = (vec![0.0; weights.len()], 9 * outputs);
            for (o, i, j) in
                (0..outputs).flat_map(|o| (0..h).flat_map(move |i| (0..w).map(move |j| (o, i, j))))
            {
                let g = g[(i * w + j) * outputs + o];
                image[(i * cols + j) * outputs + o] = g;
                for (u, v) in (0..3).flat_map(|u| (0..3).map(move |v| (u, v))) {
                    let at = (2 * i + u).checked_sub(1).zip((2 * j + v).checked_sub(1));
                    let at = at.filter(|&(r, q)| r < height && q < width);
                    for c in 0..inputs {
                        let x = weights[(o * inputs + c) * 9 + u * 3 + v];
                        rotated[((2 - u) * 3 + 2 - v) * outputs * inputs + o * inputs + c] = x;
                        if let Some((r, q)) = at {
                            want[(r * width + q) * inputs + c] += f64::from(g) * f64::from(x);
                        }
                    }
                }
            }
            let mut panels = vec![0.0; panel_len(depth, inputs)];
            pack_panels(depth, inputs, &rotated, (inputs, 1), &mut panels);
            let mut points = vec![f32::NAN; shape.weights_len()];
            let mut scratch = vec![f32::NAN; shape.scratch_len()];
            let mut dx = vec![f32::NAN; want.len()];
            kernels.winograd_weights(&shape, &panels, &mut points);
            let store = Store::Assign;
            kernels.winograd_product(&shape, &image, &points, None, &mut dx, store, &mut scratch);
            let error = error(dx.into_iter(), &want);
            assert!(error < 1e-6, "{} {height}x{width}: {error:e}", isa.name());
        }
    }
}
