//! Every layer forwards and backwards, every optimiser and every learning-rate
//! schedule, against values that PyTorch computed (`tests/tools`).

use std::sync::Arc;

use crate::common::golden::{Golden, Tensor, assert_close, assert_within, from_rows, to_rows};
use bnn_cpu::estimators::{BinaryUnit, Firing, StraightThrough};
use bnn_cpu::kernels::Engine;
use bnn_cpu::layers::{
    ActivationOp, BatchNormOp, ConvOp, CrossEntropyOp, Function, LinearOp, MaxPoolOp, Terms,
    Window, log_softmax,
};
use bnn_cpu::tape::{Mode, Tape, Value};
use bnn_cpu::tensor::Shape;
use bnn_cpu::train::{LrSchedule, Optimiser, OptimiserSpec};
use serde_json::Value as Json;

/// Rounding of f32 sums of up to some hundred terms, in units of the largest
/// number of the tensor.
const ROUNDING: f64 = 2e-6;

/// One case of the golden file on one instruction set.
struct Case<'a> {
    golden: &'a Golden,
    name: &'a str,
    about: &'a Json,
    engine: Engine,
    /// Rows of the tape beyond those of the case: a short batch must not differ.
    spare: usize,
}

impl Case<'_> {
    fn get(&self, tensor: &str) -> &Tensor {
        self.golden.get(&format!("{}.{tensor}", self.name))
    }

    fn find(&self, tensor: &str) -> Option<&Tensor> {
        self.golden.find(&format!("{}.{tensor}", self.name))
    }

    fn size(&self, key: &str) -> usize {
        let size = self.about[key].as_u64();
        size.unwrap_or_else(|| panic!("{} has no {key}", self.name)) as usize
    }

    fn number(&self, key: &str) -> f64 {
        let number = self.about[key].as_f64();
        number.unwrap_or_else(|| panic!("{} has no {key}", self.name))
    }

    fn flag(&self, key: &str) -> bool {
        let flag = self.about[key].as_bool();
        flag.unwrap_or_else(|| panic!("{} has no {key}", self.name))
    }

    fn label(&self, what: &str) -> String {
        format!("{} {} {what}", self.engine.kernels.isa.name(), self.name)
    }

    /// A tape with an input of that shape for the case's rows.
    fn tape(&self, rows: usize, shape: Shape) -> (Tape, Value) {
        let mut tape = Tape::new(self.engine, rows + self.spare);
        let x = tape.input(shape, true);
        (tape, x)
    }

    /// Sets input and upstream gradient, runs both ways, and compares.
    fn run(&self, tape: &mut Tape, rows: usize, x: Value, y: Value, tolerance: f64) {
        tape.set_rows(rows);
        let (from, to) = (tape.shape(x), tape.shape(y));
        let input = to_rows(&self.get("x").f32(), from.channels, from.pixels());
        tape.value_mut(x).copy_from_slice(&input);
        tape.params.grads_mut().fill(0.0);
        tape.forward();
        let got = from_rows(tape.value(y), to.channels, to.pixels());
        assert_close(&self.label("y"), &got, self.get("y"), tolerance);
        let dy = to_rows(&self.get("dy").f32(), to.channels, to.pixels());
        tape.backward_from(y, |grad| grad.copy_from_slice(&dy));
        let got = from_rows(tape.grad(x), from.channels, from.pixels());
        assert_close(&self.label("dx"), &got, self.get("dx"), tolerance);
    }

    /// Sets the parameter `layer.{param}`.
    fn set(&self, tape: &mut Tape, param: &str, values: &Tensor) {
        let span = entry(tape, param);
        tape.params.values_mut()[span].copy_from_slice(&values.f32());
    }

    /// Compares the gradient of the parameter `layer.{param}`.
    fn grad(&self, tape: &Tape, param: &str, want: &str, tolerance: f64) {
        let got = &tape.params.grads()[entry(tape, param)];
        assert_close(&self.label(want), got, self.get(want), tolerance);
    }
}

fn entry(tape: &Tape, param: &str) -> std::ops::Range<usize> {
    let name = format!("layer.{param}");
    let found = tape.params.entries().iter().find(|e| e.name == name);
    found.expect("the layer has this parameter").span.clone()
}

fn conv(case: &Case) {
    let shape = Shape::image(
        case.size("in_channels"),
        case.size("height"),
        case.size("width"),
    );
    let window = Window::square(
        case.size("kernel"),
        case.size("stride"),
        case.size("padding"),
    );
    let (rows, bias) = (case.size("n"), case.flag("bias"));
    let (mut tape, x) = case.tape(rows, shape);
    let channels = case.size("out_channels");
    let y = ConvOp::record(&mut tape, "layer", x, channels, window, Terms::real(bias)).unwrap();
    tape.seal(true);
    case.set(&mut tape, "weight", case.get("weight"));
    if bias {
        case.set(&mut tape, "bias", case.get("bias"));
    }
    case.run(&mut tape, rows, x, y, ROUNDING);
    case.grad(&tape, "weight", "dweight", ROUNDING);
    if bias {
        case.grad(&tape, "bias", "dbias", ROUNDING);
    }
}

