//! Units of -1 and +1 against units of 0 and 1 whose next weights say the same: `w·(2h - 1)`
//! is `2w·h - w`. With weights of eighths every number is exact, so the two networks must
//! agree to the bit, under every estimator, in training and when packed.

use crate::common::{bits, engines, fastest};
use bnn_cpu::estimators::{self, Emit};
use bnn_cpu::layers::{Binary, Conv, Levels};
use bnn_cpu::model::{ModelSpec, Network};
use bnn_cpu::packed::{Kind, PackedNet, Product, Step};
use bnn_cpu::random::{fill_uniform, keyed};
use bnn_cpu::tape::{Mode, Noise, Units};

/// A network with `UNIT` and `BORDER` to be filled in; the layers `a` and `b` lie below and
/// above its units.
const NETS: [&str; 2] = [
    r#"{"type":"linear","name":"a","out":5},{"type":"binary",UNIT},
       {"type":"linear","name":"b","out":3}"#,
    r#"{"type":"conv","name":"a","out":3,"kernel":3,"padding":1},{"type":"binary",UNIT},
       {"type":"conv","name":"b","out":3,"kernel":3,"padding":1,BORDER},
       {"type":"global_avg_pool"}"#,
];

fn spec(net: &str, unit: &str, border: i8) -> ModelSpec {
    let layers = net.replace("UNIT", unit);
    let layers = layers.replace("BORDER", &format!("\"border\":{border}"));
    let text = format!(
        r#"{{"name":"n","input":{{"channels":2,"height":4,"width":4}},"layers":[{layers}]}}"#
    );
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Eighths, from a seed, for all parameters.
fn eighths(len: usize) -> Vec<f32> {
    let mut w = vec![0.0; len];
    fill_uniform(&mut keyed(&[11]), &mut w);
    w.iter_mut()
        .for_each(|w| *w = (*w * 16.0).round() / 8.0 - 1.0);
    w
}

fn span(net: &Network, name: &str) -> std::ops::Range<usize> {
    let entries = net.params().entries();
    let entry = entries.iter().find(|e| e.name == name);
    entry.expect("the layer has this parameter").span.clone()
}

/// Sets eighths; of bits those that make of layer `b` what it is over signs.
fn set_weights(net: &mut Network, levels: Levels) {
    let (weight, bias) = (span(net, "b.weight"), span(net, "b.bias"));
    let mut w = eighths(net.params().values().len());
    if levels == Levels::Bits {
        let depth = weight.len() / bias.len();
        for o in 0..bias.len() {
            let row = &mut w[weight.start + o * depth..][..depth];
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|w| *w *= 2.0);
            w[bias.start + o] -= sum;
        }
    }
    net.params_mut().values_mut().copy_from_slice(&w);
}

/// Logits, and the gradient of layer `a`, of a step.
fn step(spec: &ModelSpec, samples: usize) -> (Vec<f32>, Vec<f32>) {
    let images = 4;
    let mut net = Network::sampled(spec, fastest(), images, samples).unwrap();
    let unit = spec.layers[1].get::<Binary>().unwrap();
    set_weights(&mut net, unit.levels);
    net.set_rows(images);
    for row in 0..images {
        // Pixels that are eighths once they are divided by 255.
        let image: Vec<u8> = (0..32)
            .map(|i| if (i * 7 + row * 5) % 3 == 0 { 255 } else { 0 })
            .collect();
        net.set_row(row, &image, row as u32 % 3);
    }
    let pass = net.pass_mut();
    (pass.mode, pass.units) = (Mode::Train, Units::Sample);
    (pass.slope, pass.temperature) = (0.25, 0.5);
    pass.noise = Noise {
        seed: 3,
        step: 1,
        draw: 0,
    };
    net.forward();
    let logits = net.logits().to_vec();
    net.backward();
    let grads = span(&net, "a.weight").start..span(&net, "a.bias").end;
    (logits, net.params().grads()[grads].to_vec())
}

