use super::*;
use crate::kernels::Isa;
use crate::layers::testing::{check_every_isa, fill};
use crate::layers::{ConvOp, Sides};

fn window(k: [usize; 2], s: [usize; 2], p: [usize; 2], d: [usize; 2]) -> Window {
    Window {
        kernel: k.into(),
        stride: s.into(),
        padding: p.into(),
        border: 0,
        dilation: d.into(),
    }
}

/// Cases of input shape, output channels, window, groups and rows: for both algorithms, with
/// channels below and above 8 and 16, with strides, dilation and rectangular windows.
fn cases() -> Vec<(Shape, usize, Window, usize, usize)> {
    let square = Window::square;
    let dilated = |k, s, p, d| window([k, k], [s, s], [p, p], [d, d]);
    let mut cases = vec![
        // Depthwise, with one output a channel and with more.
        (Shape::image(5, 6, 7), 5, square(3, 1, 1), 5, 3),
        (Shape::image(16, 5, 6), 16, square(5, 2, 2), 16, 2),
        (Shape::image(27, 4, 5), 27, square(3, 2, 0), 27, 2),
        (Shape::image(3, 6, 5), 12, dilated(2, 1, 1, 3), 3, 20),
        (
            Shape::image(9, 5, 8),
            9,
            window([1, 7], [1, 2], [0, 3], [1, 1]),
            9,
            2,
        ),
        // Small groups.
        (Shape::image(6, 5, 5), 9, square(3, 1, 1), 3, 3),
        (Shape::image(8, 6, 4), 4, dilated(2, 2, 0, 2), 2, 2),
        // Groups as matrix products.
        (Shape::image(12, 5, 4), 34, square(3, 1, 1), 2, 2),
        (
            Shape::image(20, 4, 6),
            10,
            window([3, 1], [2, 1], [1, 0], [1, 1]),
            2,
            3,
        ),
        (Shape::image(10, 7, 6), 10, dilated(3, 1, 2, 2), 2, 33),
        // One group, dilated.
        (Shape::image(3, 7, 8), 7, dilated(3, 2, 1, 2), 1, 2),
        (
            Shape::image(5, 8, 5),
            17,
            window([3, 2], [1, 1], [2, 0], [2, 1]),
            1,
            2,
        ),
        (
            Shape::image(4, 5, 9),
            6,
            window([2, 3], [1, 3], [0, 1], [1, 3]),
            1,
            2,
        ),
        (Shape::image(2, 7, 7), 3, dilated(3, 1, 0, 3), 1, 5),
    ];
    // Each case is also tested with a border value other than 0.
    let all = cases.clone().into_iter().enumerate();
    cases.extend(all.map(|(i, mut case)| {
        case.2.border = [-1, 1][i % 2];
        case
    }));
    cases
}

fn record(
    tape: &mut Tape,
    (input, channels, window, groups, _): (Shape, usize, Window, usize, usize),
    terms: Terms,
) -> (Value, Value) {
    let x = tape.input(input, true);
    let y = GroupedConvOp::record(tape, "c", x, channels, (window, groups), terms).unwrap();
    tape.seal(true);
    (x, y)
}

#[test]
fn gradients_match_finite_differences() {
    for (i, case) in cases().into_iter().enumerate() {
        let terms = Terms::real(i % 2 == 0);
        check_every_isa(
            |tape| {
                let (x, y) = record(tape, case, terms);
                fill(1, tape.value_mut(x));
                fill(2, tape.params.values_mut());
                (vec![x], y)
            },
            case.4,
            0.05,
        );
    }
}

/// With binary weights over integers every sum is exact, so both algorithms, with one group or
/// several, must equal an ordinary convolution whose weights between groups are zero.
#[test]
fn the_sums_are_those_of_the_ordinary_convolution() {
    for isa in Isa::available() {
        let engine = crate::kernels::select(Some(isa.name())).unwrap();
        for case in cases().into_iter().filter(|c| c.2.dilation.is_one()) {
            let (input, channels, window, groups, rows) = case;
            let whole = |x: &mut [f32]| x.iter_mut().for_each(|x| *x = (*x * 8.0).round());
            let run = |tape: &mut Tape, x: Value, y: Value| {
                fill(1, tape.value_mut(x));
                whole(tape.value_mut(x));
                tape.forward();
                tape.backward_from(y, |dy| {
                    fill(3, dy);
                    whole(dy);
                });
                (tape.value(y).to_vec(), tape.grad(x).to_vec())
            };
            let mut tape = Tape::new(engine, rows);
            let (x, y) = record(&mut tape, case, Terms::real(false));
            fill(2, tape.params.values_mut());
            whole(tape.params.values_mut());
            let found = run(&mut tape, x, y);
            let weights = tape.params.values().to_vec();

            let mut tape = Tape::new(engine, rows);
            let x = tape.input(input, true);
            let terms = Terms::real(false);
            let y = ConvOp::record(&mut tape, "c", x, channels, window, terms).unwrap();
            tape.seal(true);
            let (n, m) = (input.channels / groups, channels / groups);
            let taps = window.kernel.area();
            for (i, w) in weights.chunks_exact(taps).enumerate() {
                let (o, c) = (i / n, i % n);
                let at = o * input.channels + o / m * n + c;
                tape.params.values_mut()[at * taps..][..taps].copy_from_slice(w);
            }
            // The constants of Winograd's algorithm are not integers.
            let (y, dx) = run(&mut tape, x, y);
            for (found, wanted) in [(found.0, y), (found.1, dx)] {
                for (found, wanted) in found.iter().zip(&wanted) {
                    assert!((found - wanted).abs() < 1e-2, "{case:?}");
                }
            }
        }
    }
}