fn linear(case: &Case) {
    let rows = case.get("x").shape[0];
    let shape = match case.get("x").shape[1..] {
        [c, h, w] => Shape::image(c, h, w),
        [n] => Shape::vector(n),
        _ => panic!("{} has an odd input", case.name),
    };
    let (mut tape, x) = case.tape(rows, shape);
    let y = LinearOp::record(
        &mut tape,
        "layer",
        x,
        case.size("out_features"),
        Terms::real(true),
    )
    .unwrap();
    tape.seal(true);
    case.set(&mut tape, "weight", case.get("weight"));
    // Our layer always has a bias; its zeros stand for PyTorch's missing one.
    assert_eq!(case.find("bias").is_some(), case.flag("bias"));
    if case.flag("bias") {
        case.set(&mut tape, "bias", case.get("bias"));
    }
    case.run(&mut tape, rows, x, y, ROUNDING);
    case.grad(&tape, "weight", "dweight", ROUNDING);
    if case.flag("bias") {
        case.grad(&tape, "bias", "dbias", ROUNDING);
    }
}

fn batch_norm(case: &Case) {
    let (eps, momentum) = (case.number("eps"), case.number("momentum"));
    let training = case.flag("training");
    let (rows, shape) = match case.get("x").shape[..] {
        [n, c, h, w] => (n, Shape::image(c, h, w)),
        [n, c] => (n, Shape::vector(c)),
        _ => panic!("{} has an odd input", case.name),
    };
    // A mean of 100 leaves x - mean five bits fewer than x has.
    let shifted = case.name.contains("shifted");
    let tolerance = if shifted { 1e-4 } else { ROUNDING };
    let build = |momentum: f64| {
        let (mut tape, x) = case.tape(rows, shape);
        let y = BatchNormOp::record(&mut tape, "layer", x, eps, momentum).unwrap();
        tape.seal(true);
        case.set(&mut tape, "weight", case.get("gamma"));
        case.set(&mut tape, "bias", case.get("beta"));
        let before = [
            case.get("running_mean_before").f32(),
            case.get("running_var_before").f32(),
        ];
        let buffers = tape.params.buffer_values_mut();
        buffers.copy_from_slice(&before.concat());
        tape.pass.mode = if training { Mode::Train } else { Mode::Eval };
        (tape, x, y)
    };
    let (mut tape, x, y) = build(momentum);
    case.run(&mut tape, rows, x, y, tolerance);
    case.grad(&tape, "weight", "dgamma", tolerance);
    case.grad(&tape, "bias", "dbeta", tolerance);
    let count = shape.channels;
    let (mean, var) = tape.params.buffer_values().split_at(count);
    if !training {
        assert_eq!(mean, case.get("running_mean_before").f32());
        assert_eq!(var, case.get("running_var_before").f32());
        return;
    }
    assert_eq!(tape.params.counters()[0].1, 1);
    let (want_mean, want_var) = (case.get("running_mean"), case.get("running_var"));
    assert_close(&case.label("running_mean"), mean, want_mean, ROUNDING);
    assert_close(&case.label("running_var"), var, want_var, ROUNDING);
    // With a momentum of 1 the running estimate is the batch's own.
    let (mut tape, x, y) = build(1.0);
    case.run(&mut tape, rows, x, y, tolerance);
    let (mean, var) = tape.params.buffer_values().split_at(count);
    let n = (rows * shape.pixels()) as f64;
    let unbiased = Tensor {
        shape: vec![count],
        values: case
            .get("batch_var")
            .values
            .iter()
            .map(|v| v * n / (n - 1.0))
            .collect(),
    };
    assert_close(
        &case.label("batch_mean"),
        mean,
        case.get("batch_mean"),
        ROUNDING,
    );
    assert_close(&case.label("batch_var"), var, &unbiased, ROUNDING);
}