#[test]
fn signs_train_as_bits_whose_next_weights_say_the_same() {
    let mut compared = 0;
    for (number, net) in NETS.iter().enumerate() {
        for make in estimators::ALL {
            let estimator = make(None).unwrap();
            let name = estimator.info().name;
            // It stands directly below the logits.
            if estimator.needs_differences() && number > 0 {
                continue;
            }
            for mode in ["det", "stoch"] {
                let unit = format!(r#""mode":"{mode}","estimator":"{name}""#);
                let signs = spec(net, &format!(r#"{unit},"levels":"-1/+1""#), -1);
                let bits_ = spec(net, &unit, 0);
                let samples = estimator.min_samples();
                let ((z, g), (z_bits, g_bits)) = (step(&signs, samples), step(&bits_, samples));
                let what = format!("{name}, {mode}, net {number}");
                assert!(z.iter().any(|z| *z != 0.0), "{what}");
                // Of relaxed bits, neither sum is exact.
                if !estimator.relaxes() {
                    assert_eq!(bits(&z), bits(&z_bits), "{what}");
                }
                for (z, z_bits) in z.iter().zip(&z_bits) {
                    assert!((z - z_bits).abs() < 1e-5, "{what}: {z} {z_bits}");
                }
                // A product by Winograd's algorithm and one by tables round their gradients
                // differently, and so do probabilities and relaxed bits.
                let emits_bits = estimator.extras().iter().all(|e| {
                    [e.here, e.above]
                        .iter()
                        .all(|emit| matches!(emit, Emit::Sample | Emit::Opposite))
                });
                if number == 0 && emits_bits && !estimator.relaxes() {
                    assert_eq!(bits(&g), bits(&g_bits), "{what}");
                }
                let largest = g_bits.iter().fold(0.0f32, |m, g| m.max(g.abs()));
                assert!(
                    largest > 0.0 || name == "none",
                    "{what}: a gradient of 0 tests nothing"
                );
                for (g, g_bits) in g.iter().zip(&g_bits) {
                    assert!((g - g_bits).abs() <= 2e-5 * largest, "{what}: {g} {g_bits}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 2 * estimators::ALL.len(), "{compared}");
}

/// The same without a level that means what a border of 0 means: the sum leaves it out.
#[test]
fn a_border_of_zeros_takes_no_part_in_a_sum_of_signs() {
    let unit = r#""mode":"det","levels":"-1/+1""#;
    let logits = |border: i8| {
        let spec = spec(NETS[1], unit, border);
        let mut net = Network::new(&spec, fastest(), 1, false).unwrap();
        set_weights(&mut net, Levels::Signs);
        net.set_rows(1);
        net.set_row(0, &[255; 32], 0);
        net.forward();
        net.logits().to_vec()
    };
    let (none, low, high) = (logits(0), logits(-1), logits(1));
    assert!(low != high);
    for ((none, low), high) in none.iter().zip(&low).zip(&high) {
        assert!(
            (none - (low + high) / 2.0).abs() < 1e-5,
            "{low} {none} {high}"
        );
    }
}

#[test]
fn a_spec_states_levels_and_borders_only_where_they_are_not_the_usual_ones() {
    let usual = spec(NETS[1], r#""mode":"det""#, 0);
    let text = serde_json::to_string(&usual).unwrap();
    assert!(
        !text.contains("levels") && !text.contains("border"),
        "{text}"
    );
    let signs = spec(NETS[1], r#""mode":"det","levels":"-1/+1""#, -1);
    let text = serde_json::to_string(&signs).unwrap();
    assert!(
        text.contains(r#""levels":"-1/+1""#) && text.contains(r#""border":-1"#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<ModelSpec>(&text).unwrap(), signs);
    let describe = |i: usize| signs.layers[i].layer().describe();
    assert_eq!(describe(1), "binary unit, deterministic, st, -1/+1");
    assert_eq!(describe(2), "conv 3x3, stride 1, padding 1, border -1");
    let named = r#"{"name":"n","input":{"channels":1,"height":4,"width":4},"layers":[{"type":"binary","mode":"det","levels":"-1/1"}]}"#;
    let error = serde_json::from_str::<ModelSpec>(named)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected `0/1` or `-1/+1`") && !error.contains('\n'),
        "{error}"
    );
    let error = spec(NETS[1], r#""mode":"det""#, 3)
        .check()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("layer b: border 3 is no level of a binary unit"),
        "{error}"
    );
}

/// What packed signs are: bits with a step behind them, in files of a format of their own.
#[test]
fn packed_signs_are_bits_that_mean_signs() {
    let layers = r#"{"type":"conv","name":"a","out":3,"kernel":3,"padding":1},
        {"type":"binary","mode":"det","levels":"-1/+1"},{"type":"max_pool","kernel":2},
        {"type":"conv","name":"b","out":4,"kernel":3,"padding":1,BORDER,"weights":"binary","bias":false},
        {"type":"binary","mode":"det","levels":"-1/+1"},
        {"type":"linear","name":"c","out":3,"weights":"binary","bias":false}"#;
    for border in [-1, 0, 1] {
        let mut spec = spec(layers, "", border);
        let mut net = Network::new(&spec, fastest(), 1, false).unwrap();
        let weights = eighths(net.params().values().len());
        net.params_mut().values_mut().copy_from_slice(&weights);
        net.pass_mut().mode = Mode::Eval;
        let packed = net.pack().unwrap();
        let kinds: Vec<Kind> = packed.flows().iter().map(|f| f.output().1).collect();
        assert_eq!(kinds, [Kind::Signs, Kind::Signs, Kind::Reals]);
        assert!(packed.stages()[0].tail.contains(&Step::Signs));
        assert!(
            matches!(packed.stages()[1].product, Product::Conv { border: b, .. } if b == border)
        );
        let bytes = packed.to_bytes().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("format\\\":4"), "border {border}");
        assert_eq!(PackedNet::from_bytes(&bytes).unwrap(), packed);
        let image: Vec<u8> = (0..32).map(|i| (i * 37 % 256) as u8).collect();
        net.set_rows(1);
        net.set_row(0, &image, 0);
        net.forward();
        for engine in engines() {
            let mut runner = packed.runner(engine);
            let mut logits = vec![0.0; 3];
            runner.logits(&image, &mut logits);
            assert_eq!(bits(&logits), bits(net.logits()), "border {border}");
            // Bits at once, whatever the border is: no sums are written down.
            let operations = runner.operations().into_iter();
            let names: Vec<&str> = operations.filter(|o| o.0 == 1).map(|o| o.1).collect();
            assert_eq!(names, ["binary conv"], "border {border}");
            let mut output = Vec::new();
            for (stage, layer) in [(0, 2), (1, 4)] {
                runner.output(stage, &mut output);
                assert_eq!(output, net.layer_output(layer), "border {border}");
                assert!(output.iter().all(|x| x.abs() == 1.0));
            }
        }
        // Back to bits and a border of 0 it is a file of today's.
        for layer in &mut spec.layers {
            layer.update::<Binary>(|unit| unit.levels = Levels::Bits);
            layer.update::<Conv>(|conv| conv.border = 0);
        }
        let net = Network::new(&spec, fastest(), 1, false).unwrap();
        let bytes = net.pack().unwrap().to_bytes().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("format\\\":2") && !text.contains("border"));
    }
}
