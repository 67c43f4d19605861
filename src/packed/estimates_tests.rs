//! Bits by 16-bit estimates against the bits of float sums.

use crate::channels::Channels;
use crate::kernels::Isa;
use crate::packed::flow::flows;
use crate::packed::layer::{Pixels, Product, Stage, Step, Weights};
use crate::packed::op::Reading;
use crate::packed::plan::Plan;
use crate::packed::{Kind, PackedNet};
use crate::random::{below, between, keyed};
use crate::tensor::Shape;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Weights and thresholds: any floats, or multiples of a quarter, whose sums often equal their
/// threshold.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    Floats,
    Quarters,
    /// Weights 0 and thresholds at or beside 0 in part of the channels; infinite thresholds.
    Constants,
}

impl Numbers {
    fn draw(self, rng: &mut Xoshiro256PlusPlus) -> f32 {
        match self {
            Numbers::Floats | Numbers::Constants => between(rng, -1.0, 1.0),
            Numbers::Quarters => (below(rng, 9) as f32 - 4.0) / 4.0,
        }
    }
}

/// Returns a stage of `out` channels over `depth` inputs whose sums become pooled bits.
fn stage(
    rng: &mut Xoshiro256PlusPlus,
    numbers: Numbers,
    (product, out, depth): (Product, usize, usize),
    signs: bool,
) -> Stage {
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| numbers.draw(rng)).collect() };
    let (mut values, bias) = (draw(out * depth), draw(out));
    let (mut scale, mut shift) = (draw(out), draw(out));
    if numbers == Numbers::Constants {
        // No input changes the bits of these channels: +0, 0, below and above; the last have
        // thresholds beyond all floats.
        values[..4 * depth].fill(0.0);
        shift[1] = -bias[1] * scale[1];
        scale[4] = 0.0;
        scale[5] = 0.0;
        (shift[4], shift[5]) = (1.0, -1.0);
    } else if numbers == Numbers::Quarters {
        scale
            .iter_mut()
            .for_each(|s| *s = if *s < 0.0 { -1.0 } else { 1.0 });
    }
    let pool = Step::MaxPool {
        kernel: 2,
        stride: 2,
    };
    let mut tail = vec![Step::Affine { scale, shift }, pool, Step::Fire];
    if signs {
        tail.push(Step::Signs);
    }
    Stage {
        name: "conv".into(),
        layer: 0,
        inputs: Vec::new(),
        product,
        weights: Weights::Real { values, bias },
        tail,
    }
}

fn net(seed: u64, numbers: Numbers) -> PackedNet {
    let mut rng = keyed(&[seed, 95]);
    let mut one_of = |choices: &[usize]| choices[below(&mut rng, choices.len() as u64) as usize];
    let input = Shape::image(
        one_of(&[1, 1, 3]),
        9 + one_of(&[0, 3, 5]),
        10 + one_of(&[0, 2, 7]),
    );
    let (kernel, padding, stride) = (one_of(&[1, 3, 5]), one_of(&[0, 1]), one_of(&[1, 1, 2]));
    let (a, b) = (one_of(&[8, 16, 24, 40]), one_of(&[8, 16, 32, 56]));
    let (signs, border) = (one_of(&[0, 1]) == 1, one_of(&[0, 1, 2]) as i8 - 1);
    let first = Product::Conv {
        out: a,
        kernel,
        stride,
        padding: padding.min(kernel - 1),
        border,
        groups: 1,
    };
    let second = Product::Conv {
        out: b,
        kernel: 2,
        stride: 1,
        padding: 1,
        border,
        groups: 1,
    };
    let each = |n: f32| match seed % 2 {
        0 => Channels::All(n),
        _ => Channels::Each((0..input.channels).map(|c| n + c as f32 / 8.0).collect()),
    };
    let pixels = Pixels::Normalised {
        mean: each(0.25),
        std: each(0.5),
    };
    let depth = kernel * kernel * input.channels;
    let mut stages = vec![
        stage(&mut rng, numbers, (first, a, depth), signs),
        stage(&mut rng, numbers, (second, b, 4 * a), false),
    ];
    stages.push(last_stage(&mut rng, input, &stages));
    PackedNet::new("estimates".into(), input, pixels, stages).unwrap()
}

/// Returns a linear layer that turns the bits of two stages into three logits.
fn last_stage(rng: &mut Xoshiro256PlusPlus, input: Shape, stages: &[Stage]) -> Stage {
    let flows = flows((input, Kind::Reals), stages).unwrap();
    let depth = flows[stages.len() - 1].output().0.len();
    Stage {
        name: "fc".into(),
        layer: 0,
        inputs: Vec::new(),
        product: Product::Linear { out: 3 },
        weights: Weights::Real {
            values: (0..3 * depth).map(|_| between(rng, -1.0, 1.0)).collect(),
            bias: vec![0.0; 3],
        },
        tail: Vec::new(),
    }
}

/// Returns the results of all stages for each image.
fn results(net: &PackedNet, plan: &Plan, images: &[Vec<u8>]) -> Vec<Vec<u32>> {
    let mut scratch = plan.scratch();
    let mut all = Vec::new();
    for image in images {
        plan.run(image, Reading::Threshold, &mut scratch, |_| {});
        for i in 0..net.stages().len() {
            let mut out = Vec::new();
            plan.output(i, &scratch, &mut out);
            all.push(out.iter().map(|x| x.to_bits()).collect());
        }
    }
    all
}

#[test]
fn bits_by_estimates_are_those_of_float_sums() {
    let mut names = std::collections::BTreeSet::new();
    for seed in 0..120 {
        let numbers = [Numbers::Floats, Numbers::Quarters, Numbers::Constants][seed as usize % 3];
        let net = net(seed, numbers);
        let mut rng = keyed(&[seed, 96]);
        let mut image = |mask: u8| -> Vec<u8> {
            let pixel = |_| below(&mut rng, 256) as u8 & mask;
            (0..net.input().len()).map(pixel).collect()
        };
        let images = [image(255), image(128), image(192), image(0)];
        for isa in Isa::available() {
            let kernels = isa.kernels().unwrap();
            let (by_estimates, by_floats) = (
                Plan::of(&net, kernels, true),
                Plan::of(&net, kernels, false),
            );
            names.extend(by_estimates.operations().map(|(_, name)| name));
            assert_eq!(
                results(&net, &by_estimates, &images),
                results(&net, &by_floats, &images),
                "seed {seed}, {}",
                isa.name()
            );
        }
    }
    assert!(names.contains("short tables"));
}