fn max_pool(case: &Case) {
    let (rows, shape) = match case.get("x").shape[..] {
        [n, c, h, w] => (n, Shape::image(c, h, w)),
        _ => panic!("{} has an odd input", case.name),
    };
    let (mut tape, x) = case.tape(rows, shape);
    let (kernel, stride) = (case.size("kernel"), case.size("stride"));
    let y = MaxPoolOp::record(&mut tape, "layer", x, kernel, stride).unwrap();
    tape.seal(true);
    case.run(&mut tape, rows, x, y, 1e-7);

    // A gradient of 1 at one output arrives at the pixel that PyTorch chose.
    let index = case.get("index").whole();
    let out = tape.shape(y);
    for (i, &index) in index.iter().enumerate() {
        let mut dy = vec![0.0; index_len(&out, rows)];
        dy[i] = 1.0;
        let dy = to_rows(&dy, out.channels, out.pixels());
        tape.backward_from(y, |grad| grad.copy_from_slice(&dy));
        let dx = from_rows(tape.grad(x), shape.channels, shape.pixels());
        let plane = i / out.pixels();
        let hit = plane * shape.pixels() + index as usize;
        let want: Vec<f32> = (0..dx.len()).map(|k| f32::from(k == hit)).collect();
        assert_eq!(dx, want, "{}", case.label(&format!("index {i}")));
    }
    let ties = case.flag("ties");
    assert_eq!(ties, case.name.contains("ties"));
}

fn index_len(out: &Shape, rows: usize) -> usize {
    out.len() * rows
}

/// An activation on one row of all numbers, and on a row for each number.
fn activation(case: &Case, record: impl Fn(&mut Tape, Value) -> Value, tolerance: f64) {
    let len = case.get("x").values.len();
    for (rows, width) in [(1, len), (len, 1)] {
        let (mut tape, x) = case.tape(rows, Shape::vector(width));
        let y = record(&mut tape, x);
        tape.seal(true);
        if case.about.get("slope").is_some() {
            tape.pass.slope = case.number("slope") as f32;
        }
        case.run(&mut tape, rows, x, y, tolerance);
    }
}

fn relu(case: &Case) {
    activation(
        case,
        |tape, x| ActivationOp::record(tape, x, Function::Relu),
        0.0,
    );
}

fn hard_sigmoid(case: &Case) {
    let record = |tape: &mut Tape, x| ActivationOp::record(tape, x, Function::HardSigmoid);
    activation(case, record, 2e-7);
}

fn sigmoid(case: &Case) {
    let record = |tape: &mut Tape, x| ActivationOp::record(tape, x, Function::Sigmoid);
    activation(case, record, 5e-7);
}

fn binary_st(case: &Case) {
    for firing in [Firing::Deterministic, Firing::Stochastic] {
        let record = |tape: &mut Tape, x| {
            // Thresholds are one reading of both kinds of unit.
            tape.pass.units = bnn_cpu::tape::Units::Threshold;
            BinaryUnit::record(tape, x, firing, Arc::new(StraightThrough::default()))
        };
        activation(case, record, 1e-7);
    }
}

fn cross_entropy(case: &Case) {
    let (rows, classes) = (case.get("x").shape[0], case.size("classes"));
    let (mut tape, x) = case.tape(rows, Shape::vector(classes));
    let loss = CrossEntropyOp::record(&mut tape, x);
    tape.seal(true);
    tape.set_rows(rows);
    tape.value_mut(x).copy_from_slice(&case.get("x").f32());
    tape.batch.labels[..rows].copy_from_slice(&case.get("labels").whole());
    tape.forward();
    let mut log_probs = vec![0.0; rows * classes];
    for (z, out) in tape
        .value(x)
        .chunks_exact(classes)
        .zip(log_probs.chunks_exact_mut(classes))
    {
        log_softmax(z, out);
    }
    let close = |what: &str, got: &[f32]| {
        assert_close(&case.label(what), got, case.get(what), ROUNDING);
    };
    close("log_probs", &log_probs);
    close("loss", tape.value(loss));
    let sum: f64 = tape.value(loss).iter().map(|&l| f64::from(l)).sum();
    close("mean_loss", &[(sum / rows as f64) as f32]);
    tape.backward(loss, 1.0 / rows as f32);
    close("dx_mean", tape.grad(x));
    let dloss = case.get("dloss").f32();
    tape.backward_from(loss, |grad| grad.copy_from_slice(&dloss));
    close("dx", tape.grad(x));
}

/// Runs `check` on every case of that op, on every instruction set, with a full
/// and with a short batch.
fn every_case(op: &str, check: fn(&Case)) {
    let golden = Golden::read("ops.safetensors");
    let mut seen = 0;
    for (name, about) in golden.about.iter().filter(|(_, about)| about["op"] == op) {
        for engine in crate::common::engines() {
            for spare in [0, 1, 40] {
                check(&Case {
                    golden: &golden,
                    name,
                    about,
                    engine,
                    spare,
                });
            }
        }
        golden.assert_all_asked(&format!("{name}."));
        seen += 1;
    }
    assert!(seen > 0, "the golden file has no case of {op}");
}

