//! Gradients and parity of [`ConvOp`].

use super::*;
use crate::layers::Sides;
use crate::layers::testing::{check_every_isa, fill};

fn check(input: Shape, channels: usize, window: Window, bias: bool, rows: usize) {
    check_every_isa(
        |tape| {
            let x = tape.input(input, true);
            let y = ConvOp::record(tape, "conv", x, channels, window, Terms::real(bias)).unwrap();
            tape.seal(true);
            fill(1, tape.value_mut(x));
            fill(2, tape.params.values_mut());
            (vec![x], y)
        },
        rows,
        0.05,
    );
}

#[test]
fn gradients_match_finite_differences() {
    let window = Window::square;
    check(Shape::image(1, 7, 6), 3, window(5, 1, 2), true, 3);
    check(Shape::image(4, 9, 8), 5, window(3, 2, 1), true, 2);
    check(Shape::image(3, 5, 5), 17, window(3, 1, 0), true, 20);
    check(Shape::image(2, 4, 4), 2, window(1, 1, 0), false, 1);
    check(Shape::image(2, 7, 8), 3, window(2, 3, 1), true, 2);
    check(Shape::image(2, 6, 9), 3, window(4, 2, 3), false, 33);
    let sides = |k: [usize; 2], s: [usize; 2], p: [usize; 2]| Window {
        kernel: k.into(),
        stride: s.into(),
        padding: p.into(),
        border: 0,
        dilation: Sides::ONE,
    };
    check(
        Shape::image(3, 7, 6),
        5,
        sides([3, 1], [2, 1], [1, 0]),
        true,
        3,
    );
    check(
        Shape::image(2, 5, 9),
        17,
        sides([1, 4], [1, 3], [0, 3]),
        true,
        2,
    );
    check(
        Shape::image(16, 6, 7),
        16,
        sides([3, 3], [1, 1], [0, 1]),
        true,
        2,
    );
    // Shapes of Winograd's algorithm.
    check(Shape::image(16, 7, 6), 32, window(5, 1, 2), true, 2);
    check(Shape::image(16, 5, 9), 16, window(3, 1, 0), true, 3);
    // Borders that are not 0; the last two are shapes of Winograd's algorithm.
    let bordered = |border: i8, window: Window| Window { border, ..window };
    let sides = sides([3, 2], [2, 1], [2, 1]);
    check(Shape::image(3, 5, 6), 4, bordered(-1, sides), true, 3);
    check(
        Shape::image(16, 7, 6),
        32,
        bordered(1, window(5, 1, 2)),
        true,
        2,
    );
    check(
        Shape::image(16, 5, 9),
        16,
        bordered(-1, window(3, 1, 1)),
        true,
        2,
    );
}

/// Shapes of Winograd's algorithm with stride 2, on even and odd sides; the last one has a border
/// that is not 0 and is not served.
#[test]
fn gradients_of_stride_2_match_finite_differences() {
    let window = Window::square(3, 2, 1);
    check(Shape::image(16, 7, 6), 32, window, true, 2);
    check(Shape::image(16, 8, 9), 16, window, true, 3);
    check(Shape::image(32, 1, 4), 16, window, false, 33);
    let border = -1;
    check(
        Shape::image(16, 6, 6),
        16,
        Window { border, ..window },
        true,
        2,
    );
}

