//! The built-in digits are worth training on: a linear classifier learns much
//! of them, and is kept well short of all.

use bnn_cpu::data::{Dataset, digits, epoch_order};

/// Test accuracy of multinomial logistic regression, trained by plain SGD with
/// a falling learning rate.
fn linear_accuracy(data: &Dataset, epochs: u64) -> f64 {
    const PIXELS: usize = 28 * 28;
    let mut weights = vec![[0.0_f32; PIXELS + 1]; 10];
    let input = |image: &[u8]| -> Vec<f32> {
        // The last entry multiplies the bias.
        let scaled = image.iter().map(|&p| f32::from(p) / 255.0 - 0.11);
        scaled.chain([1.0]).collect()
    };
    let scores = |weights: &[[f32; PIXELS + 1]], x: &[f32]| -> Vec<f32> {
        let dot = |row: &[f32; PIXELS + 1]| row.iter().zip(x).map(|(w, v)| w * v).sum();
        weights.iter().map(dot).collect()
    };
    let indices: Vec<u32> = (0..data.train.len() as u32).collect();
    for epoch in 0..epochs {
        let rate = 0.02 * 0.6_f32.powi(epoch as i32);
        for i in epoch_order(&indices, 1, epoch) {
            let x = input(data.train.image(i as usize));
            let logits = scores(&weights, &x);
            let top = logits.iter().copied().fold(f32::MIN, f32::max);
            let exps: Vec<f32> = logits.iter().map(|z| (z - top).exp()).collect();
            let total: f32 = exps.iter().sum();
            for (class, row) in weights.iter_mut().enumerate() {
                let target = f32::from(class == data.train.label(i as usize) as usize);
                let step = rate * (exps[class] / total - target);
                row.iter_mut().zip(&x).for_each(|(w, v)| *w -= step * v);
            }
        }
    }
    let correct = (0..data.test.len()).filter(|&i| {
        let logits = scores(&weights, &input(data.test.image(i)));
        let best = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        best == Some(data.test.label(i) as usize)
    });
    correct.count() as f64 / data.test.len() as f64
}

#[test]
fn a_linear_classifier_is_far_above_chance_and_below_95_percent() {
    let accuracy = linear_accuracy(&digits::generate(digits::SEED, 20_000, 4_000), 6);
    println!("linear: {accuracy}");
    assert!((0.80..0.95).contains(&accuracy), "{accuracy}");
}