/// Binary weights give integer sums, to which a bias and a scale are applied.
#[test]
fn binary_weights_are_the_signs() {
    let latents = |v: &mut [f32]| {
        fill(2, v);
        v.iter_mut().for_each(|v| *v *= 1.5);
        v[..4].copy_from_slice(&[0.0, -0.0, 1.0, -1.0]);
    };
    let engine = crate::kernels::select(None).unwrap();
    for case in cases() {
        let run = |terms: Terms, weights: &dyn Fn(&mut [f32])| {
            let mut tape = Tape::new(engine, case.4);
            let (x, y) = record(&mut tape, case, terms);
            fill(1, tape.value_mut(x));
            weights(tape.params.values_mut());
            tape.forward();
            tape.backward_from(y, |dy| fill(3, dy));
            let (y, dx) = (tape.value(y).to_vec(), tape.grad(x).to_vec());
            (
                y,
                dx,
                tape.params.grads().to_vec(),
                tape.params.values().to_vec(),
            )
        };
        let (y, dx, dv, v) = run(Terms::binary(), &latents);
        let signs = |v: &mut [f32]| {
            latents(v);
            v.iter_mut().for_each(|v| *v = crate::bits::sign(*v));
        };
        let (real, dx_real, dw, _) = run(Terms::real(false), &signs);
        assert_eq!((&y, &dx), (&real, &dx_real));
        for ((v, dv), dw) in v.iter().zip(&dv).zip(&dw) {
            assert_eq!(*dv, if v.abs() <= 1.0 { *dw } else { 0.0 }, "at {v}");
        }
        let terms = Terms {
            bias: true,
            scale: true,
            ..Terms::binary()
        };
        let (scaled, _, _, v) = run(terms, &|v| latents(v));
        let (v, bias) = v.split_at(v.len() - case.1);
        for (i, (scaled, y)) in scaled.iter().zip(&y).enumerate() {
            let (o, each) = (i % case.1, v.len() / case.1);
            let scale = crate::layers::channel_scale(&v[o * each..][..each]);
            assert_eq!(*scaled, y * scale + bias[o]);
        }
    }
}

/// The gradients of the whole batch are bit for bit the tree of the gradients of its leaves.
#[test]
fn gradients_are_added_up_in_the_tree() {
    let engine = crate::kernels::select(Some("scalar")).unwrap();
    for case in [cases()[0], cases()[9]] {
        let (capacity, live) = (50, 37);
        let rows = crate::tape::Rows::new(capacity).with_live(live);
        let grads = |only: Option<usize>| {
            let mut tape = Tape::new(engine, capacity);
            let (x, y) = record(&mut tape, case, Terms::real(true));
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
        while nodes.len() > 1 {
            let sum = |p: &[Vec<f32>]| p[1..].iter().fold(p[0].clone(), |a, b| add(&a, b));
            nodes = nodes.chunks(2).map(sum).collect();
        }
        assert_eq!(grads(None), nodes[0], "{case:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_in_a_line() {
    let image = Shape::image(16, 5, 9);
    let says = |channels, window, groups, what: &str| {
        let error = GroupedConvOp::output("c", image, channels, (window, groups));
        let error = error.unwrap_err().to_string();
        assert!(
            !error.contains('\n') && error.starts_with("layer c: "),
            "{error}"
        );
        assert!(error.contains(what), "{error}");
    };
    let square = Window::square(3, 1, 1);
    says(16, square, 0, "groups must be at least 1");
    says(16, square, 3, "3 groups do not divide 16 input channels");
    says(24, square, 16, "16 groups do not divide 24 output channels");
    says(
        16,
        window([3; 2], [1; 2], [1; 2], [0, 1]),
        1,
        "dilation must be",
    );
    says(16, window([3; 2], [1, 0], [1; 2], [1; 2]), 1, "stride");
    says(
        16,
        window([3; 2], [1; 2], [5, 1], [2; 2]),
        1,
        "below the window's reach",
    );
    says(
        16,
        window([3, 1], [1; 2], [1; 2], [1; 2]),
        1,
        "below the kernel size 3x1",
    );
    says(
        16,
        window([3; 2], [1; 2], [0; 2], [3; 2]),
        1,
        "3x3 window, dilation 3, does not fit",
    );
    says(
        16,
        window([3; 2], [1; 2], [0; 2], [usize::MAX; 2]),
        1,
        "does not fit",
    );
    says(
        16,
        window([3; 2], [1; 2], [usize::MAX / 2; 2], [usize::MAX / 3; 2]),
        1,
        "layer c",
    );
    let wide = window([3, 1], [2, 1], [1, 0], [2, 1]);
    let output = GroupedConvOp::output("c", image, 32, (wide, 16)).unwrap();
    assert_eq!(output, Shape::image(32, 2, 9));
    assert_eq!(wide.reach(), Some(Sides::new(5, 1)));
}