/// A border is `torch.nn.functional.pad` with its number: the convolution is that of a
/// larger image without padding. Whole numbers make every sum exact.
#[test]
fn a_border_is_an_image_padded_with_its_number() {
    let whole = |x: &mut [f32]| x.iter_mut().for_each(|x| *x = (*x * 4.0).round());
    for isa in crate::kernels::Isa::available() {
        let engine = crate::kernels::select(Some(isa.name())).unwrap();
        for (border, kernel, padding, stride) in [
            (-1, 3, 1, 1),
            (1, 3, 2, 2),
            (-1, 2, 1, 1),
            (1, 4, 3, 1),
            (0, 3, 1, 1),
        ] {
            let small = Shape::image(3, 5, 4);
            let large = Shape::image(3, 5 + 2 * padding, 4 + 2 * padding);
            let mut image = vec![0.0; 2 * small.len()];
            fill(1, &mut image);
            whole(&mut image);
            let run = |shape: Shape, window: Window, x: &[f32]| {
                let mut tape = Tape::new(engine, 2);
                let to = tape.input(shape, false);
                let y = ConvOp::record(&mut tape, "c", to, 5, window, Terms::real(true));
                let y = y.unwrap();
                tape.seal(true);
                fill(2, tape.params.values_mut());
                whole(tape.params.values_mut());
                tape.value_mut(to).copy_from_slice(x);
                tape.forward();
                tape.backward_from(y, |dy| {
                    fill(3, dy);
                    whole(dy);
                });
                (tape.value(y).to_vec(), tape.params.grads().to_vec())
            };
            let mut padded = vec![f32::from(border); 2 * large.len()];
            for (i, &x) in image.iter().enumerate() {
                let (row, at) = (i / small.len(), i % small.len());
                let (pixel, c) = (at / 3, at % 3);
                let (y, x_) = (pixel / 4 + padding, pixel % 4 + padding);
                padded[row * large.len() + (y * large.width + x_) * 3 + c] = x;
            }
            let window = Window {
                border,
                ..Window::square(kernel, stride, padding)
            };
            let found = run(small, window, &image);
            let wanted = run(large, Window::square(kernel, stride, 0), &padded);
            assert_eq!(found, wanted, "{} {window:?}", isa.name());
        }
    }
}

#[test]
fn a_border_that_is_no_level_is_refused() {
    let window = Window {
        border: 2,
        ..Window::square(3, 1, 1)
    };
    let error = ConvOp::output("c", Shape::image(1, 4, 4), 2, window).unwrap_err();
    let line = "layer c: border 2 is no level of a binary unit; choose -1, 0 or 1";
    assert_eq!(error.to_string(), line);
}

/// A leaf's gradients are those of a batch whose other gradients are zero; the whole
/// batch's are their explicit tree, to the bit, and not their sum one after the other.
#[test]
fn gradients_are_added_up_in_the_tree() {
    let engine = crate::kernels::select(Some("scalar")).unwrap();
    let window = Window::square(3, 1, 1);
    for (capacity, live) in [(64, 64), (50, 37), (5, 5)] {
        let rows = crate::tape::Rows::new(capacity).with_live(live);
        let grads = |only: Option<usize>| {
            let mut tape = Tape::new(engine, capacity);
            let x = tape.input(Shape::image(2, 5, 4), false);
            let y = ConvOp::record(&mut tape, "c", x, 3, window, Terms::real(true)).unwrap();
            tape.seal(true);
            tape.set_rows(live);
            fill(1, tape.value_mut(x));
            tape.backward_from(y, |dy| {
                fill(3, dy);
                let len = dy.len() / live;
                for (row, dy) in dy.chunks_exact_mut(len).enumerate() {
                    if only.is_some_and(|leaf| !rows.of_leaf(leaf).contains(&row)) {
                        dy.fill(0.0);
                    }
                }
            });
            tape.params.grads().to_vec()
        };
        let add = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a + b).collect();
        let mut nodes: Vec<Vec<f32>> = (0..rows.leaves()).map(|i| grads(Some(i))).collect();
        let sequential = nodes[1..].iter().fold(nodes[0].clone(), |a, b| add(&a, b));
        while nodes.len() > 1 {
            let sum = |p: &[Vec<f32>]| p[1..].iter().fold(p[0].clone(), |a, b| add(&a, b));
            nodes = nodes.chunks(2).map(sum).collect();
        }
        assert_eq!(grads(None), nodes[0], "{live} of {capacity}");
        assert!(
            live < 6 || nodes[0] != sequential,
            "the test tells no orders apart"
        );
    }
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let output = |input, channels, kernel, stride, padding| {
        ConvOp::output(
            "c",
            input,
            channels,
            Window::square(kernel, stride, padding),
        )
    };
    let image = Shape::image(1, 3, 9);
    for (kernel, stride, padding) in [(4, 1, 0), (0, 1, 0), (3, 0, 0), (3, 1, 3)] {
        let error = output(image, 1, kernel, stride, padding).unwrap_err();
        assert!(error.to_string().starts_with("layer c: "), "{error}");
    }
    assert!(output(image, 0, 3, 1, 0).is_err());
    assert_eq!(output(image, 2, 3, 2, 1).unwrap(), Shape::image(2, 2, 5));
}