/// A test for each op, and the list of them all.
macro_rules! ops {
    ($($op:ident),*) => {
        const OPS: &[&str] = &[$(stringify!($op)),*];
        mod ops {
            $(#[test] fn $op() { super::every_case(stringify!($op), super::$op); })*
        }
    };
}

ops!(
    conv,
    linear,
    batch_norm,
    max_pool,
    relu,
    hard_sigmoid,
    sigmoid,
    binary_st,
    cross_entropy
);

#[test]
fn every_case_of_the_file_has_a_test() {
    let golden = Golden::read("ops.safetensors");
    for (case, about) in &golden.about {
        let op = about["op"].as_str().unwrap_or("nothing");
        assert!(OPS.contains(&op), "no test takes {case}, of op {op}");
    }
    for name in golden.names("") {
        let (case, _) = name.split_once('.').expect("names are CASE.tensor");
        assert!(golden.about.contains_key(case), "{name} is of no case");
    }
}

/// The optimiser that a case of `optim.safetensors` describes.
fn optimiser(about: &Json) -> OptimiserSpec {
    let number = |value: &Json, default: f64| value.as_f64().unwrap_or(default) as f32;
    let weight_decay = number(&about["weight_decay"], 0.0);
    let (beta1, beta2) = (
        number(&about["betas"][0], 0.9),
        number(&about["betas"][1], 0.999),
    );
    let eps = number(&about["eps"], 1e-8);
    match about["optimiser"].as_str().unwrap() {
        "sgd" => OptimiserSpec::Sgd {
            momentum: number(&about["momentum"], 0.0),
            nesterov: about["nesterov"].as_bool().unwrap_or(false),
            weight_decay,
        },
        "adam" => OptimiserSpec::Adam {
            beta1,
            beta2,
            eps,
            weight_decay,
        },
        "adamw" => OptimiserSpec::AdamW {
            beta1,
            beta2,
            eps,
            weight_decay,
        },
        other => panic!("no test takes optimiser {other}"),
    }
}

/// The rate at step `t` of the schedule that a case describes.
fn rate(about: &Json, steps: usize, t: u64) -> f64 {
    let number = |key: &str| about[key].as_f64().unwrap();
    match about["schedule"].as_str().unwrap() {
        "step" => LrSchedule::Step {
            every: about["step_size"].as_u64().unwrap() as usize,
            factor: number("gamma"),
        }
        .at(number("lr"), t, 1, steps as u64),
        "cosine" => LrSchedule::Cosine {
            min: number("eta_min"),
        }
        .at(number("lr"), t, 1, about["T_max"].as_u64().unwrap()),
        "one_cycle" => {
            let schedule = LrSchedule::OneCycle {
                rise: number("pct_start"),
                start_divisor: number("div_factor"),
                final_divisor: number("final_div_factor"),
            };
            assert_eq!(
                schedule,
                LrSchedule::ONE_CYCLE,
                "the defaults are PyTorch's"
            );
            schedule.at(
                number("max_lr"),
                t,
                1,
                about["total_steps"].as_u64().unwrap(),
            )
        }
        other => panic!("no test takes schedule {other}"),
    }
}

#[test]
fn optimisers_and_schedules() {
    let golden = Golden::read("optim.safetensors");
    let (mut optimisers, mut schedules) = (0, 0);
    for (name, about) in &golden.about {
        if about.get("schedule").is_some() {
            let want = golden.get(&format!("lr.{name}"));
            for (t, &want) in want.values.iter().enumerate() {
                let got = rate(about, want_len(&golden, name), t as u64);
                let error = (got - want).abs();
                assert!(error <= 1e-12, "{name} step {t}: {got} instead of {want}");
            }
            schedules += 1;
            continue;
        }
        let spec = optimiser(about);
        spec.check().unwrap();
        for engine in crate::common::engines() {
            let mut weights = golden.f32(&format!("{name}.w0"));
            let len = weights.len();
            let grads = golden.f32(&format!("{name}.grads"));
            let after = golden.get(&format!("{name}.weights"));
            let mut optimiser = Optimiser::new(spec, len);
            for (i, grads) in grads.chunks_exact(len).enumerate() {
                let lr = about["rates"][i].as_f64().or(about["lr"].as_f64()).unwrap();
                let ew = &engine.kernels.ew;
                optimiser.step(ew, lr, i as u64 + 1, &mut weights, grads);
                let want = &after.values[i * len..][..len];
                for (j, (&got, &want)) in weights.iter().zip(want).enumerate() {
                    let what = format!("{} {name} step {i} weight {j}", engine.kernels.isa.name());
                    assert_within(&what, &[got], &[want], 1e-6 * want.abs().max(1.0));
                }
            }
        }
        optimisers += 1;
    }
    golden.assert_all_asked("");
    assert!(
        optimisers >= 12 && schedules >= 5,
        "{optimisers}, {schedules}"
    );
}

fn want_len(golden: &Golden, name: &str) -> usize {
    golden.get(&format!("lr.{name}")).values.len()
}
