//! Phases against the products over the dilated gradient.

use super::*;
use crate::kernels::Isa;
use crate::layers::testing::fill;

/// The gradient of an image as one product over patches of the output gradient, whose pixels are
/// `stride` apart with zeros between them, by the kernels rotated by 180 degrees.
fn dilated(input: Shape, output: Shape, window: Window, w: &[f32], g: &[f32]) -> Vec<f32> {
    let (k, s) = (window.kernel, window.stride);
    let margin = window.margin();
    let (height, width) = window.dilated(input);
    let mut spread = vec![0.0; height * width * output.channels];
    for i in 0..output.height {
        for j in 0..output.width {
            let to = (i * s.height + margin.height) * width + j * s.width + margin.width;
            let from = &g[(i * output.width + j) * output.channels..][..output.channels];
            spread[to * output.channels..][..output.channels].copy_from_slice(from);
        }
    }
    let mut dx = vec![0.0; input.len()];
    for (at, dx) in dx.iter_mut().enumerate() {
        let (pixel, c) = (at / input.channels, at % input.channels);
        let (r, q) = (pixel / input.width, pixel % input.width);
        let mut sum = 0.0f32;
        for u in 0..k.height {
            for v in 0..k.width {
                let tap = (k.height - 1 - u) * k.width + k.width - 1 - v;
                for o in 0..output.channels {
                    let g = spread[((r + u) * width + q + v) * output.channels + o];
                    let w = w[(o * input.channels + c) * k.area() + tap];
                    sum = g.mul_add(w, sum);
                }
            }
        }
        *dx = sum;
    }
    dx
}

/// Compares the phases with the dilated form, assigned and added, on every instruction set. The
/// order of a sum is the same in both, and so are its bits where multiplications and additions are
/// fused.
fn check(input: Shape, channels: usize, window: Window) {
    let Ok(output) = window.output("c", input, channels) else {
        return;
    };
    let (depth, area) = (channels * window.kernel.area(), window.kernel.area());
    let mut w = vec![0.0; input.channels * depth];
    let mut g = vec![0.0; output.len()];
    fill(1, &mut w);
    fill(2, &mut g);
    let want = dilated(input, output, window, &w, &g);
    let phases = Phases::new(input, output, window);
    let taps = Taps {
        taps: area,
        inner: channels,
        columns: input.channels,
        column_step: area,
        inner_step: input.channels * area,
    };
    let mut panels = vec![0.0; panel_len(depth, input.channels)];
    phases.fill(&mut panels, taps, &w, Weights::Real);
    let (height, width) = phases.border;
    let mut border = vec![0.0; height * width * channels];
    for (i, row) in g.chunks_exact(output.width * channels).enumerate() {
        let at = (i + phases.margin.height) * width + phases.margin.width;
        border[at * channels..][..row.len()].copy_from_slice(row);
    }
    let mut scratch = vec![f32::NAN; phases.scratch_len()];
    for isa in Isa::available() {
        let kernels = isa.kernels().unwrap();
        let mut dx = vec![f32::NAN; input.len()];
        let mut pass = |dx: &mut [f32], store| {
            phases.product(kernels, &border, &panels, (dx, store), &mut scratch);
        };
        pass(&mut dx, Store::Assign);
        for (i, (a, b)) in dx.iter().zip(&want).enumerate() {
            let near = (a - b).abs() <= 1e-5 * (1.0 + b.abs());
            assert!(near, "{} {window:?} {input:?}: {i}: {a}, {b}", isa.name());
        }
        if isa.name() != "scalar" {
            assert_eq!(dx, want, "{} {window:?} {input:?}", isa.name());
        }
        let once = dx.clone();
        pass(&mut dx, Store::Add);
        let twice: Vec<f32> = once.iter().map(|x| x + x).collect();
        assert_eq!(dx, twice, "{} {window:?} {input:?}", isa.name());
    }
}

#[test]
fn phases_are_the_dilated_form() {
    for stride in 1..=4 {
        for kernel in 1..=5 {
            for padding in 0..=2 {
                for (height, width) in [(7, 6), (5, 9), (4, 4), (1, 3)] {
                    let window = Window::square(kernel, stride, padding);
                    check(Shape::image(3, height, width), 5, window);
                }
                check(
                    Shape::image(17, 7, 5),
                    18,
                    Window::square(kernel, stride, padding),
                );
            }
        }
    }
}

#[test]
fn sides_may_differ() {
    for (kernel, stride, padding) in [
        ([3, 1], [2, 1], [1, 0]),
        ([1, 4], [1, 3], [0, 3]),
        ([2, 5], [4, 2], [1, 2]),
        ([5, 2], [3, 4], [4, 0]),
    ] {
        let window = Window {
            kernel: Sides::new(kernel[0], kernel[1]),
            stride: Sides::new(stride[0], stride[1]),
            padding: Sides::new(padding[0], padding[1]),
            ..Window::square(1, 1, 0)
        };
        check(Shape::image(4, 9, 8), 6, window);
        check(Shape::image(2, 6, 11), 3, window);
    }
}
