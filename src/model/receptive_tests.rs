use super::*;
use crate::kernels;
use crate::layers::{AvgPool, Layer, MaxPool};
use crate::model::{Init, Network, preset};
use crate::random::{between, keyed};
use crate::tape::Mode;

/// Pools are averages, since the greatest of a window hides the others; both kinds see the same.
/// Two branches of other windows and strides that meet, a dilated and a depthwise convolution,
/// a shortcut, and windows that leave pixels out.
const GRAPH: &str = r#"{"name": "graph", "input": {"channels": 2, "height": 18, "width": 14},
    "layers": [
        {"type": "conv", "name": "a", "out": 3, "kernel": 3, "padding": 1, "stride": 2},
        {"type": "batch_norm", "name": "an"},
        {"type": "conv", "name": "b", "out": 2, "kernel": [5, 3], "padding": [2, 1], "inputs": ["input"]},
        {"type": "activation", "function": "sigmoid"},
        {"type": "avg_pool", "name": "bp", "kernel": 2},
        {"type": "conv", "name": "c", "out": 3, "kernel": 2, "padding": 1, "inputs": ["an"]},
        {"type": "avg_pool", "name": "cp", "kernel": 2, "stride": 1},
        {"type": "add", "name": "sum", "inputs": ["an", "cp"]},
        {"type": "conv", "name": "d", "out": 3, "kernel": 3, "padding": 2, "dilation": 2, "groups": 3},
        {"type": "avg_pool", "name": "dp", "kernel": 3, "stride": 2},
        {"type": "avg_pool", "name": "bpp", "kernel": 3, "stride": 2, "inputs": ["bp"]},
        {"type": "concat", "name": "both", "inputs": ["dp", "bpp"]},
        {"type": "conv", "name": "e", "out": 2, "kernel": 2},
        {"type": "flatten"},
        {"type": "linear", "name": "fc", "out": 4}]}"#;

/// The least rectangle of the pixels whose change changes that unit, found by changing every
/// pixel of many random images.
fn by_changing_pixels(net: &mut Network, layer: usize, unit: usize, rng: u64) -> Option<Span> {
    let Shape {
        height,
        width,
        channels,
    } = net.spec().input;
    let mut found: Option<Span> = None;
    for trial in 0..2 {
        let mut rng = keyed(&[rng, trial]);
        let image: Vec<f32> = (0..height * width * channels)
            .map(|_| between(&mut rng, -2.0, 2.0))
            .collect();
        net.set_rows(1);
        net.input_mut().copy_from_slice(&image);
        net.forward();
        let before = net.layer_output(layer)[unit];
        for pixel in 0..height * width {
            let mut other = image.clone();
            for x in &mut other[pixel * channels..][..channels] {
                *x += between(&mut rng, 3.0, 9.0);
            }
            net.input_mut().copy_from_slice(&other);
            net.forward();
            if net.layer_output(layer)[unit] != before {
                let at = Span::at(pixel / width, pixel % width);
                found = Some(found.map_or(at, |f| f.join(at)));
            }
        }
    }
    found
}

#[test]
fn fields_are_what_changed_pixels_reach() {
    let spec: ModelSpec = serde_json::from_str(GRAPH).unwrap();
    let engine = kernels::select(Some("scalar")).unwrap();
    let mut net = Network::new(&spec, engine, 1, false).unwrap();
    net.init(Init::Pytorch, 5);
    net.pass_mut().mode = Mode::Eval;
    let shapes = spec.layer_shapes().unwrap();
    let mut smaller = 0;
    for (layer, shapes) in shapes.iter().enumerate().take(13) {
        let shape = shapes.output;
        // The corners, the middle, and in every branch.
        let places = [
            (0, 0),
            (shape.height - 1, shape.width - 1),
            (shape.height / 2, shape.width / 2),
            (0, shape.width - 1),
        ];
        for (row, column) in places {
            for channel in [0, shape.channels - 1] {
                let field = spec.receptive_field(layer, channel, (row, column)).unwrap();
                let unit = (row * shape.width + column) * shape.channels + channel;
                let reached = by_changing_pixels(&mut net, layer, unit, layer as u64);
                let what = format!("{} {channel} {row} {column}", spec.layers[layer].label());
                assert_eq!(Some(field.pixels), reached, "{what}");
                smaller += usize::from(field.pixels.size() != (18, 14));
                let inside = field.window.within(spec.input);
                assert_eq!(
                    inside.join(field.pixels),
                    inside,
                    "{what}: within its window"
                );
            }
        }
    }
    let (kernel, stride) = (Sides::both(3), Some(Sides::both(2)));
    assert_eq!(
        MaxPool { kernel, stride }.sight(),
        AvgPool { kernel, stride }.sight()
    );
    assert!(
        smaller > 60,
        "{smaller}: most units see a part of the image"
    );
}

/// A flattened image's numbers see what the units saw that they are, in PyTorch's order.
#[test]
fn a_flattened_unit_sees_what_it_saw() {
    let text = r#"{"name": "flat", "input": {"channels": 1, "height": 6, "width": 8}, "layers": [
        {"type": "conv", "name": "a", "out": 3, "kernel": 2, "stride": 2},
        {"type": "flatten"},
        {"type": "flatten", "name": "again"},
        {"type": "linear", "name": "fc", "out": 2}]}"#;
    let spec: ModelSpec = serde_json::from_str(text).unwrap();
    let engine = kernels::select(Some("scalar")).unwrap();
    let mut net = Network::new(&spec, engine, 1, false).unwrap();
    net.init(Init::Pytorch, 5);
    net.pass_mut().mode = Mode::Eval;
    for layer in [1, 2] {
        for unit in 0..36 {
            let field = spec.receptive_field(layer, unit, (0, 0)).unwrap();
            let reached = by_changing_pixels(&mut net, layer, unit, 3);
            assert_eq!(Some(field.pixels), reached, "{layer} {unit}");
            assert_eq!(field.window.size(), (2, 2));
        }
    }
    let logits = spec.receptive_field(3, 0, (0, 0)).unwrap();
    assert_eq!(logits.pixels.size(), (6, 8));
    assert_eq!(spec.depths().unwrap(), [1, 1, 1, 2]);
}

#[test]
fn fields_of_a_known_network() {
    // 5x5 with padding 2, pool 2, 5x5 with padding 2, pool 2: 6 and 16 pixels, 2 and 4 apart.
    let spec = preset("seed-net", Shape::image(1, 28, 28), 10).unwrap();
    let blocks = spec.blocks().unwrap();
    let sizes: Vec<_> = blocks
        .iter()
        .map(|b| spec.receptive_field(b.last, 0, (3, 3)).unwrap())
        .collect();
    let span = |from: i64, to: i64| Span {
        top: from,
        left: from,
        bottom: to,
        right: to,
    };
    assert_eq!(sizes[0].window, span(4, 9));
    assert_eq!(sizes[1].window, span(6, 21));
    let corner = spec.receptive_field(blocks[1].last, 31, (0, 6)).unwrap();
    assert_eq!(corner.window.size(), (16, 16));
    assert_eq!(
        corner.pixels,
        Span {
            top: 0,
            left: 18,
            bottom: 9,
            right: 27
        }
    );
    let logits = spec
        .receptive_field(spec.layers.len() - 1, 9, (0, 0))
        .unwrap();
    assert_eq!(logits.pixels, span(0, 27));
    assert!(spec.receptive_field(0, 99, (0, 0)).is_err());
}
