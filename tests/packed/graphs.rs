//! Packed networks with branches, written out: what they become, faults that must show, and
//! what is refused, in packing and in reading.

use crate::common::packed::RandomNet;
use crate::common::{bits, fastest};
use bnn_cpu::container;
use bnn_cpu::estimators::Firing;
use bnn_cpu::layers::{Layer, Recorder};
use bnn_cpu::model::{LayerSpec, ModelSpec, Network, verify};
use bnn_cpu::packed::{PackedNet, Product, Source, Stage, Step, Weights};
use bnn_cpu::tape::Value;
use bnn_cpu::tensor::Shape;
use serde::{Deserialize, Serialize};

/// A network over integer pixels of two channels, 6x6. A word is `name:kind:inputs`, the
/// inputs joined by `+`; without inputs it reads the layer before it.
fn spec(layers: &str) -> ModelSpec {
    let layer = |word: &str| {
        let mut parts = word.split(':');
        let name = parts.next().expect("a name");
        let kind = parts.next().expect("a kind");
        let conv = |out: usize, more: &str| {
            format!(r#""type":"conv","out":{out},"kernel":3,"padding":1,"weights":"binary",{more}"#)
        };
        let settings = match kind {
            "conv" => conv(3, r#""bias":false"#),
            "conv5" => conv(5, r#""bias":false"#),
            "biased" => conv(3, r#""bias":true"#),
            "norm" => r#""type":"batch_norm""#.into(),
            "max" => r#""type":"max_pool","kernel":2"#.into(),
            "avg" => r#""type":"avg_pool","kernel":2"#.into(),
            "relu" => r#""type":"activation","function":"relu""#.into(),
            "unit" => r#""type":"binary","mode":"det""#.into(),
            "draw" => r#""type":"binary","mode":"stoch""#.into(),
            "linear" => r#""type":"linear","out":4,"bias":false,"weights":"binary""#.into(),
            "dropout" => r#""type":"dropout","p":0.5"#.into(),
            other => format!(r#""type":"{other}""#),
        };
        let inputs = parts.next().map_or(String::new(), |inputs| {
            let names: Vec<String> = inputs.split('+').map(|n| format!("{n:?}")).collect();
            format!(r#","inputs":[{}]"#, names.join(","))
        });
        format!(r#"{{"name":"{name}",{settings}{inputs}}}"#)
    };
    let layers: Vec<String> = layers.split_whitespace().map(layer).collect();
    let text = format!(
        r#"{{"name":"n","input":{{"channels":2,"height":6,"width":6}},"pixels":"integer","layers":[{}]}}"#,
        layers.join(",")
    );
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn net(layers: &str, seed: u64) -> (RandomNet, Network) {
    let mut random = RandomNet::new(seed, Firing::Deterministic);
    let net = random.net(&spec(layers), fastest(), 1);
    (random, net)
}

/// The product and the steps of each stage.
fn form(packed: &PackedNet) -> String {
    let one = |stage: &Stage| {
        let product = match stage.product {
            Product::Conv { .. } => "conv",
            Product::Linear { .. } => "linear",
            Product::Input => "input",
            Product::Add => "add",
            Product::Concat => "concat",
        };
        let steps = stage.tail.iter().map(Step::name);
        let words: Vec<&str> = std::iter::once(product).chain(steps).collect();
        words.join(" ")
    };
    let stages: Vec<String> = packed.stages().iter().map(one).collect();
    stages.join(" | ")
}

const RESIDUAL: &str =
    "c:conv a:unit d:conv e:add:d+a f:shift g:unit h:conv5:g k:unit l:concat:k+g m:linear";

#[test]
fn branches_become_stages_that_name_what_they_read() {
    for (layers, expected) in [
        // A threshold over a sum of sums.
        (
            RESIDUAL,
            "conv cut | conv | add cut | conv cut | concat | linear affine",
        ),
        // Sums of bits; means of whole numbers are integers up to the unit.
        (
            "c:conv a:unit b:shift:c d:unit e:add:a+d f:avg g:norm h:unit i:linear",
            "conv | input cut | input cut | add sum_pool cut | linear affine",
        ),
        // What is no whole number is added as reals.
        (
            "c:conv a:unit d:biased e:add:d+a f:unit g:linear",
            "conv cut | conv affine | add fire | linear affine",
        ),
        // Sums of different depths side by side have a threshold a channel.
        (
            "c:conv a:unit d:conv:a e:conv5:a g:concat:d+c+e h:norm i:draw j:linear",
            "conv | input cut | conv | conv | concat draw | linear affine",
        ),
        (
            "c:conv a:unit f:avg n:norm p:avg u:unit l:linear",
            "conv cut sum_pool divide affine avg_pool fire | linear affine",
        ),
        (
            "c:conv a:unit b:flatten x:dropout l:linear",
            "conv cut | linear affine",
        ),
        (
            "c:conv a:unit l:conv p:global_avg_pool",
            "conv cut | conv sum_pool divide",
        ),
    ] {
        let (mut random, mut net) = net(layers, 3);
        let packed = net.pack().unwrap_or_else(|e| panic!("{layers}: {e}"));
        assert_eq!(form(&packed), expected, "{layers}");
        let again = PackedNet::from_bytes(&packed.to_bytes().unwrap()).unwrap();
        assert_eq!(again, packed, "{layers}");
        let mut runner = again.runner(fastest());
        let images: Vec<Vec<u8>> = (0..20).map(|_| random.image(72)).collect();
        let images = images.iter().map(Vec::as_slice);
        let found = verify(&mut net, &again, &mut runner, images).unwrap();
        assert_eq!(found.logits, 0, "{layers}: {found:?}");
        let all = found.stages.iter();
        assert!(
            all.clone().all(|s| s.differing == 0 && s.numbers > 0),
            "{layers}: {found:?}"
        );
    }
}

/// Logits over some images that differ from those of the network.
fn differing(packed: &PackedNet, net: &mut Network, random: &mut RandomNet) -> usize {
    let mut runner = packed.runner(fastest());
    let mut logits = vec![0.0; packed.classes()];
    let one = |_| {
        let image = random.image(72);
        net.set_rows(1);
        net.set_row(0, &image, 0);
        net.forward();
        runner.logits(&image, &mut logits);
        usize::from(bits(&logits) != bits(net.logits()))
    };
    (0..50).map(one).sum()
}

fn rebuilt(packed: &PackedNet, change: impl Fn(&mut Vec<Stage>)) -> bnn_cpu::Result<PackedNet> {
    let mut stages = packed.stages().to_vec();
    change(&mut stages);
    PackedNet::new("x".into(), packed.input(), packed.pixels().clone(), stages)
}

#[test]
fn planted_faults_are_noticed() {
    let (mut random, mut net) = net(RESIDUAL, 7);
    let packed = net.pack().unwrap();
    assert_eq!(differing(&packed, &mut net, &mut random), 0);
    let mut faulty = |what: &str, change: &dyn Fn(&mut Vec<Stage>)| {
        let wrong = rebuilt(&packed, change).unwrap_or_else(|e| panic!("{what}: {e}"));
        let found = differing(&wrong, &mut net, &mut random);
        assert!(found > 5, "{what}: {found} of 50 images");
    };
    faulty("the concatenation the other way round", &|stages| {
        stages[4].inputs.reverse();
    });
    faulty("an addend twice", &|stages| {
        stages[2].inputs.push(Source::Stage(0));
    });
    faulty("another skip connection", &|stages| {
        stages[4].inputs[1] = Source::Stage(0);
    });
    faulty("a threshold that is one off", &|stages| {
        if let Step::Threshold { thresholds } = &mut stages[2].tail[0] {
            thresholds
                .threshold
                .iter_mut()
                .for_each(|t| *t = (*t + 1).min(27));
        }
    });
    // An order that makes no difference to a sum of whole numbers makes none.
    let same = rebuilt(&packed, |stages| stages[2].inputs.reverse()).unwrap();
    assert_eq!(differing(&same, &mut net, &mut random), 0);
}

#[test]
fn stages_that_do_not_fit_are_refused() {
    let (_, net) = net(RESIDUAL, 1);
    let packed = net.pack().unwrap();
    let refused = |words: &str, change: &dyn Fn(&mut Vec<Stage>)| {
        let error = rebuilt(&packed, change).expect_err(words).to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    };
    for later in [2, 3, usize::MAX] {
        refused("none before it", &|s| s[2].inputs[0] = Source::Stage(later));
    }
    refused("stage d: no stage reads its output", &|s| {
        s[2].inputs = vec![Source::Stage(0); 2];
    });
    refused("at least two inputs", &|s| s[2].inputs.truncate(1));
    refused("different shapes", &|s| s[2].inputs.push(Source::Image));
    refused("only a sum has weights", &|s| {
        s[4].weights = Weights::Binary { words: Vec::new() };
    });
    refused("reads one input", &|s| {
        s[3].inputs = vec![Source::Stage(2), Source::Stage(0)];
    });
    refused("cannot read integer sums", &|s| {
        s[3].inputs = vec![Source::Stage(1)]
    });
    refused("2^24", &|s| {
        let all = std::iter::repeat_n(Source::Stage(1), 1 << 20);
        s[2].inputs.extend(all);
    });
    refused("sum_pool cannot follow", &|s| {
        s[1].tail.push(Step::SumPool {
            height: 7,
            width: 1,
            stride: 1,
        });
    });
    refused("divide cannot follow", &|s| {
        s[1].tail.push(Step::Divide { by: 0 })
    });
    refused("lies outside", &|s| {
        if let Step::Threshold { thresholds } = &mut s[2].tail[0] {
            thresholds.threshold[1] = 1000;
        }
    });
}

#[test]
fn only_graphs_need_the_newer_format() {
    let text = |layers: &str| {
        let (_, net) = net(layers, 1);
        let bytes = net.pack().unwrap().to_bytes().unwrap();
        (String::from_utf8_lossy(&bytes).into_owned(), bytes)
    };
    let (chain, _) = text("c:conv n:norm p:max u:unit l:linear");
    assert!(chain.contains(r#"format\":2"#) && !chain.contains("inputs"));
    let (graph, bytes) = text(RESIDUAL);
    assert!(graph.contains(r#"format\":3"#));
    let number = br#"format\":"#;
    let at = bytes.windows(number.len()).position(|w| w == number);
    let mut older = bytes;
    older[at.unwrap() + number.len()] = b'2';
    let older = container::reseal(older).expect("a seal");
    let error = PackedNet::from_bytes(&older)
        .expect_err("a lie")
        .to_string();
    assert!(error.contains("format 2 has no such stages"), "{error}");
}

/// A layer of another crate that says nothing of packing.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Strange {}

impl Layer for Strange {
    fn kind(&self) -> &'static str {
        "strange"
    }

    fn output(&self, _name: &str, inputs: &[Shape]) -> bnn_cpu::Result<Shape> {
        Ok(inputs[0])
    }

    fn record(&self, _to: &mut Recorder<'_>, inputs: &[Value]) -> bnn_cpu::Result<Value> {
        Ok(inputs[0])
    }
}

#[test]
fn layers_that_cannot_be_packed_are_refused_by_name() {
    let after_bits = "cannot be packed: it follows a binary unit";
    for (layers, words) in [
        (
            "c:conv u:unit s:shift l:linear",
            format!("layer 3 (s) {after_bits}"),
        ),
        (
            "c:conv u:unit n:norm l:linear",
            format!("layer 3 (n) {after_bits}"),
        ),
        (
            "c:conv u:unit v:unit:c w:concat:u+v x:unit l:linear",
            format!("layer 5 (x) {after_bits}"),
        ),
    ] {
        let (_, net) = net(layers, 1);
        let error = net.pack().expect_err("refused").to_string();
        assert!(error.contains(&words) && !error.contains('\n'), "{error}");
    }
    let mut strange = spec("c:conv u:unit l:linear");
    strange
        .layers
        .insert(1, LayerSpec::named("odd", Strange {}));
    let net = Network::new(&strange, fastest(), 1, false).unwrap();
    let error = net.pack().expect_err("refused").to_string();
    assert!(
        error.contains("layer 2 (odd) cannot be packed: no packed form is known of it"),
        "{error}"
    );
}
